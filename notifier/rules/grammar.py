"""The grammar of phrases (RULES 4.1, 4.2) as values: what the editor schema, the translation and the reference read.

The parser is `phrases.py`; `tests/test_schema.py` proves that both take the same phrases and no others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from notifier.rules.rule import Unit
from notifier.rules.vocabulary import VOCABULARY, Part, Word, english, word
from notifier.rules.words import EVENTS, HOLDER_TURNS, LARGEST_COUNT, NOUNS

#: The largest number a phrase may hold where nothing else bounds it.
LARGEST_NUMBER = 999_999_999


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number, from the least to the most."""

    most: int = LARGEST_NUMBER
    least: int = 1


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of the day, HH:MM."""


@dataclass(frozen=True, slots=True)
class Date:
    """A day of the calendar, YYYY-MM-DD."""


@dataclass(frozen=True, slots=True)
class Series:
    """One after the other."""

    items: "tuple[Symbol, ...]"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of them."""

    items: "tuple[Symbol, ...]"


@dataclass(frozen=True, slots=True)
class Maybe:
    """It, or nothing."""

    item: "Symbol"


@dataclass(frozen=True, slots=True)
class Repeat:
    """It as often as one likes, also never."""

    item: "Symbol"


@dataclass(frozen=True, slots=True)
class Name:
    """What the rule of that name says."""

    of: str


Symbol = Word | Number | Clock | Date | Series | Choice | Maybe | Repeat | Name


def _join(spelled: str) -> Word:
    return _row(Part.JOIN, spelled)


def _test(spelled: str) -> Word:
    return _row(Part.TEST, spelled)


def _row(part: Part, spelled: str) -> Word:
    found = word(part, spelled)
    if found is None:
        raise LookupError(f'"{spelled}" is not in the vocabulary under {part}')
    return found


def _all(part: Part) -> Choice:
    return Choice(VOCABULARY[part])


def _either(*names: str) -> Choice:
    return Choice(tuple(_join(name) for name in names))


def _lengths(*units: Unit) -> Choice:
    return Choice(tuple(Series((Number(LARGEST_COUNT[unit]), _row(Part.UNIT, unit))) for unit in units))


_TURNS = Series((_row(Part.ANCHOR, HOLDER_TURNS), Number()))
_LATE = {name: _row(Part.LATE, name) for name in english(Part.LATE)}
_COMPARE = Choice(tuple(_test(name) for name in ("at least", "at most", "less than", "more than")))
_NUMBER = Number(least=0)
_DATES: tuple[Symbol, ...] = (
    *(_test(name) for name in ("exists", "missing", "past")),
    Series((Choice((_test("before"), _test("after"))), Date())),
)


def _in_time(length: str) -> Choice:
    counted = Choice((_test("within"), _test("within last"), _test("beyond")))
    ago = Series((_test("more than"), Name(length), _test("ago")))
    return Choice((*_DATES, Series((counted, Name(length))), ago))


