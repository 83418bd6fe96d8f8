"""A file of rules as a tree of texts, lists and blocks, each knowing where it stands."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar: what it says and where (line and column from 1; the column is that of its first letter)."""

    value: str
    line: int
    column: int
    has_columns: bool = True  # False: spread over lines or escaped, so that places inside it are not known
    starts: tuple[tuple[int, int], ...] = ()  # of a translation: where each word begins, here and in the file

    def origin(self, offset: int) -> int:
        """How far a place inside the value stands from its first letter in the file; 0 where that is not known."""
        if not self.has_columns:
            return 0
        return max((own for begin, own in self.starts if begin <= offset), default=offset)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list, `[a, b]` or lines with a dash."""

    items: "tuple[Node, ...]"
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Block:
    """Keys and their values, in the order of the file; no key twice."""

    entries: "tuple[tuple[Text, Node], ...]"
    line: int
    column: int

    def get(self, name: str) -> "Node | None":
        """The value of a key, None when it is not there."""
        return next((node for key, node in self.entries if key.value == name), None)

    def key(self, name: str) -> Text | None:
        """The key as written, to point at."""
        return next((key for key, _ in self.entries if key.value == name), None)


@dataclass(frozen=True, slots=True)
class Broken:
    """A value whose fault is already told; readers pass it over in silence."""

    line: int
    column: int


Node = Text | Listing | Block | Broken
