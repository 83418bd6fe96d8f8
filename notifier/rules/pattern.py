"""A phrase of the grammar as a regular expression that JavaScript and Python read alike."""

import re
from functools import cache

from notifier.rules.grammar import GRAMMAR, Choice, Clock, Date, Maybe, Name, Number, Repeat, Series, Symbol
from notifier.rules.vocabulary import Language, Word

_GAP = r"[ \n]+"
_EDGE = r"[ \n]*"
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_YEAR = "(?!0000)[0-9]{4}"
_DATE = (
    f"(?:{_YEAR}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    "|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    f"|{_LEAP_YEAR}-02-29)"
)


@cache
def pattern(name: str, language: Language = Language.ENGLISH) -> str:
    """The expression for a whole phrase of that name in the grammar."""
    return f"^{_EDGE}{_expression(GRAMMAR[name], language)}{_EDGE}$"


def _expression(symbol: Symbol, language: Language) -> str:
    match symbol:
        case Word():
            spelled = [re.escape(one).replace(r"\ ", _GAP) for one in symbol.spellings(language)]
            return _one_of(sorted(spelled, key=len, reverse=True))
        case Number(most, least):
            return ("(?:0|" if least == 0 else "(?:") + f"{numbers_until(most)})"
        case Clock():
            return _CLOCK
        case Date():
            return _DATE
        case Series(items):
            return _series(items, language)
        case Choice(items):
            return _one_of([_expression(item, language) for item in items])
        case Maybe(item):
            return f"(?:{_expression(item, language)})?"
        case Repeat(item):
            return f"(?:{_expression(item, language)})*"
        case Name(of):
            return _expression(GRAMMAR[of], language)


def _series(items: tuple[Symbol, ...], language: Language) -> str:
    """The gap belongs to what may be missing: "email" and "email after 6 hours" both end without one."""
    written = ""
    is_open = True  # what is written so far is nothing, or ends with its own gap
    for item in items:
        if isinstance(item, Maybe | Repeat):
            said = _expression(item.item, language)
            mark = "?" if isinstance(item, Maybe) else "*"
            written += f"(?:{said}{_GAP}){mark}" if is_open else f"(?:{_GAP}{said}){mark}"
        else:
            written += ("" if is_open else _GAP) + _expression(item, language)
            is_open = False
    return written


def _one_of(expressions: list[str]) -> str:
    return expressions[0] if len(expressions) == 1 else f"(?:{'|'.join(expressions)})"


def numbers_until(most: int) -> str:
    """The whole numbers from 1 to `most`, without a leading zero."""
    digits = str(most)
    if most == 10 ** len(digits) - 1:
        return f"[1-9][0-9]{{0,{len(digits) - 1}}}"
    parts = [f"[1-9][0-9]{{0,{len(digits) - 2}}}"] if len(digits) > 1 else []
    for place, digit in enumerate(digits):
        lowest, highest = (1 if place == 0 else 0), int(digit) - 1
        if highest >= lowest:
            rest = len(digits) - place - 1
            span = str(lowest) if lowest == highest else f"[{lowest}-{highest}]"
            parts.append(digits[:place] + span + (f"[0-9]{{{rest}}}" if rest else ""))
    return "|".join([*parts, digits])
