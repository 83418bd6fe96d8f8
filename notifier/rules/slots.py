"""When a digest leaves: its slots on the office's clock, moved off closed days (S77-S79)."""

from datetime import date, datetime, timedelta

from notifier.calendar.office import ONE_DAY, OfficeCalendar
from notifier.rules.rule import Digest


def slot_for(digest: Digest, at: datetime, now: datetime, calendar: OfficeCalendar) -> datetime:
    """The slot (UTC) at which something with the moment `at` leaves, asked at `now`.

    It is the first slot not before the moment. On that day it stays the slot even when its time is over: the digest
    leaves late. When the day is over too, the next slot from now on takes its place.
    """
    slot = next_slot(digest, at, calendar)
    return slot if calendar.day_of(slot) >= calendar.day_of(now) else next_slot(digest, now, calendar)


def next_slot(digest: Digest, at: datetime, calendar: OfficeCalendar) -> datetime:
    """The first slot not before an instant. Raises ConfigError when the office is never open."""
    # Slots named after the last working day before that day, and no others, can have been moved to it or beyond.
    day = calendar.on_or_before(calendar.day_of(at) - ONE_DAY) + ONE_DAY
    while True:
        day = _named(digest, day)
        slot = calendar.instant(calendar.on_or_after(day), digest.at)
        if slot >= at:
            return slot
        day += ONE_DAY


def _named(digest: Digest, day: date) -> date:
    """The day itself or the next one that the digest names, open or not."""
    if digest.weekday is None:
        return day
    return day + timedelta(days=(digest.weekday - day.weekday()) % 7)
