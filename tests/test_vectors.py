"""The test vectors of the rule language that are about time, each under its number (Jakarta office unless said)."""

from collections import Counter
from datetime import date, time, timedelta
from pathlib import Path
from statistics import median

import pytest
from moment_makers import (
    AMSTERDAM,
    NEW_YORK,
    RULES,
    WIB,
    WIT,
    Closed,
    a_calendar,
    a_rule,
    a_step,
    dates,
    day,
    days_of,
    length,
    moments_of,
    utc,
    with_expiry,
)

from notifier.calendar.office import OfficeCalendar
from notifier.rules.load import load_rules
from notifier.rules.moments import add_length, deadline_day, deadline_instant, leaves_at, occurrences, useful_until
from notifier.rules.rule import Moves

JAKARTA = pytest.fixture(name="jakarta")(lambda: a_calendar())


@pytest.mark.parametrize(
    ("expiry", "send", "raw", "moved"),
    [
        pytest.param("2026-08-31", "6 months before expiry", "2026-02-28", "2026-02-27", id="V1"),
        pytest.param("2028-02-29", "12 months before expiry", "2027-02-28", "2027-02-26", id="V2"),
    ],
)
def test_v1_v2_months_are_clamped_and_then_moved_off_the_weekend(
    jakarta: OfficeCalendar, expiry: str, send: str, raw: str, moved: str
) -> None:
    """V1, V2, S7."""
    assert days_of(send, with_expiry(expiry), jakarta, closed=Closed.IGNORE) == [raw]
    assert days_of(send, with_expiry(expiry), jakarta) == [moved]


def test_v3_four_expiries_share_one_day_six_months_before(jakarta: OfficeCalendar) -> None:
    """V3, S7."""
    on_the_28th = [
        expiry.day
        for expiry in (date(2026, 8, 20) + timedelta(days=n) for n in range(20))
        if add_length(expiry, length("6 months"), -1, jakarta) == date(2026, 2, 28)
    ]
    assert on_the_28th == [28, 29, 30, 31]


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        ("when holder turns 17", "2025-02-28"),
        ("when holder turns 18", "2026-02-28"),
        ("when holder turns 20", "2028-02-29"),
        ("when holder turns 21", "2029-02-28"),
        ("3 months before holder turns 21", "2028-11-28"),
    ],
)
def test_v4_born_on_the_29th_of_february(jakarta: OfficeCalendar, send: str, expected: str) -> None:
    """V4, S14."""
    born = dates({}, born=date(2008, 2, 29))
    assert days_of(send, born, jakarta, closed=Closed.IGNORE) == [expected]


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        ("when window opens", "2026-03-11"),
        ("10 days before expiry", "2026-03-13"),
        ("7 days before expiry", "2026-03-17"),
        ("2 working days before expiry", "2026-03-16"),
        ("last working day before expiry", "2026-03-17"),
    ],
)
def test_v5_a_visa_on_arrival_that_ends_after_lebaran(jakarta: OfficeCalendar, send: str, expected: str) -> None:
    """V5, S11, S23, S25."""
    (one,) = moments_of(send, with_expiry("2026-03-25"), jakarta, time=time(8, 15), deadline="window closes")
    assert str(one.day) == expected
    assert one.at == utc(f"{expected}T08:15")


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        ("14 days before expiry", "2026-03-17"),
        ("7 days before expiry", "2026-03-17"),
        ("last working day before expiry", "2026-03-30"),
    ],
)
def test_v6_two_steps_of_an_itas_meet_before_lebaran(jakarta: OfficeCalendar, send: str, expected: str) -> None:
    """S25: both are earlier than their own days; that one message stands for both, the story tells."""
    assert days_of(send, with_expiry("2026-03-31", "ITAS"), jakarta) == [expected]


def test_v7_a_window_that_opens_on_idul_fitri_is_announced_after_it(jakarta: OfficeCalendar) -> None:
    """V7, S25: later, never on the 17th, on which it is not open."""
    assert days_of("when window opens", with_expiry("2026-04-05"), jakarta) == ["2026-03-25"]


