"""Every test of the language, one table each: what holds for which value on which day (S87-S92)."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from notifier.model import Subject, SubjectKind, Value
from notifier.rules.conditions import all_hold, asks_of_time, first_failing, first_holding, holds, passes, words_asked
from notifier.rules.facts import View
from notifier.rules.load import load_rules
from notifier.rules.rule import Condition, Conditions, Exists, Group, GroupKind, HolderHas, Line, RuleSet
from notifier.testing import a_case_subject, a_party, a_permit_subject
from tests.moment_makers import a_calendar, utc

RULES = Path(__file__).parent.parent / "rules"
SHIPPED = load_rules(RULES)
TODAY = "2026-03-02 10:00"  # a Monday, no closed day near
HEAD = """\
rule: r
title: T
legal basis: public service
to: holder
via: sms
template: t
steps: {s: {send: 1 day after issue}}
"""


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Reads the text behind `when:` into conditions, by the loader itself."""

    def conditions(text: str, subject: str = "permit") -> Conditions:
        (tmp_path / "r.yaml").write_text(f"{HEAD}for: {subject}\nwhen: {text}\n", encoding="utf-8")
        return load_rules(tmp_path).rules[0].when

    return conditions


def seen(subject: Subject | None = None, now: str = TODAY, rules: RuleSet = SHIPPED) -> View:
    return View(subject or a_permit_subject(), utc(now), a_calendar(), rules)


def about(facts: Mapping[str, Value], now: str = TODAY, **changes: Any) -> View:
    return seen(a_permit_subject(facts=facts, **changes), now)


def case(facts: Mapping[str, Value], now: str = TODAY, **changes: Any) -> View:
    return seen(a_case_subject(facts=facts, **changes), now)


# --------------------------------------------------------------------------------------------- words, numbers


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("{type: ITAS}", "ITAS", True),
        ("{type: ITAS}", "ITAP", False),
        ("{type: ITAS}", "itas", False),
        ("{type: [ITAS, ITAP]}", "ITAP", True),
        ("{type: [ITAS, ITAP]}", "ITK", False),
        ("{type: {not: ITAS}}", "ITAP", True),
        ("{type: {not: ITAS}}", "ITAS", False),
        ("{type: {not: [ITAS, ITAP]}}", "ITK", True),
        ("{type: {not: [ITAS, ITAP]}}", "ITAP", False),
    ],
)
def test_a_list_means_one_of_and_not_means_none_of(read: Any, text: str, value: str, expected: bool) -> None:
    """S89."""
    assert all_hold(read(text), about({"type": value})) is expected


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("0", (True, False, False, False)),
        ("2", (False, False, True, False)),
        ("at least 2", (False, False, True, True)),
        ("at most 2", (True, True, True, False)),
        ("less than 2", (True, True, False, False)),
        ("more than 2", (False, False, False, True)),
        ("at least 0", (True, True, True, True)),
        ("less than 1", (True, False, False, False)),
    ],
)
def test_numbers_are_compared_with_both_borders_in_their_place(
    read: Any, test: str, expected: tuple[bool, ...]
) -> None:
    conditions = read(f"{{extensions left: {test}}}")

    assert tuple(all_hold(conditions, about({"extensions left": left})) for left in range(4)) == expected


@pytest.mark.parametrize(("value", "yes", "no"), [(True, True, False), (False, False, True)])
def test_yes_and_no_are_the_two_answers_of_a_flag(read: Any, value: bool, yes: bool, no: bool) -> None:
    view = about({"type": "ITAS", "extendable": value})

    assert (all_hold(read("{extendable: yes}"), view), all_hold(read("{extendable: no}"), view)) == (yes, no)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("yes", True, True),
        ("yes", "yes", True),
        ("no", False, True),
        ("no", "no", True),
        ("no", "yes", False),
        ("5", 5, True),
        ("5", "5", True),
        ("at least 5", "12", True),
        ("at least 5", "twelve", False),
        ("at least 1", True, False),
        ("blue", "blue", True),
        ("[blue, red]", "red", True),
        ("{not: blue}", "red", True),
        ("exists", "", True),
        ("missing", "", False),
    ],
)
def test_a_column_of_the_registers_own_is_text_number_or_flag(
    read: Any, text: str, value: Value, expected: bool
) -> None:
    assert all_hold(read(f"{{attributes.choice: {text}}}"), about({"attributes.choice": value})) is expected


