"""A step turned round: which values of its anchor have a moment in a span of time? (S21)

Every moment is non-decreasing in its anchor, moved off closed days or not, so the answer is one interval, found by
a binary search that begins near the answer.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from notifier.calendar.office import OfficeCalendar
from notifier.rules.fields import FIELDS, FieldType
from notifier.rules.places import (
    FIRST_DAY,
    LAST_DAY,
    Dates,
    as_day,
    base_field,
    end_of,
    place_value,
)
from notifier.rules.rule import AtOnce, Closed, Every, Halfway, Moves, Rule, RuleSet, Step
from notifier.rules.steps import StepView, anniversaries, counts_anniversaries
from notifier.rules.words import DEADLINE, WINDOW_ANCHORS

Interval = tuple[str, date | datetime, date | datetime]

ONE_SECOND = timedelta(seconds=1)


def anchor_interval(
    rule: Rule,
    step: Step,
    calendar: OfficeCalendar,
    windows: RuleSet,
    document_type: str | None,
    *,
    after: datetime,
    until: datetime,
    numbers: range | None = None,
) -> Interval | None:
    """Base field, lowest and highest value (both included) with a moment in (after, until].

    It may be wider, never narrower: where another date has a say, an `every` is taken from its first to its last
    possible moment. `numbers`: only what counts from these anniversaries, where the step counts from any.
    Lowest above highest: no value has one. None: the step counts from no single date, or from a window while the
    document type is open; the caller looks at everything.
    """
    send = step.send
    if isinstance(send, AtOnce | Moves | Halfway):
        return None
    office = calendar.office.code
    anchors = [send.start.anchor, send.end.anchor] if isinstance(send, Every) else [send.anchor]
    if document_type is None and any(_needs_type(anchor.name, rule) for anchor in anchors):
        return None
    fields = {base_field(anchor, office, document_type, windows, rule) for anchor in anchors}
    if None in fields:
        return anchors[0].name, LAST_DAY, FIRST_DAY
    if len(fields) > 1:
        return None
    field = base_field(anchors[0], office, document_type, windows, rule) or ""
    probe = _Probe(StepView(rule, step, calendar, windows), field, document_type, numbers)
    return _search(probe, field, after, until)


def _needs_type(name: str, rule: Rule) -> bool:
    if name == DEADLINE and rule.deadline is not None:
        name = rule.deadline.place.anchor.name
    return name in WINDOW_ANCHORS


def _search(probe: "_Probe", field: str, after: datetime, until: datetime) -> Interval:
    scale = _Instants() if _is_instant(field) else _Days()
    low, high = scale.number(_aware(FIRST_DAY)), scale.number(_aware(LAST_DAY))
    earliest, latest = _remembering(probe.earliest, scale), _remembering(probe.latest, scale)
    if earliest(low) is None:
        return field, LAST_DAY, FIRST_DAY
    if probe.is_single:
        latest = earliest
    lowest = _first_after(latest, after, scale, low, high)
    beyond = _first_after(earliest, until, scale, low, high)
    return field, scale.lowest(lowest), scale.highest(beyond - 1)


def _remembering(moment_of: Callable[[Any], datetime | None], scale: "_Scale") -> Callable[[int], datetime | None]:
    """The moment of a number; both ends of an interval are looked for among nearly the same numbers."""
    known: dict[int, datetime | None] = {}

    def moment(number: int) -> datetime | None:
        if number not in known:
            known[number] = moment_of(scale.value(number))
        return known[number]

    return moment


def _first_after(
    moment: Callable[[int], datetime | None], instant: datetime, scale: "_Scale", low: int, high: int
) -> int:
    """The first number in [low, high] with a moment after the instant; high + 1 when none has one."""

    def holds(number: int) -> bool:
        found = moment(number)
        return found is not None and found > instant

    return _first(holds, _guess(moment, scale, instant, low, high), low, high)


def _guess(moment: Callable[[int], datetime | None], scale: "_Scale", instant: datetime, low: int, high: int) -> int:
    """Where the search begins: the instant's own number, twice corrected by how far off the moment there is."""
    there = wanted = scale.number(instant)
    for _ in range(2):
        found = moment(min(max(there, low), high))
        if found is None:
            break
        there += wanted - scale.number(found)
    return there


