"""Dispatch: claim a batch, guard each row on fresh data, render, send, record.

No transaction is open while a provider is called.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from notifier.batch import BatchReport, Bundle, Limits, Sending, finished, gather, hold_fast
from notifier.calendar.office import OfficeCalendar
from notifier.channels.base import Carrier
from notifier.channels.pacing import Paces, no_bounds
from notifier.clock import Clock
from notifier.errors import StoreError
from notifier.guard import Guard
from notifier.hold import Hold
from notifier.ladder import lost
from notifier.model import (
    Accepted,
    Channel,
    DeliveryId,
    DeliveryState,
    NotificationId,
    Office,
    Outcome,
    Receipt,
    Unknown,
)
from notifier.prepare import Preparer
from notifier.record import record
from notifier.render import Renderer
from notifier.rules.rule import RuleSet
from notifier.send import Outgoing
from notifier.store import deliveries as store
from notifier.store.claims import claim
from notifier.store.deliveries import Delivery
from notifier.store.engine import writing
from notifier.store.packing import unpack
from notifier.store.rulesets import Plan
from notifier.store.settle import settle

log = logging.getLogger(__name__)

#: How long outcomes are kept in memory while the database is away, and how often it is tried.
DATABASE_PATIENCE = timedelta(seconds=60)
TRY_AGAIN = timedelta(seconds=1)
#: How long an outcome may be in memory only; a batch that takes less is written at once.
KEEP_EVERY = timedelta(seconds=1)

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
        paces: Paces | None = None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.engine = engine
        self.rules = rules
        self.carriers = carriers
        self.clock = clock
        self.limits = limits
        self._outgoing_of: WeakKeyDictionary[asyncio.AbstractEventLoop, Outgoing] = WeakKeyDictionary()
        self._new_outgoing = partial(
            Outgoing,
            engine,
            carriers,
            clock,
            limits,
            callback_url=callback_url,
            paces=paces or no_bounds(),
            is_stopping=is_stopping,
        )
        guard = Guard(rules, calendar_of, limits, plan=plan)
        self.preparer = Preparer(guard, calendar_of, renderer, carriers, limits)

    async def dispatch(self, ids: Sequence[NotificationId]) -> BatchReport:
        """Claim what is due among the ids and carry each one step further."""
        report = BatchReport()
        now = self.clock.now()
        bundles, sendings = await asyncio.to_thread(self._take, ids, now, report)
        report.claimed = sum(not one.is_companion for one in bundles)
        if not bundles:
            return report
        hold = Hold(self.engine, self.clock, self.limits, now)
        hold.take([one for one in bundles if not one.is_companion])
        async with hold.kept():
            if sendings is None:
                answers = await self._ask_about_lost(bundles, now)
                sendings = await asyncio.to_thread(self._prepare, bundles, answers, now, report)
            hold.take([bundle for one in sendings for bundle in one.bundles])
            await self._send_and_keep(sendings, now, hold, report)
        return report

    def _take(
        self, ids: Sequence[NotificationId], now: datetime, report: BatchReport
    ) -> tuple[list[Bundle], list[Sending] | None]:
        """Claim, read, and in most batches make ready at once: the claim has locked all that will be written.

        Not where a provider is to be asked first, nor where others may come along: those are locked together with what
        was claimed, in the order of ids, else two workers could wait for each other.
        """
        with writing(self.engine) as connection:
            claimed = claim(connection, ids, now=now, lease=self.limits.lease)
            bundles = gather(connection, claimed, self.rules, now=now) if claimed else []
            if any(one.is_companion or (one.deliveries and lost(one.deliveries)) for one in bundles):
                return bundles, None
            return bundles, self.preparer.prepare(connection, bundles, now=now, report=report)

    async def _ask_about_lost(self, bundles: Sequence[Bundle], now: datetime) -> Answers:
        """Ask the providers about messages whose outcome was lost, before anything is sent again."""

        async def ask(delivery: Delivery) -> tuple[DeliveryId, Outcome | None]:
            message = unpack(delivery.message or {}, delivery.id)
            since = delivery.attempted_at - timedelta(minutes=1)
            try:
                answer = await self.carriers[delivery.channel].ask(message, since=since)
                # "Taken" is believed at once. "Never taken" is not: lists lag, and a slow worker may yet begin.
                is_early = now - delivery.attempted_at < self.limits.ask_after
                return delivery.id, None if is_early and not isinstance(answer, Accepted) else answer
            except Exception:
                log.exception("a carrier failed to answer a question", extra={"delivery": delivery.id})
                return delivery.id, None

        questions = {
            delivery.id: delivery
            for bundle in bundles
            for delivery in lost(bundle.deliveries)
            if delivery.message is not None and delivery.has_begun
        }
        return dict(await asyncio.gather(*(ask(delivery) for delivery in questions.values())))

    def _prepare(
        self, bundles: Sequence[Bundle], answers: Answers, now: datetime, report: BatchReport
    ) -> list[Sending]:
        with writing(self.engine) as connection:
            known = self._write_answers(connection, bundles, answers, now)
            return self.preparer.prepare(connection, known, now=now, report=report)

    def _write_answers(
        self, connection: Connection, bundles: Sequence[Bundle], answers: Answers, now: datetime
    ) -> list[Bundle]:
        """Write what the providers answered about lost messages; the rest of them count as unknown from here on.

        What was never begun is taken back: whoever wrote it cannot begin it any more.
        Everything that will be written is locked first: deliveries, then notifications, each in the order of ids, as
        receipts do.
        """
        doubtful = {delivery.id for bundle in bundles for delivery in lost(bundle.deliveries)}
        touched: set[NotificationId] = set()
        unbegun: set[DeliveryId] = set()
        if doubtful:
            store.lock(connection, doubtful)
            unbegun = store.unbegun(connection, doubtful)  # since they were read, a slow worker may have begun
            touched = store.read_members(connection, doubtful)
        bundles = hold_fast(connection, bundles, touched)
        outcomes: dict[DeliveryId, Outcome | None] = {
            delivery.id: None if delivery.id in unbegun else Unknown("the worker stopped before the outcome was known")
            for bundle in bundles
            for delivery in lost(bundle.deliveries)
            if delivery.state is DeliveryState.ATTEMPTING
        }
        died = frozenset(outcomes)
        outcomes |= {key: outcome for key, outcome in answers.items() if outcome is not None}
        if not outcomes:
            return list(bundles)
        store.record(connection, outcomes, now=now)
        settle(connection, touched, now=now)
        fresh = store.read_deliveries(connection, [one.claimed.id for one in bundles])
        return [replace(one, deliveries=tuple(fresh.get(one.claimed.id, ())), died=died) for one in bundles]

    async def _send_and_keep(
        self, sendings: Sequence[Sending], prepared_at: datetime, hold: Hold, report: BatchReport
    ) -> None:
        """Send all, and write down what is known again and again: a worker that is killed forgets no more than that."""
        outcomes: dict[DeliveryId, Outcome | None] = {}
        sending = asyncio.create_task(self._outgoing().send(sendings, prepared_at, hold, outcomes))
        left = list(sendings)
        try:
            while left:
                await asyncio.wait({sending}, timeout=KEEP_EVERY.total_seconds())
                if sending.done():
                    sending.result()
                known = left if sending.done() else finished(left, outcomes)
                if known:
                    kept = {one.delivery_id: outcomes[one.delivery_id] for one in known}
                    await self._keep(known, kept, report)
                    left = [one for one in left if one.delivery_id not in kept]
                    hold.take([bundle for one in left for bundle in one.bundles])
        finally:
            await asyncio.wait({sending})  # what is under way is never cut

    def _outgoing(self) -> Outgoing:
        """What hands messages over, for all batches of this event loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._outgoing_of:
            self._outgoing_of[loop] = self._new_outgoing()
        return self._outgoing_of[loop]

    async def _keep(
        self, sendings: Sequence[Sending], outcomes: Mapping[DeliveryId, Outcome | None], report: BatchReport
    ) -> None:
        """Write the outcomes down, again and again while the database is away: what was sent must not be forgotten.

        Writing late is always right: the deliveries are ours, and the fence protects everything else.
        """
        receipts = [receipt for carrier in self.carriers.values() for receipt in carrier.receipts()]
        for tries_left in range(int(DATABASE_PATIENCE / TRY_AGAIN), -1, -1):
            try:
                await asyncio.to_thread(self._record, sendings, outcomes, receipts, report)
            except (StoreError, OperationalError, InterfaceError):
                if not tries_left:
                    raise
                log.warning("the database is away; outcomes wait", extra={"deliveries": len(outcomes)})
                await asyncio.sleep(TRY_AGAIN.total_seconds())
            else:
                return

    def _record(
        self,
        sendings: Sequence[Sending],
        outcomes: Mapping[DeliveryId, Outcome | None],
        receipts: Sequence[Receipt],
        report: BatchReport,
    ) -> None:
        counted = replace(report)
        now = self.clock.now()
        with writing(self.engine) as connection:
            record(connection, sendings, outcomes, receipts, now=now, limits=self.limits, report=counted)
        report.sent, report.failed, report.stopped = counted.sent, counted.failed, counted.stopped
