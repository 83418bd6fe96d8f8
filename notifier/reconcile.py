"""Reconcile: bring the outbox rows of one rule and subject into line with what was decided."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from notifier.model import Entry, NotificationState, Reason, Subject
from notifier.rules.decision import Decision, Verdict
from notifier.rules.rule import Rule
from notifier.store import outbox
from notifier.store import tables as t

#: How a decision that says no ends a notification that was waiting.
ENDINGS: Mapping[Reason, NotificationState] = {
    Reason.SPENT: NotificationState.SPENT,
    Reason.TOLD_TODAY: NotificationState.SPENT,
    Reason.AFTER_DEADLINE: NotificationState.EXPIRED,
    Reason.TOO_LATE: NotificationState.EXPIRED,
    Reason.MUTED: NotificationState.SUPPRESSED,
}
#: What may come back when the facts turn back (S43); "undeliverable" needs a person's `resend`.
REVIVABLE = frozenset(
    {
        NotificationState.CANCELLED,
        NotificationState.SPENT,
        NotificationState.EXPIRED,
        NotificationState.SUPPRESSED,
    }
)
#: Endings that only an officer's `resend` undoes.
BY_AN_OFFICER = frozenset({Reason.CANCELLED_BY_OFFICER, Reason.REFUSED_BY_OFFICER})


@dataclass(slots=True)
class PlanReport:
    """What planning did (or, dry, would do). `by_rule` counts the planned."""

    planned: int = 0
    moved: int = 0
    cancelled: int = 0
    subjects: int = 0
    by_rule: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    undecided: list[Subject] = field(default_factory=list)  # a record that cannot be decided on silences no other
    decisions: list[tuple[Subject, Decision]] = field(default_factory=list)  # filled by a dry run only

    def as_json(self) -> dict[str, object]:
        """The documented keys of `plan --format json`."""
        return {
            "planned": self.planned,
            "moved": self.moved,
            "cancelled": self.cancelled,
            "undecided": len(self.undecided),
            "by_rule": dict(sorted(self.by_rule.items())),
        }


@dataclass(frozen=True, slots=True)
class Add:
    """Nothing of this decision is in the outbox yet."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Revive:
    """The row had ended without being told, and the facts have turned back (S43)."""

    entry: Entry
    decision: Decision


@dataclass(frozen=True, slots=True)
class Move:
    """The row waits for a moment that has moved (S48)."""

    entry: Entry
    decision: Decision


@dataclass(frozen=True, slots=True)
class End:
    """The row waits and is no longer wanted; the decision that says so, if there still is one."""

    entry: Entry
    decision: Decision | None


Change = Add | Revive | Move | End


def changes(decisions: Sequence[Decision], ledger: Sequence[Entry], until: datetime) -> list[Change]:
    """What the rows of one rule and subject need so that they say what was decided, up to `until`."""
    found: list[Change] = []
    wanted = {decision.key: decision for decision in decisions if decision.recipient is not None}
    rows = {entry.key: entry for entry in ledger}
    for key, decision in wanted.items():
        if decision.verdict is Verdict.NOT:
            continue
        entry = rows.get(key)
        is_near = decision.moment is not None and decision.moment <= until
        if entry is None:
            found += [Add(decision)] if is_near else []
        elif may_revive(entry) and is_near:
            found.append(Revive(entry, decision))
        elif entry.state is NotificationState.SCHEDULED and entry.moment != decision.moment:
            found.append(Move(entry, decision))
    for entry in ledger:
        own = wanted.get(entry.key)
        is_waiting = entry.state is NotificationState.SCHEDULED and entry.told_at is None and not entry.forced
        if is_waiting and (own is None or own.verdict is Verdict.NOT):
            found.append(End(entry, own))
    return found


def reconcile(
    connection: Connection,
    subject: Subject,
    rule: Rule,
    decisions: Sequence[Decision],
    ledger: Sequence[Entry],
    until: datetime,
    now: datetime,
    report: PlanReport,
) -> list[dict[str, Any]]:
    """Bring the rows of one rule and subject into line with what was decided; answers the rows to add."""
    new = []
    for change in changes(decisions, ledger, until):
        match change:
            case Add(decision):
                new.append(notification_row(subject, rule, decision, now))
            case Revive(entry, decision):
                revived = _revive(connection, entry, rule, decision, now)
                report.planned += revived
                report.by_rule[rule.name] += revived
            case Move(entry, decision):
                report.moved += _move(connection, entry, rule, decision, now)
            case End(entry, own):
                report.cancelled += _end(connection, entry, own, decisions, now)
    return new


