"""What tried to break the engine and did: each test is a defect that was once there."""

import random
import threading
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError, OperationalError
from world import PROJECT, World, wib

from notifier.calendar.data import load_calendar
from notifier.calendar.office import build_calendar
from notifier.cli.options import _words_of_database
from notifier.errors import StoreError
from notifier.intake.readers import open_tables
from notifier.model import (
    Accepted,
    Action,
    Channel,
    DeliveryState,
    NotificationId,
    NotificationState,
    Reason,
    Rejected,
    SubjectKind,
    Unknown,
)
from notifier.officer import cancel, read_story, resend
from notifier.rules.compile import candidates, everything
from notifier.rules.load import load_rules
from notifier.store.candidates import due_subjects
from notifier.store.engine import open_engine, reading, writing
from notifier.store.records import PartyRecord, RoleRecord, SubjectRecord
from notifier.store.register import put_parties, put_subjects
from notifier.testing.makers import an_office


@pytest.fixture
def world(sqlite_engine: Engine) -> World:
    """A world whose rules have been in force since 5 January 2026."""
    world = World(sqlite_engine)
    world.plan()
    return world


def limited_stay(world: World, number: str = "A", holder: str = "H", **values: Any) -> None:
    facts: dict[str, Any] = {"type": "ITAS", "extendable": True, "issue": date(2025, 4, 1), **values}
    world.permit(number, holder, **facts)


# ----------------------------------------------------------------------------------------------- planning


def test_a_plan_for_a_far_day_does_not_swallow_the_moments_of_the_day_planned_after_it(world: World) -> None:
    world.person("H")
    limited_stay(world, expiry=date(2026, 3, 31))  # three weeks before: 10 March
    world.at("2026-03-09 10:00").run()
    world.at("2027-09-01 10:00").plan()
    world.at("2026-03-10 10:00").run()
    assert ("three-weeks", "2026-03-10") in world.told()


def test_a_holder_who_comes_of_age_without_a_guardian_is_told_what_nobody_was_told(world: World) -> None:
    world.person("H", birth_date=date(2008, 3, 20))
    limited_stay(world, expiry=date(2026, 4, 10))  # three weeks before: 20 March, moved to the 17th
    world.days("2026-03-16", "2026-03-25")
    assert [step for step, _ in world.told()] == ["three-weeks"]


def test_what_an_officer_cancelled_stays_cancelled_when_the_register_changes(world: World) -> None:
    world.person("H")
    limited_stay(world, expiry=date(2026, 3, 31))
    world.at("2026-03-10 00:30").plan()
    for row in world.notifications():
        with writing(world.engine) as connection:
            assert cancel(connection, read_story(connection, NotificationId(row.id)), now=world.now) is None
    world.person("H", nationality="NL")
    world.at("2026-03-10 11:00").run()
    assert world.told() == []
    assert {row.reason for row in world.notifications()} == {Reason.CANCELLED_BY_OFFICER.value}


def test_a_payer_whose_authority_has_ended_is_no_payer_and_the_holder_is_told(world: World) -> None:
    world.person("H")
    world.person("PAYER")
    payer = RoleRecord("PAYER", None, date(2026, 1, 6))
    world.case(
        "C",
        "H",
        service="passport",
        state="awaiting payment",
        payment_due_at=wib("2026-01-10 10:00"),
        since=wib("2026-01-05 10:00"),
        roles={"payer": [payer]},
    )
    world.days("2026-01-06", "2026-01-10", time="09:00")
    assert {row.role for row in world.notifications() if row.told_at} == {"holder"}


RULE = """\
rule: {name}
title: Of our own
legal basis: public service
for: {kind}
{body}
to: holder
via: email
template: {template}
steps:
  only:
    send: {send}
"""


def rules_with(tmp_path: Path, **words: str) -> Path:
    """A folder with the shipped data files and one rule of our own."""
    for name in ("documents.yaml", "windows.yaml", "calendar.yaml"):
        (tmp_path / name).write_text((PROJECT / "rules" / name).read_text())
    (tmp_path / f"{words['name']}.yaml").write_text(RULE.format(**words))
    return tmp_path


