"""The register of a test: offices, people, permits and cases, as the importer would hand them to the store."""

from collections.abc import Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from notifier.calendar.data import WEEKDAYS
from notifier.model import Channel, SubjectKind
from notifier.rehearsal.read_values import (
    DESKS,
    MISSING,
    Scenery,
    attribute,
    contacts,
    days,
    fields_of,
    instant,
    value,
)
from notifier.rehearsal.script import OFFICE, OFFICE_ZONE, Registered
from notifier.rules.fields import ATTRIBUTE_PREFIX, RECIPIENTS
from notifier.rules.reading import Reading
from notifier.rules.tree import Block, Node, Text
from notifier.rules.words import did_you_mean
from notifier.store.records import OfficeRecord, PartyRecord, RoleRecord, SubjectRecord

OFFICE_KEYS = ("zone", "country", "province", "weekdays", "hours", "closed", "open")
PERSON_KEYS = (
    *("kind", "name", "language", "born", "nationality", "zone", "deceased", "household"),
    *(channel.value for channel in Channel),
)
KINDS = ("person", "organisation")
#: Who may stand in a subject besides its holder.
ROLES = tuple(role for role in RECIPIENTS if role != "holder")
#: What says that a new name in `happens` is a permit, or a case.
TELLING = {SubjectKind.PERMIT: "type", SubjectKind.CASE: "service"}


def read_zone(reading: Reading, node: Node) -> ZoneInfo | None:
    """A time zone by its name."""
    text = reading.text(node, "zone")
    if text is None:
        return None
    try:
        return ZoneInfo(text.value)
    except (KeyError, OSError, ValueError):
        known = "Asia/Jakarta (WIB), Asia/Makassar (WITA) or Asia/Jayapura (WIT)"
        reading.fault(text, f'there is no time zone "{text.value}"; write one like {known}')
        return None


def office(scenery: Scenery, key: Text, block: Block, *, is_new: bool) -> OfficeRecord:
    """An office of the test, or what changes at it."""
    reading, code = scenery.reading, key.value
    reading.refuse_unknown(block, OFFICE_KEYS, (), "an office")
    values: dict[str, object] = {}
    if is_new:
        values |= {"name": f"Kantor Imigrasi {code}", "zone": OFFICE_ZONE, "phone": "+62215550100"}
    for word, node in block.entries:
        match word.value:
            case "zone":
                values["zone"] = str(read_zone(reading, node) or OFFICE_ZONE)
            case "country" | "province":
                text = reading.text(node, word.value)
                values[word.value] = text.value if text else None
            case "weekdays":
                values["weekdays"] = sorted(WEEKDAYS.index(day) for day in reading.words(node, "weekdays", WEEKDAYS))
            case "hours":
                values |= _hours(reading, node)
            case "closed" | "open":
                close_or_open(scenery, [code], word.value, node)
    values |= closures(scenery, code)
    return OfficeRecord(code, values, {name: f"{name}.{code}@imigrasi.example" for name in DESKS} if is_new else {})


def close_or_open(scenery: Scenery, codes: list[str], word: str, node: Node) -> None:
    """Note days on which offices are closed, or open although the calendar says closed."""
    found = days(scenery.reading, node, word)
    mine, other = (scenery.closed, scenery.opened) if word == "closed" else (scenery.opened, scenery.closed)
    for code in codes:
        mine.setdefault(code, set()).update(found)
        other.setdefault(code, set()).difference_update(found)


def closures(scenery: Scenery, code: str) -> dict[str, object]:
    """The columns of an office that hold its own closed and open days."""
    return {
        "closed_days": sorted(day.isoformat() for day in scenery.closed.get(code, ())),
        "working_days": sorted(day.isoformat() for day in scenery.opened.get(code, ())),
    }


def default_office(scenery: Scenery) -> OfficeRecord:
    """The office of a test that names none."""
    return office(scenery, Text(OFFICE, 1, 1), Block((), 1, 1), is_new=True)


def _hours(reading: Reading, node: Node) -> dict[str, object]:
    text = reading.text(node, "hours")
    opens, dash, closes = (text.value if text else "").partition("-")
    begin = reading.time(Text(opens, node.line, node.column), "hours") if dash else None
    end = reading.time(Text(closes, node.line, node.column), "hours") if dash else None
    if text is not None and not dash:
        reading.fault(text, f'hours: "{text.value}" are no hours; write them like 08:00-15:00')
    return {"opens_at": begin, "closes_at": end} if begin and end else {}


def person(scenery: Scenery, key: Text, block: Block, *, is_new: bool) -> PartyRecord:
    """A person or organisation of the test, or what changes about it."""
    reading, name = scenery.reading, key.value
    reading.refuse_unknown(block, PERSON_KEYS, (), "a person")
    values: dict[str, object] = {"name": name.upper(), "kind": "person"} if is_new else {}
    for word, node in block.entries:
        match word.value:
            case "kind":
                values["kind"] = reading.word(node, "kind", KINDS) or "person"
            case "name" | "language" | "nationality" | "household":
                text = reading.text(node, word.value)
                values[word.value] = text.value if text and text.value != MISSING else None
            case "zone":
                zone = read_zone(reading, node)
                values["zone"] = zone.key if zone else None
            case "born":
                values["birth_date"] = reading.day(node, "born")
            case "deceased":
                values["deceased_on"] = reading.day(node, "deceased")
    reached = contacts(reading, {word.value: node for word, node in block.entries}, name)
    return PartyRecord(name, values, reached)


