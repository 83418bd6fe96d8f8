"""The file of a rule read into a frozen `Rule`, with every default filled in and every fault noted."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from notifier.model import SubjectKind
from notifier.rules.fields import CASE_STATES
from notifier.rules.phrases import (
    parse_anniversary,
    parse_cap,
    parse_deadline,
    parse_length,
    parse_limit,
)
from notifier.rules.read_step import NAME, StepReader, empty_step, value_of
from notifier.rules.reading import Reading, Spot
from notifier.rules.rule import Length, Rule, Unit
from notifier.rules.tree import Block, Broken, Listing, Node, Text
from notifier.rules.words import LEGAL_BASES, REQUIRED_KEYS, RULE_KEYS, STEP_KEYS, nearest

DEFAULT_CORRECTIONS = {
    SubjectKind.PERMIT: Length(10, Unit.DAY),  # of a date (S48)
    SubjectKind.CASE: Length(1, Unit.HOUR),  # of a state: a wrong click, no new stay (S54)
}

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule with the tree it was read from, so that later checks can point at the very value."""

    tree: Block
    rule: Rule

    def has(self, key: str) -> bool:
        """Whether the rule itself has the key, rightly written or not."""
        return self.tree.get(key) is not None

    def place(self, *path: str) -> Spot:
        """The value at the path of keys, or the deepest part of the path that is there."""
        node: Node = self.tree
        found: Spot = self.tree
        for name in path:
            inner = node.get(name) if isinstance(node, Block) else None
            if inner is None or not isinstance(node, Block):
                break
            found = inner if isinstance(inner, Text | Listing) else (node.key(name) or inner)
            node = inner
        return found

    def key(self, name: str) -> Spot:
        """The key itself, at the top of the file."""
        return self.tree.key(name) or self.tree

    def setting(self, step: str, name: str) -> Spot:
        """Where a setting of a step stands: in the step, else in the rule that gives it as a default."""
        steps = self.tree.get("steps")
        own = steps.get(step) if isinstance(steps, Block) else None
        if isinstance(own, Block) and own.get(name) is not None:
            return self.place("steps", step, name)
        return self.place(name) if self.has(name) else self.step(step)

    def step_names(self) -> list[Text]:
        """The names of all steps, in the order of the file."""
        steps = self.tree.get("steps")
        return [key for key, _ in steps.entries] if isinstance(steps, Block) else []

    def step(self, name: str) -> Spot:
        """The name of a step, where it is given."""
        steps = self.tree.get("steps")
        return (steps.key(name) if isinstance(steps, Block) else None) or self.key("steps")


def read_rule(reading: Reading, tree: Block) -> Draft | None:
    """The rule of a file with what could be read of it; None when not even its subject is known."""
    _refuse_keys(reading, tree)
    kind = value_of(tree, "for", lambda node: reading.word(node, "for", tuple(SubjectKind)))
    subject = SubjectKind(kind) if kind else None
    steps = StepReader(reading, subject)
    base = steps.settings(tree, empty_step())
    bare = replace(base, when=(), unless=(), enabled=True)
    legal = value_of(tree, "legal basis", lambda node: reading.word(node, "legal basis", LEGAL_BASES))
    rule = Rule(
        name=value_of(tree, "rule", lambda node: _name(reading, node)) or "",
        title=_free_text(reading, tree, "title"),
        purpose=_free_text(reading, tree, "purpose"),
        legal_basis=legal or LEGAL_BASES[0],
        subject=subject or SubjectKind.PERMIT,
        steps=value_of(tree, "steps", lambda node: steps.steps(node, bare)) or (),
        when=base.when,
        unless=base.unless,
        enabled=base.enabled,
        file=reading.file,
    )
    rule = _with_measure(reading, tree, _with_time(reading, tree, _with_scope(reading, tree, rule)))
    return Draft(tree, rule) if subject is not None else None


