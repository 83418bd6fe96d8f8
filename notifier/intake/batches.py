"""Takes batches of rows of one kind into the register: read, refuse, write, count; for files and `sync`."""

import gc
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from notifier.intake.cells import Cell
from notifier.intake.columns import Header, Kind, meaning, near_miss
from notifier.intake.readers import SourceRow, SourceTable
from notifier.intake.refusals import Refusals
from notifier.intake.row import RowFaults
from notifier.intake.rows import Record, RowReader, Words
from notifier.model import SubjectKind
from notifier.store.records import OfficeRecord, PartyRecord, SubjectRecord, Written
from notifier.store.register import put_offices, put_parties, put_subjects
from notifier.store.tables import office

#: Rows of one transaction: enough to make commits cheap, few enough to lose little and to lock briefly.
BATCH = 5_000


@dataclass(frozen=True, slots=True)
class KindReport:
    """What became of the rows of one kind."""

    read: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0

    def plus(self, other: "KindReport") -> "KindReport":
        return KindReport(
            self.read + other.read,
            self.added + other.added,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.refused + other.refused,
        )


def batched(rows: Iterable[SourceRow]) -> Iterator[list[SourceRow]]:
    """The rows in lists of BATCH."""
    stream = iter(rows)
    while batch := list(islice(stream, BATCH)):
        yield batch


def reader_for(connection: Connection, words: Words, *, now: datetime) -> RowReader:
    """A reader that knows the offices the register has now: their codes, zones and common country."""
    rows = connection.execute(select(office.c.code, office.c.zone, office.c.country)).all()
    countries = {row.country for row in rows}
    return RowReader(
        words,
        {row.code: ZoneInfo(row.zone) for row in rows},
        country=next(iter(countries)) if len(countries) == 1 else None,
        today=now.date(),
    )


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """Rows of one kind after reading, the register not asked yet: each is a record, or has its faults."""

    rows: list[SourceRow]
    records: list[Record]
    places: list[int]  # of each record: its row
    faulty: list[tuple[int, list[tuple[str, str]]]]  # row, and (column, reason) of each fault


def read_batch(
    reader: RowReader, header: Header, rows: list[SourceRow], *, marks: Mapping[str, str] | None = None
) -> ReadBatch:
    """Read every row into a record. `marks` are attributes every permit and case of the batch gets."""
    batch = ReadBatch(rows, [], [], [])
    for place, row in enumerate(rows):
        try:
            cells = _renamed(header, row)
            batch.records.append(reader.read(header.kind, {**cells, **marks} if marks else cells))
            batch.places.append(place)
        except RowFaults as error:
            batch.faulty.append((place, error.faults))
    return batch


def read_ahead(reader: RowReader, header: Header, rows: Iterable[SourceRow]) -> Iterator[ReadBatch]:
    """The batches of a table. While one is with the database, which others must wait for, the next one is read."""
    source = batched(rows)

    def next_batch() -> ReadBatch | None:
        with uncollected():
            found = next(source, None)
            return None if found is None else read_batch(reader, header, found)

    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as readers:
        coming = readers.submit(next_batch)
        while (batch := coming.result()) is not None:
            coming = readers.submit(next_batch)
            yield batch


def take_batch(
    connection: Connection, table: SourceTable, header: Header, batch: ReadBatch, refusals: Refusals, *, now: datetime
) -> KindReport:
    """Write one batch in the given transaction."""
    for place, faults in batch.faulty:
        refusals.refuse(header.kind, table, batch.rows[place], faults)
    written = _put(connection, header.kind, batch.records, now)
    for refused in written.refused:
        row = batch.rows[batch.places[refused.index]]
        refusals.refuse(header.kind, table, row, [(refused.column, refused.reason)])
    refused_rows = len(batch.faulty) + len(written.refused)
    return KindReport(len(batch.rows), written.added, written.changed, written.unchanged, refused_rows)


@contextmanager
def uncollected() -> Iterator[None]:
    """Python's search for circles of objects, off for a while: it would look at thousands of records again and
    again, none of which is in a circle."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _renamed(header: Header, row: SourceRow) -> Mapping[str, Cell]:
    """The cells under our names. JSON objects may have keys that the first one did not have."""
    if row.fault is not None:
        raise RowFaults([("", row.fault)])
    if header.is_ours and row.cells.keys() <= header.names.keys():
        return row.cells
    cells: dict[str, Cell] = {}
    faults: list[tuple[str, str]] = []
    for name, cell in row.cells.items():
        column = header.names.get(name)
        if column is None and name not in header.ignored:
            column = meaning(header.kind, name)
            if column is None and (sentence := near_miss(header.kind, name)):
                faults.append((name, sentence))
        if column is not None:
            cells[column] = cell
    if faults:
        raise RowFaults(faults)
    return cells


def _put(connection: Connection, kind: Kind, records: list[Record], now: datetime) -> Written:
    if kind is Kind.OFFICES:
        offices = [record for record in records if isinstance(record, OfficeRecord)]
        return put_offices(connection, offices, now=now)
    if kind is Kind.PEOPLE:
        parties = [record for record in records if isinstance(record, PartyRecord)]
        return put_parties(connection, parties, now=now)
    subjects = [record for record in records if isinstance(record, SubjectRecord)]
    subject_kind = SubjectKind.PERMIT if kind is Kind.PERMITS else SubjectKind.CASE
    return put_subjects(connection, subject_kind, subjects, now=now)
