"""The outbox: what is to be told, claimed in batches, settled from its deliveries.

Every write names the states it allows, and what a claim writes carries the claim's attempt.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

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
from notifier.store.subjects import chunks

N = t.notification.c
OPEN = (NotificationState.SCHEDULED, NotificationState.SENT)


def insert_once(connection: Connection, table: Any) -> Any:
    """INSERT … ON CONFLICT DO NOTHING, in the words of the database at hand."""
    build = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return build(table).on_conflict_do_nothing()


def schedule(connection: Connection, rows: Sequence[Mapping[str, Any]], *, now: datetime) -> list[NotificationId]:
    """Add notifications that are not there yet; the unique key of the cycle makes a second planning add nothing."""
    if not rows:
        return []
    blank = {"state": NotificationState.SCHEDULED.value, "attempt": 0, "rung": 0, "tries": 0, "forced": False}
    added: list[NotificationId] = []
    for start in range(0, len(rows), 200):
        part = [{**blank, "created_at": now, "updated_at": now, **row} for row in rows[start : start + 200]]
        answer = connection.execute(insert_once(connection, t.notification).values(part).returning(N.id))
        added += [NotificationId(key) for key in answer.scalars()]
    note(connection, added, "planned", None, now=now)
    return added


def note(
    connection: Connection,
    ids: Sequence[NotificationId],
    what: str,
    reason: Reason | None,
    *,
    now: datetime,
    detail: str | None = None,
) -> None:
    """Write one line into the story of each notification."""
    if ids:
        rows = [
            {
                "notification_id": key,
                "at": now,
                "what": what,
                "reason": reason.value if reason else None,
                "detail": detail,
            }
            for key in ids
        ]
        connection.execute(insert(t.event), rows)


def allowed_from(state: NotificationState) -> list[str]:
    """The states from which the table of moves lets a notification come to this one."""
    return [origin.value for origin, targets in NOTIFICATION_MOVES.items() if state in targets]


def end(
    connection: Connection,
    key: NotificationId,
    state: NotificationState,
    reason: Reason,
    *,
    now: datetime,
    detail: str = "",
    attempt: int | None = None,
) -> bool:
    """End a notification that was never told; False when it had moved on meanwhile."""
    statement = update(t.notification).where(N.id == key, N.state.in_(allowed_from(state)))
    if attempt is not None:
        statement = statement.where(N.attempt == attempt)
    moved = connection.execute(
        statement.values(
            state=state.value,
            reason=reason.value,
            detail=detail or None,
            next_attempt_at=None,
            settled_at=now,
            updated_at=now,
        )
    ).rowcount
    if moved:
        note(connection, [key], state.value, reason, now=now, detail=detail or None)
    return bool(moved)


def hold(
    connection: Connection,
    key: NotificationId,
    until: datetime,
    reason: Reason,
    *,
    now: datetime,
    attempt: int,
) -> None:
    """Look again later; holding is not a try, and the claim that holds must still be the last one."""
    held = connection.execute(
        update(t.notification)
        .where(N.id == key, N.attempt == attempt, N.state.in_([state.value for state in OPEN]))
        .values(next_attempt_at=until, offered_at=None, reason=reason.value, detail=None, updated_at=now)
    ).rowcount
    if held:
        note(connection, [key], "held", reason, now=now, detail=f"until {until.isoformat()}")


def stop_ladder(
    connection: Connection, key: NotificationId, reason: Reason, *, now: datetime, attempt: int | None
) -> bool:
    """No further rung for what was sent already; a receipt may still prove it (S74)."""
    statement = update(t.notification).where(N.id == key, N.state == NotificationState.SENT.value)
    if attempt is not None:
        statement = statement.where(N.attempt == attempt)
    statement = statement.where(N.next_attempt_at.is_not(None))
    values = {"next_attempt_at": None, "reason": reason.value, "updated_at": now, "settled_at": now}
    stopped = bool(connection.execute(statement.values(**values)).rowcount)
    if stopped:
        note(connection, [key], "ladder ended", reason, now=now)
    return stopped


def older_ladders(connection: Connection, claimed: "Claimed", *, now: datetime) -> list[NotificationId]:
    """What the same rule already sent to the same recipient about the same subject and still waits for."""
    query = select(N.id).where(
        N.rule == claimed.rule,
        N.subject_kind == claimed.subject_kind,
        N.subject_id == claimed.subject_id,
        N.party_id == claimed.party_id,
        N.id != claimed.id,
        N.state == NotificationState.SENT.value,
        N.next_attempt_at.is_not(None),
    )
    return [NotificationId(key) for key in connection.execute(query).scalars()]


# --------------------------------------------------------------------------------------------------- relay


def due(connection: Connection, *, now: datetime, patience: timedelta, limit: int) -> list[tuple[NotificationId, bool]]:
    """Ids that want to be looked at and were not rung for within the patience; urgent first, nearest end first."""
    query = (
        select(N.id, N.urgent)
        .where(N.next_attempt_at <= now, or_(N.offered_at.is_(None), N.offered_at <= now - patience))
        .order_by(N.urgent.desc(), N.useful_until, N.id)
        .limit(limit)
    )
    return [(NotificationId(row.id), row.urgent) for row in connection.execute(query)]


def offered(connection: Connection, ids: Sequence[NotificationId], *, now: datetime) -> None:
    """Remember that the bell was rung for these."""
    for chunk in chunks(ids):
        connection.execute(update(t.notification).where(N.id.in_(chunk)).values(offered_at=now))


def next_due_at(connection: Connection) -> datetime | None:
    """When the outbox next wants something looked at."""
    return connection.execute(select(func.min(N.next_attempt_at))).scalar()


# --------------------------------------------------------------------------------------------------- claim


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notification in this worker's hand; `attempt` is the fence of all it writes."""

    id: NotificationId
    rule: str
    step: str
    occurrence: int
    subject_kind: str
    subject_id: int
    cycle: str
    party_id: int
    role: str
    office_id: int
    state: NotificationState
    moment: datetime
    useful_until: datetime | None
    urgent: bool
    capped: bool
    forced: bool
    attempt: int
    rung: int
    tries: int
    first_sent_at: datetime | None
    told_at: datetime | None
    reason: str | None


