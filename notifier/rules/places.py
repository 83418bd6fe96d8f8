"""Where a phrase points: from "14 days before expiry" to a day or an instant, before closed days and hours."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

import pendulum

from notifier.calendar.office import ONE_DAY, OfficeCalendar
from notifier.model import Value
from notifier.rules.rule import (
    Anchor,
    LastWorkingDayBefore,
    Length,
    On,
    Place,
    Rule,
    RuleSet,
    Side,
    Unit,
    Window,
)
from notifier.rules.words import DEADLINE, WINDOW_ANCHORS

#: Dates outside these are signs for "never" or "unknown" (0001-01-01, 9999-12-31), and no moment counts from them.
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 12, 31)

#: Anchors that stand for a place counted from another anchor. None of them may count from another of them.
DERIVED = WINDOW_ANCHORS | {DEADLINE}

SIGN: Mapping[Side, int] = {Side.BEFORE: -1, Side.AFTER: 1}


@dataclass(frozen=True, slots=True)
class Dates:
    """What moments are computed from: a subject's own dates, as the register holds them now."""

    values: Mapping[str, Value]
    birth_date: date | None = None
    began_at: datetime | None = None  # the stay's beginning; None for permits
    office_code: str = ""
    document_type: str | None = None
    anniversary: int | None = None  # which one is meant, where a rule counts from anniversaries (S15)


def add_length(day: date, length: Length, sign: int, calendar: OfficeCalendar) -> date:
    """A length before (sign -1) or after (1) a day, in one go (S6, S7, S10). Minutes and hours raise ValueError."""
    count = sign * length.count
    match length.unit:
        case Unit.DAY:
            return day + timedelta(days=count)
        case Unit.WEEK:
            return day + timedelta(weeks=count)
        case Unit.WORKING_DAY:
            return calendar.working_days_from(day, count)
        case Unit.MONTH | Unit.YEAR:
            return _add_months(day, count * 12 if length.unit is Unit.YEAR else count)
        case _:
            raise ValueError(f"{length} cannot be counted from a day")


def elapsed(length: Length) -> timedelta:
    """A length of minutes or hours as the time between two instants (S9). Other units raise ValueError."""
    if not length.is_short:
        raise ValueError(f"{length} is not a stretch between instants")
    return length.stretch


def as_day(value: date | datetime, calendar: OfficeCalendar) -> date:
    """The day itself, or the day of an instant on the office's clock (S1, S8)."""
    return calendar.day_of(value) if isinstance(value, datetime) else value


def anchor_value(
    anchor: Anchor, dates: Dates, calendar: OfficeCalendar, windows: RuleSet, rule: Rule | None
) -> date | datetime | None:
    """The day or instant (UTC) an anchor stands for, None when the subject lacks it (S13-S15, S20)."""
    match anchor.name:
        case "deadline":
            return deadline_value(rule, dates, calendar, windows)
        case "window opens" | "window closes" | "recommended day":
            place = _window_place(anchor.name, dates, windows)
            return None if place is None else place_value(place, dates, calendar, windows, rule)
        case "anniversary":
            return _anniversary(dates, calendar, windows, rule)
        case "holder turns":
            born = _usable(dates.birth_date)
            return None if born is None or anchor.n is None else _add_months(born, 12 * anchor.n)
        case "state begins":
            return _usable(dates.began_at)
        case _:
            return _usable(dates.values.get(anchor.name))


def place_value(
    place: Place, dates: Dates, calendar: OfficeCalendar, windows: RuleSet, rule: Rule | None
) -> date | datetime | None:
    """The day or instant of a place; None without its anchor, or for minutes and hours from a day (S9)."""
    value = anchor_value(place.anchor, dates, calendar, windows, rule)
    if value is None or isinstance(place, On):
        return value
    if isinstance(place, LastWorkingDayBefore):
        return calendar.working_days_from(as_day(value, calendar), -1)
    if place.length.is_short:
        if not isinstance(value, datetime):
            return None
        return value + SIGN[place.side] * elapsed(place.length)
    return add_length(as_day(value, calendar), place.length, SIGN[place.side], calendar)


def place_day(place: Place, dates: Dates, calendar: OfficeCalendar, windows: RuleSet, rule: Rule | None) -> date | None:
    """The day of a place on the office's clock."""
    value = place_value(place, dates, calendar, windows, rule)
    return None if value is None else as_day(value, calendar)


