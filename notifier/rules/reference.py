"""The reference of the language as text, made from its vocabulary and grammar; docs/language.md holds the same."""

from notifier.rules.grammar import EXAMPLES, GRAMMAR, Choice, Clock, Date, Maybe, Name, Number, Repeat, Series, Symbol
from notifier.rules.translate import translated_phrase
from notifier.rules.vocabulary import VOCABULARY, Language, Word


def words_section() -> str:
    """Every word in both languages with its meaning, a table for each place where words may stand (Markdown)."""
    tables = []
    for part, words in VOCABULARY.items():
        rows = [f"| {' / '.join(_english(word))} | {word.indonesian} | {word.meaning} |" for word in words]
        head = [f"### {part[0].upper()}{part[1:]}", "", "| English | Indonesian | meaning |", "|---|---|---|"]
        tables.append("\n".join([*head, *rows]))
    return "## Words\n\n" + "\n\n".join(tables) + "\n"


def phrases_section() -> str:
    """The grammar, and an example of each phrase in both languages (Markdown)."""
    width = max(len(name) for name in GRAMMAR)
    rules = [f"{name:{width}} = {_notation(symbol)} ;" for name, symbol in GRAMMAR.items()]
    rows = [
        f"| {name} | {phrase} | {translated_phrase(name, phrase, Language.INDONESIAN)} |"
        for name, phrases in EXAMPLES.items()
        for phrase in phrases
    ]
    table = ["| phrase | English | Indonesian |", "|---|---|---|", *rows]
    return "\n".join(["## Phrases", "", "```ebnf", *rules, "```", "", *table]) + "\n"


def _english(word: Word) -> tuple[str, ...]:
    return word.spellings(Language.ENGLISH)


def _notation(symbol: Symbol, *, is_inside: bool = False) -> str:
    match symbol:
        case Word():
            return f'"{symbol.english}"'
        case Number(_, least):
            return "N" if least else '( "0" | N )'
        case Clock():
            return "TIME"
        case Date():
            return "DAY"
        case Name(of):
            return of
        case Maybe(item):
            return f"[ {_notation(item)} ]"
        case Repeat(item):
            return f"{{ {_notation(item)} }}"
        case Series(items):
            return " ".join(_notation(item, is_inside=True) for item in items)
        case Choice(items):
            said = " | ".join(_notation(item) for item in items)
            return f"( {said} )" if is_inside and len(items) > 1 else said
