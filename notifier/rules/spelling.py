"""One spelling of a rule file: keys in their order, two spaces, lists on one line; comments stay where they belong."""

from dataclasses import replace
from functools import cache

from notifier.errors import Fault, FaultsFound
from notifier.rules.comments import Comments
from notifier.rules.read_rule import read_rule
from notifier.rules.reading import Reading
from notifier.rules.rule import Rule
from notifier.rules.source import FREE_TEXT_KEYS, parse_source
from notifier.rules.translate import Translator, in_english, spelled
from notifier.rules.tree import Block, Broken, Listing, Node, Text
from notifier.rules.vocabulary import Language, Part
from notifier.rules.words import RULE_KEYS, STEP_KEYS

#: A list that would be longer is written below its key, a line for each item.
MAX_LINE = 120


def one_spelling(content: bytes, name: str, language: Language | None = None) -> str:
    """The rule file called `name`, spelled as every rule file is, in its own or in another language.

    Raises FaultsFound for a file that cannot be read, or that mixes its languages.
    """
    tree, own_language, rule = _read(content, name)
    target = language or own_language
    translated = tree if target is Language.ENGLISH else Translator(Language.ENGLISH, target).rule(tree)
    text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    spelling = "\n".join(_Speller(Comments.of(text, translated), target).lines(translated)) + "\n"
    _, _, again = _read(spelling.encode(), name)
    if again != rule:
        raise FaultsFound([Fault(name, 1, 1, "another spelling would change what this rule says; write it by hand")])
    return spelling


def _read(content: bytes, name: str) -> tuple[Block, Language, Rule | None]:
    """The tree in English words, the language of the file, and the rule without what formatting may change."""
    tree, faults = parse_source(content, name)
    if tree is None or faults:
        raise FaultsFound(faults)
    translated, language, slips = in_english(tree)
    if slips:
        reading = Reading(name)
        for slip in slips:
            reading.fault(slip.place, slip.message, slip.offset)
        raise FaultsFound(reading.faults)
    draft = read_rule(Reading(name), translated)
    if draft is None:
        return translated, language, None
    steps = tuple(replace(step, line=0) for step in draft.rule.steps)
    return translated, language, replace(draft.rule, steps=steps)


class _Speller:
    """Writes a tree as the lines of a file."""

    def __init__(self, comments: Comments, language: Language) -> None:
        self._comments = comments
        self._free = frozenset(spelled(Part.KEY, key, language) for key in FREE_TEXT_KEYS)
        self._rule_order = _places(RULE_KEYS, language)
        self._step_order = _places(STEP_KEYS, language)
        self._steps = spelled(Part.KEY, "steps", language)
        self._not = spelled(Part.GROUP, "not", language)

    def lines(self, tree: Block) -> list[str]:
        """The whole file."""
        entries = _ordered(tree, self._rule_order)
        written = [line for key, node in entries for line in self._entry(key, node, 0, is_top=True)]
        body = [*self._comments.header, *written, *self._comments.footer]
        while body and not body[0]:
            del body[0]
        return body

    def _entry(self, key: Text, node: Node, indent: int, *, is_top: bool = False) -> list[str]:
        """A key with its value, and the comments that belong to it."""
        margin = " " * indent
        begin = f"{margin}{_scalar(key.value)}:"
        first, below = self._value(key, node, begin, indent, is_top=is_top)
        beside = self._comments.beside(key)
        if beside:
            first = f"{first}  {beside}"
        before = [margin + line if line else "" for line in self._comments.before(key)]
        after = [f"{margin}  {line}" if line else "" for line in self._comments.after(key)]
        return [*before, first, *below, *after]

    def _value(self, key: Text, node: Node, begin: str, indent: int, *, is_top: bool) -> tuple[str, list[str]]:
        """The line of a key, and the lines below it."""
        match node:
            case Text():
                said = node.value if key.value in self._free else " ".join(node.value.split())
                return f"{begin} {_scalar(said, is_free=key.value in self._free)}", []
            case Listing(items) if all(isinstance(item, Text) for item in items):
                short = f"{begin} {_listed(node)}"
                if len(short) <= MAX_LINE:
                    return short, []
                return begin, [f"{' ' * indent}  - {_flow(item)}" for item in items]
            case Listing(items):
                return begin, [line for item in items for line in self._item(item, indent + 2)]
            case Block(entries) if [inner.value for inner, _ in entries] == [self._not]:
                return f"{begin} {{{self._not}: {_flow(entries[0][1])}}}", []
            case Block():
                return begin, self._block(node, indent + 2, key.value == self._steps and is_top)
            case Broken():
                return begin, []

    def _block(self, block: Block, indent: int, are_steps: bool) -> list[str]:
        entries = [
            (
                key,
                replace(node, entries=tuple(_ordered(node, self._step_order)))
                if are_steps and isinstance(node, Block)
                else node,
            )
            for key, node in block.entries
        ]
        return [line for key, node in entries for line in self._entry(key, node, indent)]

    def _item(self, item: Node, indent: int) -> list[str]:
        """An alternative of a group: its first line has the dash."""
        if not isinstance(item, Block):
            return [f"{' ' * indent}- {_flow(item)}"]
        lines = self._block(item, indent + 2, are_steps=False)
        first = next(place for place, line in enumerate(lines) if line and not line.lstrip().startswith("#"))
        lines[first] = f"{' ' * indent}- {lines[first].lstrip()}"
        return lines


def _places(keys: tuple[str, ...], language: Language) -> dict[str, int]:
    return {spelled(Part.KEY, key, language): place for place, key in enumerate(keys)}


def _ordered(block: Block, order: dict[str, int]) -> list[tuple[Text, Node]]:
    """The entries in the order of the language; keys that are not of it come last, as they came."""
    return sorted(block.entries, key=lambda entry: order.get(entry[0].value, len(order)))


def _listed(node: Listing) -> str:
    return f"[{', '.join(_flow(item) for item in node.items)}]"


def _flow(node: Node) -> str:
    """A value inside brackets."""
    match node:
        case Text():
            return _scalar(" ".join(node.value.split()), is_inside=True)
        case Listing():
            return _listed(node)
        case Block(entries):
            return (
                "{" + ", ".join(f"{_scalar(key.value, is_inside=True)}: {_flow(inner)}" for key, inner in entries) + "}"
            )
        case Broken():
            return ""


@cache
def _scalar(value: str, *, is_free: bool = False, is_inside: bool = False) -> str:
    """The text without quotes where YAML reads it back as it is, else in quotes."""
    single = "'" + value.replace("'", "''") + "'"
    key = "title" if is_free else "value"
    for written in (value, single):
        probe = f"{key}: [{written}]" if is_inside else f"{key}: {written}"
        tree, faults = parse_source(f"{probe}\n".encode(), "")
        node = tree.get(key) if tree is not None and not faults else None
        read = node.items[0] if isinstance(node, Listing) and len(node.items) == 1 else node
        if isinstance(read, Text) and read.value == value and "\n" not in written:
            return written
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
