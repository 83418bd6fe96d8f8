"""Ladders as they are written: channels, waits, and whether there is time for them before the deadline."""

from collections.abc import Iterator

from notifier.rules.check_moments import Surroundings
from notifier.rules.cursor import PhraseError
from notifier.rules.estimate import Estimator, days_of
from notifier.rules.phrases import parse_rung
from notifier.rules.read_rule import Draft
from notifier.rules.reading import Reading, Spot
from notifier.rules.rule import Every, Offset, On, Rung, Step
from notifier.rules.speak import say_deadline
from notifier.rules.tree import Block, Listing, Node, Text
from notifier.rules.words import INSTANT_ANCHORS

#: A rung without a written wait comes so long after the one before it (S70).
DEFAULT_WAIT_DAYS = 1.0


def check_ladders(faults: Reading, tree: Block) -> None:
    """Every `via` of the file, whether or not the rest of its step can be read."""
    for node in _written(tree):
        _check_ladder(faults, node)


def check_waits(warnings: Reading, draft: Draft, around: Surroundings) -> None:
    """Waits longer than there is time from any moment of the step to the deadline: they are cut short (S71)."""
    deadline = draft.rule.deadline
    estimator = Estimator(draft.rule, around.windows_of(draft.rule))
    end = estimator.place(deadline.place) if deadline is not None else None
    if deadline is None or end is None:
        return
    last = end.high + (0 if _is_instant(deadline.place) else 1)
    for step in draft.rule.steps:
        moment = None if isinstance(step.send, Every) or not step.enabled else estimator.moment(step.send)
        if moment is None or moment.base != end.base:
            continue
        for rung, spot in _rungs(draft, step):
            if rung.after is not None and rung.after.is_fixed and days_of(rung.after)[0] >= last - moment.low:
                warnings.fault(
                    spot,
                    f'via: "after {rung.after}" is longer than from the step "{step.name}" to the deadline'
                    f" ({say_deadline(deadline)}); write a shorter wait",
                )


def _written(tree: Block) -> Iterator[Node]:
    """The values of every `via`, of the rule and of its steps."""
    steps = tree.get("steps")
    homes = (
        [tree, *(node for _, node in steps.entries if isinstance(node, Block))] if isinstance(steps, Block) else [tree]
    )
    for home in homes:
        node = home.get("via")
        if node is not None:
            yield node


def _check_ladder(faults: Reading, node: Node) -> None:
    seen: set[str] = set()
    wait = 0.0
    for number, (rung, place) in enumerate(_readable(node)):
        for channel in rung.channels:
            if channel in seen:
                faults.fault(place, f'via: "{channel}" is there twice; take one out')
            seen.add(channel)
        if number == 0 and rung.after is not None and _is_first(node, place):
            faults.fault(place, f'via: the first line leaves at the moment itself; take "after {rung.after}" out')
        elif rung.after is not None and not rung.after.is_fixed:
            faults.fault(place, f'via: a wait of "{rung.after}" cannot be measured; write hours, days or weeks')
        elif not _is_first(node, place):
            wait = _grown(faults, rung, place, wait)


def _grown(faults: Reading, rung: Rung, place: Spot, wait: float) -> float:
    longer = wait + DEFAULT_WAIT_DAYS if rung.after is None else days_of(rung.after)[0]
    if longer <= wait:
        faults.fault(
            place,
            f'via: "after {rung.after}" is counted from the first sending and must be longer than the line before',
        )
    return longer


def _readable(node: Node) -> Iterator[tuple[Rung, Spot]]:
    """The rungs without a fault of their own; the faults of the others are told by the reader."""
    for item in node.items if isinstance(node, Listing) else (node,):
        if isinstance(item, Text):
            try:
                yield parse_rung(item.value), item
            except PhraseError:
                continue


def _is_first(node: Node, place: Spot) -> bool:
    return not isinstance(node, Listing) or node.items[0] is place


def _rungs(draft: Draft, step: Step) -> list[tuple[Rung, Spot]]:
    spot = draft.setting(step.name, "via")
    return list(_readable(spot)) if isinstance(spot, Text | Listing) else []


def _is_instant(place: object) -> bool:
    match place:
        case On(anchor):
            return anchor.name in INSTANT_ANCHORS
        case Offset(length, _, anchor):
            return length.is_short and anchor.name in INSTANT_ANCHORS
    return False
