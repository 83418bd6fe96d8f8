"""YAML files read as written: all scalars are text, and what YAML would quietly change is refused (RULES 4.3)."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from notifier.errors import Fault
from notifier.rules.signs import Span, has_odd_sign, line_starts, odd_signs, place_of
from notifier.rules.tree import Block, Broken, Listing, Node, Text
from notifier.yaml_faults import UNPRINTABLE, place_and_sentence

MAX_BYTES = 256 * 1024
MAX_DEPTH = 12
#: Texts for people, where any printable sign may stand.
FREE_TEXT_KEYS = frozenset({"title", "purpose"})
FREE_TEXT_BLOCKS = frozenset({"labels"})

_CUTS_TEXT = re.compile(r"[ \t]+#")


def read_source(path: Path, name: str) -> tuple[Block | None, list[Fault]]:
    """The file at `path`, called `name` in faults. The block is None when there is nothing to go on with."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        return None, [unreadable(name, error)]
    return parse_source(content, name)


def unreadable(name: str, error: OSError) -> Fault:
    """The fault of a file that cannot be opened: a folder of that name, a link to nothing, no right to read it."""
    return Fault(name, 1, 1, f"the file cannot be read ({error.strerror}); check its name and rights")


def parse_source(content: bytes, name: str) -> tuple[Block | None, list[Fault]]:
    """The same for the bytes of a file."""
    if len(content) > MAX_BYTES:
        return None, [Fault(name, 1, 1, "the file is larger than 256 kB; one file holds one rule")]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return None, [Fault(name, line, 1, "the file is not UTF-8; save it in that encoding")]
    builder = _Builder(name, text)
    tree = builder.build()
    builder.find_odd_signs()
    if tree is None and not builder.faults:
        builder.faults.append(builder.failure or Fault(name, 1, 1, "the file is empty; write one or remove the file"))
    if tree is not None and not isinstance(tree, Block | Broken):
        builder.faults.append(Fault(name, tree.line, tree.column, "the file must consist of lines of key: value"))
    return (tree if isinstance(tree, Block) else None), builder.faults


