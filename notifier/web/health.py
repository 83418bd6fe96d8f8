"""Is the engine well: the answer for load balancers and monitors."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from notifier.errors import StoreError
from notifier.store.callbacks import oldest
from notifier.store.engine import reading
from notifier.store.outbox import next_due_at


@dataclass(frozen=True, slots=True)
class Health:
    """What was found: how long the oldest row has been due, and the oldest callback no receipt; in whole seconds."""

    is_reachable: bool
    is_current: bool = False
    oldest_due: int = 0
    oldest_callback: int = 0

    @property
    def is_well(self) -> bool:
        """Whether this door can do its work. A late outbox is the workers' trouble, no reason to close it."""
        return self.is_reachable and self.is_current

    def as_json(self) -> dict[str, object]:
        """The words of the answer."""
        return {
            "status": "ok" if self.is_well else "unwell",
            "database": "reachable" if self.is_reachable else "unreachable",
            "migrations": "current" if self.is_current else "unknown" if not self.is_reachable else "behind",
            "oldest_due_seconds": self.oldest_due,
            "oldest_callback_seconds": self.oldest_callback,
        }


def look(engine: Engine, *, is_current: Callable[[Engine], bool], now: datetime) -> Health:
    """Ask the database. Never raises for a database that does not answer."""
    try:
        if not is_current(engine):
            return Health(is_reachable=True)
        with reading(engine) as connection:
            due, came = next_due_at(connection), oldest(connection)
    except (SQLAlchemyError, StoreError):
        return Health(is_reachable=False)
    return Health(True, True, _seconds(due, now), _seconds(came, now))


def _seconds(since: datetime | None, now: datetime) -> int:
    return max(0, int((now - since).total_seconds())) if since is not None else 0
