"""Permits as rows of plain values, for planning thousands at once; what no row can say of them stands beside it.

All is read in one snapshot: an answer found for one permit is given to all that are alike, so none of them may have
changed between two questions.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection, Engine, Select, Text, select, type_coerce

from notifier.model import Entry, SubjectKind
from notifier.rules.fields import FINAL_CASE_STATES
from notifier.rules.outline import WORDS
from notifier.store import tables as t
from notifier.store.bulk import among
from notifier.store.engine import reading
from notifier.store.subject_rows import ANCHOR_WORDS, PERMIT_FACTS
from notifier.store.subjects import read_entries

P, H, R = t.permit.c, t.party.c, t.role.c
KIND = SubjectKind.PERMIT

#: What stands in a row before the values of WORDS.
HEAD = (P.id, P.office_id, P.holder_id, H.zone, H.birth_date, H.deceased_on)


def _column(word: str) -> Any:
    owner, _, name = word.rpartition("holder.")
    return H[name] if owner == "" and name != word else P[PERMIT_FACTS[word]]


#: As they are stored: SQLite has days as text, and nothing is done with them but comparing.
PERMIT: Any = select(*(type_coerce(column, Text()) for column in (*HEAD, *map(_column, WORDS)))).join(
    t.party, H.id == P.holder_id
)
ROLE: Any = (
    select(
        *(type_coerce(one, Text()) for one in (R.subject_id, R.role, R.party_id, R.valid_from, R.valid_until, H.zone))
    )
    .join(t.party, H.id == R.party_id)
    .where(R.subject_kind == KIND.value)
    .order_by(R.id)
)
SEEN = select(t.seen.c.subject_id, t.seen.c.field, t.seen.c.value).where(
    t.seen.c.subject_kind == KIND.value, t.seen.c.field.in_(sorted(ANCHOR_WORDS[KIND]))
)
_OTHER = t.permit.alias("other")
OTHERS = select(P.id, _OTHER.c.type).join(_OTHER, (_OTHER.c.holder_id == P.holder_id) & (_OTHER.c.id != P.id))
CASES = select(t.case.c.holder_id, t.case.c.service).where(t.case.c.state.not_in(sorted(FINAL_CASE_STATES)))
TOLD = select(t.notification.c.subject_id).distinct().where(t.notification.c.subject_kind == KIND.value)


@dataclass(slots=True)
class Outlines:
    """Permits of the register, by their ids, in one snapshot."""

    rows: list[tuple[Any, ...]]  # HEAD and WORDS of each
    roles: dict[int, list[tuple[Any, ...]]]  # role, party id, first day, last day, zone of the party
    corrected: set[int]  # permits one of whose dates has had another value
    others: dict[int, set[str]] = field(default_factory=dict)  # types of the other permits of a permit's holder
    cases: dict[int, set[str]] = field(default_factory=dict)  # services of the open cases of a holder
    entries: dict[int, list[Entry]] = field(default_factory=dict)


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection that cannot write, and sees the database as it is now until the block ends."""
    with reading(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield connection


def as_stored(connection: Connection, day: date) -> Any:
    """A day in the form in which the rows have it."""
    return day.isoformat() if connection.dialect.name == "sqlite" else day


def read_outlines(connection: Connection, ids: Sequence[int]) -> Outlines:
    """The permits with these ids; those the register does not hold are left out."""
    rows = _raw(connection, PERMIT, P.id, ids)
    roles: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for key, *role in _raw(connection, ROLE, R.subject_id, ids):
        roles[key].append(tuple(role))
    found = Outlines(rows, roles, _corrected(connection, rows, ids))
    for holder, service in _raw(connection, CASES, t.case.c.holder_id, sorted({row[2] for row in rows})):
        found.cases.setdefault(holder, set()).add(service)
    for key, kind in _raw(connection, OTHERS, P.id, ids):
        found.others.setdefault(key, set()).add(kind)
    told = [key for (key,) in _raw(connection, TOLD, t.notification.c.subject_id, ids)]
    if told:
        found.entries = read_entries(connection, KIND, told)
    return found


def _corrected(connection: Connection, rows: Iterable[Sequence[Any]], ids: Sequence[int]) -> set[int]:
    """Permits whose history of dates is more than the value that each has now."""
    places = {word: len(HEAD) + WORDS.index(word) for word in ANCHOR_WORDS[KIND]}
    present = {row[0]: row for row in rows}
    met: set[tuple[int, str]] = set()
    found: set[int] = set()
    for key, word, value in _raw(connection, SEEN, t.seen.c.subject_id, ids):
        now = present[key][places[word]] if key in present else None
        if str(now) != value or (key, word) in met:
            found.add(key)
        met.add((key, word))
    return found


def _raw(connection: Connection, query: Select[Any], column: Any, ids: Sequence[int]) -> list[tuple[Any, ...]]:
    # The driver's own tuples: making a Row of each, and a value of each text, costs more than the question.
    found: Any = connection.execute(query.where(among(connection, column, ids))).cursor
    return list(found.fetchall())
