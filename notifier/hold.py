"""Hold: a batch in a worker's hand is renewed while the worker lives, so that a lease can be short; and which of its
messages have begun, so that a successor need not ask about the others."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from sqlalchemy import Engine

from notifier.batch import Bundle, Limits
from notifier.clock import Clock
from notifier.model import DeliveryId, NotificationId
from notifier.store import deliveries as store
from notifier.store.claims import Claimed, renew
from notifier.store.engine import writing

log = logging.getLogger(__name__)

#: A lease is renewed each time this part of it has passed: three renewals come before it ends, two of them may fail.
RENEWALS = 4
#: Messages that begin within so long may share the statement that marks them.
GATHERED = timedelta(seconds=0.02)


class Hold:
    """What a worker has claimed, and until when it may count on having it for itself."""

    def __init__(self, engine: Engine, clock: Clock, limits: Limits, claimed_at: datetime) -> None:
        self.ends = claimed_at + limits.lease
        self._engine, self._clock, self._limits = engine, clock, limits
        self._claims: list[Claimed] = []
        self._lost: set[NotificationId] = set()
        self._written = [self.ends]  # the last ends this worker has written: what was put off since has another one

    def take(self, bundles: Sequence[Bundle]) -> None:
        """These are what it has in hand from now on."""
        self._claims = [one.claimed for one in bundles]

    def has_lost(self, bundles: Sequence[Bundle]) -> bool:
        """Whether a renewal came too late for one of these: another worker may have it in hand, and tells it."""
        return bool(self._lost) and any(one.claimed.id in self._lost for one in bundles)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renew while the block lasts. A renewal that fails is only logged: the next one may succeed."""
        task = asyncio.create_task(self._renew_again_and_again())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _renew_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(self._limits.lease.total_seconds() / RENEWALS)
            try:
                await asyncio.to_thread(self._renew)
            except Exception:
                log.exception("a lease could not be renewed", extra={"notifications": len(self._claims)})

    def _renew(self) -> None:
        until = self._clock.now() + self._limits.lease
        claims = self._claims
        with writing(self._engine) as connection:
            renewed = renew(connection, claims, self._written, until=until)
        self._lost.update(one.id for one in claims if one.id not in renewed)
        self._written = [*self._written[-RENEWALS:], until]
        self.ends = max(self.ends, until)


class Beginnings:
    """Marks each message as begun before it is handed to its carrier, over all batches of an event loop.

    What a dead worker had only prepared is then sent by its successor without a question. Those that begin together
    share a statement: it is written as soon as half of what is open waits for it, and at the latest after `GATHERED`.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock
        # Of its own: behind whole batches that are being read or written, a mark would wait while places stand empty.
        self._thread = ThreadPoolExecutor(1, "begun")
        self._waiting: dict[DeliveryId, asyncio.Future[datetime | None]] = {}
        self._under_way = 0
        self._latest: datetime | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    async def begin(self, key: DeliveryId) -> datetime | None:
        """Since when the message counts as begun; None: it must not begin, for another worker has it. Either way
        `ended` is called when that is over."""
        answer: asyncio.Future[datetime | None] = asyncio.get_running_loop().create_future()
        self._waiting[key] = answer
        self._look()
        at = await answer
        self._under_way += 1
        return at

    def ended(self) -> None:
        """What has begun, or must not begin, is not under way any more."""
        self._under_way -= 1
        self._look()

    def _look(self) -> None:
        """Write now, later, or not at all."""
        if self._writing is not None or not self._waiting:
            return
        if len(self._waiting) >= self._under_way:
            self._write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHERED.total_seconds(), self._write)

    def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is None and self._waiting:
            self._writing = asyncio.create_task(self._write_waiting())

    async def _write_waiting(self) -> None:
        await asyncio.sleep(0)  # what is about to ask, asks now
        waiting, self._waiting = self._waiting, {}
        # A clock that is set back must not make an attempt look older than it is.
        at = self._latest = max(self._clock.now(), self._latest or self._clock.now())
        begun: set[DeliveryId] = set()
        try:
            begun = await asyncio.get_running_loop().run_in_executor(self._thread, self._mark, list(waiting), at)
        except Exception:
            log.exception("messages could not be marked as begun; they wait", extra={"deliveries": len(waiting)})
        finally:
            self._writing = None
            for key, answer in waiting.items():
                if not answer.done():
                    answer.set_result(at if key in begun else None)
            self._look()

    def _mark(self, keys: Sequence[DeliveryId], at: datetime) -> set[DeliveryId]:
        with writing(self._engine) as connection:
            return store.mark_begun(connection, keys, now=at)
