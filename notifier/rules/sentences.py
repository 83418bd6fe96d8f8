"""Sentences about an Indonesian file: the words of the language that they quote, as the file has them."""

import re

from notifier.rules.forms import RULE_FORM, STEP_FORM, Form, Phrase, Recipients, Words, field_form
from notifier.rules.grammar import GRAMMAR, words_of
from notifier.rules.runs import TOKEN, longest
from notifier.rules.vocabulary import VOCABULARY, Language, Part, Word, word

_QUOTED = re.compile(r'"([^"]+)"')
_BEGINS_WITH_KEY = re.compile(r"([a-z ]+): ")
_BEGINS_WITH_FIELD = re.compile(r'"([a-z. ]+)": ')
#: Where a quoted word is looked for when the sentence does not say what it is about.
_EVERYWHERE = (
    *(Part.KEY, Part.FIELD, Part.GROUP, Part.ANCHOR, Part.JOIN, Part.TEST, Part.ANSWER, Part.SUBJECT, Part.BASIS),
    *(Part.CLOSED, Part.LATE, Part.STATUS, Part.STATE, Part.ORIGIN, Part.RECIPIENT, Part.UNIT),
)


def in_indonesian_words(sentence: str) -> str:
    """A sentence about a file, with the words of the language that it quotes as an Indonesian file has them."""
    form, begin, rest = _subject_of(sentence)
    first = _words_of_form(form)
    return begin + _QUOTED.sub(lambda quoted: f'"{_quoted_in_indonesian(quoted[1], first)}"', rest)


def _subject_of(sentence: str) -> tuple[Form | None, str, str]:
    """What stands behind the key or field that a sentence begins with, that beginning in Indonesian, and the rest."""
    key = _BEGINS_WITH_KEY.match(sentence)
    if key and (row := word(Part.KEY, key[1])):
        return RULE_FORM.get(key[1]) or STEP_FORM.get(key[1]), f"{row.indonesian}: ", sentence[key.end() :]
    field = _BEGINS_WITH_FIELD.match(sentence)
    if field and (found := word(Part.FIELD, field[1])):
        return field_form(field[1]), f'"{found.indonesian}": ', sentence[field.end() :]
    return None, "", sentence


def _words_of_form(form: Form | None) -> tuple[Word, ...]:
    match form:
        case Phrase(name):
            return tuple(words_of(GRAMMAR[name]))
        case Words():
            return form.rows
        case Recipients():
            return VOCABULARY[Part.RECIPIENT]
        case _:
            return ()


def _quoted_in_indonesian(quoted: str, first: tuple[Word, ...]) -> str:
    """The quoted words, if every one of them is a word of the language, a number or a time."""
    everywhere = tuple(row for part in _EVERYWHERE for row in VOCABULARY[part])
    known: dict[str, Word] = {}
    for one in (*first, *everywhere):
        for spelling in one.spellings(Language.ENGLISH):
            known.setdefault(spelling, one)
    tokens, said, at = list(TOKEN.finditer(quoted)), [], 0
    while at < len(tokens):
        size, row = longest(tokens, at, known)
        if row is None and not tokens[at].group()[:1].isdigit():
            return quoted
        said.append(tokens[at].group() if row is None else row.indonesian)
        at += size
    return " ".join(said)
