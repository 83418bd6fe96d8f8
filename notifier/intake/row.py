"""The cells of one row, read one after the other while their faults are gathered."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Generic, TypeVar

from notifier.intake.cells import Cell, CellFault, day_of, text_of
from notifier.rules.fields import ATTRIBUTE_PREFIX
from notifier.store.records import RoleRecord

T = TypeVar("T")
#: How many cells of a column are remembered with what they mean: dates, types and offices come again and again.
REMEMBERED = 20_000


class RowFaults(Exception):
    """A row that cannot be taken: (column, reason) of each fault."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{column}: {reason}" for column, reason in faults))


class Reading(Generic[T]):
    """How the cells of one column are read; texts that were read before are looked up only."""

    __slots__ = ("can_be_empty", "column", "known", "name", "parse")

    def __init__(
        self, column: str, parse: Callable[[Cell], T | None], *, name: str | None = None, can_be_empty: bool = True
    ) -> None:
        self.column = column
        self.name = name or column
        self.can_be_empty = can_be_empty
        self.parse = parse
        self.known: dict[str, T | None] = {}

    def read(self, cell: Cell) -> T | None:
        """The value of a cell. Raises CellFault."""
        value = self.parse(cell)
        if type(cell) is str and len(self.known) < REMEMBERED:
            self.known[cell] = value
        return value


@dataclass(slots=True)
class Row:
    """The cells of one row by our column names, and the faults found so far."""

    cells: Mapping[str, Cell]
    faults: list[tuple[str, str]] = field(default_factory=list)

    def take(self, column: str, parse: Callable[[Cell], T | None]) -> T | None:
        """The value of a cell; None if it is empty, absent or at fault."""
        cell = self.cells.get(column)
        if cell is None or cell == "":
            return None
        try:
            return parse(cell)
        except CellFault as fault:
            self.faults.append((column, str(fault)))
            return None

    def needed(self, column: str, parse: Callable[[Cell], T | None]) -> T | None:
        """The same for a cell that must not be empty."""
        before = len(self.faults)
        value = self.take(column, parse)
        if value is None and len(self.faults) == before:
            self.faults.append((column, "is empty; every row needs it"))
        return value

    def put(
        self,
        values: dict[str, object],
        column: str,
        parse: Callable[[Cell], object],
        *,
        name: str | None = None,
        can_be_empty: bool = True,
    ) -> None:
        """Into `values` if the table has the column; an empty cell takes a value away, or leaves a needed one."""
        if column in self.cells:
            value = self.take(column, parse)
            if value is not None or can_be_empty:
                values[name or column] = value

    def put_all(self, values: dict[str, object], readings: Iterable[Reading[object]]) -> None:
        """The same for several columns, in their order."""
        for reading in readings:
            if reading.column in self.cells:
                cell = self.cells[reading.column]
                if cell is None or cell == "":
                    value = None
                elif type(cell) is str and cell in reading.known:
                    value = reading.known[cell]
                else:
                    value = self.take(reading.column, reading.read)
                if value is not None or reading.can_be_empty:
                    values[reading.name] = value

    def attributes(self) -> dict[str, str | None]:
        """The register's own extra columns; None takes one away."""
        return {name: self.take(column, text_of) for column, name in _attributes(tuple(self.cells))}


@lru_cache(maxsize=64)
def _attributes(columns: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Each extra column with the name of its attribute. The rows of a file have the same columns."""
    return tuple((one, one.removeprefix(ATTRIBUTE_PREFIX)) for one in columns if one.startswith(ATTRIBUTE_PREFIX))


def holders(row: Row, role: str) -> tuple[RoleRecord, ...]:
    """The parties of a role, several divided by "|"; dates likewise, or one for all."""
    cell = row.cells.get(role)
    numbers = _parts(row.take(role, text_of)) if cell is not None and cell != "" else []
    if not numbers:
        return ()
    starts = _days(row, f"{role}_from", len(numbers))
    ends = _days(row, f"{role}_until", len(numbers))
    if any(start and end and end < start for start, end in zip(starts, ends, strict=True)):
        row.faults.append((f"{role}_until", f"lies before {role}_from; check both"))
    found = {
        number: RoleRecord(number, start, end)
        for number, start, end in zip(numbers, starts, ends, strict=True)
        if number
    }
    return tuple(found.values())


def _days(row: Row, column: str, count: int) -> list[date | None]:
    cell = row.cells.get(column)
    if not isinstance(cell, str) or "|" not in cell:
        return [row.take(column, day_of)] * count
    parts = _parts(cell)
    if len(parts) != count:
        row.faults.append((column, f"has {len(parts)} dates for {count} numbers; give one for all, or one for each"))
        return [None] * count
    try:
        return [day_of(part) for part in parts]
    except CellFault as fault:
        row.faults.append((column, str(fault)))
        return [None] * count


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in text.split("|")] if text else []
