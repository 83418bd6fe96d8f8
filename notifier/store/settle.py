"""Settle: the state of notifications derived from their deliveries, in one place. Late news is welcome."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from notifier.model import (
    NOTIFICATION_MOVES,
    PROVED,
    TOLD,
    DeliveryState,
    NotificationId,
    NotificationState,
    Reason,
)
from notifier.store import tables as t
from notifier.store.bulk import among
from notifier.store.changes import touch_subjects
from notifier.store.claims import free_cap
from notifier.store.deliveries import deliveries_of
from notifier.store.many import update_each
from notifier.store.outbox import OPEN, add_work_item, note_all
from notifier.store.subjects import chunks

N, D = t.notification.c, t.delivery.c
#: What of a delivery decides on the state of what it tells.
SEEN = ("rung", "state", "reason", "attempted_at", "outcome_at")
#: What settling looks at and may write; a row that keeps a value is given the one it has.
COLUMNS = (
    "state",
    "reason",
    "detail",
    "told_at",
    "first_sent_at",
    "next_attempt_at",
    "offered_at",
    "settled_at",
    "rung",
    "rungs",
    "tries",
)
READ = ("id", "office_id", "subject_kind", "subject_id", "attempt", "forced", "useful_until", *COLUMNS)

#: What else is to be written of a notification: from its row and its deliveries, both as they stand now.
Change = Callable[[Row[Any], Sequence[Row[Any]]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Settled:
    """What a notification becomes: its new values, and the state it has reached, if that is a move."""

    row: Row[Any]
    values: dict[str, Any]
    reached: NotificationState | None


def _nothing(row: Row[Any], deliveries: Sequence[Row[Any]]) -> Mapping[str, Any]:
    return {}


def settle(
    connection: Connection, ids: Iterable[NotificationId], *, now: datetime, change: Change = _nothing
) -> list[tuple[str, int]]:
    """Derive the states of notifications from their deliveries; rows are locked in the order of their ids.

    `change` is written first and in the same statement. Answers the subjects (kind, id) of which something counts as
    told only now.
    """
    heard: list[tuple[str, int]] = []
    for chunk in chunks(ids):
        query = select(*(N[name] for name in READ)).where(among(connection, N.id, chunk))
        rows = connection.execute(query.order_by(N.id).with_for_update()).all()
        deliveries: dict[int, list[Row[Any]]] = {key: [] for key in chunk}
        told = deliveries_of(connection, chunk)
        current = (
            select(told.c.notification_id, *(D[name] for name in SEEN))
            .join(t.delivery, D.id == told.c.delivery_id)
            .where(D.rung >= 0)
        )
        for row in connection.execute(current.order_by(D.id)):
            deliveries[row.notification_id].append(row)
        settled = [_derive(row, change(row, deliveries[row.id]), deliveries[row.id], now) for row in rows]
        _write(connection, settled, now)
        heard += [
            (one.row.subject_kind, one.row.subject_id)
            for one in settled
            if one.row.told_at is None and one.values.get("told_at") is not None
        ]
    return heard


def settle_late(connection: Connection, ids: Iterable[NotificationId], *, now: datetime) -> None:
    """Settle after news that came by itself: what counts as told only now may let a follow-up be planned (S86)."""
    touch_subjects(connection, settle(connection, ids, now=now))


def _write(connection: Connection, settled: Sequence[Settled], now: datetime) -> None:
    kept = len(READ) - len(COLUMNS)
    rows = [{"id": one.row.id, **dict(zip(COLUMNS, one.row[kept:], strict=True)), **one.values} for one in settled]
    update_each(connection, t.notification, rows, same={"updated_at": now})
    moved = [one for one in settled if one.reached is not None]
    note_all(connection, [(one.row.id, str(one.reached), one.values.get("reason"), None) for one in moved], now=now)
    for one in moved:
        if one.reached is NotificationState.UNDELIVERABLE:
            free_cap(connection, NotificationId(one.row.id))
            add_work_item(connection, one.row, "undeliverable", one.values["detail"], now=now)


def _derive(row: Row[Any], changed: Mapping[str, Any], deliveries: Sequence[Row[Any]], now: datetime) -> Settled:
    state = NotificationState(row.state)
    rung, rungs = changed.get("rung", row.rung), changed.get("rungs", row.rungs)
    told = [delivery for delivery in deliveries if delivery.state in TOLD]
    before = row.told_at if row.forced else None  # a `resend` does not make untold what was told
    told_at = min((delivery.outcome_at or delivery.attempted_at for delivery in told), default=before)
    first = min((delivery.attempted_at for delivery in deliveries), default=None)
    values: dict[str, Any] = {**changed, "told_at": told_at, "first_sent_at": row.first_sent_at or first}
    ending = {"next_attempt_at": None, "settled_at": now}
    reached: NotificationState | None = None
    if any(delivery.state in PROVED for delivery in told):
        reached = NotificationState.DELIVERED
        values |= ending | {"reason": Reason.PROVED_DELIVERED.value, "detail": None}
    elif rung >= rungs and deliveries and all(one.state == DeliveryState.FAILED for one in deliveries):
        reached = NotificationState.UNDELIVERABLE
        why = deliveries[-1].reason or Reason.LADDER_ENDED.value
        values |= ending | {"reason": Reason.LADDER_ENDED.value, "detail": why}
    elif told and state is NotificationState.SCHEDULED:
        reached = NotificationState.SENT
    if state in OPEN and reached in (None, NotificationState.SENT) and _rung_failed(rung, rungs, deliveries):
        values |= {"next_attempt_at": now, "offered_at": None}
    if reached is not None and reached in NOTIFICATION_MOVES[state]:
        return Settled(row, values | {"state": reached.value}, reached)
    if reached in (NotificationState.DELIVERED, NotificationState.UNDELIVERABLE):
        # It has ended already; only the record of telling is refreshed.
        values = {**changed, "told_at": told_at}
    return Settled(row, values, None)


def _rung_failed(rung: int, rungs: int, deliveries: Sequence[Row[Any]]) -> bool:
    """Every channel of the rung sent last has failed for good, and another rung is left (S69)."""
    last = [delivery for delivery in deliveries if delivery.rung == rung - 1]
    return bool(last) and rung < rungs and all(one.state == DeliveryState.FAILED.value for one in last)