@pytest.mark.parametrize(
    ("test", "hours", "expected"),
    [
        ("less than 24 hours", 23, True),
        ("less than 24 hours", 24, False),
        ("at least 24 hours", 24, True),
        ("at least 24 hours", 23, False),
        ("at most 1 day", 24, True),
        ("at most 1 day", 25, False),
        ("more than 90 minutes", 2, True),
        ("more than 90 minutes", 1, False),
        ("more than 1 week", 7 * 24 + 1, True),
    ],
)
def test_the_time_to_pay_is_the_stretch_from_the_states_beginning_to_its_deadline(
    read: Any, test: str, hours: int, expected: bool
) -> None:
    """S90: `payment time` is derived, so that no rule compares two fields."""
    began = utc("2026-03-02 10:00")
    view = case({"payment deadline": began + timedelta(hours=hours)}, began_at=began)

    assert all_hold(read(f"{{payment time: {test}}}", "case"), view) is expected


# ----------------------------------------------------------------------------------------- days and instants

X = date(2026, 5, 31)
DAY_TESTS = [
    # (test, the first day on which it holds, the last one): None is never
    ("within 10 days", date(2026, 5, 21), date(2026, 5, 31)),
    ("within 2 weeks", date(2026, 5, 17), date(2026, 5, 31)),
    ("within 3 months", date(2026, 2, 28), date(2026, 5, 31)),
    ("within 1 year", date(2025, 5, 31), date(2026, 5, 31)),
    ("within last 10 days", date(2026, 5, 31), date(2026, 6, 10)),
    ("within last 1 month", date(2026, 5, 31), date(2026, 6, 30)),
    ("beyond 10 days", None, date(2026, 5, 20)),
    ("beyond 3 months", None, date(2026, 2, 27)),
    ("more than 10 days ago", date(2026, 6, 11), None),
    ("more than 1 month ago", date(2026, 7, 1), None),
    ("past", date(2026, 6, 1), None),
]


@pytest.mark.parametrize(("test", "first", "last"), DAY_TESTS)
def test_a_day_is_asked_with_both_ends_included(read: Any, test: str, first: date | None, last: date | None) -> None:
    """S91, S4: all four are counted from X itself; a permit is valid through its whole last day."""
    conditions = read(f"{{expiry: {test}}}")

    def on(day: date) -> bool:
        view = View(a_permit_subject(expiry=X), datetime(day.year, day.month, day.day, 5, tzinfo=UTC), CAL, SHIPPED)
        return all_hold(conditions, view)

    one = timedelta(days=1)
    if first is not None:
        assert (on(first - one), on(first)) == (False, True)
    if last is not None:
        assert (on(last), on(last + one)) == (True, False)


CAL = a_calendar()


def test_v23_within_six_months_is_true_from_the_clamped_day(read: Any) -> None:
    """V23: today + 6 months would say 1 March."""
    conditions = read("{expiry: within 6 months}")
    subject = a_permit_subject(expiry=date(2026, 8, 31))

    days = [f"2026-02-{day}" for day in (27, 28)] + ["2026-03-01", "2026-08-31", "2026-09-01"]

    assert [all_hold(conditions, seen(subject, f"{day} 12:00")) for day in days] == [False, True, True, True, False]


def test_v22_more_than_four_working_days_ago_begins_the_day_after_the_fourth(read: Any) -> None:
    """V22: Monday 16 March 2026 and Lebaran between: the fourth working day is the 27th."""
    conditions = read("{submission: more than 4 working days ago}", "case")
    facts = {"submission": utc("2026-03-16 14:00")}

    days = {day: all_hold(conditions, case(facts, f"2026-03-{day} 09:00")) for day in (17, 26, 27, 28)}

    assert days == {17: False, 26: False, 27: False, 28: True}