def count(
    subject: Subject,
    rule: Rule,
    decisions: Sequence[Decision],
    ledger: Sequence[Entry],
    until: datetime,
    report: PlanReport,
) -> None:
    """The dry run of `reconcile`: the same changes, only counted."""
    for change in changes(decisions, ledger, until):
        match change:
            case Add(decision) | Revive(_, decision):
                report.planned += 1
                report.by_rule[rule.name] += 1
                report.decisions.append((subject, decision))
            case Move():
                report.moved += 1
            case End():
                report.cancelled += 1


def may_revive(entry: Entry) -> bool:
    """Whether planning may bring it back; what an officer cancelled or refused stays so."""
    return entry.state in REVIVABLE and entry.reason not in BY_AN_OFFICER


def is_pending(entry: Entry) -> bool:
    """Whether planning may write it at all."""
    return entry.state is NotificationState.SCHEDULED or may_revive(entry)


def _revive(connection: Connection, entry: Entry, rule: Rule, decision: Decision, now: datetime) -> int:
    n = t.notification.c
    done = connection.execute(
        update(t.notification)
        .where(n.id == entry.id, n.state.in_([state.value for state in REVIVABLE]), n.told_at.is_(None))
        .values(
            state=NotificationState.SCHEDULED.value,
            reason=None,
            detail=None,
            settled_at=None,
            moment=decision.moment,
            useful_until=decision.useful_until,
            next_attempt_at=decision.leaves_at,
            offered_at=None,
            rung=0,
            tries=0,
            rule_digest=rule.version,
            updated_at=now,
        )
    ).rowcount
    if done:
        outbox.note(connection, [entry.id], "planned again", None, now=now)
    return done


def notification_row(subject: Subject, rule: Rule, decision: Decision, now: datetime) -> dict[str, Any]:
    """A decision as a row of the outbox."""
    if decision.recipient is None:
        raise ValueError("a notification needs a recipient")
    return {
        "rule": rule.name,
        "step": decision.step.name,
        "occurrence": decision.occurrence,
        "subject_kind": subject.kind.value,
        "subject_id": subject.id,
        "cycle": decision.cycle,
        "party_id": decision.recipient.party.id,
        "role": decision.recipient.role,
        "in_place_of": decision.recipient.in_place_of,
        "office_id": subject.office.id,
        "rule_digest": rule.version,
        "moment": decision.moment,
        "useful_until": decision.useful_until,
        "urgent": decision.step.urgent,
        "capped": not rule.uncapped and not decision.step.urgent,
        "next_attempt_at": decision.leaves_at or now,
        "rungs": len(decision.step.via),
    }


def _move(connection: Connection, entry: Entry, rule: Rule, decision: Decision, now: datetime) -> int:
    """A pending step whose anchor was corrected follows it (S48)."""
    n = t.notification.c
    done = connection.execute(
        update(t.notification)
        .where(n.id == entry.id, n.state == NotificationState.SCHEDULED.value, n.told_at.is_(None))
        .values(
            moment=decision.moment,
            useful_until=decision.useful_until,
            next_attempt_at=decision.leaves_at,
            offered_at=None,
            rule_digest=rule.version,
            updated_at=now,
        )
    ).rowcount
    if done and decision.moment is not None:
        outbox.note(connection, [entry.id], "moved", None, now=now, detail=f"to {decision.moment.isoformat()}")
    return done


def _end(
    connection: Connection, entry: Entry, own: Decision | None, decisions: Sequence[Decision], now: datetime
) -> int:
    """A waiting row that is no longer wanted ends with the reason of the decision that says so."""
    state, reason, detail = ending_of(entry, own, decisions)
    if not outbox.end(connection, entry.id, state, reason, now=now, detail=detail):
        return 0
    if state is NotificationState.EXPIRED:
        row = connection.execute(select(t.notification).where(t.notification.c.id == entry.id)).one()
        outbox.add_work_item(connection, row, "expired", f"{entry.rule} / {entry.step}: {reason}", now=now)
    return 1


def ending_of(
    entry: Entry, decision: Decision | None, decisions: Sequence[Decision]
) -> tuple[NotificationState, Reason, str]:
    """How a row ends when its own decision says no, or when nothing speaks of it any more."""
    if decision is None:
        alike = {one.cycle for one in decisions if one.cycle and _anchor(one.cycle) == _anchor(entry.cycle)}
        if alike and entry.cycle not in alike:
            return NotificationState.CANCELLED, Reason.DATE_MOVED, ""
        stopping = next((one for one in decisions if one.step.name == entry.step and one.recipient is None), None)
        if stopping is None or stopping.reason in (Reason.NO_DATE, Reason.NOBODY):
            return NotificationState.CANCELLED, Reason.NOBODY, f"no longer {entry.role}"
        decision = stopping
    return ENDINGS.get(decision.reason, NotificationState.CANCELLED), decision.reason, decision.detail


def _anchor(cycle: str) -> str:
    """A cycle's key without its last value: what it counts from."""
    return cycle.rpartition("=")[0]
