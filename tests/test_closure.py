"""An office that is closed at short notice, and records that cannot be decided on (S29, V24, N9)."""

from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, select, update

from notifier.model import Reason
from notifier.store import tables as t
from notifier.store.engine import reading, writing
from tests.world import World

FORTNIGHT = [(date(2026, 11, 2) + timedelta(days=number)).isoformat() for number in range(14)]


@pytest.fixture
def world(engine: Engine) -> World:
    world = World(engine, now="2026-09-01 08:00")
    world.plan()
    for number, expiry in (("P20", date(2026, 11, 20)), ("P10", date(2026, 11, 10)), ("P05", date(2027, 6, 10))):
        world.person(f"H{number}")
        world.permit(number, f"H{number}", type="ITAS", issue=expiry - timedelta(days=365), expiry=expiry)
    return world


def notes(world: World, kind: str) -> list[str]:
    with reading(world.engine) as connection:
        return list(connection.execute(select(t.work_item.c.note).where(t.work_item.c.kind == kind)).scalars())


def test_a_closure_announced_late_sends_the_newest_step_once_and_lists_what_cannot_be_acted_on(world: World) -> None:
    """S29, V24, N9: T-7 once on 2 November, T-14 spent; the deadline of 10 November is gone: a work item."""
    world.days("2026-09-01", "2026-11-01")
    world.at("2026-11-02 08:00").run()
    world.forget_sent()
    before = {row.id for row in world.notifications() if row.told_at is not None}
    world.at("2026-11-02 10:00").office("jakarta-barat", name="Kantor Imigrasi Jakarta Barat", closed_days=FORTNIGHT)
    world.run()
    told = [row for row in world.notifications() if row.told_at is not None and row.id not in before]
    assert [(row.step, row.subject_id) for row in told] == [("one-week", 1)]
    answers = {(one.rule.name, one.decision.step.name): one.decision.reason for one in world.explain("P20").answers}
    assert answers["itas-extension", "two-weeks"] is Reason.SPENT  # by one-week, the newer step
    assert notes(world, "deadline passed") == [
        "the days of the office have changed, and the last day to act is gone for 1: itas-extension: P10"
    ]
    world.days("2026-11-02", "2026-11-18", "11:00")
    told = [row for row in world.notifications() if row.told_at is not None and row.id not in before]
    assert [(row.step, row.subject_id) for row in told] == [("one-week", 1)]
    assert len(notes(world, "deadline passed")) == 1


def test_a_plan_without_a_change_of_days_lists_nothing(world: World) -> None:
    """S29: a deadline that passes in the course of time is no news."""
    world.days("2026-10-25", "2026-11-12")
    assert notes(world, "deadline passed") == []


def test_one_record_that_cannot_be_decided_on_silences_no_other(world: World) -> None:
    """Promise 1: the plan goes on, and the office gets a work item."""
    with writing(world.engine) as connection:
        connection.execute(update(t.party).where(t.party.c.number == "HP20").values(zone="Asia/Sawahlunto"))
    report = world.at("2027-05-11 10:00").plan()
    assert {subject.number for subject in report.undecided} == {"P20"}
    assert notes(world, "cannot be decided") != []
    assert {row.subject_id for row in world.notifications()} == {3}
