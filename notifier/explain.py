"""Explain: every rule and step for a subject on a date, with the first reason; and the story of what was told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from notifier.calendar.office import OfficeCalendar
from notifier.errors import NotifierError
from notifier.model import Entry, NotificationId, NotificationState, Office, Reason, StepKey, Subject, SubjectKind
from notifier.rules.decide import decide
from notifier.rules.decision import Decision, Ground, Verdict
from notifier.rules.rule import Rule, RuleSet
from notifier.store import tables as t
from notifier.store.deliveries import Delivery, deliveries_of, read_deliveries
from notifier.store.engine import reading
from notifier.store.subjects import (
    chunks,
    find_subjects,
    parties_at,
    read_entries,
    read_in_force,
    read_offices,
    read_parties,
    read_subjects,
)

#: Endings of which the reason in the ledger says more than today's decision.
ENDED = frozenset(
    {
        NotificationState.CANCELLED,
        NotificationState.SPENT,
        NotificationState.EXPIRED,
        NotificationState.SUPPRESSED,
        NotificationState.UNDELIVERABLE,
    }
)

#: What holds a message although the rule would let it go.
HELD = frozenset(
    {
        Reason.CAP,
        Reason.APPROVAL,
        Reason.LIMIT,
        Reason.ENVELOPE,
        Reason.RETRY,
        Reason.CHANNEL_STOPPED,
    }
)

#: In which order things are told that happened at one instant; the endings come last.
ORDER = {
    what: place
    for place, what in enumerate(("planned", "planned again", "moved", "held", "accepted", "failed", "sent", "receipt"))
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One step of one rule for one recipient: what the law says now, and what the ledger says happened."""

    rule: Rule
    decision: Decision
    entry: Entry | None
    ended_because: str | None
    deliveries: tuple[Delivery, ...] = ()
    told_to: str | None = None  # the name of who was told

    @property
    def words(self) -> str:
        """The answer in a few words: "cancelled: status: renewal protected", "not yet", "told"."""
        if self.entry is not None and self.entry.state in ENDED:
            return f"{self.entry.state}: {self.ended_because or self.decision.detail or self.decision.reason}"
        if self.entry is not None and self.entry.told_at is not None:  # whatever the rule says today
            return f"told, {self.entry.state}"
        if self.entry is not None and self.entry.reason in HELD and self.decision.verdict is not Verdict.NOT:
            return f"held: {self.entry.reason}"
        detail = self.decision.detail
        if self.decision.reason is Reason.TOLD:
            return "told"
        return f"{self.decision.reason}: {detail}" if detail else str(self.decision.reason)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Every answer for one subject, and the clock on which to read the instants."""

    subject: Subject
    calendar: OfficeCalendar
    answers: tuple[Answer, ...]


def explain(
    engine: Engine,
    rules: RuleSet,
    calendar_of: Callable[[Office], OfficeCalendar],
    number: str,
    *,
    now: datetime,
    only_rule: str | None = None,
    adult_age: int = 18,
) -> list[Explanation]:
    """Explain a permit or case by its number. Raises NotifierError when the register does not hold it."""
    with reading(engine) as connection:
        found = find_subjects(connection, number)
        if not found:
            raise NotifierError(
                f"the register holds no permit or case {number}; look at the number, or import it first "
                "(`notifier trace` takes telephone numbers and e-mail addresses, too)"
            )
        in_force = read_in_force(connection)
        explanations = []
        for subject, entries in _with_ledger(connection, found):
            calendar = calendar_of(subject.office)
            ground = Ground(calendar, rules, in_force, adult_age)
            past = _Past(
                _endings(connection, entries),
                read_deliveries(connection, [entry.id for entry in entries]),
                {key: party.name for key, party in read_parties(connection, {one.party_id for one in entries}).items()},
            )
            answers: list[Answer] = []
            for rule in rules.rules:
                if rule.subject is subject.kind and only_rule in (None, rule.name):
                    answers += _answers(rule, subject, entries, past, now, ground)
            explanations.append(Explanation(subject, calendar, tuple(answers)))
        return explanations


def _with_ledger(connection: Connection, found: Sequence[tuple[SubjectKind, int]]) -> list[tuple[Subject, list[Entry]]]:
    offices = read_offices(connection)
    answer = []
    for kind in SubjectKind:
        ids = [key for key_kind, key in found if key_kind is kind]
        entries = read_entries(connection, kind, ids)
        for key, subject in read_subjects(connection, kind, ids, offices).items():
            answer.append((subject, entries.get(key, [])))
    return answer


def _endings(connection: Connection, entries: Sequence[Entry]) -> Mapping[int, str]:
    n = t.notification.c
    found: dict[int, str] = {}
    for chunk in chunks(entry.id for entry in entries):
        for row in connection.execute(select(n.id, n.reason, n.detail).where(n.id.in_(chunk))):
            found[row.id] = row.detail or row.reason or ""
    return found


@dataclass(frozen=True, slots=True)
class _Past:
    """What the ledger knows of the notifications of one subject."""

    endings: Mapping[int, str]
    deliveries: Mapping[NotificationId, list[Delivery]]
    names: Mapping[int, str]

    def answer(self, rule: Rule, decision: Decision, entry: Entry | None) -> Answer:
        if entry is None:
            return Answer(rule, decision, None, None)
        deliveries = tuple(self.deliveries.get(entry.id, ()))
        return Answer(rule, decision, entry, self.endings.get(entry.id), deliveries, self.names.get(entry.party_id))


def _answers(
    rule: Rule,
    subject: Subject,
    entries: Sequence[Entry],
    past: _Past,
    now: datetime,
    ground: Ground,
) -> list[Answer]:
    rows: dict[StepKey, Entry] = {entry.key: entry for entry in entries if entry.rule == rule.name}
    answers = []
    for decision in decide(rule, subject, entries, now=now, ground=ground):
        entry = rows.pop(decision.key, None)
        answers.append(past.answer(rule, decision, entry))
    for entry in rows.values():  # of another cycle, or to somebody who is no longer concerned
        step = next((step for step in rule.steps if step.name == entry.step), None)
        if step is None:
            continue
        said = next((one.decision for one in answers if one.decision.step.name == step.name), None)
        reason, detail = (said.reason, said.detail) if said else (Reason.RULE_GONE, "")
        decision = Decision(
            rule.name, step, Verdict.NOT, reason, detail, entry.occurrence, entry.cycle, moment=entry.moment
        )
        answers.append(past.answer(rule, decision, entry))
    return answers


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a story: when, about which notification, what happened, over which channel and why."""

    at: datetime
    notification_id: int
    rule: str
    step: str
    subject: str
    recipient: str
    what: str
    reason: str | None
    detail: str | None
    zone: str
    version: str = ""  # of the rule that decided, as `notifier rules versions` lists them


