"""Phrases made from the grammar, and phrases that are nearly right."""

from collections.abc import Iterable

from hypothesis import strategies as st

from notifier.rules.grammar import GRAMMAR, Choice, Clock, Date, Maybe, Name, Number, Repeat, Series, Symbol, words_of
from notifier.rules.vocabulary import Language, Word


def phrases(name: str, language: Language = Language.ENGLISH) -> st.SearchStrategy[str]:
    """Right phrases of that kind."""
    return _symbol(GRAMMAR[name], language).map(" ".join)


def near_phrases(name: str, language: Language = Language.ENGLISH) -> st.SearchStrategy[str]:
    """Phrases with one or two slips: a word lost, doubled, swapped, replaced, glued or misspelt."""
    words = sorted({one for row in words_of(GRAMMAR[name]) for lang in Language for one in row.spellings(lang)})
    odd = ["0", "07", "-3", "1.5", "999999", "4294967296000", "24:00", "7:30", "2027-02-29", "2028-02-29", "0000-01-01"]
    others = st.sampled_from([*words, *odd, "the", "last", "day", "at", "yes"])
    return st.builds(
        _slip, phrases(name, language), st.lists(st.tuples(_SLIPS, st.integers(0, 99), others), max_size=2)
    )


_SLIPS = st.sampled_from(["lose", "double", "swap", "replace", "insert", "glue", "misspell", "spaces"])


def _slip(phrase: str, slips: list[tuple[str, int, str]]) -> str:
    words = phrase.split(" ")
    for kind, number, other in slips:
        at = number % len(words)
        match kind:
            case "lose":
                words[at : at + 1] = [] if len(words) > 1 else words
            case "double":
                words.insert(at, words[at])
            case "swap":
                words[at], words[-1] = words[-1], words[at]
            case "replace":
                words[at] = other
            case "insert":
                words.insert(at, other)
            case "glue":
                words[at : at + 2] = ["".join(words[at : at + 2])]
            case "misspell":
                words[at] = words[at][:-1] + "x" if number % 2 else words[at].upper()
            case "spaces":
                words[at] += "  "
    return " ".join(words)


def _joined(parts: Iterable[list[str]]) -> list[str]:
    return [word for part in parts for word in part]


def _symbol(symbol: Symbol, language: Language) -> st.SearchStrategy[list[str]]:
    match symbol:
        case Word():
            return st.sampled_from([[spelled] for spelled in symbol.spellings(language)])
        case Number(most, least):
            edges = st.sampled_from([most, least])
            return (st.integers(least, most) | st.integers(least, min(most, 99)) | edges).map(lambda one: [str(one)])
        case Clock():
            return st.times().map(lambda one: [one.strftime("%H:%M")])
        case Date():
            return st.dates().map(lambda one: [one.isoformat()])
        case Series(items):
            return st.tuples(*(_symbol(item, language) for item in items)).map(_joined)
        case Choice(items):
            return st.one_of([_symbol(item, language) for item in items])
        case Maybe(item):
            return st.just([]) | _symbol(item, language)
        case Repeat(item):
            return st.lists(_symbol(item, language), max_size=2).map(_joined)
        case Name(of):
            return _symbol(GRAMMAR[of], language)
