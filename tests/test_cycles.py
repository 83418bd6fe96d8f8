"""Which life of a date a step belongs to: corrections, renewals, stays entered again (S46-S56, N3, N6, N15, N16)."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from notifier.model import Seen, Stay, SubjectKind
from notifier.rules.cycles import Cycle, cycle_of
from notifier.rules.facts import View
from notifier.rules.load import load_rules
from notifier.rules.rule import Length, Rule, Unit
from notifier.testing import a_case_subject, a_permit_subject
from tests.moment_makers import RULES, a_calendar, a_rule, a_step, day, length, utc
from tests.world import PROJECT

CALENDAR = a_calendar()
REGISTERED = datetime(2026, 1, 5, 2, tzinfo=UTC)


def seen(*values: str) -> tuple[Seen, ...]:
    """Values of a date in the order in which the register held them, one a week."""
    return tuple(Seen(day(value), REGISTERED + timedelta(weeks=number)) for number, value in enumerate(values))


def permit_view(rule: Rule, *values: str, field: str = "expiry", **changes: Any) -> View:
    subject = a_permit_subject(facts={field: day(values[-1])}, history={field: seen(*values)}, **changes)
    return View(subject, utc("2026-05-01 10:00"), CALENDAR, RULES, rule)


def permit_rule(correction: str = "10 days") -> Rule:
    return a_rule(a_step("14 days before expiry"), correction=length(correction))


def case_rule(*states: str, correction: str = "1 hour") -> Rule:
    return a_rule(a_step("on issue"), subject="case", stays=states, correction=length(correction))


def stays(*spans: tuple[str, str, str | None]) -> tuple[Stay, ...]:
    """(state, begins, ends) on Jakarta's clock."""
    return tuple(
        Stay(number, state, utc(begins), utc(ends) if ends else None)
        for number, (state, begins, ends) in enumerate(spans, 1)
    )


def case_view(rule: Rule, spans: Sequence[Stay], now: str = "2026-05-20 10:00", **changes: Any) -> View:
    subject = a_case_subject(state=spans[-1].state, stays=tuple(spans), **changes)
    return View(subject, utc(now), CALENDAR, RULES, rule)


def expiry_cycle(*values: str, correction: str = "10 days") -> Cycle | None:
    rule = permit_rule(correction)
    return cycle_of(rule, permit_view(rule, *values), "expiry", day(values[-1]))


# -------------------------------------------------------------------------------------------------- permits


def test_the_cycle_of_a_step_is_the_value_of_its_own_anchor() -> None:
    """S47."""
    rule = permit_rule()
    view = permit_view(rule, "2026-06-10")

    keys = [cycle_of(rule, view, field, value) for field, value in (("expiry", day("2026-06-10")), ("issue", None))]

    assert keys == [Cycle("expiry=2026-06-10", REGISTERED), None]


@pytest.mark.parametrize(
    ("values", "cycle"),
    [
        (["2026-06-10", "2026-06-20"], "2026-06-10"),  # ten days: still a correction
        (["2026-06-10", "2026-06-21"], "2026-06-21"),  # eleven: a renewal
        (["2026-06-10", "2026-05-31"], "2026-06-10"),
        (["2026-06-10", "2026-05-30"], "2026-05-30"),
        (["2026-06-10", "2027-06-10"], "2027-06-10"),
    ],
)
def test_a_new_value_within_the_tolerance_of_the_first_is_a_correction(values: list[str], cycle: str) -> None:
    """S48."""
    found = expiry_cycle(*values)

    assert found is not None
    assert found.key == f"expiry={cycle}"


def test_creeping_corrections_are_measured_from_the_first_value() -> None:
    """N15, V25: 10 -> 18 -> 26 June; the last is sixteen days from the first."""
    keys = [
        expiry_cycle(*values) for values in (["2026-06-10", "2026-06-18"], ["2026-06-10", "2026-06-18", "2026-06-26"])
    ]

    assert [one and one.key for one in keys] == ["expiry=2026-06-10", "expiry=2026-06-26"]


def test_going_back_resumes_the_old_cycle() -> None:
    """N15, S49: 10 -> 25 -> 10 June."""
    assert expiry_cycle("2026-06-10", "2026-06-25", "2026-06-10") == Cycle("expiry=2026-06-10", REGISTERED)


