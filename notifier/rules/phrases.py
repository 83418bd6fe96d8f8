"""The phrase grammar (RULES 4.1) by recursive descent. Each `parse_…` takes a whole phrase or raises PhraseError."""

from collections.abc import Callable
from datetime import date, time
from typing import TypeVar

from notifier.rules.cursor import Cursor
from notifier.rules.rule import (
    Anchor,
    AtOnce,
    Cap,
    Deadline,
    Digest,
    Every,
    Halfway,
    LastWorkingDayBefore,
    Late,
    LatePolicy,
    Length,
    Moment,
    Moves,
    Offset,
    On,
    Place,
    Rung,
    Side,
    Unit,
)
from notifier.rules.words import CHANNEL_WORDS, EVENTS, HOLDER_TURNS, LARGEST_COUNT, NOUNS, UNIT_WORDS, WEEKDAYS

LAST_WORKING_DAY = "last working day before"
_BEGINNINGS = ("at once", "on", "when", "halfway to", "every", LAST_WORKING_DAY)
Parsed = TypeVar("Parsed")


def parse_moment(phrase: str) -> Moment:
    """`send:` of a step."""
    return _whole(phrase, _moment)


def parse_place(phrase: str) -> Place:
    """A line of the windows file: a date, or so long before or after one."""
    return _whole(phrase, _place)


def parse_deadline(phrase: str) -> Deadline:
    """`deadline:` of a rule."""
    return _whole(phrase, _deadline)


def parse_length(phrase: str) -> Length:
    """`correction:` and every other bare length."""
    return _whole(phrase, _length)


def parse_rung(phrase: str) -> Rung:
    """One line of `via:`; the loader joins the lines to a ladder."""
    return _whole(phrase, _rung)


def parse_late(phrase: str) -> Late:
    """`late:` of a rule or step."""
    return _whole(phrase, _late)


def parse_anniversary(phrase: str) -> tuple[Length, Anchor]:
    """`anniversary:` of a rule: every so many years or months after a date."""
    return _whole(phrase, _anniversary)


def parse_digest(phrase: str) -> Digest:
    """`digest:`: the weekday (None: daily) and the time of the slot."""
    return _whole(phrase, _digest)


def parse_limit(phrase: str) -> int:
    """`limit:`: messages a day."""
    return _whole(phrase, _limit)


def parse_count(phrase: str) -> int:
    """A bare number from 1."""
    return _whole(phrase, Cursor.need_number)


def parse_cap(phrase: str) -> Cap:
    """`cap:`: so many cycles in so long."""
    return _whole(phrase, _cap)


def parse_time(phrase: str) -> time:
    """A time of the day, HH:MM."""
    return _whole(phrase, Cursor.need_time)


def parse_day(phrase: str) -> date:
    """A written day, YYYY-MM-DD."""
    return _whole(phrase, Cursor.need_day)


def read_length(cursor: Cursor) -> Length:
    """A length inside a longer phrase (conditions use it too)."""
    return _length(cursor)


def _whole(phrase: str, read: Callable[[Cursor], Parsed]) -> Parsed:
    cursor = Cursor(phrase)
    parsed = read(cursor)
    cursor.need_end()
    return parsed


def _moment(cursor: Cursor) -> Moment:
    column = cursor.column
    wrong_start = cursor.next_word
    match cursor.take_word(*_BEGINNINGS):
        case "at once":
            return AtOnce()
        case "on":
            return On(_noun_after_on(cursor))
        case "when":
            return _after_when(cursor, column)
        case "halfway to":
            return Halfway(_anchor(cursor))
        case "every":
            return _after_every(cursor)
        case "last working day before":
            return LastWorkingDayBefore(_anchor(cursor))
    if wrong_start == "at":
        cursor.fail(_after_at(cursor))
    return _offset(cursor)


def _after_at(cursor: Cursor) -> str:
    rest = cursor.rest_after(1)
    if rest in NOUNS:
        return f'"at {rest}" is not said; write "on {rest}"'
    return '"at" begins only "at once"; write "at once", "on" and a date, or "when" and an event'


def _noun_after_on(cursor: Cursor) -> Anchor:
    column = cursor.column
    event = cursor.take_word(*EVENTS)
    if event is not None:
        cursor.fail(f'"on {event}" is not said; write "when {event}"', column - 3)
    cursor.forget_expected()
    return Anchor(cursor.need_word(*NOUNS))


