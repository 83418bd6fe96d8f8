"""Callbacks in groups, one insert each: a request is answered when its group is committed."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from notifier.store.callbacks import Raw

#: Commits a group; called in a thread.
Write = Callable[[Sequence[Raw]], None]
#: Told whether the callback is safe. Called in the event loop, never from within `put`.
Answer = Callable[[bool], None]

#: How often is looked whether there is room for more to be applied, in seconds.
LOOK_AGAIN = 0.02


@dataclass(frozen=True, slots=True)
class Limits:
    """How callbacks are grouped and applied.

    Beyond `room` waiting callbacks no more are taken. Answered callbacks are applied as soon as none came for `quiet`
    seconds, or `patience` seconds are over, or they are `many`. While `backlog` of them are not, the next wait up to
    `longest` seconds: a provider gives up after fifteen, and a door that closes waits for those who wait.
    """

    size: int = 250
    room: int = 20_000
    quiet: float = 0.02
    patience: float = 3.0
    many: int = 20_000
    backlog: int = 40_000
    longest: float = 5.0


class CallbackQueue:
    """Groups what comes while the group before it is being written. Made and used inside one event loop."""

    def __init__(self, write: Write, limits: Limits, executor: Executor, is_behind: Callable[[], bool]) -> None:
        self._write = write
        self._limits = limits
        self._executor = executor
        self._is_behind = is_behind
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[Raw, Answer, float]] = []  # the last is when it came
        self._is_writing = False
        self._ended: asyncio.Future[None] | None = None

    def put(self, raw: Raw, answer: Answer) -> bool:
        """Keep it, and answer when it is committed or could not be; False when there is no room for it."""
        if self._ended is not None or len(self._waiting) >= self._limits.room:
            return False
        self._waiting.append((raw, answer, self._loop.time()))
        if not self._is_writing:
            self._is_writing = True
            self._loop.call_soon(self._store)  # with everything that is read in this turn of the loop
        return True

    async def close(self) -> None:
        """Take no more, and come back when everything is written."""
        self._ended = self._loop.create_future()
        if self._is_writing:
            await self._ended

    def _store(self) -> None:
        if not self._waiting:
            self._is_writing = False
            if self._ended is not None and not self._ended.done():
                self._ended.set_result(None)
            return
        if self._must_wait():
            self._loop.call_later(LOOK_AGAIN, self._store)
            return
        group = self._waiting[: self._limits.size]
        del self._waiting[: self._limits.size]
        writing = self._loop.run_in_executor(self._executor, self._write, [raw for raw, _, _ in group])
        writing.add_done_callback(lambda written: self._stored(group, written))

    def _must_wait(self) -> bool:
        """Whether what is answered is to become receipts first; not for ever, for that may go wrong again and again."""
        is_patient = self._loop.time() - self._waiting[0][2] < self._limits.longest
        return is_patient and self._ended is None and self._is_behind()

    def _stored(self, group: Sequence[tuple[Raw, Answer, float]], written: "asyncio.Future[None]") -> None:
        is_safe = not written.cancelled() and written.exception() is None
        for _, answer, _ in group:
            answer(is_safe)
        self._store()
