"""The crowd: the many permits of a day that differ in their persons only, decided on without a subject of each.

Rows of the register are sorted by what a rule reads of them; `decide` is asked about the first of each sort, and the
rows of the outbox for all others are its answer with their own ids. Whoever is out of the ordinary is left to the
planner: told something that still waits, a date corrected, another document or case that has a say.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from notifier.calendar.office import OfficeCalendar
from notifier.concerned import Concerned
from notifier.model import Entry, Office, OfficeId, Subject, SubjectKind
from notifier.reconcile import Add, changes, is_pending, notification_row
from notifier.rules.alike import Alike
from notifier.rules.outline import Outline, outline_of
from notifier.rules.rule import Rule, RuleSet
from notifier.store.outlines import HEAD, Outlines, as_stored, read_outlines
from notifier.store.planned import Planned, planned
from notifier.store.subjects import read_offices, read_subjects

log = logging.getLogger(__name__)

#: So many sorts are remembered; then all of them are forgotten.
REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of a part: rows to be added, how many subjects that was, and whom the planner must look at."""

    rows: Sequence[Planned]
    subjects: int
    rest: Concerned


class _Draft(NamedTuple):
    """A row to be added to the outbox, the persons by their places among those of the subject."""

    head: tuple[Any, ...]
    party: int
    in_place_of: int | None
    cycle: str
    shared: tuple[Any, ...]


class _Where(NamedTuple):
    """An office as far as it matters: those with one `number` compute alike."""

    office: Office
    calendar: OfficeCalendar
    number: int
    today: date
    stored: Any  # today, in the form in which rows have days


#: The drafts for one of a sort; None: the planner must look at each of it.
_Answer = tuple[_Draft, ...] | None
#: Id, parties and office of a permit.
_Member = tuple[int, tuple[int, ...], int]


@dataclass(slots=True)
class _Sort:
    """Permits that are alike in what one rule reads; the ledger is that of the first."""

    rule: Rule
    key: Hashable
    ledger: Sequence[Entry]
    members: list[_Member] = field(default_factory=list)


