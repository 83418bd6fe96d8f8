"""Words of several tokens found in a phrase, the longest first, also where they are nearly right."""

import re
from collections.abc import Mapping, Sequence
from functools import cache

from notifier.rules.vocabulary import VOCABULARY, Language, Part, Word
from notifier.rules.words import likeness

TOKEN = re.compile(r"[^ \n]+")
#: A run of tokens is a misspelling of a word of as many tokens only if it is very like it.
_VERY_LIKE = 0.85

Tokens = Sequence[re.Match[str]]


@cache
def spellings(words: tuple[Word, ...], language: Language) -> Mapping[str, Word]:
    """Each way to write one of the words, and its row."""
    return {spelling: row for row in words for spelling in row.spellings(language)}


@cache
def words_elsewhere(words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Words that stand in other phrases only: translated too, so that the parser can say why they do not fit."""
    here = {row.english for row in words}
    parts = (Part.UNIT, Part.ANCHOR, Part.JOIN, Part.TEST, Part.CHANNEL, Part.WEEKDAY)
    return tuple(row for part in parts for row in VOCABULARY[part] if row.english not in here)


def run(tokens: Tokens, at: int, size: int) -> str:
    """So many tokens, with one space between them."""
    return " ".join(token.group() for token in tokens[at : at + size])


def longest(tokens: Tokens, at: int, known: Mapping[str, Word]) -> tuple[int, Word | None]:
    """The longest known word that begins at a token, and of how many tokens it consists."""
    most = max((spelling.count(" ") + 1 for spelling in known), default=1)
    for size in range(min(most, len(tokens) - at), 0, -1):
        row = known.get(run(tokens, at, size))
        if row is not None:
            return size, row
    return 1, None


def nearly(tokens: Tokens, at: int, known: Mapping[str, Word]) -> tuple[int, int, str] | None:
    """The word of several tokens that a run over the token `at` is a misspelling of: first token, size, spelling."""
    runs = [
        (likeness(run(tokens, first, size), spelling), first, size, spelling)
        for spelling in known
        if (size := spelling.count(" ") + 1) > 1
        for first in range(max(0, at - size + 1), at + 1)
        if first + size <= len(tokens)
    ]
    best = max(runs, default=None)
    return best[1:] if best is not None and best[0] >= _VERY_LIKE else None
