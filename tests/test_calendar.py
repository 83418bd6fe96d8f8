"""An office's working days, silent days, clock and sending hours, and the calendar file behind them."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moment_makers import AMSTERDAM, NEW_YORK, WIB, WIT, WITA, a_calendar, an_office, day, shipped, utc

from notifier.calendar.data import CalendarData, load_calendar, parse_calendar
from notifier.calendar.office import build_calendar
from notifier.errors import ConfigError, FaultsFound

ANY_DAY = st.dates(min_value=date(2024, 1, 1), max_value=date(2030, 12, 31))


@pytest.mark.parametrize(
    ("expiry", "last"),
    [
        ("2026-03-22", "2026-03-17"),
        ("2026-03-25", "2026-03-17"),
        ("2026-12-25", "2026-12-23"),
        ("2026-12-27", "2026-12-23"),
        ("2027-03-14", "2027-03-05"),
        ("2027-03-16", "2027-03-05"),
        ("2027-05-21", "2027-05-14"),
    ],
)
def test_the_last_working_day_before_an_expiry(expiry: str, last: str) -> None:
    """S11."""
    assert a_calendar().working_days_from(day(expiry), -1) == day(last)


@pytest.mark.parametrize(("start", "fourth"), [("2026-03-16", "2026-03-27"), ("2026-12-22", "2026-12-30")])
def test_four_working_days_after(start: str, fourth: str) -> None:
    """S10."""
    assert a_calendar().working_days_from(day(start), 4) == day(fourth)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-06-06", "a Saturday"),
        ("2026-05-14", "a public holiday"),
        ("2026-05-15", "joint leave"),
        ("2026-12-24", "joint leave"),
    ],
)
def test_a_closed_day_is_no_working_day(text: str, why: str) -> None:
    """S10."""
    assert not a_calendar().is_working_day(day(text)), why


def test_an_office_has_closures_working_days_and_a_week_of_its_own() -> None:
    """S10."""
    own = a_calendar(
        closed_days=frozenset({day("2026-06-09")}),
        working_days=frozenset({day("2026-06-07"), day("2026-08-17")}),
        weekdays=frozenset({1, 2, 3, 4, 5}),
    )
    assert not own.is_working_day(day("2026-06-09"))
    assert own.is_working_day(day("2026-06-07"))  # a Sunday, declared
    assert own.is_working_day(day("2026-08-17"))  # Independence Day, declared
    assert own.is_working_day(day("2026-06-06"))  # its Saturdays are open
    assert not own.is_working_day(day("2026-06-08"))  # and its Mondays are not


@given(ANY_DAY, st.integers(min_value=1, max_value=40))
def test_counting_working_days_agrees_with_walking_day_by_day(start: date, n: int) -> None:
    """S10: the n-th strictly before or after; the day itself never counts."""
    calendar = a_calendar()
    for sign in (1, -1):
        found = calendar.working_days_from(start, sign * n)
        between = [start + timedelta(days=sign * k) for k in range(1, abs((found - start).days) + 1)]
        assert sum(calendar.is_working_day(one) for one in between) == n
        assert calendar.is_working_day(found)


@given(ANY_DAY)
def test_the_nearest_working_day_is_the_day_itself_or_across_closed_days_only(start: date) -> None:
    calendar = a_calendar()
    before, after = calendar.on_or_before(start), calendar.on_or_after(start)
    assert before <= start <= after
    assert (before == after == start) == calendar.is_working_day(start)
    closed = (before + timedelta(days=n) for n in range(1, (after - before).days))
    assert not any(calendar.is_working_day(one) for one in closed)


def test_an_office_that_never_opens_is_told_so() -> None:
    shut = a_calendar(closed_days=frozenset(date(2026, 1, 1) + timedelta(days=n) for n in range(1000)))
    with pytest.raises(ConfigError, match="jakarta has no open day within 400 days of 2026-06-01"):
        shut.on_or_after(day("2026-06-01"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"zone": "Asia/Sawahlunto"}, "jakarta: there is no time zone 'Asia/Sawahlunto'"),
        ({"country": "Indonesia"}, "jakarta: no calendar for the country 'Indonesia'"),
        ({"weekdays": frozenset()}, "jakarta has no weekdays"),
    ],
)
def test_an_office_whose_calendar_cannot_be_built_is_named(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        a_calendar(**changes)


def test_joint_leave_is_known_only_as_far_as_it_was_declared() -> None:
    assert a_calendar().last_known_year == 2027
    later = parse_calendar("joint leave:\n  added: [2028-01-27]\n")
    assert build_calendar(an_office(), later).last_known_year == 2028


# ------------------------------------------------------------------------------------------ silent days


@pytest.mark.parametrize(
    "text", ["2026-03-21", "2026-03-22", "2026-08-17", "2027-03-10", "2027-03-11", "2027-08-17", "2028-08-17"]
)
def test_idul_fitri_and_independence_day_are_silent_everywhere(text: str) -> None:
    """S28: the days."""
    assert a_calendar().is_silent_day(day(text))
    assert a_calendar("denpasar", "Asia/Makassar", province="Bali").is_silent_day(day(text))


@pytest.mark.parametrize("text", ["2026-03-19", "2027-03-08"])
def test_nyepi_is_silent_in_bali_only(text: str) -> None:
    """S28: the days."""
    assert not a_calendar(province="DKI Jakarta").is_silent_day(day(text))
    assert not a_calendar().is_silent_day(day(text))
    assert a_calendar("denpasar", "Asia/Makassar", province="bali").is_silent_day(day(text))


def test_other_holidays_and_joint_leave_are_closed_but_not_silent() -> None:
    calendar = a_calendar()
    assert not any(calendar.is_silent_day(day(text)) for text in ("2026-03-20", "2026-03-23", "2026-12-25"))


def test_a_day_of_mourning_at_one_office_and_a_moved_feast_are_written_in_the_file() -> None:
    text = """
