"""Callbacks as they came, until they are receipts: one row holds a group, so that keeping many costs one insert."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, false, func, insert, select, true, update
from sqlalchemy.exc import DBAPIError

from notifier.store.bulk import among
from notifier.store.engine import connected, writing
from notifier.store.tables import callback

C = callback.c
#: A callback as it came: the number of the delivery it names, and its form, undecoded.
Raw = tuple[int | None, str]

_KEEP = insert(callback).inline()  # nobody asks for its number
_TAKE = (
    select(C.id, C.received_at, C.forms).where(C.set_aside == false()).order_by(C.id).with_for_update(skip_locked=True)
)


@dataclass(frozen=True, slots=True)
class Group:
    """Callbacks that came together, in the order they came."""

    id: int
    received_at: datetime
    callbacks: Sequence[Raw]


def keep(connection: Connection, callbacks: Sequence[Raw], *, now: datetime, set_aside: bool = False) -> None:
    """Keep callbacks as one group."""
    connection.execute(_KEEP, {"received_at": now, "forms": json.dumps(callbacks), "set_aside": set_aside})


class Keeper:
    """Commits group after group. On PostgreSQL each is one round trip on a connection of its own. For one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._open: ExitStack | None = None
        self._connection: Connection | None = None

    def keep(self, callbacks: Sequence[Raw], *, now: datetime) -> None:
        """Keep callbacks as one group, safely. Raises SQLAlchemyError and StoreError when that cannot be."""
        if self._engine.dialect.name != "postgresql":
            with writing(self._engine) as connection:
                keep(connection, callbacks, now=now)
            return
        is_new = self._connection is None
        try:
            self._keep(callbacks, now)
        except DBAPIError as error:
            self.close()
            if is_new or not error.connection_invalidated:
                raise
            self._keep(callbacks, now)  # the server was away meanwhile; what it should hold twice does no harm

    def close(self) -> None:
        """Give the connection back."""
        if self._open is not None:
            self._open.close()
        self._open = self._connection = None

    def _keep(self, callbacks: Sequence[Raw], now: datetime) -> None:
        if self._connection is None:
            self._open = ExitStack()
            connection = self._open.enter_context(connected(self._engine))
            self._connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        keep(self._connection, callbacks, now=now)
        self._connection.commit()  # for SQLAlchemy; the server committed with the statement


def take(connection: Connection, most: int) -> list[Group]:
    """The oldest groups, at most so many, which nobody else has in hand; ours until the transaction ends."""
    return [Group(row[0], row[1], json.loads(row[2])) for row in connection.execute(_TAKE.limit(most))]


def remove(connection: Connection, groups: Sequence[Group]) -> int:
    """Forget groups whose callbacks are receipts now; answers how many were still there."""
    mine = among(connection, C.id, [group.id for group in groups])
    return connection.execute(delete(callback).where(mine)).rowcount


def set_aside(connection: Connection, group: Group) -> None:
    """Let a group that cannot become receipts stand in nobody's way."""
    connection.execute(update(callback).where(C.id == group.id).values(set_aside=True))


def take_up_again(connection: Connection) -> None:
    """Let what was set aside be tried once more."""
    connection.execute(update(callback).where(C.set_aside == true()).values(set_aside=False))


def oldest(connection: Connection) -> datetime | None:
    """When the oldest callback came that is no receipt yet; also one that was set aside."""
    came: datetime | None = connection.scalar(select(func.min(C.received_at)))
    return came


def forget_before(connection: Connection, before: datetime) -> None:
    """Remove what was set aside and is older."""
    connection.execute(delete(callback).where(C.set_aside == true(), C.received_at < before))
