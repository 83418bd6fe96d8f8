"""When the answer of a condition turns by the passing of time alone, and when it last turned at all (S17, S45, S91)."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta

from notifier.model import Subject, Value
from notifier.rules.facts import View, birthday_in
from notifier.rules.fields import RECIPIENTS
from notifier.rules.moments import add_length
from notifier.rules.rule import (
    Ago,
    Beyond,
    Conditions,
    Group,
    HolderHas,
    Length,
    Line,
    Past,
    Rule,
    Step,
    Test,
    Within,
    WithinLast,
)

#: An instant counts as past only after it.
TICK = timedelta(microseconds=1)
#: Nobody is told anything at a greater age.
OLDEST = 130


def conditions_of(rule: Rule, steps: Iterable[Step]) -> Conditions:
    """Everything that a rule and these steps of it ask."""
    return (*rule.when, *rule.unless, *(line for step in steps for line in (*step.when, *step.unless)))


def turnings(conditions: Conditions, view: View) -> Iterator[datetime]:
    """Every instant, past or to come, at which some line may give another answer without the record being touched."""
    for condition in conditions:
        match condition:
            case Line(field, test):
                yield from _of_line(field, test, view.value(field), view)
            case Group(_, members):
                for member in members:
                    yield from turnings(member, view)
            case HolderHas(inner):
                for facts in view.subject.others:
                    yield from turnings(inner, view.other(facts))


def recipients_turning(subject: Subject, view: View, adult_age: int) -> Iterator[datetime]:
    """The beginnings of the days from which somebody else is told: a role begins or ends, the holder comes of age."""
    for held in subject.roles:
        if held.valid_from is not None:
            yield _begin(held.valid_from, view)
        if held.valid_until is not None:
            yield _begin(held.valid_until + timedelta(days=1), view)
    if subject.holder is not None and subject.holder.birth_date is not None:
        born = subject.holder.birth_date
        yield _begin(birthday_in(born, born.year + adult_age), view)


def first_held(
    conditions: Conditions, view: View, since: datetime | None, holds_at: Callable[[datetime], bool]
) -> datetime | None:
    """The first instant since the cycle began at which everything held, with the record as it is now (S17, S34, S45).

    A line is asked from the instant on at which the register has held the present value of its field. None when, as far
    as the register remembers, it always was so.
    """
    asked = set(fields_asked(conditions))
    begins = [view.subject.changed[field] for field in asked if field in view.subject.changed]
    begins += [view.subject.history[field][-1].at for field in asked if view.subject.history.get(field)]
    start = max((*begins, since) if since is not None else begins, default=None)
    turned = sorted(instant for instant in turnings(conditions, view) if instant <= view.now)
    candidates = [instant for instant in turned if start is None or instant > start]
    if start is not None and start <= view.now:
        candidates.insert(0, start)
    return next((instant for instant in candidates if holds_at(instant)), start)


def fields_asked(conditions: Conditions) -> Iterator[str]:
    """The fields of the subject itself that the lines ask."""
    for condition in conditions:
        match condition:
            case Line(field, _):
                yield field
            case Group(_, members):
                for member in members:
                    yield from fields_asked(member)


def _of_line(field: str, test: Test, value: Value, view: View) -> Iterator[datetime]:
    if field == "holder.age" and view.subject.holder is not None and view.subject.holder.birth_date is not None:
        born = view.subject.holder.birth_date
        yield from (_begin(birthday_in(born, born.year + age), view) for age in range(1, OLDEST))
    elif field in RECIPIENTS:
        for held in view.subject.roles:
            if held.role == field:
                yield from (_begin(day, view) for day in (held.valid_from, _next(held.valid_until)) if day is not None)
    elif isinstance(value, date):
        yield from _of_date(test, value, view)


def _of_date(test: Test, value: date, view: View) -> Iterator[datetime]:
    length: Length | None = getattr(test, "length", None)
    if isinstance(value, datetime) and (length is None or length.is_short):
        yield from _of_instant(test, value)
        return
    day = view.calendar.day_of(value) if isinstance(value, datetime) else value
    match test:
        case Past():
            yield _begin(day + timedelta(days=1), view)
        case Within(length):
            yield _begin(add_length(day, length, -1, view.calendar), view)
            yield _begin(day + timedelta(days=1), view)
        case WithinLast(length):
            yield _begin(day, view)
            yield _begin(add_length(day, length, 1, view.calendar) + timedelta(days=1), view)
        case Beyond(length):
            yield _begin(add_length(day, length, -1, view.calendar), view)
        case Ago(length):
            yield _begin(add_length(day, length, 1, view.calendar) + timedelta(days=1), view)


def _of_instant(test: Test, value: datetime) -> Iterator[datetime]:
    match test:
        case Past():
            yield value + TICK
        case Within(length):
            yield value - length.stretch
            yield value + TICK
        case WithinLast(length):
            yield value
            yield value + length.stretch + TICK
        case Beyond(length):
            yield value - length.stretch
        case Ago(length):
            yield value + length.stretch + TICK


def _next(day: date | None) -> date | None:
    return day + timedelta(days=1) if day is not None else None


def _begin(day: date, view: View) -> datetime:
    return view.calendar.instant(day, time(0, 0))
