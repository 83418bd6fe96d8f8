"""The thread that makes receipts of answered callbacks: when it is quiet, and at the latest after a while."""

import logging
import time
from collections.abc import Callable
from threading import Event, Thread

from notifier.web.batch import Limits

log = logging.getLogger(__name__)

#: How long is waited for after a database that failed, and how often is looked for what others left; in seconds.
REST = 1.0
LOOK_EVERY = 60.0
#: So long is still applied when the door closes, in seconds; what is left then waits for a tick or the next start.
GRACE = 5.0


class Applier:
    """Counts what was answered and what became receipts, and lets the one run after the other.

    `apply` makes receipts of some and answers of how many, 0 when none is left.
    """

    def __init__(self, apply: Callable[[], int], limits: Limits) -> None:
        self._apply = apply
        self._limits = limits
        self._wake = Event()
        self._stop = Event()
        self._thread = Thread(target=self._run, name="receipts")
        self._kept = self._applied = 0  # each written by one thread only
        self._last = 0.0

    def start(self) -> None:
        """Begin, with what an earlier process left."""
        self._wake.set()
        self._thread.start()

    def stop(self) -> None:
        """Come back when everything is applied, or its time is over."""
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def kept(self, count: int) -> None:
        """So many more are committed and wait."""
        self._kept += count
        self._last = time.monotonic()
        self._wake.set()

    def is_behind(self) -> bool:
        """Whether so many wait that no more should be taken."""
        return self._kept - self._applied >= self._limits.backlog

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(LOOK_EVERY)
            self._wake.clear()
            self._wait_for_quiet()
            while self._work() and not self._stop.is_set():
                self._wait_for_quiet()
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and self._work():
            pass

    def _wait_for_quiet(self) -> None:
        """Answers first: both compute in one interpreter, and somebody waits for an answer."""
        latest = time.monotonic() + self._limits.patience
        while self._kept - self._applied < self._limits.many:
            left = min(latest, self._last + self._limits.quiet) - time.monotonic()
            if left <= 0 or self._stop.wait(left):
                return

    def _work(self) -> bool:
        """Apply some; answers whether there may be more."""
        kept = self._kept
        try:
            count = self._apply()
        except Exception as error:  # the kind only: a driver's words may quote the row, and the row is personal
            log.error("callbacks are not applied, next try in %g s: %s", REST, type(error).__name__)
            self._stop.wait(REST)
            self._wake.set()
            return False
        # When none is left, others may have applied some of ours.
        self._applied = min(self._applied + count, self._kept) if count else max(self._applied, kept)
        return count > 0
