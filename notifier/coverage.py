"""Coverage: permits that will expire and cases that will lapse with nobody to be told of it before, and why."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, or_, select

from notifier.model import Channel, Entry, OfficeId, Party, Reason, Subject, SubjectKind
from notifier.rules.conditions import all_hold, words_asked
from notifier.rules.decide import decide
from notifier.rules.decision import Decision, Ground, Verdict
from notifier.rules.facts import View
from notifier.rules.rule import Moves, Rule
from notifier.simulate.reads import Period
from notifier.simulate.register import SUBJECTS_AT_ONCE, Stretch, refused_addresses, share_of
from notifier.simulate.walk import Stage, Told, Walker, connected, in_processes, parts_of
from notifier.store import tables as t
from notifier.store.subjects import read_entries, read_subjects
from notifier.store.suppressions import Address

#: Numbers shown for each line of the table.
EXAMPLES = 3
#: The date at which a case lapses, by its state: field of the language, column of the table.
LAPSES: Mapping[str, tuple[str, str]] = {
    "awaiting payment": ("payment deadline", "payment_due_at"),
    "documents required": ("documents deadline", "documents_due_on"),
    "scheduled": ("appointment", "appointment_at"),
    "ready for collection": ("collection deadline", "collect_by"),
}
#: Permits nobody needs to be told of any more.
ENDED = frozenset({"renewed", "renewal protected", "departed", "cancelled"})


class Why(StrEnum):
    """Why nothing lies ahead. The order is that in which several reasons of one subject are weighed."""

    TOLD = "told everything already"
    POINTLESS = "pointless"
    DECEASED = "holder deceased"
    OPTED_OUT = "opted out everywhere"
    NO_ADDRESS = "no usable address"
    NOBODY = "nobody to tell"
    MISSING_DATE = "missing date"
    PAST = "past all steps"
    ONLY_AFTER = "told only after the end"
    OFFICE = "office excluded"
    DISABLED = "rule switched off"
    NO_RULE = "no rule for it"


#: What is as it should be.
NO_GAPS = frozenset({Why.TOLD, Why.POINTLESS})

OF_DECISION: Mapping[Reason, Why] = {
    Reason.TOLD: Why.TOLD,
    Reason.POINTLESS: Why.POINTLESS,
    Reason.HOLDER_DECEASED: Why.DECEASED,
    Reason.NOBODY: Why.NOBODY,
    Reason.AUTHORITY_ENDED: Why.NOBODY,
    Reason.NO_DATE: Why.MISSING_DATE,
    Reason.SPENT: Why.PAST,
    Reason.TOLD_TODAY: Why.PAST,
    Reason.AFTER_DEADLINE: Why.PAST,
    Reason.TOO_LATE: Why.PAST,
    Reason.NOT_IN_FORCE: Why.PAST,
    Reason.SWITCHED_OFF: Why.DISABLED,
    Reason.OTHER_OFFICE: Why.OFFICE,
}


@dataclass(slots=True)
class Coverage:
    """How many are told in time, and of the others the reasons by type of document or service."""

    covered: int = 0
    counts: Counter[tuple[Why, str]] = field(default_factory=Counter)
    examples: dict[tuple[Why, str], list[str]] = field(default_factory=dict)
    numbers: list[str] = field(default_factory=list)  # those of the one reason that was asked for
    undecided: int = 0

    @property
    def gaps(self) -> int:
        """How many will end in silence that should not."""
        return sum(count for (why, _), count in self.counts.items() if why not in NO_GAPS)

    def take(self, other: "Coverage") -> None:
        """Take in what another process found."""
        self.covered += other.covered
        self.undecided += other.undecided
        self.counts.update(other.counts)
        self.numbers += other.numbers
        for key, found in other.examples.items():
            self.examples[key] = (self.examples.get(key, []) + found)[:EXAMPLES]


def coverage(stage: Stage, *, listed: Why | None = None, processes: int = 1) -> Coverage:
    """Everything that ends within the period of a stage, looked at with its rules. Writes nothing."""
    first, *others = in_processes(partial(coverage_of, stage, listed), parts_of(stage, processes))
    for other in others:
        first.take(other)
    first.numbers.sort()
    return first


def coverage_of(stage: Stage, listed: Why | None, parts: Sequence[Stretch]) -> Coverage:
    """The same for some stretches of the register."""
    found = Coverage()
    with connected(stage) as connection:
        look = _Look(stage, Walker(stage, connection), refused_addresses(connection))
        for stretch in parts:
            for subject, entries in _ending(connection, stretch, look):
                why = look.why(subject, entries)
                if why is None:
                    found.covered += 1
                    continue
                key = why, str(subject.facts.get("type") or subject.facts.get("service"))
                found.counts[key] += 1
                few = found.examples.setdefault(key, [])
                if len(few) < EXAMPLES:
                    few.append(subject.number)
                if why is listed:
                    found.numbers.append(subject.number)
        found.undecided = look.walker.courses.undecided
    return found


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at each subject that ends."""

    stage: Stage
    walker: Walker
    refused: frozenset[Address]

    def why(self, subject: Subject, entries: Sequence[Entry]) -> Why | None:
        """None when somebody will be told in time."""
        ends = self._ends_on(subject)
        told = self.walker.told(subject, entries)
        parties = [
            (parties[telling.slot], self.stage.rules.rules[number].steps[telling.step].via)
            for number, course, parties in told
            for telling in course
            if not _is_staff(telling.role) and (ends is None or telling.day <= ends)
        ]
        reached = [self._reach(party, {one for rung in via for one in rung.channels}) for party, via in parties]
        if None in reached:
            return None
        if reached:
            return Why.OPTED_OUT if Why.OPTED_OUT in reached else Why.NO_ADDRESS
        return self._first_reason(subject, entries, told)

    def _reach(self, party: Party, channels: set[Channel]) -> Why | None:
        usable = [one for one in party.contacts if one.usable and one.channel in channels]
        if not usable:
            return Why.NO_ADDRESS
        return None if any((one.channel, one.address) not in self.refused for one in usable) else Why.OPTED_OUT

    def _first_reason(self, subject: Subject, entries: Sequence[Entry], told: Sequence[Told]) -> Why:
        calendar = self.walker.calendar_of(subject.office)
        rules = self.stage.rules
        ground = Ground(calendar, rules, self.walker.in_force, self.stage.adult_age)
        view = View(subject, self.stage.period.span.since, calendar, rules)
        if subject.kind is SubjectKind.PERMIT and view.value("status") in ENDED:
            return Why.POINTLESS
        found = {Why.ONLY_AFTER} if told else set()
        if self._lacks_date(subject):
            found.add(Why.MISSING_DATE)
        for rule in rules.rules:
            if rule.subject is subject.kind and _may_concern(rule, subject):
                found.update(self._reasons(rule, subject, entries, ground))
        return next(why for why in Why if why in found or why is Why.NO_RULE)

    def _reasons(self, rule: Rule, subject: Subject, entries: Sequence[Entry], ground: Ground) -> Iterator[Why]:
        now = self.stage.period.span.since
        view = View(subject, now, ground.calendar, ground.rules, rule)
        if not rule.enabled or not rule.applies_at(subject.office.code):
            if all_hold(rule.when, view):
                yield Why.DISABLED if not rule.enabled else Why.OFFICE
            return
        decisions = decide(rule, subject, entries, now=now, ground=ground)
        later = [one.leaves_at for one in decisions if one.verdict is Verdict.LATER and one.leaves_at is not None]
        if later:  # it waits, and yet will not leave: what is in its way is there on its own day
            decisions += decide(rule, subject, entries, now=min(later), ground=ground)
        yield from _of_people(decisions)

    def _lacks_date(self, subject: Subject) -> bool:
        document = self.stage.rules.documents.get(str(subject.facts.get("type")))
        if subject.kind is SubjectKind.PERMIT:
            return document is not None and document.needs_expiry and subject.facts.get("expiry") is None
        return self._ends_on(subject) is None

    def _ends_on(self, subject: Subject) -> date | None:
        word = "expiry"
        if subject.kind is SubjectKind.CASE:
            word = LAPSES[str(subject.facts.get("state"))][0]
        value = subject.facts.get(word)
        if isinstance(value, datetime):
            return self.walker.calendar_of(subject.office).day_of(value)
        return value if isinstance(value, date) else None