@pytest.mark.parametrize(
    ("today", "expected"), [("2026-03-15", False), ("2026-03-16", True), ("2026-03-22", True), ("2026-03-23", False)]
)
def test_working_days_are_counted_from_the_day_itself(read: Any, today: str, expected: bool) -> None:
    """S10: Sunday 22 March lies in Lebaran; two working days before it is the 16th."""
    view = seen(a_permit_subject(expiry=date(2026, 3, 22)), f"{today} 12:00")

    assert all_hold(read("{expiry: within 2 working days}"), view) is expected


@pytest.mark.parametrize(
    ("test", "moments"),
    [
        ("within 90 minutes", {"08:29": False, "08:30": True, "10:00": True, "10:01": False}),
        ("within 3 hours", {"06:59": False, "07:00": True, "10:00": True, "10:01": False}),
        ("beyond 30 minutes", {"09:29": True, "09:30": False, "10:30": False}),
        ("within last 2 hours", {"09:59": False, "10:00": True, "12:00": True, "12:01": False}),
        ("more than 45 minutes ago", {"10:45": False, "10:46": True}),
        ("past", {"09:59": False, "10:00": False, "10:01": True}),
    ],
)
def test_minutes_and_hours_compare_instants(read: Any, test: str, moments: Mapping[str, bool]) -> None:
    """S91, S9."""
    conditions = read(f"{{appointment: {test}}}", "case")
    facts = {"appointment": utc("2026-03-02 10:00")}

    assert {at: all_hold(conditions, case(facts, f"2026-03-02 {at}")) for at in moments} == moments


@pytest.mark.parametrize(
    ("now", "expected"), [("2026-03-01 23:59", False), ("2026-03-02 00:00", True), ("2026-03-04 23:59", True)]
)
def test_days_from_an_instant_are_days_of_the_office(read: Any, now: str, expected: bool) -> None:
    """S8: 06:00 in Jakarta is still the day before in UTC."""
    view = case({"appointment": utc("2026-03-04 06:00")}, now)

    assert all_hold(read("{appointment: within 2 days}", "case"), view) is expected


@pytest.mark.parametrize(
    ("test", "before", "on", "after"),
    [("before 2026-05-01", True, False, False), ("after 2026-05-01", False, False, True)],
)
def test_a_written_day_belongs_to_neither_side(read: Any, test: str, before: bool, on: bool, after: bool) -> None:
    conditions = read(f"{{expiry: {test}}}")
    days = [date(2026, 4, 30), date(2026, 5, 1), date(2026, 5, 2)]

    assert [all_hold(conditions, about({"expiry": day})) for day in days] == [before, on, after]


# ------------------------------------------------------------------------------------------------ what is missing

EVERY_TEST = {
    "type": ["ITAS", "[ITAS, ITAP]", "{not: ITAS}"],
    "extensions left": ["0", "at least 0", "at most 9", "less than 9", "more than 0"],
    "departure deadline": [
        "exists",
        "past",
        "before 2099-01-01",
        "after 1999-01-01",
        "within 10 years",
        "within last 10 years",
        "beyond 1 day",
        "more than 1 day ago",
    ],
    "attributes.choice": ["yes", "no", "5", "at most 9", "blue", "{not: blue}", "exists"],
    "holder.age": ["at least 0", "less than 200"],
    "holder.nationality": ["DE", "{not: DE}"],
    "sponsor": ["exists"],
    "open case": ["exists"],
    "case.service": ["passport", "{not: passport}"],
}


@pytest.mark.parametrize(("field", "test"), [(field, test) for field, tests in EVERY_TEST.items() for test in tests])
def test_a_missing_value_satisfies_missing_and_nothing_else(read: Any, field: str, test: str) -> None:
    """S88: also not `not`, and not `no`."""
    nobody = a_party(birth_date=None, nationality=None)
    view = about({"type": None, "extensions left": None, "departure deadline": None}, holder=nobody)

    assert not all_hold(read(f"{{{field}: {test}}}"), view)


@pytest.mark.parametrize("field", ["departure deadline", "attributes.choice", "sponsor", "open case"])
def test_missing_holds_for_what_is_missing(read: Any, field: str) -> None:
    """S88."""
    assert all_hold(read(f"{{{field}: missing}}"), about({}))


def test_a_value_of_another_type_passes_no_test_of_time(read: Any) -> None:
    assert not passes(read("{expiry: within 10 days}")[0].test, "tomorrow", about({}))


