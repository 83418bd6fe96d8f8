"""Takes files into the register: offices, people, permits, cases, whatever order they are given in."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, Table

from notifier.errors import Fault, FaultsFound
from notifier.intake.batches import KindReport, read_ahead, reader_for, take_batch, uncollected
from notifier.intake.columns import Header, Kind, read_header, recognise
from notifier.intake.readers import SourceTable, open_tables
from notifier.intake.refusals import Refusal, Refusals
from notifier.intake.rows import Words
from notifier.store import tables as t
from notifier.store.engine import analyse, reading, writing

#: Called after each batch with the kind and the number of its rows read so far.
Progress = Callable[[Kind, int], None]

#: So many new rows of one kind change what the database must know of its tables.
MANY = 50_000
TABLES: Mapping[Kind, tuple[Table, ...]] = {
    Kind.OFFICES: (t.office,),
    Kind.PEOPLE: (t.party, t.contact),
    Kind.PERMITS: (t.permit, t.role, t.seen, t.changed),
    Kind.CASES: (t.case, t.role, t.seen, t.stay, t.changed),
}


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of an import. `refusals` are the first thousand; the counts are complete."""

    kinds: Mapping[Kind, KindReport]
    refusals: tuple[Refusal, ...] = ()
    refusal_files: tuple[Path, ...] = ()
    ignored: tuple[str, ...] = ()  # "people.csv: column shoe_size is not used"
    written: bool = True  # False: dry run, or strict and something was refused

    @property
    def refused(self) -> int:
        return sum(report.refused for report in self.kinds.values())

    @property
    def read(self) -> int:
        return sum(report.read for report in self.kinds.values())


class _Undo(Exception):
    """Leaves a transaction without keeping anything of it."""


@dataclass(slots=True)
class _Run:
    """One import under way."""

    engine: Engine
    words: Words
    refusals: Refusals
    now: datetime
    progress: Progress | None
    kinds: dict[Kind, KindReport] = field(default_factory=dict)

    def take(self, tables: Sequence[tuple[SourceTable, Header]], connection: Connection | None) -> None:
        """All tables: over one connection, or each batch in a transaction of its own."""
        for table, header in tables:
            self.kinds.setdefault(header.kind, KindReport())
            self._take_table(table, header, connection)

    def _take_table(self, table: SourceTable, header: Header, connection: Connection | None) -> None:
        if connection is not None:
            reader = reader_for(connection, self.words, now=self.now)
        else:
            with reading(self.engine) as short:
                reader = reader_for(short, self.words, now=self.now)
        for batch in read_ahead(reader, header, table.rows()):
            with uncollected(), nullcontext(connection) if connection is not None else writing(self.engine) as open_one:
                report = take_batch(open_one, table, header, batch, self.refusals, now=self.now)
            self.kinds[header.kind] = self.kinds[header.kind].plus(report)
            if self.progress is not None:
                self.progress(header.kind, self.kinds[header.kind].read)


def import_files(
    engine: Engine,
    paths: Sequence[Path],
    *,
    kind: Kind | None = None,
    strict: bool = False,
    dry_run: bool = False,
    now: datetime,
    progress: Progress | None = None,
    refusals_path: Path | None = None,
    words: Words = Words(),
) -> ImportReport:
    """Import files of any of the four kinds; `kind` says what a file is whose header is not enough.

    Rows that cannot be taken are refused, the others kept; `strict` keeps all or nothing, `dry_run` nothing.
    Refused rows are written to the folder `refusals_path`, to be mended and imported again (not in a dry run).
    Raises FaultsFound, before anything is written, for files that cannot be read and columns mistyped.
    """
    tables = _recognised(paths, kind)
    with Refusals(None if dry_run else refusals_path) as refusals:
        run = _Run(engine, words, refusals, now, progress)
        written = not dry_run
        if strict or dry_run:
            written = _all_or_nothing(run, tables, keep=not dry_run)
        else:
            run.take(tables, None)
    if written:
        _analyse(engine, run.kinds)
    ignored = tuple(f"{table.title}: column {name} is not used" for table, header in tables for name in header.ignored)
    return ImportReport(run.kinds, tuple(refusals.shown), tuple(refusals.files), ignored, written)


def _all_or_nothing(run: _Run, tables: Sequence[tuple[SourceTable, Header]], *, keep: bool) -> bool:
    try:
        with writing(run.engine) as connection:
            run.take(tables, connection)
            if not keep or any(report.refused for report in run.kinds.values()):
                raise _Undo
    except _Undo:
        return False
    return True


def _analyse(engine: Engine, kinds: Mapping[Kind, KindReport]) -> None:
    """The first plan after a large import must not go by figures of an empty register."""
    grown = {table for kind, report in kinds.items() if report.added >= MANY for table in TABLES[kind]}
    if grown:
        analyse(engine, sorted(grown, key=lambda table: table.name))


def _recognised(paths: Sequence[Path], kind: Kind | None) -> list[tuple[SourceTable, Header]]:
    """Every table with its kind, in the order in which they must be taken. Raises all faults at once."""
    found: list[tuple[SourceTable, Header]] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            tables = open_tables(path)
        except FaultsFound as error:
            faults += error.faults
            continue
        for table in tables:
            header = _header(table, kind)
            faults += [Fault(table.title, 1, column, sentence) for column, sentence in header.faults]
            found.append((table, header))
    if faults:
        raise FaultsFound(faults)
    order = list(Kind)
    return sorted(found, key=lambda pair: order.index(pair[1].kind))


def _header(table: SourceTable, kind: Kind | None) -> Header:
    known = kind or recognise(table.names) or _meant(table)
    if known is None:
        sentence = "the header is none of offices, people, permits, cases; say --kind to see what is missing"
        return Header(Kind.PEOPLE, {}, faults=((1, sentence),))
    return read_header(known, table.names)


def _meant(table: SourceTable) -> Kind | None:
    """A table with a damaged header still has a name: `people.csv`, a sheet "people"."""
    name = (table.sheet or table.path.stem).casefold()
    return next((kind for kind in Kind if name.startswith(kind.value)), None)
