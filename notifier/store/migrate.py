"""Brings the database to the schema of this program, from code alone: no alembic.ini, no working folder."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from notifier.errors import StoreError
from notifier.store.engine import first_line, open_engine, reading, writing

#: Any number will do, as long as all our processes take the same one: only one of them migrates at a time.
MIGRATION_LOCK = 7_402_881


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Run every migration that is missing, in one transaction; answers the revisions before and after."""
    try:
        with writing(engine) as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            before = MigrationContext.configure(connection).get_current_revision()
            if before != head():
                command.upgrade(_config(connection), "head")
    except DBAPIError as error:
        raise StoreError(f"the database could not be brought up to date: {first_line(error)}") from error
    return before, head()


def current(engine: Engine) -> str | None:
    """The revision the database is at; None for an empty one."""
    with reading(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def is_current(engine: Engine) -> bool:
    """Whether the database has the schema this program works with."""
    return current(engine) == head()


def head() -> str:
    """The newest revision this program knows."""
    newest = ScriptDirectory.from_config(_config(None)).get_current_head()
    if newest is None:
        raise StoreError("this installation has no migrations; install the notifier again")
    return newest


def draft(message: str) -> Path:
    """Write the migration from the newest revision to the tables of the code (for developers)."""
    engine = open_engine("sqlite://")
    if _next_number() != "0001":
        upgrade(engine)
    with writing(engine) as connection:
        script = command.revision(_config(connection), message, autogenerate=True, rev_id=_next_number())
    engine.dispose()
    if script is None or isinstance(script, list):
        raise StoreError("no migration was written")
    return Path(script.path)


def _next_number() -> str:
    taken = [script.revision for script in ScriptDirectory.from_config(_config(None)).walk_revisions()]
    return f"{len(taken) + 1:04}"


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
