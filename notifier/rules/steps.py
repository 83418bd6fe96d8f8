"""A step on one office's calendar: the days it points at, and how closed and silent days move them (S16-S28)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import takewhile

from notifier.calendar.office import OfficeCalendar
from notifier.model import SubjectKind
from notifier.rules.places import (
    Dates,
    add_length,
    anchor_value,
    as_day,
    base_value,
    deadline_instant,
    elapsed,
    end_of,
    place_value,
)
from notifier.rules.rule import (
    Anchor,
    AtOnce,
    Closed,
    Every,
    Halfway,
    LastWorkingDayBefore,
    Length,
    Moves,
    Offset,
    On,
    Rule,
    RuleSet,
    Side,
    Step,
    Unit,
)

#: Halfway between two instants nearer than this is an instant, else a day (S16).
SHORT_WAY = timedelta(hours=48)
#: Anniversaries are counted this far: nobody holds one document longer.
ANNIVERSARY_YEARS = 60
#: An `every` without a sensible end stops here.
MOST_OCCURRENCES = 5000
#: Occurrences of an `every` counted from anniversary k are numbered from k times this.
ANNIVERSARY_STRIDE = 10_000


def anniversary_of(occurrence: int) -> int:
    """Which anniversary an occurrence of a step counts from."""
    return occurrence // ANNIVERSARY_STRIDE or occurrence


def numbered(step: Step, occurrence: int) -> str:
    """The name of a step; of a series with the number of the time, as tests of rules write it."""
    return f"{step.name}#{occurrence}" if isinstance(step.send, Every) and occurrence else step.name


@dataclass(frozen=True, slots=True)
class StepView:
    """A step of a rule on one office's calendar: where its days fall and how closed days move them."""

    rule: Rule
    step: Step
    calendar: OfficeCalendar
    windows: RuleSet

    @property
    def default_direction(self) -> Closed:
        """Where a closed day moves this kind of moment, whatever the step says (S25)."""
        match self.step.send:
            case Offset(_, Side.AFTER, _):
                return Closed.LATER
            case On(anchor, event=True) if anchor.name != "window closes":
                return Closed.LATER
            case _:
                return Closed.EARLIER

    @property
    def direction(self) -> Closed:
        """Where a day on which this step may not speak moves it; `ignore` leaves silent days only (S28)."""
        closed = self.step.closed or self.default_direction
        return self.default_direction if closed is Closed.IGNORE else closed

    def allows(self, day: date) -> bool:
        """Whether the step may be planned for that day."""
        if not self.step.urgent and self.calendar.is_silent_day(day):
            return False
        return self.step.closed is Closed.IGNORE or self.calendar.is_working_day(day)

    def at(self, day: date) -> datetime:
        """The step's time of day on that day (S23, S24); of a digest the time of its slots, which is that day's."""
        slot = self.step.digest.at if self.step.digest is not None else None
        return self.calendar.instant(day, self.step.time or slot or self.calendar.default_time)

    def earlier(self, day: date) -> date:
        """The nearest day on which the step may speak, not after that day."""
        return self.calendar.nearest(day, -1, self.allows)

    def later(self, day: date) -> date:
        """The same, not before it."""
        return self.calendar.nearest(day, 1, self.allows)

    def moved(self, day: date, dates: Dates) -> date:
        """The day after closed and silent days, never across the anchor, never past the deadline (S25-S28)."""
        if self.allows(day):
            return day
        anchor = self.anchor_day(dates)
        if self.direction is Closed.LATER:
            later = self.later(day)
            crosses = anchor is not None and day < anchor < later
            if not crosses and not self._is_past_deadline(later, dates):
                return later
        earlier = self.earlier(day)
        return day if anchor is not None and earlier <= anchor < day else earlier

    def anchor_day(self, dates: Dates) -> date | None:
        """The day of the anchor that the step stands before or after."""
        send = self.step.send
        if isinstance(send, AtOnce | Moves):
            return None
        value = anchor_value(anchor_of(send), dates, self.calendar, self.windows, self.rule)
        return None if value is None else as_day(value, self.calendar)

    def values(self, dates: Dates) -> Iterator[tuple[int, date | datetime]]:
        """Number and day or instant of each moment, before closed days."""
        send = self.step.send
        number = dates.anniversary or 0
        if isinstance(send, Every):
            first = 1 + number * ANNIVERSARY_STRIDE
            yield from enumerate(self._every(send, dates), first)
            return
        value = self.value(dates)
        if value is not None:
            yield number, value

    def value(self, dates: Dates) -> date | datetime | None:
        """The day or instant of a moment that comes once; None without its date, and for `every`."""
        send = self.step.send
        if isinstance(send, Halfway):
            return self._halfway(send, dates)
        if isinstance(send, On | Offset | LastWorkingDayBefore):
            return place_value(send, dates, self.calendar, self.windows, self.rule)
        return None

    def _is_past_deadline(self, day: date, dates: Dates) -> bool:
        deadline = deadline_instant(self.rule, dates, self.calendar, self.windows)
        return deadline is not None and self.at(day) > deadline

    def _halfway(self, send: Halfway, dates: Dates) -> date | datetime | None:
        begin = base_value("state begins" if self.rule.subject is SubjectKind.CASE else "issue", dates)
        end = anchor_value(send.anchor, dates, self.calendar, self.windows, self.rule)
        if begin is None or end is None:
            return None
        if isinstance(begin, datetime) and isinstance(end, datetime) and end - begin < SHORT_WAY:
            return (begin + (end - begin) / 2).replace(second=0, microsecond=0)
        first = as_day(begin, self.calendar)
        return first + timedelta(days=(as_day(end, self.calendar) - first).days // 2)

    def _every(self, send: Every, dates: Dates) -> Iterator[date | datetime]:
        """Each computed from the first in one go, while not after the end (S18)."""
        start = place_value(send.start, dates, self.calendar, self.windows, self.rule)
        end = place_value(send.end, dates, self.calendar, self.windows, self.rule)
        if start is None or end is None:
            return
        most = min(self.step.at_most or MOST_OCCURRENCES, MOST_OCCURRENCES)
        yield from _repeated(start, end, send.period, most, self.calendar)


def _repeated(
    start: date | datetime, end: date | datetime, period: Length, most: int, calendar: OfficeCalendar
) -> Iterator[date | datetime]:
    if period.is_short:
        if isinstance(start, datetime):
            # 24:00 of a day belongs to the next one, an instant to itself
            last = end if isinstance(end, datetime) else end_of(end, calendar) - timedelta.resolution
            instants = (start + k * elapsed(period) for k in range(most))
            yield from takewhile(lambda instant: instant <= last, instants)
        return
    first, last_day = as_day(start, calendar), as_day(end, calendar)
    days = _days_from(first, period, most, calendar)
    yield from takewhile(lambda day: day <= last_day, days)


def _days_from(first: date, period: Length, most: int, calendar: OfficeCalendar) -> Iterator[date]:
    if period.unit is not Unit.WORKING_DAY:
        for k in range(most):
            yield add_length(first, Length(k * period.count, period.unit), 1, calendar)
        return
    day = calendar.on_or_after(first)
    for _ in range(most):
        yield day
        day = calendar.working_days_from(day, period.count)


def anchor_of(send: On | Offset | LastWorkingDayBefore | Halfway | Every) -> Anchor:
    """What a moment counts from; for `every`, what its beginning counts from."""
    return send.start.anchor if isinstance(send, Every) else send.anchor


def counts_anniversaries(step: Step, rule: Rule) -> bool:
    """Whether each anniversary gives the step moments of its own (S15)."""
    if isinstance(step.send, AtOnce | Moves):
        return False
    name = anchor_of(step.send).name
    if name == "deadline" and rule.deadline is not None:
        name = rule.deadline.place.anchor.name
    return name == "anniversary"


def anniversaries(rule: Rule) -> range:
    """The numbers of the anniversaries worth counting; empty when the rule has none."""
    if rule.anniversary is None:
        return range(0)
    length, _ = rule.anniversary
    days = {Unit.YEAR: 366, Unit.MONTH: 31, Unit.WEEK: 7}.get(length.unit, 1) * length.count
    return range(1, 1 + max(1, ANNIVERSARY_YEARS * 366 // days))
