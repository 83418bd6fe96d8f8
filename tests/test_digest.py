"""Digests: everything due for one recipient leaves at one slot of the office's clock (S77-S79)."""

from datetime import date, time, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from notifier.calendar.data import load_calendar
from notifier.calendar.office import OfficeCalendar, build_calendar
from notifier.model import Channel, EmailMessage, Office, OfficeId, Reason
from notifier.rules.rule import Digest
from notifier.rules.slots import next_slot, slot_for
from notifier.store.engine import writing
from notifier.store.records import OfficeRecord
from notifier.store.register import put_offices
from tests.test_merging import BASE, itas, members, person, rule, states, world_of
from tests.world import PROJECT, World, wib

DAILY = Digest(time(7, 45))
MONDAYS = Digest(time(8), weekday=0)


def calendar(*closed: date) -> OfficeCalendar:
    office = Office(OfficeId(1), "jakarta", "Jakarta", "Asia/Jakarta", closed_days=frozenset(closed))
    return build_calendar(office, load_calendar(PROJECT / "rules" / "calendar.yaml"))


# --------------------------------------------------------------------------------------------------------- slots


@pytest.mark.parametrize(
    ("digest", "at", "slot"),
    [
        pytest.param(DAILY, "2026-09-01 07:45", "2026-09-01 07:45", id="at the very instant"),
        pytest.param(DAILY, "2026-09-01 07:46", "2026-09-02 07:45", id="a minute too late"),
        pytest.param(DAILY, "2026-09-04 09:00", "2026-09-07 07:45", id="over a weekend"),
        pytest.param(DAILY, "2026-03-17 09:00", "2026-03-25 07:45", id="over Lebaran"),
        pytest.param(MONDAYS, "2026-09-01 09:00", "2026-09-07 08:00", id="from a Tuesday"),
        pytest.param(MONDAYS, "2026-09-07 08:00", "2026-09-07 08:00", id="on the Monday itself"),
        pytest.param(MONDAYS, "2026-03-17 09:00", "2026-03-25 08:00", id="a Monday inside Lebaran"),
        pytest.param(MONDAYS, "2026-03-24 09:00", "2026-03-25 08:00", id="due after that Monday, before its day"),
        pytest.param(MONDAYS, "2026-03-25 08:01", "2026-03-30 08:00", id="after the moved slot"),
    ],
)
def test_a_slot_is_the_first_one_not_before_the_moment_and_never_on_a_closed_day(
    digest: Digest, at: str, slot: str
) -> None:
    """S77, S78: what falls on a closed day moves to the next working day."""
    assert next_slot(digest, wib(at), calendar()) == wib(slot)


def test_a_closed_monday_moves_its_slot_to_the_tuesday() -> None:
    """S78: and only that one."""
    closed = calendar(date(2026, 9, 7))
    assert next_slot(MONDAYS, wib("2026-09-04 10:00"), closed) == wib("2026-09-08 08:00")
    assert next_slot(MONDAYS, wib("2026-09-08 08:01"), closed) == wib("2026-09-14 08:00")


def test_a_missed_slot_stays_the_slot_of_its_day_and_then_gives_way_to_the_next() -> None:
    """S77: late on its day it leaves at once; afterwards it waits for the next slot."""
    at = wib("2026-09-01 07:45")
    assert slot_for(DAILY, at, wib("2026-09-01 11:00"), calendar()) == at
    assert slot_for(DAILY, at, wib("2026-09-02 11:00"), calendar()) == wib("2026-09-03 07:45")


# ------------------------------------------------------------------------------------------------ whole messages

WEEKLY = """
  month:
    send: 30 days before expiry
    digest: weekly on monday at 08:00
"""
LIST = """
rule: collection
title: A passport waits to be collected
legal basis: public service
for: case
while: ready for collection
deadline: collection deadline at closing time
to: front desk
via: email
template: case/collection-list
steps:
  call-list:
    send: 5 working days before collection deadline
    digest: daily at 07:45
"""


def employer(world: World, count: int, first: date) -> None:
    """A sponsor with so many employees, whose permits end on following days."""
    person(world, "pt", kind="organisation", email="pt@mail.example")
    for place in range(count):
        person(world, f"e{place}", phone=None)
        roles = {"sponsor": ["pt"]}
        itas(world, f"2D{place:02d}", f"e{place}", first + timedelta(days=place % 5), roles=roles)


def test_a_sponsor_of_thirty_gets_one_mail_a_week(engine: Engine, tmp_path: Path) -> None:
    """S77: what fell due from Tuesday on leaves on Monday as one mail; every permit keeps its row."""
    world = world_of(engine, tmp_path, rule(to="sponsor", via="email", steps=WEEKLY))
    employer(world, 30, date(2026, 10, 2))  # thirty days before: 2 to 4 September and the weekend before the 7th

    world.days("2026-09-01", "2026-09-06")
    assert world.sent == []
    assert len(world.notifications()) == 30
    world.at("2026-09-07 07:59").run()
    assert world.sent == []
    world.at("2026-09-07 08:00").run()

    (message,) = world.sent
    assert isinstance(message, EmailMessage)
    assert "30 documents" in message.subject
    assert [len(others) for _, others in members(world)] == [29]
    assert {row.state for row in world.notifications()} == {"sent"}
    world.days("2026-09-08", "2026-09-20")
    assert len(world.sent) == 1


