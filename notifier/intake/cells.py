"""One cell into one value: days, instants, times, numbers, yes or no, and words of a closed list.

Reasons are sentences with a remedy. They never repeat the cell of a day or a text: it may be personal.
"""

import difflib
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

Cell = str | int | float | bool | date | datetime | time | None

ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
DAY_FIRST = re.compile(r"(\d{1,2})[-/. ](\d{1,2}|[A-Za-z]{3,})[-/. ](\d{2,4})")
ISO_INSTANT = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(?::\d{2}(?:\.\d{1,6})?)?\s?(Z|[+-]\d{2}(?::?\d{2})?)?")
CLOCK_TIME = re.compile(r"([01]?\d|2[0-3])[:.]([0-5]\d)(?::00)?")
#: Years outside are typing errors: 0206-12-24, 20026-01-01.
YEARS = range(1900, 2201)
YES = frozenset({"yes", "y", "true", "1", "ya"})
NO = frozenset({"no", "n", "false", "0", "tidak"})


class CellFault(ValueError):
    """A cell that cannot be taken; the text is the reason, in one sentence."""


def text_of(cell: Cell, limit: int = 500) -> str | None:
    """The cell as trimmed text, or None if it is empty. Numbers lose the ".0" that spreadsheets give them."""
    if cell is None:
        return None
    if type(cell) is str and len(cell) <= limit and cell.isprintable():
        return cell.strip() or None
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    text = cell.isoformat() if isinstance(cell, date | time) else str(cell).strip()
    if not text.isprintable():
        raise CellFault("has a line break or another unprintable character; write it on one line")
    if len(text) > limit:
        raise CellFault(f"is longer than {limit} characters; shorten it")
    return text or None


def day_of(cell: Cell) -> date | None:
    """A date, written year-month-day."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, datetime):
        if cell.time() != time(0):
            raise CellFault("has a time of day, but a date is wanted; remove the time")
        cell = cell.date()
    if isinstance(cell, date):
        return _sane(cell)
    text = text_of(cell)
    if text is None:
        return None
    if ISO_DAY.fullmatch(text):
        try:
            return _sane(date.fromisoformat(text))
        except ValueError as error:
            if isinstance(error, CellFault):
                raise
            raise CellFault("is no day of the calendar; check month and day") from error
    if DAY_FIRST.fullmatch(text):
        raise CellFault(
            "is written day first; write year-month-day, as in 2026-12-31 (in a spreadsheet: format the "
            "column as yyyy-mm-dd)"
        )
    raise CellFault("is no date; write year-month-day, as in 2026-12-31")


def _sane(day: date) -> date:
    if day.year not in YEARS:
        raise CellFault(f"has a year outside {YEARS.start} to {YEARS.stop - 1}; check it")
    return day


def instant_of(cell: Cell, zone: ZoneInfo, *, day_is_enough: bool = False) -> datetime | None:
    """An instant in UTC. Without a zone it is on the office's clock; a time that comes twice means the first."""
    if isinstance(cell, datetime):
        return _in_utc(cell, zone)
    text = None if isinstance(cell, date) else text_of(cell)
    if text is None and not isinstance(cell, date):
        return None
    if isinstance(cell, date) or (text is not None and not ISO_INSTANT.fullmatch(text)):
        day = day_of(cell)
        if day is None or not day_is_enough:
            raise CellFault("needs a time of day; write it as in 2026-12-31 14:30")
        return _in_utc(datetime.combine(day, time(0)), zone)
    assert text is not None
    try:
        return _in_utc(datetime.fromisoformat(text.replace("Z", "+00:00").replace(" +", "+")), zone)
    except ValueError as error:
        if isinstance(error, CellFault):
            raise
        raise CellFault("is no point in time; write it as in 2026-12-31 14:30 or 2026-12-31T14:30+07:00") from error


def _in_utc(instant: datetime, zone: ZoneInfo) -> datetime:
    _sane(instant.date())
    return (instant if instant.tzinfo is not None else instant.replace(tzinfo=zone)).astimezone(UTC)


def time_of(cell: Cell) -> time | None:
    """A time of day, to the minute: 08:00, also 08.00."""
    if isinstance(cell, datetime):
        cell = cell.time()
    if isinstance(cell, time):
        return cell.replace(second=0, microsecond=0, tzinfo=None)
    text = text_of(cell)
    if text is None:
        return None
    found = CLOCK_TIME.fullmatch(text)
    if not found:
        raise CellFault("is no time of day; write it as in 08:00")
    return time(int(found[1]), int(found[2]))


def count_of(cell: Cell) -> int | None:
    """A whole number from 0 up."""
    text = text_of(cell)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise CellFault("is no whole number; write digits only, as in 2")
    return int(text)


def yes_no_of(cell: Cell) -> bool | None:
    """Yes or no."""
    text = text_of(cell)
    if text is None:
        return None
    if text.casefold() not in YES | NO:
        raise CellFault("is neither yes nor no; write yes or no")
    return text.casefold() in YES


class Vocabulary:
    """Words of a list, known in any case, with underscores or spaces. Unless `closed`, others stand as written."""

    def __init__(self, words: Iterable[str], *, closed: bool = True) -> None:
        self.closed = closed
        self._words = {folded(word): word for word in words}
        self._exact = {word: word for word in self._words.values()}

    def read(self, cell: Cell) -> str | None:
        """The word as the list has it. Raises CellFault with the nearest one."""
        if isinstance(cell, str) and cell in self._exact:
            return cell
        text = text_of(cell, 64)
        if text is None:
            return None
        if (found := self._words.get(folded(text))) is not None:
            return found
        if not self.closed:
            return " ".join(text.replace("_", " ").split())
        near = difflib.get_close_matches(folded(text), self._words, n=1)
        words = ", ".join(sorted(self._exact))
        hint = f'; did you mean "{self._words[near[0]]}"?' if near else f"; write one of: {words}"
        raise CellFault(f'"{text}" is not known here{hint}')


def folded(word: str) -> str:
    """A word as we compare it: lower case, one space between its parts."""
    return " ".join(word.replace("_", " ").replace("-", " ").casefold().split())
