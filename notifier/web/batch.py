"""Callbacks in groups, one transaction each: a request is answered when its group is committed."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from notifier.model import Receipt

#: Writes a group in one transaction, in a thread; answers the places of the receipts that were refused.
Write = Callable[[Sequence[Receipt]], frozenset[int]]


class NotStored(Exception):
    """The receipt is not safe, and the provider is to send it again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How receipts are grouped. `linger` is in seconds; beyond `room` waiting receipts no more are taken."""

    size: int = 1_000
    linger: float = 0.005
    room: int = 20_000


class ReceiptQueue:
    """Groups receipts that arrive close together. Made and used inside one event loop."""

    def __init__(self, write: Write, limits: Limits) -> None:
        self._write = write
        self._limits = limits
        self._waiting: list[tuple[Receipt, asyncio.Future[None]]] = []
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._closing = False

    async def put(self, receipt: Receipt) -> None:
        """Come back when the receipt is committed. Raises NotStored when it is not."""
        if self._closing or len(self._waiting) >= self._limits.room:
            raise NotStored
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((receipt, done))
        self._signal()
        await done

    async def run(self) -> None:
        """Write group after group, until `close`; what waits then is still written."""
        while True:
            await self._some.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.linger):
                    await self._full.wait()
            group = self._waiting[: self._limits.size]
            del self._waiting[: self._limits.size]
            self._signal()
            if group:
                await self._store(group)
            elif self._closing:
                return

    def close(self) -> None:
        """Take no more, and let `run` end once everything is written."""
        self._closing = True
        self._signal()

    def _signal(self) -> None:
        _set(self._some, bool(self._waiting) or self._closing)
        _set(self._full, len(self._waiting) >= self._limits.size or self._closing)

    async def _store(self, group: Sequence[tuple[Receipt, "asyncio.Future[None]"]]) -> None:
        failure: Exception | None = None
        refused: frozenset[int] = frozenset()
        try:
            refused = await asyncio.to_thread(self._write, [receipt for receipt, _ in group])
        except Exception as error:  # whatever it was, every request of the group must be answered
            failure = error
        for place, (_, done) in enumerate(group):
            if done.done():  # the provider hung up meanwhile
                continue
            if failure is not None or place in refused:
                done.set_exception(NotStored(type(failure).__name__))
            else:
                done.set_result(None)


def _set(event: asyncio.Event, holds: bool) -> None:
    if holds:
        event.set()
    else:
        event.clear()
