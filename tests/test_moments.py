"""When steps speak and until when: closed and silent days, halfway, every, anniversaries, deadlines, sending hours."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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
    anchor,
    dates,
    day,
    days_of,
    length,
    moments_of,
    place,
    utc,
    with_expiry,
)

from notifier.calendar.office import OfficeCalendar
from notifier.ladder import SHORTEST_WAIT, wait
from notifier.model import Channel
from notifier.rules.moments import (
    Dates,
    add_length,
    anchor_value,
    deadline_day,
    deadline_instant,
    leaves_at,
    occurrences,
    place_day,
    useful_until,
)
from notifier.rules.places import elapsed
from notifier.rules.rule import Late, LatePolicy, Length, Rung, Unit, Window

CALENDAR = a_calendar()
BALI = a_calendar("denpasar", "Asia/Makassar", province="Bali")
ANY_DAY = st.dates(min_value=date(2024, 1, 1), max_value=date(2030, 12, 31))


# ---------------------------------------------------------------------------------------------- lengths


@given(ANY_DAY, st.integers(min_value=1, max_value=400))
def test_days_and_weeks_are_exactly_so_many_dates(start: date, n: int) -> None:
    """S6."""
    assert (add_length(start, Length(n, Unit.DAY), 1, CALENDAR) - start).days == n
    assert (start - add_length(start, Length(n, Unit.WEEK), -1, CALENDAR)).days == 7 * n


@given(ANY_DAY, st.integers(min_value=1, max_value=240), st.sampled_from([1, -1]))
def test_months_keep_the_day_of_the_month_or_take_the_last_one(start: date, n: int, sign: int) -> None:
    """S7."""
    got = add_length(start, Length(n, Unit.MONTH), sign, CALENDAR)
    assert type(got) is date
    assert (got.year * 12 + got.month) - (start.year * 12 + start.month) == sign * n
    last_of_month = (got + timedelta(days=1)).day == 1
    assert got.day == start.day or (got.day < start.day and last_of_month)


@given(ANY_DAY, st.integers(min_value=1, max_value=20), st.sampled_from([1, -1]))
def test_a_year_is_twelve_months(start: date, n: int, sign: int) -> None:
    """S7."""
    year = add_length(start, Length(n, Unit.YEAR), sign, CALENDAR)
    assert year == add_length(start, Length(12 * n, Unit.MONTH), sign, CALENDAR)


@given(ANY_DAY, st.integers(min_value=0, max_value=5), st.sampled_from(list(Unit)[2:]), st.integers(1, 24))
def test_a_length_keeps_the_order_of_days(start: date, gap: int, unit: Unit, n: int) -> None:
    for sign in (1, -1):
        first = add_length(start, Length(n, unit), sign, CALENDAR)
        assert first <= add_length(start + timedelta(days=gap), Length(n, unit), sign, CALENDAR)


def test_minutes_cannot_be_counted_from_a_day_nor_days_between_instants() -> None:
    """S9."""
    with pytest.raises(ValueError, match="30 minutes cannot be counted from a day"):
        add_length(day("2026-06-09"), length("30 minutes"), 1, CALENDAR)
    with pytest.raises(ValueError, match="2 days is not a stretch between instants"):
        elapsed(length("2 days"))


# ---------------------------------------------------------------------------------------------- anchors


DAY = day("2026-06-10")
INSTANT = utc("2026-06-10T10:20")


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("expiry", "permit"),
        ("issue", "permit"),
        ("arrival", "permit"),
        ("departure deadline", "permit"),
        ("recommended day", "permit"),
        ("anniversary", "permit"),
        ("holder turns 18", "permit"),
        ("window opens", "permit"),
        ("window closes", "permit"),
        ("documents deadline", "case"),
        ("service deadline", "case"),
        ("collection deadline", "case"),
    ],
)
def test_a_day_anchor_gives_a_day_and_no_minutes(name: str, subject: str) -> None:
    """S2, S9: minutes need an instant."""
    fields = ("expiry", "issue", "arrival", "departure deadline", f"{name}")
    given_dates = dates(dict.fromkeys(fields, DAY), born=day("2008-06-10"))
    every = {"subject": subject, "anniversary": (length("1 year"), anchor("issue")) if name == "anniversary" else None}
    found = moments_of(f"1 day before {name}", given_dates, CALENDAR, **every)
    assert found
    assert all(one.is_day for one in found)
    assert moments_of(f"30 minutes before {name}", given_dates, CALENDAR, **every) == ()


@pytest.mark.parametrize(
    "name", ["submission", "payment", "payment deadline", "appointment", "state begins", "closing"]
)
def test_an_instant_anchor_gives_minutes_and_days_before_it(name: str) -> None:
    """S2, S8: from a day on it is the office's date of the instant that counts."""
    given_dates = dates({name: INSTANT}, began=INSTANT, kind=None)
    (minutes,) = moments_of(f"30 minutes before {name}", given_dates, CALENDAR, subject="case")
    (eve,) = moments_of(f"1 day before {name}", given_dates, CALENDAR, subject="case")
    assert (minutes.at, minutes.is_day) == (INSTANT - timedelta(minutes=30), False)
    assert (eve.day, eve.is_day) == (day("2026-06-09"), True)


