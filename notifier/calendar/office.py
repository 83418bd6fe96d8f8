"""An office's own time: its clock, its working and silent days, and the hours in which people may be told."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from notifier.calendar import national
from notifier.calendar.data import CalendarData, Hours
from notifier.errors import ConfigError
from notifier.model import Office

#: No office is closed longer than this; a longer search means that its weekdays are set wrong.
LONGEST_CLOSURE = 400
#: The years whose national days go into the fingerprint: those that pending messages can reach.
FINGERPRINT_YEARS = tuple(range(2024, 2045))

ONE_DAY = timedelta(days=1)
#: For so many days and zones a calendar remembers the sending hours; a day's plan asks for few, and a million times.
HOURS_REMEMBERED = 5_000

Stretch = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, eq=False)
class OfficeCalendar:
    """The calendar of one office. Days are dates on the office's clock, instants are aware UTC (S1)."""

    office: Office
    zone: ZoneInfo
    data: CalendarData
    fingerprint: str  # changes when, and only when, a day or an hour of it may have changed (S29)
    last_known_year: int  # beyond it joint leave is not declared yet, and working days are a guess
    added: frozenset[date]
    holidays_removed: frozenset[date]
    joint_leave_removed: frozenset[date]
    silent: frozenset[date]
    silent_names: frozenset[str]
    not_silent: frozenset[date]
    silent_every_year: frozenset[tuple[int, int]]
    known_hours: dict[tuple[date, str], tuple[Stretch, ...]] = field(default_factory=dict, repr=False)

    @property
    def default_time(self) -> time:
        """The time of day of a step that names none (S23)."""
        return self.data.default_time

    def is_working_day(self, day: date) -> bool:
        """A day of the weekly pattern that nothing closes, or one declared a working day (S10)."""
        office = self.office
        if day in office.working_days:
            return True
        if day.weekday() not in office.weekdays or day in office.closed_days or day in self.added:
            return False
        country, year = office.country, day.year
        if day in national.public_holidays(country, year) and day not in self.holidays_removed:
            return False
        return day not in national.joint_leave(country, year) or day in self.joint_leave_removed

    def is_silent_day(self, day: date) -> bool:
        """A day on which only what is urgent leaves (S28)."""
        if day in self.silent or (day.month, day.day) in self.silent_every_year:
            return True
        if not self.silent_names or day in self.not_silent:
            return False
        return day in national.named_days(self.office.country, day.year, self.silent_names)

    def working_days_from(self, day: date, n: int) -> date:
        """The n-th working day strictly after the day, for a negative n strictly before it (S10)."""
        step = 1 if n > 0 else -1
        for _ in range(abs(n)):
            day = self.nearest(day + step * ONE_DAY, step, self.is_working_day)
        return day

    def on_or_before(self, day: date) -> date:
        """The day itself if it is a working day, else the last one before it."""
        return self.nearest(day, -1, self.is_working_day)

    def on_or_after(self, day: date) -> date:
        """The day itself if it is a working day, else the first one after it."""
        return self.nearest(day, 1, self.is_working_day)

    def nearest(self, day: date, step: int, allowed: Callable[[date], bool]) -> date:
        """The first allowed day from that day on, going by `step` (1 or -1). ConfigError if there is none."""
        for distance in range(LONGEST_CLOSURE):
            candidate = day + timedelta(days=step * distance)
            if allowed(candidate):
                return candidate
        raise ConfigError(
            f"office {self.office.code} has no open day within {LONGEST_CLOSURE} days of {day}; "
            "look at its weekdays and closed days"
        )

    def day_of(self, instant: datetime) -> date:
        """The date of an instant on the office's clock (S1)."""
        return instant.astimezone(self.zone).date()

    def instant(self, day: date, at: time) -> datetime:
        """That time of that day on the office's clock, in UTC (S24)."""
        return _instant(day, at, self.zone)

    def start_of(self, day: date) -> datetime:
        """The first instant of a day; that of the next day is the end (24:00) of this one."""
        return _instant(day, time.min, self.zone)

    def counter_hours(self, day: date) -> Hours | None:
        """When the counter is open on that day, None when it is closed."""
        if not self.is_working_day(day):
            return None
        for exception in self.data.counter_hours:
            if exception.applies_to(self.office.code, day):
                return exception.hours
        return Hours(self.office.opens_at, self.office.closes_at)

    def closing_instant(self, day: date) -> datetime:
        """Closing time of that day or, if it is closed, of the last working day before it (S39)."""
        day = self.on_or_before(day)
        hours = self.counter_hours(day)
        return self.instant(day, hours.closes if hours else self.office.closes_at)

    def sending_hours(self, day: date, zone: ZoneInfo) -> tuple[Stretch, ...]:
        """When a person on that clock may be written to on that day: half-open stretches in UTC (S30)."""
        known = self.known_hours.get((day, zone.key))
        if known is None:
            if len(self.known_hours) >= HOURS_REMEMBERED:
                self.known_hours.clear()
            known = self.known_hours[day, zone.key] = self._sending_hours(day, zone)
        return known

    def _sending_hours(self, day: date, zone: ZoneInfo) -> tuple[Stretch, ...]:
        data = self.data
        hours, pause = data.sending_hours, None
        if zone.key in data.zones:
            if data.ramadan_hours and any(day in span for span in data.ramadan):
                hours = data.ramadan_hours
            if day.weekday() == 4:
                pause = data.friday_break
        stretches = [hours]
        if pause is not None:
            stretches = [
                Hours(hours.opens, min(hours.closes, pause.opens)),
                Hours(max(hours.opens, pause.closes), hours.closes),
            ]
        return tuple(
            (_instant(day, one.opens, zone), _instant(day, one.closes, zone))
            for one in stretches
            if one.opens < one.closes
        )