@pytest.mark.parametrize(
    ("value", "cycle"),
    [
        ("2026-06-12", "2026-06-10"),
        ("2026-06-16", "2026-06-10"),
        ("2026-06-17", "2026-06-24"),
        ("2026-06-18", "2026-06-24"),
    ],
)
def test_between_two_cycles_the_nearest_first_value_counts(value: str, cycle: str) -> None:
    """S49: cycles of 10 and 24 June; the 17th is as far from both, and the older one has it."""
    found = expiry_cycle("2026-06-10", "2026-06-24", value)

    expected = "2026-06-10" if value == "2026-06-17" else cycle
    assert found is not None
    assert found.key == f"expiry={expected}"


def test_the_tolerance_may_be_of_any_length() -> None:
    assert expiry_cycle("2026-01-31", "2026-02-28", correction="1 month") == Cycle("expiry=2026-01-31", REGISTERED)
    assert expiry_cycle("2026-06-10", "2026-06-11", correction="1 working day") == Cycle(
        "expiry=2026-06-10", REGISTERED
    )


def test_a_cycle_begins_when_the_register_first_holds_its_value() -> None:
    """S47: a correction does not make it younger."""
    first, second = expiry_cycle("2026-06-10", "2026-06-18"), expiry_cycle("2026-06-10", "2027-06-10")

    assert first is not None and second is not None
    assert (first.began_at, second.began_at) == (REGISTERED, REGISTERED + timedelta(weeks=1))


def test_at_once_of_a_permit_lives_as_long_as_its_expiry_else_its_issue() -> None:
    """S47, and N3: an unlimited permit has an issue."""
    rule = permit_rule()
    limited, unlimited = permit_view(rule, "2026-06-10"), permit_view(rule, "2021-06-10", field="issue")
    unlimited = View(
        a_permit_subject(facts={"expiry": None, "issue": day("2021-06-10")}, history={"issue": seen("2021-06-10")}),
        unlimited.now,
        CALENDAR,
        RULES,
        rule,
    )

    keys = [cycle_of(rule, view, "", None) for view in (limited, unlimited)]

    assert [one and one.key for one in keys] == ["expiry=2026-06-10", "issue=2021-06-10"]


def test_a_permit_without_any_date_has_no_cycle() -> None:
    """N3, S20."""
    rule = permit_rule()
    view = View(
        a_permit_subject(facts={"expiry": None, "issue": None}, history={}), utc("2026-05-01"), CALENDAR, RULES, rule
    )

    assert cycle_of(rule, view, "", None) is None
    assert cycle_of(rule, view, "expiry", None) is None


def test_a_birth_date_was_always_there() -> None:
    """S47: a step counted from it is never from before its cycle."""
    rule = permit_rule()

    assert cycle_of(rule, permit_view(rule, "2026-06-10"), "birth date", date(2008, 5, 1)) == Cycle(
        "birth date=2008-05-01", None
    )


def test_a_value_the_history_does_not_hold_yet_counts_as_seen_now() -> None:
    rule = permit_rule()
    subject = a_permit_subject(expiry=day("2026-06-10"), history={})
    view = View(subject, utc("2026-05-01 10:00"), CALENDAR, RULES, rule)

    assert cycle_of(rule, view, "expiry", day("2026-06-10")) == Cycle("expiry=2026-06-10", view.now)


# ---------------------------------------------------------------------------------------------------- cases


def test_a_case_step_lives_in_its_stay_and_its_own_date() -> None:
    """S47, S51."""
    rule = case_rule("awaiting payment")
    due = utc("2026-05-20 12:00")
    view = case_view(rule, stays(("awaiting payment", "2026-05-18 10:00", None)), facts={"payment deadline": due})

    at_once = cycle_of(rule, view, "", None)
    counted = cycle_of(rule, view, "payment deadline", due)
    moved = cycle_of(rule, view, "payment deadline", due + timedelta(minutes=1))

    assert at_once == Cycle("stay=1", utc("2026-05-18 10:00"))
    assert counted == Cycle(f"stay=1;payment deadline={due.isoformat()}", utc("2026-05-18 10:00"))
    assert moved is not None and moved.key != counted.key


