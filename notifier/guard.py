"""Guard: everything that may have changed since planning, asked again on fresh data just before a message leaves."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from notifier.batch import BatchReport, Bundle, Limits
from notifier.calendar.office import OfficeCalendar
from notifier.gate import Allowance, Gate, Passage
from notifier.model import NotificationId, NotificationState, Office, Reason
from notifier.quota import places
from notifier.reconcile import ending_of
from notifier.rules.alike import Alike, Lasting
from notifier.rules.decide import decide
from notifier.rules.decision import Decision, Verdict
from notifier.rules.judge import zone_of
from notifier.rules.moments import leaves_at
from notifier.rules.rule import RuleSet
from notifier.store import outbox
from notifier.store.caps import free_cap
from notifier.store.claims import Claimed
from notifier.store.daily import HOLDS
from notifier.store.rulesets import Plan

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

    def __init__(
        self,
        rules: RuleSet,
        calendar_of: Callable[[Office], OfficeCalendar],
        limits: Limits,
        *,
        plan: Plan | None = None,
    ) -> None:
        self.rules = rules
        self.calendar_of = calendar_of
        self.limits = limits
        self._lasting = Lasting(rules, limits.adult_age)
        self._law: Alike | None = None
        self.gate = Gate(calendar_of, plan, Allowance(limits.envelope_tolerance, limits.envelope_slack))

    def law(self, bundles: Sequence[Bundle], *, now: datetime) -> Alike:
        """The law of this second: thousands of a day differ in their persons only, and are decided on together.

        Batches of one second share their answers, as if they had been asked at once; what a decision may look at is
        part of the question, and so always as it is now.
        """
        in_force = bundles[0].in_force if bundles else {}
        law = self._law
        if law is None or law.now.replace(microsecond=0) != now.replace(microsecond=0) or law.in_force != in_force:
            adult_age, lasting = self.limits.adult_age, self._lasting
            law = Alike(self.rules, self.calendar_of, in_force, now=now, adult_age=adult_age, lasting=lasting)
            self._law = law
        return law

    def ask(self, bundle: Bundle, law: Alike, *, now: datetime) -> Decision | None:
        """What the law says of it now, an officer's wish included; None: nothing any more. Writes nothing."""
        claimed = bundle.claimed
        if bundle.rule is None or bundle.subject is None or not bundle.rule.enabled:
            return None
        if _is_fresh(bundle):
            decision = law.decide_about(bundle.rule, bundle.subject, bundle.entries, claimed.key, until=now)
        else:
            decision = next((one for one in self.decisions(bundle, law, now=now) if one.key == claimed.key), None)
        if decision is not None and claimed.forced and decision.reason in OVERRULED:
            return self._overruled(bundle, decision, now)
        return decision

    def turn_away(
        self,
        connection: Connection,
        bundle: Bundle,
        decision: Decision | None,
        law: Alike,
        *,
        now: datetime,
        report: BatchReport,
    ) -> None:
        """Hold until later, or end with its reason, what does not go now."""
        claimed = bundle.claimed
        if bundle.rule is None or bundle.subject is None or not bundle.rule.enabled:
            end(connection, claimed, NotificationState.CANCELLED, Reason.RULE_GONE, "", now=now, report=report)
        elif decision is not None and decision.verdict is Verdict.LATER and decision.leaves_at is not None:
            hold(connection, claimed, decision.leaves_at, decision.reason, now=now, report=report)
        else:
            entry = next(one for one in bundle.entries if one.id == claimed.id)
            others = self.decisions(bundle, law, now=now) if decision is None else ()
            state, reason, detail = ending_of(entry, decision, others)
            if state is NotificationState.EXPIRED and claimed.reason in HOLDS:  # nobody let it out in time (S84)
                detail = f"{claimed.reason} until it was too late"
            end(connection, claimed, state, reason, detail, now=now, report=report)

    def passage(self, now: datetime) -> Passage:
        """The gate of the office as one batch passes it."""
        return Passage(self.gate, now)

    def passing(
        self,
        connection: Connection,
        going: Sequence[tuple[Bundle, Decision]],
        passage: Passage,
        *,
        now: datetime,
        report: BatchReport,
    ) -> set[NotificationId]:
        """Of all that would leave now, what limits, approvals and caps of rules let pass; the rest is held or ended.

        Asked before those that leave together are put into one message.
        """
        held = passage.held(connection, going, report)
        going = [one for one in going if one[0].claimed.id not in held]
        later = places(connection, going, self.calendar_of, now=now)
        for bundle, decision in going:
            until = later.get(bundle.claimed.id)
            if until is not None and not bundle.is_companion:  # a companion is asked when its own time has come
                self._wait_for_a_place(connection, bundle, decision, until, now=now, report=report)
        return {bundle.claimed.id for bundle, _ in going} - later.keys()

    @staticmethod
    def _wait_for_a_place(
        connection: Connection,
        bundle: Bundle,
        decision: Decision,
        until: datetime,
        *,
        now: datetime,
        report: BatchReport,
    ) -> None:
        """The rule has told this person of enough cycles for now (S82)."""
        claimed, useful_until = bundle.claimed, decision.useful_until
        if useful_until is not None and until > useful_until:
            state, detail = NotificationState.SUPPRESSED, f"{bundle.rule.cap}" if bundle.rule else ""
            end(connection, claimed, state, Reason.RULE_CAP, detail, now=now, report=report)
        else:
            hold(connection, claimed, until, Reason.CAP, now=now, report=report)

    def decisions(self, bundle: Bundle, law: Alike, *, now: datetime) -> Sequence[Decision]:
        """What the law says now. The row under way does not count as told, else no ladder could climb."""
        if bundle.rule is None or bundle.subject is None:
            return []
        claimed = bundle.claimed
        if _is_fresh(bundle):
            return law.decide(bundle.rule, bundle.subject, bundle.entries, until=now)
        entries = [replace(one, told_at=None) if one.id == claimed.id else one for one in bundle.entries]
        underway = claimed.first_sent_at is not None
        return decide(
            bundle.rule, bundle.subject, entries, now=now, ground=law.ground(bundle.subject), underway=underway
        )

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

    @staticmethod
    def is_capped(bundle: Bundle, decision: Decision) -> bool:
        """Whether it is one of the person's messages of the day; of what leaves by itself no cap speaks (S81).

        Asked once for a message, of the notification that leads it.
        """
        claimed, recipient = bundle.claimed, decision.recipient
        if claimed.forced or not claimed.capped:
            return False
        return recipient is not None and recipient.party.kind != "desk"

    def after_cap(self, bundle: Bundle, decision: Decision, day: date) -> datetime | None:
        """When a message waits that its person may not have on a day; None: a cap never costs a message its use."""
        if bundle.subject is None:
            return None
        calendar = self.calendar_of(bundle.subject.office)
        time_of_day = decision.step.time or bundle.claimed.moment.astimezone(calendar.zone).time()
        tomorrow = calendar.instant(day + timedelta(days=1), time_of_day)
        useful_until = bundle.claimed.useful_until
        return None if useful_until is not None and tomorrow > useful_until else tomorrow


def _is_fresh(bundle: Bundle) -> bool:
    """Whether nothing of it was sent or told before, so that the ledger can be believed as it stands."""
    claimed = bundle.claimed
    return claimed.first_sent_at is None and claimed.told_at is None and bool(bundle.entries)


def hold(
    connection: Connection, claimed: Claimed, until: datetime, reason: Reason, *, now: datetime, report: BatchReport
) -> None:
    """Look at a claimed notification again later."""
    outbox.hold(connection, claimed.id, until, reason, now=now, attempt=claimed.attempt)
    report.held += 1


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
        note = f"{claimed.rule} / {claimed.step}: {detail or reason}"
        outbox.add_work_item(connection, claimed, state.value, note, now=now)