def test_a_stay_that_goes_on_in_another_state_is_found_by_its_beginning(sqlite_engine: Engine, tmp_path: Path) -> None:
    rules = rules_with(
        tmp_path,
        name="waiting",
        kind="case",
        body="while: [submitted, in process]",
        template="case/documents-missing",
        send="7 days after state begins",
    )
    world = World(sqlite_engine, rules=rules)
    world.plan()
    world.person("H")
    world.case("C", "H", service="passport", state="submitted", since=wib("2026-01-06 09:00"))
    world.at("2026-01-06 10:00").run()
    world.at("2026-01-09 10:00").case("C", "H", service="passport", state="in process", since=wib("2026-01-09 09:00"))
    world.run()
    world.at("2026-01-13 10:00").run()
    assert world.notifications(step="only")


def test_a_line_that_turns_within_the_day_is_found_on_that_day(sqlite_engine: Engine, tmp_path: Path) -> None:
    rules = rules_with(
        tmp_path,
        name="hurry",
        kind="case",
        body="while: awaiting payment\nwhen:\n  payment deadline: within 3 hours",
        template="case/payment-due",
        send="at once",
    )
    world = World(sqlite_engine, rules=rules)
    world.plan()
    world.person("H")
    due = wib("2026-01-07 15:00")
    world.case("C", "H", service="passport", state="awaiting payment", payment_due_at=due, since=world.now)
    world.at("2026-01-07 08:00").plan()
    assert world.notifications() == []
    world.at("2026-01-07 12:30").plan()
    assert [row.step for row in world.notifications()] == ["only"]


def test_dates_of_another_permit_of_the_holder_widen_the_question_to_all_subjects(tmp_path: Path) -> None:
    folder = rules_with(
        tmp_path,
        name="other",
        kind="permit",
        body="when:\n  type: ABTC\n  holder has:\n    type: passport\n    expiry: within 30 days",
        template="passport/renewal",
        send="at once",
    )
    rules = load_rules(folder)
    (rule,) = rules.rules
    calendar = build_calendar(an_office(), load_calendar(folder / "calendar.yaml"))
    questions = candidates(rule, calendar, rules, after=wib("2026-01-06"), until=wib("2026-01-07"))
    assert everything(rule) in questions


def test_a_case_rule_may_ask_for_dates_of_a_permit_of_the_holder(sqlite_engine: Engine, tmp_path: Path) -> None:
    folder = rules_with(
        tmp_path,
        name="other",
        kind="case",
        body="while: submitted\nwhen:\n  holder has:\n    type: passport\n    expiry: within 30 days",
        template="case/documents-missing",
        send="at once",
    )
    world = World(sqlite_engine, rules=folder)
    (rule,) = world.rules.rules
    world.plan()
    world.person("H")
    world.permit("P", "H", type="passport", expiry=date(2026, 2, 10), issue=date(2016, 2, 10))
    world.case("C", "H", service="passport", state="submitted", since=world.now)
    world.days("2026-01-08", "2026-01-12")
    assert [row.step for row in world.notifications()] == ["only"]
    with reading(world.engine) as connection:
        assert due_subjects(connection, everything(rule), [1])


# -------------------------------------------------------------------------------------------- many at once