# --------------------------------------------------------------------------------------------------- groups


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # type ITAS or not, expiry near or far
        ("any", {("ITAS", True): True, ("ITAS", False): True, ("ITK", True): True, ("ITK", False): False}),
        ("all", {("ITAS", True): True, ("ITAS", False): False, ("ITK", True): False, ("ITK", False): False}),
        ("none", {("ITAS", True): False, ("ITAS", False): False, ("ITK", True): False, ("ITK", False): True}),
    ],
)
def test_any_takes_one_all_takes_every_and_none_takes_no_alternative(
    read: Any, kind: str, expected: Mapping[tuple[str, bool], bool]
) -> None:
    """S87."""
    conditions = read(f"{{{kind}: [{{type: ITAS}}, {{expiry: within 10 days}}]}}")

    def on(document: str, near: bool) -> bool:
        return all_hold(conditions, about({"type": document, "expiry": date(2026, 3, 5 if near else 30)}))

    assert {key: on(*key) for key in expected} == expected


def test_within_one_alternative_every_line_counts(read: Any) -> None:
    """S87: leave-by of RULES R05."""
    conditions = read("{any: [{type: BVK}, {type: ITK, extensions left: 0}, {status: epo issued}]}")

    def on(kind: str, left: int, status: str = "active") -> bool:
        return all_hold(conditions, about({"type": kind, "extensions left": left, "status": status}))

    assert (on("BVK", 3), on("ITK", 0), on("ITK", 1), on("ITAS", 0)) == (True, True, False, False)
    assert on("ITAS", 2, "epo issued")


def test_groups_stand_within_groups(read: Any) -> None:
    conditions = read("{none: [{any: [{type: BVK}, {all: [{type: ITK}, {extensions left: 0}]}]}]}")

    def on(kind: str, left: int) -> bool:
        return all_hold(conditions, about({"type": kind, "extensions left": left}))

    assert (on("BVK", 1), on("ITK", 0), on("ITK", 1)) == (False, False, True)


def test_when_wants_every_line_and_unless_stops_at_the_first_that_holds(read: Any) -> None:
    """S87."""
    conditions = read("{type: ITAS, status: active, expiry: past}")
    view = about({"type": "ITAS", "status": "departed", "expiry": date(2026, 1, 1)})

    failing, holding = first_failing(conditions, view), first_holding(conditions[1:], view)

    assert isinstance(failing, Line) and failing.field == "status"
    assert isinstance(holding, Line) and holding.field == "expiry"


# ------------------------------------------------------------------------------------------ other permits, cases

ITAS: Mapping[str, Value] = {"type": "ITAS", "status": "active", "issue": date(2025, 6, 1), "expiry": date(2026, 6, 1)}
OLD: Mapping[str, Value] = {"type": "ITAS", "status": "expired", "issue": date(2023, 6, 1), "expiry": date(2024, 6, 1)}


@pytest.mark.parametrize(
    ("others", "has", "has_no"),
    [
        ((), False, True),
        ((ITAS,), True, False),
        ((OLD,), False, True),
        ((OLD, ITAS), True, False),
        (({**OLD, "type": "ITK"}, {**ITAS, "type": "ITK"}), False, True),
    ],
)
def test_the_holder_has_another_permit_for_which_every_line_holds(
    read: Any, others: tuple[Mapping[str, Value], ...], has: bool, has_no: bool
) -> None:
    """S92: one permit must satisfy all lines, not each line some permit."""
    view = about({"type": "foreign passport"}, others=others)
    lines = "{type: [ITAS, ITAP], status: active}"

    assert all_hold(read(f"{{holder has: {lines}}}"), view) is has
    assert all_hold(read(f"{{holder has no: {lines}}}"), view) is has_no


def test_the_permit_itself_is_not_another_one(read: Any) -> None:
    """S92."""
    assert not all_hold(read("{holder has: {type: ITAS}}"), about({"type": "ITAS"}))


def test_days_of_another_permit_are_asked_on_the_same_day(read: Any) -> None:
    """S92, S91."""
    conditions = read("{holder has: {type: ITAS, issue: within last 30 days}}")
    view = about({"type": "ABTC"}, others=({**ITAS, "issue": date(2026, 2, 10)},))

    assert all_hold(conditions, view)
    assert not all_hold(conditions, View(view.subject, utc("2026-03-13 10:00"), CAL, SHIPPED))