def test_windows_come_from_the_most_specific_entry() -> None:
    """S13."""
    opens = anchor("window opens")
    itas = with_expiry("2026-06-30", "ITAS")
    special = dates({"expiry": day("2026-06-30")}, office="karawang", kind="ITAS")
    assert anchor_value(opens, itas, CALENDAR, RULES, None) == day("2026-05-31")
    assert anchor_value(opens, special, CALENDAR, RULES, None) == day("2026-03-30")
    assert anchor_value(anchor("recommended day"), itas, CALENDAR, RULES, None) == day("2026-06-09")
    assert anchor_value(anchor("window closes"), itas, CALENDAR, RULES, None) == day("2026-06-29")


@pytest.mark.parametrize(
    ("send", "given_dates"),
    [
        ("14 days before expiry", dates({})),
        ("14 days before expiry", dates({"expiry": None})),
        ("14 days before expiry", with_expiry("9999-12-31")),  # "unlimited" in some registers
        ("14 days before expiry", with_expiry("0001-01-01")),
        ("when window opens", with_expiry("2026-06-30", "passport")),
        ("when window opens", dates({"expiry": day("2026-06-30")}, kind=None)),
        ("when holder turns 17", dates({})),
        ("7 days after state begins", dates({})),
        ("2 hours before expiry", with_expiry("2026-06-30")),  # hours from a day (S9)
        ("halfway to expiry", with_expiry("2026-06-30")),  # no beginning
        ("1 day before deadline", with_expiry("2026-06-30")),  # a rule without one
        ("30 days before anniversary", dates({"issue": day("2026-06-30")})),
        ("every 1 day from 3 days before expiry until issue", with_expiry("2026-06-30")),
        ("every 2 hours from expiry until expiry", with_expiry("2026-06-30")),
    ],
)
def test_a_step_without_its_date_has_no_moment(send: str, given_dates: Dates) -> None:
    """S20."""
    assert moments_of(send, given_dates, CALENDAR) == ()


def test_a_moment_names_the_date_it_counts_from() -> None:
    (window,) = moments_of("when window opens", with_expiry("2026-06-30"), CALENDAR)
    assert (window.anchor_field, window.anchor_value) == ("expiry", day("2026-06-30"))
    (birthday,) = moments_of("when holder turns 17", dates({}, born=day("2009-06-09")), CALENDAR)
    assert (birthday.anchor_field, birthday.anchor_value) == ("birth date", day("2009-06-09"))
    begun = utc("2026-06-08T10:00")
    (state,) = moments_of("7 days after state begins", dates({}, began=begun), CALENDAR, subject="case")
    assert (state.anchor_field, state.anchor_value) == ("state begins", begun)
    (inner,) = moments_of("1 day before deadline", with_expiry("2026-06-30"), CALENDAR, deadline="window closes")
    assert (inner.anchor_field, inner.anchor_value, inner.day) == ("expiry", day("2026-06-30"), day("2026-06-26"))


