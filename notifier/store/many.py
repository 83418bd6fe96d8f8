"""Many rows in one statement: update each by values of its own, or insert them with what they hold.

PostgreSQL gets one array for each column and one statement: its driver would send an UPDATE for every row, and the
server plan each. What is the same in all rows is one value, no array. SQLite runs one prepared statement over all
rows, which is as fast there. Each statement is built once for its table and columns: building took as long as running.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from operator import is_
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Executable,
    String,
    Table,
    Text,
    bindparam,
    column,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from notifier.store.types import Documents, Ids, Words

Values = Mapping[str, Any]
Names = tuple[str, ...]


def update_each(
    connection: Connection, table: Table, rows: Sequence[Values], *, key: str = "id", same: Values | None = None
) -> None:
    """Give each row its own values, and those of `same`.

    Every mapping has the same columns; `key` says which row is meant, and must not come twice. Rows that other
    transactions write too are locked by the caller, in the order of ids.
    """
    if not rows:
        return
    alike = same or {}
    names = tuple(name for name in rows[0] if name != key)
    if connection.dialect.name == "postgresql":
        differing, values = _columns((key, *names), rows)
        values |= {_new(name): value for name, value in alike.items()}
        connection.execute(_update_all(table, key, (*names, *alike), differing), values)
    else:
        all_get = {_new(name): value for name, value in alike.items()}
        given = [all_get | {_new(name): value for name, value in row.items()} for row in rows]
        connection.execute(_update_one(table, key, (*names, *alike)), given)


def insert_each(connection: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Insert rows that all name the same columns."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        names = tuple(rows[0])
        differing, values = _columns(names, rows)
        connection.execute(_insert_all(table, names, differing), values)
    else:
        connection.execute(_insert_one(table), [dict(row) for row in rows])


def insert_once_each(connection: Connection, table: Table, rows: Sequence[Values], answer: Column[Any]) -> set[Any]:
    """Insert, in this order, the rows whose unique key is still free; answers a column of those that were added."""
    if not rows:
        return set()
    if connection.dialect.name == "postgresql":
        names = tuple(rows[0])
        differing, values = _columns(names, rows)
        return set(connection.execute(_insert_all_free(table, names, differing, answer), values).scalars().all())
    return set(connection.execute(_insert_one_free(table, answer), [dict(row) for row in rows]).scalars().all())


def replace_each(connection: Connection, table: Table, rows: Sequence[Values], key: str) -> None:
    """Insert rows in this order; where the key is taken, what is there gets the values of the row."""
    if not rows:
        return
    names = tuple(rows[0])
    if connection.dialect.name == "postgresql":
        differing, values = _columns(names, rows)
        connection.execute(_replace_all(table, names, differing, key), values)
    else:
        connection.execute(_replace_one(table, names, key), [dict(row) for row in rows])


def next_ids(connection: Connection, table: Table, count: int) -> list[int]:
    """Ids for rows to be inserted soon. On SQLite nobody else can write until the transaction ends."""
    if not count:
        return []
    if connection.dialect.name == "postgresql":
        return sorted(connection.execute(_draw(table), {"count": count}).scalar_one())
    last = connection.scalar(select(func.max(table.c.id))) or 0
    return list(range(last + 1, last + 1 + count))


def _columns(names: Names, rows: Sequence[Values]) -> tuple[Names, dict[str, Any]]:
    """Which columns differ from row to row, the first one always, and the values of all: a list, or the one value."""
    differing, values = [], {}
    for name in names:
        of_rows = [row[name] for row in rows]
        if name is names[0] or not all(map(is_, of_rows, repeat(of_rows[0]))):
            differing.append(name)
            values[_new(name)] = of_rows
        else:
            values[_new(name)] = of_rows[0]
    return tuple(differing), values


# Statements on PostgreSQL, by the columns that are arrays. A caller gives few sorts of rows; most differ in a handful
# of columns.


@lru_cache(maxsize=1024)
def _update_all(table: Table, key: str, names: Names, differing: Names) -> Executable:
    new = _arrays(table, differing)
    values = {name: new.c[name] if name in differing else _value(table, name) for name in names}
    return update(table).where(table.c[key] == new.c[key]).values(values)


@lru_cache(maxsize=1024)
def _insert_all(table: Table, names: Names, differing: Names) -> Any:
    new = _arrays(table, differing)
    values = [new.c[name] if name in differing else _value(table, name) for name in names]
    return postgresql.insert(table).from_select(list(names), select(*values).select_from(new))


@lru_cache(maxsize=1024)
def _insert_all_free(table: Table, names: Names, differing: Names, answer: Column[Any]) -> Executable:
    once: Executable = _insert_all(table, names, differing).on_conflict_do_nothing().returning(answer)
    return once


@lru_cache(maxsize=1024)
def _replace_all(table: Table, names: Names, differing: Names, key: str) -> Executable:
    return _replacing(_insert_all(table, names, differing), table, names, key)


@lru_cache(maxsize=64)
def _draw(table: Table) -> Executable:
    drawn = select(func.nextval(f"{table.name}_id_seq").label("id"))
    drawn = drawn.select_from(func.generate_series(1, bindparam("count", type_=table.c.id.type)))
    return select(func.array_agg(drawn.subquery().c.id))


def _arrays(table: Table, names: Names) -> Any:
    """The rows as a table of PostgreSQL: one array for each column."""
    arrays = [bindparam(_new(name), type_=_array_of(table.c[name])) for name in names]
    columns = [column(name, _type(table.c[name])) for name in names]
    return func.unnest(*arrays).table_valued(*columns).render_derived("new")


# Statements on SQLite, for one row.


@lru_cache(maxsize=256)
def _update_one(table: Table, key: str, names: Names) -> Executable:
    values = {name: _value(table, name) for name in names}
    return update(table).where(table.c[key] == _value(table, key)).values(values)


@lru_cache(maxsize=256)
def _insert_one(table: Table) -> Executable:
    return insert(table)


@lru_cache(maxsize=256)
def _insert_one_free(table: Table, answer: Column[Any]) -> Executable:
    return sqlite.insert(table).on_conflict_do_nothing().returning(answer)


@lru_cache(maxsize=256)
def _replace_one(table: Table, names: Names, key: str) -> Executable:
    return _replacing(sqlite.insert(table), table, names, key)


def _replacing(once: Any, table: Table, names: Names, key: str) -> Executable:
    fresh = {name: once.excluded[name] for name in names if name != key}
    replacing: Executable = once.on_conflict_do_update(index_elements=[table.c[key]], set_=fresh)
    return replacing


def _new(name: str) -> str:
    """A parameter's name; the bare names of columns are SQLAlchemy's own."""
    return f"new_{name}"


def _value(table: Table, name: str) -> Any:
    return bindparam(_new(name), type_=_type(table.c[name]))


def _array_of(of: Column[Any]) -> Any:
    if isinstance(of.type, BigInteger):
        return Ids()
    if isinstance(of.type, String):  # Text is one
        return Words()
    return Documents() if isinstance(of.type, JSON) else postgresql.ARRAY(_type(of), dimensions=1)


def _type(of: Column[Any]) -> Any:
    # A cast to VARCHAR(64) would cut what is too long in silence; as TEXT the column itself refuses it.
    return Text() if isinstance(of.type, String) else of.type
