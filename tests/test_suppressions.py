"""Who wants no more messages gets none; who wants them again gets them again."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from outbox_rows import NOW, NUMBER, a_party
from sqlalchemy import Connection, Engine, select

from notifier.model import Channel, Reason
from notifier.store import tables
from notifier.store.engine import writing
from notifier.store.suppressions import (
    LIFTED_BY_RECIPIENT,
    Suppression,
    active,
    lift,
    list_suppressions,
    mark_unusable,
    suppress,
)

OTHER = "+6281111111111"


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with writing(engine) as connection:
        yield connection


def forbid(connection: Connection, address: str = NUMBER, reason: str = Reason.OPTED_OUT) -> bool:
    return suppress(connection, Channel.WHATSAPP, address, reason=reason, source="reply", now=NOW)


def test_a_suppression_holds_for_its_address_on_its_channel(connection: Connection) -> None:
    assert forbid(connection)
    asked = [(channel, address) for channel in Channel for address in (NUMBER, OTHER)]
    assert active(connection, asked) == {(Channel.WHATSAPP, NUMBER)}
    assert active(connection, []) == set()


def test_suppressing_twice_adds_nothing(connection: Connection) -> None:
    assert (forbid(connection), forbid(connection)) == (True, False)
    assert list_suppressions(connection) == [Suppression(Channel.WHATSAPP, NUMBER, "opted out", "reply", NOW, None)]


def test_a_lifted_suppression_stays_in_the_record_and_may_come_back(connection: Connection) -> None:
    forbid(connection)
    later = NOW + timedelta(days=1)
    assert lift(connection, Channel.WHATSAPP, NUMBER, now=later)
    assert active(connection, [(Channel.WHATSAPP, NUMBER)]) == set()
    assert not lift(connection, Channel.WHATSAPP, NUMBER, now=later)
    assert forbid(connection)
    assert [one.lifted_at for one in list_suppressions(connection, lifted=True)] == [later, None]


def test_a_recipient_cannot_lift_what_an_officer_has_forbidden(connection: Connection) -> None:
    forbid(connection, reason="asked in person at the counter")
    assert not lift(connection, Channel.WHATSAPP, NUMBER, now=NOW, reasons=LIFTED_BY_RECIPIENT)
    assert lift(connection, Channel.WHATSAPP, NUMBER, now=NOW)


def test_any_number_of_addresses_may_be_asked_at_once(connection: Connection) -> None:
    forbid(connection)
    asked = [(Channel.WHATSAPP, f"+62{number}") for number in range(5_000)]
    assert active(connection, [*asked, (Channel.WHATSAPP, NUMBER)]) == {(Channel.WHATSAPP, NUMBER)}


def test_an_unusable_address_is_noted_with_its_reason(connection: Connection) -> None:
    bad, good = a_party(connection, address=NUMBER), a_party(connection, address=OTHER)
    mark_unusable(connection, {(Channel.WHATSAPP, NUMBER): Reason.BAD_ADDRESS})
    mark_unusable(connection, {(Channel.WHATSAPP, "+62000"): Reason.BAD_ADDRESS})
    rows = connection.execute(select(tables.contact)).mappings()
    found = {row["party_id"]: (row["usable"], row["reason"]) for row in rows}
    assert found == {bad: (False, "bad address"), good: (True, None)}
