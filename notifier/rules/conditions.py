"""Conditions as Python law: what `when` and `unless` mean for one subject on one day (S87-S92)."""

from datetime import date, datetime, timedelta
from typing import TypeVar

from notifier.model import Value
from notifier.rules.facts import View
from notifier.rules.moments import add_length
from notifier.rules.rule import (
    Ago,
    Beyond,
    Compare,
    Condition,
    Conditions,
    Exists,
    FixedDay,
    Group,
    GroupKind,
    HolderHas,
    Length,
    LengthIs,
    Line,
    Missing,
    NoneOf,
    Number,
    OneOf,
    Past,
    Side,
    Test,
    Within,
    WithinLast,
    YesNo,
)

Orderable = TypeVar("Orderable", int, timedelta)


def all_hold(conditions: Conditions, view: View) -> bool:
    """Every line holds."""
    return first_failing(conditions, view) is None


def first_failing(conditions: Conditions, view: View) -> Condition | None:
    """The first line of a `when` that does not hold."""
    return next((condition for condition in conditions if not holds(condition, view)), None)


def first_holding(conditions: Conditions, view: View) -> Condition | None:
    """The first line of an `unless` that holds."""
    return next((condition for condition in conditions if holds(condition, view)), None)


def holds(condition: Condition, view: View) -> bool:
    """Whether one condition holds."""
    match condition:
        case Line(field, test):
            return passes(test, view.value(field), view)
        case Group(GroupKind.ANY, members):
            return any(all_hold(member, view) for member in members)
        case Group(GroupKind.ALL, members):
            return all(all_hold(member, view) for member in members)
        case Group(GroupKind.NONE, members):
            return not any(all_hold(member, view) for member in members)
        case HolderHas(conditions, negated):
            return negated is not any(all_hold(conditions, view.other(facts)) for facts in view.subject.others)
    raise AssertionError(condition)


def words(condition: Condition, view: View) -> str:
    """A condition in words with the value it met, for `explain`. Says no value of a personal field."""
    match condition:
        case Line(field, _):
            value = view.value(field)
            if value is None:
                return f"{field}: missing"
            if field.startswith("holder."):
                return field
            return f"{field}: {_spoken(value)}"
        case Group(kind, _):
            return f"{kind} of a group"
        case HolderHas(_, negated):
            return "holder has another such permit" if negated else "holder has no such permit"
    raise AssertionError(condition)


def _spoken(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        hours, rest = divmod(int(value.total_seconds()), 3600)
        return f"{hours} h {rest // 60} min"
    return value.isoformat() if isinstance(value, date) else str(value)


def passes(test: Test, value: Value, view: View) -> bool:
    """Whether a value passes a test. A missing value passes `missing` and nothing else (S88)."""
    if isinstance(test, Missing):
        return value is None
    if value is None:
        return False
    match test:
        case Exists():
            return True
        case OneOf(options):
            return _text(value) in options
        case NoneOf(options):
            return _text(value) not in options
        case YesNo(wanted):
            return _text(value) == ("yes" if wanted else "no")
        case Number(compare, wanted_number):
            number = _number(value)
            return number is not None and _compares(compare, number, wanted_number)
        case LengthIs(compare, length):
            return isinstance(value, timedelta) and _compares(compare, value, length.stretch)
        case _:
            return isinstance(value, date) and _passes_in_time(test, value, view)


def _passes_in_time(test: Test, value: date, view: View) -> bool:
    if isinstance(value, datetime) and not _counts_days(test):
        return _passes_as_instant(test, value, view.now)
    day = view.calendar.day_of(value) if isinstance(value, datetime) else value
    today = view.today
    match test:
        case Past():
            return (value < view.now) if isinstance(value, datetime) else day < today
        case FixedDay(Side.BEFORE, fixed):
            return day < fixed
        case FixedDay(Side.AFTER, fixed):
            return day > fixed
        case Within(length):
            return add_length(day, length, -1, view.calendar) <= today <= day
        case WithinLast(length):
            return day <= today <= add_length(day, length, 1, view.calendar)
        case Beyond(length):
            return today < add_length(day, length, -1, view.calendar)
        case Ago(length):
            return today > add_length(day, length, 1, view.calendar)
    return False


def _counts_days(test: Test) -> bool:
    length: Length | None = getattr(test, "length", None)
    return length is None or not length.is_short


def _passes_as_instant(test: Test, value: datetime, now: datetime) -> bool:
    match test:
        case Within(length):
            return value - length.stretch <= now <= value
        case WithinLast(length):
            return value <= now <= value + length.stretch
        case Beyond(length):
            return now < value - length.stretch
        case Ago(length):
            return now > value + length.stretch
    return False


def _compares(compare: Compare, value: Orderable, wanted: Orderable) -> bool:
    match compare:
        case Compare.EXACTLY:
            return value == wanted
        case Compare.AT_LEAST:
            return value >= wanted
        case Compare.AT_MOST:
            return value <= wanted
        case Compare.LESS_THAN:
            return value < wanted
        case Compare.MORE_THAN:
            return value > wanted


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _number(value: Value) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    text = str(value).strip()
    return int(text) if text.lstrip("-").isdigit() else None


def asks_of_time(conditions: Conditions) -> list[Line]:
    """The lines whose answer changes by the passing of days alone."""
    found: list[Line] = []
    for condition in conditions:
        match condition:
            case Line(field, test):
                if isinstance(test, Past | FixedDay | Within | WithinLast | Beyond | Ago) or field == "holder.age":
                    found.append(condition)
            case Group(_, members):
                for member in members:
                    found.extend(asks_of_time(member))
            case HolderHas(conditions=inner):
                found.extend(asks_of_time(inner))
    return found


def words_asked(conditions: Conditions, field: str) -> tuple[str, ...] | None:
    """The words a field must be one of, when a plain line says so: the part of a `when` that SQL can ask too."""
    for condition in conditions:
        if isinstance(condition, Line) and condition.field == field and isinstance(condition.test, OneOf):
            return condition.test.words
    return None
