"""What an office lets out in a day: limits, approvals, the plan a rule set was applied with, caps of a rule."""

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from notifier.batch import gather
from notifier.dispatch import Dispatcher
from notifier.errors import ConfigError
from notifier.gate import Allowance, Gate
from notifier.guard import Guard
from notifier.model import NotificationId, NotificationState, Reason
from notifier.officer import approve, read_story, refuse, resend
from notifier.store import daily
from notifier.store import tables as t
from notifier.store.claims import claim
from notifier.store.daily import BatchState
from notifier.store.engine import reading, writing
from notifier.store.rulesets import Plan, mark_applied, save_plan, save_rule_set
from notifier.store.subjects import read_offices
from notifier.store.verdicts import close_empty
from tests.outbox_rows import an_office
from tests.world import PROJECT, World, wib

RULE = """
rule: stay
title: A permit is extended in time
legal basis: public service
for: permit
when:
  type: ITAS
unless:
  status: [renewed, departed]
to: holder
via: whatsapp
template: itas/extension
uncapped: yes
{more}
steps:
  month:
    send: 30 days before expiry
{steps}
"""
DAY = date(2026, 5, 11)  # a Monday, thirty days before 10 June
EXPIRY = date(2026, 6, 10)


class Office(World):
    """A world with a rule of its own, perhaps under an applied plan."""

    plan_in_force: Plan | None = None

    @property
    def dispatcher(self) -> Dispatcher:
        return Dispatcher(
            self.engine,
            self.rules,
            self.calendar_of,
            self.renderer,
            self.carriers,
            self.clock,
            self.limits,
            plan=self.plan_in_force,
        )

    def permits(self, count: int, *, first: int = 0, expiry: date = EXPIRY) -> None:
        """So many people with a permit each."""
        for number in range(first, first + count):
            self.person(f"P{number}")
            self.permit(f"2D{number:06}-Z", f"P{number}", type="ITAS", issue=date(2025, 6, 10), expiry=expiry)

    def batches(self) -> list[tuple[str, str | None, int, int]]:
        with reading(self.engine) as connection:
            found = daily.list_batches(connection, held=False, limit=100)
        return [(one.state.value, one.reason, one.due, one.let_out) for one in reversed(found)]

    def reasons(self) -> list[str | None]:
        return [row.reason for row in self.notifications()]

    def approve(self, day: date = DAY, *, by: str = "Sari") -> int:
        with reading(self.engine) as connection:
            office = next(iter(read_offices(connection).values()))
        end = self.calendar_of(office).start_of(day + timedelta(days=1)) - timedelta(microseconds=1)
        return approve(self.engine, office, "stay", day, end=end, by=by, now=self.now)

    def refuse(self, day: date = DAY, *, by: str = "Sari") -> int:
        with reading(self.engine) as connection:
            office = next(iter(read_offices(connection).values()))
        return refuse(self.engine, office, "stay", day, by=by, now=self.now)


