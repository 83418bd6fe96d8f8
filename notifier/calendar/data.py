"""What an office's calendar needs beyond the library of holidays: `rules/calendar.yaml`, read and checked."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import date, time
from pathlib import Path

import yaml

from notifier.calendar import national
from notifier.calendar.nodes import Entries, Reader, plain, read_mapping
from notifier.errors import Fault, FaultsFound
from notifier.yaml_faults import fault_of_yaml

#: Beside the rules of an office.
CALENDAR_FILE = "calendar.yaml"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Hours:
    """A stretch of a clock, half-open: from `opens` up to, but not including, `closes`."""

    opens: time
    closes: time


@dataclass(frozen=True, slots=True)
class Days:
    """A stretch of days, both ends included."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Silence:
    """Days on which only what is urgent leaves (S28); without provinces and offices, everywhere."""

    name: str
    holidays: frozenset[str] = frozenset()  # names in the library's calendar
    days: frozenset[date] = frozenset()
    except_days: frozenset[date] = frozenset()
    every_year: tuple[int, int] | None = None  # month and day
    provinces: frozenset[str] = frozenset()
    offices: frozenset[str] = frozenset()

    def applies_to(self, office_code: str, province: str | None) -> bool:
        """Whether that office keeps it."""
        if not self.provinces and not self.offices:
            return True
        return office_code in self.offices or (province or "").casefold() in self.provinces


@dataclass(frozen=True, slots=True)
class CounterHours:
    """Other opening hours of the counter for some days; empty offices and weekdays mean all."""

    days: Days
    hours: Hours
    weekdays: frozenset[int] = frozenset()
    offices: frozenset[str] = frozenset()

    def applies_to(self, office_code: str, day: date) -> bool:
        """Whether they hold at that office on that day."""
        return (
            day in self.days
            and (not self.weekdays or day.weekday() in self.weekdays)
            and (not self.offices or office_code in self.offices)
        )


@dataclass(frozen=True, slots=True)
class CalendarData:
    """The calendar file after loading; the defaults are those of an empty file."""

    country: str = "ID"
    default_time: time = time(9, 0)
    sending_hours: Hours = Hours(time(7, 0), time(20, 0))
    #: Recipients on these clocks keep the hours of Ramadan and of the Friday prayer.
    zones: frozenset[str] = frozenset()
    friday_break: Hours | None = None
    ramadan_hours: Hours | None = None
    ramadan: tuple[Days, ...] = ()
    silences: tuple[Silence, ...] = ()
    holidays_added: frozenset[date] = frozenset()
    holidays_removed: frozenset[date] = frozenset()
    joint_leave_added: frozenset[date] = frozenset()
    joint_leave_removed: frozenset[date] = frozenset()
    counter_hours: tuple[CounterHours, ...] = ()
    digest: str = ""  # of the file's meaning, so that a comment re-plans nothing


def load_calendar(path: Path | None) -> CalendarData:
    """The calendar data of that file, else the defaults. Raises FaultsFound with every fault in it."""
    if path is None:
        return CalendarData()
    file = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FaultsFound([Fault(file, 1, 1, f"the calendar cannot be read: {error}")]) from error
    return parse_calendar(text, file)


def parse_calendar(text: str, file: str = CALENDAR_FILE) -> CalendarData:
    """The same from a text; `file` is the name that faults carry."""
    reader = Reader(file)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise FaultsFound([fault_of_yaml(file, text, error)]) from error
    if root is None:
        return CalendarData()
    data = _calendar(read_mapping(reader, root, _KEYS))
    if reader.faults:
        raise FaultsFound(reader.faults)
    meaning = json.dumps(plain(root), sort_keys=True)
    return replace(data, digest=hashlib.sha256(meaning.encode()).hexdigest()[:16])


_KEYS = (
    "country",
    "default time",
    "sending hours",
    "prayer",
    "silent days",
    "public holidays",
    "joint leave",
    "counter hours",
)


def _calendar(entries: Entries) -> CalendarData:
    empty = CalendarData()
    country = entries.text("country") or empty.country
    if not national.is_known(country):
        entries.fault("country", f'no calendar for the country "{country}"; write its ISO code, like ID')
        country = empty.country
    prayer = entries.mapping("prayer", ("zones", "friday break", "ramadan hours", "ramadan"))
    holidays = entries.mapping("public holidays", ("added", "removed"))
    leave = entries.mapping("joint leave", ("added", "removed"))
    hours = entries.hours("sending hours")
    friday, ramadan = prayer.hours("friday break"), prayer.hours("ramadan hours")
    return CalendarData(
        country=country,
        default_time=entries.time_of_day("default time") or empty.default_time,
        sending_hours=Hours(*hours) if hours else empty.sending_hours,
        zones=frozenset(prayer.zones("zones")),
        friday_break=Hours(*friday) if friday else None,
        ramadan_hours=Hours(*ramadan) if ramadan else None,
        ramadan=tuple(Days(*span) for span in prayer.spans("ramadan")),
        silences=tuple(_silence(one, country) for one in entries.mappings("silent days", _SILENCE_KEYS)),
        holidays_added=holidays.days("added"),
        holidays_removed=holidays.days("removed"),
        joint_leave_added=leave.days("added"),
        joint_leave_removed=leave.days("removed"),
        counter_hours=tuple(
            _counter(one) for one in entries.mappings("counter hours", ("days", "hours", "weekdays", "offices"))
        ),
    )


_SILENCE_KEYS = ("name", "holidays", "days", "except", "every year", "provinces", "offices")


def _silence(entries: Entries, country: str) -> Silence:
    names = frozenset(entries.words("holidays"))
    year = national.last_known_year(country)
    for name in sorted(names):
        if not national.named_days(country, year, frozenset({name})):
            entries.fault("holidays", f'the calendar of {country} has no holiday "{name}" in {year}')
    return Silence(
        name=entries.text("name", needed=True) or "",
        holidays=names,
        days=entries.days("days"),
        except_days=entries.days("except"),
        every_year=entries.month_and_day("every year"),
        provinces=frozenset(province.casefold() for province in entries.words("provinces")),
        offices=frozenset(entries.words("offices")),
    )


def _counter(entries: Entries) -> CounterHours:
    span = entries.span("days", needed=True) or (date.min, date.min)
    hours = entries.hours("hours", needed=True) or (time.min, time.max)
    weekdays = entries.choices("weekdays", WEEKDAYS)
    return CounterHours(
        Days(*span),
        Hours(*hours),
        frozenset(WEEKDAYS.index(word) for word in weekdays),
        frozenset(entries.words("offices")),
    )