silent days:
  - name: Idul Fitri
    holidays: [Hari Raya Idul Fitri]
    days: [2026-03-20]
    except: [2026-03-21]
  - name: mourning
    days: [2026-06-09]
    offices: [batam]
"""
    data = parse_calendar(text)
    jakarta, batam = (build_calendar(an_office(code), data) for code in ("jakarta", "batam"))
    assert jakarta.is_silent_day(day("2026-03-20"))
    assert not jakarta.is_silent_day(day("2026-03-21"))
    assert not jakarta.is_silent_day(day("2026-06-09"))
    assert batam.is_silent_day(day("2026-06-09"))


# ------------------------------------------------------------------------------------- clock and counter


def test_nine_o_clock_is_three_instants_in_the_three_zones_of_the_country() -> None:
    """S1, S23."""
    names = ("Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura")
    instants = [a_calendar(zone=name).instant(day("2026-06-09"), time(9)) for name in names]
    assert instants == [datetime(2026, 6, 9, hour, tzinfo=UTC) for hour in (2, 1, 0)]
    assert [a_calendar(zone=name).day_of(utc("2026-06-09T23:30", WITA)) for name in names] == [
        day("2026-06-09"),
        day("2026-06-09"),
        day("2026-06-10"),
    ]


def test_a_time_the_clock_skips_moves_on_and_a_doubled_one_means_the_first() -> None:
    """S24."""
    amsterdam = a_calendar("amsterdam", "Europe/Amsterdam", country="NL")
    assert amsterdam.instant(day("2026-03-29"), time(2, 30)) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert amsterdam.instant(day("2026-10-25"), time(2, 30)) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_closing_time_of_a_closed_day_is_that_of_the_working_day_before_it() -> None:
    """S39."""
    calendar = a_calendar(closes_at=time(16, 0))
    assert calendar.closing_instant(day("2026-06-09")) == utc("2026-06-09T16:00")
    assert calendar.closing_instant(day("2026-06-14")) == utc("2026-06-12T16:00")
    assert calendar.counter_hours(day("2026-06-14")) is None


def test_in_ramadan_the_counter_keeps_other_hours() -> None:
    calendar = a_calendar(closes_at=time(16, 0))
    assert calendar.closing_instant(day("2026-03-12")) == utc("2026-03-12T15:00")
    assert calendar.closing_instant(day("2026-03-13")) == utc("2026-03-13T15:30")  # a Friday
    assert calendar.closing_instant(day("2026-03-22")) == utc("2026-03-17T15:00")


# ---------------------------------------------------------------------------------------- sending hours


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        pytest.param("2026-06-09", WIB, ["07:00-20:00"], id="any day"),
        pytest.param("2026-06-09", WIT, ["07:00-20:00"], id="on the recipient's own clock"),
        pytest.param("2026-06-05", WIB, ["07:00-11:30", "13:00-20:00"], id="Friday"),
        pytest.param("2026-03-05", WIB, ["09:00-15:00"], id="Ramadan"),
        pytest.param("2026-03-06", WITA, ["09:00-11:30", "13:00-15:00"], id="a Friday in Ramadan"),
        pytest.param("2026-03-06", NEW_YORK, ["07:00-20:00"], id="abroad"),
        pytest.param("2027-02-08", WIB, ["09:00-15:00"], id="Ramadan 2027"),
        pytest.param("2026-03-29", AMSTERDAM, ["07:00-20:00"], id="the day the clock changes"),
    ],
)
def test_people_are_written_to_within_the_hours_of_that_very_day(
    text: str, zone: ZoneInfo, expected: list[str]
) -> None:
    """S31."""
    got = a_calendar().sending_hours(day(text), zone)
    local = [f"{opens.astimezone(zone):%H:%M}-{closes.astimezone(zone):%H:%M}" for opens, closes in got]
    assert local == expected
    assert all(opens.astimezone(zone).date() == day(text) for opens, _ in got)


# --------------------------------------------------------------------------------------------- the file


def test_without_a_file_the_defaults_hold() -> None:
    assert load_calendar(None) == CalendarData()
    assert parse_calendar("") == CalendarData()
    assert CalendarData().default_time == time(9, 0)


def test_amended_decrees_are_written_in_the_file() -> None:
    text = """
