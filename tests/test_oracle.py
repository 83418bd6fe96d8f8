"""The engine against the slow reading of `tests/oracle`: a slice of what `make oracle` compares, and what it found."""

import copy
import shutil
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine

from notifier.rules import places
from tests.oracle.by_hand import a_case, a_permit, at, later
from tests.oracle.compare import Written, compare, disagreement, teller, unfiltered
from tests.oracle.engine import FOLDER, load
from tests.oracle.generate import RuleWriter
from tests.oracle.meaning import Walk
from tests.oracle.productions import PRODUCTIONS, found_in
from tests.oracle.reading import Plain, read_rule
from tests.world import World

SEED, RULES, SUBJECTS = 7, 40, 240

HEAD = """rule: hand
title: A rule of the tests
legal basis: public service
for: permit
to: holder
via: email
template: itas/extension
"""


@pytest.fixture(scope="module")
def rules() -> tuple[Written, ...]:
    return unfiltered(SEED, RULES)


def by_hand(text: str, folder: Path, kind: str = "permit") -> Written:
    text = HEAD.replace("permit", kind) + text
    loaded = load(text, "hand", folder)
    assert isinstance(loaded, tuple), loaded
    return Written(text, read_rule(text), *loaded)


def told(text: str, story: list[Plain], folder: Path, kind: str = "permit") -> list[tuple[str, str]]:
    """Step and local minute of everything told to the holder, when both readings agree."""
    expected, got = compare(by_hand(text, folder, kind), story)
    assert expected == got
    return sorted(((step, minute) for step, _, party, minute in got if party == 1), key=lambda one: one[1])


def test_both_readings_tell_the_same_messages_on_the_same_minutes(rules: tuple[Written, ...]) -> None:
    """S1-S65, S86-S94: generated rules, three years, corrections, re-entries, renewals, closures, five offices."""
    messages, differences = 0, []
    for number in range(SUBJECTS):
        one = rules[number % RULES]
        its = teller(one, Random(f"{SEED} {number}"))
        story = its.tell()
        expected, got = compare(one, story)
        messages += len(expected)
        differences += [disagreement(one, story, its.events, expected, got)] if expected != got else []

    assert not differences, differences[0]
    assert messages > 50


