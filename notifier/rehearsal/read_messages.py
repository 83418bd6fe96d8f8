"""What a test expects: each message that leaves, in one line that reads aloud, and each silence with its reason."""

import re
from collections.abc import Sequence

from notifier.model import Channel
from notifier.rehearsal.read_values import Scenery, instant
from notifier.rehearsal.script import Expected, Silence
from notifier.rules.tree import Node, Text
from notifier.rules.words import CHANNEL_WORDS, did_you_mean

#: Written where no message at all may leave.
NONE = "none"
MESSAGE_FORM = 'STEP to NAME by email and whatsapp, perhaps with in LANGUAGE, about PERMIT, saying "TEXT"'
SILENCE_FORM = "STEP to NAME, perhaps with about PERMIT and on DAY"

_STEP = r"(?:(?P<rule>[^\s/]+)/)?(?P<step>[^\s/#]+)(?:#(?P<number>\d+))?"
_MESSAGE = re.compile(
    _STEP + r" to (?P<who>.+?) by (?P<channels>.+?)(?: in (?P<language>\S+))?(?: about (?P<about>[^\"]+?))?"
    r'(?: saying (?P<says>"[^"]+"(?: and "[^"]+")*))?'
)
_SILENCE = re.compile(_STEP + r" to (?P<who>.+?)(?: about (?P<about>\S+))?(?: on (?P<on>\d\S*(?: \d\S*)?))?")
_LISTED = re.compile(r",\s*| and ")


def read_messages(scenery: Scenery, node: Node, rules: Sequence[str]) -> tuple[Expected, ...]:
    """The block under `messages`; "none" when nothing may leave. `rules` are those under test."""
    if isinstance(node, Text) and node.value == NONE:
        return ()
    block = scenery.reading.block(node, "messages")
    found: list[Expected] = []
    for key, inner in block.entries if block else ():
        at = instant(scenery.reading, key, scenery.zone, what="messages", bare=None)
        for text in scenery.reading.texts(inner, "messages"):
            match = _MESSAGE.fullmatch(text.value)
            if match is None:
                scenery.reading.fault(text, f'"{text.value}" is no message; write {MESSAGE_FORM}')
                continue
            rule = _rule(scenery, text, match, rules)
            channels = _channels(scenery, text, match)
            about = tuple(_LISTED.split(match["about"])) if match["about"] else ()
            _subjects(scenery, text, match, about)
            people = [scenery.person(text, name, match.start("who")) for name in _LISTED.split(match["who"])]
            for who in people:
                if at is None or rule is None or who is None:
                    continue
                number = int(match["number"]) if match["number"] else None
                says = tuple(re.findall(r'"([^"]+)"', match["says"] or ""))
                found.append(
                    Expected(at, rule, match["step"], who, channels, number, match["language"], says, about, text.line)
                )
    return tuple(found)


def read_silences(scenery: Scenery, node: Node, rules: Sequence[str]) -> tuple[Silence, ...]:
    """The block under `silent`: who is not told which step, and the reason that `explain` gives."""
    block = scenery.reading.block(node, "silent")
    found: list[Silence] = []
    for key, inner in block.entries if block else ():
        reason = scenery.reading.text(inner, key.value)
        match = _SILENCE.fullmatch(key.value)
        if match is None:
            scenery.reading.fault(key, f'"{key.value}" is no silence; write {SILENCE_FORM}')
            continue
        rule = _rule(scenery, key, match, rules)
        about = match["about"]
        _subjects(scenery, key, match, (about,) if about else ())
        on = Text(match["on"], key.line, key.column + match.start("on"), False) if match["on"] else None
        at = instant(scenery.reading, on, scenery.zone, what="silent") if on else None
        if on is not None and at is not None and len(on.value) == len("2026-05-20"):
            at = instant(scenery.reading, Text(f"{on.value} 23:59", on.line, on.column), scenery.zone, what="silent")
        number = int(match["number"]) if match["number"] else None
        for name in _LISTED.split(match["who"]):
            who = scenery.person(key, name, match.start("who"))
            if rule is not None and who is not None and reason is not None:
                found.append(Silence(rule, match["step"], who, reason.value, number, about, at, key.line))
    return tuple(found)


def _rule(scenery: Scenery, text: Text, match: re.Match[str], under_test: Sequence[str]) -> str | None:
    """The rule of a step: named before a stroke, else the only one under test that has such a step."""
    if match["rule"]:
        if match["rule"] not in under_test:
            remedy = did_you_mean(match["rule"], under_test)
            scenery.reading.fault(text, f'the rule "{match["rule"]}" is not under test here; {remedy}')
            return None
        under_test = (match["rule"],)
    steps = {(rule.name, step.name) for rule in scenery.rules.rules if rule.name in under_test for step in rule.steps}
    having = sorted({rule for rule, step in steps if step == match["step"]})
    if len(having) == 1:
        return having[0]
    if having:
        scenery.reading.fault(
            text, f'{len(having)} rules have a step "{match["step"]}"; write {having[0]}/{match["step"]}'
        )
    else:
        remedy = did_you_mean(match["step"], sorted({step for _, step in steps}))
        scenery.reading.fault(text, f'there is no step "{match["step"]}"; {remedy}', match.start("step"))
    return None


def _channels(scenery: Scenery, text: Text, match: re.Match[str]) -> frozenset[Channel]:
    found = set()
    for word in _LISTED.split(match["channels"]):
        if word in CHANNEL_WORDS:
            found.add(CHANNEL_WORDS[word])
        else:
            remedy = did_you_mean(word, CHANNEL_WORDS)
            scenery.reading.fault(text, f'"{word}" is no channel; {remedy}', match.start("channels"))
    return frozenset(found)


def _subjects(scenery: Scenery, text: Text, match: re.Match[str], names: Sequence[str]) -> None:
    for name in names:
        if name not in scenery.subjects:
            remedy = did_you_mean(name, scenery.subjects)
            scenery.reading.fault(text, f'there is no permit or case "{name}" here; {remedy}', match.start("about"))
