"""What stands in a test of rules, typed by the field it stands in: days, instants, channels, fields of the register."""

import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from notifier.model import Channel, SubjectKind
from notifier.rules.fields import ATTRIBUTE_PREFIX, FIELDS, Field, FieldType
from notifier.rules.reading import Reading
from notifier.rules.rule import RuleSet
from notifier.rules.tree import Node, Text
from notifier.rules.words import CHANNEL_WORDS, did_you_mean

#: Written where the register is to hold nothing.
MISSING = "missing"
#: Between the ends of a stretch of days, as in the calendar file.
UNTIL = " until "


@dataclass(slots=True)
class Scenery:
    """What has been read so far of one test, and what its words may name."""

    reading: Reading
    rules: RuleSet
    zone: ZoneInfo
    offices: list[str] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    subjects: dict[str, SubjectKind] = field(default_factory=dict)
    closed: dict[str, set[date]] = field(default_factory=dict)
    opened: dict[str, set[date]] = field(default_factory=dict)

    @property
    def desks(self) -> list[str]:
        """The desks as a message names them: "front desk", or with several offices "front desk of ambon"."""
        if len(self.offices) < 2:
            return [f"{name} desk" for name in DESKS]
        return [f"{name} desk of {office}" for office in self.offices for name in DESKS]

    def person(self, text: Text, word: str, offset: int = 0) -> str | None:
        """A person, organisation or desk of the test."""
        known = [*self.people, *self.desks]
        if word in known:
            return word
        self.reading.fault(text, f'nobody here is called "{word}"; {did_you_mean(word, known)}', offset)
        return None


#: The desks every office of a test has; lists for officers go there.
DESKS = ("front", "enforcement")


#: In other years no rule has a date to count from.
YEARS = range(2000, 2101)


def instant(reading: Reading, text: Text, zone: ZoneInfo, *, what: str, bare: time | None = time()) -> datetime | None:
    """A day with its time on the clock of the test, in UTC; a bare day means the time `bare` of it."""
    written = text.value
    if written[:4].isdigit() and int(written[:4]) not in YEARS:
        reading.fault(text, f"{what}: {written} lies in no year from {YEARS.start} to {YEARS.stop - 1}")
        return None
    with suppress(ValueError):
        if len(written) == len("2026-05-20 08:00") and written[10] == " ":
            return datetime.fromisoformat(written).replace(tzinfo=zone).astimezone(UTC)
        if len(written) == len("2026-05-20") and bare is not None:
            return datetime.combine(date.fromisoformat(written), bare, tzinfo=zone).astimezone(UTC)
    shape = "a day and a time like 2026-05-20 08:00" + ("" if bare is None else ", or a day alone")
    reading.fault(text, f'{what}: "{written}" is no instant; write {shape}')
    return None


def days(reading: Reading, node: Node, what: str) -> set[date]:
    """One stretch of days or a list of them: 2026-11-02, 2026-11-02 until 2026-11-15."""
    found: set[date] = set()
    for text in reading.texts(node, what):
        first, until, last = text.value.partition(UNTIL)
        with suppress(ValueError):
            begin, end = _day(first), _day(last) if until else _day(first)
            if begin <= end:
                found |= {begin + timedelta(days=number) for number in range((end - begin).days + 1)}
                continue
        reading.fault(text, f'{what}: "{text.value}" is no stretch of days; write 2026-11-02 until 2026-11-15')
    return found


def _day(text: str) -> date:
    if len(text) != len("2026-05-20"):
        raise ValueError(text)
    return date.fromisoformat(text)


def address(name: str, channel: Channel) -> str:
    """The address of a person of a test: made of the name, the same on every run."""
    if channel is Channel.EMAIL:
        return f"{name.replace(' ', '.')}@mail.example"
    return f"+62812{zlib.crc32(name.encode()) % 10**8:08d}"


def contacts(reading: Reading, values: Mapping[str, Node], name: str) -> dict[Channel, str | None]:
    """Which channels reach a person: yes, no, or an address of its own (people who share a telephone)."""
    found: dict[Channel, str | None] = {}
    for word, channel in CHANNEL_WORDS.items():
        if word not in values:
            continue
        text = reading.text(values[word], word)
        if text is None:
            continue
        if text.value in ("yes", "no"):
            found[channel] = address(name, channel) if text.value == "yes" else None
        elif ("@" in text.value) if channel is Channel.EMAIL else text.value.startswith("+"):
            found[channel] = text.value
        else:
            reading.fault(text, f'{word}: "{text.value}" is no address; write yes, no, or one with its + or @')
    return found


def fields_of(kind: SubjectKind) -> dict[str, Field]:
    """What a test may say of a permit or case: stored fields under the words of rules."""
    attributes = {"stay left", "survey answer"}
    return {
        name: one
        for name, one in FIELDS.items()
        if kind in one.subjects and (one.column is not None or name in attributes or name == "extendable")
    }


def value(scenery: Scenery, one: Field, node: Node) -> object:
    """The value of a stored field; None for "missing" (and where a fault was noted)."""
    reading = scenery.reading
    if isinstance(node, Text) and node.value == MISSING:
        return None
    if one.name == "type":
        return reading.word(node, one.name, tuple(scenery.rules.documents))
    read: Mapping[FieldType, Callable[[], object]] = {
        FieldType.YES_NO: lambda: reading.yes_no(node, one.name),
        FieldType.DAY: lambda: reading.day(node, one.name),
        FieldType.INSTANT: lambda: _instant(scenery, node, one.name),
        FieldType.NUMBER: lambda: _number(reading, node, one.name),
    }
    if one.type in read:
        return read[one.type]()
    if one.choices:
        return reading.word(node, one.name, one.choices)
    text = reading.text(node, one.name)
    return text.value if text else None


def _instant(scenery: Scenery, node: Node, what: str) -> datetime | None:
    text = scenery.reading.text(node, what)
    return instant(scenery.reading, text, scenery.zone, what=what, bare=None) if text else None


def _number(reading: Reading, node: Node, what: str) -> int | None:
    text = reading.text(node, what)
    if text is None:
        return None
    if text.value.isascii() and text.value.isdigit() and len(text.value) < 6:
        return int(text.value)
    reading.fault(text, f'{what}: "{text.value}" is no number; write one like 0 or 2')
    return None


def attribute(name: str) -> str:
    """How the register calls a column of its own: "attributes.registered" is "registered"."""
    return name.removeprefix(ATTRIBUTE_PREFIX).replace(" ", "_")
