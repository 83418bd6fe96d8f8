"""Run: everything in one process. Plan, then relay and work until nothing is due, then say what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from notifier.app import App
from notifier.model import NotificationId
from notifier.reconcile import PlanReport
from notifier.relay import Room, relay
from notifier.store.engine import reading
from notifier.store.ledger import Tally, mark, tally
from notifier.worker import Queue, delivering, embedded_broker, working

#: Called with how much is done, of how much, and what it is: "planning" or "sending".
Progress = Callable[[str, int, int], None]

#: A run ends at the latest after this many rounds; each round offers what the one before made due.
ROUNDS = 1_000


@dataclass(frozen=True, slots=True)
class RunReport:
    """What planning did, and what happened in the ledger meanwhile."""

    plan: PlanReport
    tally: Tally

    def as_json(self) -> dict[str, Any]:
        """The documented keys of `run --format json`."""
        sums = self.tally
        return {
            **asdict(sums.total),
            "by_rule": {name: asdict(one) for name, one in sorted(sums.by_rule.items())},
            "by_channel": {name: asdict(one) for name, one in sorted(sums.by_channel.items())},
            "held_because": dict(sums.held_because.most_common()),
            "refused_because": dict(sums.refused_because.most_common()),
            "ended": dict(sums.ended.most_common()),
            "moved": self.plan.moved,
            "cancelled": self.plan.cancelled,
        }


def run(app: App, *, progress: Progress | None = None) -> RunReport:
    """Plan and send everything due at the app's `now`. What waits for later is left to the next run."""
    with reading(app.ready_engine) as connection:
        before = mark(connection)
    report = app.planner.plan(
        now=app.clock.now(), progress=(lambda done, of: progress("planning", done, of)) if progress else None
    )
    send_due(app, progress=progress)
    with reading(app.engine) as connection:
        return RunReport(report, tally(connection, before))


def send_due(app: App, *, progress: Progress | None = None) -> None:
    """Offer and deliver until nothing more is due, with queue and workers inside this process."""
    counting = _Counting(progress)
    with delivering(app) as deliver:

        def deliver_batch(ids: Sequence[NotificationId]) -> None:
            deliver(ids)
            counting.done(len(ids))

        queue = Queue(embedded_broker(), deliver_batch)

        def ring(ids: Sequence[NotificationId], urgent: bool) -> None:
            counting.found(len(ids))
            queue.offer(ids, urgent)

        with working(queue):
            for _ in range(ROUNDS):
                if not offer_due(app, ring, now=app.clock.now()):
                    break
                queue.join()
        if queue.faults:
            raise queue.faults[0]


def offer_due(
    app: App,
    ring: Callable[[Sequence[NotificationId], bool], None],
    *,
    now: datetime,
    room: Room | None = None,
    per_minute: int = 0,
) -> int:
    """Ring for everything due that was not rung for lately."""
    sending = app.settings.sending
    # With a clock that stands (`--on`) no patience would ever run out; a row given back has no offer on it.
    patience = max(sending.offer_patience, timedelta(seconds=1))
    return relay(
        app.ready_engine,
        ring,
        now=now,
        batch_size=sending.batch_size,
        patience=patience,
        room=room,
        per_minute=per_minute,
    )


class _Counting:
    """Adds up over the threads of the workers."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._lock = Lock()
        self._found = self._done = 0

    def found(self, count: int) -> None:
        with self._lock:
            self._found += count
            self._tell()

    def done(self, count: int) -> None:
        with self._lock:
            self._done += count
            self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress("sending", self._done, self._found)
