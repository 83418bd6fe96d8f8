"""Adds what planning decided to the outbox: one statement for many rows, the unique key of the cycle deciding.

Thousands of rows of one day differ in subject and recipient alone. So what they share is sent and taken apart once,
and each row names it by its place.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    String,
    Text,
    bindparam,
    column,
    func,
    insert,
    literal,
    select,
    table,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

from notifier.model import NotificationState
from notifier.store import tables as t
from notifier.store.types import Ids

N = t.notification.c
#: What is each row's own; all the rest it may share.
OWN = ("subject_id", "party_id", "in_place_of", "office_id")
SHARED = (
    "rule",
    "step",
    "occurrence",
    "subject_kind",
    "cycle",
    "role",
    "rule_digest",
    "moment",
    "useful_until",
    "urgent",
    "capped",
    "next_attempt_at",
    "rungs",
)
#: A row to be added: the first four of SHARED, the row's own (OWN), its cycle, and all of SHARED. What rows share they
#: should share as one object: it is compared a million times.
Planned = tuple[tuple[Any, ...], int, int, int | None, int, str, tuple[Any, ...]]
#: The unique key of the outbox.
IDENTITY = itemgetter(0, 1, 5, 2)
#: How every planned row begins.
BLANK = {"state": NotificationState.SCHEDULED.value, "forced": False, "attempt": 0, "rung": 0, "tries": 0}
#: The word of the event.
PLANNED = "planned"


def planned(row: Mapping[str, Any]) -> Planned:
    """A whole row in the form that is written."""
    head, *own = [row[name] for name in OWN]
    shared = tuple([row[name] for name in SHARED])
    return shared[:4], head, *own, row["cycle"], shared


def schedule(connection: Connection, rows: Sequence[Planned], *, now: datetime) -> Counter[str]:
    """Add notifications that are not there yet, each with its event; answers how many of each rule were added.

    In the order of the unique key: two planners that add the same rows in different orders would wait for each other.
    """
    if not rows:
        return Counter()
    rows = sorted(rows, key=IDENTITY)
    if connection.dialect.name == "postgresql":
        return _on_postgresql(connection, rows, now)
    return _on_sqlite(connection, rows, now)


def _on_postgresql(connection: Connection, rows: Sequence[Planned], now: datetime) -> Counter[str]:
    places, shapes = _shapes(rows)
    _, *own, _, _ = zip(*rows, strict=True)
    values: dict[str, Any] = {f"own_{name}": list(column_) for name, column_ in zip(OWN, own, strict=True)}
    values |= {f"shared_{name}": list(column_) for name, column_ in zip(SHARED, zip(*shapes, strict=True), strict=True)}
    answer = connection.execute(_adding(), {**values, "places": places, "now": now})
    return Counter({row.rule: row.added for row in answer})


def _shapes(rows: Sequence[Planned]) -> tuple[list[int], list[tuple[Any, ...]]]:
    """What the rows share, each once, and for every row the place of its own, counted from 1."""
    known: dict[tuple[Any, ...], int] = {}
    places = [known.setdefault(row[-1], len(known) + 1) for row in rows]
    return places, list(known)


@cache
def _adding() -> Any:
    """Notifications and their events in one statement."""
    own = _unnested("own", {"place": BigInteger(), **{name: N[name].type for name in OWN}}, first="places")
    shared = _unnested("shared", {name: N[name].type for name in SHARED})
    blank = {name: literal(value, N[name].type) for name, value in BLANK.items()}
    moment = bindparam("now", type_=N.created_at.type)
    values = {
        **{name: own.c[name] for name in OWN},
        **{name: shared.c[name] for name in SHARED},
        **blank,
        "created_at": moment,
        "updated_at": moment,
    }
    rows = (
        select(*values.values()).join_from(own, shared, own.c.place == shared.c.ordinality).order_by(own.c.ordinality)
    )
    once = postgresql.insert(t.notification).from_select(list(values), rows).on_conflict_do_nothing()
    added = once.returning(N.id, N.rule).cte("added")
    story = select(added.c.id, moment, literal(PLANNED, t.event.c.what.type))
    told = insert(t.event).from_select(["notification_id", "at", "what"], story).cte("told")
    return select(added.c.rule, func.count().label("added")).group_by(added.c.rule).add_cte(told)


def _unnested(name: str, types: Mapping[str, Any], *, first: str = "") -> Any:
    """Arrays as a table with numbered rows: `own_party_id`, ... are its columns."""
    names = [first if first and place == 0 else f"{name}_{column_}" for place, column_ in enumerate(types)]
    # A cast to VARCHAR(64) would cut what is too long in silence; as TEXT the column itself refuses it.
    kinds = [Text() if isinstance(type_, String) else type_ for type_ in types.values()]
    arrays = [
        bindparam(one, type_=Ids() if isinstance(kind, BigInteger) else postgresql.ARRAY(kind))
        for one, kind in zip(names, kinds, strict=True)
    ]
    columns = [column(one, kind) for one, kind in zip(types, kinds, strict=True)]
    unnested = func.unnest(*arrays).table_valued(*columns, with_ordinality="ordinality", joins_implicitly=True)
    return unnested.render_derived(name)


def _on_sqlite(connection: Connection, rows: Sequence[Planned], now: datetime) -> Counter[str]:
    # Nobody else writes until the transaction ends, and ids count up: what is above the last one is ours.
    last = connection.scalar(select(func.max(N.id))) or 0
    places, shapes = _shapes(rows)
    common = {**BLANK, "created_at": now, "updated_at": now}
    names = (*SHARED, *common, *OWN)
    dialect = connection.dialect
    stored = [N[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names if name not in OWN]
    # What rows share is made ready for the driver once.
    ready = [
        tuple(
            [
                value if make is None else make(value)
                for make, value in zip(stored, (*shape, *common.values()), strict=True)
            ]
        )
        for shape in shapes
    ]
    values = [ready[place - 1] + row[1:5] for place, row in zip(places, rows, strict=True)]
    connection.exec_driver_sql(_insert_once(names), values)
    fresh = N.id > last
    story = select(N.id, literal(now, t.event.c.at.type), literal(PLANNED, t.event.c.what.type)).where(fresh)
    connection.execute(insert(t.event).from_select(["notification_id", "at", "what"], story))
    counted = select(N.rule, func.count().label("added")).where(fresh).group_by(N.rule)
    return Counter({row.rule: row.added for row in connection.execute(counted)})


@cache
def _insert_once(names: tuple[str, ...]) -> str:
    """The driver's own statement: SQLAlchemy would look at each value of each row again."""
    gaps = {name: text("?") for name in names}
    once = sqlite.insert(table(t.notification.name, *map(column, names))).values(gaps).on_conflict_do_nothing()
    return str(once.compile(dialect=sqlite.dialect()))
