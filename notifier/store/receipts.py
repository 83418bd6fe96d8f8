"""Receipts in the database: all kept as they came, deliveries moved forward only, one statement a batch."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    String,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import OperationalError, StatementError

from notifier.model import DELIVERY_MOVES, Channel, DeliveryId, DeliveryState, NotificationId, Receipt, origins
from notifier.store.bulk import among
from notifier.store.many import insert_each
from notifier.store.tables import delivery, receipt
from notifier.store.types import Instant

Item = TypeVar("Item")

#: A message's name at its provider: provider, reference.
Reference = tuple[str, str]

#: Words of the database, and what they are here; asking the enumeration costs several times as much.
CHANNELS = {channel.value: channel for channel in Channel}
STATES = {state.value: state for state in DeliveryState}
#: What a receipt may move a delivery to; the other two states are our own knowledge, not a provider's.
BROUGHT = (DeliveryState.ACCEPTED, DeliveryState.FAILED, DeliveryState.DELIVERED, DeliveryState.READ)


@dataclass(frozen=True, slots=True)
class Found:
    """A delivery as it stands, locked until the end of the transaction."""

    id: DeliveryId
    notification_id: NotificationId
    channel: Channel
    address: str
    state: DeliveryState
    reference: str | None


@dataclass(frozen=True, slots=True)
class Move:
    """What a delivery becomes; `state` may be the one it has, `reference` counts only where none is known."""

    id: DeliveryId
    state: DeliveryState
    reason: str | None
    code: str | None
    reference: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A receipt to be kept: whose it is, if we know, and whether it moved anything."""

    receipt: Receipt
    delivery_id: DeliveryId | None
    applied: bool


@dataclass(frozen=True, slots=True)
class Orphan:
    """A kept receipt whose delivery was not known when it came, and the delivery since found."""

    id: int
    delivery_id: DeliveryId
    provider: str
    state: DeliveryState | None
    code: str | None
    raw: Mapping[str, str]


def find_by_reference(connection: Connection, references: Collection[Reference]) -> dict[Reference, DeliveryId]:
    """The newest delivery of each reference; a repeated e-mail keeps its Message-ID, so several share it."""
    if not references:
        return {}
    statement = (
        select(delivery.c.provider, delivery.c.reference, func.max(delivery.c.id))
        .where(among(connection, delivery.c.reference, sorted({reference for _, reference in references})))
        .group_by(delivery.c.provider, delivery.c.reference)
    )
    return {(row[0], row[1]): DeliveryId(row[2]) for row in connection.execute(statement)}


def lock(connection: Connection, identities: Collection[DeliveryId]) -> dict[DeliveryId, Found]:
    """The deliveries that exist among these, locked in id order so that batches cannot deadlock."""
    columns = [delivery.c[name] for name in ("id", "notification_id", "channel", "address", "state", "reference")]
    wanted = sorted(identities)
    is_postgresql = connection.dialect.name == "postgresql"
    statement = (
        select(*columns)
        # SQLite: each bound by itself, for a number that is too large must be refused as it is by PostgreSQL.
        .where(among(connection, delivery.c.id, wanted) if is_postgresql else delivery.c.id.in_(wanted))
        .order_by(delivery.c.id)
        .with_for_update(key_share=True)
    )
    rows = connection.execute(statement)
    return {
        key: Found(key, notification, CHANNELS[channel], address, STATES[state], reference)
        for key, notification, channel, address, state, reference in rows
    }


def move(connection: Connection, moves: Sequence[Move], *, now: datetime) -> None:
    """Move deliveries, in one statement that carries the states each move is allowed from."""
    if not moves:
        return
    new = _recordset(connection.dialect.name)
    moved = new.c.state != delivery.c.state
    statement = (
        update(delivery)
        .where(delivery.c.id == new.c.id, or_(~moved, _is_allowed(new)))
        .values(
            state=new.c.state,
            reason=case((moved, new.c.reason), else_=delivery.c.reason),
            code=case((moved, new.c.code), else_=delivery.c.code),
            reference=func.coalesce(delivery.c.reference, new.c.reference),
            outcome_at=case(
                (and_(moved, delivery.c.outcome_at.is_(None)), literal(now, Instant)),
                else_=delivery.c.outcome_at,
            ),
            updated_at=now,
        )
    )
    connection.execute(statement, {"moves": json.dumps([_as_json(one) for one in moves])})