def test_days_from_an_instant_count_from_its_date_at_the_office() -> None:
    """S1, S8."""
    jayapura = a_calendar("jayapura", "Asia/Jayapura")
    late = dates({"appointment": utc("2026-06-09T23:30", WIB)}, kind=None)  # already the 10th in Jayapura
    assert days_of("1 day before appointment", late, jayapura, subject="case") == ["2026-06-09"]
    assert place_day(place("appointment"), late, jayapura, RULES, None) == day("2026-06-10")


def test_a_deadline_or_window_counted_from_itself_is_no_date_rather_than_a_loop() -> None:
    given_dates = with_expiry("2026-06-30")
    step = a_step("1 day before deadline")
    looped = a_rule(step, deadline="3 days before deadline")
    assert deadline_instant(looped, given_dates, CALENDAR, RULES) is None
    assert occurrences(looped, step, given_dates, CALENDAR, RULES) == ()
    window = Window(place("3 days before window opens"), place("window closes"), place("2 days before window opens"))
    windows = replace(RULES, windows={("", "ITK"): window})
    for name in ("window opens", "recommended day", "window closes"):
        assert anchor_value(anchor(name), given_dates, CALENDAR, windows, None) is None
        assert occurrences(a_rule(), a_step(f"1 day before {name}"), given_dates, CALENDAR, windows) == ()


# ------------------------------------------------------------------------------- closed and silent days


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        ("14 days before expiry", "2026-08-14"),
        ("when window closes", "2026-08-28"),
        ("on expiry", "2026-08-28"),
        ("1 day after expiry", "2026-08-31"),
        ("when window opens", "2026-08-18"),
    ],
)
def test_each_kind_of_moment_moves_its_own_way(send: str, expected: str) -> None:
    """S25."""
    # expiry on a Sunday; the window opens on Sunday 16 August, before Independence Day
    assert days_of(send, with_expiry("2026-08-30"), CALENDAR) == [expected]


def test_a_step_before_its_anchor_never_moves_past_it() -> None:
    sunday = with_expiry("2026-06-14")
    assert days_of("1 day before expiry", sunday, CALENDAR, closed=Closed.LATER) == ["2026-06-12"]
    assert days_of("3 days before expiry", with_expiry("2026-06-16"), CALENDAR, closed=Closed.LATER) == ["2026-06-15"]


def test_a_step_that_would_move_past_the_deadline_moves_earlier_or_stays() -> None:
    """S27, S26."""
    friday = with_expiry("2026-06-12")
    assert days_of("2 days after expiry", friday, CALENDAR) == ["2026-06-15"]
    # earlier would be the day of expiry itself, so it stays (S26)
    assert days_of("2 days after expiry", friday, CALENDAR, deadline="2 days after expiry") == ["2026-06-14"]
    wednesday = with_expiry("2026-06-10")
    assert days_of("4 days after expiry", wednesday, CALENDAR, deadline="4 days after expiry") == ["2026-06-12"]
    # the day would do, the hour would not
    late = {"deadline": "5 days after expiry at 08:00", "time": time(9)}
    assert days_of("4 days after expiry", wednesday, CALENDAR, **late) == ["2026-06-12"]


def test_only_urgent_steps_speak_on_silent_days() -> None:
    """S28."""
    given_dates = with_expiry("2026-08-17")
    assert days_of("on expiry", given_dates, CALENDAR, closed=Closed.IGNORE) == ["2026-08-16"]
    assert days_of("on expiry", given_dates, CALENDAR, closed=Closed.IGNORE, urgent=True) == ["2026-08-17"]
    assert days_of("on expiry", given_dates, CALENDAR, urgent=True) == ["2026-08-14"]  # still a closed day