def test_a_case_rule_without_a_state_lives_in_its_date_alone() -> None:
    """S47: it begins when the register first held the value."""
    rule = a_rule(a_step("3 days before appointment"), subject="case")
    when = utc("2026-05-20 12:00")
    history = {"appointment": (Seen(when, REGISTERED),)}
    view = case_view(rule, stays(("scheduled", "2026-05-01 10:00", None)), history=history)

    assert cycle_of(rule, view, "appointment", when) == Cycle(f"appointment={when.isoformat()}", REGISTERED)
    assert cycle_of(rule, view, "", None) is None


@pytest.mark.parametrize(
    ("returned", "stay"),
    [("2026-05-18 10:59", 1), ("2026-05-18 11:00", 1), ("2026-05-18 11:01", 3), ("2026-05-28 09:00", 3)],
)
def test_a_state_entered_again_is_a_new_stay_unless_within_the_correction(returned: str, stay: int) -> None:
    """S54, N6: a wrong click for minutes is the old stay going on; a misprint of ten days is a new one."""
    rule = case_rule("ready for collection")
    spans = stays(
        ("ready for collection", "2026-05-18 09:00", "2026-05-18 10:00"),
        ("in process", "2026-05-18 10:00", returned),
        ("ready for collection", returned, None),
    )
    found = cycle_of(rule, case_view(rule, spans, "2026-05-30 10:00"), "", None)

    assert found is not None
    assert found.key == f"stay={stay}"


def test_clicks_to_and_fro_are_one_stay_from_its_first_beginning() -> None:
    """S54: each return is measured from the leaving before it."""
    rule = case_rule("scheduled")
    spans = stays(
        ("scheduled", "2026-05-18 09:00", "2026-05-18 10:00"),
        ("submitted", "2026-05-18 10:00", "2026-05-18 10:50"),
        ("scheduled", "2026-05-18 10:50", "2026-05-18 11:00"),
        ("submitted", "2026-05-18 11:00", "2026-05-18 11:50"),
        ("scheduled", "2026-05-18 11:50", None),
    )

    assert cycle_of(rule, case_view(rule, spans), "", None) == Cycle("stay=1", utc("2026-05-18 09:00"))


def test_two_states_of_while_are_one_stay() -> None:
    """S55: from the first entry into any of them to the leaving of all."""
    rule = case_rule("collected", "issued")
    spans = stays(
        ("issued", "2026-05-01 09:00", "2026-05-10 09:00"),
        ("collected", "2026-05-10 09:00", None),
    )

    assert cycle_of(rule, case_view(rule, spans), "", None) == Cycle("stay=1", utc("2026-05-01 09:00"))


def test_a_state_between_two_of_while_ends_the_stay() -> None:
    """S55."""
    rule = case_rule("collected", "issued")
    spans = stays(
        ("issued", "2026-05-01 09:00", "2026-05-04 09:00"),
        ("in process", "2026-05-04 09:00", "2026-05-10 09:00"),
        ("collected", "2026-05-10 09:00", None),
    )

    assert cycle_of(rule, case_view(rule, spans), "", None) == Cycle("stay=3", utc("2026-05-10 09:00"))


def test_a_case_in_no_state_of_while_has_no_cycle() -> None:
    """S47."""
    rule = case_rule("scheduled")
    spans = stays(("scheduled", "2026-05-01 09:00", "2026-05-04 09:00"), ("attended", "2026-05-04 09:00", None))

    assert cycle_of(rule, case_view(rule, spans), "", None) is None


def test_the_correction_of_a_case_rule_may_be_counted_in_days() -> None:
    rule = case_rule("scheduled", correction="2 days")
    spans = stays(
        ("scheduled", "2026-05-18 09:00", "2026-05-18 10:00"),
        ("on hold", "2026-05-18 10:00", "2026-05-20 09:30"),
        ("scheduled", "2026-05-20 09:30", None),
    )

    assert cycle_of(rule, case_view(rule, spans), "", None) == Cycle("stay=1", utc("2026-05-18 09:00"))


def test_a_shipped_case_rule_takes_an_hour_for_a_wrong_click() -> None:
    """N6: the default of a case rule is not that of a permit rule."""
    shipped = {rule.name: rule for rule in load_rules(PROJECT / "rules").rules}
    defaults = {rule.subject: rule.correction for rule in shipped.values()}

    assert defaults == {SubjectKind.CASE: Length(1, Unit.HOUR), SubjectKind.PERMIT: Length(10, Unit.DAY)}