def subject(scenery: Scenery, kind: SubjectKind, key: Text, block: Block, *, is_new: bool) -> SubjectRecord:
    """A permit or case of the test, or what changes about it."""
    reading, fields = scenery.reading, fields_of(kind)
    others = ("office", *RECIPIENTS, *(("permit", "since") if kind is SubjectKind.CASE else ()))
    unknown = [word for word, _ in block.entries if word.value.startswith(ATTRIBUTE_PREFIX)]
    reading.refuse_unknown(block, (*fields, *others, *(word.value for word in unknown)), (), f"a {kind}")
    values: dict[str, object] = {}
    attributes: dict[str, str | None] = {}
    for word, node in block.entries:
        one = fields.get(word.value)
        if word.value.startswith(ATTRIBUTE_PREFIX) or (
            one is not None and one.column is None and one.name != "extendable"
        ):
            text = reading.text(node, word.value)
            attributes[attribute(word.value)] = text.value if text and text.value != MISSING else None
        elif one is not None:
            values[one.column or "extendable"] = value(scenery, one, node)
    for needed in (TELLING[kind], *(("state",) if kind is SubjectKind.CASE else ())):
        if is_new and block.get(needed) is None:
            reading.fault(key, f'the {kind} "{key.value}" has no "{needed}"; write the line')
    return SubjectRecord(
        number=key.value,
        office=_office_of(scenery, block, is_new),
        holder=_holder(scenery, kind, key, block, is_new),
        values=values,
        roles={word.value: _roles(scenery, word.value, node) for word, node in block.entries if word.value in ROLES},
        attributes=attributes,
        names_permit=block.get("permit") is not None,
        permit=_permit(scenery, block.get("permit")),
        state_since=_since(scenery, block.get("since")),
    )


def _office_of(scenery: Scenery, block: Block, is_new: bool) -> str | None:
    node = block.get("office")
    if node is None:
        return scenery.offices[0] if is_new else None
    return scenery.reading.word(node, "office", scenery.offices)


def _holder(scenery: Scenery, kind: SubjectKind, key: Text, block: Block, is_new: bool) -> str | None:
    node = block.get("holder")
    if node is not None:
        text = scenery.reading.text(node, "holder")
        return scenery.person(text, text.value) if text else None
    if is_new:
        scenery.reading.fault(key, f'the {kind} "{key.value}" has no "holder"; write whose it is')
    return None


def _permit(scenery: Scenery, node: Node | None) -> str | None:
    permits = [name for name, kind in scenery.subjects.items() if kind is SubjectKind.PERMIT]
    if node is None or (isinstance(node, Text) and node.value == MISSING):
        return None
    return scenery.reading.word(node, "permit", permits)


def _since(scenery: Scenery, node: Node | None) -> datetime | None:
    text = scenery.reading.text(node, "since") if node is not None else None
    return instant(scenery.reading, text, scenery.zone, what="since") if text else None


def _roles(scenery: Scenery, role: str, node: Node) -> tuple[RoleRecord, ...]:
    """Who stands in a role: "acme", "acme until 2026-05-20", "acme from 2026-01-01 until 2026-05-20"."""
    if isinstance(node, Text) and node.value == MISSING:
        return ()
    found = []
    for text in scenery.reading.texts(node, role):
        rest, _, until = text.value.partition(" until ")
        name, _, since = rest.partition(" from ")
        who = scenery.person(text, name)
        limits = [_limit(scenery, text, day) for day in (since, until)]
        if who is not None:
            found.append(RoleRecord(who, *limits))
    return tuple(found)


def _limit(scenery: Scenery, text: Text, day: str) -> date | None:
    return scenery.reading.day(Text(day, text.line, text.column, False), "role") if day else None


def registered(scenery: Scenery, permits: Mapping[Text, Block], cases: Mapping[Text, Block]) -> Registered:
    """New permits and cases; permits first, because a case may be about one."""
    for kind, blocks in ((SubjectKind.PERMIT, permits), (SubjectKind.CASE, cases)):
        for key in blocks:
            _not_taken(scenery, key)
            scenery.subjects[key.value] = kind
    return Registered(
        permits=tuple(subject(scenery, SubjectKind.PERMIT, key, block, is_new=True) for key, block in permits.items()),
        cases=tuple(subject(scenery, SubjectKind.CASE, key, block, is_new=True) for key, block in cases.items()),
    )


def _not_taken(scenery: Scenery, key: Text) -> None:
    if key.value in (*scenery.people, *scenery.offices, *scenery.subjects):
        scenery.reading.fault(key, f'"{key.value}" is the name of something else already; give it another')


def change(scenery: Scenery, key: Text, block: Block) -> Registered:
    """What changes in the register under a name, or a new permit or case."""
    name = key.value
    if name in scenery.offices:
        return Registered(offices=(office(scenery, key, block, is_new=False),))
    if name in scenery.people:
        return Registered(people=(person(scenery, key, block, is_new=False),))
    kind = scenery.subjects.get(name)
    is_new = kind is None
    if kind is None:
        kind = next((one for one, word in TELLING.items() if block.get(word) is not None), None)
    if kind is None:
        known = [*scenery.subjects, *scenery.people, *scenery.offices]
        remedy = did_you_mean(name, known)
        scenery.reading.fault(
            key, f'there is nothing called "{name}" (a new permit has a type, a case a service); {remedy}'
        )
        return Registered()
    scenery.subjects[name] = kind
    record = subject(scenery, kind, key, block, is_new=is_new)
    return Registered(permits=(record,)) if kind is SubjectKind.PERMIT else Registered(cases=(record,))
