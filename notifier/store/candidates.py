"""The planner's questions in SQL: which subjects may be due, which have changed."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, delete, select, union

from notifier.model import SubjectKind
from notifier.rules.compile import Candidates
from notifier.rules.fields import FIELDS
from notifier.store import tables as t
from notifier.store.subjects import chunks
from notifier.store.types import Instant


def due_subjects(
    connection: Connection, question: Candidates, office_ids: Sequence[int], *, within: tuple[int, int] | None = None
) -> list[int]:
    """Ids of the subjects of some offices that a question lets through; `within` bounds them, both ends included."""
    table = t.SUBJECTS[question.subject]
    query = select(table.c.id).where(table.c.office_id.in_(office_ids))
    if within is not None:
        query = query.where(table.c.id.between(*within))
    for column, words in (("type", question.types), ("status", question.statuses)):
        if words and question.subject is SubjectKind.PERMIT:
            query = query.where(table.c[column].in_(words))
    for column, words in (("state", question.states), ("service", question.services)):
        if words and question.subject is SubjectKind.CASE:
            query = query.where(table.c[column].in_(words))
    if question.field == "birth date":
        query = query.join(t.party, t.party.c.id == table.c.holder_id)
        query = query.where(t.party.c.birth_date.between(question.low, question.high))
    elif question.field == "state begins":
        # Not only the open stay: one entered again, or gone on in another state, began with an ended one (S54, S55).
        query = query.join(t.stay, t.stay.c.case_id == table.c.id).distinct()
        query = query.where(t.stay.c.began_at.between(_instant(question.low), _instant(question.high, end=True)))
    elif question.field is not None:
        name = FIELDS[question.field].column
        if name is not None:
            column_ = table.c[name]
            low, high = question.low, question.high
            if isinstance(column_.type, Instant):
                low, high = _instant(low), _instant(high, end=True)
            query = query.where(column_.between(low, high))
    return list(connection.execute(query).scalars())


def _instant(value: date | None, *, end: bool = False) -> datetime:
    """A day as the widest span of instants it can mean in any zone."""
    if isinstance(value, datetime):
        return value
    if value is None:
        raise ValueError("an interval needs both ends")
    slack = timedelta(hours=14 + (24 if end else 0))
    midnight = datetime.combine(value, time(), UTC)
    return midnight + slack if end else midnight - slack


def roles_turning(connection: Connection, after: date, until: date) -> list[tuple[SubjectKind, int]]:
    """Subjects at which a role begins to count on a day in (after, until], or counts no more.

    A new party is late for all past steps (S61); who stands in for one that left (S63) is so too, and a rule
    may ask whether anybody is there at all.
    """
    r = t.role.c
    subjects = select(r.subject_kind, r.subject_id)
    begins = subjects.where(r.valid_from > after, r.valid_from <= until)
    ended = subjects.where(r.valid_until >= after, r.valid_until < until)
    query = union(begins, ended)
    return [(SubjectKind(row.subject_kind), row.subject_id) for row in connection.execute(query)]


def changed_subjects(connection: Connection, limit: int) -> list[tuple[int, SubjectKind, int]]:
    """The oldest changes nobody has looked at: their own id, and the subject."""
    query = select(t.changed).order_by(t.changed.c.id).limit(limit)
    return [(row.id, SubjectKind(row.subject_kind), row.subject_id) for row in connection.execute(query)]


def forget_changes(connection: Connection, ids: Sequence[int]) -> None:
    """Strike the changes that were looked at, and no others: what commits late keeps its row."""
    for chunk in chunks(ids):
        connection.execute(delete(t.changed).where(t.changed.c.id.in_(chunk)))
