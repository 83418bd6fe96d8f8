"""Reading a phrase word by word, remembering what could have stood where reading stopped."""

import re
from dataclasses import dataclass
from datetime import date, time
from typing import NoReturn

from notifier.errors import NotifierError
from notifier.rules.words import A_DAY, A_NUMBER, A_TIME, KINDS, LIKE_ENOUGH, likeness, listed

_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


class PhraseError(NotifierError):
    """A phrase that is not of the language; `column` counts from 1 inside the phrase."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(message)
        self.column = column
        self.message = message


@dataclass(frozen=True, slots=True)
class Token:
    """What stands between two spaces, and where it begins (from 0)."""

    text: str
    start: int


class Cursor:
    """A place in a phrase. Each `take_…` moves on when it fits, else notes what it was looking for."""

    def __init__(self, phrase: str) -> None:
        self._phrase = phrase
        # Only the space separates words; a tab or NBSP stays inside its word and makes it unknown.
        self._tokens = [Token(found.group(), found.start()) for found in re.finditer(r"[^ \n]+", phrase)]
        self._at = 0
        self._expected: list[str] = []

    @property
    def column(self) -> int:
        """Where the next word begins, or where it is missing; from 1."""
        if self._at < len(self._tokens):
            return self._tokens[self._at].start + 1
        return len(self._phrase.rstrip()) + 1

    @property
    def next_word(self) -> str:
        """What stands here, "" at the end."""
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def rest_after(self, count: int) -> str:
        """The words that follow the next `count` ones."""
        return " ".join(self._rest()[count:])

    def forget_expected(self) -> None:
        """What was looked for only to say a better sentence does not belong into the answer."""
        self._expected = []

    def take_word(self, *choices: str) -> str | None:
        """The longest of the choices (each one or more words) that stands here."""
        for choice in sorted(choices, key=lambda one: -one.count(" ")):
            size = choice.count(" ") + 1
            if self._ahead(size) == choice:
                self._move(size)
                # After "payment" the word "deadline" could have followed: a misspelling of it is told so.
                self._expected = [other[len(choice) + 1 :] for other in choices if other.startswith(f"{choice} ")]
                return choice
        self._expected.extend(choices)
        return None

    def need_word(self, *choices: str) -> str:
        """`take_word`, or PhraseError."""
        return self.take_word(*choices) or self.fail()

    def take_number(self) -> int | None:
        """A whole number from 1 (no leading zero, no sign, no separator)."""
        if _NUMBER.fullmatch(self.next_word):
            number = int(self.next_word)
            self._move(1)
            return number
        self._expected.append(A_NUMBER)
        return None

    def need_number(self) -> int:
        """`take_number`, or PhraseError."""
        number = self.take_number()
        return self.fail() if number is None else number

    def take_time(self) -> time | None:
        """HH:MM, from 00:00 to 23:59."""
        if _TIME.fullmatch(self.next_word):
            taken = time.fromisoformat(self.next_word)
            self._move(1)
            return taken
        self._expected.append(A_TIME)
        return None

    def need_time(self) -> time:
        """`take_time`, or PhraseError."""
        return self.take_time() or self.fail()

    def need_day(self) -> date:
        """YYYY-MM-DD, and a day that exists."""
        if _DAY.fullmatch(self.next_word):
            try:
                taken = date.fromisoformat(self.next_word)
            except ValueError:
                self.fail(f'there is no day "{self.next_word}" in the calendar')
            self._move(1)
            return taken
        self._expected.append(A_DAY)
        return self.fail()

    def need_end(self) -> None:
        """PhraseError if anything is left."""
        if self._at < len(self._tokens):
            self.fail()

    def fail(self, message: str | None = None, column: int | None = None) -> NoReturn:
        """Stop reading here, with that sentence or one made of what could have stood here."""
        raise PhraseError(column or self.column, message or explain(self._rest(), self._expected, self._at > 0))

    def _rest(self) -> list[str]:
        return [token.text for token in self._tokens[self._at :]]

    def _ahead(self, size: int) -> str:
        return " ".join(token.text for token in self._tokens[self._at : self._at + size])

    def _move(self, size: int) -> None:
        self._at += size
        self._expected = []


def explain(rest: list[str], expected: list[str], has_begun: bool) -> str:
    """One sentence: what stands here, and the nearest right words for it."""
    words = list(dict.fromkeys(expected))
    if not rest:
        where = "the phrase ends too early" if has_begun else "there is no phrase here"
        return f"{where}; next comes {listed(words)}" if words else where
    got = rest[0]
    hint = _number_hint(got, words) or _time_hint(got, words) or _glued_hint(got, words)
    if hint is not None:
        return hint
    near = max(words, key=lambda word: _likeness_ahead(rest, word), default=None)
    if near is not None and _likeness_ahead(rest, near) >= LIKE_ENOUGH:
        wrong = " ".join(rest[: near.count(" ") + 1])
        return f'"{wrong}" is not understood here; write "{near}"'
    if not words:
        return f'"{got}" is too much: the phrase is complete before it'
    return f'"{got}" does not belong here; write {listed(words)}'


def _likeness_ahead(rest: list[str], word: str) -> float:
    if word in KINDS:
        return 0.0
    return likeness(" ".join(rest[: word.count(" ") + 1]), word)


def _number_hint(got: str, words: list[str]) -> str | None:
    if A_NUMBER not in words:
        return None
    if re.fullmatch(r"[-−–+][0-9]+", got):
        return f'"{got}" has a sign; write the number without it and say "before" or "after"'
    if re.fullmatch(r"0+", got):
        return f'"{got}" is no number of a length; numbers begin at 1 (for the day itself say "on")'
    if re.fullmatch(r"0[0-9]+", got):
        return f'"{got}" begins with a zero; write "{got.lstrip("0")}"'
    if re.fullmatch(r"[0-9]+([.,][0-9]+)+", got):
        return f'"{got}" has a point or comma; write whole numbers plainly, like "{re.sub("[.,]", "", got)}"'
    if re.fullmatch(r"[0-9]{10,}", got):
        return "the number is too large"
    glued = re.fullmatch(r"([1-9][0-9]{0,8})([a-z]+)", got)
    return f'"{got}" lacks a space; write "{glued[1]} {glued[2]}"' if glued else None


def _time_hint(got: str, words: list[str]) -> str | None:
    if A_TIME not in words:
        return None
    if got == "24:00":
        return 'there is no time "24:00"; write "23:59", or "00:00" of the next day'
    found = re.fullmatch(r"([0-9]{1,2})[:.]([0-5][0-9])", got)
    if found and int(found[1]) < 24:
        return f'"{got}" is not written as a time; write "{int(found[1]):02d}:{found[2]}"'
    return f'"{got}" is not a time of the day; write {A_TIME}' if found or words == [A_TIME] else None


def _glued_hint(got: str, words: list[str]) -> str | None:
    if "," in got:
        return f'"{got}" has a comma; write "and" between words, or a list in square brackets'
    for word in sorted(words, key=len, reverse=True):
        rest = got.removeprefix(word)
        if rest != got and rest in ("before", "after", "and", "from", "until", "within", "at"):
            return f'"{got}" lacks a space; write "{word} {rest}"'
    return None
