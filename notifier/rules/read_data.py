"""The data files beside the rules: windows.yaml (when to extend) and documents.yaml (what a type is)."""

from dataclasses import dataclass, field

from notifier.rules.phrases import parse_place
from notifier.rules.read_step import node_of, value_of
from notifier.rules.reading import Reading
from notifier.rules.rule import DocumentType, Length, Offset, Place, Side, Unit, Window
from notifier.rules.tree import Block, Node, Text
from notifier.rules.words import PERMIT_NOUNS, WINDOW_ANCHORS, listed

WINDOW_KEYS = ("opens", "recommended", "closes")
DOCUMENT_KEYS = ("labels", "extendable", "needs expiry", "successors", "services")
LABEL_LANGUAGES = ("id", "en")
#: A window counts from dates the register holds, never from another window or a rule.
WINDOW_NOUNS = tuple(noun for noun in PERMIT_NOUNS if noun not in WINDOW_ANCHORS | {"anniversary"})


@dataclass(slots=True)
class Windows:
    """The windows file as read: complete windows, and where each type is named (for later faults)."""

    windows: dict[tuple[str, str], Window] = field(default_factory=dict)
    types: list[Text] = field(default_factory=list)
    offices: list[Text] = field(default_factory=list)


def read_windows(reading: Reading, tree: Block) -> Windows:
    """Windows per document type, and per office where one differs; an office may give single lines only (S13)."""
    read = Windows()
    general: dict[str, dict[str, Place]] = {}
    for key, node in tree.entries:
        if key.value != "offices":
            read.types.append(key)
            general[key.value] = _take(reading, read, key, node, "", {})
    offices = value_of(tree, "offices", lambda node: reading.block(node, "offices"))
    for office, node in offices.entries if offices else ():
        read.offices.append(office)
        block = reading.block(node, f'the office "{office.value}"')
        for key, inner in block.entries if block else ():
            read.types.append(key)
            _take(reading, read, key, inner, office.value, general.get(key.value, {}))
    return read


def _take(
    reading: Reading, read: Windows, key: Text, node: Node, office: str, given: dict[str, Place]
) -> dict[str, Place]:
    places = _places(reading, key, node, given)
    if places is None:
        return {}
    read.windows[office, key.value] = Window(places["opens"], places["recommended"], places["closes"])
    return places


def read_documents(reading: Reading, tree: Block) -> dict[str, DocumentType]:
    """What is normal for each type of document."""
    types = tuple(key.value for key, _ in tree.entries)
    found = [_document(reading, key, node, types) for key, node in tree.entries]
    return {document.name: document for document in found if document is not None}


def _places(reading: Reading, key: Text, node: Node, given: dict[str, Place]) -> dict[str, Place] | None:
    """The lines of one window over those `given`; None when a line is missing or at fault, which is then told."""
    block = reading.block(node, f'the window of "{key.value}"')
    if block is None:
        return None
    reading.refuse_unknown(block, WINDOW_KEYS, (), "a window")
    places = dict(given)
    missing = [name for name in WINDOW_KEYS if name not in given and block.get(name) is None]
    if missing:
        reading.fault(key, f'the window of "{key.value}" has no {listed(missing)}; write the line')
    for name in WINDOW_KEYS:
        if block.get(name) is not None:
            places.pop(name, None)
        inner = node_of(block, name)
        place = None if inner is None else _place(reading, name, inner)
        if place is not None:
            places[name] = place
    return places if len(places) == len(WINDOW_KEYS) else None


def _place(reading: Reading, name: str, node: Node) -> Place | None:
    place = reading.phrase(node, name, parse_place)
    if place is None:
        return None
    if place.anchor.name not in WINDOW_NOUNS:
        reading.fault(node, f'{name}: a window cannot count from "{place.anchor}"; write {listed(WINDOW_NOUNS)}')
    elif isinstance(place, Offset) and place.length.is_short:
        reading.fault(node, f'{name}: "{place.length}" cannot be counted from a day; write days or longer')
    elif isinstance(place, Offset) and place.length == Length(1, Unit.WORKING_DAY) and place.side is Side.BEFORE:
        reading.fault(node, f'{name}: write "last working day before {place.anchor}"')
    else:
        return place
    return None


def _labels(reading: Reading, node: Node) -> dict[str, str]:
    block = reading.block(node, "labels")
    if block is None:
        return {}
    for language in LABEL_LANGUAGES:
        if block.get(language) is None:
            reading.fault(block, f'labels: "{language}" is missing; texts in that language need it')
    read = {key.value: reading.text(node, f'the label "{key.value}"') for key, node in block.entries}
    return {language: text.value for language, text in read.items() if text is not None}


def _document(reading: Reading, key: Text, node: Node, types: tuple[str, ...]) -> DocumentType | None:
    block = reading.block(node, f'the document type "{key.value}"')
    if block is None:
        return None
    reading.refuse_unknown(block, DOCUMENT_KEYS, (), "a document type")
    labels = value_of(block, "labels", lambda inner: _labels(reading, inner))
    if block.get("labels") is None:
        reading.fault(key, f'"{key.value}" has no "labels"; write its name in texts, at least under id and en')
    extendable = value_of(block, "extendable", lambda inner: reading.yes_no(inner, "extendable"))
    needs_expiry = value_of(block, "needs expiry", lambda inner: reading.yes_no(inner, "needs expiry"))
    return DocumentType(
        name=key.value,
        labels=labels or {},
        extendable=bool(extendable),
        needs_expiry=needs_expiry is not False,
        successors=value_of(block, "successors", lambda inner: reading.words(inner, "successors", types)) or (),
        services=value_of(block, "services", lambda inner: reading.words(inner, "services")) or (),
    )