#: Every kind of phrase by its name, and the parts that several of them share.
GRAMMAR: Mapping[str, Symbol] = {
    # parts
    "unit": _all(Part.UNIT),
    "length": _lengths(*Unit),
    "fixed length": _lengths(*(unit for unit in Unit if unit not in (Unit.WORKING_DAY, Unit.MONTH, Unit.YEAR))),
    "length in days": _lengths(*(unit for unit in Unit if unit not in (Unit.MINUTE, Unit.HOUR))),
    "noun": Choice(tuple(_row(Part.ANCHOR, noun) for noun in NOUNS)),
    "event": Choice((*(_row(Part.ANCHOR, event) for event in EVENTS if event != HOLDER_TURNS), _TURNS)),
    "anchor": Choice((Name("noun"), Name("event"))),
    "offset": Choice(
        (
            Series((Name("length"), _either("before", "after"), Name("anchor"))),
            Series((_join("last working day before"), Name("anchor"))),
        )
    ),
    "channel": _all(Part.CHANNEL),
    # phrases of rules and windows
    "moment": Choice(
        (
            _join("at once"),
            Series((_join("on"), Name("noun"))),
            Series((_join("when"), Name("event"))),
            Series((_join("when"), Name("anchor"), _join("moves"), Maybe(_join("earlier")))),
            Name("offset"),
            Series((_join("halfway to"), Name("anchor"))),
            Series(
                (
                    *(_join("every"), Choice((Name("length"), Name("unit")))),
                    *(_join("from"), Name("place"), _join("until"), Name("place")),
                )
            ),
        )
    ),
    "place": Choice((Name("anchor"), Name("offset"))),
    "deadline": Series((Name("place"), Maybe(Choice((Series((_join("at"), Clock())), _join("at closing time")))))),
    "rung": Series(
        (
            *(Name("channel"), Repeat(Series((_join("and"), Name("channel"))))),
            Maybe(Series((_join("after"), Name("length")))),
        )
    ),
    "late": Choice(
        (
            _LATE["skip"],
            Series(
                (
                    Choice((_LATE["newest"], _LATE["send"], _LATE["fold"])),
                    Maybe(Series((_join("within"), Name("length")))),
                )
            ),
        )
    ),
    "anniversary": Series((_join("every"), Name("length"), _join("after"), Name("noun"))),
    "digest": Choice(
        (
            Series((_join("daily"), _join("at"), Clock())),
            Series((_join("weekly"), _join("on"), _all(Part.WEEKDAY), _join("at"), Clock())),
        )
    ),
    "limit": Series((Number(), _join("a day"))),
    "cap": Series((Number(), _join("in"), Name("length"))),
    "count": Number(),
    "time": Clock(),
    "day": Date(),
    # tests of conditions
    "number test": Series((Maybe(_COMPARE), _NUMBER)),
    "length test": Series((_COMPARE, Name("fixed length"))),
    "day test": _in_time("length in days"),
    "instant test": _in_time("length"),
}

#: Phrases as an officer would write them: what the editor offers, and what the reference shows.
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "moment": (
        "7 days before expiry",
        "last working day before expiry",
        "when window opens",
        "on departure deadline",
        "1 day after expiry",
        "at once",
        "halfway to documents deadline",
        "24 hours before payment deadline",
        "2 working days before expiry",
        "3 months before holder turns 21",
        "when expiry moves earlier",
        "every working day from 1 day after expiry until 59 days after expiry",
    ),
    "place": ("14 days before expiry", "3 months before expiry", "last working day before expiry"),
    "deadline": ("window closes", "expiry", "59 days after expiry", "collection deadline at closing time"),
    "rung": ("whatsapp and email", "email", "sms after 6 hours"),
    "late": ("newest within 7 days", "send", "skip", "fold"),
    "anniversary": ("every 5 years after issue",),
    "digest": ("daily at 07:45", "weekly on monday at 08:00"),
    "limit": ("5000 a day",),
    "cap": ("1 in 90 days",),
    "length": ("10 days",),
    "count": ("20",),
    "time": ("08:15",),
    "day": ("2027-01-01",),
    "number test": ("0", "at least 1", "less than 17"),
    "length test": ("less than 24 hours", "at least 24 hours"),
    "day test": ("exists", "missing", "past", "within 6 months", "within last 30 days", "more than 4 working days ago"),
    "instant test": ("exists", "missing", "past", "within 3 hours", "more than 2 days ago"),
}


def words_of(symbol: Symbol) -> Iterator[Word]:
    """Every word that may stand in a phrase."""
    match symbol:
        case Word():
            yield symbol
        case Series(items) | Choice(items):
            for item in items:
                yield from words_of(item)
        case Maybe(item) | Repeat(item):
            yield from words_of(item)
        case Name(of):
            yield from words_of(GRAMMAR[of])
        case Number() | Clock() | Date():
            return
