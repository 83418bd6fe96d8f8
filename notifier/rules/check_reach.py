"""Steps that never reach anybody: what their conditions ask is over, or not yet, whenever the step could leave."""

from dataclasses import dataclass
from math import inf

from notifier.rules.check_conditions import Placed, certain, placed
from notifier.rules.check_logic import LONGEST_CLOSURE, Stretch, stretch_of
from notifier.rules.check_moments import Surroundings
from notifier.rules.estimate import Estimator
from notifier.rules.read_rule import Draft
from notifier.rules.reading import Reading
from notifier.rules.rule import (
    Anchor,
    Compare,
    Deadline,
    Every,
    Halfway,
    LastWorkingDayBefore,
    Line,
    Missing,
    Number,
    Offset,
    On,
    Place,
    Side,
    Step,
)
from notifier.rules.words import DEADLINE, HOLDER_TURNS

_DAYS_OF_YEAR = 365.2425


@dataclass(frozen=True, slots=True)
class _Life:
    """Days, counted from a date of the subject, between which a step could leave."""

    base: str
    days: Stretch


class ReachChecker:
    """Checks each step of one rule against the conditions of rule and step."""

    def __init__(self, faults: Reading, draft: Draft, around: Surroundings) -> None:
        self._faults = faults
        self._draft = draft
        self._rule = draft.rule
        self._estimator = Estimator(draft.rule, around.windows_of(draft.rule))

    def check(self) -> None:
        """Notes every step that would never leave, at its moment or its recipients."""
        when, unless = placed(self._draft, "when"), placed(self._draft, "unless")
        for step in self._rule.steps:
            wanted = [*when, *placed(self._draft, "when", step.name)]
            refused = [*unless, *placed(self._draft, "unless", step.name)]
            self._date(step, wanted)
            self._recipients(step, wanted)
            self._too_late_in_the_day(step)
            life = self._life(step)
            if life is not None:
                self._in_time(step, life, wanted, refused)

    def _date(self, step: Step, wanted: list[Placed]) -> None:
        """A step counted from a date that must not be there."""
        for name in self._dates_of(step):
            for one in wanted:
                if any(line == Line(name, Missing()) for line in certain(one.condition)):
                    self._fault(
                        step, "send", f'the step "{step.name}" counts from "{name}", and "{one.words}" leaves none'
                    )
                    return

    def _dates_of(self, step: Step) -> list[str]:
        anchors = _anchors(step)
        spans = [self._estimator.anchor(anchor) for anchor in anchors]
        return list(
            dict.fromkeys([*(anchor.name for anchor in anchors), *(span.base for span in spans if span is not None)])
        )

    def _recipients(self, step: Step, wanted: list[Placed]) -> None:
        """`sponsor: missing` in a rule that speaks to the sponsor only."""
        if len(step.to) != 1:
            return
        for one in wanted:
            if any(line == Line(step.to[0], Missing()) for line in certain(one.condition)):
                self._faults.fault(
                    self._draft.setting(step.name, "to"),
                    f'to: "{one.words}" leaves no {step.to[0]} to tell; name another recipient',
                )

    def _too_late_in_the_day(self, step: Step) -> None:
        """A deadline with a time, and a step on that very day at a later one."""
        deadline = self._rule.deadline
        if deadline is None or deadline.at is None or step.time is None or not _is_same_day(step, deadline):
            return
        if step.time >= deadline.at:
            self._fault(
                step,
                "time",
                f'time: the step "{step.name}" leaves at {step.time:%H:%M}, after the deadline'
                f" ({deadline.at:%H:%M} of the same day); write an earlier time",
            )

    def _in_time(self, step: Step, life: _Life, wanted: list[Placed], refused: list[Placed]) -> None:
        for one in wanted:
            stretch = _days_asked(one, life.base)
            if stretch is not None and stretch.misses(life.days):
                self._fault(
                    step, "send", f'send: "{one.words}" never holds when the step "{step.name}" could leave; change one'
                )
                return
        for one in refused:
            stretch = _days_asked(one, life.base, sure=True)
            if stretch is not None and life.days.lies_in(stretch):
                self._fault(
                    step,
                    "send",
                    f'send: "unless" holds whenever the step "{step.name}" could leave ({one.words}); change one',
                )
                return

    def _life(self, step: Step) -> _Life | None:
        """From the earliest day the step can be planned for to the last one on which it is useful (S39)."""
        moment = self._estimator.moment(step.send)
        if moment is None:
            return None
        low = moment.low - (LONGEST_CLOSURE if _moves_earlier(step) else 0)
        return _Life(moment.base, Stretch("today", low, self._end(step, moment.base)))

    def _end(self, step: Step, base: str) -> float:
        ends: list[Place] = []
        if self._rule.deadline is not None:
            ends = [self._rule.deadline.place]
        else:
            match step.send:
                case Every(_, _, end):
                    ends = [end]
                case Offset(_, Side.BEFORE, anchor) | LastWorkingDayBefore(anchor) | On(anchor, event=False):
                    ends = [On(anchor)]
        spans = [span for span in map(self._estimator.place, ends) if span is not None and span.base == base]
        return min((span.high for span in spans), default=inf)

    def _fault(self, step: Step, key: str, message: str) -> None:
        self._faults.fault(self._draft.setting(step.name, key), message)


def _days_asked(one: Placed, base: str, *, sure: bool = False) -> Stretch | None:
    """The days on which a line holds, counted from the step's own base date; None for another date's line."""
    for line in certain(one.condition):
        if not isinstance(line, Line):
            continue
        stretch = stretch_of(line.test, sure=sure)
        if line.field == base and stretch is not None and stretch.scale == "today":
            return stretch
        if line.field == "holder.age" and base == "birth date" and isinstance(line.test, Number) and stretch:
            return _as_days(line.test.compare, stretch)
    return None


def _as_days(compare: Compare, age: Stretch) -> Stretch:
    """An age in whole years as days since birth."""
    low = age.low * _DAYS_OF_YEAR
    high = (age.high + 1) * _DAYS_OF_YEAR - 1
    return Stretch("today", low if compare is not Compare.LESS_THAN else -inf, high)


def _anchors(step: Step) -> list[Anchor]:
    match step.send:
        case Every(_, start, end):
            return [start.anchor, end.anchor]
        case On(anchor) | Offset(_, _, anchor) | LastWorkingDayBefore(anchor) | Halfway(anchor):
            return [anchor]
    return []


def _moves_earlier(step: Step) -> bool:
    match step.send:
        case Offset(_, Side.AFTER, _) | On(Anchor(name=_), event=True):
            return False
    return True


def _is_same_day(step: Step, deadline: Deadline) -> bool:
    match step.send:
        case On(Anchor(name)) if name == DEADLINE:
            return True
        case On() | LastWorkingDayBefore():
            return step.send == deadline.place or (
                isinstance(step.send, On)
                and On(step.send.anchor) == deadline.place
                and step.send.anchor.name != HOLDER_TURNS
            )
        case Offset(length):
            return step.send == deadline.place and not length.is_short
    return False
