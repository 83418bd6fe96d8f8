"""What of a subject has a say in one rule: two subjects that are alike in it are told the same, to the minute."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from typing import TypeVar

from notifier.calendar.office import OfficeCalendar
from notifier.model import Entry, Office, Party, RoleHeld, Subject, SubjectKind
from notifier.rules.facts import DERIVED, View, latest_birth
from notifier.rules.fields import RECIPIENTS
from notifier.rules.places import base_field
from notifier.rules.recipients import FRONT_DESK
from notifier.rules.rule import (
    Anchor,
    AtOnce,
    Condition,
    Exists,
    Group,
    Halfway,
    HolderHas,
    Length,
    Line,
    Missing,
    Moves,
    Number,
    Rule,
    RuleSet,
)
from notifier.rules.turning import conditions_of

AGE = "holder.age"
BIRTH = "birth date"
#: Stands for a role that begins only after the span, and for one that ended before it.
NEVER, OVER = "never", "over"
#: Whom a word of `to` may turn out to mean (S59, S63).
MEANT: Mapping[str, tuple[str, ...]] = {
    "holder": ("guardian",),
    "payer": ("payer", "guardian"),
    "officer": ("officer", FRONT_DESK),
}
#: Which stored fields decide a derived field of a permit without other documents or cases beside it.
BEHIND: Mapping[str, tuple[str, ...]] = {
    "status": ("status",),
    "extendable": ("extendable", "extensions left"),
    "open case": (),
    "case.service": (),
    "case.state": (),
    "holder.nationality": ("holder.nationality",),
    "holder.language": ("holder.language",),
    "holder.kind": ("holder.kind",),
}
#: The derived fields that its facts alone decide then.
PLAIN = frozenset(name for name in BEHIND if not name.startswith("holder."))

T = TypeVar("T")
#: A key, and the parties that its recipients are numbered by.
Kind = tuple[Hashable, tuple[Party, ...]]


@dataclass(frozen=True, slots=True)
class Span:
    """From one instant to another, both included and aware: the period that is played through, or only now."""

    since: datetime
    until: datetime


class Reads:
    """Everything about a subject that one rule can look at within a span."""

    def __init__(self, rule: Rule, rules: RuleSet, span: Span, adult_age: int) -> None:
        self.rule, self.rules, self.span = rule, rules, span
        conditions = conditions_of(rule, rule.steps)
        self.asked = frozenset(_fields(conditions))
        self.fields = sorted(self.asked - {AGE, *RECIPIENTS} - DERIVED)
        self.derived = sorted((self.asked & DERIVED) - {AGE, *RECIPIENTS})
        self.plain = self._plain()
        self.fields_of_others = sorted(set(_fields_of_others(conditions)))
        self.anchors = set(_found(rule, Anchor))
        self.is_halfway = any(isinstance(step.send, Halfway) for step in rule.steps)
        at_once = any(isinstance(step.send, AtOnce) for step in rule.steps)
        # What is sent at once goes by when each line came to hold, however long ago (S17).
        self.asks_changes = at_once
        self.asks_moves = any(isinstance(step.send, Moves) for step in rule.steps)
        # What has an instant goes by when its cycle began (S38).
        self.asks_beginnings = at_once or any(
            length.is_short for step in rule.steps for length in _found((step.send, rule.deadline), Length)
        )
        # A rule that silences this one looks at more of the subject than this one does.
        self.is_alone = any(other.enabled and rule.name in other.mutes for other in rules.rules)
        words = {word for step in rule.steps for word in step.to}
        asked = self.asked & set(RECIPIENTS)
        self.roles = {"holder"} | words | asked | {role for word in words for role in MEANT.get(word, ())}
        self.asks_role_days = at_once and bool(asked)
        self.ages = None if at_once and AGE in self.asked else _ages(conditions, adult_age)
        self._days: dict[str, tuple[date, date]] = {}
        self._latest: dict[date, list[date]] = {}  # the latest births of the ages that matter
        self._bases: dict[tuple[str, object], tuple[str, ...]] = {}

    def _plain(self) -> tuple[str, ...] | None:
        """The stored fields that say all of a permit without other documents or cases beside it; None: more does."""
        is_plain = self.rule.subject is SubjectKind.PERMIT and PLAIN.issuperset(self.derived)
        behind = {word for name in self.derived for word in BEHIND[name]} if is_plain else ()
        return (*self.fields, *sorted(behind)) if is_plain else None

    def at(self, span: Span) -> "Reads":
        """The same within another span; what does not depend on it is not worked out again."""
        other = copy(self)
        other.span, other._days, other._latest = span, {}, {}
        return other

    def kind_of(
        self, subject: Subject, entries: Sequence[Entry], calendar: OfficeCalendar, office_class: Hashable
    ) -> Kind:
        """The key of a subject, and its recipients in the order in which the key numbers them."""
        facts, kind = subject.facts, subject.facts.get("type")
        first, last = self._days.get(calendar.zone.key) or self._days_at(calendar)
        held, slots, parties = self._held(subject, first, last)
        bases = self._bases.get((subject.office.code, kind)) or self.bases_at(
            subject.office.code, None if kind is None else str(kind)
        )
        key: tuple[Hashable, ...] = (
            office_class,
            kind,
            held,
            self._birth(subject, BIRTH in bases, first, last),
            tuple(map(facts.get, bases)),
            self._values(subject, calendar),
        )
        if subject.kind is SubjectKind.CASE:
            stays = tuple((stay.state, stay.began_at, stay.ended_at) for stay in subject.stays)
            key += (stays, self._history(subject, bases))
        else:
            key += (self._history(subject, bases),)
        if self.asks_changes:
            key += (tuple(sorted((field, at) for field, at in subject.changed.items() if field in self.asked)),)
        if entries:
            key += (self.told(entries, slots, calendar),)
        if self.is_alone or (entries and subject.kind is SubjectKind.CASE):
            key += (subject.id,)
        return key, parties

    def _values(self, subject: Subject, calendar: OfficeCalendar) -> Hashable:
        """What conditions ask about."""
        facts = subject.facts
        if self.plain is not None and not subject.others and not subject.cases:
            return tuple(map(facts.get, self.plain))
        stored = tuple(map(facts.get, self.fields))
        if not self.derived and not self.fields_of_others:
            return stored
        view = View(subject, self.span.since, calendar, self.rules, self.rule)
        return stored, tuple([view.value(field) for field in self.derived]), self._others(view)

    def _days_at(self, calendar: OfficeCalendar) -> tuple[date, date]:
        """The days of the span on the clock of an office."""
        zone = calendar.zone.key
        if zone not in self._days:
            self._days[zone] = calendar.day_of(self.span.since), calendar.day_of(self.span.until)
        return self._days[zone]

    def _held(self, subject: Subject, first: date, last: date) -> tuple[Hashable, Mapping[int, int], tuple[Party, ...]]:
        """Roles with their days and clocks; the same party under the same number."""
        slots: dict[int, int] = {}
        parties: list[Party] = []
        held: list[Hashable] = []
        for one in subject.roles:
            if one.role not in self.roles:
                continue
            slot = slots.setdefault(one.party.id, len(parties))
            if slot == len(parties):
                parties.append(one.party)
            begins, ends = one.valid_from, one.valid_until
            if self.asks_role_days or (begins is None and ends is None):
                held.append((one.role, slot, begins, ends, one.party.zone))
            else:
                held.append((one.role, slot, *_days(one, first, last), one.party.zone))
        return tuple(held), slots, tuple(parties)

    def _birth(self, subject: Subject, is_anchor: bool, first: date, last: date) -> Hashable:
        holder = subject.holder
        if holder is None:
            return None
        born, is_dead = holder.birth_date, holder.deceased_on is not None
        if born is None or is_anchor or self.ages is None:
            return born, is_dead
        young = old = self._age(born, first)
        if first != last:
            old = self._age(born, last)
        return (young if young == old else born), is_dead

    def _age(self, born: date, day: date) -> int:
        """How many of the ages that matter somebody has reached on a day."""
        latest = self._latest.get(day)
        if latest is None:
            latest = self._latest[day] = [latest_birth(age, day) for age in self.ages or ()]
        return sum([born <= one for one in latest])

    def _others(self, view: View) -> Hashable:
        if not self.fields_of_others:
            return ()
        seen = []
        for facts in view.subject.others:
            other = view.other(facts)
            seen.append(tuple(other.value(field) for field in self.fields_of_others))
        return tuple(sorted(seen, key=repr))

    def _history(self, subject: Subject, bases: Sequence[str]) -> Hashable:
        """Values that a date had before; a date that never changed needs no history, unless its beginning counts."""
        found: list[Hashable] = []
        for field in bases:
            seen = subject.history.get(field, ())
            is_changed = len(seen) > 1 or (seen and seen[-1].value != subject.facts.get(field))
            if self.asks_beginnings or (self.asks_moves and is_changed):
                found.append((field, tuple((one.value, one.at) for one in seen)))
            elif is_changed:
                found.append((field, tuple(one.value for one in seen)))
        return tuple(found)

    def told(self, entries: Sequence[Entry], slots: Mapping[int, int], calendar: OfficeCalendar) -> Hashable:
        """The ledger of a subject as far as it has a say, with its recipients by their numbers."""
        is_exact = self.asks_moves or self.asks_beginnings
        return tuple(
            [
                (
                    one.step,
                    one.occurrence,
                    one.cycle,
                    slots.get(one.party_id, -1),
                    None if one.in_place_of is None else slots.get(one.in_place_of, -1),
                    one.state,
                    one.reason,
                    one.told_at if one.told_at is None or is_exact else calendar.day_of(one.told_at),
                    one.moment if is_exact else calendar.day_of(one.moment),
                )
                for one in entries
            ]
        )

    def bases_at(self, office: str, kind: str | None) -> tuple[str, ...]:
        """The register's own dates that the rule counts from for a type of document, windows looked through."""
        where = (office, kind)
        if where not in self._bases:
            found = {base_field(anchor, *where, self.rules, self.rule) or anchor.name for anchor in self.anchors}
            if self.is_halfway:  # begins at the issue (S16)
                found.add("issue")
            if self.asks_changes:  # what is sent at once counts from one of these (S47)
                found |= {"expiry", "issue"}
            self._bases[where] = tuple(sorted(found))
        return self._bases[where]