def build_calendar(office: Office, data: CalendarData) -> OfficeCalendar:
    """The calendar of an office. Raises ConfigError when its zone, country or weekdays cannot be used."""
    zone = _zone_of(office)
    if not national.is_known(office.country):
        raise ConfigError(f"office {office.code}: no calendar for the country {office.country!r}; write a code like ID")
    if not office.weekdays:
        raise ConfigError(f"office {office.code} has no weekdays; name at least one")
    # The file speaks of one country; an office elsewhere keeps the library's days only.
    at_home = office.country == data.country
    silences = [one for one in data.silences if at_home and one.applies_to(office.code, office.province)]
    added = data.holidays_added | data.joint_leave_added if at_home else frozenset()
    last_leave = max((day.year for day in data.joint_leave_added), default=0) if at_home else 0
    return OfficeCalendar(
        office=office,
        zone=zone,
        data=data,
        fingerprint=_fingerprint(office, data),
        last_known_year=max(national.last_known_year(office.country), last_leave),
        added=added,
        holidays_removed=data.holidays_removed if at_home else frozenset(),
        joint_leave_removed=data.joint_leave_removed if at_home else frozenset(),
        silent=frozenset(day for one in silences for day in one.days),
        silent_names=frozenset(name for one in silences for name in one.holidays),
        not_silent=frozenset(day for one in silences for day in one.except_days),
        silent_every_year=frozenset(one.every_year for one in silences if one.every_year),
    )


def _zone_of(office: Office) -> ZoneInfo:
    try:
        return ZoneInfo(office.zone)
    except (KeyError, OSError, ValueError) as error:
        raise ConfigError(
            f"office {office.code}: there is no time zone {office.zone!r}; write one like Asia/Jakarta"
        ) from error


@lru_cache(maxsize=1 << 16)  # a year of simulation asks for the same few thousand a million times
def _instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    # fold=0 does what S24 asks: a missing time moves on by the gap, a doubled one means the first.
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def _fingerprint(office: Office, data: CalendarData) -> str:
    parts = [
        office.code,
        office.zone,
        office.country,
        office.province or "",
        f"{office.opens_at} {office.closes_at}",
        data.digest,
        *(str(weekday) for weekday in sorted(office.weekdays)),
        *(day.isoformat() for day in sorted(office.closed_days)),
        "open",
        *(day.isoformat() for day in sorted(office.working_days)),
        "national",
        *(day.isoformat() for day in national.closed_days(office.country, FINGERPRINT_YEARS)),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
