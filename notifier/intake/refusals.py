"""Rows that were refused: the first of them to be shown, all of them written to files that can be mended."""

import csv
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from notifier.intake.columns import REFUSED_BECAUSE, Kind, plain
from notifier.intake.readers import ENCODING, ERRORS, SourceRow, SourceTable

#: How many refusals are kept to be shown; a million broken rows must not fill the memory.
SHOWN = 1_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """One fault of one row; a row with three faults has three."""

    file: str
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.column}: {self.reason}"


class Refusals:
    """Takes refusals; with a folder, each kind gets a CSV of its refused rows: `people-refused.csv`.

    A file gets its name only when the run is over, so the very file that was mended can be read meanwhile.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.shown: list[Refusal] = []
        self.files: list[Path] = []
        self._writers: dict[tuple[Kind, tuple[str, ...]], Any] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        for file in self.files:
            _unfinished(file).replace(file)

    def refuse(self, kind: Kind, table: SourceTable, row: SourceRow, faults: Sequence[tuple[str, str]]) -> None:
        """Keep a row that was refused, with the reason for each column."""
        for column, reason in faults:
            if len(self.shown) < SHOWN:
                self.shown.append(Refusal(table.title, row.line, column, reason))
        if self.folder is not None:
            names = tuple(name for name in table.names if name and plain(name) != REFUSED_BECAUSE)
            because = "; ".join(f"{column}: {reason}" if column else reason for column, reason in faults)
            self._writer(kind, names).writerow([*(_cell(row.cells.get(name)) for name in names), because])

    def _writer(self, kind: Kind, names: tuple[str, ...]) -> Any:
        if (kind, names) not in self._writers:
            assert self.folder is not None
            self.folder.mkdir(parents=True, exist_ok=True)
            earlier = sum(held is kind for held, _ in self._writers)
            file = self.folder / f"{kind}-refused{f'-{earlier + 1}' if earlier else ''}.csv"
            unfinished = _unfinished(file)
            stream = self._stack.enter_context(unfinished.open("w", newline="", encoding=ENCODING, errors=ERRORS))
            writer = csv.writer(stream)
            writer.writerow([*names, REFUSED_BECAUSE])
            self.files.append(file)
            self._writers[kind, names] = writer
        return self._writers[kind, names]


def _unfinished(file: Path) -> Path:
    return file.with_name(f"{file.name}.part")


def _cell(cell: object) -> str:
    return "" if cell is None else str(cell)
