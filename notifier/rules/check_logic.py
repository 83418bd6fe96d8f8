"""What two tests of one field say of each other: whether both can hold, and whether one holds with the other."""

from dataclasses import dataclass
from math import inf

from notifier.rules.estimate import days_of
from notifier.rules.rule import (
    Ago,
    Beyond,
    Compare,
    Exists,
    FixedDay,
    Length,
    LengthIs,
    Missing,
    NoneOf,
    Number,
    OneOf,
    Past,
    Side,
    Test,
    Unit,
    Within,
    WithinLast,
    YesNo,
)

#: Between "less than 24 hours" and "at least 24 hours" lies nothing.
_NEXT = 1e-9
#: No office is shut for more days on end; Lebaran with its joint leave and weekends takes eleven.
LONGEST_CLOSURE = 16


@dataclass(frozen=True, slots=True)
class Stretch:
    """The values that pass a test, from `low` to `high`: surely no others, where lengths of months leave a doubt."""

    scale: str  # number | length | date | today: days from the field's own date to today
    low: float
    high: float

    def misses(self, other: "Stretch") -> bool:
        """Whether no value lies in both."""
        return self.scale == other.scale and (self.high < other.low or other.high < self.low)

    def lies_in(self, other: "Stretch") -> bool:
        """Whether every value of this one lies in the other."""
        return self.scale == other.scale and other.low <= self.low and self.high <= other.high


def never_both(one: Test, other: Test) -> bool:
    """Whether no value of a field passes both tests. False when it is not certain."""
    if isinstance(one, Missing) or isinstance(other, Missing):
        return type(one) is not type(other)
    match one, other:
        case OneOf(words), OneOf(others):
            return not set(words) & set(others)
        case (OneOf(words), NoneOf(others)) | (NoneOf(others), OneOf(words)):
            return set(words) <= set(others)
        case YesNo(value), YesNo(wanted):
            return value is not wanted
        case (Within(length), Beyond(far)) | (Beyond(far), Within(length)) if length == far:
            return True
        case (WithinLast(length), Ago(far)) | (Ago(far), WithinLast(length)) if length == far:
            return True
    first, second = stretch_of(one), stretch_of(other)
    return first is not None and second is not None and first.misses(second)


def follows(one: Test, other: Test) -> bool:
    """Whether every value that passes the one passes the other too. False when it is not certain."""
    if one == other:
        return True
    match one, other:
        case Missing(), _:
            return False
        case _, Exists():
            return True
        case OneOf(words), OneOf(others):
            return set(words) <= set(others)
        case OneOf(words), NoneOf(others):
            return not set(words) & set(others)
        case NoneOf(words), NoneOf(others):
            return set(others) <= set(words)
    first, second = stretch_of(one), stretch_of(other, sure=True)
    return first is not None and second is not None and first.lies_in(second)


def opposite(test: Test) -> Test | None:
    """The test that exactly the other values pass; only for those where a missing value leaves no third way."""
    match test:
        case Exists():
            return Missing()
        case Missing():
            return Exists()
    return None


def stretch_of(test: Test, *, sure: bool = False) -> Stretch | None:
    """The values that may pass a test, with `sure` those that do; None for words.

    Days from the field's date to today are those of a year without holidays.
    """
    match test:
        case Number(compare, value):
            return Stretch("number", *_compared(compare, value, 1))
        case LengthIs(compare, length):
            return Stretch("length", *_compared(compare, _days(length)[0], _NEXT))
        case FixedDay(Side.BEFORE, day):
            return Stretch("date", -inf, day.toordinal() - 1)
        case FixedDay(Side.AFTER, day):
            return Stretch("date", day.toordinal() + 1, inf)
        case Past():
            return Stretch("today", 1, inf)
        case Within(length):
            return Stretch("today", -_days(length)[0 if sure else 1], 0)
        case WithinLast(length):
            return Stretch("today", 0, _days(length)[0 if sure else 1])
        case Beyond(length):
            return Stretch("today", -inf, -_days(length)[1 if sure else 0] - (_NEXT if length.is_short else 1))
        case Ago(length):
            return Stretch("today", _days(length)[1 if sure else 0] + (_NEXT if length.is_short else 1), inf)
    return None


def _days(length: Length) -> tuple[float, float]:
    low, high = days_of(length)
    return low, high + (LONGEST_CLOSURE if length.unit is Unit.WORKING_DAY else 0)


def _compared(compare: Compare, value: float, step: float) -> tuple[float, float]:
    match compare:
        case Compare.EXACTLY:
            return value, value
        case Compare.AT_LEAST:
            return value, inf
        case Compare.AT_MOST:
            return -inf, value
        case Compare.LESS_THAN:
            return -inf, value - step
        case Compare.MORE_THAN:
            return value + step, inf
