"""Runs the migrations on the connection that `notifier.store.migrate` puts into the configuration."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from notifier.store.partitions import is_partition
from notifier.store.tables import metadata
from notifier.store.types import Id, Instant


def render_own_type(kind: str, item: Any, autogenerate: AutogenContext) -> str | Literal[False]:
    """Write our own column types by their names, so that a migration reads like the tables."""
    if kind == "type" and isinstance(item, Instant):
        autogenerate.imports.add("from notifier.store.types import Instant")
        return "Instant()"
    if kind == "type" and item is Id:
        autogenerate.imports.add("from notifier.store.types import Id")
        return "Id"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a column only by rebuilding its table
    render_item=render_own_type,
    compare_server_default=True,
    include_name=lambda name, kind, _: not (kind == "table" and is_partition(name)),
)
context.run_migrations()
