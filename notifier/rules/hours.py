"""When a message may leave: sending hours on the recipient's clock, silent days on the office's (S28, S30, S31)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from notifier.calendar.office import ONE_DAY, OfficeCalendar, Stretch

#: How far ahead and back an allowed minute is looked for; silent days never make a longer row.
REACH = 31
ONE_MINUTE = timedelta(minutes=1)


def leaves_at(
    at: datetime,
    *,
    useful_until: datetime,
    urgent: bool,
    is_day: bool,
    calendar: OfficeCalendar,
    zone: ZoneInfo,
    now: datetime,
    is_planned: bool = True,
) -> datetime | None:
    """The instant (UTC) at which a message with the moment `at` may leave, None when it no longer can.

    An answer not after `now` means: it may leave now. A day step may be told to leave before its moment, when its
    recipient sleeps through the rest of its use (V18). `is_planned` False skips what holds for the moment's own
    day only (S31): a release from holding just takes the next sending hours (S42).
    """
    start = max(at, now)
    if start > useful_until:
        return None
    hours = _Hours(calendar, zone, urgent)
    following = hours.next_minute(start)
    if is_day and is_planned:
        on_the_day = _within_its_day(hours, at, now, following, useful_until)
        if on_the_day is not None:
            return on_the_day
    if following is not None and following <= useful_until:
        return following
    if is_day:
        before = hours.last_minute(at, now)
        return before if before is not None or not urgent else now
    return start if urgent else None


def _within_its_day(
    hours: "_Hours", at: datetime, now: datetime, following: datetime | None, useful_until: datetime
) -> datetime | None:
    """The nearest allowed minute of the moment's own day on the office's clock: later first, else earlier (S31)."""
    day = hours.calendar.day_of(at)
    end = hours.calendar.start_of(day + ONE_DAY)
    if following is not None and following < end and following <= useful_until:
        return following
    before = hours.last_minute(at, now)
    return before if before is not None and before >= hours.calendar.start_of(day) else None


@dataclass(frozen=True, slots=True)
class _Hours:
    calendar: OfficeCalendar
    zone: ZoneInfo
    urgent: bool

    def next_minute(self, start: datetime) -> datetime | None:
        """The first allowed instant from `start` on."""
        day = start.astimezone(self.zone).date()
        for distance in range(REACH):
            for opens, closes in self._stretches(day + timedelta(days=distance)):
                if closes > start:
                    return max(opens, start)
        return None

    def last_minute(self, before: datetime, now: datetime) -> datetime | None:
        """The last allowed minute before an instant, None when it is over. It may be the present one."""
        day = before.astimezone(self.zone).date()
        for distance in range(REACH):
            for opens, closes in reversed(tuple(self._stretches(day - timedelta(days=distance)))):
                end = min(closes, before)
                if end <= now:
                    return None
                if opens < end:
                    return max(opens, end - ONE_MINUTE, now)
        return None

    def _stretches(self, day: date) -> Iterator[Stretch]:
        """Allowed stretches of a day on the recipient's clock, without the office's silent days."""
        for stretch in self.calendar.sending_hours(day, self.zone):
            yield from (stretch,) if self.urgent else self._spoken(stretch)

    def _spoken(self, stretch: Stretch) -> Iterator[Stretch]:
        opens, closes = stretch
        day = self.calendar.day_of(opens)
        while opens < closes:
            day += ONE_DAY
            end = min(closes, self.calendar.start_of(day))
            if not self.calendar.is_silent_day(day - ONE_DAY):
                yield opens, end
            opens = end