def _refuse_keys(reading: Reading, tree: Block) -> None:
    reading.refuse_unknown(tree, RULE_KEYS, STEP_KEYS, "a rule")
    misspelt = {nearest(key.value, RULE_KEYS) for key, _ in tree.entries if key.value not in RULE_KEYS}
    for key in REQUIRED_KEYS:
        if tree.get(key) is None and key not in misspelt:
            reading.fault(tree, f'"{key}" is missing; every rule needs {_example(key)}')


def _example(key: str) -> str:
    examples = {
        "rule": "its name, that of the file",
        "title": "one sentence that says what it is for",
        "legal basis": '"public service", "legal duty" or "consent"',
        "for": '"permit" or "case"',
        "to": "recipients, like to: [holder, sponsor]",
        "via": "channels, like via: [whatsapp, sms after 6 hours]",
        "template": "a template, like template: itas/extension",
        "steps": "named steps, each with its moment",
    }
    return examples[key]


def _name(reading: Reading, node: Node) -> str | None:
    text = reading.text(node, "rule")
    if text is None:
        return None
    stem = Path(reading.file).stem
    if not NAME.fullmatch(text.value):
        reading.fault(text, f'"{text.value}" is no name for a rule; write small letters, digits and "-"')
    elif stem.partition(".")[0] != text.value:
        reading.fault(text, f'the rule "{text.value}" stands in a file of another name; call it {text.value}.yaml')
    return text.value


def _free_text(reading: Reading, tree: Block, key: str) -> str:
    text = value_of(tree, key, lambda node: reading.text(node, key))
    return text.value if text else ""


def _with_scope(reading: Reading, tree: Block, rule: Rule) -> Rule:
    """`while`, `offices` and the switches that only a rule has."""
    uncapped = value_of(tree, "uncapped", lambda node: reading.yes_no(node, "uncapped"))
    stays = value_of(tree, "while", lambda node: reading.words(node, "while", CASE_STATES))
    offices = tree.get("offices")
    excluded: tuple[str, ...] = ()
    included: tuple[str, ...] = ()
    if isinstance(offices, Block):
        reading.refuse_unknown(offices, ("not",), (), '"offices"')
        excluded = value_of(offices, "not", lambda node: reading.words(node, "offices")) or ()
    elif offices is not None and not isinstance(offices, Broken):
        included = reading.words(offices, "offices")
    return replace(rule, uncapped=bool(uncapped), stays=stays or (), offices=included, excluded_offices=excluded)


def _with_time(reading: Reading, tree: Block, rule: Rule) -> Rule:
    """Deadline, anniversary, correction and the days between which the rule is in force."""

    def phrase(key: str, parse: Callable[[str], Read]) -> Read | None:
        return value_of(tree, key, lambda node: reading.phrase(node, key, parse))

    return replace(
        rule,
        deadline=phrase("deadline", parse_deadline),
        anniversary=phrase("anniversary", parse_anniversary),
        correction=phrase("correction", parse_length) or DEFAULT_CORRECTIONS[rule.subject],
        starts=value_of(tree, "from", lambda node: reading.day(node, "from")),
        ends=value_of(tree, "until", lambda node: reading.day(node, "until")),
    )


def _with_measure(reading: Reading, tree: Block, rule: Rule) -> Rule:
    """How many messages, who lets them out, and what keeps silent beside them (S80-S85)."""
    approval = value_of(tree, "approval", lambda node: reading.word(node, "approval", ("officer",)))
    separate = value_of(tree, "separate", lambda node: reading.yes_no(node, "separate"))
    return replace(
        rule,
        cap=value_of(tree, "cap", lambda node: reading.phrase(node, "cap", parse_cap)),
        limit=value_of(tree, "limit", lambda node: reading.phrase(node, "limit", parse_limit)),
        approval=approval is not None,
        mutes=value_of(tree, "mutes", lambda node: reading.words(node, "mutes")) or (),
        separate=bool(separate),
    )