@pytest.mark.parametrize(
    ("closed", "expected"),
    [
        (Closed.IGNORE, ["2026-03-18", "2026-03-20", "2026-03-24"]),
        (Closed.LATER, ["2026-03-25"] * 3),
        (Closed.EARLIER, ["2026-03-18", "2026-03-20", "2026-03-24"]),
    ],
)
def test_v8_the_overstay_ladder_over_lebaran(jakarta: OfficeCalendar, closed: Closed, expected: list[str]) -> None:
    """V8, S26: `earlier` would be the day of expiry, so each keeps its own."""
    ladder = ["1 day after expiry", "3 days after expiry", "7 days after expiry"]
    got = [days_of(send, with_expiry("2026-03-17"), jakarta, closed=closed)[0] for send in ladder]
    assert got == expected


def test_n1_the_first_day_of_overstay_on_idul_fitri_is_told_after_the_silent_days(jakarta: OfficeCalendar) -> None:
    """N1, S28: under `ignore` as well."""
    step = {"closed": Closed.IGNORE}
    assert days_of("1 day after expiry", with_expiry("2026-03-20"), jakarta, **step) == ["2026-03-23"]


@pytest.mark.parametrize("send", ["last working day before expiry", "10 days before expiry", "7 days before expiry"])
def test_v9_three_steps_fall_on_the_last_day_before_a_long_closure(jakarta: OfficeCalendar, send: str) -> None:
    """V9, S11."""
    assert days_of(send, with_expiry("2027-03-16"), jakarta) == ["2027-03-05"]


def test_v10_the_last_working_day_is_never_the_day_of_expiry(jakarta: OfficeCalendar) -> None:
    """V10, S11."""
    assert days_of("last working day before expiry", with_expiry("2026-06-10"), jakarta) == ["2026-06-09"]


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        ("on expiry", "2026-12-23"),
        ("last working day before expiry", "2026-12-23"),
        ("2 working days before expiry", "2026-12-22"),
    ],
)
def test_v11_an_expiry_on_the_sunday_after_christmas(jakarta: OfficeCalendar, send: str, expected: str) -> None:
    """V11, S10, S12: joint leave is no working day."""
    assert days_of(send, with_expiry("2026-12-27"), jakarta) == [expected]


def test_v12_two_working_days_before_an_expiry_on_idul_fitri(jakarta: OfficeCalendar) -> None:
    """V12, S10."""
    assert days_of("2 working days before expiry", with_expiry("2026-03-22"), jakarta) == ["2026-03-16"]


def test_v13_every_seven_days_with_one_on_idul_adha(jakarta: OfficeCalendar) -> None:
    """V13, S18: the move of the ninth is not passed on to the tenth."""
    send = "every 7 days from 90 days before expiry until expiry"
    found = moments_of(send, with_expiry("2026-06-30", "ITAP"), jakarta)
    assert [one.number for one in found] == list(range(1, 14))
    assert [str(one.day) for one in (found[0], found[8], found[9], found[12])] == [
        "2026-04-01",
        "2026-05-26",
        "2026-06-03",
        "2026-06-24",
    ]


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        ("7 days after issue", "2026-02-27"),
        ("14 days after issue", "2026-03-06"),
        ("21 days after issue", "2026-03-13"),
        ("25 days after issue", "2026-03-17"),
        ("27 days after issue", "2026-03-17"),
        ("5 working days before collection deadline", "2026-03-11"),
        ("3 working days before collection deadline", "2026-03-13"),
    ],
)
def test_v14_a_passport_waits_to_be_collected(jakarta: OfficeCalendar, send: str, expected: str) -> None:
    """V14, S39: the day to act by, and its closing time."""
    given = dates({"issue": day("2026-02-20"), "collection deadline": day("2026-03-22")}, kind=None)
    deadline = "collection deadline at closing time"
    assert days_of(send, given, jakarta, subject="case", deadline=deadline) == [expected]
    rule = a_rule(a_step(send), subject="case", deadline=deadline)
    assert deadline_day(rule, given, jakarta, RULES) == day("2026-03-17")
    assert deadline_instant(rule, given, jakarta, RULES) == utc("2026-03-17T15:00")


