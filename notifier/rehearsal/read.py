"""A file of tests read whole: strict, every fault with its place, and nothing half-read kept."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from notifier.errors import Fault
from notifier.rehearsal.read_happenings import read_happenings
from notifier.rehearsal.read_messages import NONE, read_messages, read_silences
from notifier.rehearsal.read_register import (
    close_or_open,
    closures,
    default_office,
    office,
    person,
    read_zone,
    registered,
)
from notifier.rehearsal.read_values import Scenery, instant
from notifier.rehearsal.script import OFFICE, OFFICE_ZONE, Scene, Script
from notifier.rules.reading import Reading
from notifier.rules.rule import RuleSet
from notifier.rules.source import read_source
from notifier.rules.tree import Block, Node, Text
from notifier.store.records import OfficeRecord

#: Given for all tests of a file, or for one.
SHARED_KEYS = ("people", "offices", "calendar")
FILE_KEYS = ("rule", "switched on", *SHARED_KEYS, "tests")
SCENE_KEYS = (
    *("proves", *SHARED_KEYS, "permits", "cases", "from", "until", "in force since"),
    *("happens", "messages", "silent", "work items"),
)
CALENDAR_KEYS = ("closed", "open")
#: Instead of the names of rules: every rule of the folder.
ALL = "all"
#: What the clock does on the two days, for the sentence that asks for one.
BEGINS = {"from": "begins", "until": "ends"}
#: A test that plays longer than this is a slip of the pen.
LONGEST = timedelta(days=25 * 366)


def read_script(path: Path, rules: RuleSet, name: str | None = None) -> tuple[Script | None, list[Fault]]:
    """The tests in a file, and all faults of it; None when there is nothing to play."""
    called = name or str(path)
    tree, faults = read_source(path, called)
    reading = Reading(called, faults=list(faults))
    script = _script(reading, tree, rules) if tree is not None else None
    return (None if reading.faults else script), reading.faults


def _script(reading: Reading, tree: Block, rules: RuleSet) -> Script | None:
    reading.refuse_unknown(tree, FILE_KEYS, SCENE_KEYS, "a file of tests")
    for key in ("rule", "tests"):
        if tree.get(key) is None:
            reading.fault(tree, f'the file has no "{key}"; write the line')
    names = _rules(reading, tree.get("rule"), rules)
    switched_on, steps_on = _switched_on(reading, tree.get("switched on"), names, rules)
    node = tree.get("tests")
    block = reading.block(node, "tests") if node is not None else None
    scenes = [_scene(reading, tree, key, inner, rules, names) for key, inner in (block.entries if block else ())]
    return Script(reading.file, names, switched_on, steps_on, tuple(one for one in scenes if one is not None))


def _rules(reading: Reading, node: Node | None, rules: RuleSet) -> tuple[str, ...]:
    known = tuple(rules.names())
    if node is None:
        return ()
    if isinstance(node, Text) and node.value == ALL:
        return known
    return reading.words(node, "rule", known)


def _switched_on(
    reading: Reading, node: Node | None, names: tuple[str, ...], rules: RuleSet
) -> tuple[bool, tuple[str, ...]]:
    """`switched on: yes` for a rule that ships switched off, or the names of such steps."""
    if node is None:
        return False, ()
    if isinstance(node, Text) and node.value in ("yes", "no"):
        return node.value == "yes", ()
    steps = sorted({step.name for rule in rules.rules if rule.name in names for step in rule.steps})
    return True, reading.words(node, "switched on", ("yes", *steps))


def _scene(
    reading: Reading, tree: Block, key: Text, node: Node, rules: RuleSet, names: tuple[str, ...]
) -> Scene | None:
    block = reading.block(node, f'the test "{key.value}"')
    if block is None:
        return None
    reading.refuse_unknown(block, SCENE_KEYS, FILE_KEYS, "a test")
    scenery = Scenery(reading, rules, ZoneInfo(OFFICE_ZONE))
    offices = _offices(scenery, tree, block)
    people = tuple(
        person(scenery, one, inner, is_new=True)
        for one, inner in _named(scenery, tree, block, "people", scenery.people)
    )
    span = _span(scenery, key, block)
    given = registered(scenery, _blocks(reading, block, "permits"), _blocks(reading, block, "cases"))
    if span is None:
        return None
    starts, ends = span
    happens, messages, silent = block.get("happens"), block.get("messages"), block.get("silent")
    since = block.get("in force since")
    proves, work = block.get("proves"), block.get("work items")
    return Scene(
        name=key.value,
        file=reading.file,
        line=key.line,
        zone=scenery.zone,
        starts=starts,
        ends=ends,
        given=replace(given, offices=offices, people=people),
        in_force_since=reading.day(since, "in force since") if since is not None else None,
        happens=read_happenings(scenery, happens, starts, ends) if happens is not None else (),
        messages=read_messages(scenery, messages, names) if messages is not None else None,
        silences=read_silences(scenery, silent, names) if silent is not None else (),
        work_items=_work_items(reading, work) if work is not None else None,
        proves=reading.words(proves, "proves") if proves is not None else (),
        indentation=block.column - 1 if block.line > key.line else None,
        messages_line=at.line if (at := block.key("messages")) else None,
    )


def _work_items(reading: Reading, node: Node) -> tuple[str, ...]:
    """The kinds of work the office is left with, each as often as it is there; "none" when there is none."""
    texts = [text.value for text in reading.texts(node, "work items")]
    return () if texts == [NONE] else tuple(sorted(texts))


def _offices(scenery: Scenery, tree: Block, block: Block) -> tuple[OfficeRecord, ...]:
    """The offices of a test; the first one's clock is the clock of the test."""
    named = _named(scenery, tree, block, "offices", scenery.offices)
    if not named:
        scenery.offices.append(OFFICE)
    zone = named[0][1].get("zone") if named else None
    scenery.zone = (read_zone(Reading(scenery.reading.file), zone) if zone is not None else None) or ZoneInfo(
        OFFICE_ZONE
    )
    for place in (tree, block):
        node = place.get("calendar")
        calendar = scenery.reading.block(node, "calendar") if node is not None else None
        if calendar is not None:
            scenery.reading.refuse_unknown(calendar, CALENDAR_KEYS, (), "the calendar of a test")
            for word, inner in calendar.entries:
                if word.value in CALENDAR_KEYS:
                    close_or_open(scenery, scenery.offices, word.value, inner)
    if not named:
        return (default_office(scenery),)
    read = [office(scenery, key, inner, is_new=True) for key, inner in named]
    return tuple(replace(one, values={**one.values, **closures(scenery, one.code)}) for one in read)