def test_a_working_day_declared_on_a_silent_day_is_not_used_either() -> None:
    """S28, S10."""
    open_on_the_17th = a_calendar(working_days=frozenset({day("2026-08-17")}))
    tuesday = with_expiry("2026-08-18")
    assert days_of("last working day before expiry", tuesday, open_on_the_17th) == ["2026-08-14"]
    assert days_of("last working day before expiry", tuesday, open_on_the_17th, urgent=True) == ["2026-08-17"]


def test_nyepi_holds_a_message_in_bali_and_not_in_jakarta() -> None:
    """S28: where it applies, and under `ignore` too."""
    given_dates = with_expiry("2026-03-18")
    step = {"closed": Closed.IGNORE}
    assert days_of("1 day after expiry", given_dates, CALENDAR, **step) == ["2026-03-19"]
    assert days_of("1 day after expiry", given_dates, BALI, **step) == ["2026-03-20"]


def test_instants_never_move() -> None:
    """S25, S12."""
    appointment = dates({"appointment": utc("2026-06-07T10:00")}, kind=None)  # a Sunday
    (one,) = moments_of("on appointment", appointment, CALENDAR, subject="case")
    assert (one.at, one.day, one.is_day) == (utc("2026-06-07T10:00"), None, False)


@settings(deadline=None)
@given(
    st.sampled_from(["3 days before expiry", "on expiry", "when window opens", "5 days after expiry"]),
    st.sampled_from([None, *Closed]),
    st.booleans(),
    st.dates(min_value=date(2026, 1, 1), max_value=date(2027, 12, 31)),
)
def test_a_moved_step_never_crosses_its_anchor_nor_falls_on_a_day_it_may_not_use(
    send: str, closed: Closed | None, urgent: bool, expiry: date
) -> None:
    """S26, S28, S25."""
    given_dates = dates({"expiry": expiry})
    (one,) = moments_of(send, given_dates, CALENDAR, closed=closed, urgent=urgent)
    assert one.day is not None
    raw = {"3 days before expiry": expiry - timedelta(days=3), "5 days after expiry": expiry + timedelta(days=5)}
    own = raw.get(send, expiry - timedelta(days=14) if "opens" in send else expiry)
    if "before" in send:
        assert one.day <= expiry
    if "after" in send:
        assert one.day > expiry
    if one.day != own:
        assert urgent or not CALENDAR.is_silent_day(one.day)
        assert closed is Closed.IGNORE or CALENDAR.is_working_day(one.day)


# ------------------------------------------------------------------------------------ halfway and every


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        ("2026-06-08T10:00", "2026-06-08T10:01", "2026-06-08T10:00"),  # down to the whole minute
        ("2026-06-08T10:00", "2026-06-10T09:59", "2026-06-09T09:59"),
        ("2026-06-08T10:00", "2026-06-10T10:00", "2026-06-09T09:00"),  # 48 hours: a day
        ("2026-06-08T23:00", "2026-06-15T01:00", "2026-06-11T09:00"),
    ],
)
def test_halfway_is_an_instant_when_time_is_short_and_a_day_when_it_is_not(begin: str, end: str, expected: str) -> None:
    """S16."""
    given_dates = dates({"payment deadline": utc(end)}, began=utc(begin), kind=None)
    (one,) = moments_of("halfway to payment deadline", given_dates, CALENDAR, subject="case")
    assert one.at == utc(expected)


def test_halfway_of_a_permit_begins_at_its_issue() -> None:
    """S16: of seventeen days the eighth."""
    given_dates = dates({"issue": day("2026-06-01"), "expiry": day("2026-06-18")})
    assert days_of("halfway to expiry", given_dates, CALENDAR) == ["2026-06-09"]


