"""Settle: the state of notifications derived from their deliveries, in one place. Late news is welcome."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, select, union_all

from notifier.model import (
    NOTIFICATION_MOVES,
    NOTIFICATION_STATES,
    PROVED,
    TOLD,
    DeliveryState,
    NotificationId,
    NotificationState,
    Reason,
)
from notifier.store import tables as t
from notifier.store.bulk import TOGETHER, one_of, slices
from notifier.store.caps import free_cap
from notifier.store.changes import touch_subjects
from notifier.store.many import update_each
from notifier.store.outbox import OPEN, add_work_item, note_all

N, D, M = t.notification.c, t.delivery.c, t.delivery_member.c
FAILED = DeliveryState.FAILED.value
#: What of a delivery decides on the state of what it tells; after the number of that.
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
LOCKED = select(*(N[name] for name in READ)).where(one_of(N.id)).order_by(N.id).with_for_update()


def _told_by() -> Select[Any]:
    own = select(D.id.label("delivery_id"), D.notification_id).where(one_of(D.notification_id))
    shared = select(M.delivery_id, M.notification_id).where(one_of(M.notification_id))
    told = union_all(own, shared).subquery("told")
    current = select(told.c.notification_id, *(D[name] for name in SEEN)).join(t.delivery, D.id == told.c.delivery_id)
    return current.where(D.rung >= 0).order_by(D.id)


TOLD_BY = _told_by()

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
    for chunk in slices(sorted(set(ids)), TOGETHER):
        rows, deliveries = _read(connection, chunk)
        settled = []
        for row in rows:
            mine = deliveries.get(row.id, ())
            settled.append(_derive(row, change(row, mine), mine, now))
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


def _read(connection: Connection, ids: Sequence[int]) -> tuple[Sequence[Row[Any]], dict[int, list[Row[Any]]]]:
    """Notifications, locked, and the deliveries of each in the order of their ids."""
    rows = connection.execute(LOCKED, {"ids": ids}).all()
    deliveries: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(TOLD_BY, {"ids": ids}).all():
        deliveries.setdefault(row[0], []).append(row)
    return rows, deliveries


def _write(connection: Connection, settled: Sequence[Settled], now: datetime) -> None:
    """Write in one statement what changes. What all of them get is said once; most batches end in one way."""
    if not settled:
        return
    touched = {name for one in settled for name in one.values}
    if strange := touched.difference(COLUMNS):
        raise ValueError(f"settling does not write {', '.join(sorted(strange))}")
    same: dict[str, Any] = {"updated_at": now}
    own: dict[str, list[Any]] = {"id": [one.row.id for one in settled]}
    for place, name in enumerate(READ):
        if name in touched:
            fresh = [one.values[name] if name in one.values else one.row[place] for one in settled]
            if fresh.count(fresh[0]) == len(fresh):
                same[name] = fresh[0]
            else:
                own[name] = fresh
    rows = [dict(zip(own, values, strict=True)) for values in zip(*own.values(), strict=True)]
    update_each(connection, t.notification, rows, same=same)
    moved = [one for one in settled if one.reached is not None]
    note_all(connection, [(one.row.id, str(one.reached), one.values.get("reason"), None) for one in moved], now=now)
    for one in moved:
        if one.reached is NotificationState.UNDELIVERABLE:
            free_cap(connection, NotificationId(one.row.id))
            add_work_item(connection, one.row, "undeliverable", one.values["detail"], now=now)


def _derive(row: Row[Any], changed: Mapping[str, Any], deliveries: Sequence[Row[Any]], now: datetime) -> Settled:
    state = NOTIFICATION_STATES[row.state]
    rung, rungs = changed.get("rung", row.rung), changed.get("rungs", row.rungs)
    seen = _look(deliveries)
    # A `resend` does not make untold what was told.
    told_at = seen.told_at or (row.told_at if row.forced else None)
    values: dict[str, Any] = {**changed, "told_at": told_at, "first_sent_at": row.first_sent_at or seen.first}
    ending = {"next_attempt_at": None, "settled_at": now}
    reached: NotificationState | None = None
    if seen.is_proved:
        reached = NotificationState.DELIVERED
        values |= ending | {"reason": Reason.PROVED_DELIVERED.value, "detail": None}
    elif rung >= rungs and seen.has_failed:
        reached = NotificationState.UNDELIVERABLE
        why = deliveries[-1].reason or Reason.LADDER_ENDED.value
        values |= ending | {"reason": Reason.LADDER_ENDED.value, "detail": why}
    elif seen.told_at and state is NotificationState.SCHEDULED:
        reached = NotificationState.SENT
    if state in OPEN and reached in (None, NotificationState.SENT) and _rung_failed(rung, rungs, deliveries):
        values |= {"next_attempt_at": now, "offered_at": None}
    if reached is not None and reached in NOTIFICATION_MOVES[state]:
        return Settled(row, values | {"state": reached.value}, reached)
    if reached in (NotificationState.DELIVERED, NotificationState.UNDELIVERABLE):
        # It has ended already; only the record of telling is refreshed.
        values = {**changed, "told_at": told_at}
    return Settled(row, values, None)


class _Seen(NamedTuple):
    """What the deliveries of a notification say together; `has_failed`: each of one or more has."""

    told_at: datetime | None = None
    first: datetime | None = None
    is_proved: bool = False
    has_failed: bool = False


def _look(deliveries: Sequence[Any]) -> _Seen:
    told_at = first = None
    is_proved, has_failed = False, bool(deliveries)
    for _, _, state, _, attempted_at, outcome_at in deliveries:
        if first is None or attempted_at < first:
            first = attempted_at
        if state != FAILED:
            has_failed = False
        if state in TOLD:
            at = outcome_at or attempted_at
            if told_at is None or at < told_at:
                told_at = at
            is_proved = is_proved or state in PROVED
    return _Seen(told_at, first, is_proved, has_failed)


def _rung_failed(rung: int, rungs: int, deliveries: Sequence[Row[Any]]) -> bool:
    """Every channel of the rung sent last has failed for good, and another rung is left (S69)."""
    if rung >= rungs:
        return False
    last = [delivery.state for delivery in deliveries if delivery.rung == rung - 1]
    return bool(last) and all(state == FAILED for state in last)