def in_threads(*works: Callable[[], object]) -> list[Exception]:
    """Run them at once; answers what they raised."""
    raised: list[Exception] = []

    def attempt(work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=attempt, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_planners_and_workers_at_once_neither_wait_for_each_other_for_ever_nor_tell_twice(
    postgres_engine: Engine,
) -> None:
    world = World(postgres_engine)
    world.plan()
    dice = random.Random(1)
    for number in range(25):
        world.person(f"P{number}")
    records = [
        SubjectRecord(
            f"X{number}",
            "jakarta-barat",
            f"P{dice.randrange(25)}",
            {"type": "ITAS", "extendable": True, "status": "active", "issue": date(2025, 1, 1)}
            | {"expiry": date(2026, 1, 20) + timedelta(days=dice.randrange(20))},
        )
        for number in range(240)
    ]
    with writing(world.engine) as connection:
        put_subjects(connection, SubjectKind.PERMIT, records, now=world.now)
    for day in ("2026-01-06", "2026-01-07"):
        world.at(f"{day} 10:00")
        assert in_threads(world.plan, world.plan, world.send, world.send) == []
        world.run()
    with reading(world.engine) as connection:
        twice = "SELECT notification_id FROM delivery GROUP BY notification_id, rung, channel HAVING count(*) > 1"
        assert connection.execute(text(twice)).all() == []


def test_rows_that_others_may_write_too_are_written_in_one_order_whatever_the_order_of_work(world: World) -> None:
    for number in range(8):
        world.person(f"P{number}")
        limited_stay(world, f"A{7 - number}", f"P{number}", expiry=date(2026, 4, 1) - timedelta(days=number))
    world.at("2026-03-12 10:00").run()
    with reading(world.engine) as connection:
        capped = list(connection.execute(text("SELECT party_id FROM cap_use ORDER BY rowid")).scalars())
        planned = "SELECT rule, step, subject_id FROM notification ORDER BY id"
        identities = [tuple(row) for row in connection.execute(text(planned))]
    assert len(capped) == 8
    assert capped == sorted(capped)
    assert identities == sorted(identities)


# ------------------------------------------------------------------------------------------------ dispatch


def test_a_message_lost_on_the_first_rung_does_not_cost_the_second_one(world: World) -> None:
    world.person("H", email=False)
    appointment = wib("2026-01-12 10:00")
    world.case("C", "H", service="passport", state="scheduled", appointment_at=appointment, since=world.now)
    world.carriers[Channel.WHATSAPP].answer = lambda message: Unknown("the connection broke")
    world.at("2026-01-09 09:00").run()
    for _ in range(60):
        world.clock.at += timedelta(minutes=10)
        world.send()
    (row,) = world.notifications()
    assert row.state == NotificationState.DELIVERED.value
    assert [(one.channel, one.state) for one in world.deliveries()] == [
        ("whatsapp", DeliveryState.UNKNOWN.value),
        ("sms", DeliveryState.DELIVERED.value),
    ]


def test_resend_uses_an_address_that_was_mended_since(world: World) -> None:
    world.person("H", email=False)
    limited_stay(world, expiry=date(2026, 3, 31))
    whatsapp = world.carriers[Channel.WHATSAPP]
    whatsapp.answer = lambda message: Rejected(Reason.BAD_ADDRESS, Action.BAD_ADDRESS, "21211", "no such number")
    world.at("2026-03-10 10:00").run()
    (row,) = world.notifications()
    assert row.state == NotificationState.UNDELIVERABLE.value
    whatsapp.answer = lambda message: Accepted(f"ref-{message.delivery_id}")
    with writing(world.engine) as connection:
        put_parties(connection, [PartyRecord("H", {}, {Channel.WHATSAPP: "+628129999999"})], now=world.now)
        assert resend(connection, read_story(connection, NotificationId(row.id)), now=world.now) is None
    world.run()
    assert [message.to for message in whatsapp.sent[1:]] == ["+628129999999"]
    assert world.notifications()[0].state == NotificationState.DELIVERED.value


# ---------------------------------------------------------------------------------------- faults in words


def test_a_file_that_is_no_database_is_a_sentence_and_no_fault_of_the_program(tmp_path: Path) -> None:
    file = tmp_path / "notifier.db"
    file.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match="file is not a database"), reading(open_engine(f"sqlite:///{file}")):
        pass


def test_a_full_disk_under_the_database_is_said_in_the_databases_own_words() -> None:
    full = OperationalError("INSERT", {}, Exception("database or disk is full"))
    assert "database or disk is full" in str(_words_of_database(full))
    malformed = DatabaseError("SELECT", {}, Exception("database disk image is malformed"))
    assert "malformed" in str(_words_of_database(malformed))


def test_a_line_of_nothing_but_brackets_is_refused_and_the_next_one_is_read(tmp_path: Path) -> None:
    file = tmp_path / "people.jsonl"
    first, last = '{"number": "P0", "name": "BUDI"}', '{"number": "P1", "name": "SITI"}'
    deep = '{"name": ' + "[" * 100_000
    file.write_text("\n".join((first, deep, last)))
    (table,) = open_tables(file)
    assert [bool(row.fault) for row in table.rows()] == [False, True, False]
