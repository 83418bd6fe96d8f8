"""The list of the office: what a person must look at, because nothing ends in silence."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from notifier.store import tables as t

W = t.work_item.c


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One thing to look at; `subject` is the number of its permit or case, if it has one."""

    id: int
    office: str
    kind: str
    subject: str | None
    notification_id: int | None
    note: str
    created_at: datetime
    closed_at: datetime | None
    zone: str


def list_work(
    connection: Connection, *, office: str | None = None, kinds: Collection[str] = (), closed: bool = False, limit: int
) -> list[WorkItem]:
    """What is open (with `closed`, also what is done), the oldest first."""
    permit = (t.permit.c.id == W.subject_id) & (W.subject_kind == "permit")
    case = (t.case.c.id == W.subject_id) & (W.subject_kind == "case")
    query = (
        select(
            W.id,
            t.office.c.code.label("office"),
            W.kind,
            func.coalesce(t.permit.c.number, t.case.c.number).label("subject"),
            W.notification_id,
            W.note,
            W.created_at,
            W.closed_at,
            t.office.c.zone,
        )
        .join(t.office, t.office.c.id == W.office_id)
        .outerjoin(t.permit, permit)
        .outerjoin(t.case, case)
        .order_by(W.id)
        .limit(limit)
    )
    if office is not None:
        query = query.where(t.office.c.code == office)
    if kinds:
        query = query.where(W.kind.in_(kinds))
    if not closed:
        query = query.where(W.closed_at.is_(None))
    return [WorkItem(**row._mapping) for row in connection.execute(query)]


def close_work(connection: Connection, ids: Collection[int], *, now: datetime) -> list[int]:
    """Take these off the list; answers those that were open."""
    statement = update(t.work_item).where(W.id.in_(ids), W.closed_at.is_(None)).values(closed_at=now)
    return sorted(connection.execute(statement.returning(W.id)).scalars())
