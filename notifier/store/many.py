"""Many rows in one statement: update each by values of its own, or insert them with what they hold.

PostgreSQL gets one array for each column and one statement: its driver would send an UPDATE for every row, and the
server plan each. SQLite runs one prepared statement over all rows, which is as fast there.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    String,
    Table,
    Text,
    bindparam,
    column,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from notifier.store.bulk import slices

Values = Mapping[str, Any]


def update_each(
    connection: Connection,
    table: Table,
    rows: Sequence[Values],
    *,
    key: str = "id",
    fence: Collection[str] = (),
    where: Sequence[ColumnElement[bool]] = (),
    same: Values | None = None,
    add: Collection[str] = (),
) -> None:
    """Give each row its own values.

    Every mapping has the same columns: `key` and those of `fence` say which row is meant, those of `add` are added to
    what the row has, the others replace it. `same` are values that all rows get, `where` what all must fulfil. A key
    must not come twice. Rows that other transactions write too are locked by the caller, in the order of ids.
    """
    if not rows:
        return
    asked = (key, *fence)
    names = [name for name in rows[0] if name not in asked]
    if connection.dialect.name == "postgresql":
        new = _arrays(table, list(rows[0]), rows)
        values = {name: table.c[name] + new.c[name] if name in add else new.c[name] for name in names}
        meant = [table.c[name] == new.c[name] for name in asked]
        connection.execute(update(table).where(*meant, *where).values({**values, **(same or {})}))
        return
    values = {name: table.c[name] + _new(table, name) if name in add else _new(table, name) for name in names}
    meant = [table.c[name] == _new(table, name) for name in asked]
    statement = update(table).where(*meant, *where).values({**values, **(same or {})})
    connection.execute(statement, [{f"new_{name}": value for name, value in row.items()} for row in rows])


def insert_each(connection: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Insert rows that all name the same columns."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        names = list(rows[0])
        new, values = _columns(table, names, rows)
        connection.execute(insert(table).from_select(names, select(*values).select_from(new)))
    else:
        connection.execute(insert(table), [dict(row) for row in rows])


def insert_once_each(connection: Connection, table: Table, rows: Sequence[Values], answer: Column[Any]) -> set[Any]:
    """Insert, in this order, the rows whose unique key is still free; answers a column of those that were added."""
    if not rows:
        return set()
    if connection.dialect.name == "postgresql":
        names = list(rows[0])
        new = _arrays(table, names, rows)
        statement: Any = postgresql.insert(table).from_select(names, select(*(new.c[name] for name in names)))
        return set(connection.execute(statement.on_conflict_do_nothing().returning(answer)).scalars())
    added: set[Any] = set()
    for part in slices(rows):
        once = sqlite.insert(table).values([dict(row) for row in part]).on_conflict_do_nothing()
        added |= set(connection.execute(once.returning(answer)).scalars())
    return added


def replace_each(connection: Connection, table: Table, rows: Sequence[Values], key: str) -> None:
    """Insert rows in this order; where the key is taken, what is there gets the values of the row."""
    if not rows:
        return
    names = list(rows[0])
    if connection.dialect.name == "postgresql":
        new = _arrays(table, names, rows)
        once: Any = postgresql.insert(table).from_select(names, select(*(new.c[name] for name in names)))
    else:
        once = sqlite.insert(table)
    fresh = {name: once.excluded[name] for name in names if name != key}
    statement = once.on_conflict_do_update(index_elements=[table.c[key]], set_=fresh)
    if connection.dialect.name == "postgresql":
        connection.execute(statement)
    else:
        connection.execute(statement, [dict(row) for row in rows])


def next_ids(connection: Connection, table: Table, count: int) -> list[int]:
    """Ids for rows to be inserted soon. On SQLite nobody else can write until the transaction ends."""
    if not count:
        return []
    if connection.dialect.name == "postgresql":
        drawn = select(func.nextval(f"{table.name}_id_seq")).select_from(func.generate_series(1, count))
        return sorted(connection.execute(drawn).scalars())
    last = connection.scalar(select(func.max(table.c.id))) or 0
    return list(range(last + 1, last + 1 + count))


def _new(table: Table, name: str) -> Any:
    return bindparam(f"new_{name}", type_=table.c[name].type)


def _arrays(table: Table, names: Sequence[str], rows: Sequence[Values]) -> Any:
    """The rows as a table of PostgreSQL: one array for each column."""
    arrays = [
        literal([row[name] for row in rows], postgresql.ARRAY(_type(table.c[name]), dimensions=1)) for name in names
    ]
    columns = [column(name, _type(table.c[name])) for name in names]
    return func.unnest(*arrays).table_valued(*columns).render_derived("new")


def _columns(table: Table, names: Sequence[str], rows: Sequence[Values]) -> tuple[Any, list[Any]]:
    """The rows as above, and the values of their columns; what is the same in all rows is one value, no array."""
    first = rows[0]
    same = [name for name in names[1:] if all(row[name] is first[name] for row in rows)]
    new = _arrays(table, [name for name in names if name not in same], rows)
    return new, [literal(first[name], _type(table.c[name])) if name in same else new.c[name] for name in names]


def _type(of: Column[Any]) -> Any:
    # A cast to VARCHAR(64) would cut what is too long in silence; as TEXT the column itself refuses it.
    return Text() if isinstance(of.type, String) else of.type