def trace(engine: Engine, what: str) -> list[Line]:
    """The story of a permit, case, telephone number or e-mail address, oldest first.

    Instants are UTC; `zone` names the office's clock to show them on. Raises NotifierError when nothing is known
    under that number or address.
    """
    n = t.notification.c
    with reading(engine) as connection:
        subjects = find_subjects(connection, what)
        parties = parties_at(connection, what)
        if not subjects and not parties:
            raise NotifierError(f"nothing is known under {what}: no permit, case, person, telephone number or e-mail")
        rows: list[Row[Any]] = []
        for kind, key in subjects:
            rows += connection.execute(
                select(t.notification).where(n.subject_kind == kind.value, n.subject_id == key)
            ).all()
        for chunk in chunks(parties):
            rows += connection.execute(select(t.notification).where(n.party_id.in_(chunk))).all()
        return _lines(connection, {row.id: row for row in rows})


def _lines(connection: Connection, rows: Mapping[int, Row[Any]]) -> list[Line]:
    offices = read_offices(connection)
    numbers: dict[tuple[str, int], str] = {}
    names: dict[int, str] = {}
    for chunk in chunks(row.party_id for row in rows.values()):
        names |= {
            row.id: row.name
            for row in connection.execute(select(t.party.c.id, t.party.c.name).where(t.party.c.id.in_(chunk)))
        }
    for kind, table in t.SUBJECTS.items():
        for chunk in chunks(row.subject_id for row in rows.values() if row.subject_kind == kind.value):
            for one in connection.execute(select(table.c.id, table.c.number).where(table.c.id.in_(chunk))):
                numbers[kind.value, one.id] = one.number
    found = []
    for at, key, what, reason, detail in _happenings(connection, rows):
        row = rows[key]
        found.append(
            Line(
                at=at,
                notification_id=key,
                rule=row.rule,
                step=row.step,
                subject=numbers.get((row.subject_kind, row.subject_id), "?"),
                recipient=f"{names.get(row.party_id, '?')} ({row.role})",
                what=what,
                reason=reason,
                detail=detail,
                zone=offices[row.office_id].zone,
                version=row.rule_digest[:12],
            )
        )
    return sorted(found, key=lambda line: (line.at, line.notification_id, ORDER.get(line.what, len(ORDER))))


def _happenings(
    connection: Connection, rows: Mapping[int, Row[Any]]
) -> list[tuple[datetime, int, str, str | None, str | None]]:
    found: list[tuple[datetime, int, str, str | None, str | None]] = []
    for chunk in chunks(rows):
        events = select(t.event).where(t.event.c.notification_id.in_(chunk)).order_by(t.event.c.id)
        found += [(row.at, row.notification_id, row.what, row.reason, row.detail) for row in connection.execute(events)]
        told = deliveries_of(connection, chunk)
        receipts = (
            select(t.receipt, told.c.notification_id, t.delivery.c.channel)
            .join(t.delivery, t.delivery.c.id == t.receipt.c.delivery_id)
            .join(told, told.c.delivery_id == t.delivery.c.id)
        )
        found += [
            (
                row.received_at,
                row.notification_id,
                "receipt",
                None,
                " ".join(filter(None, (row.channel, row.state, row.code))),
            )
            for row in connection.execute(receipts)
        ]
    return found
