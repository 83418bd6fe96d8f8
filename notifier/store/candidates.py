"""The planner's questions in SQL: which subjects may be due, which have changed."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    literal,
    or_,
    select,
    union,
    union_all,
)

from notifier.model import NotificationState, Reason, SubjectKind
from notifier.rules.compile import Candidates
from notifier.rules.fields import FIELDS
from notifier.store import tables as t
from notifier.store.bulk import among, slices
from notifier.store.subjects import chunks
from notifier.store.types import Instant

#: How many questions one statement asks.
QUESTIONS_AT_ONCE = 100


def due_subjects(
    connection: Connection, question: Candidates, office_ids: Sequence[int], *, within: tuple[int, int] | None = None
) -> list[int]:
    """Ids of the subjects of some offices that a question lets through; `within` bounds them, both ends included."""
    lists: dict[str, Sequence[Any]] = {"office_id": office_ids, **_words(question)}
    column = _date_column(question)
    sizes = tuple((name, len(values)) for name, values in lists.items())
    query = _statement(t.SUBJECTS[question.subject], column, sizes, _empty(question), within is not None)
    values = {f"{name}_{place}": value for name, given in lists.items() for place, value in enumerate(given)}
    if column is not None:
        values["low"], values["high"] = _bounds(question, column)
    if within is not None:
        values["first"], values["last"] = within
    return list(connection.execute(query, values).scalars().all())


def due_among(
    connection: Connection, questions: Mapping[Candidates, Sequence[int] | None]
) -> Iterator[tuple[Candidates, int, int]]:
    """(question, subject id, office id) of all subjects that the questions let through, in few statements.

    Each question names the ids of the offices it is asked for; None: all of them.
    """
    for part in slices(questions.items(), QUESTIONS_AT_ONCE):
        asked = [_branch(connection, place, question, office_ids) for place, (question, office_ids) in enumerate(part)]
        rows: Sequence[Any] = connection.execute(union_all(*asked)).all()
        for place, subject_id, office_id in rows:
            yield part[place][0], subject_id, office_id


def _branch(
    connection: Connection, place: int, question: Candidates, office_ids: Sequence[int] | None
) -> Select[tuple[int, int, int]]:
    table, column = t.SUBJECTS[question.subject], _date_column(question)
    query = select(literal(place, Integer()), table.c.id, table.c.office_id)
    for name, words in _words(question).items():
        query = query.where(table.c[name].in_(words))
    for name in _empty(question):
        query = query.where(table.c[name].is_(None))
    if office_ids is not None:
        query = query.where(among(connection, table.c.office_id, office_ids))
    if column is None:
        return query
    low, high = _bounds(question, column)
    return _joined(query, table, column).where(column.between(literal(low, column.type), literal(high, column.type)))


def _joined(query: Select[Any], table: Table, column: Column[Any]) -> Select[Any]:
    """The table together with the one that holds the date."""
    if column.table is t.party:
        return query.join(t.party, t.party.c.id == table.c.holder_id)
    if column.table is t.stay:
        # Not only the open stay: one entered again, or gone on in another state, began with an ended one (S54, S55).
        return query.join(t.stay, t.stay.c.case_id == table.c.id).distinct()
    return query


def subjects_in_outbox(
    connection: Connection,
    rules: Mapping[str, Collection[int]],
    states: Sequence[NotificationState],
    reason: Reason | None = None,
) -> list[tuple[str, int]]:
    """(rule, subject id) of notifications in one of these states, of rules each at the offices with these ids."""
    if not rules:
        return []
    n = t.notification.c
    theirs = [and_(n.rule == rule, among(connection, n.office_id, list(ids))) for rule, ids in rules.items()]
    query = select(n.rule, n.subject_id).where(or_(*theirs), n.state.in_([state.value for state in states]))
    if reason is not None:
        query = query.where(n.reason == reason.value)
    return [(row.rule, row.subject_id) for row in connection.execute(query.distinct()).all()]


@dataclass(frozen=True, slots=True)
class Standing:
    """A subject as the questions see it: its columns, and the dates that stand in other tables."""

    kind: SubjectKind
    columns: Mapping[str, Any]
    birth_date: date | None
    began_at: tuple[datetime, ...]

    def is_let_through(self, question: Candidates) -> bool:
        """What `due_subjects` says of this subject, without asking the database again."""
        if question.subject is not self.kind:
            return False
        if any(self.columns[name] not in words for name, words in _words(question).items()):
            return False
        if any(self.columns[name] is not None for name in _empty(question)):
            return False
        column = _date_column(question)
        if column is None:
            return True
        low, high = _bounds(question, column)
        return any(value is not None and low <= value <= high for value in self._dates(column))

    def _dates(self, column: Column[Any]) -> Sequence[Any]:
        if column.table is t.party:
            return (self.birth_date,)
        return self.began_at if column.table is t.stay else (self.columns[column.name],)


def read_standings(connection: Connection) -> dict[int, list[Standing]]:
    """Every subject of the register by office id, for many questions about few subjects."""
    began: dict[int, list[datetime]] = defaultdict(list)
    for row in connection.execute(select(t.stay.c.case_id, t.stay.c.began_at)):
        began[row.case_id].append(row.began_at)
    found: dict[int, list[Standing]] = defaultdict(list)
    for kind, table in t.SUBJECTS.items():
        query = select(table, t.party.c.birth_date.label("born")).join(t.party, t.party.c.id == table.c.holder_id)
        for row in connection.execute(query).all():
            stays = tuple(began[row.id]) if kind is SubjectKind.CASE else ()
            found[row.office_id].append(Standing(kind, row._asdict(), row.born, stays))
    return found


def _words(question: Candidates) -> dict[str, tuple[str, ...]]:
    """Columns of which a question names the words."""
    if question.subject is SubjectKind.PERMIT:
        named = {"type": question.types, "status": question.statuses}
    else:
        named = {"state": question.states, "service": question.services}
    return {name: words for name, words in named.items() if words}


def _empty(question: Candidates) -> tuple[str, ...]:
    """Columns that must be empty."""
    return tuple(column for word in question.missing if (column := FIELDS[word].column) is not None)


def _bounds(question: Candidates, column: Column[Any]) -> tuple[Any, Any]:
    """Lowest and highest value of the column, both included."""
    if isinstance(column.type, Instant):
        return _instant(question.low), _instant(question.high, end=True)
    return question.low, question.high


def _date_column(question: Candidates) -> Column[Any] | None:
    """The column that holds the date the question asks about; None when it asks about none."""
    if question.field is None:
        return None
    if question.field == "birth date":
        return t.party.c.birth_date
    if question.field == "state begins":
        return t.stay.c.began_at
    name = FIELDS[question.field].column
    return None if name is None else t.SUBJECTS[question.subject].c[name]


@lru_cache(maxsize=1024)
def _statement(
    table: Table,
    column: Column[Any] | None,
    sizes: tuple[tuple[str, int], ...],
    empty: tuple[str, ...],
    is_bounded: bool,
) -> Select[Any]:
    """The statement of all questions of one shape: built and compiled once, since a plan asks hundreds of them."""
    query = select(table.c.id)
    for name, size in sizes:
        query = query.where(
            table.c[name].in_([bindparam(f"{name}_{place}", type_=table.c[name].type) for place in range(size)])
        )
    for name in empty:
        query = query.where(table.c[name].is_(None))
    if is_bounded:
        query = query.where(table.c.id.between(bindparam("first"), bindparam("last")))
    if column is None:
        return query
    low, high = (bindparam(end, type_=column.type) for end in ("low", "high"))
    return _joined(query, table, column).where(column.between(low, high))


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
    return [(SubjectKind(row.subject_kind), row.subject_id) for row in connection.execute(query).all()]


def changed_subjects(connection: Connection, limit: int) -> list[tuple[int, SubjectKind, int]]:
    """The oldest changes nobody has looked at: their own id, and the subject."""
    query = select(t.changed).order_by(t.changed.c.id).limit(limit)
    return [(row.id, SubjectKind(row.subject_kind), row.subject_id) for row in connection.execute(query).all()]


def forget_changes(connection: Connection, ids: Sequence[int]) -> None:
    """Strike the changes that were looked at, and no others: what commits late keeps its row."""
    for chunk in chunks(ids):
        connection.execute(delete(t.changed).where(t.changed.c.id.in_(chunk)))
