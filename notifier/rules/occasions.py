"""Occasions: the moments of a step in the present cycle of its anchor, or why it has none (S17-S20, S38, S44)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from notifier.model import Entry, Reason
from notifier.rules.conditions import all_hold, first_failing, first_holding, words
from notifier.rules.cycles import Cycle, cycle_of
from notifier.rules.decision import Decision, Ground, Verdict
from notifier.rules.facts import View
from notifier.rules.moments import Occurrence, occurrences, useful_until
from notifier.rules.rule import AtOnce, Moves, Rule, Step
from notifier.rules.turning import conditions_of, first_held


@dataclass(frozen=True, slots=True)
class Occasion:
    """A step's occurrence in the present cycle."""

    step: Step
    order: int
    occurrence: Occurrence
    cycle: Cycle
    useful_until: datetime

    @property
    def key(self) -> tuple[str, int, str]:
        return self.step.name, self.occurrence.number, self.cycle.key


def occasions_of(
    rule: Rule, step: Step, order: int, view: View, entries: Sequence[Entry], ground: Ground
) -> list[Occasion] | Decision:
    """The moments of one step, or the reason why it has none."""

    def none(reason: Reason, detail: str = "") -> Decision:
        return Decision(rule.name, step, Verdict.NOT, reason, detail)

    if not step.enabled:
        return none(Reason.SWITCHED_OFF)
    failing = first_failing(step.when, view)
    if failing is not None:
        return none(Reason.NOT_CONCERNED, words(failing, view))
    holding = first_holding(step.unless, view)
    if holding is not None:
        return none(Reason.POINTLESS, words(holding, view))
    found, out_of_force = moments_of(rule, step, order, view, entries, ground)
    if not found:
        if out_of_force:
            since = ground.in_force.get((rule.name, step.name))
            return none(Reason.NOT_IN_FORCE, f"before {ground.calendar.day_of(since)}" if since else "")
        return none(Reason.NO_DATE)
    return found


def moments_of(
    rule: Rule, step: Step, order: int, view: View, entries: Sequence[Entry], ground: Ground
) -> tuple[list[Occasion], bool]:
    """The moments of one step, whether or not it speaks now, and whether others lie outside the rule's time (S44)."""
    found: list[Occasion] = []
    since = ground.in_force.get((rule.name, step.name))
    bounds = (ground.calendar.day_of(since) if since else None, rule.starts)
    out_of_force = False
    for occurrence, cycle in _occurrences(rule, step, view, entries, ground):
        day = ground.calendar.day_of(occurrence.at)
        if any(bound is not None and day < bound for bound in bounds) or (rule.ends is not None and day > rule.ends):
            out_of_force = True
            continue
        short = not occurrence.is_day and not isinstance(step.send, AtOnce | Moves)
        if short and cycle.began_at is not None and occurrence.at < cycle.began_at:
            continue  # S38: a minute or hour step from before its cycle does not exist
        until = useful_until(rule, step, occurrence, view.dates, ground.calendar, ground.rules)
        found.append(Occasion(step, order, occurrence, cycle, until))
    return found, out_of_force


def _occurrences(
    rule: Rule, step: Step, view: View, entries: Sequence[Entry], ground: Ground
) -> list[tuple[Occurrence, Cycle]]:
    match step.send:
        case AtOnce():
            cycle = cycle_of(rule, view, "", None)
            if cycle is None:
                return []
            noted = next(
                (entry.moment for entry in entries if (entry.step, entry.cycle) == (step.name, cycle.key)),
                None,
            )
            at = noted or _first_instant(rule, step, view, cycle) or view.now
            return [(Occurrence(0, at, None, False, "", None), cycle)]
        case Moves():
            return _moves(rule, step.send, view)
        case _:
            counted = occurrences(rule, step, view.dates, ground.calendar, ground.rules)
            pairs = ((one, cycle_of(rule, view, one.anchor_field, one.anchor_value)) for one in counted)
            return [(occurrence, cycle) for occurrence, cycle in pairs if cycle is not None]


def _first_instant(rule: Rule, step: Step, view: View, cycle: Cycle) -> datetime | None:
    """When everything that the rule and the step ask first held in this cycle (S17)."""
    when, unless = (*rule.when, *step.when), (*rule.unless, *step.unless)

    def holds_at(instant: datetime) -> bool:
        then = replace(view, now=instant)
        return all_hold(when, then) and first_holding(unless, then) is None

    return first_held(conditions_of(rule, [step]), view, cycle.began_at, holds_at)


def _moves(rule: Rule, send: Moves, view: View) -> list[tuple[Occurrence, Cycle]]:
    """The instant at which the register saw the present value, if an earlier one was there before it (S19, S50)."""
    field = send.anchor.name
    history = view.subject.history.get(field, ())
    if len(history) < 2:
        return []
    old, new = history[-2], history[-1]
    is_move = new.value < old.value if send.earlier else new.value != old.value
    if not is_move or view.subject.facts.get(field) != new.value:
        return []
    cycle = cycle_of(rule, view, field, new.value)
    if cycle is None or (cycle.began_at is not None and cycle.began_at > new.at):
        return []
    return [(Occurrence(len(history) - 1, new.at, None, False, field, new.value), cycle)]