public holidays:
  added: [2026-06-09]
  removed: [2026-05-14]
joint leave:
  added: [2026-06-10]
  removed: [2026-05-15, 2026-05-27]
"""
    calendar = build_calendar(an_office(), parse_calendar(text))
    assert not calendar.is_working_day(day("2026-06-09"))
    assert not calendar.is_working_day(day("2026-06-10"))
    assert calendar.is_working_day(day("2026-05-14"))
    assert calendar.is_working_day(day("2026-05-15"))
    assert not calendar.is_working_day(day("2026-05-27"))  # a public holiday is no joint leave


def test_the_file_speaks_of_its_own_country_only() -> None:
    data = parse_calendar("public holidays:\n  added: [2026-06-09]\nsilent days:\n- {name: A, every year: 06-10}\n")
    abroad = build_calendar(an_office("amsterdam", "Europe/Amsterdam", country="NL"), data)
    assert abroad.is_working_day(day("2026-06-09"))
    assert not abroad.is_silent_day(day("2026-06-10"))


def test_every_fault_of_the_file_is_shown_with_its_place() -> None:
    text = """default time: 9:00
sending hours: 20:00-07:00
ramadn: x
prayer:
  zones: [Asia/Jakart]
  ramadan: [2026-03-20 until 2026-02-18, 2026-02-30 until 2026-03-01]
silent days:
  - holidays: [Hari Raya Idulfitri]
    every year: 17-08
public holidays:
  added: 2026-01-01
joint leave: [2026-01-01]
counter hours:
  - days: 2026-02-18
    weekdays: [sundy]
