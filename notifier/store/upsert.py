"""Whole rows inserted or replaced by the number their source knows them by."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite

from notifier.store.bulk import ids_by
from notifier.store.many import insert_once_each, next_ids, replace_each, update_each


def upsert(connection: Connection, table: Table, key: str, rows: Sequence[Mapping[str, Any]]) -> dict[Any, int]:
    """Insert or replace whole rows by their external key; gives key -> id. A key must not come twice.

    A row with an `id` is one the caller has found and locked; the others were not there when the caller looked.
    """
    if not rows:
        return {}
    ordered = sorted(rows, key=itemgetter(key))
    if connection.dialect.name == "postgresql":
        held = [row for row in ordered if "id" in row]
        update_each(connection, table, held)
        fresh = _insert(connection, table, key, [row for row in ordered if "id" not in row])
        return {row[key]: row["id"] for row in held} | fresh
    whole = [{name: value for name, value in row.items() if name != "id"} for row in ordered]
    statement = sqlite.insert(table)
    new = {name: statement.excluded[name] for name in whole[0] if name != key}
    replacing = statement.on_conflict_do_update(index_elements=[table.c[key]], set_=new)
    found = connection.execute(replacing.returning(table.c[key], table.c.id), whole)
    return {row[0]: row[1] for row in found}


def _insert(connection: Connection, table: Table, key: str, rows: Sequence[Mapping[str, Any]]) -> dict[Any, int]:
    """Insert under ids that are drawn before; rows that another importer has added meanwhile are replaced."""
    drawn = list(zip(next_ids(connection, table, len(rows)), rows, strict=True))
    added = insert_once_each(connection, table, [{"id": new, **row} for new, row in drawn], table.c.id)
    found = {row[key]: new for new, row in drawn if new in added}
    late = [row for new, row in drawn if new not in added]
    if late:
        replace_each(connection, table, late, key)
        found |= ids_by(connection, table, table.c[key], [row[key] for row in late])
    return found