def test_an_engine_that_is_wrong_by_one_day_is_noticed(
    rules: tuple[Written, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """S11, S21: the same comparison over the same lives fails when the engine counts one day too many."""
    true = places.add_length
    monkeypatch.setattr(
        places, "add_length", lambda day, length, sign, calendar: true(day, length, sign, calendar) + timedelta(days=1)
    )

    differences = []
    for number in range(RULES):
        one = rules[number]
        its = teller(one, Random(f"{SEED} {number}"))
        story = its.tell()
        expected, got = compare(one, story)
        differences += [disagreement(one, story, its.events, expected, got)] if expected != got else []

    assert len(differences) > 2
    assert "only the words" in differences[0]
    assert "only the engine" in differences[0]


def test_the_generated_rules_reach_into_every_corner_of_the_grammar() -> None:
    """S12-S26, S39, S40, S77, S87-S92: no production is left out of eight hundred rules."""
    chance = Random(SEED)
    texts = [RuleWriter(chance, "any", kind).write() for _ in range(400) for kind in ("permit", "case")]

    assert set(PRODUCTIONS).difference(*map(found_in, texts)) == set()


@pytest.mark.parametrize(
    ("key", "value"), [("deadline", None), ("unless", []), ("correction", (1, "day")), ("from", date(2026, 9, 1))]
)
def test_a_reading_that_overlooks_one_line_of_a_rule_is_noticed(key: str, value: Any, tmp_path: Path) -> None:
    """S33, S39, S44, S48: the comparison can fail."""
    text = """from: 2026-01-01
deadline: 20 days before expiry
correction: 10 days
when: {type: ITAS}
unless: {status: departed}
steps:
  months: {send: every 10 days from 90 days before expiry until expiry}
"""
    one = by_hand(text, tmp_path)
    story = a_permit("2026-05-01 08:00", expiry=date(2026, 9, 30))
    story = later(story, "2026-08-03 12:00", expiry=date(2026, 10, 4))
    story = later(later(story, "2026-08-20 12:00", status="departed"), "2026-08-30 12:00", status="active")
    assert compare(one, story)[0] == compare(one, story)[1]

    careless = copy.deepcopy(one)
    careless.plain[key] = value
    expected, got = compare(careless, story)

    assert expected != got


# ------------------------------------------------------------------------------------------ what it has found


def test_what_must_leave_before_its_moment_is_replaced_by_what_was_told_that_day(tmp_path: Path) -> None:
    """S31, S36: 23:59 lies outside the sending hours; at 19:59 the day's other message has been told."""
    text = """steps:
  morning: {send: 30 days before expiry}
  night: {send: on expiry, time: 23:59}
  issued: {send: on issue, time: 23:59}
"""
    story = a_permit("2026-01-05 08:00", issue=date(2026, 5, 11), expiry=date(2026, 6, 10))

    assert told(text, story, tmp_path) == [("morning", "2026-05-11 09:00"), ("night", "2026-06-10 19:59")]


def test_a_date_that_comes_back_is_a_move_only_for_those_who_heard_of_the_other(tmp_path: Path) -> None:
    """S19, S49, N15: 10 June is told, 25 June never; going back to 10 June is no news for anybody."""
    text = """steps:
  early: {send: 60 days before expiry}
  sooner: {send: when expiry moves earlier}
"""
    story = a_permit("2026-03-02 08:00", expiry=date(2026, 6, 10))
    story = later(story, "2026-04-13 10:00", expiry=date(2026, 6, 25))
    quiet = later(story, "2026-04-14 10:00", expiry=date(2026, 6, 10))
    heard = later(story, "2026-05-04 10:00", expiry=date(2026, 6, 10))

    assert told(text, quiet, tmp_path) == [("early", "2026-04-10 09:00")]
    assert told(text, heard, tmp_path) == [
        ("early", "2026-04-10 09:00"),
        ("early", "2026-04-24 09:00"),
        ("sooner", "2026-05-04 10:00"),
    ]


def test_a_cell_that_was_empty_for_a_while_has_not_moved(tmp_path: Path) -> None:
    """S19: the same value seen again is no new value."""
    text = """steps:
  early: {send: 60 days before expiry}
  moved: {send: when expiry moves}
"""
    story = a_permit("2026-03-02 08:00", expiry=date(2026, 6, 10))
    story = later(later(story, "2026-04-20 10:00", expiry=None), "2026-04-21 10:00", expiry=date(2026, 6, 10))

    assert told(text, story, tmp_path) == [("early", "2026-04-10 09:00")]


def test_at_once_does_not_come_again_with_every_birthday(tmp_path: Path) -> None:
    """S17, S45: everything holds since the registration; that it began before the rule counts is final."""
    text = """from: 2026-06-01
when: {type: ITAS, holder.age: at least 17}
steps:
  now: {send: at once}
"""
    story = a_permit("2026-03-02 08:00", expiry=date(2028, 6, 10), born=date(1990, 9, 1))

    assert told(text, story, tmp_path) == []


def test_at_once_comes_at_the_crossing(tmp_path: Path) -> None:
    """S17, S45: midnight of the day on which the condition turns; the next sending hours."""
    text = """when: {type: ITAS, expiry: within 6 months}
steps:
  now: {send: at once}
"""
    story = a_permit("2026-01-05 08:00", expiry=date(2026, 8, 31))

    assert told(text, story, tmp_path) == [("now", "2026-02-28 09:00")]


def test_a_late_step_waits_for_the_next_day_when_something_was_told_today(tmp_path: Path) -> None:
    """S36, S43: two messages of a rule on one day are one too many, and the second is not lost either."""
    text = """steps:
  early: {send: 60 days before expiry}
"""
    story = a_permit("2026-03-02 08:00", expiry=date(2026, 6, 10))
    story = later(story, "2026-04-10 11:00", expiry=date(2026, 5, 25))

    assert told(text, story, tmp_path) == [("early", "2026-04-10 09:00"), ("early", "2026-04-11 07:00")]


def test_a_step_that_a_corrected_date_moves_into_the_past_waits_for_the_next_day_and_is_told(tmp_path: Path) -> None:
    """S36, S48: it was no step of the day on which the rule spoke in the life before, so nothing replaced it there."""
    text = """deadline: expiry
steps:
  ahead: {send: every 10 days from 60 days before expiry until 30 days before expiry}
"""
    story = a_permit("2026-08-10 08:00", expiry=date(2026, 10, 12))
    story = later(story, "2026-09-02 11:00", expiry=date(2026, 9, 22))
    expected, got = compare(by_hand(text, tmp_path), story)

    assert expected == got
    assert [(number, minute) for _, number, _, minute in got] == [
        (1, "2026-08-13 09:00"),
        (2, "2026-08-21 09:00"),
        (3, "2026-09-02 09:00"),
        (4, "2026-09-03 07:00"),
    ]


@pytest.mark.parametrize(
    ("moves", "and_then"), [("2026-07-27 20:00", []), ("2026-03-18 05:00", [("now", "2026-03-18 12:00")])]
)
def test_a_life_that_another_calendar_makes_began_when_its_date_was_first_held(
    moves: str, and_then: list[tuple[str, str]], tmp_path: Path
) -> None:
    """S3, S17, S47, S48: of eight working days it is a correction in Amsterdam, in Makassar a renewal, and late."""
    text = """correction: 8 working days
steps:
  now: {send: at once}
"""
    story = a_permit("2026-03-16 08:00", office="amsterdam", expiry=date(2026, 4, 11))
    story = later(story, "2026-03-16 18:00", expiry=date(2026, 4, 22))
    story = later(story, moves)
    story[-1]["office"] = "makassar"

    assert told(text, story, tmp_path) == [("now", "2026-03-16 08:00"), *and_then]


def test_before_the_day_in_a_far_zone_is_the_last_minute_that_is_left_there(tmp_path: Path) -> None:
    """S30, S31: noon in Denpasar is midnight in New York, whose morning is too late; 07:59 is 19:59 there."""
    text = """deadline: expiry at closing time
steps:
  last: {send: on expiry, time: 12:00, closed: ignore, late: send}
"""
    story = a_permit(
        "2027-09-12 08:17", office="denpasar", zone="America/New_York", expiry=date(2027, 9, 16), type="ITAS"
    )

    assert told(text, story, tmp_path) == [("last", "2027-09-16 07:59")]


def test_what_a_step_has_told_counts_although_it_has_no_voice_any_more(tmp_path: Path) -> None:
    """S37: the newer step was told in this stay; that its condition no longer holds does not bring up the older one."""
    text = """while: documents required
deadline: collection deadline
steps:
  seventeen: {send: when holder turns 17}
  year: {send: 1 year before closing, when: {attributes.color: red}}
"""
    story = a_case(
        "2027-03-29 05:40",
        born=date(1960, 2, 29),
        state="documents required",
        collection_deadline=date(2027, 5, 13),
        closing=at("2027-06-24 22:15"),
        **{"attributes.color": "red"},
    )
    story = later(story, "2027-03-31 20:45", **{"attributes.color": "blue"})

    assert told(text, story, tmp_path, kind="case") == [("year", "2027-03-29 07:00")]


def test_what_a_step_told_to_somebody_else_as_well_counts_for_who_heard_it(tmp_path: Path) -> None:
    """S37, S57: the sponsor heard the newer step as an agent; without that role the older one is no news."""
    text = """correction: 20 days
steps:
  early: {send: 60 days before expiry, to: sponsor, late: newest within 90 days}
  issued: {send: 10 days after issue, to: agent}
"""
    story = a_permit("2026-05-07 08:00", issue=date(2026, 5, 8), expiry=date(2026, 7, 10))
    story[0]["roles"] = [
        {"role": "holder", "party": 1, "from": None, "until": None},
        {"role": "agent", "party": 2, "from": None, "until": date(2026, 5, 20)},
        {"role": "sponsor", "party": 2, "from": date(2026, 5, 25), "until": None},
    ]
    expected, got = compare(by_hand(text, tmp_path), story)

    assert expected == got == [("issued", 0, 2, "2026-05-18 09:00")]


def test_the_day_of_a_digest_step_is_that_of_its_slot(tmp_path: Path) -> None:
    """S36, S77: what was told on the day of the moment replaces nothing that leaves in a digest of another day."""
    text = """steps:
  issued: {send: on issue, time: 08:00}
  afternoon: {send: on issue, time: 16:00}
  listed: {send: 30 days before expiry, digest: weekly on thursday at 08:15}
"""
    story = a_permit("2026-06-05 08:00", issue=date(2026, 6, 8), expiry=date(2026, 7, 8))

    assert told(text, story, tmp_path) == [("issued", "2026-06-08 08:00"), ("listed", "2026-06-11 08:15")]


# ------------------------------------------------------------------------------------------ the whole engine

LADDER = """uncapped: yes
when: {type: ITAS}
unless: {status: [departed, renewed]}
deadline: window closes
steps:
  opens: {send: when window opens}
  three-weeks: {send: 21 days before expiry, time: 16:00}
  ten-days: {send: every 5 days from 12 days before expiry until expiry}
  last-day: {send: last working day before expiry, time: 08:15, urgent: yes}
  sooner: {send: when expiry moves earlier, template: itas/corrected}
"""


def test_planner_and_dispatcher_tell_what_the_words_say(sqlite_engine: Engine, tmp_path: Path) -> None:
    """S33-S37, S48, S50, S94: the real outbox on SQLite, several looks a day, a correction and a date beyond it."""
    folder = tmp_path / "rules"
    shutil.copytree(FOLDER, folder)
    (folder / "hand.yaml").write_text(HEAD + LADDER)
    story = a_permit("2026-05-07 10:00", expiry=date(2026, 6, 11))
    story = later(story, "2026-05-22 10:00", expiry=date(2026, 6, 9))
    story = later(story, "2026-06-02 12:00", expiry=date(2026, 6, 25))
    expected = Walk(read_rule(HEAD + LADDER), story, at("2026-06-29 00:00")).told()

    world = World(sqlite_engine, rules=folder, now="2026-05-01 08:00")
    world.person("P1", birth_date=date(1990, 5, 17))
    world.plan()
    looks = [f"{date(2026, 5, 7) + timedelta(days=day)} {hour}" for day in range(52) for hour in LOOKS]
    changes = {record["at"]: record["facts"] for record in story}
    for now in sorted({*map(at, looks), *changes}):
        world.clock.at = now
        if now in changes:
            world.permit("2D21XX0000-Z", "P1", **changes[now])
        world.run()

    got = [(row.step, row.occurrence, row.told_at) for row in world.notifications() if row.told_at is not None]
    assert len(got) > 6
    assert sorted(got) == sorted((one.step["name"], one.number, one.at) for one in expected)


#: Every minute at which something of `LADDER` can begin to leave in Jakarta.
LOOKS = ("00:00", "07:00", "08:15", "09:00", "13:00", "16:00")
