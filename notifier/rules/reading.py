"""What every reader of a rules file needs: values taken from the tree, each fault noted with its place."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from typing import Protocol, TypeVar

from notifier.errors import Fault
from notifier.rules.cursor import PhraseError
from notifier.rules.phrases import parse_day, parse_time
from notifier.rules.sentences import in_indonesian_words
from notifier.rules.tree import Block, Listing, Node, Text
from notifier.rules.vocabulary import Language
from notifier.rules.words import did_you_mean, nearest

Parsed = TypeVar("Parsed")


class Spot(Protocol):
    """Anything that stands somewhere in a file."""

    @property
    def line(self) -> int: ...

    @property
    def column(self) -> int: ...


@dataclass(slots=True)
class Reading:
    """One file being read. Every method notes a fault and goes on; None means that a fault was noted."""

    file: str
    language: Language = Language.ENGLISH  # of the words that sentences show; the tree itself is in English
    faults: list[Fault] = field(default_factory=list)

    def fault(self, place: Spot, message: str, offset: int = 0) -> None:
        """A fault at a place, `offset` signs into it where columns inside it are known."""
        if isinstance(place, Text):
            offset = place.origin(offset)
        said = message if self.language is Language.ENGLISH else in_indonesian_words(message)
        self.faults.append(Fault(self.file, place.line, place.column + offset, said))

    def block(self, node: Node, what: str) -> Block | None:
        """The node as lines of key: value."""
        if isinstance(node, Text | Listing):
            self.fault(node, f"{what} consists of lines of key: value; write them below it, indented")
        return node if isinstance(node, Block) else None

    def text(self, node: Node, what: str) -> Text | None:
        """The node as one text."""
        if isinstance(node, Block | Listing):
            kind = "a list" if isinstance(node, Listing) else "a block of keys"
            self.fault(node, f"{what} takes one value, not {kind}")
        return node if isinstance(node, Text) else None

    def texts(self, node: Node, what: str) -> list[Text]:
        """The node as one text or a list of texts; what is neither is noted and left out."""
        if isinstance(node, Listing):
            found = [self.text(item, f"each line of {what}") for item in node.items]
            return [text for text in found if text is not None]
        if isinstance(node, Block):
            self.fault(node, f"{what} takes a word or a list of words, not a block of keys")
        return [node] if isinstance(node, Text) else []

    def words(self, node: Node, what: str, choices: Sequence[str] | None = None) -> tuple[str, ...]:
        """The node as one word or several, none twice, each one of the choices."""
        found: list[str] = []
        for text in self.texts(node, what):
            if choices is not None and text.value not in choices:
                self.fault(text, f'{what}: "{text.value}" is not known; {did_you_mean(text.value, choices)}')
            elif text.value in found:
                self.fault(text, f'{what}: "{text.value}" is there twice; take one out')
            else:
                found.append(text.value)
        return tuple(found)

    def word(self, node: Node, what: str, choices: Sequence[str]) -> str | None:
        """The node as one of the choices."""
        text = self.text(node, what)
        if text is not None and text.value not in choices:
            self.fault(text, f'{what}: "{text.value}" is not known; {did_you_mean(text.value, choices)}')
            return None
        return text.value if text is not None else None

    def yes_no(self, node: Node, what: str) -> bool | None:
        """The node as yes or no; no other spelling."""
        text = self.text(node, what)
        if text is None or text.value in ("yes", "no"):
            return None if text is None else text.value == "yes"
        near = nearest(text.value, ("yes", "no"))
        remedy = f'write "{near}"' if near else 'write "yes" or "no"'
        self.fault(text, f'{what}: "{text.value}" is neither yes nor no; {remedy}')
        return None

    def phrase(self, node: Node, what: str, parse: Callable[[str], Parsed]) -> Parsed | None:
        """The node parsed as a phrase; a fault shows the column inside it."""
        text = self.text(node, what)
        if text is None:
            return None
        try:
            return parse(text.value)
        except PhraseError as error:
            self.fault(text, f"{what}: {error.message}", error.column - 1)
            return None

    def time(self, node: Node, what: str) -> time | None:
        """The node as a time of the day."""
        return self.phrase(node, what, parse_time)

    def day(self, node: Node, what: str) -> date | None:
        """The node as a written day."""
        return self.phrase(node, what, parse_day)

    def refuse_unknown(self, block: Block, known: Iterable[str], elsewhere: Iterable[str], what: str) -> None:
        """Keys that do not belong here: `elsewhere` names those that do in another place."""
        own, others = tuple(known), frozenset(elsewhere)
        for key, _ in block.entries:
            if key.value in own:
                continue
            if key.value in others:
                self.fault(key, f'"{key.value}" is no key of {what}; move it there where it belongs')
            else:
                near = nearest(key.value, own)
                remedy = f'did you mean "{near}"?' if near is not None else "take the line out"
                self.fault(key, f'"{key.value}" is no key of {what}; {remedy}')
