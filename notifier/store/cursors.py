"""How far named readers have come: the planner for each rule and office, `sync` for each query."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from notifier.store import tables as t
from notifier.store.many import replace_each

#: Instant and text of a cursor.
Place = tuple[datetime, str]


def read_cursors(connection: Connection, prefix: str) -> dict[str, Place]:
    """The cursors whose name begins so."""
    c = t.cursor.c
    query = select(c.name, c.at, c.text).where(c.name.startswith(prefix))
    return {name: (at, text) for name, at, text in connection.execute(query)}


def advance(connection: Connection, cursors: Mapping[str, Place]) -> None:
    """Set cursors, in the order of their names: two planners that set the same ones wait, but not for each other."""
    rows = [{"name": name, "at": at, "text": text} for name, (at, text) in sorted(cursors.items())]
    replace_each(connection, t.cursor, rows, "name")