def test_every_working_day_is_each_one_between_both_ends() -> None:
    """S18."""
    send = "every working day from 1 day after expiry until 8 days after expiry"
    got = moments_of(send, with_expiry("2026-05-12"), CALENDAR)
    assert [str(one.day) for one in got] == ["2026-05-13", "2026-05-18", "2026-05-19", "2026-05-20"]
    assert [one.number for one in got] == [1, 2, 3, 4]


def test_every_second_working_day_skips_one() -> None:
    """S18."""
    send = "every 2 working days from expiry until 8 days after expiry"
    assert days_of(send, with_expiry("2026-06-06"), CALENDAR) == ["2026-06-08", "2026-06-10", "2026-06-12"]


def test_every_stops_at_at_most_and_before_a_beginning_after_its_end() -> None:
    """S18."""
    send = "every 7 days from 90 days before expiry until expiry"
    assert len(moments_of(send, with_expiry("2026-06-30"), CALENDAR, at_most=5)) == 5
    assert moments_of("every 1 day from expiry until 3 days before expiry", with_expiry("2026-06-30"), CALENDAR) == ()


def test_every_so_many_hours_is_elapsed_time_up_to_and_including_the_end() -> None:
    """S18, S9."""
    given_dates = dates({"appointment": utc("2026-06-09T12:00")}, kind=None)
    send = "every 6 hours from 12 hours before appointment until appointment"
    got = [one.at for one in moments_of(send, given_dates, CALENDAR, subject="case")]
    assert got == [utc("2026-06-09T00:00"), utc("2026-06-09T06:00"), utc("2026-06-09T12:00")]


def test_every_so_many_hours_until_a_day_ends_with_that_day() -> None:
    given_dates = dates({"appointment": utc("2026-06-09T12:00"), "documents deadline": day("2026-06-09")}, kind=None)
    send = "every 6 hours from appointment until documents deadline"
    got = [one.at for one in moments_of(send, given_dates, CALENDAR, subject="case")]
    assert got == [utc("2026-06-09T12:00"), utc("2026-06-09T18:00")]


def test_each_anniversary_is_counted_from_the_issue_in_one_go() -> None:
    """S15: issued on 29 February, and back on it after twenty years."""
    given_dates = dates({"issue": day("2024-02-29")}, kind="ITAP")
    every_five_years = (length("5 years"), anchor("issue"))
    got = moments_of("on anniversary", given_dates, CALENDAR, anniversary=every_five_years, closed=Closed.IGNORE)
    assert [(one.number, str(one.day)) for one in got[:4]] == [
        (1, "2029-02-28"),
        (2, "2034-02-28"),
        (3, "2039-02-28"),
        (4, "2044-02-29"),
    ]
    assert len(got) == 12
    assert {one.anchor_value for one in got} == {day("2024-02-29")}


def test_every_within_an_anniversary_has_numbers_of_its_own() -> None:
    given_dates = dates({"issue": day("2021-06-09")}, kind="ITAP")
    got = moments_of(
        "every 7 days from 14 days before anniversary until anniversary",
        given_dates,
        CALENDAR,
        anniversary=(length("5 years"), anchor("issue")),
    )
    assert [one.number for one in got[:4]] == [10001, 10002, 10003, 20001]
    assert len({one.number for one in got}) == len(got)


# --------------------------------------------------------------------------------- deadlines and useful


