"""Prepare: choose the rung, write a delivery for each of its channels, render the messages. Sends nothing."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, update

from notifier.batch import BatchReport, Bundle, Limits, Sending
from notifier.calendar.office import OfficeCalendar
from notifier.channels.base import Carrier
from notifier.errors import TemplateError
from notifier.guard import Guard, end
from notifier.ladder import Way, is_told, lost, open_channels, ways
from notifier.model import (
    Action,
    Channel,
    DeliveryId,
    NotificationState,
    Office,
    Outcome,
    Reason,
    Rejected,
)
from notifier.record import advance, conclude
from notifier.render import Renderer
from notifier.rules.decide import Decision
from notifier.store import deliveries as store
from notifier.store import outbox
from notifier.store import tables as t
from notifier.store.deliveries import Delivery

log = logging.getLogger(__name__)

#: How often a provider that cannot tell is asked about a lost message before the ladder moves on.
QUESTIONS = 5


class Preparer:
    """Makes the messages of one batch ready to leave."""

    def __init__(
        self,
        guard: Guard,
        calendar_of: Callable[[Office], OfficeCalendar],
        renderer: Renderer,
        carriers: Mapping[Channel, Carrier],
        limits: Limits,
    ) -> None:
        self.guard = guard
        self.calendar_of = calendar_of
        self.renderer = renderer
        self.carriers = carriers
        self.limits = limits

    def prepare(
        self,
        connection: Connection,
        bundle: Bundle,
        answers: Mapping[DeliveryId, Outcome | None],
        now: datetime,
        report: BatchReport,
    ) -> list[Sending]:
        """The messages of the next rung, each with its delivery written; none when it waits or ends."""
        claimed = bundle.claimed
        waiting = lost(bundle.deliveries)
        if waiting:
            return self._chase(connection, bundle, waiting, answers, now, report)
        decision = self.guard.check(connection, bundle, now=now, report=report)
        if decision is None:
            return []
        if claimed.rung >= len(decision.step.via):
            conclude(connection, bundle, now=now)
            report.ended += 1
            return []
        return self._climb(connection, bundle, decision, now, report)

    def _chase(
        self,
        connection: Connection,
        bundle: Bundle,
        waiting: Sequence[Delivery],
        answers: Mapping[DeliveryId, Outcome | None],
        now: datetime,
        report: BatchReport,
    ) -> list[Sending]:
        """An outcome is lost: wait for a receipt, ask, and only then repeat the very same message (S66)."""
        claimed = bundle.claimed
        early = [one for one in waiting if now - one.attempted_at < self.limits.ask_after]
        asked = claimed.tries
        if early or asked >= QUESTIONS:
            if asked >= QUESTIONS:
                advance(connection, bundle, now=now, limits=self.limits)
            else:
                until = max(one.attempted_at for one in early) + self.limits.ask_after
                outbox.hold(
                    connection,
                    claimed.id,
                    until,
                    Reason.WAITING_FOR_RECEIPT,
                    now=now,
                    attempt=claimed.attempt,
                )
            report.held += 1
            return []
        decision = self.guard.check(connection, bundle, now=now, report=report)
        if decision is None:
            return []
        repeated = [one for one in waiting if one.channel is Channel.EMAIL and one.message is not None]
        others = [one for one in waiting if one not in repeated]
        n = t.notification.c
        connection.execute(
            update(t.notification).where(n.id == claimed.id, n.attempt == claimed.attempt).values(tries=n.tries + 1)
        )
        if others:
            until = now + self.limits.ask_after * 2**asked
            outbox.hold(connection, claimed.id, until, Reason.WAITING_FOR_RECEIPT, now=now, attempt=claimed.attempt)
            report.held += 1
        # A mail server cannot be asked; the repeat carries the same Message-ID, so that a double is one mail.
        return [self._repeat(connection, bundle, decision, one, now) for one in repeated]

    def _repeat(
        self, connection: Connection, bundle: Bundle, decision: Decision, delivery: Delivery, now: datetime
    ) -> Sending:
        row = self._delivery_row(bundle, delivery.channel, delivery.address, decision, now)
        row |= {"rung": delivery.rung, "language": delivery.language}
        (key,) = store.begin(connection, [row])
        # The first try is not lost any more: the repeat stands for it.
        store.record(connection, {delivery.id: Rejected(Reason.TEMPORARY, Action.RETRY, None, "repeated")}, now=now)
        return Sending(bundle, decision, key, delivery.channel, store.unpack(delivery.message or {}, key))

    def _climb(
        self, connection: Connection, bundle: Bundle, decision: Decision, now: datetime, report: BatchReport
    ) -> list[Sending]:
        """Make ready the first rung, from the present one on, that has a channel to use."""
        claimed, recipient = bundle.claimed, decision.recipient
        if recipient is None:
            return []
        passed: list[Way] = []
        for rung in range(claimed.rung, len(decision.step.via)):
            found = ways(decision.step.via[rung], recipient.party, bundle.suppressed)
            passed += [way for way in found if way.address is None]
            usable = [way for way in open_channels(rung, found, bundle.deliveries) if way.address is not None]
            if usable:
                return self._write_rung(connection, bundle, decision, rung, usable, now, report)
            if any(one.rung == rung for one in bundle.deliveries):  # sent before its outcome was known; now it is
                advance(connection, replace(bundle, claimed=replace(claimed, rung=rung)), now=now, limits=self.limits)
                return []
        self._no_way(connection, bundle, passed, now, report)
        return []

    def _no_way(
        self,
        connection: Connection,
        bundle: Bundle,
        passed: Sequence[Way],
        now: datetime,
        report: BatchReport,
    ) -> None:
        claimed = bundle.claimed
        if is_told(bundle.deliveries):
            advance(connection, bundle, now=now, limits=self.limits)
            return
        if bundle.deliveries:
            end(connection, claimed, NotificationState.UNDELIVERABLE, Reason.LADDER_ENDED, "", now=now, report=report)
            return
        opted_out = any(way.passed_over is Reason.OPTED_OUT for way in passed)
        state = NotificationState.SUPPRESSED if opted_out else NotificationState.UNDELIVERABLE
        reason = Reason.OPTED_OUT if opted_out else Reason.NO_ADDRESS
        channels = ", ".join(way.channel for way in passed)
        end(connection, claimed, state, reason, channels, now=now, report=report)

    def _write_rung(
        self,
        connection: Connection,
        bundle: Bundle,
        decision: Decision,
        rung: int,
        usable: Sequence[Way],
        now: datetime,
        report: BatchReport,
    ) -> list[Sending]:
        claimed, subject, rule = bundle.claimed, bundle.subject, bundle.rule
        if subject is None or rule is None:
            return []
        n = t.notification.c
        mine = connection.execute(
            update(t.notification)
            .where(n.id == claimed.id, n.attempt == claimed.attempt)
            .values(
                rung=rung,
                rungs=len(decision.step.via),
                moment=decision.moment,
                useful_until=decision.useful_until,
                urgent=decision.step.urgent,
            )
        ).rowcount
        if not mine:  # another worker has claimed it since: the fence
            return []
        rows = [
            self._delivery_row(bundle, way.channel, way.address or "", decision, now) | {"rung": rung} for way in usable
        ]
        ids = store.begin(connection, rows)
        sendings = []
        for key, way in zip(ids, usable, strict=True):
            try:
                message, language = self.renderer.render(
                    rule,
                    decision,
                    subject,
                    way.channel,
                    way.address or "",
                    calendar=self.calendar_of(subject.office),
                    now=now,
                    delivery_id=key,
                    stable_key=f"{claimed.id}.{way.channel}",
                )
            except TemplateError as error:
                log.error("a text could not be made: %s", error, extra={"notification": claimed.id})
                fault = Rejected(Reason.TEMPLATE_FAULT, Action.NEXT_CHANNEL, None, str(error))
                store.record(connection, {key: fault}, now=now)
                report.failed += 1
                continue
            d = t.delivery.c
            connection.execute(update(t.delivery).where(d.id == key).values(language=language))
            sendings.append(Sending(bundle, decision, key, way.channel, message))
        if not sendings:
            moved = replace(bundle, claimed=replace(claimed, rung=rung))
            advance(connection, moved, now=now, limits=self.limits)
        return sendings

    def _delivery_row(
        self, bundle: Bundle, channel: Channel, address: str, decision: Decision, now: datetime
    ) -> dict[str, Any]:
        carrier = self.carriers[channel]
        return {
            "notification_id": bundle.claimed.id,
            "attempt": bundle.claimed.attempt,
            "rung": bundle.claimed.rung,
            "channel": channel.value,
            "provider": carrier.provider,
            "address": address,
            "language": "",
            "template": decision.step.template,
            "attempted_at": now,
            "updated_at": now,
        }