def rules_folder(folder: Path, more: str = "", steps: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    for name in ("windows.yaml", "documents.yaml", "calendar.yaml"):
        shutil.copy(PROJECT / "rules" / name, folder)
    (folder / "stay.yaml").write_text(RULE.format(more=more, steps=steps), encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "rules"


def office(engine: Engine, folder: Path, more: str = "", steps: str = "") -> Office:
    world = Office(engine, rules=rules_folder(folder, more, steps))
    world.plan()
    return world


# ------------------------------------------------------------------------------------------------------ limits


def test_more_than_the_limit_of_a_day_holds_them_all_until_an_officer_lets_them_out(
    engine: Engine, folder: Path
) -> None:
    """S83: the day's due messages are counted before the first leaves; more, and the whole batch waits."""
    world = office(engine, folder, "limit: 3 a day")
    world.permits(5)
    world.at("2026-05-11 10:00").run()

    assert world.sent == []
    assert world.reasons() == [Reason.LIMIT] * 5
    assert world.batches() == [("held", Reason.LIMIT, 5, 0)]
    assert world.work() == ["held batch"]

    assert world.approve() == 5
    world.send()

    assert len(world.sent) == 5
    assert world.batches() == [("approved", Reason.LIMIT, 5, 5)]
    with reading(engine) as connection:
        assert connection.execute(select(t.work_item.c.closed_at)).scalar() is not None


def test_as_many_as_the_limit_leave_without_anybody(engine: Engine, folder: Path) -> None:
    """S83: a batch within the limit is no work for anybody."""
    world = office(engine, folder, "limit: 3 a day")
    world.permits(3)
    world.at("2026-05-11 10:00").run()

    assert len(world.sent) == 3
    assert world.batches() == [("open", None, 3, 3)]
    assert world.work() == []


def test_what_leaves_as_one_message_counts_once(engine: Engine, folder: Path) -> None:
    """S80, S83: messages are counted, not documents: a family of three in one message is one."""
    world = office(engine, folder, "limit: 2 a day")
    world.permits(1)
    for number in (7, 8):
        world.permit(f"2D{number:06}-Z", "P0", type="ITAS", issue=date(2025, 6, 10), expiry=EXPIRY)
    world.permits(1, first=1)
    world.at("2026-05-11 10:00").run()

    assert len(world.sent) == 2
    assert world.batches() == [("open", None, 2, 2)]


def test_what_an_import_adds_at_noon_is_counted_with_the_morning(engine: Engine, folder: Path) -> None:
    """S83: what has left counts too; the rest of the day waits when all of it is too much."""
    world = office(engine, folder, "limit: 3 a day")
    world.permits(2)
    world.at("2026-05-11 10:00").run()
    world.permits(2, first=2)
    world.at("2026-05-11 13:00").run()

    assert len(world.sent) == 2
    assert world.batches() == [("held", Reason.LIMIT, 4, 2)]
    assert world.approve() == 2
    world.send()
    assert len(world.sent) == 4


def test_a_limit_counts_each_day_for_itself(engine: Engine, folder: Path) -> None:
    """S83: what waits with Monday is not counted on Tuesday."""
    world = office(engine, folder, "limit: 2 a day")
    world.permits(3)
    world.permits(2, first=3, expiry=date(2026, 6, 11))
    world.at("2026-05-11 10:00").run()
    world.at("2026-05-12 10:00").run()

    assert len(world.sent) == 2
    assert world.batches() == [("held", Reason.LIMIT, 3, 0), ("open", None, 2, 2)]


def test_each_office_counts_for_itself(engine: Engine, folder: Path) -> None:
    """S83: the limit is a rule's and an office's."""
    world = office(engine, folder, "limit: 2 a day")
    world.office("makassar", zone="Asia/Makassar")
    world.permits(2)
    for number in (5, 6):
        world.person(f"P{number}")
        facts: dict[str, Any] = {"type": "ITAS", "issue": date(2025, 6, 10), "expiry": EXPIRY}
        world.permit(f"2D{number:06}-Z", f"P{number}", office="makassar", **facts)
    world.at("2026-05-11 10:00").run()

    assert len(world.sent) == 4


def test_the_urgent_wait_with_the_batch(engine: Engine, folder: Path) -> None:
    """S83: the whole batch waits, also what is urgent."""
    world = office(engine, folder, "limit: 1 a day\nurgent: yes")
    world.permits(2)
    world.at("2026-05-11 10:00").run()

    assert world.sent == []
    assert world.batches() == [("held", Reason.LIMIT, 2, 0)]


def test_what_an_officer_sends_again_asks_no_second_officer(engine: Engine, folder: Path) -> None:
    """S83, S84: a resend by hand is an officer's word already."""
    world = office(engine, folder, "approval: officer")
    world.permits(1)
    world.at("2026-05-11 10:00").run()
    world.approve()
    world.send()
    with writing(engine) as connection:
        key = world.notifications()[0].id
        assert resend(connection, read_story(connection, key), now=world.now) is None
    world.send()

    assert len(world.sent) == 2


# --------------------------------------------------------------------------------------------------- approvals


def test_every_day_waits_for_an_officer(engine: Engine, folder: Path) -> None:
    """S84: each day's batch is held, the next day's too."""
    world = office(engine, folder, "approval: officer")
    world.permits(2)
    world.permits(1, first=2, expiry=date(2026, 6, 11))
    world.at("2026-05-11 10:00").run()
    assert world.batches() == [("held", Reason.APPROVAL, 2, 0)]
    world.approve()
    world.send()
    assert len(world.sent) == 2

    world.at("2026-05-12 10:00").run()
    assert len(world.sent) == 2
    assert [state for state, *_ in world.batches()] == ["approved", "held"]


def test_what_comes_after_the_yes_waits_for_another(engine: Engine, folder: Path) -> None:
    """S84: an officer's yes is for what was there when it was given."""
    world = office(engine, folder, "approval: officer")
    world.permits(2)
    world.at("2026-05-11 10:00").run()
    world.approve()
    world.permits(1, first=2)
    world.at("2026-05-11 10:30").run()

    assert len(world.sent) == 2
    assert world.batches()[0][:2] == ("held", Reason.APPROVAL)
    with reading(engine) as connection:
        assert connection.execute(select(t.work_item.c.closed_at)).scalar() is None
    assert world.approve() == 1
    world.send()
    assert len(world.sent) == 3


def test_a_yes_in_the_evening_lasts_until_the_sending_hours_of_the_next_day(engine: Engine, folder: Path) -> None:
    """S30, S84: what was let out passes on the next morning without another word."""
    world = office(engine, folder, "approval: officer")
    world.permits(2)
    world.at("2026-05-11 10:00").run()
    world.at("2026-05-11 23:00").approve()
    world.send()
    assert world.sent == []
    assert world.reasons() == [Reason.SENDING_HOURS] * 2

    world.at("2026-05-12 10:00").run()
    assert len(world.sent) == 2
    assert len(world.batches()) == 1


def test_a_yes_that_never_comes_ends_in_work_for_the_office(engine: Engine, folder: Path) -> None:
    """S84: not approved by the end of its use: expired, with a work item."""
    world = office(engine, folder, "approval: officer")
    world.permits(1)
    world.days("2026-05-11", "2026-06-11")

    assert world.sent == []
    row = world.notifications()[0]
    assert (row.state, row.detail) == ("expired", "waits for approval until it was too late")
    assert world.work() == ["held batch", "expired"]

    with writing(engine) as connection:
        close_empty(connection, now=world.now)
        still_open = connection.execute(select(t.work_item.c.kind).where(t.work_item.c.closed_at.is_(None)))
        assert list(still_open.scalars()) == ["expired"], "nothing waits for a word any more"


def test_a_moved_permit_takes_what_waits_to_its_new_office(engine: Engine, folder: Path) -> None:
    """S3: held with Jakarta's batch, it is counted, and let out, with those of Ambon from the move on."""
    world = office(engine, folder, "limit: 1 a day")
    world.office("ambon", "Asia/Jayapura")
    world.permits(2)
    world.at("2026-05-11 10:00").run()
    assert world.reasons() == [Reason.LIMIT] * 2

    world.permit("2D000000-Z", "P0", office="ambon", type="ITAS", issue=date(2025, 6, 10), expiry=EXPIRY)
    with reading(engine) as connection:
        offices = {key: one.code for key, one in read_offices(connection).items()}
        events = connection.execute(select(t.event.c.what, t.event.c.detail)).all()
    assert sorted(offices[row.office_id] for row in world.notifications()) == ["ambon", "jakarta-barat"]
    assert ("moved", "to the subject's new office") in [tuple(row) for row in events]

    world.at("2026-05-11 17:00").run()
    assert [message.to for message in world.sent], "one is no more than Ambon's limit"
    assert len(world.sent) == 1


def test_what_waits_is_looked_at_again_with_fresh_data(engine: Engine, folder: Path) -> None:
    """S34, S84: what was renewed while it waited is not let out."""
    world = office(engine, folder, "approval: officer")
    world.permits(2)
    world.at("2026-05-11 10:00").run()
    world.permit("2D000000-Z", "P0", type="ITAS", issue=date(2025, 6, 10), expiry=EXPIRY, status="departed")
    world.plan()
    world.approve()
    world.send()

    assert len(world.sent) == 1
    assert [row.state for row in world.notifications()] == ["cancelled", "delivered"]


def test_a_no_ends_what_waits_for_good(engine: Engine, folder: Path) -> None:
    """S84: what an officer refused does not come back when the facts turn."""
    world = office(engine, folder, "approval: officer")
    world.permits(2)
    world.at("2026-05-11 10:00").run()
    assert world.refuse() == 2
    world.permit("2D000000-Z", "P0", type="ITAS", issue=date(2025, 6, 10), expiry=date(2026, 6, 11))
    world.run()
    world.at("2026-05-12 10:00").run()

    assert world.sent == []
    assert [(row.state, row.reason) for row in world.notifications()] == [
        (NotificationState.CANCELLED, Reason.REFUSED_BY_OFFICER)
    ] * 2
    assert world.batches() == [("refused", Reason.APPROVAL, 2, 0)]


def test_who_put_the_rules_into_force_does_not_let_the_messages_out(engine: Engine, folder: Path) -> None:
    """S84: approver and author are two persons, however they write their names."""
    world = office(engine, folder, "approval: officer")
    world.permits(1)
    world.at("2026-05-11 10:00").run()
    apply_plan(world, a_plan(world), by="Sari Dewi")

    with pytest.raises(ConfigError, match="somebody else"):
        world.approve(by="  sari  DEWI ")
    with pytest.raises(ConfigError, match="--by"):
        world.approve(by=" ")
    assert world.approve(by="Budi") == 1


def test_what_does_not_wait_cannot_be_let_out(engine: Engine, folder: Path) -> None:
    """S84: a word about nothing is said to be one."""
    world = office(engine, folder, "limit: 3 a day")
    world.permits(1)
    world.at("2026-05-11 10:00").run()
    with pytest.raises(ConfigError, match="does not wait for anybody"):
        world.approve()
    with pytest.raises(ConfigError, match="was counted"):
        world.refuse(date(2026, 5, 20))


def test_what_a_worker_held_while_the_officer_spoke_is_let_out_by_saying_it_again(engine: Engine, folder: Path) -> None:
    """S84: the row of the batch is decided first, so nothing held later is lost to both."""
    world = office(engine, folder, "approval: officer")
    world.permits(2)
    world.at("2026-05-11 10:00").run()
    world.approve()
    row = world.notifications()[0]
    with writing(engine) as connection:  # a worker that had counted before the yes writes only now
        until = world.now + timedelta(hours=5)
        daily.hold_rows(connection, [(row.id, row.attempt, until)], Reason.APPROVAL, DAY, now=world.now)
    world.send()
    assert len(world.sent) == 1
    assert world.approve() == 1
    world.send()
    assert len(world.sent) == 2


# ------------------------------------------------------------------------------------------------- applied plans


def a_plan(world: Office, **values: Any) -> Plan:
    digest = world.rules.digest
    plan = Plan("3f9a1c" + "0" * 58, digest, digest, date(2026, 5, 1), date(2026, 7, 31))
    return replace(plan, **values)


def apply_plan(world: Office, plan: Plan, *, by: str = "Author") -> None:
    with writing(world.engine) as connection:
        save_rule_set(connection, plan.new, {}, world.now)
        save_plan(connection, plan, world.now)
        mark_applied(connection, plan, by=by, now=world.now)
    world.plan_in_force = plan


def test_a_day_with_more_than_the_applied_plan_expects_is_held(engine: Engine, folder: Path) -> None:
    """S83: a plan that was approved with the rules is a limit for each of its days."""
    world = office(engine, folder)
    world.limits = replace(world.limits, envelope_tolerance=50, envelope_slack=1)
    apply_plan(world, a_plan(world, envelope={"stay": {"jakarta-barat": {"2026-05-11": 2}}}))
    world.permits(5)  # at most 2 * 1.5 + 1 = 4
    world.at("2026-05-11 10:00").run()

    assert world.sent == []
    assert world.batches() == [("held", Reason.ENVELOPE, 5, 0)]
    with reading(engine) as connection:
        note = connection.execute(select(t.work_item.c.note)).scalar_one()
    assert note == (
        "stay at jakarta-barat, 2026-05-11: 5 messages where the approved plan 3f9a1c expects 2 (at most 4); look with "
        "`notifier batches`, let out with `notifier batches approve stay --office jakarta-barat --day 2026-05-11 "
        "--by NAME`"
    )


@pytest.mark.parametrize(
    ("expected", "tolerance", "slack", "most"),
    [(0, 20, 20, 20), (120, 20, 20, 164), (1, 20, 0, 2), (100, 0, 0, 100)],
)
def test_a_plan_leaves_room_for_what_nobody_can_know(expected: int, tolerance: int, slack: int, most: int) -> None:
    """S83: so many percent more, rounded up, and so many messages besides."""
    assert Allowance(tolerance, slack).most(expected) == most


def test_a_plan_says_nothing_of_days_outside_it(sqlite_engine: Engine, folder: Path) -> None:
    """S83: within the span a day that is not named expects nothing; outside it nothing is expected of anybody."""
    world = office(sqlite_engine, folder)
    rule = world.rules.rules[0]
    gate = Gate(world.calendar_of, a_plan(world, envelope={"stay": {}}), Allowance(20, 5))

    room = gate.room(rule, "jakarta-barat", date(2026, 7, 31))
    assert room is not None
    assert (room.allowed, room.reason) == (5, Reason.ENVELOPE)
    assert gate.room(rule, "jakarta-barat", date(2026, 8, 1)) is None
    assert gate.room(rule, "jakarta-barat", date(2026, 4, 30)) is None


def test_the_smaller_of_limit_and_plan_counts(sqlite_engine: Engine, folder: Path) -> None:
    """S83: a plan does not widen the limit of a rule, nor a limit a plan."""
    world = office(sqlite_engine, folder, "limit: 10 a day")
    rule = world.rules.rules[0]
    envelope = {"stay": {"jakarta-barat": {"2026-05-11": 5, "2026-05-12": 50}}}
    gate = Gate(world.calendar_of, a_plan(world, envelope=envelope), Allowance(0, 0))
    rooms = [gate.room(rule, "jakarta-barat", date(2026, 5, day)) for day in (11, 12)]

    assert [(room.allowed, room.reason) for room in rooms if room] == [(5, Reason.ENVELOPE), (10, Reason.LIMIT)]


def test_what_is_let_out_is_locked_in_the_order_of_ids_before_it_is_counted(postgres_engine: Engine) -> None:
    """S83: the database sorts names otherwise than we do, and two workers once waited for each other in a ring."""
    with writing(postgres_engine) as connection:
        office_id = an_office(connection)
        keys = [(rule, office_id, DAY) for rule in ("overstayers", "overstay-early", "overstay")]
        for key in keys:
            daily.write_counts(connection, {key: daily.Count(BatchState.OPEN, None, 9, 9)}, {}, now=wib("2026-05-11"))
    with statements(postgres_engine) as said, writing(postgres_engine) as connection:
        daily.write_counts(connection, {}, dict.fromkeys(keys, 1), now=wib("2026-05-11"))
    first, *rest = [one for one in said if "daily_batch" in one]
    assert first.endswith("ORDER BY daily_batch.id FOR UPDATE")
    assert all(one.startswith("UPDATE") for one in rest)


def test_a_batch_is_missing_open_or_held_and_each_is_written_once(engine: Engine) -> None:
    """S83: a few statements for all batches of a worker; one that waits for an officer stays as it is."""
    now, Open, held = wib("2026-05-11"), BatchState.OPEN, daily.Count(BatchState.HELD, Reason.LIMIT, 9, 5)
    with writing(engine) as connection:
        office_id = an_office(connection)
        open_one, held_one, turning, missing, elsewhere = (
            (rule, office_id, DAY) for rule in ("open", "held", "turning", "missing", "elsewhere")
        )
        first = {key: daily.Count(Open, None, 3, 5) for key in (open_one, turning, elsewhere)} | {held_one: held}
        assert daily.write_counts(connection, first, {open_one: 2, elsewhere: 1}, now=now) == [held_one]
    with writing(engine) as connection:
        counts = {open_one: daily.Count(Open, None, 4, 6), held_one: held, turning: held, missing: held}
        fresh = daily.write_counts(connection, counts, {open_one: 3, elsewhere: 1}, now=now)
    assert fresh == [missing, turning]
    with reading(engine) as connection:
        found = daily.read_batches(connection, {open_one, held_one, turning, missing, elsewhere})
    assert {key[0]: (one.state, one.reason, one.due, one.allowed, one.let_out) for key, one in found.items()} == {
        "open": (Open, None, 4, 6, 5),
        "held": (BatchState.HELD, Reason.LIMIT, 9, 5, 0),
        "turning": (BatchState.HELD, Reason.LIMIT, 9, 5, 0),
        "missing": (BatchState.HELD, Reason.LIMIT, 9, 5, 0),
        "elsewhere": (Open, None, 3, 5, 2),
    }


def test_several_workers_count_what_they_let_out_exactly(postgres_engine: Engine) -> None:
    """S83: they add the same batches in the same moment, and neither loses a message nor waits in a ring."""
    now, rounds = wib("2026-05-11"), 12
    with writing(postgres_engine) as connection:
        office_id = an_office(connection)

    def work(first: int) -> None:
        for place in range(rounds):
            keys = [(f"rule {(first * 5 + place * step) % 30}", office_id, DAY) for step in range(1, 9)]
            counts = {key: daily.Count(BatchState.OPEN, None, 99, 999) for key in keys}
            with writing(postgres_engine) as connection:
                daily.write_counts(connection, counts, {key: keys.count(key) for key in keys}, now=now)

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(work, range(4)))
    with reading(postgres_engine) as connection:
        assert sum(one.let_out for one in daily.list_batches(connection, held=False, limit=99)) == 4 * rounds * 8


def test_a_rule_without_limit_approval_plan_or_cap_costs_no_statement(sqlite_engine: Engine, folder: Path) -> None:
    """S83, S84: only who asks for a gate pays for it."""
    world = office(sqlite_engine, folder)
    world.permits(2)
    world.at("2026-05-11 10:00")
    with statements(sqlite_engine) as said:
        world.run()

    assert len(world.sent) == 2
    assert not [one for one in said if "daily_batch" in one or "let out" in one]


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    said: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield said
    finally:
        event.remove(engine, "before_cursor_execute", hear)


# --------------------------------------------------------------------------------------------------- caps of a rule


def two_permits(world: Office, second: date) -> None:
    world.person("P1")
    for number, expiry in enumerate((EXPIRY, second)):
        world.permit(f"2D{number:06}-Z", "P1", type="ITAS", issue=date(2025, 6, 10), expiry=expiry)


def test_a_rule_tells_a_person_of_one_cycle_in_so_long(engine: Engine, folder: Path) -> None:
    """S82: the second document waits until the first is long enough ago."""
    world = office(engine, folder, "cap: 1 in 10 days")
    two_permits(world, date(2026, 6, 12))
    world.days("2026-05-11", "2026-05-20")
    assert len(world.sent) == 1
    assert [row.reason for row in world.notifications(state="scheduled")] == [Reason.CAP]

    world.at("2026-05-21 10:00").run()
    assert len(world.sent) == 2


def test_what_finds_no_place_in_time_is_suppressed(engine: Engine, folder: Path) -> None:
    """S82: no room before the message is useless: suppressed by the cap of the rule."""
    world = office(engine, folder, "cap: 1 in 90 days")
    two_permits(world, date(2026, 6, 12))
    world.days("2026-05-11", "2026-05-14")

    assert len(world.sent) == 1
    ended = world.notifications(state="suppressed")
    assert [row.reason for row in ended] == [Reason.RULE_CAP]


def test_of_two_on_one_day_the_nearest_end_has_the_place(engine: Engine, folder: Path) -> None:
    """S82: one place, two documents in one hand: only one of them is told, and that is the more urgent."""
    world = office(engine, folder, "cap: 1 in 90 days")
    two_permits(world, EXPIRY)
    world.at("2026-05-11 10:00").run()

    assert [row.state for row in world.notifications()] == ["delivered", "suppressed"]


def test_a_follow_up_of_a_counted_cycle_passes(engine: Engine, folder: Path) -> None:
    """S82: cycles are counted, not messages."""
    world = office(engine, folder, "cap: 1 in 90 days", "  week:\n    send: 7 days before expiry")
    two_permits(world, date(2026, 6, 12))
    world.days("2026-05-11", "2026-06-05")

    assert [step for step, _ in world.told()] == ["month", "week"]
    assert {row.subject_id for row in world.notifications() if row.told_at} == {world.notifications()[0].subject_id}


def test_two_workers_at_once_do_not_take_one_place(postgres_engine: Engine, folder: Path) -> None:
    """S82: the person is locked while the places are counted, and what is on its way counts as told."""
    world = office(postgres_engine, folder, "cap: 1 in 90 days\nseparate: yes")
    for number in range(6):
        world.person(f"P{number}")
        for letter in "AB":
            facts: dict[str, Any] = {"type": "ITAS", "issue": date(2025, 6, 10), "expiry": EXPIRY}
            world.permit(f"2D{number:06}-{letter}", f"P{number}", **facts)
    world.at("2026-05-11 10:00").plan()
    rows = world.notifications()
    halves = [[row.id for row in rows if row.id % 2 == half] for half in (0, 1)]
    together = threading.Barrier(2)

    def work(ids: list[Any]) -> None:
        dispatcher = world.dispatcher
        together.wait()
        world.wait_for(dispatcher.dispatch(ids))

    workers = [threading.Thread(target=work, args=(ids,)) for ids in halves]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    world.at("2026-05-11 12:00").run()

    told = [row.party_id for row in world.notifications() if row.told_at is not None]
    assert sorted(told) == sorted({row.party_id for row in rows})


def test_a_desk_is_no_person(engine: Engine, folder: Path) -> None:
    """S82: the cap is a person's; a desk is told of every document."""
    world = office(engine, folder, "cap: 1 in 90 days\nseparate: yes")
    path = folder / "stay.yaml"
    path.write_text(path.read_text().replace("to: holder\nvia: whatsapp", "to: officer\nvia: email"))
    world.person("desk:jakarta-barat:front", kind="desk")
    again = Office(engine, rules=folder)
    again.at("2026-05-10 10:00").plan()
    again.permits(2)
    again.at("2026-05-11 10:00").run()

    assert len(again.sent) == 2


def test_the_states_of_a_batch_are_those_of_the_table() -> None:
    """S83, S84: the words that the list of batches shows."""
    assert {state.value for state in BatchState} == {"open", "held", "approved", "refused"}


# ------------------------------------------------------------------------------------------- the law of one second


def test_batches_of_one_second_share_the_law_but_not_what_they_know_of_a_person(engine: Engine, folder: Path) -> None:
    """S93: what changes between two batches of the same instant is seen by the second one."""
    world = office(engine, folder)
    world.permits(3)
    world.at("2026-05-11 10:00").plan()
    dispatcher = world.dispatcher
    first, second, third = (row.id for row in world.notifications())
    world.wait_for(dispatcher.dispatch([first]))
    world.permit("2D000001-Z", "P1", type="ITAS", issue=date(2025, 6, 10), expiry=EXPIRY, status="departed")
    world.wait_for(dispatcher.dispatch([second]))
    world.office("jakarta-barat", zone="Europe/Berlin")  # where it is five in the morning
    world.wait_for(dispatcher.dispatch([third]))

    assert [row.state for row in world.notifications()] == ["delivered", "cancelled", "scheduled"]


def test_the_law_is_asked_anew_each_second_and_when_other_steps_come_into_force(
    sqlite_engine: Engine, folder: Path
) -> None:
    """S44, S93: an answer is never older than a second, nor of other rules."""
    world, now = office(sqlite_engine, folder), wib("2026-05-11 10:00")
    world.permits(1)
    world.at("2026-05-11 10:00").plan()
    ids = [NotificationId(row.id) for row in world.notifications()]
    with writing(sqlite_engine) as connection:
        claimed = claim(connection, ids, now=now, lease=timedelta(minutes=1))
        bundles = gather(connection, claimed, world.rules, now=now)
    guard = Guard(world.rules, world.calendar_of, world.limits)
    law = guard.law(bundles, now=now)

    assert guard.law(bundles, now=now + timedelta(milliseconds=999)) is law
    assert guard.law(bundles, now=now + timedelta(seconds=1)).now == now + timedelta(seconds=1)
    new = {("stay", "month"): now}
    assert guard.law([replace(bundles[0], in_force=new)], now=now + timedelta(seconds=1)).in_force == new