def claim(connection: Connection, ids: Sequence[NotificationId], *, now: datetime, lease: timedelta) -> list[Claimed]:
    """Take what is due among the ids. The claim counts the attempt and sets the next one: no rescuer is needed."""
    wanted = select(N.id).where(
        N.id.in_(list(ids)), N.next_attempt_at <= now, N.state.in_([state.value for state in OPEN])
    )
    if connection.dialect.name == "postgresql":
        # The ids are picked once and locked; inside IN (...) another plan may run the sub-select again.
        picked = wanted.order_by(N.id).with_for_update(skip_locked=True)
        condition = N.id == func.any(func.array(picked.scalar_subquery()))
    else:
        condition = N.id.in_(wanted)
    statement = (
        update(t.notification)
        .where(condition)
        .values(attempt=N.attempt + 1, next_attempt_at=now + lease, updated_at=now)
        .returning(t.notification)
    )
    rows = connection.execute(statement).all()
    found = [_claimed(row) for row in rows]
    return sorted(found, key=lambda claimed: (not claimed.urgent, claimed.useful_until or now, claimed.id))


def _claimed(row: Row[Any]) -> Claimed:
    values = {name: row._mapping[name] for name in Claimed.__dataclass_fields__}
    values["state"] = NotificationState(row.state)
    return Claimed(**values)


def give_back(connection: Connection, claimed: Claimed, *, now: datetime) -> None:
    """Return what was not started, attempt and all."""
    connection.execute(
        update(t.notification)
        .where(N.id == claimed.id, N.attempt == claimed.attempt)
        .values(attempt=claimed.attempt - 1, next_attempt_at=now, offered_at=None)
    )


def take_cap(
    connection: Connection, party_id: int, day: date, key: NotificationId, *, per_day: int, per_week: int
) -> bool:
    """Use one of the person's messages of the day; the unique key keeps the cap over all workers (S81)."""
    use = t.cap_use.c
    mine = connection.execute(select(use.day).where(use.notification_id == key)).first()
    if mine is not None:
        return True
    week = select(func.count()).where(use.party_id == party_id, use.day > day - timedelta(days=7), use.day <= day)
    if (connection.execute(week).scalar() or 0) >= per_week:
        return False
    for number in range(per_day):
        row = {"party_id": party_id, "day": day, "number": number, "notification_id": key}
        # RETURNING and not the row count, which psycopg does not give for an INSERT
        taken = connection.execute(insert_once(connection, t.cap_use).values(row).returning(use.number))
        if taken.first() is not None:
            return True
    return False


def free_cap(connection: Connection, key: NotificationId) -> None:
    """Give the day back to the person when nothing left after all."""
    connection.execute(delete(t.cap_use).where(t.cap_use.c.notification_id == key))


# --------------------------------------------------------------------------------------------- by an officer


def resend(connection: Connection, key: NotificationId, *, now: datetime) -> None:
    """Begin the ladder anew because an officer asked; earlier deliveries stay on record as rungs below zero."""
    d = t.delivery.c
    connection.execute(update(t.delivery).where(d.notification_id == key, d.rung >= 0).values(rung=-1 - d.rung))
    connection.execute(
        update(t.notification)
        .where(N.id == key)
        .values(
            state=NotificationState.SCHEDULED.value,
            reason=None,
            detail=None,
            forced=True,
            rung=0,
            tries=0,
            next_attempt_at=now,
            offered_at=None,
            first_sent_at=None,
            settled_at=None,
            attempt=N.attempt + 1,
            updated_at=now,
        )
    )
    note(connection, [key], "resend", None, now=now, detail="asked by an officer")