def keep(connection: Connection, receipts: Sequence[Kept], *, now: datetime) -> None:
    """Add receipts to those that were ever received; nothing is left out, a repetition neither."""
    if not receipts:
        return
    rows = [
        {
            "delivery_id": kept.delivery_id,
            "provider": kept.receipt.provider,
            "reference": kept.receipt.reference,
            "state": kept.receipt.state,
            "code": kept.receipt.code,
            "raw": dict(kept.receipt.raw),
            "applied": kept.applied,
            "received_at": now,
        }
        for kept in receipts
    ]
    insert_each(connection, receipt, rows)


def find_orphans(connection: Connection, *, since: datetime | None) -> list[Orphan]:
    """Receipts that waited for a delivery that is known now, in the order they came."""
    newest = (
        select(delivery.c.provider, delivery.c.reference, func.max(delivery.c.id).label("id"))
        .where(delivery.c.reference.is_not(None))
        .group_by(delivery.c.provider, delivery.c.reference)
    )
    owner = newest.subquery("owner")
    names = ("provider", "state", "code", "raw")
    statement = (
        select(receipt.c.id, owner.c.id, *(receipt.c[name] for name in names))
        .join(owner, and_(receipt.c.provider == owner.c.provider, receipt.c.reference == owner.c.reference))
        .where(receipt.c.delivery_id.is_(None))
        .order_by(receipt.c.id)
    )
    if since is not None:
        statement = statement.where(receipt.c.received_at >= since)
    return [
        Orphan(row[0], row[1], row[2], row[3] and DeliveryState(row[3]), row[4], row[5])
        for row in connection.execute(statement)
    ]


def adopt(connection: Connection, adopted: Sequence[tuple[Orphan, bool]]) -> None:
    """Give orphans to their deliveries, each with whether it moved its delivery."""
    if not adopted:
        return
    statement = (
        update(receipt)
        .where(receipt.c.id == bindparam("orphan"), receipt.c.delivery_id.is_(None))
        .values(delivery_id=bindparam("owner"), applied=bindparam("moved"))
    )
    rows = [{"orphan": orphan.id, "owner": orphan.delivery_id, "moved": applied} for orphan, applied in adopted]
    connection.execute(statement, rows)


def in_halves(connection: Connection, items: Sequence[Item], write: Callable[[Sequence[Item]], None]) -> list[Item]:
    """Write all items at once; what the database refuses is halved until the bad items stand alone.

    Answers the refused items. What is not the items' fault (a lost connection, a deadlock) is raised.
    """
    try:
        with connection.begin_nested():
            write(items)
    except (StatementError, UnicodeError, OverflowError) as error:
        if isinstance(error, OperationalError) or getattr(error, "connection_invalidated", False):
            raise
        if len(items) == 1:
            return list(items)
        middle = len(items) // 2
        return in_halves(connection, items[:middle], write) + in_halves(connection, items[middle:], write)
    return []


def _as_json(one: Move) -> dict[str, object]:
    return {"id": one.id, "state": one.state, "reason": one.reason, "code": one.code, "reference": one.reference}


def _recordset(dialect: str) -> FromClause:
    """The bound JSON text `moves` as rows. One statement of constant text, however many rows there are."""
    if dialect == "postgresql":
        texts = (column(name, String()) for name in ("state", "reason", "code", "reference"))
        moves = cast(bindparam("moves", type_=Text()), JSONB())
        rows = func.jsonb_to_recordset(moves).table_valued(column("id", BigInteger()), *texts)
        return rows.render_derived(name="new", with_types=True)
    each = func.json_each(bindparam("moves", type_=Text())).table_valued("value", name="each")
    texts_of = (
        func.json_extract(each.c.value, f"$.{name}").label(name) for name in ("state", "reason", "code", "reference")
    )
    number = cast(func.json_extract(each.c.value, "$.id"), Integer()).label("id")
    return select(number, *texts_of).subquery("new")


def _is_allowed(new: FromClause) -> ColumnElement[bool]:
    return or_(
        *(
            and_(
                new.c.state == state.value,
                delivery.c.state.in_([before.value for before in origins(DELIVERY_MOVES, state)]),
            )
            for state in BROUGHT
        )
    )
