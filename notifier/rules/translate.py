"""Rules in English and Indonesian words: the same tree, token for token, with the places of the file kept."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from notifier.rules.forms import (
    PRESENCE,
    RULE_FORM,
    STEP_FORM,
    Anything,
    Form,
    Lines,
    Phrase,
    Recipients,
    Steps,
    Words,
    field_form,
)
from notifier.rules.grammar import GRAMMAR, words_of
from notifier.rules.runs import TOKEN, Tokens, longest, nearly, run, spellings, words_elsewhere
from notifier.rules.tree import Block, Broken, Listing, Node, Text
from notifier.rules.vocabulary import ATTRIBUTES, DESK, VOCABULARY, Language, Part, Word, word
from notifier.rules.words import nearest

_GROUPS_OF_LISTS = ("any", "all", "none")
_GROUPS_OF_LINES = ("holder has", "holder has no")
_COMPARISONS = ("at least", "at most", "less than", "more than")


@dataclass(frozen=True, slots=True)
class Slip:
    """A word that is not of the file's language, or nearly one; `offset` counts from 0 inside the text."""

    place: Text
    offset: int
    message: str


def language_of(tree: Block) -> Language:
    """The language of a rule file: that of its first key."""
    first = tree.entries[0][0].value if tree.entries else ""
    is_english = word(Part.KEY, first) is not None
    is_indonesian = word(Part.KEY, first, Language.INDONESIAN) is not None
    return Language.INDONESIAN if is_indonesian and not is_english else Language.ENGLISH


def in_english(tree: Block) -> tuple[Block, Language, list[Slip]]:
    """The tree of a rule in English words, the language it is written in, and the words that do not belong to it."""
    language = language_of(tree)
    translator = Translator(language, Language.ENGLISH)
    return translator.rule(tree), language, translator.slips


def spelled(part: Part, english: str, language: Language) -> str:
    """A word of a part as the language writes it. Raises LookupError for a word that is none."""
    found = word(part, english)
    if found is None:
        raise LookupError(f'"{english}" is not in the vocabulary under {part}')
    return found.spelling(language)


def translated_phrase(name: str, phrase: str, language: Language) -> str:
    """An English phrase of that kind in the words of the language."""
    return Translator(Language.ENGLISH, language).phrase(name, Text(phrase, 1, 1)).value


@cache
def _words_of(phrase: str) -> tuple[Word, ...]:
    return tuple(words_of(GRAMMAR[phrase]))


@cache
def _known_in(phrase: str, language: Language) -> tuple[Mapping[str, Word], Mapping[str, Word]]:
    """What may stand in a phrase of that kind, and what stands in other phrases only, by spelling."""
    words = _words_of(phrase)
    return spellings(words, language), spellings(words_elsewhere(words), language)


