"""Opens tables of CSV, Excel and JSON lines and streams their rows; nothing is read that is not asked for."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from notifier.errors import Fault, FaultsFound
from notifier.intake.cells import Cell

#: Without surrogates no row is lost: bytes that are not UTF-8 become these, and only their row is refused.
ENCODING, ERRORS = "utf-8-sig", "surrogateescape"
NOT_UTF8 = 'is not UTF-8; save the file as "CSV UTF-8"'


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row with the source's own column names. `fault`: it could not even be split into cells."""

    line: int
    cells: Mapping[str, Cell]
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table whose header has been read; `rows` opens the source anew on each call."""

    path: Path
    names: tuple[str, ...]
    rows: Callable[[], Iterator[SourceRow]]
    sheet: str | None = None

    @property
    def title(self) -> str:
        return f"{self.path.name}[{self.sheet}]" if self.sheet else self.path.name


def open_tables(path: Path) -> list[SourceTable]:
    """The tables of a file: one, or one for each filled sheet. Raises FaultsFound for what cannot be read."""
    suffix = path.suffix.casefold()
    openers = {".csv": _csv_tables, ".xlsx": _xlsx_tables, ".jsonl": _jsonl_tables, ".ndjson": _jsonl_tables}
    if suffix not in openers:
        raise _fault(path, "this kind of file is not read; give .csv, .xlsx or .jsonl")
    try:
        tables = openers[suffix](path)
    except (OSError, BadZipFile, InvalidFileException, KeyError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged"
        raise _fault(path, f"cannot be opened: {reason}") from error
    if not tables:
        raise _fault(path, "is empty; the first row must name the columns")
    return tables


def _fault(path: Path, message: str) -> FaultsFound:
    return FaultsFound([Fault(path.name, 1, 1, message)])


# ----------------------------------------------------------------------------------------------------- CSV


def _csv_tables(path: Path) -> list[SourceTable]:
    with path.open(newline="", encoding=ENCODING, errors=ERRORS) as stream:
        first = stream.readline()
    if "\0" in first:
        raise _fault(path, NOT_UTF8)
    if not first.strip():
        return []
    delimiter = max(",;\t", key=first.count)
    names = tuple(next(csv.reader([first], delimiter=delimiter)))
    return [SourceTable(path, names, lambda: _csv_rows(path, names, delimiter))]


def _csv_rows(path: Path, names: tuple[str, ...], delimiter: str) -> Iterator[SourceRow]:
    with path.open(newline="", encoding=ENCODING, errors=ERRORS) as stream:
        reader = csv.reader(stream, delimiter=delimiter)
        next(reader)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield SourceRow(line, {}, 'cannot be split into cells; look for a quote (") that is never closed')
                continue
            if any(cells):
                yield SourceRow(line, dict(zip(names, cells, strict=False)), _csv_fault(names, cells))


def _csv_fault(names: tuple[str, ...], cells: list[str]) -> str | None:
    if len(cells) != len(names):
        return f"has {len(cells)} cells, the header {len(names)}; quote a value that contains the delimiter"
    text = "".join(cells)
    if not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text):
        return NOT_UTF8
    return None


# --------------------------------------------------------------------------------------------------- Excel


def _xlsx_tables(path: Path) -> list[SourceTable]:
    book = load_workbook(path, read_only=True, data_only=True)
    try:
        tables = []
        for sheet in book.sheetnames:
            first = next(_sheet_rows(book[sheet]), None)
            if first is not None:
                names = _names(first)
                tables.append(SourceTable(path, names, _xlsx_opener(path, sheet, names), sheet))
        return tables
    finally:
        book.close()


def _names(row: tuple[Any, ...]) -> tuple[str, ...]:
    names = [str(cell) if cell is not None else "" for cell in row]
    while names and not names[-1].strip():
        names.pop()
    return tuple(names)


def _sheet_rows(sheet: Any) -> Iterator[tuple[Any, ...]]:
    sheet.reset_dimensions()  # what the file says of its size is often wrong
    return iter(sheet.iter_rows(values_only=True))


def _xlsx_opener(path: Path, sheet: str, names: tuple[str, ...]) -> Callable[[], Iterator[SourceRow]]:
    def rows() -> Iterator[SourceRow]:
        book = load_workbook(path, read_only=True, data_only=True)
        try:
            for line, cells in enumerate(_sheet_rows(book[sheet]), start=1):
                if line > 1 and any(cell is not None and cell != "" for cell in cells):
                    padded = cells + (None,) * (len(names) - len(cells))
                    yield SourceRow(line, dict(zip(names, padded, strict=False)))
        finally:
            book.close()

    return rows


# ---------------------------------------------------------------------------------------------- JSON lines


def _jsonl_tables(path: Path) -> list[SourceTable]:
    first = next(_jsonl_rows(path), None)
    if first is None:
        return []
    if first.fault is not None:
        raise FaultsFound([Fault(path.name, first.line, 1, first.fault)])
    return [SourceTable(path, tuple(first.cells), lambda: _jsonl_rows(path))]


def _jsonl_rows(path: Path) -> Iterator[SourceRow]:
    with path.open(encoding=ENCODING, errors=ERRORS) as stream:
        for line, text in enumerate(stream, start=1):
            if not text.strip():
                continue
            try:
                row = json.loads(text)
                cells = dict(_flat(row)) if isinstance(row, dict) else None
            except (ValueError, RecursionError):
                yield SourceRow(line, {}, "is not JSON; each line must be one object")
                continue
            if cells is not None:
                yield SourceRow(line, cells)
            else:
                yield SourceRow(line, {}, "is not an object; each line must be one object in braces")


def _flat(row: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", cell) for inner, cell in _flat(value))
        elif isinstance(value, list):
            yield name, "|".join(str(part) for part in value)
        else:
            yield name, value
