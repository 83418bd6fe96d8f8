"""The comments and blank lines of a YAML file, and the keys they belong to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import yaml

from notifier.rules.tree import Block, Listing, Node, Text

_Place = tuple[int, int]


@dataclass(slots=True)
class _Around:
    """What stands around one key."""

    before: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Comments:
    """Lines without their indentation; "" is a blank line, of which there are never two in a row."""

    header: list[str] = field(default_factory=list)  # above the first key: they are about the file
    footer: list[str] = field(default_factory=list)
    _around: dict[_Place, _Around] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, tree: Block) -> "Comments":
        """Those of a file that was read into that tree."""
        comments = cls()
        keys = sorted(_keys(tree), key=lambda key: key.place)
        for line, column, written in _lines(text):
            earlier = [key for key in keys if key.place < (line, column)]
            later = keys[len(earlier)] if len(earlier) < len(keys) else None
            if not earlier:
                _append(comments.header, written)
            elif written and _has_content_before(text, line, column):
                beside = next((key for key in earlier if key.place[0] == line), earlier[-1])
                comments._at(beside.place).beside.append(written)
            elif written and column > 1 and (later is None or later.place[1] < column):
                comments._put_into(_owner(earlier, column), line, written)
            elif later is None:
                _append(comments.footer, written)
            else:
                _append(comments._at(later.place).before, written)
        while comments.footer and not comments.footer[-1]:
            comments.footer.pop()
        return comments

    def before(self, key: Text) -> list[str]:
        """The lines above a key; comments that cannot stay beside it are the last of them."""
        around = self._at((key.line, key.column))
        return [*around.before, *(around.beside if len(around.beside) > 1 else ())]

    def beside(self, key: Text) -> str:
        """The comment at the end of a key's line, "" if there is none."""
        around = self._at((key.line, key.column))
        return around.beside[0] if len(around.beside) == 1 else ""

    def after(self, key: Text) -> list[str]:
        """The lines below a key that are deeper than what follows."""
        return self._at((key.line, key.column)).after

    def _put_into(self, key: "_Key", line: int, written: str) -> None:
        """A comment deeper than what follows it: between the items of a list it goes above the list."""
        around = self._at(key.place)
        _append(around.before if key.is_list and line < key.last_line else around.after, written)

    def _at(self, place: _Place) -> _Around:
        return self._around.setdefault(place, _Around())


def _append(lines: list[str], written: str) -> None:
    if written or not lines or lines[-1]:
        lines.append(written)


def _owner(earlier: Sequence["_Key"], column: int) -> "_Key":
    """The nearest key that a comment of that column is inside of."""
    return next((key for key in reversed(earlier) if key.place[1] < column), earlier[-1])


class _Key(NamedTuple):
    place: _Place
    last_line: int  # where the last value below it begins
    is_list: bool  # of words, which are written on one line


def _keys(node: Node) -> Iterator[_Key]:
    if isinstance(node, Listing):
        for item in node.items:
            yield from _keys(item)
    elif isinstance(node, Block):
        for key, inner in node.entries:
            is_list = isinstance(inner, Listing) and all(isinstance(item, Text) for item in inner.items)
            yield _Key((key.line, key.column), _last_line(inner), is_list)
            yield from _keys(inner)


def _last_line(node: Node) -> int:
    match node:
        case Listing(items):
            return max((_last_line(item) for item in items), default=node.line)
        case Block(entries):
            return max((_last_line(inner) for _, inner in entries), default=node.line)
    return node.line


def _lines(text: str) -> Iterator[tuple[int, int, str]]:
    """Line and column (from 1) of each comment and, with "", of each blank line outside the values."""
    spans = [
        (token.start_mark.index, token.end_mark.index)
        for token in yaml.scan(text, Loader=yaml.SafeLoader)
        if isinstance(token, yaml.ScalarToken)
    ]
    start = 0
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            if not any(begin <= start < end for begin, end in spans) and start < len(text):
                yield line, 1, ""
        else:
            at = _comment_in(content, start, spans)
            if at is not None:
                yield line, at + 1, content[at:].rstrip()
        start += len(content) + 1


def _comment_in(content: str, start: int, spans: list[tuple[int, int]]) -> int | None:
    """Where the comment of a line begins, from 0."""
    for at, sign in enumerate(content):
        is_begin = sign == "#" and (at == 0 or content[at - 1] in " \t")
        if is_begin and not any(begin <= start + at < end for begin, end in spans):
            return at
    return None


def _has_content_before(text: str, line: int, column: int) -> bool:
    return bool(text.split("\n")[line - 1][: column - 1].strip())