def cancel(connection: Connection, key: NotificationId, *, now: datetime) -> bool:
    """Cancel what waits, or end the ladder of what was sent; False when there was nothing left to cancel."""
    if end(connection, key, NotificationState.CANCELLED, Reason.CANCELLED_BY_OFFICER, now=now):
        return True
    return stop_ladder(connection, key, Reason.CANCELLED_BY_OFFICER, now=now, attempt=None)


# -------------------------------------------------------------------------------------------------- settle


def settle(connection: Connection, ids: Iterable[NotificationId], *, now: datetime) -> None:
    """Derive the state of notifications from their deliveries. The only place that does; late news is welcome."""
    for chunk in chunks(ids):
        query = select(t.notification).where(N.id.in_(chunk)).order_by(N.id).with_for_update()
        rows = connection.execute(query).all()
        deliveries: dict[int, list[Row[Any]]] = {key: [] for key in chunk}
        current = select(t.delivery).where(t.delivery.c.notification_id.in_(chunk), t.delivery.c.rung >= 0)
        for row in connection.execute(current.order_by(t.delivery.c.id)):
            deliveries[row.notification_id].append(row)
        for row in rows:
            _settle_one(connection, row, deliveries[row.id], now)


def _settle_one(connection: Connection, row: Row[Any], deliveries: Sequence[Row[Any]], now: datetime) -> None:
    key, state = NotificationId(row.id), NotificationState(row.state)
    states = [DeliveryState(delivery.state) for delivery in deliveries]
    told = [delivery for delivery, one in zip(deliveries, states, strict=True) if one in TOLD]
    told_at = min((delivery.outcome_at or delivery.attempted_at for delivery in told), default=None)
    first = min((delivery.attempted_at for delivery in deliveries), default=None)
    values: dict[str, Any] = {"told_at": told_at, "first_sent_at": row.first_sent_at or first}
    reached: NotificationState | None = None
    if any(one in PROVED for one in states):
        reached = NotificationState.DELIVERED
        values |= {
            "next_attempt_at": None,
            "settled_at": now,
            "reason": Reason.PROVED_DELIVERED.value,
            "detail": None,
        }
    elif row.rung >= row.rungs and deliveries and not told and _sent_all(row, deliveries):
        reached = NotificationState.UNDELIVERABLE
        reason = Reason(deliveries[-1].reason) if deliveries[-1].reason else Reason.LADDER_ENDED
        values |= {
            "next_attempt_at": None,
            "settled_at": now,
            "reason": Reason.LADDER_ENDED.value,
            "detail": reason.value,
        }
    elif told and state is NotificationState.SCHEDULED:
        reached = NotificationState.SENT
    if state in OPEN and reached in (None, NotificationState.SENT) and _rung_failed(row, deliveries):
        values |= {"next_attempt_at": now, "offered_at": None}
    moves = reached is not None and reached in NOTIFICATION_MOVES[state]
    if moves and reached is not None:
        values["state"] = reached.value
    elif reached in (NotificationState.DELIVERED, NotificationState.UNDELIVERABLE):
        values = {"told_at": told_at}  # it has ended already; only the record of telling is refreshed
    connection.execute(update(t.notification).where(N.id == key).values(**values, updated_at=now))
    if moves and reached is not None:
        note(
            connection,
            [key],
            reached.value,
            Reason(values["reason"]) if "reason" in values else None,
            now=now,
        )
        if reached is NotificationState.UNDELIVERABLE:
            free_cap(connection, key)
            add_work_item(connection, row, "undeliverable", values["detail"], now=now)


def _sent_all(row: Row[Any], deliveries: Sequence[Row[Any]]) -> bool:
    """Nothing is still under way: a lost outcome is no failure."""
    return all(delivery.state == DeliveryState.FAILED.value for delivery in deliveries)


def _rung_failed(row: Row[Any], deliveries: Sequence[Row[Any]]) -> bool:
    """Every channel of the rung sent last has failed for good, and another rung is left (S69)."""
    last = [delivery for delivery in deliveries if delivery.rung == row.rung - 1]
    return bool(last) and row.rung < row.rungs and all(one.state == DeliveryState.FAILED.value for one in last)


def add_work_item(
    connection: Connection, row: Any, kind: str, note_: str, *, now: datetime, key: str | None = None
) -> None:
    """Put something on the list of the office; the same thing is never listed twice."""
    item = {
        "office_id": row.office_id,
        "kind": kind,
        "key": key or f"{kind}:{row.id}",
        "subject_kind": row.subject_kind,
        "subject_id": row.subject_id,
        "notification_id": row.id,
        "note": note_,
        "created_at": now,
    }
    connection.execute(insert_once(connection, t.work_item).values(item))
