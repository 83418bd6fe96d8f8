"""Relay: offer due notifications to the workers, as batches of ids. The queue is a doorbell; the outbox keeps time."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine

from notifier.model import NotificationId
from notifier.store import outbox
from notifier.store.engine import writing

#: Rings for a batch of ids, urgent ones or ordinary ones.
Ring = Callable[[Sequence[NotificationId], bool], None]
#: How many batches may still be offered, urgent ones or ordinary ones.
Room = Callable[[bool], int]

#: How far ahead of its pace a release may be: ten seconds' worth, so that a tick that comes late loses nothing.
BURST = timedelta(seconds=10)


def relay(
    engine: Engine,
    ring: Ring,
    *,
    now: datetime,
    batch_size: int,
    patience: timedelta,
    limit: int = 10_000,
    room: Room | None = None,
    per_minute: int = 0,
) -> int:
    """Ring for everything due, urgent and ordinary apart; returns how many were offered.

    A row that was offered and not claimed within `patience` is offered again: the bell may have been lost. The rows are
    marked before it rings, so a crash between the two costs one patience, never a message. `room` bounds what lies in
    the queues, `per_minute` how many ordinary ones are released in a minute (0: all), the nearest deadline first (S32);
    urgent ones are neither counted nor slowed.
    """
    offered = 0
    burst = max(BURST, timedelta(minutes=1 / per_minute)) if per_minute else BURST
    for urgent in (True, False):
        while most := min(limit, room(urgent) * batch_size if room else limit):
            with writing(engine) as connection:
                if per_minute and not urgent:
                    most = outbox.release(connection, most, per_minute=per_minute, burst=burst, now=now)
                ids = outbox.due(connection, urgent=urgent, now=now, patience=patience, limit=most)
                outbox.offered(connection, ids, now=now)
                if per_minute and not urgent:
                    outbox.released(connection, len(ids), per_minute=per_minute, burst=burst, now=now)
            for start in range(0, len(ids), batch_size):
                ring(ids[start : start + batch_size], urgent)
            offered += len(ids)
            if len(ids) < most or not most or room is None:
                break
    return offered
