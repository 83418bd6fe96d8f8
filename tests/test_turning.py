"""Conditions that turn by themselves, and `at once` that waits for them."""

from datetime import date
from pathlib import Path
from shutil import copy

import pytest
from sqlalchemy import Engine

from notifier.model import Subject, SubjectKind
from notifier.rules.decision import Ground
from notifier.rules.timeline import timeline
from notifier.store.engine import reading
from notifier.store.subjects import read_entries, read_offices, read_subjects
from tests.world import PROJECT, World, wib

RULE = """\
rule: noticed
title: Something is noticed
legal basis: public service
for: permit
when:
  type: ITAS
  {when}
to: holder
via: email
template: itas/extension
steps:
  noticed: {{send: at once}}
"""


def office(engine: Engine, folder: Path, when: str, *, now: str) -> World:
    for file in ("windows.yaml", "documents.yaml", "calendar.yaml"):
        copy(PROJECT / "rules" / file, folder / file)
    (folder / "noticed.yaml").write_text(RULE.format(when=when), encoding="utf-8")
    world = World(engine, rules=folder, now=now)
    world.run()  # the rule is in force from here on
    world.person("A")
    world.permit("P1", "A", type="ITAS", issue=date(2025, 6, 10), expiry=date(2026, 6, 10), status="active")
    return world


def test_at_once_fires_at_the_crossing_of_a_date_long_after_the_register_first_held_it(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    """S17, S45: nobody touches the record; the day on which the line turns true is enough."""
    world = office(sqlite_engine, tmp_path, "expiry: within 30 days", now="2026-01-05 10:00")
    world.days("2026-01-06", "2026-06-12")
    assert world.told() == [("noticed", "2026-05-11")]


def test_at_once_fires_when_a_plain_field_changes_long_after_the_register_first_held_it(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    """S17: the change of the status is the first instant at which everything holds."""
    world = office(sqlite_engine, tmp_path, "status: epo issued", now="2026-01-05 10:00")
    world.days("2026-03-02", "2026-03-03")
    assert world.told() == []
    world.at("2026-03-04 09:30")
    world.permit("P1", "A", type="ITAS", issue=date(2025, 6, 10), expiry=date(2026, 6, 10), status="epo issued")
    world.days("2026-03-04", "2026-03-20")
    assert world.told() == [("noticed", "2026-03-04")]


@pytest.mark.parametrize(
    ("when", "days"),
    [
        ("expiry: within 30 days", ["2026-05-11"]),
        ("expiry: past", ["2026-06-11"]),
        ("expiry: more than 4 working days ago", ["2026-06-18"]),
        ("expiry: beyond 90 days", ["2026-01-05"]),
        ("holder.age: at least 30", ["2026-02-28"]),
    ],
)
def test_the_timeline_wakes_when_a_condition_turns(
    sqlite_engine: Engine, tmp_path: Path, when: str, days: list[str]
) -> None:
    """S91, S14, S45: from instant to instant the same as from day to day."""
    world = office(sqlite_engine, tmp_path, when, now="2026-01-05 10:00")
    world.person("A", birth_date=date(1996, 2, 29))
    foreseen = foresee(world)
    world.days("2026-01-05", "2026-07-01")
    assert [day for _, day in world.told()] == foreseen == days


def foresee(world: World) -> list[str]:
    """The days on which the timeline of the permit says that something leaves."""
    subject = only_permit(world)
    rule = world.rules.rules[0]
    calendar = world.calendar_of(subject.office)
    ground = Ground(calendar, world.rules, {(rule.name, "noticed"): wib("2026-01-05 10:00")})
    line = timeline(rule, subject, [], since=world.now, until=wib("2026-07-01 12:00"), ground=ground)
    assert len([one for one in line.entries if one.told_at]) == len(line.leavings)
    assert all(one.at <= wib("2026-07-01 12:00") for one in line.leavings)
    return [calendar.day_of(one.at).isoformat() for one in line.leavings]


def only_permit(world: World) -> Subject:
    with reading(world.engine) as connection:
        subjects = read_subjects(connection, SubjectKind.PERMIT, [1], read_offices(connection))
        assert not read_entries(connection, SubjectKind.PERMIT, [1])
    return subjects[1]