def _is_instant(field: str) -> bool:
    return field == "state begins" or (field in FIELDS and FIELDS[field].type is FieldType.INSTANT)


def _aware(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def _first(holds: Callable[[int], bool], guess: int, low: int, high: int) -> int:
    """The first number in [low, high] from which on it holds; high + 1 when it never does."""
    guess = min(max(guess, low), high)
    stride = 1
    if holds(guess):
        lower = max(low, guess - stride)
        while holds(lower):
            if lower == low:
                return low
            stride *= 2
            guess, lower = lower, max(low, lower - stride)
        low, high = lower, guess
    else:
        upper = min(high, guess + stride)
        while not holds(upper):
            if upper == high:
                return high + 1
            stride *= 2
            guess, upper = upper, min(high, upper + stride)
        low, high = guess, upper
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


class _Probe:
    """The earliest and the latest moment that a value of the base field can give."""

    def __init__(self, view: StepView, field: str, document_type: str | None, numbers: range | None) -> None:
        self.view, self.field, self.document_type = view, field, document_type
        counted = anniversaries(view.rule) if counts_anniversaries(view.step, view.rule) else range(0)
        numbers = numbers if counted and numbers is not None else counted
        self.first: int | None = numbers[0] if numbers else None
        self.last: int | None = numbers[-1] if numbers else None
        self.is_exact = self._is_exact()

    @property
    def is_single(self) -> bool:
        """Whether each value has one moment, which is then the earliest and the latest."""
        return self.is_exact and self.first == self.last and not isinstance(self.view.step.send, Every)

    def earliest(self, value: date | datetime) -> datetime | None:
        view, send = self.view, self.view.step.send
        dates = self._dates(value, self.first)
        if isinstance(send, Every):
            start = place_value(send.start, dates, view.calendar, view.windows, view.rule)
            if start is None or (isinstance(start, datetime) and send.period.is_short):
                return start if isinstance(start, datetime) else None
            day = as_day(start, view.calendar)
        else:
            point = view.value(dates)
            if point is None or isinstance(point, datetime):
                return point
            day = point
        return view.at(view.moved(day, dates) if self.is_exact else view.earlier(day))

    def latest(self, value: date | datetime) -> datetime | None:
        view, send = self.view, self.view.step.send
        dates = self._dates(value, self.last)
        if isinstance(send, Every):
            end = place_value(send.end, dates, view.calendar, view.windows, view.rule)
            if end is None or send.period.is_short:
                return None if end is None else end_of(end, view.calendar)
            day = as_day(end, view.calendar)
            return view.at(day if view.direction is Closed.EARLIER else view.later(day))
        point = view.value(dates)
        if point is None or isinstance(point, datetime):
            return point
        return view.at(view.moved(point, dates) if self.is_exact else view.later(point))

    def _is_exact(self) -> bool:
        """Whether the move off closed days depends on this field alone; a deadline may count from another (S27)."""
        view, rule = self.view, self.view.rule
        if view.direction is Closed.EARLIER or rule.deadline is None:
            return True
        office = view.calendar.office.code
        return base_field(rule.deadline.place.anchor, office, self.document_type, view.windows, rule) == self.field

    def _dates(self, value: date | datetime, anniversary: int | None) -> Dates:
        return Dates(
            values={self.field: value},
            birth_date=value if self.field == "birth date" else None,
            began_at=value if isinstance(value, datetime) and self.field == "state begins" else None,
            office_code=self.view.calendar.office.code,
            document_type=self.document_type,
            anniversary=anniversary,
        )


class _Days:
    """Values of a day field as whole numbers."""

    def number(self, instant: datetime) -> int:
        return instant.toordinal()

    def value(self, number: int) -> date:
        return date.fromordinal(number)

    def lowest(self, number: int) -> date:
        return date.fromordinal(number)

    def highest(self, number: int) -> date:
        return date.fromordinal(number)


class _Instants:
    """Values of an instant field as whole seconds, widened by one for what lies between two seconds."""

    def number(self, instant: datetime) -> int:
        return int(instant.timestamp())

    def value(self, number: int) -> datetime:
        return datetime.fromtimestamp(number, UTC)

    def lowest(self, number: int) -> datetime:
        return self.value(number) - ONE_SECOND

    def highest(self, number: int) -> datetime:
        return self.value(number) + ONE_SECOND


_Scale = _Days | _Instants