@pytest.mark.parametrize(
    ("appointment", "three_days", "eve"),
    [("2026-03-25T10:00", "2026-03-17", "2026-03-24"), ("2026-04-06T10:00", "2026-04-02", "2026-04-05")],
)
def test_v15_an_appointment_after_closed_days(
    jakarta: OfficeCalendar, appointment: str, three_days: str, eve: str
) -> None:
    """V15, S8, S25."""
    given = dates({"appointment": utc(appointment)}, kind=None)
    case = {"subject": "case", "deadline": "appointment"}
    assert days_of("3 days before appointment", given, jakarta, **case) == [three_days]
    (one,) = moments_of(
        "1 day before appointment", given, jakarta, closed=Closed.IGNORE, urgent=True, time=time(9), **case
    )
    assert one.at == utc(f"{eve}T09:00")


@pytest.mark.parametrize(
    ("due", "expected"), [("2026-03-09", "2026-03-05"), ("2026-03-16", "2026-03-09"), ("2026-03-17", "2026-03-09")]
)
def test_v16_halfway_between_days_rounds_down(jakarta: OfficeCalendar, due: str, expected: str) -> None:
    """V16, S16."""
    given = dates({"documents deadline": day(due)}, began=utc("2026-03-02T11:20"), kind=None)
    assert days_of("halfway to documents deadline", given, jakarta, subject="case") == [expected]


def test_v17_a_payment_window_of_two_hours(jakarta: OfficeCalendar) -> None:
    """V17, S16."""
    given = dates({"payment deadline": utc("2026-06-08T12:00")}, began=utc("2026-06-08T10:00"), kind=None)
    case = {"subject": "case", "deadline": "payment deadline"}
    (half,) = moments_of("halfway to payment deadline", given, jakarta, **case)
    (last,) = moments_of("30 minutes before payment deadline", given, jakarta, **case)
    assert (half.at, last.at) == (utc("2026-06-08T11:00"), utc("2026-06-08T11:30"))
    assert not half.is_day
    assert half.day is None


def test_v17_a_payment_window_over_night_waits_for_the_morning(jakarta: OfficeCalendar) -> None:
    """V17, S30: the deadline does not lie in the quiet stretch, so the night is kept."""
    due = utc("2026-06-09T09:00")
    given = dates({"payment deadline": due}, began=utc("2026-06-08T10:00"), kind=None)
    (half,) = moments_of("halfway to payment deadline", given, jakarta, subject="case")
    (last,) = moments_of("30 minutes before payment deadline", given, jakarta, subject="case")
    assert half.at == utc("2026-06-08T21:30")
    assert last.at == utc("2026-06-09T08:30")
    common = {"useful_until": due, "urgent": True, "is_day": False, "calendar": jakarta, "zone": WIB}
    assert leaves_at(half.at, now=half.at, **common) == utc("2026-06-09T07:00")
    assert leaves_at(last.at, now=last.at, **common) == last.at


def test_v18_a_holder_in_new_york_sleeps_through_the_last_day(jakarta: OfficeCalendar) -> None:
    """V18, S30: the last allowed minute before, when the next one would be too late."""
    at, planned = utc("2026-03-17T08:15"), utc("2026-03-10T00:00")
    common = {"urgent": False, "is_day": True, "calendar": jakarta, "zone": NEW_YORK}
    closing, midnight = utc("2026-03-17T15:00"), utc("2026-03-18T00:00")
    assert leaves_at(at, useful_until=closing, now=planned, **common) == utc("2026-03-17T06:59")
    assert utc("2026-03-17T06:59") == utc("2026-03-16T19:59", NEW_YORK)
    assert leaves_at(at, useful_until=midnight, now=planned, **common) == utc("2026-03-17T07:00", NEW_YORK)


