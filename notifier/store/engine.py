"""Opens the database: SQLite by default, PostgreSQL by URL; one writer on SQLite, and no transaction by accident."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError

from notifier.errors import ConfigError, StoreError

#: How long a SQLite writer waits for another one before it gives up, in milliseconds.
BUSY_TIMEOUT = 30_000


def open_engine(url: str) -> Engine:
    """Make an engine; connects to nothing yet. Raises ConfigError for a URL that cannot be one."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(
            "NOTIFIER_DATABASE_URL is not a database URL; write sqlite:///path/notifier.db or postgresql://host/name"
        ) from error
    if "\0" in url:
        raise ConfigError("NOTIFIER_DATABASE_URL has a NUL character in it; write it anew")
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=10, hide_parameters=True
        )
        event.listen(engine, "connect", _prepare_postgresql)
        return engine
    if backend != "sqlite":
        raise ConfigError(f"NOTIFIER_DATABASE_URL: {backend} is not supported; use sqlite or postgresql")
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed.set(drivername="sqlite+pysqlite"), hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _prepare_postgresql(connection: Any, _record: object) -> None:
    # Lists are sent as text by default, each sign of each element looked at: a thousand times slower for messages.
    connection.adapters.register_dumper(list, import_module("psycopg.types.array").ListBinaryDumper)
    # Instants come in the zone of the session; in UTC no value has to be moved there.
    if connection.info.parameter_status("TimeZone") != "UTC":
        connection.execute("SET TIME ZONE 'UTC'")
        connection.commit()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN is deferred, and a deferred one loses races
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that cannot write: `preview`, `explain` and every dry run get only this."""
    with connected(engine) as connection:
        connection = connection.execution_options(read_only=True)
        if engine.dialect.name == "sqlite":
            _set_query_only(connection, "ON")
        else:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        try:
            yield connection
        finally:
            connection.rollback()
            if engine.dialect.name == "sqlite":
                _set_query_only(connection, "OFF")


def _set_query_only(connection: Connection, value: str) -> None:
    # To the driver's own connection: a statement of ours would begin a transaction, twice for each reading.
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA query_only={value}").close()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction: committed when the block ends, rolled back when it raises."""
    with connected(engine) as connection, connection.begin():
        yield connection


@contextmanager
def connected(engine: Engine) -> Iterator[Connection]:
    """A connection without a transaction. Raises StoreError when there is none to be had."""
    try:
        connection = engine.connect()
    except DatabaseError as error:
        is_file = engine.dialect.name == "sqlite"
        remedy = "that it is a SQLite file you may read and write" if is_file else "that the server runs"
        raise StoreError(
            f"the database {engine.url.render_as_string(hide_password=True)} cannot be reached: {first_line(error)}; "
            f"check NOTIFIER_DATABASE_URL and {remedy}"
        ) from error
    try:
        yield connection
    finally:
        connection.close()


def first_line(error: Exception) -> str:
    """The driver's own words, without the statement and its parameters (they may hold personal data)."""
    original = getattr(error, "orig", None) or error
    return str(original).strip().splitlines()[0] if str(original).strip() else type(error).__name__


def analyse(engine: Engine, tables: Iterable[Table]) -> None:
    """Let PostgreSQL look at tables anew after many rows were added; autovacuum comes a minute later, or never."""
    if engine.dialect.name == "postgresql":
        with writing(engine) as connection:
            connection.exec_driver_sql("ANALYZE " + ", ".join(table.name for table in tables))