class Translator:
    """Writes a tree of one language in the words of another, and notes what is of neither or of the wrong one.

    What it does not know it leaves as it is: the parser has the better sentence for it.
    """

    def __init__(self, source: Language, target: Language) -> None:
        self.slips: list[Slip] = []
        self._source = source
        self._target = target

    def rule(self, tree: Block) -> Block:
        """A whole rule file."""
        return self._block(tree, RULE_FORM)

    def phrase(self, name: str, text: Text) -> Text:
        """A phrase of that kind, word by word, the longest first; words begin where `starts` says."""
        words = _words_of(name)
        known, elsewhere = _known_in(name, self._source)
        tokens = list(TOKEN.finditer(text.value))
        written, starts, at, before = "", [], 0, len(self.slips)
        while at < len(tokens):
            size, row = longest(tokens, at, known)
            if row is None:
                size, row = longest(tokens, at, elsewhere)
            if row is None:
                size, row = self._unknown(text, tokens, at, words)
            said = run(tokens, at, size) if row is None else self._spelled(row, written)
            written += " " if written else ""
            starts.append((len(written), tokens[at].start()))
            written += said
            at += size
        del self.slips[before + 1 :]  # one slip makes more of what follows it
        if self._source is self._target:
            return text
        ends = (len(written), len(text.value))
        return replace(text, value=written, starts=(*starts, ends))

    # --------------------------------------------------------------------------------------- blocks

    def _block(self, block: Block, forms: Mapping[str, Form]) -> Block:
        entries: dict[str, tuple[Text, Node]] = {}
        for key, node in block.entries:
            said = self._word(key, VOCABULARY[Part.KEY])
            form = forms.get(said.english) if said else None
            written = said.spelling(self._target) if said else key.value
            value = node if form is None else self._value(node, form)
            entries.setdefault(written, (replace(key, value=written), value))
        return replace(block, entries=tuple(entries.values()))

    def _value(self, node: Node, form: Form) -> Node:
        match form, node:
            case (Lines(), Block()):
                return self._lines(node)
            case (Steps(), Block()):
                return replace(node, entries=tuple((key, self._step(inner)) for key, inner in node.entries))
            case (_, Listing()):
                return replace(node, items=tuple(self._value(item, form) for item in node.items))
            case (Words() | Anything(), Block()):
                return self._none_of(node, form)
            case (_, Text()):
                return self._text(node, form)
        return node

    def _step(self, node: Node) -> Node:
        return self._block(node, STEP_FORM) if isinstance(node, Block) else node

    def _none_of(self, block: Block, form: Form) -> Block:
        nots = tuple(row for row in VOCABULARY[Part.GROUP] if row.english == "not")
        entries: list[tuple[Text, Node]] = []
        for key, node in block.entries:
            said = self._word(key, nots)
            written = said.spelling(self._target) if said else key.value
            entries.append((replace(key, value=written), self._value(node, form)))
        return replace(block, entries=tuple(entries))

    def _lines(self, block: Block) -> Block:
        entries: dict[str, tuple[Text, Node]] = {}
        for key, node in block.entries:
            english, written = self._field(key)
            entries.setdefault(written, (replace(key, value=written), self._line(english, node)))
        return replace(block, entries=tuple(entries.values()))

    def _field(self, key: Text) -> tuple[str, str]:
        """A field or group: its English word, and as it is written."""
        prefix = ATTRIBUTES[self._source]
        if key.value.startswith(prefix):
            name = key.value.removeprefix(prefix)
            return ATTRIBUTES[Language.ENGLISH] + name, ATTRIBUTES[self._target] + name
        other = ATTRIBUTES[_other(self._source)]
        if key.value.startswith(other):
            name = key.value.removeprefix(other)
            self._mixed(key, 0, other + name, prefix + name)
            return ATTRIBUTES[Language.ENGLISH] + name, ATTRIBUTES[self._target] + name
        said = self._word(key, (*VOCABULARY[Part.GROUP], *VOCABULARY[Part.FIELD]))
        return (said.english, said.spelling(self._target)) if said else (key.value, key.value)

    def _line(self, english: str, node: Node) -> Node:
        if english in _GROUPS_OF_LISTS and isinstance(node, Listing):
            members = (self._lines(item) if isinstance(item, Block) else item for item in node.items)
            return replace(node, items=tuple(members))
        if english in _GROUPS_OF_LINES and isinstance(node, Block):
            return self._lines(node)
        form = field_form(english)
        return node if form is None else self._value(node, form)

    # ---------------------------------------------------------------------------------------- words

    def _text(self, text: Text, form: Form) -> Node:
        before = len(self.slips)
        match form:
            case Phrase(name):
                written = self.phrase(name, text)
            case Words() if form.part is not None:
                written = self._said(text, form.rows)
            case Recipients():
                written = self._recipient(text)
            case Anything():
                written = self._own_column(text)
            case _:
                return text
        # A word whose fault is told is not read again, so that nothing is told twice.
        return written if len(self.slips) == before else Broken(text.line, text.column)

    def _said(self, text: Text, words: tuple[Word, ...]) -> Text:
        found = self._word(text, words)
        if found is None or self._source is self._target:
            return text
        said = found.spelling(self._target)
        return replace(text, value=said, starts=((0, 0), (len(said), len(text.value))))

    def _recipient(self, text: Text) -> Text:
        """A role, or a place of the office: "enforcement desk" is "loket enforcement"."""
        name = _desk(text.value, self._source)
        if name is not None:
            return replace(text, value=_desk_named(name, self._target))
        other = _desk(text.value, _other(self._source))
        if other is not None:
            self._mixed(text, 0, text.value, _desk_named(other, self._source))
            return text
        return self._said(text, VOCABULARY[Part.RECIPIENT])

    def _own_column(self, text: Text) -> Text:
        if any(text.value.startswith(f"{spelled(Part.TEST, one, self._source)} ") for one in _COMPARISONS):
            return self.phrase("number test", text)
        rows = (*VOCABULARY[Part.ANSWER], *PRESENCE.rows)
        # The parser takes "yes" for an answer wherever it stands; "ya" in an English file is a word like any other.
        languages = {Language.ENGLISH, self._source}
        is_said = any(text.value in spellings(rows, language) for language in languages)
        return self._said(text, rows) if is_said else text

    def _word(self, text: Text, words: tuple[Word, ...]) -> Word | None:
        """The row of a word that stands alone; a slip of the pen and a word of the other language are noted."""
        found = spellings(words, self._source).get(text.value)
        if found is not None:
            return found
        foreign = spellings(words, _other(self._source)).get(text.value)
        if foreign is not None:
            self._mixed(text, 0, text.value, foreign.spelling(self._source))
            return foreign
        return self._near(text, 0, text.value, words)

    def _unknown(self, text: Text, tokens: Tokens, at: int, words: tuple[Word, ...]) -> tuple[int, Word | None]:
        """What stands in a phrase and is no word of the source language there."""
        size, foreign = longest(tokens, at, spellings(words, _other(self._source)))
        got = run(tokens, at, size)
        if foreign is not None:
            self._mixed(text, tokens[at].start(), got, foreign.spelling(self._source))
        elif self._source is Language.INDONESIAN and (near := nearly(tokens, at, spellings(words, self._source))):
            first, count, right = near
            self._misspelt(text, tokens[first].start(), run(tokens, first, count), right)
            return first + count - at, None
        elif not got[:1].isdigit():
            self._near(text, tokens[at].start(), got, words)
        return size, foreign

    def _mixed(self, place: Text, offset: int, got: str, right: str) -> None:
        theirs = "Indonesian" if self._source is Language.ENGLISH else "English"
        ours = "English" if self._source is Language.ENGLISH else "Indonesian"
        message = f'"{got}" is {theirs}, and the first key makes this an {ours} file; write "{right}"'
        self.slips.append(Slip(place, offset, message))

    def _near(self, place: Text, offset: int, got: str, words: tuple[Word, ...]) -> Word | None:
        """In English the parser knows better; of Indonesian it knows nothing."""
        if self._source is Language.ENGLISH:
            return None
        known = spellings(words, self._source)
        near = nearest(got, known)
        if near is None:
            return None
        self._misspelt(place, offset, got, near)
        return known[near]

    def _misspelt(self, place: Text, offset: int, got: str, right: str) -> None:
        self.slips.append(Slip(place, offset, f'"{got}" is not understood here; did you mean "{right}"?'))

    def _spelled(self, row: Word, before: str) -> str:
        """English units are plural after every number but 1."""
        is_several = bool(re.search(r"(?:^| )[0-9]+$", before)) and not re.search(r"(?:^| )1$", before)
        if self._target is Language.ENGLISH and row.plural and is_several:
            return row.plural
        return row.spelling(self._target)


def _other(language: Language) -> Language:
    return Language.INDONESIAN if language is Language.ENGLISH else Language.ENGLISH


def _desk(spelling: str, language: Language) -> str | None:
    """The name of the place that a recipient is, None if it is none."""
    mark = DESK[language]
    if language is Language.ENGLISH:
        return spelling.removesuffix(f" {mark}") if spelling.endswith(f" {mark}") else None
    return spelling.removeprefix(f"{mark} ") if spelling.startswith(f"{mark} ") else None


def _desk_named(name: str, language: Language) -> str:
    mark = DESK[language]
    return f"{name} {mark}" if language is Language.ENGLISH else f"{mark} {name}"