def test_v18_within_the_last_allowed_minute_it_leaves_and_afterwards_only_what_is_urgent_does(
    jakarta: OfficeCalendar,
) -> None:
    """V18, S30."""
    at, closing = utc("2026-03-17T08:15"), utc("2026-03-17T15:00")
    common = {"useful_until": closing, "is_day": True, "calendar": jakarta, "zone": NEW_YORK}
    in_time, gone = utc("2026-03-17T06:59:30"), utc("2026-03-17T07:00:01")
    assert leaves_at(at, urgent=False, now=in_time, **common) == in_time
    assert leaves_at(at, urgent=False, now=gone, **common) is None
    assert leaves_at(at, urgent=True, now=gone, **common) == gone


def test_v19_an_office_in_jayapura_and_a_sponsor_in_jakarta() -> None:
    """V19, S30."""
    jayapura = a_calendar("jayapura", "Asia/Jayapura")
    at = utc("2026-06-09T08:15", WIT)
    leaves = leaves_at(
        at,
        useful_until=utc("2026-06-10T00:00", WIT),
        urgent=False,
        is_day=True,
        calendar=jayapura,
        zone=WIB,
        now=utc("2026-06-01T00:00"),
    )
    assert at == utc("2026-06-09T06:15")
    assert leaves == utc("2026-06-09T07:00")


def test_v20_hours_are_elapsed_time_and_days_are_dates_when_the_clock_changes() -> None:
    """V20, S8, S9."""
    amsterdam = a_calendar("amsterdam", "Europe/Amsterdam", country="NL")
    given = dates({"appointment": utc("2026-03-29T12:00", AMSTERDAM)}, office="amsterdam", kind=None)
    (hours,) = moments_of("24 hours before appointment", given, amsterdam, subject="case")
    (eve,) = moments_of("1 day before appointment", given, amsterdam, subject="case", closed=Closed.IGNORE)
    assert hours.at == utc("2026-03-28T11:00", AMSTERDAM)
    assert eve.at == utc("2026-03-28T09:00", AMSTERDAM)


def test_v21_every_month_is_counted_from_the_first_one(jakarta: OfficeCalendar) -> None:
    """V21, S18: seven, and none of them creeps."""
    send = "every 1 month from 6 months before expiry until expiry"
    raw = days_of(send, with_expiry("2026-08-31"), jakarta, closed=Closed.IGNORE)
    assert raw == [f"2026-0{month}-28" for month in range(2, 9)]


def test_v22_four_working_days_after_the_state_began(jakarta: OfficeCalendar) -> None:
    """V22, S10."""
    given = dates({}, began=utc("2026-03-16T10:00"), kind=None)
    assert days_of("4 working days after state begins", given, jakarta, subject="case") == ["2026-03-27"]
    assert add_length(day("2026-03-16"), length("4 working days"), 1, jakarta) == day("2026-03-27")


def test_v23_within_six_months_begins_on_the_very_day_of_six_months_before(jakarta: OfficeCalendar) -> None:
    """S7: six months before a day and six months after are not each other turned round."""
    expiry = day("2026-08-31")
    assert add_length(expiry, length("6 months"), -1, jakarta) == day("2026-02-28")
    assert add_length(day("2026-02-28"), length("6 months"), 1, jakarta) < expiry


