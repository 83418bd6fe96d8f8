"""The settings a rule and its steps have in common, and the steps themselves with their defaults filled in."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from notifier.model import SubjectKind
from notifier.rules.conditions_parse import read_conditions
from notifier.rules.fields import RECIPIENTS
from notifier.rules.phrases import parse_count, parse_digest, parse_late, parse_moment, parse_rung
from notifier.rules.reading import Reading
from notifier.rules.rule import AtOnce, Closed, Conditions, Rung, Step
from notifier.rules.tree import Block, Broken, Listing, Node, Text
from notifier.rules.words import RULE_KEYS, STEP_KEYS, did_you_mean

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TEMPLATE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*)*")
_DESK = re.compile(r"[a-z][a-z0-9-]*( [a-z0-9-]+)* desk")

Read = TypeVar("Read")


def empty_step() -> Step:
    """What a rule without any setting would give its steps."""
    return Step(name="", send=AtOnce(), to=(), via=(), template="")


def node_of(block: Block, key: str) -> Node | None:
    """The key's value, or None when it is not there or its fault is already told."""
    node = block.get(key)
    return None if isinstance(node, Broken) else node


def value_of(block: Block, key: str, read: Callable[[Node], Read | None]) -> Read | None:
    """The key's value read, or None when there is none to read."""
    node = node_of(block, key)
    return None if node is None else read(node)


class StepReader:
    """Reads what may stand in a step or, as a default for all steps, in the rule."""

    def __init__(self, reading: Reading, subject: SubjectKind | None) -> None:
        self._reading = reading
        self._subject = subject

    def settings(self, block: Block, base: Step) -> Step:
        """`base` with the settings of the block put over it."""
        reading = self._reading
        closed = value_of(block, "closed", lambda node: reading.word(node, "closed", tuple(Closed)))
        urgent = value_of(block, "urgent", lambda node: reading.yes_no(node, "urgent"))
        enabled = value_of(block, "enabled", lambda node: reading.yes_no(node, "enabled"))
        return replace(
            base,
            to=value_of(block, "to", self._recipients) or base.to,
            via=value_of(block, "via", self._ladder) or base.via,
            template=value_of(block, "template", self._template) or base.template,
            time=value_of(block, "time", lambda node: reading.time(node, "time")) or base.time,
            closed=Closed(closed) if closed else base.closed,
            late=value_of(block, "late", lambda node: reading.phrase(node, "late", parse_late)) or base.late,
            digest=value_of(block, "digest", lambda node: reading.phrase(node, "digest", parse_digest)) or base.digest,
            urgent=base.urgent if urgent is None else urgent,
            enabled=base.enabled if enabled is None else enabled,
            when=self._conditions(block, "when"),
            unless=self._conditions(block, "unless"),
        )

    def steps(self, node: Node, base: Step) -> tuple[Step, ...]:
        """The steps whose moment could be read, in the order of the file."""
        block = self._reading.block(node, "steps")
        read = [self._step(key, value, base) for key, value in block.entries] if block else []
        return tuple(step for step in read if step is not None)

    def _step(self, key: Text, node: Node, base: Step) -> Step | None:
        reading = self._reading
        if not NAME.fullmatch(key.value):
            reading.fault(key, f'"{key.value}" is no name for a step; write small letters, digits and "-"')
        block = reading.block(node, f'the step "{key.value}"')
        if block is None:
            return None
        reading.refuse_unknown(block, STEP_KEYS, RULE_KEYS, f'a step, see "{key.value}"')
        step = self.settings(block, replace(base, name=key.value, line=key.line))
        step = replace(
            step,
            only_after=value_of(block, "only after", self._only_after),
            at_most=value_of(block, "at most", self._at_most),
        )
        if block.get("send") is None:
            reading.fault(
                key, f'the step "{key.value}" has no "send"; write its moment, like send: 7 days before expiry'
            )
        send = node_of(block, "send")
        moment = None if send is None else reading.phrase(send, "send", parse_moment)
        return None if moment is None else replace(step, send=moment)

    def _only_after(self, node: Node) -> str | None:
        text = self._reading.text(node, "only after")
        return text.value if text else None

    def _at_most(self, node: Node) -> int | None:
        return self._reading.phrase(node, "at most", parse_count)

    def _recipients(self, node: Node) -> tuple[str, ...]:
        found: list[str] = []
        for text in self._reading.texts(node, "to"):
            if text.value not in RECIPIENTS and not _DESK.fullmatch(text.value):
                remedy = did_you_mean(text.value, (*RECIPIENTS, "front desk"))
                self._reading.fault(text, f'to: "{text.value}" is no recipient; {remedy}')
            elif text.value in found:
                self._reading.fault(text, f'to: "{text.value}" is there twice; take one out')
            else:
                found.append(text.value)
        return tuple(found)

    def _ladder(self, node: Node) -> tuple[Rung, ...]:
        if isinstance(node, Block):
            self._reading.fault(node, "via takes a phrase or a list of phrases, not a block of keys")
            return ()
        nodes = node.items if isinstance(node, Listing) else (node,)
        kept = [item for item in nodes if not isinstance(item, Broken)]
        rungs = [self._reading.phrase(item, "via", parse_rung) for item in kept]
        return tuple(rung for rung in rungs if rung is not None)

    def _template(self, node: Node) -> str | None:
        text = self._reading.text(node, "template")
        if text is not None and not _TEMPLATE.fullmatch(text.value):
            self._reading.fault(
                text, f'template: "{text.value}" is no name of a template; write it like itas/extension'
            )
            return None
        return text.value if text else None

    def _conditions(self, block: Block, key: str) -> Conditions:
        return value_of(block, key, lambda node: read_conditions(self._reading, node, self._subject, key)) or ()
