"""Ten questions of callers, each answered by what `explain` shows."""

from collections.abc import Mapping
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine

from notifier.caller.say import sayings
from notifier.caller.sentences import LANGUAGES, SENTENCES, STATES
from notifier.model import Action, Channel, DeliveryState, Reason, Rejected
from notifier.store.engine import writing
from notifier.store.records import RoleRecord
from notifier.store.suppressions import suppress
from tests.world import World, wib


@pytest.fixture
def world(sqlite_engine: Engine) -> World:
    world = World(sqlite_engine)
    world.plan()
    return world


def itas(world: World, expiry: str = "2026-06-10", **values: object) -> None:
    ends = date.fromisoformat(expiry)
    world.permit("P1", "A", type="ITAS", issue=ends - timedelta(days=365), expiry=ends, **values)


def said(world: World, rule: str = "itas-extension", *, number: str = "P1", language: str = "en") -> str:
    """What the help desk says about one rule, all sentences."""
    found = world.explain(number)
    return "\n".join(sentence for where, sentence in sayings(found, language) if where.startswith(rule))


def test_why_did_i_get_this_twice_because_the_rule_uses_two_channels(world: World) -> None:
    """S93, S67: one reminder, two channels at once."""
    world.person("A", "CHEN WEI")
    itas(world)
    world.days("2026-05-10", "2026-05-12")
    answer = said(world)
    assert "CHEN WEI was told on 2026-05-11" in answer
    assert "one reminder over several channels: the rule sends them together" in answer
    assert "whatsapp …" in answer and "email a…@mail.example" in answer


def test_why_did_i_get_this_twice_because_the_first_channel_was_not_confirmed(world: World) -> None:
    """S93, S69: the next rung left because the one before failed."""
    world.person("A")
    world.carriers[Channel.WHATSAPP].answer = lambda _: Rejected(Reason.NOT_REACHABLE, Action.NEXT_CHANNEL, "63024")
    world.case("C1", "A", service="passport", state="ready for collection", issue=date(2026, 2, 20), since=world.now)
    world.at("2026-02-20 10:00")
    world.case(
        "C2",
        "A",
        service="passport",
        state="ready for collection",
        issue=date(2026, 2, 20),
        since=wib("2026-02-20 09:00"),
    )
    world.run()
    answer = said(world, "ready-for-collection", number="C2")
    assert "did not arrive; sms" in answer
    assert "the next channel was used because the one before was not confirmed in time" in answer


def test_why_did_i_get_nothing_because_the_permit_is_renewed(world: World) -> None:
    """S93: the field that stops the rule is named."""
    world.person("A")
    itas(world, status="renewal protected")
    world.days("2026-05-10", "2026-05-22")
    assert "No reminder is needed: the register says status: renewal protected." in said(world)


def test_why_did_i_get_nothing_because_you_said_stop(world: World) -> None:
    """S93, S75: the channel that was refused is named, and how to lift it."""
    world.person("A", email=False)
    itas(world)
    contacts = contacts_of_the_holder(world)
    with writing(world.engine) as connection:
        for channel, address in contacts:
            suppress(connection, channel, address, reason=Reason.OPTED_OUT, source="reply", now=world.now)
    world.days("2026-05-10", "2026-05-12")
    assert "You asked for no messages on" in said(world)
    assert "MULAI" in said(world)


def contacts_of_the_holder(world: World) -> list[tuple[Channel, str]]:
    holder = world.explain("P1").subject.holder
    assert holder is not None
    return [(contact.channel, contact.address) for contact in holder.contacts]


def test_why_did_i_get_nothing_because_we_have_no_address(world: World) -> None:
    """S93, S64: a person without any address makes work, and the caller can mend it at once."""
    world.person("A", email=False, phone=False)
    itas(world)
    world.days("2026-05-10", "2026-05-12")
    assert "We have no address for you that works." in said(world)


def test_when_will_i_be_told_next(world: World) -> None:
    """S93: what lies ahead is said with its day and hour."""
    world.person("A")
    itas(world)
    world.days("2026-05-10", "2026-05-12")
    assert "You will be told on 2026-05-20 09:00 WIB." in said(world)


def test_why_so_late_and_only_one_because_it_was_registered_late(world: World) -> None:
    """S93, S35: the older steps were replaced by the newest."""
    world.person("A")
    world.at("2026-05-28 08:00")
    itas(world)
    world.days("2026-05-28", "2026-05-29")
    assert "was told on 2026-05-28" in said(world)
    assert "took its place (two-weeks)" in said(world) or "told the same thing earlier that day" in said(world)


def test_why_is_my_agent_not_told_because_the_authority_has_ended(world: World) -> None:
    """S93, S62: the agent is passed over by name of the role."""
    world.person("A")
    world.person("AGENT", "CV JASA")
    itas(world, roles={"agent": [RoleRecord("AGENT", None, date(2026, 5, 1))]})
    world.days("2026-05-10", "2026-05-12")
    assert "The authority of your agent has ended" in said(world)


def test_why_did_my_mother_get_it_because_i_am_not_of_age(world: World) -> None:
    """S93, S59: the guardian is told in the holder's place."""
    world.person("A", "ANI", birth_date=date(2012, 1, 1), phone=False, email=False)
    world.person("MOTHER", "SITI")
    itas(world, roles={"guardian": ["MOTHER"]})
    world.days("2026-05-10", "2026-05-12")
    assert "SITI was told in the place of a holder who is not of age" in said(world)


def test_why_does_the_message_say_another_date_because_the_register_was_corrected(world: World) -> None:
    """S93, S48, S50: told stays told, and the corrected date moves what is to come."""
    world.person("A")
    itas(world)
    world.days("2026-05-10", "2026-05-20")
    world.at("2026-05-21 08:00")
    itas(world, "2026-06-14")
    world.days("2026-05-21", "2026-05-22")
    assert "You will be told on 2026-05-29 09:00 WIB." in said(world)
    assert "was told on 2026-05-20" in said(world)


def test_why_did_it_come_at_night_or_in_the_morning_because_it_waits_for_the_day(world: World) -> None:
    """S93, S30: what waits for sending hours says until when."""
    world.person("A")
    world.at("2026-05-11 21:30")
    itas(world)
    world.at("2026-05-11 22:00").plan()
    assert "It waits until 2026-05-12 07:00 WIB: we write to nobody at night." in said(world)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_that_can_stop_a_message_has_a_sentence_in_every_language(language: str) -> None:
    """S93: the closed list of reasons."""
    spoken: Mapping[Reason, str] = SENTENCES[language]
    of_deliveries = {
        Reason.BAD_ADDRESS, Reason.BLOCKED_BY_RECIPIENT, Reason.NOT_REACHABLE, Reason.TEMPORARY, Reason.CONFIGURATION,
        Reason.CONTENT_REFUSED, Reason.TEMPLATE_FAULT, Reason.TIMED_OUT,
    }  # fmt: skip
    of_what_was_told = {Reason.TOLD, Reason.PRESUMED_DELIVERED, Reason.PROVED_DELIVERED, Reason.NEWER_STEP_SENT}
    assert set(spoken) == set(Reason) - of_deliveries - of_what_was_told
    assert set(STATES[language]) == set(DeliveryState)
