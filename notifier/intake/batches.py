"""Takes batches of rows of one kind into the register: read, refuse, write, count; for files and `sync`."""

from collections.abc import Iterable, Iterator, Mapping
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


def take_batch(
    connection: Connection,
    reader: RowReader,
    table: SourceTable,
    header: Header,
    rows: list[SourceRow],
    refusals: Refusals,
    *,
    now: datetime,
    marks: Mapping[str, str] | None = None,
) -> KindReport:
    """Write one batch in the given transaction. `marks` are attributes every permit and case of it gets."""
    taken: list[SourceRow] = []
    records: list[Record] = []
    for row in rows:
        try:
            records.append(reader.read(header.kind, {**_renamed(header, row), **(marks or {})}))
            taken.append(row)
        except RowFaults as error:
            refusals.refuse(header.kind, table, row, error.faults)
    written = _put(connection, header.kind, records, now)
    for refused in written.refused:
        refusals.refuse(header.kind, table, taken[refused.index], [(refused.column, refused.reason)])
    refused_rows = len(rows) - len(taken) + len(written.refused)
    return KindReport(len(rows), written.added, written.changed, written.unchanged, refused_rows)


def _renamed(header: Header, row: SourceRow) -> dict[str, Cell]:
    """The cells under our names. JSON objects may have keys that the first one did not have."""
    if row.fault is not None:
        raise RowFaults([("", row.fault)])
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