class _Events(Reader, Scanner, Parser):
    """PyYAML's reader up to events; it does not resolve, construct or compose anything."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        self.question_marks: list[yaml.Mark] = []

    def fetch_key(self) -> None:
        """PyYAML calls this at each `?`, which later leaves no trace in the events."""
        self.question_marks.append(self.get_mark())
        super().fetch_key()


@dataclass(slots=True)
class _Frame:
    """A list or block that is still open."""

    is_block: bool
    line: int
    column: int
    items: list[Node] = field(default_factory=list)
    entries: dict[str, tuple[Text, Node]] = field(default_factory=dict)
    key: Text | None = None  # set: the next node is its value


class _TooMuch(Exception):
    """Nothing after this point is worth reading."""


class _Builder:
    """Builds the tree from events on a stack of its own, so that no nesting can exhaust the interpreter's."""

    def __init__(self, name: str, text: str) -> None:
        self.faults: list[Fault] = []
        self.failure: Fault | None = None  # why YAML stopped reading, if it did
        self._name = name
        self._text = text
        self._frames: list[_Frame] = []
        self._root: Node | None = None
        self._documents = 0
        self._spans: list[Span] = []
        self._line_starts = line_starts(text)

    def build(self) -> Node | None:
        """The root of the tree; None when the file is empty or YAML stopped reading."""
        try:
            events = _Events(self._text)
            while events.check_event():
                self._take(events.get_event())  # type: ignore[no-untyped-call]
            for mark in events.question_marks:
                self._fault(mark, 'keys with "?" are not used; write key: value')
        except _TooMuch:
            return None
        except yaml.MarkedYAMLError as error:
            self._fault_of_yaml(error)
            return None
        except yaml.reader.ReaderError as error:
            line, column = self._place_of(error.position)
            self.faults.append(Fault(self._name, line, column, UNPRINTABLE))
            return None
        except (ValueError, OverflowError):  # PyYAML on an escape like "\UFFFFFFFF"
            self.faults.append(Fault(self._name, 1, 1, "a text has an escape that no sign belongs to"))
            return None
        return self._root

    def find_odd_signs(self) -> None:
        """Tabs, no-break spaces and curly quotes where they would change a meaning."""
        for line, column, message in odd_signs(self._text, self._spans, self._line_starts):
            self.faults.append(Fault(self._name, line, column, message))

    def _take(self, event: yaml.Event) -> None:
        mark = event.start_mark
        if not isinstance(mark, yaml.Mark):  # PyYAML's own parser marks every event
            return
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if event.version or event.tags:
                self._fault(mark, "directives (%) are not used; take the line out")
            if self._documents > 1:
                self._fault(mark, "a file holds one rule; put what follows --- into a file of its own")
                raise _TooMuch
        elif isinstance(event, NodeEvent):
            self._take_node(event, mark)
        elif isinstance(event, CollectionEndEvent):
            self._close()

    def _take_node(self, event: NodeEvent, mark: yaml.Mark) -> None:
        if isinstance(event, AliasEvent):
            self._fault(mark, "aliases (*name) are not used; write the lines out")
            self._attach(Broken(mark.line + 1, mark.column + 1))
            return
        if event.anchor is not None:
            self._fault(mark, "anchors (&name) are not used; write the lines out")
        if isinstance(event, ScalarEvent):
            self._refuse_tag(event.tag, mark)
            self._scalar(event, mark, event.end_mark if isinstance(event.end_mark, yaml.Mark) else mark)
        elif isinstance(event, CollectionStartEvent):
            self._refuse_tag(event.tag, mark)
            if len(self._frames) >= MAX_DEPTH:
                self._fault(mark, f"lists and blocks are nested more than {MAX_DEPTH} deep; make it flatter")
                raise _TooMuch
            self._frames.append(_Frame(isinstance(event, MappingStartEvent), mark.line + 1, mark.column + 1))

    def _scalar(self, event: ScalarEvent, start: yaml.Mark, end: yaml.Mark) -> None:
        is_quoted = event.style in ("'", '"')
        is_whole = start.line == end.line and event.style not in ("|", ">")
        raw = self._text[start.index + is_quoted : end.index - is_quoted]
        text = Text(event.value, start.line + 1, start.column + 1 + is_quoted, is_whole and raw == event.value)
        frame = self._frames[-1] if self._frames else None
        is_value = frame is not None and frame.is_block and frame.key is not None
        is_free = frame is not None and is_value and self._is_free(frame)
        self._spans.append(Span(start.index, end.index, is_free))
        if is_free and event.style is None and _CUTS_TEXT.match(self._text, end.index):
            self._fault(end, "YAML cuts the text here, at the blank and #; put the whole text in quotes")
        is_odd = not is_free and has_odd_sign(raw)
        self._attach(Broken(text.line, text.column) if is_odd else text)

    def _is_free(self, frame: _Frame) -> bool:
        outer = self._frames[-2].key if len(self._frames) > 1 else None
        return (frame.key is not None and frame.key.value in FREE_TEXT_KEYS) or (
            outer is not None and outer.value in FREE_TEXT_BLOCKS
        )

    def _close(self) -> None:
        frame = self._frames.pop()
        if frame.is_block:
            self._attach(Block(tuple(frame.entries.values()), frame.line, frame.column))
        else:
            self._attach(Listing(tuple(frame.items), frame.line, frame.column))

    def _attach(self, node: Node) -> None:
        if not self._frames:
            self._root = node
            return
        frame = self._frames[-1]
        if not frame.is_block:
            frame.items.append(self._not_empty(node, "this line of the list"))
        elif frame.key is None:
            frame.key = self._key(node)
        else:
            self._entry(frame, frame.key, node)
            frame.key = None

    def _key(self, node: Node) -> Text:
        if isinstance(node, Text):
            return node
        if not isinstance(node, Broken):
            self.faults.append(Fault(self._name, node.line, node.column, "a key must be a word, no list or block"))
        return Text("", node.line, node.column)

    def _entry(self, frame: _Frame, key: Text, node: Node) -> None:
        if not key.value:
            return
        earlier = frame.entries.get(key.value)
        if earlier is not None:
            self._fault_at(key, f'"{key.value}" is already in line {earlier[0].line}; keep one of the two')
        elif key.value == "<<":
            self._fault_at(key, "merge keys (<<) are not used; write the lines out")
        else:
            frame.entries[key.value] = (key, self._not_empty(node, f'"{key.value}"', key))

    def _not_empty(self, node: Node, what: str, key: Text | None = None) -> Node:
        is_empty = (
            (isinstance(node, Text) and not node.value.strip())
            or (isinstance(node, Listing) and not node.items)
            or (isinstance(node, Block) and not node.entries and not self.faults)
        )
        if not is_empty:
            return node
        place = key or node
        self.faults.append(
            Fault(self._name, place.line, place.column, f"{what} has no value; write one or take the line out")
        )
        return Broken(node.line, node.column)

    def _refuse_tag(self, tag: str | None, mark: yaml.Mark) -> None:
        if tag is not None:
            self._fault(mark, "tags (!name) are not used; take it out")

    def _fault_of_yaml(self, error: yaml.MarkedYAMLError) -> None:
        mark, sentence = place_and_sentence(error, self._text)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        self.failure = Fault(self._name, line, column, sentence)
        if mark is None or self._text[mark.index : mark.index + 1] != "\t":  # a tab is told as an odd sign
            self.faults.append(self.failure)

    def _fault(self, mark: yaml.Mark, message: str) -> None:
        self.faults.append(Fault(self._name, mark.line + 1, mark.column + 1, message))

    def _fault_at(self, place: Text, message: str) -> None:
        self.faults.append(Fault(self._name, place.line, place.column, message))

    def _place_of(self, index: int) -> tuple[int, int]:
        return place_of(index, self._line_starts)
