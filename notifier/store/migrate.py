"""Brings the database to the schema of this program, from code alone: no alembic.ini, no working folder.

Whether it is there already is asked without alembic: a worker asks that, and need not carry ten megabytes for it.
"""

import time
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from notifier.errors import StoreError
from notifier.store.engine import first_line, open_engine, reading, writing

#: Any number will do, as long as all our processes take the same one: only one of them migrates at a time.
MIGRATION_LOCK = 7_402_881
#: What PostgreSQL says to the one of two that gives way.
DEADLOCK = "40P01"
#: Workers lock the same tables in another order than a migration; how often we are the one that gives way.
DEADLOCKS = 20
MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Run every migration that is missing, in one transaction; answers the revisions before and after.

    Processes of the older version may be at work meanwhile.
    """
    for tries_left in range(DEADLOCKS, -1, -1):
        try:
            return _upgrade(engine)
        except DBAPIError as error:
            if not tries_left or getattr(error.orig, "sqlstate", None) != DEADLOCK:
                raise StoreError(f"the database could not be brought up to date: {first_line(error)}") from error
            time.sleep(0.1)
    raise AssertionError("unreachable")


def _upgrade(engine: Engine) -> tuple[str | None, str]:
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        before = _revision(connection)
        if before != head():
            import_module("alembic.command").upgrade(_config(connection), "head")
    return before, head()


def current(engine: Engine) -> str | None:
    """The revision the database is at; None for an empty one."""
    with reading(engine) as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def is_current(engine: Engine) -> bool:
    """Whether the database has the schema this program works with."""
    return current(engine) == head()


def head() -> str:
    """The newest revision this program knows: files of migrations begin with their number, which is its name."""
    numbers = [file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9][0-9][0-9][0-9]_*.py")]
    if not numbers:
        raise StoreError("this installation has no migrations; install the notifier again")
    return max(numbers)


def draft(message: str) -> Path:
    """Write the migration from the newest revision to the tables of the code (for developers)."""
    engine = open_engine("sqlite://")
    if _next_number() != "0001":
        upgrade(engine)
    with writing(engine) as connection:
        script = import_module("alembic.command").revision(
            _config(connection), message, autogenerate=True, rev_id=_next_number()
        )
    engine.dispose()
    if script is None or isinstance(script, list):
        raise StoreError("no migration was written")
    return Path(script.path)


def _next_number() -> str:
    taken = list((MIGRATIONS / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))
    return f"{len(taken) + 1:04}"


def _config(connection: Connection | None) -> Any:
    config = import_module("alembic.config").Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
