"""Signs that look like others: refused where they would change what a rule says, allowed in texts for people."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

_ODD_SIGNS = {
    "\t": "a tab; use spaces",
    "\u00a0": "a no-break space, which looks like a space and is none; type a space",
    "\u202f": "a narrow no-break space, which looks like a space and is none; type a space",
    "\u200b": "an invisible sign (zero-width space); take it out",
    "\u2018": "a curly quote; use ' or no quotes",
    "\u2019": "a curly quote; use ' or no quotes",
    "\u201c": 'a curly quote; use " or no quotes',
    "\u201d": 'a curly quote; use " or no quotes',
    "\u201e": 'a curly quote; use " or no quotes',
}
_ODD = re.compile("[" + "".join(_ODD_SIGNS) + "]")
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


class Span(NamedTuple):
    """Where a scalar stands in the text of a file (half-open), and whether it is a text for people."""

    begin: int
    end: int
    is_free_text: bool


def line_starts(text: str) -> list[int]:
    """Where each line begins; lines end where YAML says they do."""
    return [0, *(found.end() for found in _LINE_END.finditer(text))]


def place_of(index: int, starts: Sequence[int]) -> tuple[int, int]:
    """Line and column, both from 1."""
    line = bisect_right(starts, index)
    return line, index - starts[line - 1] + 1


def has_odd_sign(text: str) -> bool:
    """Whether `odd_signs` will tell of this text."""
    return _ODD.search(text) is not None


def odd_signs(text: str, spans: Sequence[Span], starts: Sequence[int]) -> list[tuple[int, int, str]]:
    """Line, column and sentence for the first odd sign of each line, outside free text and comments."""
    ordered = sorted(spans)
    begins = [span.begin for span in ordered]
    found: dict[int, tuple[int, int, str]] = {}
    comments: dict[int, int] = {}
    for sign in _ODD.finditer(text):
        index = sign.start()
        line, column = place_of(index, starts)
        if line in found:
            continue
        span = _span_at(index, ordered, begins)
        if span is None:
            if line not in comments:
                comments[line] = _comment_start(text, starts[line - 1], ordered, begins)
            if index > comments[line]:
                continue
        elif span.is_free_text:
            continue
        found[line] = (line, column, f"here is {_ODD_SIGNS[sign.group()]}")
    return list(found.values())


def _span_at(index: int, spans: Sequence[Span], begins: Sequence[int]) -> Span | None:
    at = bisect_right(begins, index) - 1
    return spans[at] if at >= 0 and index < spans[at].end else None


def _comment_start(text: str, line_start: int, spans: Sequence[Span], begins: Sequence[int]) -> int:
    """The index of the line's first # outside every scalar; the end of the text if there is none."""
    end = _LINE_END.search(text, line_start)
    stop = end.start() if end else len(text)
    at = text.find("#", line_start, stop)
    while at >= 0 and (span := _span_at(at, spans, begins)) is not None:
        at = text.find("#", min(span.end, stop), stop)
    return at if at >= 0 else len(text)