def _of_people(decisions: Sequence[Decision]) -> Iterator[Why]:
    """Reasons of steps that tell anybody outside the office; what was told to officers covers nobody."""
    for one in decisions:
        role = one.recipient.role if one.recipient is not None else ""
        if one.reason is Reason.NO_DATE and isinstance(one.step.send, Moves):
            continue  # no date of it has moved, that is all
        if one.reason in OF_DECISION and not _is_staff(role) and not all(map(_is_staff, one.step.to)):
            yield OF_DECISION[one.reason]


def _is_staff(role: str) -> bool:
    return role == "officer" or role.endswith("desk")


def _may_concern(rule: Rule, subject: Subject) -> bool:
    types = words_asked(rule.when, "type")
    if types is not None and subject.facts.get("type") not in types:
        return False
    return not rule.stays or subject.facts.get("state") in rule.stays


def _ending(connection: Connection, stretch: Stretch, look: _Look) -> Iterator[tuple[Subject, list[Entry]]]:
    offices = look.walker.offices
    only = look.stage.only_offices
    ids = [key for key, office in offices.items() if not only or office.code in only]
    ending = connection.scalars(_question(stretch, ids, look.stage.period, look)).all()
    found = share_of(connection, stretch, ending)
    for start in range(0, len(found), SUBJECTS_AT_ONCE):
        part = found[start : start + SUBJECTS_AT_ONCE]
        entries = read_entries(connection, stretch.kind, part)
        for key, subject in read_subjects(connection, stretch.kind, part, offices).items():
            yield subject, entries.get(key, [])


def _question(stretch: Stretch, offices: Sequence[OfficeId], period: Period, look: _Look) -> Select[Any]:
    """What ends within the period, and what must have an end and has none."""
    table = t.SUBJECTS[stretch.kind].c
    query = select(table.id).where(table.id.between(stretch.first, stretch.last), table.office_id.in_(offices))
    if stretch.kind is SubjectKind.PERMIT:
        dated = [one.name for one in look.stage.rules.documents.values() if one.needs_expiry]
        missing = table.expiry.is_(None) & table.type.in_(dated)
        return query.where(or_(table.expiry.between(period.first, period.last), missing))
    since, until = period.span.since, period.span.until
    lapsing = []
    for state, (_, column) in LAPSES.items():
        instant = column.endswith("_at")
        low, high = (since, until) if instant else (period.first, period.last)
        lapsing.append((table.state == state) & (table[column].is_(None) | table[column].between(low, high)))
    return query.where(or_(*lapsing), table.closed_at.is_(None))