def _after_when(cursor: Cursor, column: int) -> Moment:
    anchor = _anchor(cursor)
    if cursor.take_word("moves"):
        return Moves(anchor, earlier=cursor.take_word("earlier") is not None)
    if anchor.name in EVENTS:
        return On(anchor, event=True)
    if not cursor.next_word:
        cursor.fail(f'"when {anchor}" says no event; write "on {anchor}" or "when {anchor} moves"', column)
    return cursor.fail()


def _after_every(cursor: Cursor) -> Every:
    column = cursor.column
    count = cursor.take_number()
    period = _bounded(Length(1 if count is None else count, _unit(cursor)), cursor, column)
    cursor.need_word("from")
    start = _place(cursor)
    cursor.need_word("until")
    return Every(period, start, _place(cursor))


def _place(cursor: Cursor) -> Place:
    if cursor.take_word(LAST_WORKING_DAY):
        return LastWorkingDayBefore(_anchor(cursor))
    anchor = _take_anchor(cursor)
    if anchor is not None:
        return On(anchor, event=anchor.name in EVENTS)
    return _offset(cursor)


def _offset(cursor: Cursor) -> Offset:
    length = _length(cursor)
    side = Side(cursor.need_word("before", "after"))
    return Offset(length, side, _anchor(cursor))


def _length(cursor: Cursor) -> Length:
    column = cursor.column
    count = cursor.need_number()
    return _bounded(Length(count, _unit(cursor)), cursor, column)


def _bounded(length: Length, cursor: Cursor, column: int) -> Length:
    if length.count > LARGEST_COUNT[length.unit]:
        cursor.fail(f'"{length}" is more than a hundred years; write a smaller number', column)
    return length


def _unit(cursor: Cursor) -> Unit:
    return UNIT_WORDS[cursor.need_word(*UNIT_WORDS)]


def _anchor(cursor: Cursor) -> Anchor:
    return _take_anchor(cursor) or cursor.fail()


def _take_anchor(cursor: Cursor) -> Anchor | None:
    word = cursor.take_word(*NOUNS, *EVENTS)
    if word is None:
        return None
    return Anchor(word, cursor.need_number() if word == HOLDER_TURNS else None)


def _deadline(cursor: Cursor) -> Deadline:
    place = _place(cursor)
    if not cursor.take_word("at"):
        return Deadline(place)
    if cursor.take_word("closing time"):
        return Deadline(place, closing_time=True)
    return Deadline(place, at=cursor.need_time())


def _rung(cursor: Cursor) -> Rung:
    channels = [CHANNEL_WORDS[cursor.need_word(*CHANNEL_WORDS)]]
    while cursor.take_word("and"):
        channels.append(CHANNEL_WORDS[cursor.need_word(*CHANNEL_WORDS)])
    return Rung(tuple(channels), _length(cursor) if cursor.take_word("after") else None)


def _late(cursor: Cursor) -> Late:
    policy = LatePolicy(cursor.need_word(*LatePolicy))
    if policy is not LatePolicy.SKIP and cursor.take_word("within"):
        return Late(policy, _length(cursor))
    return Late(policy)


def _anniversary(cursor: Cursor) -> tuple[Length, Anchor]:
    cursor.need_word("every")
    length = _length(cursor)
    cursor.need_word("after")
    return length, Anchor(cursor.need_word(*NOUNS))


def _digest(cursor: Cursor) -> Digest:
    if cursor.need_word("daily", "weekly") == "daily":
        cursor.need_word("at")
        return Digest(cursor.need_time())
    if cursor.next_word == "at":
        cursor.fail('"weekly" needs its day; write "weekly on monday at" and the time')
    cursor.need_word("on")
    weekday = WEEKDAYS.index(cursor.need_word(*WEEKDAYS))
    cursor.need_word("at")
    return Digest(cursor.need_time(), weekday)


def _limit(cursor: Cursor) -> int:
    count = cursor.need_number()
    cursor.need_word("a day")
    return count


def _cap(cursor: Cursor) -> Cap:
    count = cursor.need_number()
    cursor.need_word("in")
    return Cap(count, _length(cursor))
