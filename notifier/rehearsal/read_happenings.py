"""What happens in a test: changes of the register, replies, receipts, downtime, an officer's hand; in order of time."""

import re
from collections.abc import Iterable
from datetime import datetime

from notifier.channels.codes import shipped_codes
from notifier.model import Channel
from notifier.rehearsal.read_register import change, close_or_open, closures
from notifier.rehearsal.read_values import Scenery, instant
from notifier.rehearsal.script import (
    Approval,
    Asleep,
    ByOfficer,
    Event,
    Fate,
    Happening,
    Outlook,
    Registered,
    Reply,
)
from notifier.rules.tree import Block, Node, Text
from notifier.rules.words import CHANNEL_WORDS, did_you_mean
from notifier.store.records import OfficeRecord

#: Everything else that stands under an instant is a name of the register.
KEYS = (
    *("closed", "open", "reply", "receipt", "asleep until"),
    *("officer approves", "officer refuses", "officer cancels", "officer sends again"),
)
EVERYBODY = "everybody"

_RECEIPT = re.compile(r"(?P<channel>\S+) to (?P<who>.+) (?P<fate>[a-z]+)(?: (?P<code>[\d.]+))?")
_REPLY = re.compile(r"(?P<text>.+) on (?P<channel>\S+)")
_BY_HAND = re.compile(r"(?P<step>\S+) to (?P<who>.+)")


def read_happenings(scenery: Scenery, node: Node, starts: datetime, ends: datetime) -> tuple[Happening, ...]:
    """The block under `happens`."""
    block = scenery.reading.block(node, "happens")
    found: list[Happening] = []
    last = starts
    for key, inner in block.entries if block else ():
        at = instant(scenery.reading, key, scenery.zone, what="happens")
        events = scenery.reading.block(inner, key.value)
        if at is None or events is None:
            continue
        if not starts <= at <= ends:
            scenery.reading.fault(key, f'"{key.value}" is outside the test; move it between "from" and "until"')
        elif at < last:
            scenery.reading.fault(key, f'"{key.value}" is earlier than what stands above it; keep the order of time')
        last = max(last, at)
        for word, what in events.entries:
            found += [Happening(at, event) for event in _events(scenery, word, what)]
    return tuple(found)


def _events(scenery: Scenery, word: Text, node: Node) -> list[Event]:
    reading = scenery.reading
    match word.value:
        case "closed" | "open":
            return _closed(scenery, word.value, node)
        case "reply":
            return _replies(scenery, node)
        case "receipt":
            return _those_read(_outlook(scenery, text) for text in reading.texts(node, "receipt"))
        case "asleep until":
            text = reading.text(node, word.value)
            at = instant(reading, text, scenery.zone, what=word.value) if text else None
            return [Asleep(at)] if at else []
        case "officer approves" | "officer refuses":
            rule = reading.word(node, word.value, scenery.rules.names())
            return [Approval(rule, word.value == "officer refuses")] if rule else []
        case "officer cancels" | "officer sends again":
            verb = word.value.removeprefix("officer ")
            return _those_read(_by_hand(scenery, verb, text) for text in reading.texts(node, word.value))
    if isinstance(node, Block):
        return [change(scenery, word, node)]
    known = [*KEYS, *scenery.subjects, *scenery.people, *scenery.offices]
    if word.value in known:
        reading.block(node, f'"{word.value}"')
    else:
        reading.fault(word, f'"{word.value}" is nothing that can happen; {did_you_mean(word.value, known)}')
    return []


def _those_read(events: Iterable[Event | None]) -> list[Event]:
    return [event for event in events if event is not None]


def _closed(scenery: Scenery, word: str, node: Node) -> list[Event]:
    """Days on which offices turn out to be closed (or open): of all offices, or office by office."""
    if isinstance(node, Block):
        touched = []
        for key, inner in node.entries:
            code = scenery.reading.word(key, word, scenery.offices)
            if code is not None:
                close_or_open(scenery, [code], word, inner)
                touched.append(code)
    else:
        close_or_open(scenery, scenery.offices, word, node)
        touched = list(scenery.offices)
    return [Registered(offices=tuple(OfficeRecord(code, closures(scenery, code)) for code in touched))]


def _replies(scenery: Scenery, node: Node) -> list[Event]:
    block = scenery.reading.block(node, "reply")
    found: list[Event] = []
    for key, inner in block.entries if block else ():
        who = scenery.person(key, key.value)
        for text in scenery.reading.texts(inner, "reply"):
            match = _REPLY.fullmatch(text.value)
            if match is None:
                scenery.reading.fault(text, f'reply: "{text.value}" lacks its channel; write STOP on whatsapp')
                continue
            channel = _channel(scenery, text, match)
            if who is not None and channel is not None:
                found.append(Reply(who, channel, match["text"]))
    return found


def _outlook(scenery: Scenery, text: Text) -> Outlook | None:
    match = _RECEIPT.fullmatch(text.value)
    if match is None:
        scenery.reading.fault(text, f'receipt: "{text.value}" cannot be read; write sms to NAME failed')
        return None
    channel = _channel(scenery, text, match)
    everybody = match["who"] == EVERYBODY
    who = None if everybody else scenery.person(text, match["who"], match.start("who"))
    fates = tuple(fate.value for fate in Fate)
    code = match["code"]
    if match["fate"] not in fates:
        remedy = did_you_mean(match["fate"], fates)
        scenery.reading.fault(text, f'receipt: "{match["fate"]}" is no answer; {remedy}', match.start("fate"))
    elif code and channel is not Channel.EMAIL and shipped_codes().meaning(code) is None:
        scenery.reading.fault(text, f'receipt: the table of error codes has no "{code}"', match.start("code"))
    elif channel is not None and (who is not None or everybody):
        return Outlook(who, channel, Fate(match["fate"]), code)
    return None


def _channel(scenery: Scenery, text: Text, match: re.Match[str]) -> Channel | None:
    word = match["channel"]
    if word not in CHANNEL_WORDS:
        remedy = did_you_mean(word, CHANNEL_WORDS)
        scenery.reading.fault(text, f'"{word}" is no channel; {remedy}', match.start("channel"))
    return CHANNEL_WORDS.get(word)


def _by_hand(scenery: Scenery, verb: str, text: Text) -> ByOfficer | None:
    match = _BY_HAND.fullmatch(text.value)
    if match is None:
        scenery.reading.fault(text, f'"{text.value}" cannot be read; write STEP to NAME')
        return None
    who = scenery.person(text, match["who"], match.start("who"))
    return ByOfficer(verb, match["step"], who) if who else None