@pytest.mark.parametrize(
    ("deadline", "instant", "act_by"),
    [
        ("expiry", "2026-06-15T00:00", "2026-06-14"),
        ("window closes", "2026-06-13T00:00", "2026-06-12"),
        ("expiry at 12:30", "2026-06-14T12:30", "2026-06-14"),
        ("expiry at closing time", "2026-06-12T15:00", "2026-06-12"),
        ("59 days after expiry", "2026-08-13T00:00", "2026-08-12"),
        ("appointment", "2026-06-09T10:00", "2026-06-09"),
        ("2 hours before appointment", "2026-06-09T08:00", "2026-06-09"),
        ("appointment at closing time", "2026-06-09T15:00", "2026-06-09"),
    ],
)
def test_a_deadline_is_the_end_of_its_day_or_an_instant(deadline: str, instant: str, act_by: str) -> None:
    """S39."""
    rule = a_rule(deadline=deadline)
    given_dates = dates({"expiry": day("2026-06-14"), "appointment": utc("2026-06-09T10:00")})
    assert deadline_instant(rule, given_dates, CALENDAR, RULES) == utc(instant)
    assert deadline_day(rule, given_dates, CALENDAR, RULES) == day(act_by)


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        ("14 days before expiry", "2026-07-01T00:00"),
        ("last working day before expiry", "2026-07-01T00:00"),
        ("on expiry", "2026-07-01T00:00"),
        ("halfway to expiry", "2026-07-01T00:00"),
        ("every 7 days from issue until 3 days before expiry", "2026-06-28T00:00"),
        ("when window opens", "2026-06-24T09:00"),  # the 16th is the Islamic New Year
        ("1 day after expiry", "2026-07-08T09:00"),
        ("2 hours before appointment", "2026-06-09T10:00"),
    ],
)
def test_without_a_deadline_a_message_is_useful_until_what_it_counts_towards_or_a_week(
    send: str, expected: str
) -> None:
    """S39."""
    given_dates = dates(
        {"expiry": day("2026-06-30"), "issue": day("2026-06-01"), "appointment": utc("2026-06-09T10:00")}
    )
    step = a_step(send)
    rule = a_rule(step)
    one = occurrences(rule, step, given_dates, CALENDAR, RULES)[0]
    assert useful_until(rule, step, one, given_dates, CALENDAR, RULES) == utc(expected)


@pytest.mark.parametrize(
    ("within", "expected"),
    [("7 days", "2026-06-24T09:00"), ("6 hours", "2026-06-17T15:00"), ("2 months", "2026-07-01T00:00")],
)
def test_within_shortens_the_use_of_a_message_and_never_lengthens_it(within: str, expected: str) -> None:
    """S39."""
    given_dates = with_expiry("2026-06-30")
    step = a_step("13 days before expiry", late=Late(LatePolicy.NEWEST, length(within)))
    rule = a_rule(step, deadline="expiry")
    (one,) = occurrences(rule, step, given_dates, CALENDAR, RULES)
    assert useful_until(rule, step, one, given_dates, CALENDAR, RULES) == utc(expected)


def test_the_deadline_of_an_anniversary_rule_is_that_of_the_occurrence() -> None:
    given_dates = dates({"issue": day("2021-06-09")}, kind="ITAP")
    step = a_step("30 days before anniversary")
    rule = a_rule(step, deadline="anniversary", anniversary=(length("5 years"), anchor("issue")))
    first, second, *_ = occurrences(rule, step, given_dates, CALENDAR, RULES)
    assert useful_until(rule, step, first, given_dates, CALENDAR, RULES) == utc("2026-06-10T00:00")
    assert useful_until(rule, step, second, given_dates, CALENDAR, RULES) == utc("2031-06-10T00:00")
    assert deadline_instant(rule, given_dates, CALENDAR, RULES) is None


# ---------------------------------------------------------------------------------------- sending hours


def leaves(
    at: str,
    *,
    now: str | None = None,
    until: str = "2026-12-01T00:00",
    urgent: bool = False,
    is_day: bool = True,
    zone: ZoneInfo = WIB,
    calendar: OfficeCalendar = CALENDAR,
    is_planned: bool = True,
) -> datetime | None:
    return leaves_at(
        utc(at),
        useful_until=utc(until),
        urgent=urgent,
        is_day=is_day,
        calendar=calendar,
        zone=zone,
        now=utc(now or at),
        is_planned=is_planned,
    )


