"""A step turned round: moments never fall back as their anchor grows, and the interval misses no value (S21)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moment_makers import RULES, Closed, a_calendar, a_rule, a_step, anchor, day, length, moments_of, utc

from notifier.calendar.office import OfficeCalendar
from notifier.rules.moments import Dates, anchor_interval, occurrences
from notifier.rules.rule import Rule, Step

FIRST, DAYS = date(2025, 10, 1), 900

#: (send, deadline, kind of subject) over a day field or a birth date
ON_DAYS = [
    ("14 days before expiry", None),
    ("6 months before expiry", None),
    ("12 months before expiry", "window closes"),
    ("2 weeks before expiry", None),
    ("2 working days before expiry", None),
    ("last working day before expiry", None),
    ("on expiry", None),
    ("on expiry", "expiry"),
    ("when window opens", "window closes"),
    ("when window closes", None),
    ("on recommended day", "window closes"),
    ("3 days after window opens", "window closes"),
    ("2 days before window closes", "window closes"),
    ("1 day after expiry", "59 days after expiry"),
    ("7 days after expiry", "7 days after expiry at closing time"),
    ("3 working days after expiry", None),
    ("1 month after expiry", None),
    ("3 working days before deadline", "3 days before expiry"),
    ("1 day before deadline", "window closes at 14:00"),
    ("2 days before expiry", "last working day before expiry at closing time"),
    ("5 days after issue", "expiry"),  # the deadline counts from a date that the search does not know
    ("5 days after issue", "20 days after issue"),
    ("when holder turns 17", "holder turns 21"),
    ("3 months before holder turns 21", None),
]
EVERY = [
    ("every 7 days from 90 days before expiry until expiry", "expiry"),
    ("every 1 month from 6 months before expiry until expiry", None),
    ("every working day from 1 day after expiry until 59 days after expiry", "59 days after expiry"),
    ("every 3 working days from 30 days before expiry until 2 days before expiry", None),
]
CLOSED = [None, Closed.EARLIER, Closed.LATER, Closed.IGNORE]
OFFICES = ["jakarta", "denpasar", "weekend", "shut"]


@cache
def office(name: str) -> OfficeCalendar:
    match name:
        case "denpasar":
            return a_calendar("denpasar", "Asia/Makassar", province="Bali")
        case "weekend":
            return a_calendar("karawang", weekdays=frozenset({1, 2, 3, 4, 5}))
        case "shut":
            closed = frozenset(day("2026-11-02") + timedelta(days=n) for n in range(14))
            return a_calendar(closed_days=closed, working_days=frozenset({day("2026-08-17"), day("2026-06-07")}))
        case _:
            return a_calendar()


@dataclass(frozen=True)
class Case:
    send: str
    deadline: str | None
    closed: Closed | None
    office: str
    urgent: bool = False
    kind: str = "ITAS"

    @property
    def step(self) -> Step:
        return a_step(self.send, closed=self.closed, urgent=self.urgent)

    @property
    def rule(self) -> Rule:
        return a_rule(self.step, deadline=self.deadline, subject="case" if "state" in self.send else "permit")

    def dates_of(self, value: date | datetime) -> Dates:
        calendar = office(self.office)
        return Dates(
            values={
                "expiry": value if "issue" not in self.send else FIRST + timedelta(days=450),
                "issue": value,
                "appointment": value,
                "payment deadline": value,
            },
            birth_date=value.replace(year=value.year - 18, day=min(value.day, 28)) if "turns" in self.send else None,
            began_at=value if isinstance(value, datetime) else None,
            office_code=calendar.office.code,
            document_type=self.kind,
        )


@cache
def table(case: Case) -> tuple[tuple[date | datetime, tuple[datetime, ...]], ...]:
    """Each value of the anchor over 900 days with its moments, by brute force."""
    rows = []
    for value in values_of(case):
        found = occurrences(case.rule, case.step, case.dates_of(value), office(case.office), RULES)
        if found:
            rows.append((found[0].anchor_value or value, tuple(one.at for one in found)))
    return tuple(rows)


def values_of(case: Case) -> Sequence[date | datetime]:
    if not on_instants(f"{case.send} {case.deadline}"):
        return [FIRST + timedelta(days=n) for n in range(DAYS // 2 if case.send.startswith("every") else DAYS)]
    start = datetime(2026, 2, 20, 0, 17, tzinfo=UTC)
    return [start + timedelta(hours=5 * n) for n in range(400)]


def on_instants(phrase: str) -> bool:
    return any(word in phrase for word in ("appointment", "payment deadline", "state begins"))


INSTANTS = [
    ("24 hours before appointment", None),
    ("3 days before appointment", "appointment"),
    ("1 day before appointment", None),
    ("on appointment", None),
    ("30 minutes before payment deadline", "payment deadline"),
    ("7 days after state begins", None),
    ("4 working days after state begins", "5 working days after state begins"),
    ("1 day before deadline", "2 hours before appointment"),
    ("last working day before appointment", None),
    ("every 6 hours from 48 hours before appointment until appointment", None),
    ("every 1 day from state begins until 5 days after state begins", None),
]

cases = st.builds(
    lambda phrase, closed, where, urgent: Case(*phrase, closed, where, urgent),
    st.sampled_from(ON_DAYS + EVERY + INSTANTS),
    st.sampled_from(CLOSED),
    st.sampled_from(OFFICES),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(cases)
def test_every_moment_is_non_decreasing_in_its_anchor(case: Case) -> None:
    """S21."""
    rows = table(case)
    assert rows, case
    firsts = [moments[0] for _, moments in rows]
    assert firsts == sorted(firsts)
    for _, moments in rows:
        assert list(moments) == sorted(moments)


@settings(max_examples=150, deadline=None)
@given(
    cases,
    st.integers(min_value=-100, max_value=DAYS + 100),
    st.sampled_from([timedelta(minutes=1), timedelta(hours=7), timedelta(days=1), timedelta(days=4)]),
    st.integers(min_value=0, max_value=24 * 60),
)
def test_the_interval_is_never_narrower_than_brute_force(case: Case, offset: int, span: timedelta, minute: int) -> None:
    """S21."""
    after = utc(f"{FIRST + timedelta(days=offset)}T00:00") + timedelta(minutes=minute)
    until = after + span
    calendar = office(case.office)
    found = anchor_interval(case.rule, case.step, calendar, RULES, case.kind, after=after, until=until)
    assert found is not None
    _, low, high = found
    for value, moments in table(case):
        if any(after < at <= until for at in moments):
            assert low <= value <= high, (value, moments)


@pytest.mark.parametrize("where", OFFICES)
@pytest.mark.parametrize(
    ("send", "deadline"), [pair for pair in ON_DAYS if pair[1] != "expiry" or "issue" not in pair[0]]
)
def test_for_a_single_moment_the_interval_is_exactly_what_fires(send: str, deadline: str | None, where: str) -> None:
    """S21."""
    case = Case(send, deadline, None, where)
    rows = table(case)
    calendar = office(where)
    moments = [moments[0] for _, moments in rows]
    for at in sorted(set(moments[100:-100]))[::9]:
        found = anchor_interval(
            case.rule, case.step, calendar, RULES, case.kind, after=at - timedelta(minutes=1), until=at
        )
        assert found is not None
        _, low, high = found
        fires = [value for value, (moment, *_) in rows if moment == at]
        if "turns" in send:  # the table skips the ends of months of birth dates
            assert low <= fires[0] <= fires[-1] <= high
        else:
            assert (low, high) == (fires[0], fires[-1])


@pytest.mark.parametrize(
    ("send", "field"),
    [
        ("14 days before expiry", "expiry"),
        ("when window opens", "expiry"),
        ("when holder turns 17", "birth date"),
        ("30 minutes before payment deadline", "payment deadline"),
        ("7 days after state begins", "state begins"),
        ("1 day before deadline", "expiry"),
    ],
)
def test_the_interval_names_the_date_behind_the_anchor(send: str, field: str) -> None:
    case = Case(send, "window closes", None, "jakarta")
    span = {"after": utc("2026-06-08T00:00"), "until": utc("2026-06-09T00:00")}
    found = anchor_interval(case.rule, case.step, office("jakarta"), RULES, "ITAS", **span)
    assert found is not None
    assert found[0] == field


@pytest.mark.parametrize(
    "send", ["halfway to documents deadline", "every 1 day from issue until expiry", "when window opens"]
)
def test_what_counts_from_no_single_known_date_is_left_to_the_caller(send: str) -> None:
    step = a_step(send)
    span = {"after": utc("2026-06-08T00:00"), "until": utc("2026-06-09T00:00")}
    assert anchor_interval(a_rule(step), step, office("jakarta"), RULES, None, **span) is None


@pytest.mark.parametrize(
    ("send", "kind"),
    [("when window opens", "passport"), ("2 hours before expiry", "ITAS"), ("1 day before deadline", "ITAS")],
)
def test_a_step_that_can_have_no_moment_gives_an_empty_interval(send: str, kind: str) -> None:
    step = a_step(send)
    span = {"after": utc("2026-06-08T00:00"), "until": utc("2026-06-09T00:00")}
    found = anchor_interval(a_rule(step), step, office("jakarta"), RULES, kind, **span)
    assert found is not None
    _, low, high = found
    assert low > high


def test_an_office_with_windows_of_its_own_gets_its_own_interval() -> None:
    step = a_step("when window opens")
    span = {"after": utc("2026-06-08T00:00"), "until": utc("2026-06-09T00:00")}
    general = anchor_interval(a_rule(step), step, office("jakarta"), RULES, "ITAS", **span)
    special = anchor_interval(a_rule(step), step, a_calendar("karawang"), RULES, "ITAS", **span)
    assert general == ("expiry", day("2026-07-06"), day("2026-07-08"))
    assert special == ("expiry", day("2026-09-06"), day("2026-09-08"))


@given(st.integers(min_value=0, max_value=3000))
@settings(max_examples=30, deadline=None)
def test_the_interval_of_an_anniversary_covers_all_of_them(ahead: int) -> None:
    step = a_step("30 days before anniversary")
    rule = replace(a_rule(step), anniversary=(length("5 years"), anchor("issue")))
    issue = day("2019-03-05")
    until = utc("2024-01-01T00:00") + timedelta(days=ahead)
    found = anchor_interval(rule, step, office("jakarta"), RULES, "ITAP", after=until - timedelta(days=1), until=until)
    assert found is not None
    field, low, high = found
    moments = moments_of(
        "30 days before anniversary",
        Dates({"issue": issue}, document_type="ITAP"),
        office("jakarta"),
        anniversary=(length("5 years"), anchor("issue")),
    )
    assert field == "issue"
    if any(until - timedelta(days=1) < one.at <= until for one in moments):
        assert low <= issue <= high


def test_the_search_asks_for_few_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    calendar = office("jakarta")
    original = type(calendar).instant

    def counted(self: OfficeCalendar, *arguments: object) -> datetime:
        nonlocal asked
        asked += 1
        return original(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(calendar), "instant", counted)
    step = a_step("6 months before expiry")
    anchor_interval(
        a_rule(step), step, calendar, RULES, None, after=utc("2026-06-08T00:00"), until=utc("2026-06-09T00:00")
    )
    assert asked < 30
