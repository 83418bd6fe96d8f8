"""On which days planning can have something to do: the planner's own questions, asked of longer spans first."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from notifier.calendar.office import OfficeCalendar
from notifier.rehearsal.script import Registered, Scene
from notifier.rehearsal.stage import Stage
from notifier.rules.compile import Candidates
from notifier.rules.conditions import asks_of_time
from notifier.rules.facts import birthday_in
from notifier.rules.rule import Conditions, Length, Rule
from notifier.store.candidates import Standing, read_standings
from notifier.store.engine import reading
from notifier.store.subjects import read_offices

#: The longest span asked about at once, in days; a power of two, so that spans of all tests are the same ones.
LONGEST_SPAN = 64
MOMENT = timedelta(microseconds=1)


def next_planning(stage: Stage, after: datetime, until: datetime) -> datetime | None:
    """The first beginning of an office's day after an instant on which a rule may have something to plan."""
    found = []
    with reading(stage.engine) as connection:
        offices, standings = read_offices(connection).values(), read_standings(connection)
    for office in offices:
        calendar = stage.app.calendar_of(office)
        first = (calendar.day_of(after) + timedelta(days=1)).toordinal()
        last = calendar.day_of(until).toordinal()
        subjects = standings.get(office.id)
        day = _first_busy(stage, subjects, calendar, first, last) if subjects else None
        if day is not None:
            found.append(calendar.start_of(day))
    return min(found, default=None)


def _first_busy(
    stage: Stage, subjects: Sequence[Standing], calendar: OfficeCalendar, day: int, last: int
) -> date | None:
    while day <= last:
        size = LONGEST_SPAN
        while day % size:
            size //= 2
        while _is_busy(stage, subjects, calendar, day, size):
            if size == 1:
                return date.fromordinal(day)
            size //= 2
        day += size
    return None


def _is_busy(stage: Stage, subjects: Sequence[Standing], calendar: OfficeCalendar, day: int, size: int) -> bool:
    """Whether a rule may concern a subject of the office within so many days."""
    return any(
        subject.is_let_through(question)
        for rule in stage.app.rules.rules
        if rule.enabled and rule.applies_at(calendar.office.code)
        for question in _questions(stage, rule, calendar, day, size)
        for subject in subjects
    )


def _questions(stage: Stage, rule: Rule, calendar: OfficeCalendar, day: int, size: int) -> list[Candidates]:
    first, last = date.fromordinal(day), date.fromordinal(day + size)
    after, until = calendar.start_of(first) - MOMENT, calendar.start_of(last) - MOMENT
    return stage.theatre.candidates(rule, calendar, stage.app.rules, after=after, until=until)


def known_turns(stage: Stage, scene: Scene) -> list[datetime]:
    """Instants at which an answer may change that no step counts from: roles, coming of age, conditions in minutes."""
    everything = scene.registered
    zones = {ZoneInfo(str(one.values["zone"])) for one in scene.given.offices if "zone" in one.values}
    days = {day for one in everything for day in _days_of(one, stage.app.settings.adult_age)}
    turns = [
        datetime.combine(day, time(), tzinfo=zone).astimezone(scene.starts.tzinfo) for day in days for zone in zones
    ]
    lengths = [length for rule in stage.app.rules.rules if rule.enabled for length in _short_lengths(rule)]
    instants = {value for one in everything for value in _instants_of(one)}
    turns += [at + sign * length.stretch for at in instants for length in lengths for sign in (-1, 1)]
    if lengths:
        turns += instants
    # A line that holds "more than 3 hours ago" turns just after the instant.
    turns += [at + timedelta(minutes=1) for at in turns]
    return sorted({at for at in turns if scene.starts <= at <= scene.ends})


def _days_of(what: Registered, adult_age: int) -> Iterable[date]:
    for record in (*what.permits, *what.cases):
        for held in (one for roles in record.roles.values() for one in roles):
            if held.valid_from is not None:
                yield held.valid_from
            if held.valid_until is not None:
                yield held.valid_until + timedelta(days=1)
    for person in what.people:
        born = person.values.get("birth_date")
        if isinstance(born, date):
            yield birthday_in(born, born.year + adult_age)


def _instants_of(what: Registered) -> Iterable[datetime]:
    for record in what.cases:
        yield from (value for value in record.values.values() if isinstance(value, datetime))


def _short_lengths(rule: Rule) -> Iterable[Length]:
    lines: Conditions = (*rule.when, *rule.unless)
    lines += tuple(line for step in rule.steps for line in (*step.when, *step.unless))
    for line in asks_of_time(lines):
        length: Length | None = getattr(line.test, "length", None)
        if length is not None and length.is_short:
            yield length
