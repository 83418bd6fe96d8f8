"""Together, how many, who may (S77-S86): settings of one rule that contradict each other or come to nothing."""

from notifier.rules.estimate import Estimator, days_of
from notifier.rules.read_rule import Draft
from notifier.rules.reading import Reading
from notifier.rules.rule import Every, LatePolicy, Length, Offset, Step
from notifier.rules.speak import say_moment
from notifier.rules.steps import MOST_OCCURRENCES


class MeasureChecker:
    """Checks digest, limit, approval, cap, fold and the lengths of a series; doubts go to `warnings`."""

    def __init__(self, faults: Reading, warnings: Reading, draft: Draft, estimator: Estimator) -> None:
        self._faults = faults
        self._warnings = warnings
        self._draft = draft
        self._rule = draft.rule
        self._estimator = estimator

    def check(self) -> None:
        """Notes every fault and warning."""
        self._of_rule()
        for step in self._rule.steps:
            self._digest(step)
            self._fold(step)
            self._series(step)

    def _of_rule(self) -> None:
        rule, draft = self._rule, self._draft
        short = next((step for step in rule.steps if is_short(step)), None)
        for key, is_set in (("limit", rule.limit is not None), ("approval", rule.approval)):
            if is_set and short is not None:
                self._faults.fault(
                    draft.key(key),
                    f'{key}: batches are of a day, and "{short.name}" ({say_moment(short.send)}) cannot wait for them;'
                    " take the line out or give the step a rule of its own",
                )
        if rule.limit is not None and rule.approval:
            self._warnings.fault(
                draft.key("limit"), 'limit: "approval" holds every batch, so the limit is never asked; take one out'
            )
        if rule.cap is not None and rule.cap.within.is_short:
            self._faults.fault(draft.place("cap"), f'cap: "{rule.cap.within}" is too short; write days or longer')
        if rule.cap is not None and all(_is_office(role) for step in rule.steps for role in step.to):
            self._warnings.fault(
                draft.key("cap"), "cap: counts for persons, and this rule tells the office only; take the line out"
            )
        if rule.separate and any(step.digest for step in rule.steps):
            self._warnings.fault(
                draft.key("separate"),
                "separate: what the digest gathers would leave one by one at its slot; take one of the two out",
            )

    def _digest(self, step: Step) -> None:
        if step.digest is None:
            return
        spot = self._draft.setting(step.name, "digest")
        if is_short(step):
            self._faults.fault(
                spot,
                f'digest: the step "{step.name}" ({say_moment(step.send)}) waits for no slot; take one of them out',
            )
        elif step.urgent:
            self._faults.fault(
                spot, f'digest: the step "{step.name}" is urgent and never waits for a slot; take one of them out'
            )

    def _fold(self, step: Step) -> None:
        if step.late.policy is not LatePolicy.FOLD:
            return
        spot = self._draft.setting(step.name, "late")
        names = [other.name for other in self._rule.steps]
        later = self._rule.steps[names.index(step.name) + 1 :]
        if step.urgent:
            self._faults.fault(spot, f'late: the step "{step.name}" is urgent and waits for nothing; take "fold" out')
        elif self._rule.separate:
            self._warnings.fault(
                spot,
                'late: "fold" waits to be told with a later message, and "separate: yes" never joins any; '
                "take one of the two out",
            )
        elif step.digest is None and not any(set(step.to) & set(other.to) for other in later):
            self._warnings.fault(
                spot, f'late: "fold" waits for a later message, and none comes after "{step.name}"; write "newest"'
            )

    def _series(self, step: Step) -> None:
        every = step.send
        if not isinstance(every, Every):
            return
        start, end = self._estimator.place(every.start), self._estimator.place(every.end)
        if start is None or end is None or start.base != end.base:
            return
        shortest, longest = days_of(every.period)
        spot = self._draft.place("steps", step.name, "send")
        if end.high >= start.low and shortest > end.high - start.low:
            self._warnings.fault(
                spot, f'send: "every {every.period}" comes once only between "from" and "until"; name the day itself'
            )
        times = step.at_most or (end.low - start.high) / longest
        if times > MOST_OCCURRENCES:
            self._faults.fault(
                spot, f"send: this comes more than {MOST_OCCURRENCES} times; write a longer period or a nearer end"
            )


def is_short(step: Step) -> bool:
    """Whether the step is counted in minutes or hours, so that no day's batch and no slot fits it."""
    match step.send:
        case Offset(Length() as length, _, _) | Every(Length() as length, _, _):
            return length.is_short
    return False


def _is_office(role: str) -> bool:
    return role == "officer" or role.endswith(" desk")
