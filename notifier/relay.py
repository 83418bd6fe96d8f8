"""Relay: offer due notifications to the workers, as batches of ids. The queue is a doorbell; the outbox keeps time."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine

from notifier.model import NotificationId
from notifier.store import outbox
from notifier.store.engine import writing

#: A row offered and not claimed within this time is offered again: the bell may have been lost.
PATIENCE = timedelta(minutes=2)

Ring = Callable[[Sequence[NotificationId], bool], None]


def relay(
    engine: Engine,
    ring: Ring,
    *,
    now: datetime,
    batch_size: int,
    limit: int = 10_000,
    patience: timedelta = PATIENCE,
) -> int:
    """Ring for everything due, urgent and ordinary apart; returns how many were offered.

    The rows are marked before the bell rings: a crash between the two costs one patience, never a message.
    """
    with writing(engine) as connection:
        due = outbox.due(connection, now=now, patience=patience, limit=limit)
        outbox.offered(connection, [key for key, _ in due], now=now)
    for urgent in (True, False):
        ids = [key for key, is_urgent in due if is_urgent is urgent]
        for start in range(0, len(ids), batch_size):
            ring(ids[start : start + batch_size], urgent)
    return len(due)
