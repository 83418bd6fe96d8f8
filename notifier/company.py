"""Company: what would leave in one message with a decision, worked out before any of it is in hand. Reads only."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from sqlalchemy import Connection, select

from notifier.batch import Bundle
from notifier.calendar.office import OfficeCalendar
from notifier.merge import Going, may_travel, parcels
from notifier.model import Entry, NotificationId, NotificationState, Party, Subject
from notifier.rules.decide import decide
from notifier.rules.decision import Decision, Ground, Verdict
from notifier.rules.rule import Rule
from notifier.store import tables as t
from notifier.store.claims import WAITS_FOR_ITSELF, Claimed
from notifier.store.subjects import read_entries, read_offices, read_subjects, subjects_of_party

#: What is not in the outbox yet is numbered from here on, after all that is.
NOT_YET_PLANNED = 2**62


@dataclass(frozen=True, slots=True)
class Together:
    """One message to be: whose decision words it, about which subject, and what else it tells."""

    decision: Decision
    subject: Subject
    others: tuple[Subject, ...] = ()


class Company:
    """Finds what the people of one rule and subject would be told in the same message (S77, S80)."""

    def __init__(self, connection: Connection, rule: Rule, calendar: OfficeCalendar, ground: Ground) -> None:
        self.connection = connection
        self.rule, self.calendar, self.ground = rule, calendar, ground
        self._numbers = count(NOT_YET_PLANNED)

    def of(self, decision: Decision, subject: Subject, entries: Sequence[Entry], *, now: datetime) -> Together:
        """The message that a decision would leave in; alone when nothing else goes with it."""
        alone = Together(decision, subject)
        if decision.recipient is None or decision.verdict is Verdict.NOT or self.rule.separate:
            return alone
        at = max(now, decision.leaves_at or now)
        today = self.calendar.day_of(at)
        known = [(subject, entries), *self._neighbours(decision.recipient.party, subject)]
        travelling = [
            one
            for other, ledger in sorted(known, key=lambda pair: pair[0].id)  # as they are planned
            for one in self._going(other, ledger, at)
            if may_travel(one, self.calendar, today)
        ]
        for parcel in parcels(travelling):
            told = [one for one in parcel.members if one.bundle.subject is not None]
            if any(one.decision.key == decision.key and one.bundle.subject is subject for one in told):
                leader, *rest = told
                return Together(leader.decision, _subject(leader), tuple(_subject(one) for one in rest))
        return alone

    def _neighbours(self, party: Party, subject: Subject) -> Iterator[tuple[Subject, Sequence[Entry]]]:
        """The other subjects of the person, or of the household, at the same office."""
        offices = read_offices(self.connection)
        keys = [key for kind, key in subjects_of_party(self.connection, self._persons(party)) if kind is subject.kind]
        keys = [key for key in keys if key != subject.id]
        entries = read_entries(self.connection, subject.kind, keys)
        for key, other in read_subjects(self.connection, subject.kind, keys, offices).items():
            if other.office.id == subject.office.id:
                yield other, entries.get(key, [])

    def _persons(self, party: Party) -> Iterable[int]:
        if party.household is None:
            return [party.id]
        return self.connection.execute(select(t.party.c.id).where(t.party.c.household == party.household)).scalars()

    def _going(self, subject: Subject, ledger: Sequence[Entry], at: datetime) -> Iterator[Going]:
        rows = {entry.key: entry for entry in ledger if entry.rule == self.rule.name}
        for decision in decide(self.rule, subject, ledger, now=at, ground=self.ground):
            entry = rows.get(decision.key)
            waits_apart = entry is not None and entry.reason in WAITS_FOR_ITSELF
            if decision.recipient is None or decision.verdict is Verdict.NOT or waits_apart:
                continue
            claimed = self._claimed(subject, decision, decision.recipient.party, decision.recipient.role, entry, at)
            yield Going(Bundle(claimed, self.rule, subject, tuple(ledger), (), frozenset(), {}), decision)

    def _claimed(
        self, subject: Subject, decision: Decision, party: Party, role: str, entry: Entry | None, at: datetime
    ) -> Claimed:
        return Claimed(
            id=entry.id if entry else NotificationId(next(self._numbers)),
            rule=self.rule.name,
            step=decision.step.name,
            occurrence=decision.occurrence,
            subject_kind=subject.kind.value,
            subject_id=subject.id,
            cycle=decision.cycle,
            party_id=party.id,
            role=role,
            office_id=subject.office.id,
            state=NotificationState.SCHEDULED,
            moment=decision.moment or at,
            useful_until=decision.useful_until,
            urgent=decision.step.urgent,
            capped=False,
            forced=entry.forced if entry else False,
            attempt=0,
            rung=0,
            rungs=len(decision.step.via),
            tries=0,
            first_sent_at=None,
            told_at=None,
            reason=None,
        )


def _subject(one: Going) -> Subject:
    if one.bundle.subject is None:
        raise ValueError("what goes is about a subject")
    return one.bundle.subject