def _named(scenery: Scenery, tree: Block, block: Block, word: str, taken: list[str]) -> list[tuple[Text, Block]]:
    """What the file gives under a word, and the test over it; the names are noted in `taken`."""
    found: dict[str, tuple[Text, Block]] = {}
    for place in (tree, block):
        for key, inner in _blocks(scenery.reading, place, word).items():
            found[key.value] = (key, inner)
    taken.extend(found)
    return list(found.values())


def _blocks(reading: Reading, block: Block, word: str) -> dict[Text, Block]:
    node = block.get(word)
    outer = reading.block(node, word) if node is not None else None
    found = {key: reading.block(inner, f'"{key.value}"') for key, inner in (outer.entries if outer else ())}
    return {key: inner for key, inner in found.items() if inner is not None}


def _span(scenery: Scenery, key: Text, block: Block) -> tuple[datetime, datetime] | None:
    """From the first to the last instant of a test; a bare `until` is the whole of that day."""
    ends = []
    for word in ("from", "until"):
        node = block.get(word)
        text = scenery.reading.text(node, word) if node is not None else None
        if node is None:
            scenery.reading.fault(key, f'the test has no "{word}"; write the day on which its clock {BEGINS[word]}')
        at = instant(scenery.reading, text, scenery.zone, what=word) if text else None
        if at is not None and word == "until" and text is not None and len(text.value) == len("2026-05-20"):
            at = _end_of_day(at, scenery.zone)
        ends.append(at)
    starts, last = ends
    if starts is None or last is None:
        return None
    if last <= starts or last - starts > LONGEST:
        scenery.reading.fault(key, f'"until" must be later than "from", and at most {LONGEST.days // 365} years')
        return None
    return starts, last


def _end_of_day(at: datetime, zone: ZoneInfo) -> datetime:
    day = at.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(day, time(), tzinfo=zone).astimezone(at.tzinfo) - timedelta(seconds=1)
