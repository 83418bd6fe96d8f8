"""Reads an office's own database: one query, in batches, over a connection that cannot write."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, CursorResult, Engine, Executable, column, create_engine, false, select, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from notifier.errors import ConfigError, StoreError
from notifier.intake.batches import BATCH
from notifier.intake.cells import Cell
from notifier.intake.readers import SourceRow
from notifier.store.engine import first_line


class Source:
    """A query that is being read. `title` names it in errors."""

    def __init__(self, title: str, result: CursorResult[Any]) -> None:
        self.title = title
        self.names = tuple(result.keys())
        self._result = result

    def batches(self) -> Iterator[list[SourceRow]]:
        """The rows, numbered from 1. Raises StoreError if the source breaks off."""
        parts = self._result.partitions(BATCH)
        first = 1
        while True:
            with _naming(self.title):
                rows = next(parts, None)
            if rows is None:
                return
            yield [SourceRow(line, self._cells(row)) for line, row in enumerate(rows, start=first)]
            first += len(rows)

    def _cells(self, row: Any) -> dict[str, Cell]:
        return {name: _cell(value) for name, value in zip(self.names, row, strict=True)}


@contextmanager
def open_source(title: str, url: str, query: str, *, watermark: str | None, since: Any) -> Iterator[Source]:
    """Start a query; with a watermark its rows come in that column's order, from `since` on (inclusive).

    Raises ConfigError for a URL that cannot be used, StoreError if the database cannot be reached or objects.
    """
    try:
        engine = create_engine(url)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise ConfigError(f"{title}.url cannot be used: {first_line(error)}; install the driver, or mend it") from error
    try:
        with _naming(title):
            connection = _read_only(engine)
        try:
            with _naming(title):
                _probe(connection, title, query, watermark)
                bounds = {} if since is None else {"since": since}
                statement = _statement(query, watermark, since is not None)
                result = connection.execute(statement, bounds, execution_options={"yield_per": BATCH})
            try:
                yield Source(title, result)
            finally:
                result.close()
        finally:
            connection.close()
    finally:
        engine.dispose()


@contextmanager
def _naming(title: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreError(f"{title}: the source failed: {first_line(error)}") from error


def _read_only(engine: Engine) -> Connection:
    connection = engine.connect()
    if engine.dialect.name == "postgresql":
        return connection.execution_options(postgresql_readonly=True)
    if engine.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only=ON")
    return connection


def _probe(connection: Connection, title: str, query: str, watermark: str | None) -> None:
    """Ask for no row at all: a query that fails does so before a cursor of the server is left behind."""
    source = text(query).columns().subquery("source")
    names = connection.execute(select(text("source.*")).select_from(source).where(false())).keys()
    if watermark is not None and watermark not in names:
        raise ConfigError(f"{title}.watermark: the query has no column {watermark}")


def _statement(query: str, watermark: str | None, is_bounded: bool) -> Executable:
    if watermark is None:
        return text(query)
    inner = text(query).columns(column(watermark)).subquery("source")
    wanted = select(text("source.*")).select_from(inner).order_by(inner.c[watermark])
    return wanted.where(inner.c[watermark] >= text(":since")) if is_bounded else wanted


def _cell(value: Any) -> Cell:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else str(value)
    if value is None or isinstance(value, str | int | float | bool | date | datetime | time):
        return value
    return str(value)