default time: 09:00
"""
    with pytest.raises(FaultsFound) as caught:
        parse_calendar(text, "calendar.yaml")
    assert [str(fault) for fault in caught.value.faults] == [
        'calendar.yaml:1:15: "9:00" is not a time; write one like 09:00',
        "calendar.yaml:2:16: 20:00 is not before 07:00; write hours like 07:00-20:00",
        'calendar.yaml:3:1: "ramadn" is not known here; write country, default time, sending hours, prayer, '
        "silent days, public holidays, joint leave, counter hours",
        'calendar.yaml:5:11: there is no time zone "Asia/Jakart"; write one like Asia/Jakarta',
        "calendar.yaml:6:13: 2026-03-20 is after 2026-02-18; write the earlier day first",
        'calendar.yaml:6:42: "2026-02-30" is not a day; write one like 2026-12-24',
        'calendar.yaml:8:5: "name" is missing here',
        'calendar.yaml:8:15: the calendar of ID has no holiday "Hari Raya Idulfitri" in 2027',
        'calendar.yaml:9:17: "17-08" is not a day of the year; write month and day like 08-17',
        'calendar.yaml:11:10: "added" takes a list; begin each line below it with "- "',
        "calendar.yaml:12:14: keys are expected here: added, removed",
        'calendar.yaml:14:5: "hours" is missing here',
        'calendar.yaml:14:11: "2026-02-18" is no stretch of days; write 2026-02-18 until 2026-03-20',
        'calendar.yaml:15:16: "sundy" is not known here; write "sunday"',
        'calendar.yaml:16:1: "default time" stands here twice',
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("default time: [", "calendar.yaml:1:16: a value is missing here, or a sign stands"),
        ("name: \x00", "calendar.yaml:1:7: an unprintable sign stands here; take it out"),
        ("a: 1\n---\nb: 2", "calendar.yaml:2:1: one file holds one text; take the line --- out"),
        ("- 1", "calendar.yaml:1:1: keys are expected here: country"),
        ("country: XX", 'calendar.yaml:1:10: no calendar for the country "XX"'),
        ("default time: [a]", "calendar.yaml:1:15: one word or number is expected here"),
        ("? [a]\n: b", "calendar.yaml:1:3: a key is a word"),
    ],
)
def test_a_file_of_another_shape_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(FaultsFound) as caught:
        parse_calendar(text, "calendar.yaml")
    assert str(caught.value).startswith(sentence)


def test_a_missing_file_is_a_fault_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(FaultsFound, match="the calendar cannot be read"):
        load_calendar(tmp_path / "calendar.yaml")


# ------------------------------------------------------------------------------------------- fingerprint


def test_a_comment_changes_no_fingerprint_and_a_day_does() -> None:
    plain = parse_calendar("joint leave:\n  added: [2026-06-09]\n")
    remarked = parse_calendar("# a decree\njoint leave: {added: [2026-06-09]}\n")
    other = parse_calendar("joint leave:\n  added: [2026-06-10]\n")
    prints = [build_calendar(an_office(), data).fingerprint for data in (plain, remarked, other)]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    "changes",
    [
        {"closed_days": frozenset({date(2026, 6, 9)})},
        {"working_days": frozenset({date(2026, 6, 7)})},
        {"weekdays": frozenset({0, 1})},
        {"closes_at": time(14, 0)},
        {"zone": "Asia/Jayapura"},
        {"province": "Bali"},
    ],
)
def test_what_moves_a_day_of_the_office_changes_its_fingerprint(changes: dict[str, object]) -> None:
    assert a_calendar(**changes).fingerprint != a_calendar().fingerprint


def test_the_address_of_an_office_changes_no_fingerprint() -> None:
    moved = build_calendar(an_office(address="Another street", phone="+62210000000"), shipped())
    assert moved.fingerprint == a_calendar().fingerprint


def test_the_shipped_file_reaches_as_far_as_the_library_knows() -> None:
    years = {span.first.year for span in shipped().ramadan}
    assert max(years) == a_calendar().last_known_year
