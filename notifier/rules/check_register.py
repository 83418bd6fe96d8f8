"""Rules against the register of the day: rules that concern nobody, and limits below the worst day."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from notifier.rules.conditions import asks_of_time
from notifier.rules.read_rule import Draft
from notifier.rules.reading import Reading
from notifier.rules.rule import Condition, Conditions, Group, GroupKind, HolderHas, Line, Rule, RuleSet


@dataclass(frozen=True, slots=True)
class Busiest:
    """The day of the coming year on which a rule has the most to say at one office."""

    office: str
    day: date
    messages: int  # one for each subject; a rule that tells several recipients has more


class Register(Protocol):
    """What the check may ask of a register; who answers reads it, and writes nothing."""

    def concerns_anyone(self, rule: Rule, rules: RuleSet) -> bool:
        """Whether any subject meets the rule's lasting conditions, see `lasting`."""
        ...

    def busiest_day(self, rule: Rule, rules: RuleSet) -> Busiest | None:
        """The worst day of the coming year; None when nothing can be counted."""
        ...


def check_register(warnings: Reading, draft: Draft, register: Register, rules: RuleSet) -> None:
    """What the register says of a rule: always doubts, no faults, for tomorrow it is another one."""
    rule = draft.rule
    if not rule.enabled:
        return
    if not register.concerns_anyone(rule, rules):
        warnings.fault(
            draft.key("when" if draft.has("when") else "while" if draft.has("while") else "rule"),
            f"no {rule.subject} of the register is one for this rule; look at the spelling of its conditions",
        )
    elif rule.limit is not None:
        worst = register.busiest_day(rule, rules)
        if worst is not None and worst.messages > rule.limit:
            warnings.fault(
                draft.place("limit"),
                f"limit: on {worst.day} the office {worst.office} has about {worst.messages} messages of this rule,"
                f" one for each {rule.subject}; all of them would wait for an officer; write a higher number",
            )


def lasting(conditions: Conditions) -> Conditions:
    """The conditions without what changes by the passing of days: wider, so that "nobody" is meant for good."""
    return tuple(kept for condition in conditions if (kept := _lasting(condition)) is not None)


def _lasting(condition: Condition) -> Condition | None:
    match condition:
        case Line():
            return None if asks_of_time((condition,)) else condition
        case HolderHas(inner):
            return None if asks_of_time(inner) else condition
        case Group(GroupKind.ALL, members):
            return Group(GroupKind.ALL, tuple(lasting(member) for member in members))
        case Group(GroupKind.ANY, members):
            kept = tuple(lasting(member) for member in members)
            return Group(GroupKind.ANY, kept) if all(kept) else None
        case Group(_, members):
            return Group(GroupKind.NONE, tuple(member for member in members if not asks_of_time(member)))
    return None
