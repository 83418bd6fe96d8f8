"""Many records at once, the same on SQLite and PostgreSQL: in portions, looked up by number, laid over what is held."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Table,
    any_,
    bindparam,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from notifier.store.types import Ids, Words

#: Values of one statement that has a parameter for each; SQLite allows 32,766, and the widest table has 18 columns.
PORTION = 500
#: Records that are looked up and written together, and values that travel as one parameter.
TOGETHER = 5_000

Row = dict[str, Any]
Item = TypeVar("Item")


def portions(keys: Sequence[str]) -> Iterator[list[int]]:
    """Places of `keys` in portions without a key twice, for a second row must see what the first one wrote.

    All firsts come before all seconds, each in the order of keys: two importers that lock the same rows in
    different files' order would wait for each other.
    """
    met: Counter[str] = Counter()
    order: list[tuple[int, str, int]] = []
    for place, key in enumerate(keys):
        order.append((met[key], key, place))
        met[key] += 1
    for _, same in groupby(sorted(order), key=itemgetter(0)):
        yield from slices((place for _, _, place in same), TOGETHER)


def slices(values: Iterable[Item], most: int = PORTION) -> Iterator[list[Item]]:
    """The values in lists of at most so many."""
    ordered = list(values)
    for start in range(0, len(ordered), most):
        yield ordered[start : start + most]


def among(connection: Connection, column: Column[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """Is the column one of these words or numbers? One parameter, for each of thousands would be taken apart anew."""
    if connection.dialect.name == "postgresql":
        are_ids = isinstance(column.type, BigInteger)
        return column == any_(literal(list(values), Ids() if are_ids else postgresql.ARRAY(column.type)))
    listed = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(listed.c.value))


def one_of(column: Column[Any], name: str = "ids") -> ColumnElement[bool]:
    """The same of a statement that is built once: what the column must be among is its parameter `name`."""
    return _OneOf(column, _listed(column, name))


def none_of(column: Column[Any], name: str) -> ColumnElement[bool]:
    """The column is not among those of the parameter `name`."""
    return _NoneOf(column, _listed(column, name))


def _listed(column: Column[Any], name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=Ids() if isinstance(column.type, BigInteger) else Words())


class _Among(FunctionElement[bool]):
    """Each database has its own words for it, found when the statement is compiled."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: object = None) -> Any:
        """As it stands: SQLAlchemy would write `= 1` behind it for SQLite, which then could use no index."""
        return self


class _OneOf(_Among):
    inherit_cache = True


class _NoneOf(_Among):
    """PostgreSQL would compare each row with each of an array; of a query it makes a table of hashes."""

    inherit_cache = True


@compiles(_OneOf, "postgresql")
def _any_of_array(element: _OneOf, compiler: SQLCompiler, **kw: Any) -> str:
    return "{} = ANY ({})".format(*_written(element, compiler, kw))


@compiles(_NoneOf, "postgresql")
def _not_in_array(element: _NoneOf, compiler: SQLCompiler, **kw: Any) -> str:
    return "{} NOT IN (SELECT unnest({}))".format(*_written(element, compiler, kw))


@compiles(_OneOf, "sqlite")
def _in_json(element: _OneOf, compiler: SQLCompiler, **kw: Any) -> str:
    return "{} IN (SELECT value FROM json_each({}))".format(*_written(element, compiler, kw))  # noqa: S608


@compiles(_NoneOf, "sqlite")
def _not_in_json(element: _NoneOf, compiler: SQLCompiler, **kw: Any) -> str:
    return "{} NOT IN (SELECT value FROM json_each({}))".format(*_written(element, compiler, kw))  # noqa: S608


def _written(element: _Among, compiler: SQLCompiler, kw: Mapping[str, Any]) -> list[str]:
    return [compiler.process(one, **kw) for one in element.clauses]


def rows_by(connection: Connection, table: Table, key: Column[Any], values: Iterable[Any]) -> dict[Any, Row]:
    """The rows whose `key` is one of `values`, locked in one order so that two importers cannot deadlock."""
    found: dict[Any, Row] = {}
    for wanted in slices(sorted(set(values)), TOGETHER):
        query = select(table).where(among(connection, key, wanted)).order_by(key).with_for_update()
        found.update((row[key.name], dict(row)) for row in connection.execute(query).mappings().all())
    return found


def ids_by(connection: Connection, table: Table, key: Column[Any], values: Iterable[Any]) -> dict[Any, int]:
    """The id of each row whose `key` is one of `values`."""
    found: dict[Any, int] = {}
    for wanted in slices(sorted(set(values)), TOGETHER):
        query = select(key, table.c.id).where(among(connection, key, wanted))
        found.update((row[0], row[1]) for row in connection.execute(query).all())
    return found


def merged(table: Table, old: Row | None, values: Mapping[str, Any], attributes: Mapping[str, str | None]) -> Row:
    """The whole row as it is to stand: what the register holds, overlaid by what the source speaks of."""
    row: Row = dict(_empty(table) if old is None else old)
    row.update(values)
    if "attributes" in row:
        kept = {**(row["attributes"] or {}), **attributes}
        row["attributes"] = {name: value for name, value in kept.items() if value is not None}
    return row


@cache
def _empty(table: Table) -> Row:
    return {column.name: None for column in table.columns if column.name != "id"}
