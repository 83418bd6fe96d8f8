"""The outbox: what is to be told, claimed in batches, settled from its deliveries.

Every write names the states it allows, and what a claim writes carries the claim's attempt.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from notifier.model import (
    NOTIFICATION_MOVES,
    NotificationId,
    NotificationState,
    Reason,
    SubjectKind,
    origins,
)
from notifier.store import tables as t
from notifier.store.bulk import among
from notifier.store.many import insert_each
from notifier.store.subjects import chunks

N = t.notification.c
OPEN = (NotificationState.SCHEDULED, NotificationState.SENT)
#: The cursor that says up to which instant the pace of releases is used up (S32).
RELEASE = "release"


def insert_once(connection: Connection, table: Any) -> Any:
    """INSERT … ON CONFLICT DO NOTHING, in the words of the database at hand."""
    build = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return build(table).on_conflict_do_nothing()


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
    note_all(connection, [(key, what, reason, detail) for key in ids], now=now)


def note_all(
    connection: Connection, notes: Sequence[tuple[int, str, str | None, str | None]], *, now: datetime
) -> None:
    """Write many lines at once: (notification, what, reason, detail)."""
    if notes:
        rows = [
            {"notification_id": key, "at": now, "what": what, "reason": reason, "detail": detail}
            for key, what, reason, detail in notes
        ]
        insert_each(connection, t.event, rows)


def allowed_from(state: NotificationState) -> list[str]:
    """The states from which a notification may come to this one, as the database holds them."""
    return [origin.value for origin in origins(NOTIFICATION_MOVES, state)]


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


def take_along(connection: Connection, kind: SubjectKind, offices: Mapping[int, int], *, now: datetime) -> None:
    """A subject has moved to another office (subject id -> office id): what is still open of it goes along (S3).

    Whatever comes of it is then counted and looked after at the office that has the subject now.
    """
    for subject_id, office_id in sorted(offices.items()):
        mine = (N.subject_kind == kind.value, N.subject_id == subject_id, N.next_attempt_at.is_not(None))
        moved = update(t.notification).where(*mine).values(office_id=office_id, updated_at=now)
        ids = sorted(connection.execute(moved.returning(N.id)).scalars())
        note(connection, ids, "moved", None, now=now, detail="to the subject's new office")


# --------------------------------------------------------------------------------------------------- relay


def due(
    connection: Connection, *, urgent: bool, now: datetime, patience: timedelta, limit: int
) -> list[NotificationId]:
    """Ids that want to be looked at and were not rung for within the patience; the nearest end first."""
    query = (
        select(N.id)
        .where(
            N.next_attempt_at <= now,
            N.urgent.is_(urgent),
            or_(N.offered_at.is_(None), N.offered_at <= now - patience),
        )
        .order_by(N.useful_until, N.id)
        .limit(limit)
    )
    return [NotificationId(key) for key in connection.execute(query).scalars().all()]


def release(connection: Connection, most: int, *, per_minute: int, burst: timedelta, now: datetime) -> int:
    """How many of `most` may be offered now. Locks the pace until the transaction ends, for other schedulers' sake."""
    blank = {"name": RELEASE, "at": now - burst}
    connection.execute(insert_once(connection, t.cursor).values(blank))
    at = connection.scalar(select(t.cursor.c.at).where(t.cursor.c.name == RELEASE).with_for_update())
    ahead = now - max(at or now, now - burst)
    return max(min(most, int(ahead.total_seconds() * per_minute / 60)), 0)


def released(connection: Connection, count: int, *, per_minute: int, now: datetime, burst: timedelta) -> None:
    """So many were offered: the pace counts from a later instant. Comes after `release`, in its transaction."""
    at = connection.scalar(select(t.cursor.c.at).where(t.cursor.c.name == RELEASE))
    since = max(at or now, now - burst) + timedelta(minutes=count / per_minute)
    connection.execute(update(t.cursor).where(t.cursor.c.name == RELEASE).values(at=since))


def offered(connection: Connection, ids: Sequence[NotificationId], *, now: datetime) -> None:
    """Remember that the bell was rung for these."""
    for chunk in chunks(ids):
        connection.execute(update(t.notification).where(among(connection, N.id, chunk)).values(offered_at=now))


def next_due_at(connection: Connection) -> datetime | None:
    """When the outbox next wants something looked at."""
    return connection.execute(select(func.min(N.next_attempt_at))).scalar()


# ------------------------------------------------------------------------------------------------ work items


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