@pytest.mark.parametrize(
    ("service", "state", "expected"),
    [
        ("limited stay permit extension", "submitted", True),
        ("limited stay permit extension", "awaiting payment", True),
        ("limited stay permit extension", "collected", False),
        ("limited stay permit extension", "rejected", False),
        ("passport", "submitted", False),
    ],
)
def test_an_open_case_is_one_not_closed_for_a_service_that_issues_this_document(
    read: Any, service: str, state: str, expected: bool
) -> None:
    """S92."""
    view = about({"type": "ITAS"}, cases=({"service": service, "state": state},))

    assert all_hold(read("{open case: exists}"), view) is expected
    assert all_hold(read("{open case: missing}"), view) is not expected
    assert all_hold(read(f"{{case.service: {service}}}"), view) is expected


# ----------------------------------------------------------------------------------------------- derived fields


@pytest.mark.parametrize(
    ("born", "today", "age"),
    [
        (date(2008, 3, 2), "2026-03-01", 17),
        (date(2008, 3, 2), "2026-03-02", 18),
        (date(2008, 2, 29), "2026-02-27", 17),
        (date(2008, 2, 29), "2026-02-28", 18),
        (date(2008, 2, 29), "2028-02-28", 19),
        (date(2008, 2, 29), "2028-02-29", 20),
    ],
)
def test_age_changes_on_the_birthday_and_on_the_28th_in_common_years(
    read: Any, born: date, today: str, age: int
) -> None:
    """S14."""
    view = seen(a_permit_subject(holder=a_party(birth_date=born)), f"{today} 12:00")

    assert all_hold(read(f"{{holder.age: {age}}}"), view)
    assert not all_hold(read(f"{{holder.age: less than {age}}}"), view)


@pytest.mark.parametrize(
    ("kind", "left", "stored", "expected"),
    [
        ("ITAS", None, None, True),
        ("ITAS", 0, None, False),
        ("ITAS", 0, True, False),
        ("ITAS", 2, False, False),
        ("BVK", None, None, False),
        ("BVK", 1, True, True),
    ],
)
def test_extendable_is_what_the_register_says_else_what_is_normal_for_the_type(
    read: Any, kind: str, left: int | None, stored: bool | None, expected: bool
) -> None:
    """S90."""
    view = about({"type": kind, "extensions left": left, "extendable": stored})

    assert all_hold(read("{extendable: yes}"), view) is expected


def test_the_lines_that_time_alone_turns_are_known_in_every_depth(read: Any) -> None:
    conditions = read(
        "{type: ITAS, any: [{expiry: past}, {all: [{issue: within 3 days}]}], holder has: {expiry: beyond 2 days}, "
        "holder.age: at least 18}"
    )

    assert [line.field for line in asks_of_time(conditions)] == ["expiry", "issue", "expiry", "holder.age"]


def test_only_a_plain_line_narrows_what_sql_is_asked(read: Any) -> None:
    """A word inside `any` says nothing about all subjects of the rule."""
    assert words_asked(read("{type: [ITAS, ITK]}"), "type") == ("ITAS", "ITK")
    assert words_asked(read("{any: [{type: ITAS}, {status: active}]}"), "type") is None
    assert words_asked(read("{type: {not: ITAS}}"), "type") is None


def test_a_group_of_nothing_and_an_empty_mapping_hold_as_logic_has_it() -> None:
    view = about({})
    empty: list[tuple[Condition, bool]] = [
        (Group(GroupKind.ANY, ()), False),
        (Group(GroupKind.ALL, ()), True),
        (Group(GroupKind.NONE, ()), True),
        (HolderHas((Line("type", Exists()),)), False),
    ]

    assert [holds(condition, view) for condition, _ in empty] == [expected for _, expected in empty]
    assert all_hold((), view)


def test_a_case_is_asked_about_its_holders_permits_too(read: Any) -> None:
    view = seen(a_case_subject(others=(ITAS,)))

    assert view.subject.kind is SubjectKind.CASE
    assert all_hold(read("{holder has: {type: ITAS}}", "case"), view)
