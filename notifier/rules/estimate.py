"""Roughly when a moment lies on its anchor's time line: enough to compare steps without any calendar."""

from dataclasses import dataclass
from math import ceil

from notifier.rules.rule import (
    Anchor,
    Every,
    LastWorkingDayBefore,
    Length,
    Moment,
    Offset,
    On,
    Place,
    Rule,
    Side,
    Unit,
    Window,
)
from notifier.rules.words import DEADLINE, HOLDER_TURNS

_DAYS_OF_MONTH = 30.436875
_DAYS_OF_YEAR = 365.2425


@dataclass(frozen=True, slots=True)
class Span:
    """Days from a base date (negative: before it), as an interval that surely holds the moment, closed days aside."""

    base: str
    low: float
    high: float

    @property
    def middle(self) -> float:
        """The likeliest day, for comparing what may overlap."""
        return (self.low + self.high) / 2


@dataclass(frozen=True, slots=True)
class Estimator:
    """Estimates the moments of one rule; `windows` are those of the documents it is about."""

    rule: Rule
    windows: tuple[Window, ...]

    def moment(self, moment: Moment) -> Span | None:
        """None where only facts can tell: at once, halfway, a move."""
        if isinstance(moment, Every):
            return self.place(moment.start)
        return self.place(moment) if isinstance(moment, On | Offset | LastWorkingDayBefore) else None

    def place(self, place: Place) -> Span | None:
        """A place on the line of its base date; None without a window or deadline to go by."""
        base = self.anchor(place.anchor)
        if base is None:
            return None
        match place:
            case On():
                return base
            case LastWorkingDayBefore():
                return Span(base.base, base.low - 3, base.high - 1)
            case Offset(length, side, _):
                low, high = days_of(length)
                if side is Side.BEFORE:
                    return Span(base.base, base.low - high, base.high - low)
                return Span(base.base, base.low + low, base.high + high)

    def anchor(self, anchor: Anchor) -> Span | None:
        """The anchor itself; windows of several types or offices make it wide."""
        match anchor.name:
            case "deadline":
                own = self.rule.deadline
                is_circle = own is None or own.place.anchor.name == DEADLINE
                return None if own is None or is_circle else self.place(own.place)
            case "window opens":
                return self._hull(tuple(window.opens for window in self.windows))
            case "window closes":
                return self._hull(tuple(window.closes for window in self.windows))
            case "recommended day":
                return self._hull(tuple(window.recommended for window in self.windows))
            case name if name == HOLDER_TURNS:
                return Span("birth date", (anchor.n or 0) * _DAYS_OF_YEAR, (anchor.n or 0) * _DAYS_OF_YEAR)
            case name:
                return Span(name, 0, 0)

    def _hull(self, places: tuple[Place, ...]) -> Span | None:
        spans = [span for place in places if (span := self.place(place)) is not None]
        if not spans or len({span.base for span in spans}) > 1:
            return None
        return Span(spans[0].base, min(span.low for span in spans), max(span.high for span in spans))


def days_of(length: Length) -> tuple[float, float]:
    """The fewest and the most days the length can take in a year without holidays."""
    count = length.count
    match length.unit:
        case Unit.MINUTE:
            return count / 1440, count / 1440
        case Unit.HOUR:
            return count / 24, count / 24
        case Unit.DAY:
            return count, count
        case Unit.WORKING_DAY:
            return count, count + 2 * ceil(count / 5)
        case Unit.WEEK:
            return 7 * count, 7 * count
        case Unit.MONTH:
            return count * _DAYS_OF_MONTH - 3, count * _DAYS_OF_MONTH + 3
        case Unit.YEAR:
            return count * _DAYS_OF_YEAR - 1, count * _DAYS_OF_YEAR + 1
