"""Record: what the providers answered becomes state, and each notification gets its next moment or its end."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, update

from notifier.batch import BatchReport, Bundle, Limits, Sending
from notifier.channels.base import Carrier
from notifier.ladder import is_presumed, is_told, tries_later, wait
from notifier.model import (
    Accepted,
    Action,
    Channel,
    DeliveryId,
    NotificationId,
    NotificationState,
    Outcome,
    Reason,
    Rejected,
    Unknown,
)
from notifier.receipts import record as record_receipts
from notifier.store import deliveries as store
from notifier.store import outbox
from notifier.store import tables as t
from notifier.store.outbox import OPEN, Claimed
from notifier.store.suppressions import mark_unusable, suppress

log = logging.getLogger(__name__)

#: How long a channel whose set-up is wrong is left alone before it is tried again.
STOPPED_CHANNEL_WAIT = timedelta(minutes=15)

N = t.notification.c
#: None: not started, because the lease would not have covered it.
Outcomes = Mapping[DeliveryId, Outcome | None]


def record(
    connection: Connection,
    sendings: Sequence[Sending],
    outcomes: Outcomes,
    carriers: Iterable[Carrier],
    *,
    now: datetime,
    limits: Limits,
    report: BatchReport,
) -> None:
    """Write all outcomes of a batch in one transaction, and what follows from each."""
    of_notification: dict[NotificationId, list[Sending]] = defaultdict(list)
    for one in sendings:
        of_notification[one.bundle.claimed.id].append(one)
    started = {key: outcome for key, outcome in outcomes.items() if outcome is not None}
    store.record(connection, started, now=now)
    unstarted = [key for key, outcome in outcomes.items() if outcome is None]
    if unstarted:
        connection.execute(delete(t.delivery).where(t.delivery.c.id.in_(unstarted)))
    _learn_of_addresses(connection, sendings, started, now)
    outbox.settle(connection, of_notification, now=now)
    for key in sorted(of_notification):
        _follow(connection, of_notification[key], outcomes, now=now, limits=limits, report=report)
    record_receipts(connection, [receipt for carrier in carriers for receipt in carrier.receipts()], now=now)


def _learn_of_addresses(
    connection: Connection, sendings: Sequence[Sending], outcomes: Mapping[DeliveryId, Outcome], now: datetime
) -> None:
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


def _follow(
    connection: Connection,
    sendings: Sequence[Sending],
    outcomes: Outcomes,
    *,
    now: datetime,
    limits: Limits,
    report: BatchReport,
) -> None:
    """What comes next for one notification after its rung was sent: a retry, a wait, the next rung, the end."""
    bundle, claimed = sendings[0].bundle, sendings[0].bundle.claimed
    answers = [outcomes[one.delivery_id] for one in sendings]
    report.sent += any(isinstance(answer, Accepted) for answer in answers)
    report.failed += all(isinstance(answer, Rejected) for answer in answers)
    for one, answer in zip(sendings, answers, strict=True):
        _note_answer(connection, claimed, one, answer, now, report)
    if any(isinstance(answer, Accepted | Unknown) for answer in answers):
        for older in outbox.older_ladders(connection, claimed, now=now):
            outbox.stop_ladder(connection, older, Reason.NEWER_STEP_SENT, now=now, attempt=None)
    rejected = [answer for answer in answers if isinstance(answer, Rejected)]
    if any(answer is None for answer in answers):
        _look_again(connection, claimed, now, Reason.RETRY, tries=claimed.tries)
    elif any(isinstance(answer, Unknown) for answer in answers):
        _look_again(connection, claimed, now + limits.ask_after, Reason.WAITING_FOR_RECEIPT, tries=claimed.tries)
    elif any(answer.action is Action.STOP_CHANNEL for answer in rejected):
        _look_again(connection, claimed, now + STOPPED_CHANNEL_WAIT, Reason.CHANNEL_STOPPED, tries=claimed.tries)
    elif any(tries_later(answer) for answer in rejected) and claimed.tries < len(limits.retries):
        waits = [answer.retry_after for answer in rejected if answer.retry_after is not None]
        pause = max(limits.retries[claimed.tries], *waits) if waits else limits.retries[claimed.tries]
        _look_again(connection, claimed, now + pause, Reason.RETRY, tries=claimed.tries + 1)
    else:
        rung = connection.execute(select(N.rung).where(N.id == claimed.id)).scalar() or 0
        advance(connection, replace(bundle, claimed=replace(claimed, rung=rung)), now=now, limits=limits)


def _note_answer(
    connection: Connection, claimed: Claimed, one: Sending, answer: Outcome | None, now: datetime, report: BatchReport
) -> None:
    match answer:
        case Accepted():
            outbox.note(connection, [claimed.id], "accepted", None, now=now, detail=one.channel)
        case Rejected(reason, action, code):
            detail = f"{one.channel} {code}" if code else one.channel.value
            outbox.note(connection, [claimed.id], "failed", reason, now=now, detail=detail)
            if action is Action.STOP_CHANNEL:
                report.stopped[one.channel] = answer.detail
                _report_stopped(connection, claimed, one.channel, answer, now)
        case Unknown():
            outbox.note(connection, [claimed.id], "unknown", Reason.TIMED_OUT, now=now, detail=one.channel)


def _report_stopped(
    connection: Connection, claimed: Claimed, channel: Channel, answer: Rejected, now: datetime
) -> None:
    log.error("channel stopped", extra={"channel": channel, "code": answer.code})
    note = f"{channel} refuses our set-up ({answer.code or 'no code'}); run `notifier doctor`"
    key = f"channel stopped:{channel}:{now.date()}"
    outbox.add_work_item(connection, claimed, "channel stopped", note, now=now, key=key)


def _look_again(connection: Connection, claimed: Claimed, at: datetime, reason: Reason, *, tries: int) -> None:
    connection.execute(
        update(t.notification)
        .where(N.id == claimed.id, N.attempt == claimed.attempt, N.state.in_([state.value for state in OPEN]))
        .values(next_attempt_at=at, offered_at=None, reason=reason.value, tries=tries)
    )


def advance(connection: Connection, bundle: Bundle, *, now: datetime, limits: Limits) -> None:
    """The rung is done: set the time of the next one, or of the end."""
    claimed, rule = bundle.claimed, bundle.rule
    mine = (N.id == claimed.id, N.attempt == claimed.attempt, N.state.in_([state.value for state in OPEN]))
    row = connection.execute(select(N.first_sent_at, N.useful_until, N.rungs).where(*mine)).first()
    if row is None:
        return
    deliveries = store.read_deliveries(connection, [claimed.id]).get(claimed.id, [])
    rung = max([claimed.rung + 1, *(one.rung + 1 for one in deliveries)])
    values: dict[str, Any] = {
        "rung": rung,
        "tries": 0,
        "offered_at": None,
        "reason": Reason.WAITING_FOR_RECEIPT.value,
        "next_attempt_at": now + limits.presumed_delivered_after,
    }
    step = next((step for step in rule.steps if step.name == claimed.step), None) if rule else None
    if step is None or rung >= len(step.via):
        values["rungs"] = min(row.rungs, rung)
    elif not is_told([one for one in deliveries if one.rung == rung - 1]):
        values["next_attempt_at"] = now
    else:
        values["next_attempt_at"] = now + wait(
            step.via,
            rung,
            now=now,
            first_sent_at=row.first_sent_at or now,
            useful_until=row.useful_until,
            default_wait=limits.rung_wait,
        )
    connection.execute(update(t.notification).where(*mine).values(**values))
    outbox.settle(connection, [claimed.id], now=now)


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
