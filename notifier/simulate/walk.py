"""Walk through the register in one process or several, and hand each subject with what it is told to whoever counts."""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from multiprocessing import get_context
from typing import TypeVar

from sqlalchemy import Connection

from notifier.calendar.data import CalendarData
from notifier.calendar.office import OfficeCalendar, build_calendar
from notifier.model import Entry, Office, OfficeId, Party, Subject, SubjectKind
from notifier.rules.conditions import words_asked
from notifier.rules.rule import Rule, RuleSet
from notifier.simulate.courses import Course, Courses
from notifier.simulate.reads import Period
from notifier.simulate.register import (
    Question,
    Stretch,
    in_force_of,
    questions,
    refused_addresses,
    stretches,
    subjects_of,
    told_of_several,
)
from notifier.simulate.tally import Caps, Tally
from notifier.simulate.ways import Languages, Ways
from notifier.store.engine import open_engine, reading
from notifier.store.subjects import read_offices

#: What a rule (by its number) tells about a subject, and the parties its slots name.
Told = tuple[int, Course, Sequence[Party]]
#: Fewer stretches than this are not worth the start of a second process.
WORTH_A_PROCESS = 3

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything a walk stands on, in values that another process can be given."""

    database_url: str
    rules: RuleSet
    calendar_data: CalendarData
    period: Period
    adult_age: int = 18
    languages: Languages = field(default_factory=dict)
    caps: Caps = field(default_factory=Caps)
    only_rules: frozenset[str] | None = None  # None: all
    only_offices: frozenset[str] = frozenset()  # empty: all
    share: bool = True  # off: every rule is asked about every subject, each worked out by itself

    def plays(self, rule: Rule) -> bool:
        """Whether a rule is played through at all."""
        return rule.enabled and (self.only_rules is None or rule.name in self.only_rules)


class Walker:
    """One set of rules on one connection."""

    def __init__(self, stage: Stage, connection: Connection) -> None:
        self.stage, self.connection = stage, connection
        self._calendars: dict[OfficeId, OfficeCalendar] = {}
        in_force = in_force_of(connection, stage.rules, stage.period.span.since, is_past=stage.period.is_past)
        self.in_force = in_force
        self.courses = Courses(
            stage.rules, stage.period.span, self.calendar_of, in_force, adult_age=stage.adult_age, share=stage.share
        )
        self._rules = {kind: self._of_kind(kind) for kind in SubjectKind}

    @cached_property
    def offices(self) -> dict[OfficeId, Office]:
        """All offices of the register."""
        return read_offices(self.connection)

    @cached_property
    def questions(self) -> list[Question]:
        """What is asked of each stretch of the register."""
        only = self.stage.only_offices
        offices = [office for office in self.offices.values() if not only or office.code in only]
        return questions(
            self.stage.rules,
            offices,
            self.calendar_of,
            self.in_force,
            self.stage.period.span,
            self.stage.plays,
            narrow=self.stage.share,
        )

    def calendar_of(self, office: Office) -> OfficeCalendar:
        """The calendar of an office, built once."""
        if office.id not in self._calendars:
            self._calendars[office.id] = build_calendar(office, self.stage.calendar_data)
        return self._calendars[office.id]

    def told(self, subject: Subject, entries: Sequence[Entry], among: Collection[str] | None = None) -> list[Told]:
        """What all rules together (or those of these names) tell about a subject in the span."""
        kind, state = subject.facts.get("type"), subject.facts.get("state")
        found: list[Told] = []
        for number, rule, types in self._rules[subject.kind]:
            if (types and kind not in types) or (rule.stays and state not in rule.stays):
                continue
            if among is not None and rule.name not in among:
                continue
            if rule.applies_at(subject.office.code):
                course, parties = self.courses.of(rule, subject, entries)
                if course:
                    found.append((number, course, parties))
        return found

    def _of_kind(self, kind: SubjectKind) -> list[tuple[int, Rule, frozenset[str]]]:
        return [
            (number, rule, frozenset(words_asked(rule.when, "type") or ()))
            for number, rule in enumerate(self.stage.rules.rules)
            if rule.subject is kind and self.stage.plays(rule)
        ]


@contextmanager
def connected(stage: Stage) -> Iterator[Connection]:
    """A connection that cannot write."""
    engine = open_engine(stage.database_url)
    try:
        with reading(engine) as connection:
            yield connection
    finally:
        engine.dispose()


def count(stage: Stage, parts: Sequence[Stretch]) -> Tally:
    """Count some stretches of the register."""
    with connected(stage) as connection:
        walker = Walker(stage, connection)
        tally = tally_of(stage, connection)
        for stretch in parts:
            for subject, entries, among in subjects_of(
                connection, stretch, walker.questions, walker.offices, with_ledger=not stage.period.is_past
            ):
                tally.add(subject, walker.told(subject, entries, among))
        tally.close()
        tally.counts.kinds, tally.counts.undecided = walker.courses.kinds, walker.courses.undecided
        return tally


def tally_of(stage: Stage, connection: Connection) -> Tally:
    """An empty tally for the rules of a stage."""
    several, refused = told_of_several(connection), refused_addresses(connection)
    return Tally(stage.rules.rules, Ways(stage.languages), several, refused, stage.caps, stage.period)


def parts_of(stage: Stage, processes: int) -> list[list[Stretch]]:
    """The register's stretches for each of so many processes, or fewer: each takes its share of every stretch."""
    with connected(stage) as connection:
        found = stretches(connection)
    hands = min(processes, max(1, len(found) // WORTH_A_PROCESS))
    return [[replace(one, hand=hand, hands=hands) for one in found] for hand in range(hands)]


def in_processes(work: Callable[[Sequence[Stretch]], Answer], parts: Sequence[Sequence[Stretch]]) -> list[Answer]:
    """Do each part in a process of its own, a single one here. `work` must be a function another process can name."""
    if len(parts) < 2:
        return [work(part) for part in parts]
    # A fresh interpreter: a copy of this one would share its open connections.
    with ProcessPoolExecutor(len(parts), mp_context=get_context("spawn")) as pool:
        return list(pool.map(work, parts))


def together(tallies: Sequence[Tally]) -> Tally:
    """The tallies of several processes as one."""
    first, *others = tallies
    for other in others:
        first.take(other)
    return first
