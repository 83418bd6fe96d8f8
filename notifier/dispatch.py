"""Dispatch: claim a batch, guard each row on fresh data, render, send, record.

No transaction is open while a provider is called.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from notifier.batch import BatchReport, Bundle, Limits, Sending, gather, hold_fast
from notifier.calendar.office import OfficeCalendar
from notifier.channels.base import Carrier
from notifier.clock import Clock
from notifier.guard import Guard
from notifier.ladder import lost
from notifier.model import (
    Action,
    Channel,
    DeliveryId,
    DeliveryState,
    NotificationId,
    Office,
    Outcome,
    Rejected,
    Unknown,
)
from notifier.prepare import Preparer
from notifier.record import record
from notifier.render import Renderer
from notifier.rules.rule import RuleSet
from notifier.store import deliveries as store
from notifier.store.claims import claim
from notifier.store.deliveries import Delivery
from notifier.store.engine import reading, writing
from notifier.store.rulesets import Plan
from notifier.store.settle import settle

log = logging.getLogger(__name__)

Answers = Mapping[DeliveryId, Outcome | None]


class Dispatcher:
    """Makes one attempt at each notification of a batch."""

    def __init__(
        self,
        engine: Engine,
        rules: RuleSet,
        calendar_of: Callable[[Office], OfficeCalendar],
        renderer: Renderer,
        carriers: Mapping[Channel, Carrier],
        clock: Clock,
        limits: Limits,
        *,
        callback_url: Callable[[DeliveryId], str | None] = lambda _: None,
        plan: Plan | None = None,
    ) -> None:
        self.engine = engine
        self.rules = rules
        self.carriers = carriers
        self.clock = clock
        self.limits = limits
        self.callback_url = callback_url
        guard = Guard(rules, calendar_of, limits, plan=plan)
        self.preparer = Preparer(guard, calendar_of, renderer, carriers, limits)

    async def dispatch(self, ids: Sequence[NotificationId]) -> BatchReport:
        """Claim what is due among the ids and carry each one step further."""
        report = BatchReport()
        now = self.clock.now()
        bundles = await asyncio.to_thread(self._claim, ids, now)
        report.claimed = sum(not one.is_companion for one in bundles)
        answers = await self._ask_about_lost(bundles, now)
        sendings = await asyncio.to_thread(self._prepare, bundles, answers, now, report)
        outcomes = await self._send_all(sendings, now)
        if sendings:
            await asyncio.to_thread(self._record, sendings, outcomes, report)
        return report

    def _claim(self, ids: Sequence[NotificationId], now: datetime) -> list[Bundle]:
        with writing(self.engine) as connection:
            claimed = claim(connection, ids, now=now, lease=self.limits.lease)
        if not claimed:
            return []
        with reading(self.engine) as connection:
            return gather(connection, claimed, self.rules, now=now)

    async def _ask_about_lost(self, bundles: Sequence[Bundle], now: datetime) -> Answers:
        """Ask the providers about messages whose outcome was lost, before anything is sent again."""

        async def ask(delivery: Delivery) -> tuple[DeliveryId, Outcome | None]:
            message = store.unpack(delivery.message or {}, delivery.id)
            since = delivery.attempted_at - timedelta(minutes=1)
            try:
                return delivery.id, await self.carriers[delivery.channel].ask(message, since=since)
            except Exception:
                log.exception("a carrier failed to answer a question", extra={"delivery": delivery.id})
                return delivery.id, None

        questions = {
            delivery.id: delivery
            for bundle in bundles
            for delivery in lost(bundle.deliveries)
            if delivery.message is not None and now - delivery.attempted_at >= self.limits.ask_after
        }
        return dict(await asyncio.gather(*(ask(delivery) for delivery in questions.values())))

    def _prepare(
        self, bundles: Sequence[Bundle], answers: Answers, now: datetime, report: BatchReport
    ) -> list[Sending]:
        if not bundles:
            return []
        with writing(self.engine) as connection:
            known = self._apply(connection, bundles, answers, now)
            return self.preparer.prepare(connection, known, now=now, report=report)

    def _apply(
        self, connection: Connection, bundles: Sequence[Bundle], answers: Answers, now: datetime
    ) -> list[Bundle]:
        """Write what the providers answered about lost messages; the rest of them count as unknown from here on.

        Everything that will be written is locked first: deliveries, then notifications, each in the order of ids, as
        receipts do.
        """
        doubtful = {delivery.id for bundle in bundles for delivery in lost(bundle.deliveries)}
        touched: set[NotificationId] = set()
        if doubtful:
            store.lock(connection, doubtful)
            touched = store.read_members(connection, doubtful)
        bundles = hold_fast(connection, bundles, touched)
        outcomes: dict[DeliveryId, Outcome] = {
            delivery.id: Unknown("the worker stopped before the outcome was known")
            for bundle in bundles
            for delivery in lost(bundle.deliveries)
            if delivery.state is DeliveryState.ATTEMPTING
        }
        outcomes |= {key: outcome for key, outcome in answers.items() if outcome is not None}
        if not outcomes:
            return list(bundles)
        store.record(connection, outcomes, now=now)
        settle(connection, touched, now=now)
        fresh = store.read_deliveries(connection, [one.claimed.id for one in bundles])
        return [replace(one, deliveries=tuple(fresh.get(one.claimed.id, ()))) for one in bundles]

    async def _send_all(self, sendings: Sequence[Sending], started: datetime) -> dict[DeliveryId, Outcome | None]:
        """Send concurrently, bounded per channel. None: not started, because the lease would not cover it."""
        gates = {channel: asyncio.Semaphore(carrier.concurrency) for channel, carrier in self.carriers.items()}
        stopped: set[Channel] = set()

        async def send(one: Sending) -> tuple[DeliveryId, Outcome | None]:
            carrier = self.carriers[one.channel]
            async with gates[one.channel]:
                if one.channel in stopped or self.clock.now() > started + self.limits.lease - carrier.longest:
                    return one.delivery_id, None
                outcome = await _carry(carrier, one, self.callback_url(one.delivery_id))
                if isinstance(outcome, Rejected) and outcome.action is Action.STOP_CHANNEL:
                    stopped.add(one.channel)
                return one.delivery_id, outcome

        return dict(await asyncio.gather(*(send(one) for one in sendings)))

    def _record(
        self, sendings: Sequence[Sending], outcomes: Mapping[DeliveryId, Outcome | None], report: BatchReport
    ) -> None:
        with writing(self.engine) as connection:
            record(
                connection,
                sendings,
                outcomes,
                self.carriers.values(),
                now=self.clock.now(),
                limits=self.limits,
                report=report,
            )


async def _carry(carrier: Carrier, one: Sending, callback_url: str | None) -> Outcome:
    """A carrier never raises for what a provider says; if it breaks, the message may have left."""
    try:
        return await carrier.send(one.message, callback_url=callback_url)
    except Exception:
        log.exception("a carrier broke", extra={"delivery": one.delivery_id, "channel": one.channel})
        return Unknown("the carrier broke")
