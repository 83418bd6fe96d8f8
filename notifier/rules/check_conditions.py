"""Conditions that no subject can ever meet, or that all do: `when` and `unless` held against each other."""

from collections.abc import Iterator
from dataclasses import dataclass

from notifier.rules.check_logic import follows, never_both, opposite, stretch_of
from notifier.rules.conditions_parse import read_conditions
from notifier.rules.read_rule import Draft
from notifier.rules.reading import Reading, Spot
from notifier.rules.rule import (
    Condition,
    Conditions,
    Group,
    GroupKind,
    HolderHas,
    Line,
    Missing,
    OneOf,
    YesNo,
)
from notifier.rules.tree import Block, Broken, Listing, Node, Text


@dataclass(frozen=True, slots=True)
class Placed:
    """One condition and where it is written."""

    key: Text
    node: Node
    condition: Condition

    @property
    def spot(self) -> Spot:
        """The value of a line, or the key of a group."""
        is_value = isinstance(self.node, Text) or (isinstance(self.node, Listing) and isinstance(self.condition, Line))
        return self.node if is_value else self.key

    @property
    def words(self) -> str:
        """The line as it is written, for the sentence of a fault."""
        return f"{self.key.value}: {_written(self.node)}"


class ConditionChecker:
    """Checks the conditions of one rule and its steps against each other."""

    def __init__(self, faults: Reading, warnings: Reading, draft: Draft) -> None:
        self._faults = faults
        self._warnings = warnings
        self._draft = draft
        self._rule = draft.rule

    def check(self) -> None:
        """Notes every contradiction, at the later of the two lines."""
        when, unless = placed(self._draft, "when"), placed(self._draft, "unless")
        self._of_moments([*when, *unless])
        self._together([], when)
        self._stays(when)
        self._against(when, unless)
        for step in self._rule.steps:
            own_when = placed(self._draft, "when", step.name)
            own_unless = placed(self._draft, "unless", step.name)
            self._of_moments([*own_when, *own_unless])
            self._together(when, own_when)
            self._stays(own_when)
            self._against([*when, *own_when], own_unless)
            if own_when:
                self._against(own_when, unless, step.name)
            self._opposites(unless, own_unless)

    def _together(self, earlier: list[Placed], lines: list[Placed]) -> None:
        """Lines that must all hold: no two may exclude each other."""
        known = [(line, one.words) for one in earlier for line in certain(one.condition)]
        for one in lines:
            for line in certain(one.condition):
                other = next((words for there, words in known if excluded(there, line)), None)
                if other is not None:
                    self._fault(one.spot, f'"{one.words}" and "{other}" can never both hold; take one of them out')
                elif any(there == line for there, _ in known):
                    self._warnings.fault(one.spot, f'"{one.words}" is asked already; take one of the two out')
            known += [(line, one.words) for line in certain(one.condition)]
            if isinstance(one.condition, Group) and one.condition.kind is GroupKind.ANY:
                self._alternatives(one, known)

    def _alternatives(self, one: Placed, known: list[tuple[Condition, str]]) -> None:
        members = one.condition.members if isinstance(one.condition, Group) else ()
        items = one.node.items if isinstance(one.node, Listing) else ()
        if len(items) != len(members):
            return  # an alternative that could not be read is told already
        for item, member in zip(items, members, strict=True):
            for line in (line for condition in member for line in certain(condition)):
                other = next((words for there, words in known if excluded(there, line)), None)
                if other is not None:
                    self._fault(item, f'this alternative can never hold beside "{other}"; take one of them out')
                    break

    def _of_moments(self, lines: list[Placed]) -> None:
        """An anniversary is a moment of a series; which one would a condition mean?"""
        for one in lines:
            if any(isinstance(line, Line) and line.field == "anniversary" for line in certain(one.condition)):
                self._fault(
                    one.spot, 'a condition cannot ask for the anniversary; say it in the step, "send: when anniversary"'
                )

    def _stays(self, lines: list[Placed]) -> None:
        """`state:` in a rule that `while:` already narrows."""
        stays = self._rule.stays
        for one in lines if stays else ():
            if isinstance(one.condition, Line) and one.condition.field == "state":
                if never_both(OneOf(stays), one.condition.test):
                    self._fault(one.spot, f'"{one.words}" is no state of "while"; take the line out')
                elif follows(OneOf(stays), one.condition.test):
                    self._warnings.fault(one.spot, f'"{one.words}" says what "while" says; take the line out')

    def _against(self, given: list[Placed], unless: list[Placed], step: str = "") -> None:
        """Lines of `unless` that always hold when `when` does, or never."""
        facts = tuple(one.condition for one in given)
        where = f' of the step "{step}"' if step else ""
        for one in unless:
            if always(one.condition, facts):
                spot = given[0].key if step else one.spot
                self._fault(
                    spot, f'"unless" holds whenever "when"{where} does ({one.words}): nobody is told; take one out'
                )
            elif not step and self._is_idle(one, facts):
                self._warnings.fault(one.spot, f'"{one.words}" can never hold beside "when"; take the line out')

    def _is_idle(self, one: Placed, facts: Conditions) -> bool:
        lines = list(certain(one.condition))
        return any(excluded(fact, line) for condition in facts for fact in certain(condition) for line in lines)

    def _opposites(self, unless: list[Placed], own: list[Placed]) -> None:
        """A field that is excluded when it is there and excluded when it is not."""
        for one in own:
            for other in unless:
                if isinstance(one.condition, Line) and isinstance(other.condition, Line):
                    is_same = one.condition.field == other.condition.field
                    if is_same and opposite(one.condition.test) == other.condition.test:
                        self._fault(
                            one.spot, f'"{one.words}" and "{other.words}" leave nobody to tell; take one of them out'
                        )

    def _fault(self, spot: Spot, message: str) -> None:
        self._faults.fault(spot, message)


