"""Record: what the providers answered becomes state, and each notification gets its next moment or its end."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, update

from notifier.batch import BatchReport, Bundle, Limits, Sending
from notifier.ladder import is_presumed, lost, tries_later, wait
from notifier.model import (
    TOLD,
    Accepted,
    Action,
    Channel,
    DeliveryId,
    NotificationId,
    NotificationState,
    Outcome,
    Reason,
    Receipt,
    Rejected,
    Unknown,
)
from notifier.receipts import record as record_receipts
from notifier.store import deliveries as store
from notifier.store import outbox
from notifier.store import tables as t
from notifier.store.changes import touch_subjects
from notifier.store.claims import Claimed, lock, older_ladders
from notifier.store.outbox import OPEN
from notifier.store.settle import settle
from notifier.store.suppressions import mark_unusable, suppress

log = logging.getLogger(__name__)

#: How long a channel whose set-up is wrong is left alone before it is tried again.
STOPPED_CHANNEL_WAIT = timedelta(minutes=15)

N = t.notification.c
#: None: not started, because it was too late for it, the channel had stopped, or the worker was asked to stop.
Outcomes = Mapping[DeliveryId, Outcome | None]


def record(
    connection: Connection,
    sendings: Sequence[Sending],
    outcomes: Outcomes,
    receipts: Sequence[Receipt],
    *,
    now: datetime,
    limits: Limits,
    report: BatchReport,
) -> None:
    """Write all outcomes of a batch in one transaction, and what follows from each; then what carriers told besides."""
    store.record(connection, outcomes, now=now)
    _learn_of_addresses(connection, sendings, outcomes, now)
    _write_story(connection, sendings, outcomes, now, report)
    of_notification: dict[NotificationId, list[DeliveryId]] = defaultdict(list)
    bundles: dict[NotificationId, Bundle] = {}
    for one in sendings:
        for bundle in one.bundles:
            bundles[bundle.claimed.id] = bundle
            of_notification[bundle.claimed.id].append(one.delivery_id)
    follow = _Follow(now, limits)
    for key, theirs in of_notification.items():
        answers = [outcomes[one] for one in theirs]
        follow.take(bundles[key], answers)
        report.sent += any(isinstance(answer, Accepted) for answer in answers)
        report.failed += all(isinstance(answer, Rejected) for answer in answers)
    older_ones = older_ladders(connection, follow.reached)
    if older_ones:
        lock(connection, [*of_notification, *older_ones])
    for older in older_ones:
        outbox.stop_ladder(connection, older, Reason.NEWER_STEP_SENT, now=now, attempt=None)
    touch_subjects(connection, follow.waited_for)
    settle(connection, of_notification, now=now, change=follow.change)
    record_receipts(connection, receipts, now=now)


def _learn_of_addresses(connection: Connection, sendings: Sequence[Sending], outcomes: Outcomes, now: datetime) -> None:
    """What a refusal teaches about an address: it does not work, or its owner does not want us."""
    bad: dict[tuple[Channel, str], Reason] = {}
    for one in sendings:
        outcome = outcomes.get(one.delivery_id)
        if not isinstance(outcome, Rejected):
            continue
        if outcome.action is Action.BAD_ADDRESS:
            bad[one.channel, one.message.to] = outcome.reason
        elif outcome.action is Action.SUPPRESS:
            source = f"provider code {outcome.code}" if outcome.code else "provider"
            suppress(connection, one.channel, one.message.to, reason=outcome.reason, source=source, now=now)
    if bad:
        mark_unusable(connection, bad)


@dataclass(frozen=True, slots=True)
class Again:
    """A claimed notification to be looked at once more, without moving up its ladder."""

    claimed: Claimed
    at: datetime
    reason: Reason
    tries: int


class _Follow:
    """Sorts what comes next for each notification of a batch: a retry, a question, or the end of its rung."""

    def __init__(self, now: datetime, limits: Limits) -> None:
        self.now, self.limits = now, limits
        self.again: dict[int, Again] = {}
        self.done: dict[int, Bundle] = {}
        self.reached: list[Claimed] = []  # told something now, for all we know
        self.waited_for: list[tuple[str, int]] = []  # subjects of which another step may be planned only now (S86)

    def take(self, bundle: Bundle, answers: Sequence[Outcome | None]) -> None:
        claimed = bundle.claimed
        if any(isinstance(answer, Accepted | Unknown) for answer in answers):
            self.reached.append(claimed)
            if bundle.rule is not None and any(step.only_after == claimed.step for step in bundle.rule.steps):
                self.waited_for.append((claimed.subject_kind, claimed.subject_id))
        again = self._again(bundle, answers)
        if again is None:
            self.done[claimed.id] = bundle
        else:
            self.again[claimed.id] = again

    def change(self, row: Row[Any], deliveries: Sequence[Row[Any]]) -> Mapping[str, Any]:
        """What is written of a notification besides its state; nothing, when another claim has it now."""
        again, bundle = self.again.get(row.id), self.done.get(row.id)
        if again is not None and _is_held(row, again.claimed):
            waiting = {"next_attempt_at": again.at, "offered_at": None, "reason": again.reason.value}
            return {**waiting, "tries": again.tries}
        if bundle is not None and _is_held(row, bundle.claimed):
            return _next_rung(bundle, row, deliveries, self.now, self.limits)
        return {}

    def _again(self, bundle: Bundle, answers: Sequence[Outcome | None]) -> Again | None:
        claimed = bundle.claimed
        rejected = [answer for answer in answers if isinstance(answer, Rejected)]
        if any(answer is None for answer in answers):
            return Again(claimed, self.now, Reason.RETRY, claimed.tries)
        if any(isinstance(answer, Unknown) for answer in answers):
            # A mail that repeats a lost one is one more try, and there is an end to them (`prepare.QUESTIONS`).
            tries = claimed.tries + bool(lost(bundle.deliveries))
            return Again(claimed, self.now + self.limits.ask_after, Reason.WAITING_FOR_RECEIPT, tries)
        if any(answer.action is Action.STOP_CHANNEL for answer in rejected):
            return Again(claimed, self.now + STOPPED_CHANNEL_WAIT, Reason.CHANNEL_STOPPED, claimed.tries)
        if any(tries_later(answer) for answer in rejected) and claimed.tries < len(self.limits.retries):
            waits = [answer.retry_after for answer in rejected if answer.retry_after is not None]
            pause = max([self.limits.retries[claimed.tries], *waits])
            return Again(claimed, self.now + pause, Reason.RETRY, claimed.tries + 1)
        return None


def _write_story(
    connection: Connection, sendings: Sequence[Sending], outcomes: Outcomes, now: datetime, report: BatchReport
) -> None:
    notes: list[tuple[int, str, str | None, str | None]] = []
    for one in sendings:
        channel = one.channel.value
        together = f", one message for {len(one.bundles)}" if one.others else ""
        match outcomes[one.delivery_id]:
            case Accepted():
                notes += [(key, "accepted", None, channel + together) for key in _ids(one)]
            case Rejected(reason, action, code) as answer:
                detail = f"{channel} {code}" if code else channel
                notes += [(key, "failed", reason.value, detail) for key in _ids(one)]
                if action is Action.STOP_CHANNEL and one.channel not in report.stopped:
                    report.stopped[one.channel] = answer.detail
                    _report_stopped(connection, one.bundle.claimed, one.channel, answer, now)
            case Unknown():
                notes += [(key, "unknown", Reason.TIMED_OUT.value, channel) for key in _ids(one)]
    outbox.note_all(connection, notes, now=now)


def _ids(one: Sending) -> list[NotificationId]:
    return [bundle.claimed.id for bundle in one.bundles]


def _report_stopped(
    connection: Connection, claimed: Claimed, channel: Channel, answer: Rejected, now: datetime
) -> None:
    log.error("channel stopped", extra={"channel": channel, "code": answer.code})
    note = f"{channel} refuses our set-up ({answer.code or 'no code'}); run `notifier doctor`"
    key = f"channel stopped:{channel}:{now.date()}"
    outbox.add_work_item(connection, claimed, "channel stopped", note, now=now, key=key)


def _is_held(row: Row[Any], claimed: Claimed) -> bool:
    """The fence: it is open, and the claim is still the last one."""
    return bool(row.attempt == claimed.attempt and row.state in OPEN)


def advance(connection: Connection, bundles: Sequence[Bundle], *, now: datetime, limits: Limits) -> None:
    """The rung is done: set the time of the next one, or of the end, and settle."""
    known = {int(one.claimed.id): one for one in bundles}

    def change(row: Row[Any], deliveries: Sequence[Row[Any]]) -> Mapping[str, Any]:
        bundle = known[row.id]
        return _next_rung(bundle, row, deliveries, now, limits) if _is_held(row, bundle.claimed) else {}

    settle(connection, [one.claimed.id for one in bundles], now=now, change=change)


def _next_rung(
    bundle: Bundle, row: Row[Any], deliveries: Sequence[Row[Any]], now: datetime, limits: Limits
) -> dict[str, Any]:
    claimed, rule = bundle.claimed, bundle.rule
    words_of = bundle.words_of or claimed.step
    step = next((step for step in rule.steps if step.name == words_of), None) if rule else None
    rung = max([row.rung + 1, *(one.rung + 1 for one in deliveries)])
    rungs, at = row.rungs, now + limits.presumed_delivered_after
    if step is None or rung >= len(step.via):
        rungs = min(row.rungs, rung)
    elif not any(one.state in TOLD for one in deliveries if one.rung == rung - 1):
        at = now
    else:
        first = row.first_sent_at or min((one.attempted_at for one in deliveries), default=now)
        at = now + wait(
            step.via,
            rung,
            now=now,
            first_sent_at=first,
            useful_until=row.useful_until,
            default_wait=limits.rung_wait,
        )
    return {
        "rung": rung,
        "rungs": rungs,
        "next_attempt_at": at,
        "tries": 0,
        "offered_at": None,
        "reason": Reason.WAITING_FOR_RECEIPT.value,
    }


def conclude(connection: Connection, bundle: Bundle, *, now: datetime) -> None:
    """The ladder is over and nothing was proved: an e-mail is presumed delivered, all else is work (S72, S76)."""
    claimed = bundle.claimed
    presumed = is_presumed(bundle.deliveries)
    state = NotificationState.DELIVERED if presumed else NotificationState.UNDELIVERABLE
    reason = Reason.PRESUMED_DELIVERED if presumed else Reason.LADDER_ENDED
    done = connection.execute(
        update(t.notification)
        .where(N.id == claimed.id, N.attempt == claimed.attempt, N.state.in_(outbox.allowed_from(state)))
        .values(state=state.value, reason=reason.value, next_attempt_at=None, settled_at=now, updated_at=now)
    ).rowcount
    if done:
        outbox.note(connection, [claimed.id], state.value, reason, now=now)
        if not presumed:
            outbox.add_work_item(connection, claimed, "undeliverable", "no receipt ever came", now=now)
