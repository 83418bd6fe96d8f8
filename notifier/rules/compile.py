"""A rule turned round: which subjects can be due in a span? The answer may be wider than the rule, never narrower."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import product

from notifier.calendar.office import OfficeCalendar
from notifier.model import SubjectKind
from notifier.rules.conditions import asks_of_time, words_asked
from notifier.rules.fields import FIELDS, FieldType
from notifier.rules.moments import add_length, anchor_interval
from notifier.rules.rule import (
    Ago,
    AtOnce,
    Beyond,
    Condition,
    Conditions,
    Group,
    Halfway,
    HolderHas,
    Length,
    Line,
    Missing,
    Moves,
    Number,
    Past,
    Rule,
    RuleSet,
    Step,
    Within,
    WithinLast,
)
from notifier.rules.steps import anniversaries, counts_anniversaries

#: Days added on both sides where an end of month or a closed day may shift the answer: wider, never narrower.
SLACK = timedelta(days=5)
#: With more anniversaries than these, one question asks for all of them.
MOST_ANNIVERSARIES = 60


@dataclass(frozen=True, slots=True)
class Candidates:
    """A question an index can answer: which subjects may be due?

    `field` is a word of the language ("expiry", "birth date"), or None to take every subject that the other
    lines let through. `types` and `states` narrow by the rule's own plain lines; empty means any.
    """

    subject: SubjectKind
    field: str | None
    low: date | datetime | None
    high: date | datetime | None
    types: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()  # words of the dates that the register must not have


def candidates(
    rule: Rule, calendar: OfficeCalendar, rules: RuleSet, *, after: datetime, until: datetime
) -> list[Candidates]:
    """Every question whose answers together hold each subject of the rule that a moment in (after, until] concerns."""
    found: list[Candidates] = []
    for step in rule.steps:
        if step.enabled:
            found.extend(_of_step(rule, step, calendar, rules, after, until))
    for line in _lines_about_time(rule):
        found.extend(_crossings(rule, line, calendar, after, until))
    if _asks_others_of_time(_conditions(rule)):
        found.append(everything(rule))
    return list(dict.fromkeys(found))


def crossings_within(rule: Rule, calendar: OfficeCalendar, *, now: datetime) -> list[Candidates]:
    """The same for lines that may turn at any minute of the day, which is planned already (S45)."""
    found: list[Candidates] = []
    for line in _lines_about_time(rule):
        if _is_short(line) or (isinstance(line.test, Past) and FIELDS[line.field].type is FieldType.INSTANT):
            found.extend(_crossings(rule, line, calendar, now - timedelta(days=1), now))
    return list(dict.fromkeys(found))


def _conditions(rule: Rule) -> Conditions:
    return (*rule.when, *rule.unless, *(line for step in rule.steps for line in (*step.when, *step.unless)))


def _lines_about_time(rule: Rule) -> list[Line]:
    """Those that ask the subject itself; another permit's dates are in no column of it."""
    return asks_of_time(_without_others(_conditions(rule)))


def _without_others(conditions: Conditions) -> Conditions:
    found: list[Condition] = []
    for condition in conditions:
        match condition:
            case Group(kind, members):
                found.append(Group(kind, tuple(_without_others(member) for member in members)))
            case Line():
                found.append(condition)
    return tuple(found)


def _asks_others_of_time(conditions: Conditions) -> bool:
    """Whether a `holder has` turns by the passing of time, which no column of the subject tells."""
    for condition in conditions:
        match condition:
            case HolderHas(inner) if asks_of_time(inner):
                return True
            case Group(_, members) if any(_asks_others_of_time(member) for member in members):
                return True
    return False


def everything(rule: Rule) -> Candidates:
    """All subjects the rule can concern: after a change of the rule, its windows or the calendar (S29)."""
    return _question(rule, None, None, None)


def _of_step(
    rule: Rule, step: Step, calendar: OfficeCalendar, rules: RuleSet, after: datetime, until: datetime
) -> Iterator[Candidates]:
    if isinstance(step.send, Moves):
        return  # only a change of the record fires it, and changes are looked at anyway
    if isinstance(step.send, AtOnce | Halfway):
        if rule.stays:
            yield _question(rule, None, None, None)  # few cases are in the state, and the stay is the anchor
        elif isinstance(step.send, Halfway):
            yield _question(rule, None, None, None)
        return
    types = words_asked(rule.when, "type") or ("",)
    for document_type, numbers in product(types, _anniversaries(rule, step)):
        interval = anchor_interval(
            rule, step, calendar, rules, document_type or None, after=after, until=until, numbers=numbers
        )
        if interval is None:
            yield _question(rule, None, None, None)
        elif interval[1] <= interval[2]:
            yield _question(rule, *interval)


def _anniversaries(rule: Rule, step: Step) -> Sequence[range | None]:
    """Each by itself, if they are not too many: all together are everything from the last one back to the first."""
    if not counts_anniversaries(step, rule):
        return [None]
    numbers = anniversaries(rule)
    return [range(one, one + 1) for one in numbers] if len(numbers) <= MOST_ANNIVERSARIES else [None]


def _question(rule: Rule, field: str | None, low: date | datetime | None, high: date | datetime | None) -> Candidates:
    statuses = words_asked(rule.when, "status") or ()
    return Candidates(
        rule.subject,
        field,
        low,
        high,
        types=words_asked(rule.when, "type") or (),
        # "renewed" is derived from other permits, so a stored status says nothing about it
        statuses=() if "renewed" in statuses else statuses,
        states=rule.stays,
        services=words_asked(rule.when, "service") or (),
        missing=tuple(line.field for line in rule.when if isinstance(line, Line) and _is_missing_date(line)),
    )


def _is_missing_date(line: Line) -> bool:
    known = FIELDS.get(line.field)
    is_date = known is not None and known.column is not None and known.type in (FieldType.DAY, FieldType.INSTANT)
    return is_date and isinstance(line.test, Missing)


def _crossings(
    rule: Rule, line: Line, calendar: OfficeCalendar, after: datetime, until: datetime
) -> Iterator[Candidates]:
    """Subjects for which a line turned true or false between two days by the passing of time alone (S43, S45)."""
    first, last = calendar.day_of(after), calendar.day_of(until)
    if first == last and not _is_short(line):
        return
    low, high = first - SLACK, last + SLACK
    match line.test:
        case Number(_, years) if line.field == "holder.age":
            for age in (years, years + 1):
                yield _question(rule, "birth date", years_before(low, age), years_before(high, age))
        case Within(length) | Beyond(length):
            yield _question(rule, line.field, *_moved(low, high, length, 1, calendar))
            yield _question(rule, line.field, low, high)
        case WithinLast(length) | Ago(length):
            yield _question(rule, line.field, *_moved(low, high, length, -1, calendar))
            yield _question(rule, line.field, low, high)
        case Past():
            yield _question(rule, line.field, low, high)
        case _:
            yield _question(rule, None, None, None)


def _is_short(line: Line) -> bool:
    length: Length | None = getattr(line.test, "length", None)
    return length is not None and length.is_short


def _moved(low: date, high: date, length: Length, sign: int, calendar: OfficeCalendar) -> tuple[date, date]:
    if length.is_short:
        days = timedelta(days=1 + length.count)
        return (low - days, high + days)
    return add_length(low, length, sign, calendar) - SLACK, add_length(high, length, sign, calendar) + SLACK


def years_before(day: date, years: int) -> date:
    """So many years earlier; in the last days of a month the 28th will do for a border with slack."""
    year = max(day.year - years, 1)
    return date(year, day.month, min(day.day, 28))
