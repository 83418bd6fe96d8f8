"""The register as a simulation walks through it: in stretches of ids, and only what a rule can concern."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select, union_all

from notifier.calendar.office import OfficeCalendar
from notifier.model import Channel, Entry, Office, OfficeId, Subject, SubjectKind
from notifier.rules.compile import Candidates, candidates, everything
from notifier.rules.reads import Span, office_class_of
from notifier.rules.rule import AtOnce, Moves, Rule, RuleSet
from notifier.store import tables as t
from notifier.store.candidates import due_subjects
from notifier.store.subjects import read_entries, read_in_force, read_subjects
from notifier.store.suppressions import Address

#: So many ids of a table are asked about at a time, and so many subjects are read at a time.
IDS_AT_ONCE = 20_000
SUBJECTS_AT_ONCE = 1_000

CalendarOf = Callable[[Office], OfficeCalendar]
InForce = Mapping[tuple[str, str], datetime]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A range of ids of one kind, both ends included: one piece of work, or the share of one hand of several."""

    kind: SubjectKind
    first: int
    last: int
    hand: int = 0
    hands: int = 1


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of each stretch for one rule, at the offices for which it is the same."""

    rule: str
    office_ids: tuple[OfficeId, ...]
    candidates: Candidates
    moved: frozenset[str] = frozenset()  # not empty: only subjects of which one of these dates has moved


def stretches(connection: Connection) -> list[Stretch]:
    """The whole register, in pieces."""
    found = []
    for kind in SubjectKind:
        column = t.SUBJECTS[kind].c.id
        first, last = connection.execute(select(func.min(column), func.max(column))).one()
        if first is not None:
            lows = range(first, last + 1, IDS_AT_ONCE)
            found += [Stretch(kind, low, min(low + IDS_AT_ONCE - 1, last)) for low in lows]
    return found


def share_of(connection: Connection, stretch: Stretch, ids: Collection[int]) -> list[int]:
    """Those of the ids of a stretch that its hand takes, in order.

    Permits that end on one day go to one hand: they have their answers in common, and each is worked out once.
    """
    if stretch.hands == 1:
        return sorted(ids)
    turns = {key: key for key in ids}
    if stretch.kind is SubjectKind.PERMIT:
        permit = t.permit.c
        ends = select(permit.id, permit.expiry).where(permit.id.between(stretch.first, stretch.last))
        turns |= {row.id: row.expiry.toordinal() for row in connection.execute(ends) if row.expiry is not None}
    return sorted(key for key in ids if turns[key] % stretch.hands == stretch.hand)


def in_force_of(connection: Connection, rules: RuleSet, since: datetime, *, is_past: bool) -> InForce:
    """Since when each step is in force; what never was, and in the past everything, begins with the span (S44)."""
    known = {} if is_past else read_in_force(connection)
    return {
        (rule.name, step.name): known.get((rule.name, step.name), since) for rule in rules.rules for step in rule.steps
    }


def questions(
    rules: RuleSet,
    offices: Collection[Office],
    calendar_of: CalendarOf,
    in_force: InForce,
    span: Span,
    plays: Callable[[Rule], bool],
    *,
    narrow: bool = True,
) -> list[Question]:
    """Which subjects the rules that play can tell anything in the span: wider than the rules, never narrower.

    Without `narrow` each rule is asked about everything it can ever concern.
    """
    groups: dict[object, list[Office]] = defaultdict(list)
    for office in offices:
        groups[office_class_of(office, calendar_of(office), rules)].append(office)
    at: dict[tuple[str, Candidates, frozenset[str]], tuple[OfficeId, ...]] = defaultdict(tuple)
    for group in groups.values():
        for rule in rules.rules:
            ids = tuple(office.id for office in group if rule.applies_at(office.code))
            if plays(rule) and ids:
                calendar = calendar_of(group[0])
                asked = _of_rule(rule, rules, calendar, in_force, span) if narrow else [everything(rule)]
                for one in asked:
                    at[rule.name, one, frozenset()] += ids
                moving = frozenset(step.send.anchor.name for step in rule.steps if isinstance(step.send, Moves))
                if narrow and moving:
                    at[rule.name, everything(rule), moving] += ids
    return [Question(rule, ids, one, moved) for (rule, one, moved), ids in at.items()]


def _of_rule(rule: Rule, rules: RuleSet, calendar: OfficeCalendar, in_force: InForce, span: Span) -> list[Candidates]:
    if any(isinstance(step.send, AtOnce) for step in rule.steps):
        return [everything(rule)]  # they count from what the register learned, at any time before
    after = min((in_force[rule.name, step.name] for step in rule.steps), default=span.since) - timedelta(days=1)
    asked = candidates(rule, calendar, rules, after=min(after, span.since - timedelta(days=1)), until=span.until)
    return [everything(rule)] if any(one.field is None for one in asked) else _hulls(asked)


def _hulls(asked: Sequence[Candidates]) -> list[Candidates]:
    """One question for all steps that ask about the same date: a wider interval costs less than many narrow ones."""
    of_field: dict[tuple[str | None, type], list[Candidates]] = defaultdict(list)
    for one in asked:
        of_field[one.field, type(one.low)].append(one)  # days and instants cannot be compared
    return [
        replace(few[0], low=min(one.low for one in few if one.low), high=max(one.high for one in few if one.high))
        for few in of_field.values()
    ]


def subjects_of(
    connection: Connection,
    stretch: Stretch,
    asked: Sequence[Question],
    offices: Mapping[OfficeId, Office],
    *,
    with_ledger: bool,
) -> Iterator[tuple[Subject, list[Entry], Collection[str]]]:
    """The subjects of a stretch that the questions let through, each with its ledger and the rules that asked."""
    found: dict[int, set[str]] = defaultdict(set)
    for question in asked:
        if question.candidates.subject is stretch.kind:
            for key in _let_through(connection, stretch, question):
                found[key].add(question.rule)
    ids = share_of(connection, stretch, found)
    for start in range(0, len(ids), SUBJECTS_AT_ONCE):
        part = ids[start : start + SUBJECTS_AT_ONCE]
        entries = read_entries(connection, stretch.kind, part) if with_ledger else {}
        for key, subject in read_subjects(connection, stretch.kind, part, offices).items():
            yield subject, entries.get(key, []), found[key]


def _let_through(connection: Connection, stretch: Stretch, question: Question) -> Collection[int]:
    bounds = (stretch.first, stretch.last)
    if not question.moved:
        return due_subjects(connection, question.candidates, question.office_ids, within=bounds)
    seen = t.seen.c
    of_kind = (seen.subject_kind == stretch.kind.value) & seen.subject_id.between(*bounds)
    values = select(seen.subject_id).where(of_kind, seen.field.in_(question.moved))
    repeated = values.group_by(seen.subject_id, seen.field).having(func.count() > 1)
    moved = set(connection.execute(repeated).scalars())
    return moved and moved.intersection(
        due_subjects(connection, question.candidates, question.office_ids, within=bounds)
    )


def told_of_several(connection: Connection) -> frozenset[int]:
    """Parties that may be told of more than one subject: what they get must be put together."""
    mentions = union_all(
        *(select(table.c.holder_id.label("party_id")) for table in t.SUBJECTS.values()), select(t.role.c.party_id)
    ).subquery()
    several = select(mentions.c.party_id).group_by(mentions.c.party_id).having(func.count() > 1)
    found = set(connection.execute(several).scalars())
    told_for_others = (t.party.c.household.is_not(None)) | t.party.c.number.startswith("desk:")
    found.update(connection.execute(select(t.party.c.id).where(told_for_others)).scalars())
    return frozenset(found)


def refused_addresses(connection: Connection) -> frozenset[Address]:
    """Every address that may not be written to now."""
    held = select(t.suppression.c.channel, t.suppression.c.address).where(t.suppression.c.lifted_at.is_(None))
    return frozenset((Channel(row.channel), row.address) for row in connection.execute(held))
