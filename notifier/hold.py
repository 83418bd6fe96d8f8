"""Hold: a batch in a worker's hand is renewed while the worker lives, so that a lease can be short."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from sqlalchemy import Engine

from notifier.batch import Bundle, Limits
from notifier.clock import Clock
from notifier.model import NotificationId
from notifier.store.claims import Claimed, renew
from notifier.store.engine import writing

log = logging.getLogger(__name__)

#: A lease is renewed each time this part of it has passed: three renewals come before it ends, two of them may fail.
RENEWALS = 4


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
        return any(one.claimed.id in self._lost for one in bundles)

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
