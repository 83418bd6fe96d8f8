"""Takes the four kinds of tables out of an office's own database, by named read-only queries."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, insert, select, update

from notifier.errors import ConfigError, Fault, FaultsFound
from notifier.intake.batches import KindReport, read_batch, reader_for, take_batch
from notifier.intake.cells import Cell
from notifier.intake.columns import Header, Kind, meaning, read_header
from notifier.intake.importer import Progress
from notifier.intake.readers import SourceTable
from notifier.intake.refusals import Refusal, Refusals
from notifier.intake.rows import Words
from notifier.intake.source import Source, open_source
from notifier.intake.vanished import SOURCE_ATTRIBUTE, Vanished, VanishedRows
from notifier.rules.fields import ATTRIBUTE_PREFIX
from notifier.store.engine import reading
from notifier.store.tables import cursor

#: A transaction that commits late carries an older time than rows already read; so much is read again.
OVERLAP = timedelta(minutes=10)
KEYS = ("kind", "url", "query", "watermark", "vanished")

Word = TypeVar("Word", Kind, Vanished)


@dataclass(frozen=True, slots=True)
class SyncQuery:
    """One query of [sync.NAME]: rows of one kind, under our column names or their aliases."""

    name: str
    kind: Kind
    url: str
    query: str
    watermark: str | None = None
    vanished: Vanished = Vanished.KEEP

    @property
    def title(self) -> str:
        return f"sync.{self.name}"


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What became of one query. `vanished` were ended; `note` says what was not done, and why."""

    rows: KindReport
    refusals: tuple[Refusal, ...] = ()
    refusal_files: tuple[Path, ...] = ()
    full: bool = False
    vanished: int = 0
    note: str = ""


# ------------------------------------------------------------------------------------------------ settings


def sync_queries(settings: Mapping[str, Any]) -> list[SyncQuery]:
    """The queries of the [sync] table, in the order in which they must run. Raises ConfigError naming one."""
    common = settings.get("url")
    queries = [_query(name, table, common) for name, table in settings.items() if name != "url"]
    order = list(Kind)
    return sorted(queries, key=lambda query: order.index(query.kind))


def _query(name: str, table: object, common: object) -> SyncQuery:
    if not isinstance(table, Mapping):
        raise ConfigError(f"sync.{name} must be a table; write [sync.{name}]")
    if unknown := sorted(set(table) - set(KEYS)):
        raise ConfigError(f"sync.{name}.{unknown[0]} is not known; use {', '.join(KEYS)}")
    url, query = table.get("url", common), str(table.get("query", "")).strip().rstrip(";")
    if not isinstance(url, str):
        raise ConfigError(f"sync.{name}.url is missing; write a database URL there, or as sync.url")
    if query.casefold().split(maxsplit=1)[:1] not in (["select"], ["with"]):
        raise ConfigError(f"sync.{name}.query must be a SELECT")
    kind = _one_of(Kind, f"sync.{name}.kind", table.get("kind"))
    vanished = _one_of(Vanished, f"sync.{name}.vanished", table.get("vanished", "keep"))
    if not vanished.suits(kind):
        raise ConfigError(
            f"sync.{name}.vanished: {kind} cannot be told to {vanished}; permits may cancel, cases cancel or close"
        )
    watermark = table.get("watermark")
    return SyncQuery(name, kind, url, query, str(watermark) if watermark else None, vanished)


def _one_of(words: type[Word], setting: str, value: object) -> Word:
    try:
        return words(str(value))
    except ValueError as error:
        raise ConfigError(f"{setting} must be one of {', '.join(words)}") from error


# ------------------------------------------------------------------------------------------------- running


def sync(
    engine: Engine,
    query: SyncQuery,
    *,
    now: datetime,
    full: bool = False,
    progress: Progress | None = None,
    refusals_path: Path | None = None,
    words: Words = Words(),
) -> SyncReport:
    """Run one query: from its watermark on, or everything (`full`, or a query without one).

    How far it came is kept with each batch, so an interrupted run goes on there. Only a full run that came to
    its end can tell what has vanished. Raises ConfigError, FaultsFound for its columns, StoreError if it fails.
    """
    is_full = full or query.watermark is None
    since = None if is_full else _read_cursor(engine, query)
    gone = VanishedRows(query.name, query.kind, query.vanished) if is_full else None
    with (
        Refusals(refusals_path) as refusals,
        open_source(query.title, query.url, query.query, watermark=query.watermark, since=since) as source,
    ):
        rows = _take(engine, query, source, refusals, gone, now, progress, words)
    return SyncReport(
        rows,
        tuple(refusals.shown),
        tuple(refusals.files),
        is_full,
        gone.count if gone else 0,
        gone.note if gone else "",
    )


def _take(
    engine: Engine,
    query: SyncQuery,
    source: Source,
    refusals: Refusals,
    gone: VanishedRows | None,
    now: datetime,
    progress: Progress | None,
    words: Words,
) -> KindReport:
    header = _header(query, source.names)
    table = SourceTable(Path(query.title), source.names, lambda: iter(()))
    is_subject = query.kind in (Kind.PERMITS, Kind.CASES)
    marks = {ATTRIBUTE_PREFIX + SOURCE_ATTRIBUTE: query.name} if is_subject else {}
    total = KindReport()
    with reading(engine) as connection:
        reader = reader_for(connection, words, now=now)
    with engine.connect() as connection:  # one connection: the temporary table of `gone` lives on it
        if gone is not None:
            gone.begin(connection)
        for rows in source.batches():
            batch = read_batch(reader, header, rows, marks=marks)
            with connection.begin():
                report = take_batch(connection, table, header, batch, refusals, now=now)
                if query.watermark is not None:
                    _keep_cursor(connection, query, [row.cells[query.watermark] for row in rows], now)
                if gone is not None:
                    gone.saw(connection, header, rows)
            total = total.plus(report)
            if progress is not None:
                progress(query.kind, total.read)
        if gone is not None:
            gone.end(connection, now=now)
    return total


def _header(query: SyncQuery, names: tuple[str, ...]) -> Header:
    alone = query.watermark if query.watermark and meaning(query.kind, query.watermark) is None else None
    header = read_header(query.kind, [name for name in names if name != alone])
    if header.faults:
        raise FaultsFound([Fault(query.title, 1, place, sentence) for place, sentence in header.faults])
    return Header(header.kind, header.names, header.ignored + ((alone,) if alone else ()))


# ------------------------------------------------------------------------------------------- the watermark


def _read_cursor(engine: Engine, query: SyncQuery) -> Any:
    with reading(engine) as connection:
        kept = connection.execute(select(cursor.c.text).where(cursor.c.name == query.title)).scalar()
    if kept is None:
        return None
    kind, value = json.loads(kept)
    if kind == "instant":
        return datetime.fromisoformat(value) - OVERLAP
    return date.fromisoformat(value) if kind == "day" else value


def _keep_cursor(connection: Connection, query: SyncQuery, marks: list[Cell], now: datetime) -> None:
    """The last watermark of a batch tells how far we are, for rows come in its order."""
    last = next((mark for mark in reversed(marks) if mark is not None), None)
    if last is None:
        return
    kind = "instant" if isinstance(last, datetime) else "day" if isinstance(last, date) else "plain"
    kept = json.dumps([kind, last.isoformat() if isinstance(last, date) else last])
    found = connection.execute(update(cursor).where(cursor.c.name == query.title).values(at=now, text=kept))
    if found.rowcount == 0:
        connection.execute(insert(cursor).values(name=query.title, at=now, text=kept))