def office_class_of(office: Office, calendar: OfficeCalendar, rules: RuleSet) -> Hashable:
    """What of an office has a say in when something leaves: offices of one class share their subjects' answers."""
    own = any(code == office.code for code, _ in rules.windows)
    counters = tuple(not one.offices or office.code in one.offices for one in calendar.data.counter_hours)
    return (
        office.code if own else "",
        office.zone,
        office.country,
        office.opens_at,
        office.closes_at,
        office.weekdays,
        office.closed_days,
        office.working_days,
        counters,
        calendar.silent,
        calendar.silent_names,
        calendar.not_silent,
        calendar.silent_every_year,
    )


def _days(held: RoleHeld, first: date, last: date) -> tuple[date | str | None, date | str | None]:
    """The days of a role as far as they lie inside the span."""
    begins: date | str | None = held.valid_from
    ends: date | str | None = held.valid_until
    if held.valid_from is not None and not first < held.valid_from <= last:
        begins = None if held.valid_from <= first else NEVER
    if held.valid_until is not None and not first <= held.valid_until < last:
        ends = None if held.valid_until >= last else OVER
    return begins, ends


def _fields(conditions: Sequence[Condition]) -> Iterator[str]:
    for condition in conditions:
        match condition:
            case Line(field, _):
                yield field
            case Group(_, members):
                for member in members:
                    yield from _fields(member)


def _fields_of_others(conditions: Sequence[Condition]) -> Iterator[str]:
    for condition in conditions:
        match condition:
            case HolderHas(inner):
                yield from _fields(inner)
                yield from _fields_of_others(inner)
            case Group(_, members):
                for member in members:
                    yield from _fields_of_others(member)


def _ages(conditions: Sequence[Condition], adult_age: int) -> list[int] | None:
    """The birthdays that change an answer; None when only the date itself will do."""
    found = {adult_age}
    for condition in conditions:
        match condition:
            case Line(field, Number(_, years)) if field == AGE:
                found |= {years, years + 1}
            case Line(field, test) if field == AGE and not isinstance(test, Exists | Missing):
                return None
            case Group(_, members):
                for member in members:
                    inner = _ages(member, adult_age)
                    if inner is None:
                        return None
                    found.update(inner)
            case HolderHas(inner_conditions) if AGE in set(_fields(inner_conditions)):
                return None
    return sorted(found)


def _found(value: object, kind: type[T]) -> Iterator[T]:
    """Everything of a kind inside a rule, however deep."""
    if isinstance(value, kind):
        yield value
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _found(getattr(value, field.name), kind)
    elif isinstance(value, tuple):
        for one in value:
            yield from _found(one, kind)
