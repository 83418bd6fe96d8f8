"""Receipts come late, twice, in any order and from strangers; deliveries only ever move forward."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outbox_rows import NOW, NUMBER, a_delivery, a_notification, a_party
from sqlalchemy import Connection, Engine, RowMapping, func, select, update

from notifier.channels.twilio_forms import parse_status
from notifier.model import (
    DELIVERY_MOVES,
    Action,
    Channel,
    DeliveryId,
    DeliveryState,
    NotificationId,
    Reason,
    Receipt,
    origins,
)
from notifier.receipts import Recorded, adopt_orphans, record, record_batch
from notifier.store import tables
from notifier.store.engine import writing
from notifier.store.receipts import BROUGHT, Move, move
from notifier.store.settle import settle
from notifier.store.suppressions import active

#: How far along a delivery is; a receipt never leads to a lower one.
RANK = {state: rank for rank, state in enumerate(("attempting", "unknown", *BROUGHT))}


def a_receipt(state: DeliveryState | None, **values: Any) -> Receipt:
    return replace(Receipt("twilio", state, {"MessageStatus": str(state)}), **values)


def state_of(connection: Connection, delivery: DeliveryId) -> str:
    return str(connection.scalar(select(tables.delivery.c.state).where(tables.delivery.c.id == delivery)))


def delivery_row(connection: Connection, delivery: DeliveryId) -> RowMapping:
    query = select(tables.delivery).where(tables.delivery.c.id == delivery)
    return connection.execute(query).mappings().one()


def kept(connection: Connection) -> list[RowMapping]:
    return list(connection.execute(select(tables.receipt).order_by(tables.receipt.c.id)).mappings())


class Settled:
    """Remembers which notifications it was asked to settle."""

    def __init__(self) -> None:
        self.ids: list[NotificationId] = []

    def __call__(self, connection: Connection, ids: Sequence[NotificationId], /, *, now: object) -> None:
        self.ids += ids


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with writing(engine) as connection:
        yield connection


def test_a_receipt_moves_its_delivery_and_settles_its_notification(connection: Connection) -> None:
    delivery = a_delivery(connection, state=DeliveryState.ACCEPTED, reference="SM1")
    receipt = a_receipt(DeliveryState.DELIVERED, delivery_id=delivery, reference="SM1")

    moved = record(connection, [receipt], now=NOW)

    row = delivery_row(connection, delivery)
    assert moved == [row["notification_id"]]
    assert (row["state"], row["outcome_at"]) == ("delivered", NOW)
    assert connection.scalar(select(tables.notification.c.state)) == "delivered"
    assert [(one["delivery_id"], one["applied"], one["raw"]) for one in kept(connection)] == [
        (delivery, True, dict(receipt.raw))
    ]


def test_a_delivery_is_found_by_its_reference(connection: Connection) -> None:
    delivery = a_delivery(connection, state=DeliveryState.ACCEPTED, reference="SM1")
    record(connection, [a_receipt(DeliveryState.READ, reference="SM1")], now=NOW, settle=Settled())
    assert state_of(connection, delivery) == "read"


def test_a_reference_of_another_provider_is_not_taken_for_ours(connection: Connection) -> None:
    delivery = a_delivery(connection, state=DeliveryState.ACCEPTED, reference="1", provider="smtp")
    record(connection, [a_receipt(DeliveryState.READ, reference="1")], now=NOW, settle=Settled())
    assert state_of(connection, delivery) == "accepted"


def test_a_repeated_mail_is_found_at_its_newest_delivery(connection: Connection) -> None:
    old = a_delivery(connection, state=DeliveryState.UNKNOWN, reference="SM1")
    new = a_delivery(connection, state=DeliveryState.ACCEPTED, reference="SM1")
    record(connection, [a_receipt(DeliveryState.DELIVERED, reference="SM1")], now=NOW, settle=Settled())
    assert (state_of(connection, old), state_of(connection, new)) == ("unknown", "delivered")


@pytest.mark.parametrize("state", BROUGHT)
def test_a_receipt_ends_an_unknown_outcome_and_teaches_the_reference(
    connection: Connection, state: DeliveryState
) -> None:
    delivery = a_delivery(connection, state=DeliveryState.UNKNOWN)
    receipt = a_receipt(state, delivery_id=delivery, reference="SM9")
    assert record(connection, [receipt], now=NOW, settle=Settled())
    row = delivery_row(connection, delivery)
    assert (row["state"], row["reference"]) == (state, "SM9")


def test_a_known_reference_is_not_overwritten(connection: Connection) -> None:
    delivery = a_delivery(connection, state=DeliveryState.ACCEPTED, reference="SM1")
    receipt = a_receipt(DeliveryState.DELIVERED, delivery_id=delivery, reference="SM2")
    record(connection, [receipt], now=NOW, settle=Settled())
    assert delivery_row(connection, delivery)["reference"] == "SM1"


def test_a_status_that_moves_nothing_still_teaches_the_reference(connection: Connection) -> None:
    delivery = a_delivery(connection, state=DeliveryState.ATTEMPTING)
    settled = Settled()
    record(connection, [a_receipt(None, delivery_id=delivery, reference="SM1")], now=NOW, settle=settled)
    row = delivery_row(connection, delivery)
    assert (row["state"], row["reference"], row["outcome_at"], settled.ids) == ("attempting", "SM1", None, [])
    assert [one["applied"] for one in kept(connection)] == [False]


def test_a_failure_keeps_its_reason_and_a_later_proof_clears_it(connection: Connection) -> None:
    delivery = a_delivery(connection, state=DeliveryState.ACCEPTED)
    failed = a_receipt(DeliveryState.FAILED, delivery_id=delivery, code="30008", reason=Reason.NOT_REACHABLE)
    record(connection, [failed], now=NOW, settle=Settled())
    row = delivery_row(connection, delivery)
    assert (row["state"], row["code"], row["reason"]) == ("failed", "30008", "not reachable on this channel")

    record(connection, [a_receipt(DeliveryState.DELIVERED, delivery_id=delivery)], now=NOW, settle=Settled())
    row = delivery_row(connection, delivery)
    assert (row["state"], row["code"], row["reason"]) == ("delivered", None, None)


def test_the_statement_itself_refuses_a_move_that_the_table_does_not_have(connection: Connection) -> None:
    delivery = a_delivery(connection, state=DeliveryState.READ)
    move(connection, [Move(delivery, DeliveryState.FAILED, "x", "1", "SM1")], now=NOW)
    row = delivery_row(connection, delivery)
    assert (row["state"], row["reason"], row["reference"]) == ("read", None, None)


@pytest.mark.parametrize("before", DeliveryState)
@pytest.mark.parametrize("after", BROUGHT)
def test_every_pair_of_states_moves_as_the_table_says(
    sqlite_engine: Engine, before: DeliveryState, after: DeliveryState
) -> None:
    assert (before in origins(DELIVERY_MOVES, after)) == (after in DELIVERY_MOVES[before])
    with writing(sqlite_engine) as connection:
        delivery = a_delivery(connection, state=before)
        record(connection, [a_receipt(after, delivery_id=delivery)], now=NOW, settle=Settled())
        expected = after if after in DELIVERY_MOVES[before] else before
        assert state_of(connection, delivery) == expected


def test_unknown_deliveries_and_statuses_are_kept_and_move_nothing(connection: Connection) -> None:
    strangers = [
        a_receipt(DeliveryState.DELIVERED, delivery_id=DeliveryId(987), reference="SM7"),
        a_receipt(DeliveryState.READ, reference="SM8"),
        a_receipt(None),
    ]
    assert record(connection, strangers, now=NOW, settle=Settled()) == []
    assert [(one["delivery_id"], one["applied"], one["reference"]) for one in kept(connection)] == [
        (None, False, "SM7"),
        (None, False, "SM8"),
        (None, False, None),
    ]


def test_no_receipts_do_nothing(connection: Connection) -> None:
    assert record_batch(connection, [], now=NOW, settle=Settled()) == Recorded(())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from(DeliveryState),
    story=st.lists(st.sampled_from([*BROUGHT, None]), max_size=8),
    cuts=st.lists(st.booleans(), min_size=8, max_size=8),
    shuffle=st.randoms(use_true_random=False),
)
def test_in_whatever_order_and_number_they_come_the_end_is_the_same_and_nothing_goes_back(
    engine: Engine, start: DeliveryState, story: list[DeliveryState | None], cuts: list[bool], shuffle: Any
) -> None:
    repeated = story + story[: len(story) // 2]
    shuffle.shuffle(repeated)
    proofs = [state for state in repeated if state is not None and RANK[state] > RANK[start]]
    expected = max(proofs, key=lambda state: RANK[state], default=start)

    with writing(engine) as connection:
        delivery = a_delivery(connection, state=start)
        ranks = [RANK[start]]
        batch: list[Receipt] = []
        for number, state in enumerate(repeated):
            batch.append(a_receipt(state, delivery_id=delivery))
            if cuts[number % len(cuts)] or number == len(repeated) - 1:
                record(connection, batch, now=NOW, settle=settle)
                batch = []
                ranks.append(RANK[DeliveryState(state_of(connection, delivery))])

        assert ranks == sorted(ranks)
        assert state_of(connection, delivery) == expected
        mine = [one for one in kept(connection) if one["delivery_id"] == delivery]
        assert [one["raw"]["MessageStatus"] for one in mine] == [str(state) for state in repeated]
        assert sum(one["applied"] for one in mine) <= len(BROUGHT)


def test_one_bad_row_costs_one_row(connection: Connection) -> None:
    deliveries = [a_delivery(connection, state=DeliveryState.ACCEPTED) for _ in range(7)]
    receipts = [a_receipt(DeliveryState.DELIVERED, delivery_id=delivery) for delivery in deliveries]
    receipts[4] = replace(receipts[4], provider="p" * 40, delivery_id=DeliveryId(2**80))

    recorded = record_batch(connection, receipts, now=NOW, settle=Settled())

    assert recorded.refused == {4}
    assert len(recorded.notification_ids) == 6
    assert len(kept(connection)) == 6
    assert [state_of(connection, delivery) for delivery in deliveries].count("delivered") == 6


def test_nul_and_half_characters_do_not_spoil_a_batch(connection: Connection) -> None:
    delivery = a_delivery(connection, state=DeliveryState.ACCEPTED)
    bad = a_receipt(
        DeliveryState.FAILED,
        delivery_id=delivery,
        reference="SM\0" + "9" * 300,
        code="3\0" + "0" * 40,
        raw={"Error\0Message": "gone\0 \ud800", "ErrorCode": "30003"},
    )
    recorded = record_batch(connection, [bad], now=NOW, settle=Settled())

    assert recorded.refused == frozenset()
    assert kept(connection)[0]["raw"] == {"Error\ufffdMessage": "gone\ufffd ?", "ErrorCode": "30003"}
    row = delivery_row(connection, delivery)
    assert (len(row["reference"]), len(row["code"])) == (128, 16)


def test_a_block_suppresses_the_address_on_its_channel(connection: Connection) -> None:
    delivery = a_delivery(connection, state=DeliveryState.ACCEPTED)
    blocked = a_receipt(
        DeliveryState.FAILED,
        delivery_id=delivery,
        code="63014",
        reason=Reason.BLOCKED_BY_RECIPIENT,
        action=Action.SUPPRESS,
    )
    record(connection, [blocked, blocked], now=NOW, settle=Settled())
    assert active(connection, [(Channel.WHATSAPP, NUMBER), (Channel.SMS, NUMBER)]) == {(Channel.WHATSAPP, NUMBER)}
    assert connection.scalar(select(func.count()).select_from(tables.suppression)) == 1


def test_a_late_repetition_does_not_undo_what_the_recipient_has_allowed_since(connection: Connection) -> None:
    delivery = a_delivery(connection, state=DeliveryState.ACCEPTED)
    blocked = a_receipt(DeliveryState.FAILED, delivery_id=delivery, action=Action.SUPPRESS)
    record(connection, [blocked], now=NOW, settle=Settled())
    connection.execute(update(tables.suppression).values(lifted_at=NOW))
    record(connection, [blocked], now=NOW, settle=Settled())
    assert active(connection, [(Channel.WHATSAPP, NUMBER)]) == set()


def test_a_bad_address_makes_every_contact_with_it_unusable_on_that_channel(connection: Connection) -> None:
    delivery = a_delivery(connection, state=DeliveryState.ACCEPTED)
    shared = a_party(connection, Channel.WHATSAPP, NUMBER)
    on_sms = a_party(connection, Channel.SMS, NUMBER)
    bad = a_receipt(
        DeliveryState.FAILED,
        delivery_id=delivery,
        code="63003",
        reason=Reason.BAD_ADDRESS,
        action=Action.BAD_ADDRESS,
    )
    record(connection, [bad], now=NOW, settle=Settled())

    rows = connection.execute(select(tables.contact)).mappings()
    usable = {row["party_id"]: (row["usable"], row["reason"]) for row in rows}
    assert usable[shared] == (False, "bad address")
    assert usable[on_sms] == (True, None)
    assert sum(not ok for ok, _ in usable.values()) == 2


def test_a_receipt_that_outran_its_reference_is_adopted(connection: Connection) -> None:
    early = parse_status({"MessageSid": "SM5", "MessageStatus": "undelivered", "ErrorCode": "63003"})
    record(connection, [early], now=NOW, settle=Settled())
    delivery = a_delivery(connection, state=DeliveryState.ACCEPTED, reference="SM5")
    a_delivery(connection, state=DeliveryState.ACCEPTED, reference="SM6")
    settled = Settled()

    moved = adopt_orphans(connection, now=NOW, settle=settled, readers={"twilio": parse_status})

    row = delivery_row(connection, delivery)
    assert moved == settled.ids == [row["notification_id"]]
    assert (row["state"], row["code"], row["reason"]) == ("failed", "63003", early.reason)
    assert [(one["delivery_id"], one["applied"]) for one in kept(connection)] == [(delivery, True)]
    again = adopt_orphans(connection, now=NOW, settle=settled, readers={})
    assert again == []


def test_the_sweep_finds_orphans_of_all_deliveries_but_not_older_than_told(connection: Connection) -> None:
    old, new = (a_receipt(DeliveryState.READ, reference=name) for name in ("SM1", "SM2"))
    record(connection, [old], now=NOW - timedelta(days=3), settle=Settled())
    record(connection, [new], now=NOW, settle=Settled())
    forgotten, found = (a_delivery(connection, state=DeliveryState.ACCEPTED, reference=name) for name in ("SM1", "SM2"))
    adopt_orphans(connection, now=NOW, settle=Settled(), readers={}, since=NOW - timedelta(days=1))
    assert (state_of(connection, forgotten), state_of(connection, found)) == ("accepted", "read")


def test_reading_what_was_delivered_settles_nothing_anew(connection: Connection) -> None:
    delivery = a_delivery(connection, state=DeliveryState.ACCEPTED)
    settled = Settled()
    for state in (DeliveryState.DELIVERED, DeliveryState.READ):
        assert record(connection, [a_receipt(state, delivery_id=delivery)], now=NOW, settle=settled)
    assert len(settled.ids) == 1


def test_a_rung_whose_deliveries_all_failed_makes_the_ladder_go_on(connection: Connection) -> None:
    party = a_party(connection)
    notification = a_notification(connection, party, rungs=2)
    delivery = a_delivery(connection, state=DeliveryState.ACCEPTED, notification=notification)
    record(connection, [a_receipt(DeliveryState.FAILED, delivery_id=delivery)], now=NOW)
    assert connection.scalar(select(tables.notification.c.next_attempt_at)) == NOW


def test_two_batches_over_the_same_deliveries_in_opposite_order_both_succeed(
    postgres_engine: Engine,
) -> None:
    with writing(postgres_engine) as connection:
        deliveries = [a_delivery(connection, state=DeliveryState.ACCEPTED) for _ in range(40)]
    failures: list[BaseException] = []
    start = threading.Barrier(2)

    def work(order: list[DeliveryId], state: DeliveryState) -> None:
        try:
            start.wait()
            for _ in range(10):
                with writing(postgres_engine) as connection:
                    receipts = [a_receipt(state, delivery_id=delivery) for delivery in order]
                    record(connection, receipts, now=NOW, settle=settle)
        except BaseException as error:
            failures.append(error)

    workers = [
        threading.Thread(target=work, args=(deliveries, DeliveryState.DELIVERED)),
        threading.Thread(target=work, args=(deliveries[::-1], DeliveryState.READ)),
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert failures == []
    with writing(postgres_engine) as connection:
        assert {state_of(connection, delivery) for delivery in deliveries} == {"read"}
        assert len(kept(connection)) == 800
