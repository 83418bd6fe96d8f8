"""How answers look: tables for people, JSON for programs, times in a zone with its name."""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

#: Columns of a table that goes into a file or another program.
WIDTH_ELSEWHERE = 160


def console() -> Console:
    """The console of this moment's standard output."""
    return Console(width=None if sys.stdout.isatty() else WIDTH_ELSEWHERE, highlight=False)


def show_json(value: Any) -> None:
    """Write one JSON document; instants are ISO in UTC, lengths are seconds."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: object) -> object:
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case StrEnum():
            return value.value
        case set() | frozenset():
            return sorted(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no place in JSON")


def show_table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None, empty: str = ""
) -> None:
    """Write a table; numbers stand right. What is in a cell is never read as markup."""
    found = [list(row) for row in rows]
    if not found:
        if empty:
            click.echo(empty)
        return
    table = Table(title=title, title_justify="left", header_style="bold", pad_edge=False)
    for place, heading in enumerate(headings):
        numbers = all(isinstance(row[place], int) for row in found)
        table.add_column(heading, justify="right" if numbers else "left", overflow="fold")
    for row in found:
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in row))
    console().print(table)


#: An instant as the ledger writes it into a sentence.
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+00:00")


def clocked(text: str | None, zone: ZoneInfo) -> str | None:
    """A sentence of the ledger with its instants on the clock of a zone."""
    return text and INSTANT.sub(lambda found: on_clock(datetime.fromisoformat(found[0]), zone), text)


def on_clock(instant: datetime | None, zone: ZoneInfo) -> str:
    """An instant on the clock of a zone, with the zone's own name: 2026-05-02 09:00 WIB."""
    return "" if instant is None else instant.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")
