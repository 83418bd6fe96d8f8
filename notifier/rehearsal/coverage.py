"""What the tests have seen of the rules: steps that left, and lines of `unless` that silenced something."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from notifier.model import Reason
from notifier.rehearsal.answers import Said
from notifier.rules.rule import Condition, Group, HolderHas, Line, Rule, RuleSet

#: (rule, step).
StepOf = tuple[str, str]
#: (rule, a line of its `unless` in words).
LineOf = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What there is to see, and what was seen; in the order of the rules."""

    rules: tuple[str, ...]
    steps: tuple[StepOf, ...]
    unseen_steps: tuple[StepOf, ...]
    lines: tuple[LineOf, ...]
    unseen_lines: tuple[LineOf, ...]

    @property
    def percent(self) -> int:
        """Steps seen to leave, of a hundred; rounded down, so that only all of them are 100."""
        if not self.steps:
            return 100
        return 100 * (len(self.steps) - len(self.unseen_steps)) // len(self.steps)


def cover(
    rules: RuleSet, tested: Iterable[str], on: Iterable[StepOf], seen: Iterable[StepOf], silenced: Iterable[LineOf]
) -> Coverage:
    """Compare what was seen with the rules of the names `tested`; `on` are steps switched on by a test alone."""
    names, switched_on, left, ended = set(tested), set(on), set(seen), set(silenced)
    chosen = [rule for rule in rules.rules if rule.name in names]
    steps = dict.fromkeys(
        (rule.name, step.name)
        for rule in chosen
        for step in rule.steps
        if (rule.enabled and step.enabled) or (rule.name, step.name) in switched_on
    )
    with_steps = {name for name, _ in steps}
    unless = dict.fromkeys(line for rule in chosen if rule.name in with_steps for line in lines_of(rule))
    return Coverage(
        rules=tuple(dict.fromkeys(rule.name for rule in chosen)),
        steps=tuple(steps),
        unseen_steps=tuple(step for step in steps if step not in left),
        lines=tuple(unless),
        unseen_lines=tuple(line for line in unless if line not in ended),
    )


def lines_of(rule: Rule) -> list[LineOf]:
    """Every line of `unless` of a rule and its steps, in words."""
    conditions = [*rule.unless, *(line for step in rule.steps for line in step.unless)]
    return [(rule.name, in_words(one)) for one in conditions]


def in_words(condition: Condition) -> str:
    """A line as coverage names it: its field, or what `explain` says of a group."""
    match condition:
        case Line(field, _):
            return field
        case Group(kind, _):
            return f"{kind} of a group"
        case HolderHas(_, negated):
            return "holder has another such permit" if negated else "holder has no such permit"
    raise AssertionError(condition)


def silenced(rule: Rule, said: Sequence[Said]) -> set[LineOf]:
    """Which lines of `unless` were the reason of a silence."""
    prefix = f"{Reason.POINTLESS}: "
    details = [one.reason.removeprefix(prefix) for one in said if one.reason.startswith(prefix)]
    return {
        line for line in lines_of(rule) for detail in details if detail == line[1] or detail.startswith(f"{line[1]}: ")
    }