def placed(draft: Draft, key: str, step: str = "") -> list[Placed]:
    """The lines of a `when` or `unless` that could be read, each with its place; of the rule, or of a step."""
    steps = draft.tree.get("steps")
    home = (steps.get(step) if isinstance(steps, Block) else None) if step else draft.tree
    block = home.get(key) if isinstance(home, Block) else None
    found: list[Placed] = []
    for word, node in block.entries if isinstance(block, Block) else ():
        if isinstance(node, Broken):
            continue
        single = Block(((word, node),), word.line, word.column)
        read = read_conditions(Reading(""), single, draft.rule.subject, key)
        found.extend(Placed(word, node, condition) for condition in read)
    return found


def certain(condition: Condition) -> Iterator[Condition]:
    """The lines that hold whenever the condition does."""
    match condition:
        case Group(GroupKind.ALL, members):
            for member in members:
                for inner in member:
                    yield from certain(inner)
        case Group(GroupKind.ANY, (only,)):
            for inner in only:
                yield from certain(inner)
        case Group(GroupKind.NONE, members):
            for member in members:
                if len(member) == 1 and isinstance(member[0], Line) and (test := opposite(member[0].test)):
                    yield Line(member[0].field, test)
        case Line() | HolderHas():
            yield condition


def excluded(one: Condition, other: Condition) -> bool:
    """Whether the two can never hold together."""
    match one, other:
        case HolderHas(inner, negated), HolderHas(others, against):
            return inner == others and negated is not against
        case Line(field, test), Line(name, wanted) if field == name:
            return never_both(test, wanted)
        case Line(), Line():
            return _clash(one, other) or _clash(other, one)
    return False


def always(condition: Condition, facts: Conditions) -> bool:
    """Whether the condition holds for every subject for which all of the facts hold."""
    if any(_implies(fact, condition) for fact in facts):
        return True
    match condition:
        case Group(GroupKind.ANY, members):
            return any(all(always(inner, facts) for inner in member) for member in members)
        case Group(GroupKind.ALL, members):
            return all(always(inner, facts) for member in members for inner in member)
    return False


def _implies(fact: Condition, condition: Condition) -> bool:
    match fact:
        case Group(GroupKind.ANY, members):
            return all(any(_implies(inner, condition) for inner in member) for member in members)
        case Group(GroupKind.ALL, members):
            return any(_implies(inner, condition) for member in members for inner in member)
        case Line(field, test) if isinstance(condition, Line):
            return field == condition.field and follows(test, condition.test)
    return fact == condition


def _clash(one: Line, other: Line) -> bool:
    """Fields that are worked out from each other (S90)."""
    left = stretch_of(one.test)
    match one.field, one.test, other.field, other.test:
        case "extensions left", _, "extendable", YesNo(True):
            return left is not None and left.scale == "number" and left.high <= 0
        case "open case", Missing(), "case.service" | "case.state", test:
            return not isinstance(test, Missing)
        case "holder.kind", OneOf(("organisation",)), "holder.age", test:
            return not isinstance(test, Missing)
    return False


def _written(node: Node) -> str:
    match node:
        case Text(value):
            return value
        case Listing(items):
            return f"[{', '.join(map(_written, items))}]" if all(isinstance(item, Text) for item in items) else "…"
        case Block(entries) if len(entries) == 1:
            return f"{{{entries[0][0].value}: {_written(entries[0][1])}}}"
    return "…"