def test_explain_says_that_it_waits_for_its_digest(engine: Engine, tmp_path: Path) -> None:
    """S77, S93: held, digest, and until when."""
    world = world_of(engine, tmp_path, rule(to="sponsor", via="email", steps=WEEKLY))
    employer(world, 1, date(2026, 10, 2))
    world.at("2026-09-03 10:00").run()

    (answer,) = (one for one in world.explain("2D00").answers if one.decision.recipient is not None)

    assert (answer.decision.reason, answer.decision.leaves_at) == (Reason.DIGEST, wib("2026-09-07 08:00"))


def test_who_was_renewed_before_the_slot_is_not_in_the_digest(engine: Engine, tmp_path: Path) -> None:
    """S34, S77: the rest goes; when nobody is left, nothing does."""
    world = world_of(engine, tmp_path, rule(to="sponsor", via="email", steps=WEEKLY))
    employer(world, 3, date(2026, 10, 2))
    world.days("2026-09-02", "2026-09-06")
    world.permit("2D01", "e1", status="renewal protected")

    world.at("2026-09-07 08:00").run()

    assert [len(others) for _, others in members(world)] == [1]
    assert sorted(state for state, _ in states(world)) == ["cancelled", "sent", "sent"]


def test_what_is_urgent_or_useless_by_the_slot_leaves_alone(engine: Engine, tmp_path: Path) -> None:
    """S79: an urgent step at its own moment; one that would come too late, on its own day."""
    steps = """
  three-days:
    send: 3 days before expiry
    digest: weekly on monday at 08:00
  last-day:
    send: last working day before expiry
    urgent: yes
"""
    world = world_of(engine, tmp_path, rule(to="sponsor", via="email", steps=steps))
    employer(world, 1, date(2026, 9, 11))  # a Friday: three days before is Tuesday the 8th

    world.days("2026-09-07", "2026-09-11")

    assert world.told() == [("three-days", "2026-09-08"), ("last-day", "2026-09-10")]


def test_skip_is_judged_by_the_slot_and_not_by_the_moment(engine: Engine, tmp_path: Path) -> None:
    """S40, S77: on Monday it is not late, whatever day it fell due; after that Monday it is."""
    world = world_of(engine, tmp_path, rule(to="sponsor", via="email", steps=WEEKLY + "    late: skip\n"))
    employer(world, 2, date(2026, 10, 2))
    world.at("2026-09-07 11:00").run()
    assert len(world.sent) == 1

    person(world, "late", phone=None)
    itas(world, "2D-late", "late", date(2026, 10, 2), roles={"sponsor": ["pt"]})
    world.at("2026-09-08 11:00").run()
    world.at("2026-09-14 08:00").run()
    assert len(world.sent) == 1


def test_a_digest_missed_for_a_day_leaves_at_the_next_slot(engine: Engine, tmp_path: Path) -> None:
    """S77: the machine slept over Monday; on Tuesday it waits for the next Monday, once."""
    world = world_of(engine, tmp_path, rule(to="sponsor", via="email", steps=WEEKLY))
    employer(world, 2, date(2026, 10, 5))
    world.at("2026-09-08 11:00").run()
    assert world.sent == []

    world.at("2026-09-14 08:00").run()
    assert len(world.sent) == 1


def test_the_list_for_a_desk_leaves_on_the_day_itself_and_counts_for_no_cap(engine: Engine, tmp_path: Path) -> None:
    """V14, S31, S77, S81: five working days before the collection deadline is 11 March; in Ramadan one writes from
    nine o'clock on, to desks as well."""
    world = world_of(engine, tmp_path, LIST)
    office = OfficeRecord("jakarta-barat", {}, {"front": "desk@office.example"})
    with writing(engine) as connection:
        world.must(put_offices(connection, [office], now=world.now))
    for number in ("C1", "C2"):
        person(world, number.lower(), phone=None)
        world.case(
            number,
            number.lower(),
            service="passport",
            state="ready for collection",
            issue=date(2026, 2, 20),
            collect_by=date(2026, 3, 22),
        )
    world.at("2026-03-11 07:45").run()
    assert world.sent == []

    world.at("2026-03-11 09:00").run()

    assert [message.to for message in world.carriers[Channel.EMAIL].sent] == ["desk@office.example"]
    assert [len(others) for _, others in members(world)] == [1]


def test_one_slot_sends_one_message_for_each_template(engine: Engine, tmp_path: Path) -> None:
    """S77 (amended): what is said in different words cannot be one message."""
    steps = """
  month:
    send: 30 days before expiry
    digest: weekly on monday at 08:00
  three-weeks:
    send: 21 days before expiry
    digest: weekly on monday at 08:00
    template: itap/extension
"""
    text = BASE.format(name="stay", to="sponsor", via="email", more="uncapped: yes", steps=steps.strip("\n"))
    world = world_of(engine, tmp_path, text)
    person(world, "pt", email="pt@mail.example")
    for number, expiry in (("e1", date(2026, 10, 2)), ("e2", date(2026, 10, 3)), ("e3", date(2026, 9, 24))):
        person(world, number, phone=None)
        itas(world, f"2D-{number}", number, expiry, roles={"sponsor": ["pt"]})
    world.days("2026-09-01", "2026-09-06")

    world.at("2026-09-07 08:00").run()

    assert sorted(len(others) for _, others in members(world)) == [0, 1]