def test_v24_an_office_shut_for_two_weeks_moves_steps_and_the_last_day_into_the_past() -> None:
    """S42: what a closure moved into the past leaves at once, on a closed day too."""
    shut = a_calendar(closed_days=frozenset(day("2026-11-02") + timedelta(days=n) for n in range(14)))
    long, short = with_expiry("2026-11-20"), with_expiry("2026-11-10")
    assert days_of("14 days before expiry", long, shut) == ["2026-10-30"]
    assert days_of("7 days before expiry", long, shut) == ["2026-10-30"]
    assert days_of("last working day before expiry", short, shut) == ["2026-10-30"]
    step = a_step("7 days before expiry")
    rule = a_rule(step, deadline="window closes")
    known = utc("2026-11-02T10:00")
    assert deadline_day(rule, long, shut, RULES) == day("2026-11-19")
    deadline = deadline_instant(rule, short, shut, RULES)
    assert deadline is not None
    assert deadline < known
    (late,) = moments_of("7 days before expiry", long, shut, deadline="window closes")
    leaves = leaves_at(
        late.at,
        useful_until=useful_until(rule, step, late, long, shut, RULES),
        urgent=False,
        is_day=True,
        calendar=shut,
        zone=WIB,
        now=known,
    )
    assert leaves == known  # late leaves in sending hours, closed day or not (S42)


def test_v25_the_tolerance_of_a_correction_is_counted_in_days(jakarta: OfficeCalendar) -> None:
    first, tolerance = day("2026-06-10"), length("10 days")
    assert add_length(first, tolerance, 1, jakarta) == day("2026-06-20")
    assert day("2026-06-18") <= add_length(first, tolerance, 1, jakarta) < day("2026-06-25")
    assert days_of("14 days before expiry", with_expiry("2026-06-10"), jakarta) == ["2026-05-26"]
    assert days_of("14 days before expiry", with_expiry("2026-06-18"), jakarta) == ["2026-06-04"]


def test_v26_before_lebaran_many_steps_of_the_itas_rule_fall_on_one_day(jakarta: OfficeCalendar) -> None:
    """V26, S36: one permit ends on each day; a permit whose steps meet on one day is told once."""
    rules = load_rules(Path(__file__).parent.parent / "rules")
    (rule,) = (one for one in rules.rules if one.name == "itas-extension")
    to_the_holder = [step for step in rule.steps if "holder" in step.to and not isinstance(step.send, Moves)]
    assert len(to_the_holder) == 5
    steps: Counter[date | None] = Counter()
    permits: Counter[date | None] = Counter()
    for n in range(455):  # every expiry of which a step can fall into 2026
        given = dates({"expiry": date(2025, 12, 15) + timedelta(days=n)}, kind="ITAS")
        days = [one.day for step in to_the_holder for one in occurrences(rule, step, given, jakarta, rules)]
        steps.update(days)
        permits.update(set(days))
    year = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    assert (steps[date(2026, 3, 17)], permits[date(2026, 3, 17)]) == (33, 29)
    assert max(steps[one] for one in year) == 33
    assert median(steps[one] for one in year if jakarta.is_working_day(one)) == 5


def test_v27_an_urgent_payment_that_ends_within_the_quiet_hours_is_told_on_time(jakarta: OfficeCalendar) -> None:
    """V27, S30."""
    due = utc("2026-06-08T21:00")
    common = {"useful_until": due, "urgent": True, "is_day": False, "calendar": jakarta, "zone": WIB}
    for text in ("2026-06-08T20:00", "2026-06-08T20:30"):
        assert leaves_at(utc(text), now=utc("2026-06-08T19:00"), **common) == utc(text)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-05T08:15", "2026-03-05T09:00"),
        ("2026-03-05T16:00", "2026-03-05T14:59"),
        ("2026-03-06T11:45", "2026-03-06T13:00"),
        ("2026-06-05T11:45", "2026-06-05T13:00"),
        ("2026-06-05T06:00", "2026-06-05T07:00"),
        ("2026-06-05T20:00", "2026-06-05T19:59"),
        ("2026-06-05T23:59", "2026-06-05T19:59"),
    ],
)
def test_n8_a_time_outside_the_hours_of_its_day_goes_to_the_nearest_minute_of_that_day(
    jakarta: OfficeCalendar, at: str, expected: str
) -> None:
    """N8, S31."""
    leaves = leaves_at(
        utc(at),
        useful_until=utc("2026-07-01T00:00"),
        urgent=False,
        is_day=True,
        calendar=jakarta,
        zone=WIB,
        now=utc("2026-03-01T00:00"),
    )
    assert leaves == utc(expected)