class Crowd:
    """Lives as long as one plan."""

    def __init__(self, rules: RuleSet, alike: Alike, until: Callable[[Office], datetime]) -> None:
        """`until`: the end of an office's today."""
        self._alike, self._until = alike, until
        self._rules = {rule.name: rule for rule in rules.rules}
        self._outlines: dict[tuple[str, int, str], Outline | None] = {}
        self._answers: dict[Hashable, _Answer] = {}
        self._where: dict[int, _Where] = {}
        self._offices: Mapping[OfficeId, Office] = {}

    def settle(self, connection: Connection, part: Concerned) -> Settled:
        """What to add for a part, on a connection that sees one snapshot. A subject counts here or among the rest."""
        rest: Concerned = {}
        names: dict[int, set[str]] = {}
        for (kind, key), asked in part.items():
            if asked is not None and kind is SubjectKind.PERMIT and self._alike.share:
                names[key] = asked
            else:
                rest[kind, key] = asked
        if not names:
            return Settled((), 0, rest)
        found = read_outlines(connection, list(names))
        left: dict[int, set[str]] = defaultdict(set)
        sorts = self._sorted(connection, found, names, left)
        rows: list[Planned] = []
        for sort, drafts in zip(sorts, self._answered(connection, sorts), strict=True):
            if drafts is None:
                for key, _, _ in sort.members:
                    left[key].add(sort.rule.name)
                continue
            for head, to, instead_of, cycle, shared in drafts:
                rows += [
                    (head, key, who[to], None if instead_of is None else who[instead_of], office, cycle, shared)
                    for key, who, office in sort.members
                ]
        rest.update(((SubjectKind.PERMIT, key), asked) for key, asked in left.items())
        return Settled(rows, len(found.rows) - len(left), rest)

    def _sorted(
        self, connection: Connection, found: Outlines, names: Mapping[int, set[str]], left: dict[int, set[str]]
    ) -> Sequence[_Sort]:
        """The permits by their sorts; into `left` those that an outline cannot tell enough of, with who asks."""
        sorts: dict[Hashable, _Sort] = {}
        for row in found.rows:
            key, office, holder, zone, born, died, kind, *_ = row
            where = self._where.get(office) or self._where_is(connection, office)
            parties, held = _persons(holder, found.roles.get(key, ()), where.stored)
            if key in found.corrected or len(set(parties)) < len(parties):  # one person in two roles
                left[key] |= names[key]
                continue
            values, entries = row[len(HEAD) :], found.entries.get(key, ())
            others, cases = found.others.get(key, ()), found.cases.get(holder, ())
            for name in names[key]:
                outline = self._outline(name, where, kind)
                ledger = [entry for entry in entries if entry.rule == name] if entries else ()
                if outline is None or outline.refuses(others, cases) or any(map(is_pending, ledger)):
                    left[key].add(name)
                    continue
                birth = outline.birth(born), died is not None
                sort_key = (
                    name,
                    where.number,
                    zone,
                    held,
                    birth,
                    outline.values(values),
                    self._told(name, ledger, parties, where),
                )
                sort = sorts.get(sort_key)
                if sort is None:
                    sort = sorts[sort_key] = _Sort(self._rules[name], sort_key, ledger)
                sort.members.append((key, parties, office))
        return list(sorts.values())

    def _told(self, name: str, ledger: Sequence[Entry], parties: Sequence[int], where: _Where) -> Hashable:
        if not ledger:
            return None
        places = {party: place for place, party in enumerate(parties)}
        return self._alike.reads_of(self._rules[name]).told(ledger, places, where.calendar)

    def _answered(self, connection: Connection, sorts: Sequence[_Sort]) -> list[_Answer]:
        if len(self._answers) >= REMEMBERED:
            self._answers.clear()
        fresh = [sort for sort in sorts if sort.key not in self._answers]
        firsts = {sort.members[0][0] for sort in fresh}
        subjects = read_subjects(connection, SubjectKind.PERMIT, firsts, self._offices, with_contacts=False)
        for sort in fresh:
            self._answers[sort.key] = self._drafts(sort, subjects[sort.members[0][0]])
        return [self._answers[sort.key] for sort in sorts]

    def _drafts(self, sort: _Sort, subject: Subject) -> _Answer:
        """What is to be added for the first of a sort."""
        until = self._until(subject.office)
        try:
            decisions = self._alike.decide(sort.rule, subject, sort.ledger, until=until)
        except Exception:  # the planner asks about each by itself, and says so of those that are wrong
            log.debug("a sort of permits could not be decided on", exc_info=True)
            return None
        needed = changes(decisions, sort.ledger, until)
        _, parties, _ = sort.members[0]
        places: dict[int | None, int | None] = {party: place for place, party in enumerate(parties)}
        drafts: list[_Draft] = []
        for change in needed:
            if not isinstance(change, Add):
                return None
            row = planned(notification_row(subject, sort.rule, change.decision, self._alike.now))
            head, _, party, instead_of, _, cycle, shared = row
            drafts.append(_Draft(head, places[party] or 0, places.get(instead_of), cycle, shared))
        return tuple(drafts)

    def _where_is(self, connection: Connection, office_id: int) -> _Where:
        if OfficeId(office_id) not in self._offices:
            self._offices = read_offices(connection)
        office = self._offices[OfficeId(office_id)]
        calendar, number = self._alike.class_of(office)
        today = calendar.day_of(self._alike.now)
        self._where[office_id] = found = _Where(office, calendar, number, today, as_stored(connection, today))
        return found

    def _outline(self, name: str, where: _Where, kind: str) -> Outline | None:
        known = name, where.number, kind
        if known not in self._outlines:
            rule, code = self._rules[name], where.office.code
            is_text = isinstance(where.stored, str)
            self._outlines[known] = (
                outline_of(self._alike.reads_of(rule), code, kind, where.today, date.isoformat if is_text else _same)
                if rule.applies_at(code)
                else None
            )
        return self._outlines[known]


def _same(day: date) -> date:
    return day


def _persons(holder: int, roles: Sequence[tuple[Any, ...]], today: Any) -> tuple[tuple[int, ...], tuple[Hashable, ...]]:
    """The parties of a permit, and in which role each of them is today, or was, or will be."""
    if not roles:
        return (holder,), ()
    held = tuple(
        [
            (role, begins is not None and begins > today, ends is not None and ends < today, zone)
            for role, _, begins, ends, zone in roles
        ]
    )
    return (holder, *[role[1] for role in roles]), held
