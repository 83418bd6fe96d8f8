"""YAML nodes read with their places: every fault has file, line and column, and no scalar is guessed at."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, time
from difflib import get_close_matches
from zoneinfo import ZoneInfo

import yaml

from notifier.errors import Fault

Plain = str | list["Plain"] | dict[str, "Plain"]

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MONTH_AND_DAY = re.compile(r"(\d{2})-(\d{2})")
_LEAP_YEAR = 2024


class Reader:
    """Collects the faults of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[Fault] = []

    def fault(self, node: yaml.Node, message: str) -> None:
        """Note a fault at the beginning of that node."""
        mark = node.start_mark
        self.faults.append(Fault(self.file, mark.line + 1, mark.column + 1, message))


class Entries:
    """One mapping of the file: each question about a key gives its value, or None after noting a fault."""

    def __init__(self, reader: Reader, place: yaml.Node, values: dict[str, yaml.Node]) -> None:
        self._reader = reader
        self._place = place
        self._values = values

    def fault(self, key: str, message: str) -> None:
        """Note a fault at the value of that key."""
        self._reader.fault(self._values.get(key, self._place), message)

    def text(self, key: str, *, needed: bool = False) -> str | None:
        """One word or sentence."""
        node = self._node(key, needed)
        return None if node is None else self._scalar(node)

    def time_of_day(self, key: str) -> time | None:
        """A time like 09:00."""
        node = self._node(key)
        written = None if node is None else self._scalar(node)
        return None if node is None or written is None else self._time(node, written)

    def hours(self, key: str, *, needed: bool = False) -> tuple[time, time] | None:
        """Hours like 07:00-20:00, the first before the second."""
        node = self._node(key, needed)
        if node is None:
            return None
        written = self._scalar(node)
        if written is None:
            return None
        first, _, second = written.partition("-")
        opens = self._time(node, first)
        closes = opens and self._time(node, second)
        if opens is None or closes is None:
            return None
        if opens >= closes:
            self._reader.fault(node, f"{first} is not before {second}; write hours like 07:00-20:00")
            return None
        return opens, closes

    def span(self, key: str, *, needed: bool = False) -> tuple[date, date] | None:
        """Days like 2026-02-18 until 2026-03-20, both included."""
        node = self._node(key, needed)
        return None if node is None else self._span(node)

    def spans(self, key: str) -> tuple[tuple[date, date], ...]:
        """A list of such stretches of days."""
        return tuple(found for node in self._items(key) if (found := self._span(node)) is not None)

    def days(self, key: str) -> frozenset[date]:
        """A list of days like 2026-12-24."""
        written = ((node, self._scalar(node)) for node in self._items(key))
        found = (self._day(node, text) for node, text in written if text is not None)
        return frozenset(day for day in found if day is not None)

    def words(self, key: str) -> tuple[str, ...]:
        """A list of words."""
        return tuple(filter(None, (self._scalar(node) for node in self._items(key))))

    def choices(self, key: str, allowed: Sequence[str]) -> tuple[str, ...]:
        """A list of words from a closed list."""
        found = []
        for node in self._items(key):
            word = self._scalar(node)
            if word is None:
                continue
            if word in allowed:
                found.append(word)
            else:
                self._reader.fault(node, unknown(word, allowed))
        return tuple(found)

    def zones(self, key: str) -> tuple[str, ...]:
        """A list of IANA time zones."""
        found = []
        for node in self._items(key):
            word = self._scalar(node)
            if word is None:
                continue
            try:
                ZoneInfo(word)
            except (KeyError, OSError, ValueError):
                self._reader.fault(node, f'there is no time zone "{word}"; write one like Asia/Jakarta')
            else:
                found.append(word)
        return tuple(found)

    def month_and_day(self, key: str) -> tuple[int, int] | None:
        """A day of every year, like 08-17."""
        node = self._node(key)
        if node is None:
            return None
        written = self._scalar(node)
        if written is None:
            return None
        match = _MONTH_AND_DAY.fullmatch(written)
        try:
            day = date(_LEAP_YEAR, int(match[1]), int(match[2])) if match else None
        except ValueError:
            day = None
        if day is None:
            self._reader.fault(node, f'"{written}" is not a day of the year; write month and day like 08-17')
            return None
        return day.month, day.day

    def mapping(self, key: str, allowed: Sequence[str]) -> "Entries":
        """The mapping under that key; an empty one when the key is missing."""
        node = self._node(key)
        if node is None:
            return Entries(self._reader, self._place, {})
        return read_mapping(self._reader, node, allowed)

    def mappings(self, key: str, allowed: Sequence[str]) -> Iterator["Entries"]:
        """A list of mappings."""
        return (read_mapping(self._reader, node, allowed) for node in self._items(key))

    def _node(self, key: str, needed: bool = False) -> yaml.Node | None:
        node = self._values.get(key)
        if node is None and needed:
            self._reader.fault(self._place, f'"{key}" is missing here')
        return node

    def _items(self, key: str) -> list[yaml.Node]:
        node = self._values.get(key)
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self._reader.fault(node, f'"{key}" takes a list; begin each line below it with "- "')
            return []
        return list(node.value)

    def _scalar(self, node: yaml.Node) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.value.strip():
            return str(node.value).strip()
        self._reader.fault(node, "one word or number is expected here")
        return None

    def _time(self, node: yaml.Node, written: str) -> time | None:
        match = _TIME.fullmatch(written)
        if match is None:
            self._reader.fault(node, f'"{written}" is not a time; write one like 09:00')
            return None
        return time(int(match[1]), int(match[2]))

    def _day(self, node: yaml.Node, written: str) -> date | None:
        if _DAY.fullmatch(written):
            with suppress(ValueError):
                return date.fromisoformat(written)
        self._reader.fault(node, f'"{written}" is not a day; write one like 2026-12-24')
        return None

    def _span(self, node: yaml.Node) -> tuple[date, date] | None:
        written = self._scalar(node)
        if written is None:
            return None
        first, until, second = (part.strip() for part in written.partition(" until "))
        if not until:
            self._reader.fault(node, f'"{written}" is no stretch of days; write 2026-02-18 until 2026-03-20')
            return None
        opens = self._day(node, first)
        closes = opens and self._day(node, second)
        if opens is None or closes is None:
            return None
        if opens > closes:
            self._reader.fault(node, f"{first} is after {second}; write the earlier day first")
            return None
        return opens, closes


def read_mapping(reader: Reader, node: yaml.Node, allowed: Sequence[str]) -> Entries:
    """The entries of a mapping; unknown and repeated keys are faults."""
    values: dict[str, yaml.Node] = {}
    if not isinstance(node, yaml.MappingNode):
        reader.fault(node, f"keys are expected here: {', '.join(allowed)}")
        return Entries(reader, node, values)
    for key, value in node.value:
        word = str(key.value)
        if not isinstance(key, yaml.ScalarNode):
            reader.fault(key, "a key is a word")
        elif word not in allowed:
            reader.fault(key, unknown(word, allowed))
        elif word in values:
            reader.fault(key, f'"{word}" stands here twice')
        else:
            values[word] = value
    return Entries(reader, node, values)


def unknown(word: str, allowed: Sequence[str]) -> str:
    """The sentence for a word that is not on the list, with the nearest right one."""
    near = get_close_matches(word, allowed, n=1)
    return f'"{word}" is not known here; ' + (f'write "{near[0]}"' if near else f"write {', '.join(allowed)}")


def plain(node: yaml.Node) -> Plain:
    """The text of a node without its places and comments."""
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [plain(item) for item in node.value]
    return str(node.value)