def base_field(
    anchor: Anchor, office_code: str, document_type: str | None, windows: RuleSet, rule: Rule | None
) -> str | None:
    """The word of the register's own date behind an anchor (S47): "expiry" behind "window opens".

    "birth date" stands behind "holder turns", "state begins" for itself. None when a window or deadline is missing.
    """
    match anchor.name:
        case "deadline":
            inner = rule.deadline.place if rule and rule.deadline else None
        case "window opens" | "window closes" | "recommended day":
            inner = _window_place(anchor.name, Dates({}, None, None, office_code, document_type), windows)
        case "anniversary":
            inner = On(rule.anniversary[1]) if rule and rule.anniversary else None
        case "holder turns":
            return "birth date"
        case _:
            return anchor.name
    if inner is None or inner.anchor.name == anchor.name:
        return None
    return base_field(inner.anchor, office_code, document_type, windows, rule)


def base_value(field: str, dates: Dates) -> date | datetime | None:
    """The register's value of a base field."""
    match field:
        case "birth date":
            return dates.birth_date
        case "state begins":
            return dates.began_at
        case _:
            return _usable(dates.values.get(field))


def deadline_value(
    rule: Rule | None, dates: Dates, calendar: OfficeCalendar, windows: RuleSet
) -> date | datetime | None:
    """The rule's own deadline: a day, or the instant when it names a time or the counter's closing (S39)."""
    deadline = rule.deadline if rule else None
    if deadline is None or deadline.place.anchor.name == DEADLINE:
        return None
    value = place_value(deadline.place, dates, calendar, windows, rule)
    if value is None:
        return None
    if deadline.at is not None:
        return calendar.instant(as_day(value, calendar), deadline.at)
    if deadline.closing_time:
        return calendar.closing_instant(as_day(value, calendar))
    return value


def end_of(value: date | datetime, calendar: OfficeCalendar) -> datetime:
    """An instant itself; of a day its end, 24:00 on the office's clock."""
    return value if isinstance(value, datetime) else calendar.start_of(value + ONE_DAY)


def deadline_instant(rule: Rule, dates: Dates, calendar: OfficeCalendar, windows: RuleSet) -> datetime | None:
    """After this instant nothing of the rule is sent (S39); None without a deadline or without its date."""
    value = deadline_value(rule, dates, calendar, windows)
    return None if value is None else end_of(value, calendar)


def deadline_day(rule: Rule, dates: Dates, calendar: OfficeCalendar, windows: RuleSet) -> date | None:
    """The `act by` of the texts: the day of the deadline, for closing time an open one (S39)."""
    value = deadline_value(rule, dates, calendar, windows)
    return None if value is None else as_day(value, calendar)


@lru_cache(16_384)  # the same few days are asked for again and again; pendulum takes its time
def _add_months(day: date, months: int) -> date:
    # A plain date minus a pendulum duration counts a month as 30 days; pendulum's own date clamps to the month.
    moved = pendulum.date(day.year, day.month, day.day).add(months=months)
    return date(moved.year, moved.month, moved.day)


def _usable(value: Value) -> date | datetime | None:
    if not isinstance(value, date):
        return None
    day = value.date() if isinstance(value, datetime) else value
    return value if FIRST_DAY <= day <= LAST_DAY else None


def _window_place(name: str, dates: Dates, windows: RuleSet) -> Place | None:
    window = windows.window(dates.office_code, dates.document_type) if dates.document_type else None
    place = None if window is None else _of_window(window, name)
    return None if place is None or place.anchor.name in DERIVED else place


def _of_window(window: Window, name: str) -> Place:
    match name:
        case "window opens":
            return window.opens
        case "window closes":
            return window.closes
        case _:
            return window.recommended


def _anniversary(dates: Dates, calendar: OfficeCalendar, windows: RuleSet, rule: Rule | None) -> date | None:
    if rule is None or rule.anniversary is None or dates.anniversary is None:
        return None
    length, anchor = rule.anniversary
    if anchor.name == "anniversary" or length.is_short:
        return None
    start = anchor_value(anchor, dates, calendar, windows, rule)
    if start is None:
        return None
    whole = Length(length.count * dates.anniversary, length.unit)
    return add_length(as_day(start, calendar), whole, 1, calendar)
