"""Guard: everything that may have changed since planning, asked again on fresh data just before a message leaves."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from notifier.batch import BatchReport, Bundle, Limits
from notifier.calendar.office import OfficeCalendar
from notifier.model import NotificationState, Office, Reason
from notifier.reconcile import ending_of
from notifier.rules.decide import decide
from notifier.rules.decision import Decision, Ground, Verdict
from notifier.rules.judge import zone_of
from notifier.rules.moments import leaves_at
from notifier.rules.rule import RuleSet
from notifier.store import outbox
from notifier.store.claims import Caps, Claimed, free_cap

#: How long after an officer asked for it a message may still wait for the next sending hours.
RESEND_IS_USEFUL = timedelta(days=3)

#: What an officer's `resend` overrules; that the person is no longer concerned or wants no messages, it does not.
OVERRULED = frozenset(
    {
        Reason.SPENT,
        Reason.TOLD_TODAY,
        Reason.AFTER_DEADLINE,
        Reason.TOO_LATE,
    }
)


class Guard:
    """Lets a claimed notification pass, holds it until later, or ends it; always with a reason."""

    def __init__(self, rules: RuleSet, calendar_of: Callable[[Office], OfficeCalendar], limits: Limits) -> None:
        self.rules = rules
        self.calendar_of = calendar_of
        self.limits = limits

    def check(
        self, connection: Connection, bundle: Bundle, caps: Caps, *, now: datetime, report: BatchReport
    ) -> Decision | None:
        """The decision to act on, or None when it does not leave now."""
        claimed = bundle.claimed
        if bundle.rule is None or bundle.subject is None or not bundle.rule.enabled:
            end(connection, claimed, NotificationState.CANCELLED, Reason.RULE_GONE, "", now=now, report=report)
            return None
        decisions = self.decisions(bundle, now=now)
        decision = next((one for one in decisions if one.key == claimed.key), None)
        if decision is not None and claimed.forced and decision.reason in OVERRULED:
            decision = self._overruled(bundle, decision, now)
        if decision is not None and decision.verdict is Verdict.GOES:
            return decision if self._within_cap(connection, bundle, decision, caps, now, report) else None
        if decision is not None and decision.verdict is Verdict.LATER and decision.leaves_at is not None:
            until = decision.leaves_at
            outbox.hold(connection, claimed.id, until, decision.reason, now=now, attempt=claimed.attempt)
            report.held += 1
            return None
        entry = next(one for one in bundle.entries if one.id == claimed.id)
        end(connection, claimed, *ending_of(entry, decision, decisions), now=now, report=report)
        return None

    def decisions(self, bundle: Bundle, *, now: datetime) -> list[Decision]:
        """What the law says now. The row under way does not count as told, else no ladder could climb."""
        if bundle.rule is None or bundle.subject is None:
            return []
        claimed = bundle.claimed
        entries = [replace(one, told_at=None) if one.id == claimed.id else one for one in bundle.entries]
        calendar = self.calendar_of(bundle.subject.office)
        ground = Ground(calendar, self.rules, bundle.in_force, self.limits.adult_age)
        underway = claimed.first_sent_at is not None
        return decide(bundle.rule, bundle.subject, entries, now=now, ground=ground, underway=underway)

    def _overruled(self, bundle: Bundle, decision: Decision, now: datetime) -> Decision:
        """The decision as an officer wants it: now, but within the recipient's sending hours (promise 4)."""
        if decision.recipient is None or bundle.subject is None:
            return decision
        leaves = leaves_at(
            now,
            useful_until=now + RESEND_IS_USEFUL,
            urgent=decision.step.urgent,
            is_day=False,
            calendar=self.calendar_of(bundle.subject.office),
            zone=zone_of(decision.recipient.party, bundle.subject),
            now=now,
        )
        goes = leaves is not None and leaves <= now
        verdict, reason = (Verdict.GOES, Reason.GOES) if goes else (Verdict.LATER, Reason.SENDING_HOURS)
        return replace(decision, verdict=verdict, reason=reason, leaves_at=leaves)

    def _within_cap(
        self,
        connection: Connection,
        bundle: Bundle,
        decision: Decision,
        caps: Caps,
        now: datetime,
        report: BatchReport,
    ) -> bool:
        """One message a day and three a week for a person; a cap never costs a message its use (S81)."""
        claimed, subject, recipient = bundle.claimed, bundle.subject, decision.recipient
        if claimed.forced or not claimed.capped or subject is None or recipient is None:
            return True
        if recipient.party.kind == "desk":
            return True
        calendar = self.calendar_of(subject.office)
        day, limits = calendar.day_of(now), self.limits
        if caps.take(claimed.party_id, day, claimed.id, per_day=limits.per_day, per_week=limits.per_week):
            return True
        time_of_day = decision.step.time or claimed.moment.astimezone(calendar.zone).time()
        tomorrow = calendar.instant(day + timedelta(days=1), time_of_day)
        if claimed.useful_until is not None and tomorrow > claimed.useful_until:
            return True
        outbox.hold(connection, claimed.id, tomorrow, Reason.CAP, now=now, attempt=claimed.attempt)
        report.held += 1
        return False


def end(
    connection: Connection,
    claimed: Claimed,
    state: NotificationState,
    reason: Reason,
    detail: str,
    *,
    now: datetime,
    report: BatchReport,
) -> None:
    """End a claimed notification; of one already sent only the ladder ends. What expires is work for the office."""
    report.ended += 1
    if claimed.state is NotificationState.SENT:
        outbox.stop_ladder(connection, claimed.id, reason, now=now, attempt=claimed.attempt)
        return
    ended = outbox.end(connection, claimed.id, state, reason, now=now, detail=detail, attempt=claimed.attempt)
    free_cap(connection, claimed.id)
    if ended and state in (NotificationState.EXPIRED, NotificationState.UNDELIVERABLE):
        note = f"{claimed.rule} / {claimed.step}: {reason}"
        outbox.add_work_item(connection, claimed, state.value, note, now=now)