def test_within_the_hours_it_may_leave_now() -> None:
    assert leaves("2026-06-09T09:00", now="2026-06-09T09:00:12") == utc("2026-06-09T09:00:12")
    assert leaves("2026-06-09T09:00", now="2026-06-01T00:00") == utc("2026-06-09T09:00")


def test_first_the_day_is_moved_then_the_time_is_set_and_then_the_sending_hours_are_asked() -> None:
    """S22: a Sunday, on which 11:45 would do, moves to a Friday, on which it is the hour of prayer."""
    (one,) = moments_of("on expiry", with_expiry("2026-06-14"), CALENDAR, time=time(11, 45))
    assert leaves("2026-06-14T11:45", now="2026-06-01T00:00") == utc("2026-06-14T11:45")
    assert one.at == utc("2026-06-12T11:45")
    assert leaves("2026-06-12T11:45", now="2026-06-01T00:00") == utc("2026-06-12T13:00")


def test_the_hours_are_half_open() -> None:
    """S30."""
    assert leaves("2026-06-09T19:59:59", is_day=False) == utc("2026-06-09T19:59:59")
    assert leaves("2026-06-09T20:00", is_day=False) == utc("2026-06-10T07:00")
    assert leaves("2026-06-09T06:59:59", is_day=False) == utc("2026-06-09T07:00")


def test_what_is_late_leaves_in_the_next_hours_closed_day_or_not() -> None:
    """S42."""
    assert leaves("2026-06-05T09:00", now="2026-06-05T21:00") == utc("2026-06-06T07:00")  # a Saturday


def test_only_silent_days_hold_what_is_late() -> None:
    """S42, S28."""
    now = "2026-03-20T21:00"
    assert leaves("2026-03-20T09:00", now=now) == utc("2026-03-23T07:00")
    assert leaves("2026-03-20T09:00", now=now, urgent=True) == utc("2026-03-21T07:00")


def test_after_its_use_nothing_leaves() -> None:
    """S39."""
    assert leaves("2026-06-09T09:00", now="2026-06-10T00:01", until="2026-06-10T00:00", urgent=True) is None
    assert leaves("2026-06-09T16:00", now="2026-06-09T08:00", until="2026-06-09T15:00", urgent=True) is None


def test_an_instant_that_would_be_too_late_leaves_only_when_urgent() -> None:
    """S30."""
    common = {"until": "2026-06-09T21:00", "is_day": False}
    assert leaves("2026-06-09T20:30", urgent=True, **common) == utc("2026-06-09T20:30")
    assert leaves("2026-06-09T20:30", urgent=False, **common) is None


def test_a_day_step_whose_hours_are_over_waits_for_the_morning() -> None:
    """S31, S42."""
    # planned in time it would have left at 14:59
    assert leaves("2026-03-05T16:00", now="2026-03-05T15:10") == utc("2026-03-06T09:00")
    assert leaves("2026-03-05T16:00", now="2026-03-01T00:00") == utc("2026-03-05T14:59")
    assert leaves("2026-03-05T16:00", now="2026-03-01T00:00", is_planned=False) == utc("2026-03-06T09:00")


def test_the_recipients_clock_counts_not_the_offices() -> None:
    """S30."""
    assert leaves("2026-06-09T18:30", zone=WIT, is_day=False) == utc("2026-06-10T07:00", WIT)
    assert leaves("2026-06-09T09:00", zone=AMSTERDAM) == utc("2026-06-09T07:00", AMSTERDAM)


@settings(deadline=None, max_examples=300)
@given(
    st.datetimes(min_value=datetime(2026, 2, 1), max_value=datetime(2026, 9, 1)),  # noqa: DTZ001
    st.integers(min_value=-3000, max_value=3000),
    st.integers(min_value=0, max_value=8000),
    st.booleans(),
    st.booleans(),
    st.sampled_from([WIB, WIT, NEW_YORK, AMSTERDAM, ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Asia/Kolkata")]),
    st.sampled_from([CALENDAR, BALI]),
)
def test_nothing_leaves_outside_the_hours_but_what_is_urgent_and_would_be_too_late(
    local: datetime, lead: int, use: int, urgent: bool, is_day: bool, zone: ZoneInfo, calendar: OfficeCalendar
) -> None:
    """S30, S28."""
    at = utc(local.replace(second=0, microsecond=0).isoformat())
    now, until = at - timedelta(minutes=lead), at + timedelta(minutes=use)
    got = leaves_at(at, useful_until=until, urgent=urgent, is_day=is_day, calendar=calendar, zone=zone, now=now)
    if got is None:
        assert max(at, now) > until or not urgent
        return
    assert now <= got <= until
    allowed = is_allowed(got, urgent, zone, calendar)
    assert allowed or urgent
    if not allowed:
        later = next_allowed(max(at, now), urgent, zone, calendar)
        assert later is None or later > until
    if got < at:
        assert is_day


def is_allowed(instant: datetime, urgent: bool, zone: ZoneInfo, calendar: OfficeCalendar) -> bool:
    hours = calendar.sending_hours(instant.astimezone(zone).date(), zone)
    silent = calendar.is_silent_day(calendar.day_of(instant))
    return any(opens <= instant < closes for opens, closes in hours) and (urgent or not silent)


def next_allowed(start: datetime, urgent: bool, zone: ZoneInfo, calendar: OfficeCalendar) -> datetime | None:
    """By walking in steps of a quarter of an hour, from the next one on."""
    quarter = timedelta(minutes=15)
    walk = start + timedelta(minutes=-start.minute % 15)
    return next((one for k in range(800) if is_allowed(one := walk + k * quarter, urgent, zone, calendar)), None)


# ------------------------------------------------------------------------------------ waits between rungs

RUNGS = (
    Rung((Channel.WHATSAPP,)),
    Rung((Channel.SMS,), length("6 hours")),
    Rung((Channel.EMAIL,), length("24 hours")),
)


def waits_until(rungs: tuple[Rung, ...], rung: int, *, now: str, until: str | None = None) -> datetime:
    """When a rung follows whose first one left at 08:15 on 9 June."""
    return utc(now) + wait(
        rungs,
        rung,
        now=utc(now),
        first_sent_at=utc("2026-06-09T08:15"),
        useful_until=utc(until) if until else None,
        default_wait=timedelta(hours=24),
    )


def test_a_written_wait_counts_from_the_first_rung() -> None:
    """S68."""
    assert waits_until(RUNGS, 1, now="2026-06-09T08:15") == utc("2026-06-09T14:15")
    assert waits_until(RUNGS, 2, now="2026-06-09T14:15") == utc("2026-06-10T08:15")


def test_without_a_written_wait_the_next_rung_follows_a_day_after_the_one_before() -> None:
    """S70: counted from the rung before, and not from the first."""
    rungs = (RUNGS[0], RUNGS[1], Rung((Channel.EMAIL,)))
    assert waits_until(rungs, 2, now="2026-06-09T14:15") == utc("2026-06-10T14:15")


def test_waits_shrink_as_the_end_comes_near_but_not_below_ten_minutes() -> None:
    """S71."""
    closing = "2026-06-09T15:00"
    assert waits_until(RUNGS, 1, now="2026-06-09T08:15", until=closing) == utc("2026-06-09T10:30")
    assert waits_until(RUNGS, 2, now="2026-06-09T10:30", until=closing) == utc("2026-06-09T12:45")
    assert waits_until(RUNGS, 2, now="2026-06-09T14:55", until=closing) == utc("2026-06-09T14:55") + SHORTEST_WAIT
    assert timedelta(minutes=10) == SHORTEST_WAIT
