"""How the steps of one rule stand to each other: ladders, order, deadline, and settings that contradict one another."""

from itertools import combinations

from notifier.model import SubjectKind
from notifier.rules.check_moments import Surroundings
from notifier.rules.conditions import asks_of_time
from notifier.rules.estimate import Estimator, Span, days_of
from notifier.rules.read_rule import Draft
from notifier.rules.reading import Reading, Spot
from notifier.rules.rule import (
    AtOnce,
    Closed,
    Every,
    Halfway,
    HolderHas,
    Length,
    Moves,
    Offset,
    Rung,
    Side,
    Step,
)
from notifier.rules.speak import say_deadline, say_moment
from notifier.rules.tree import Listing
from notifier.rules.words import did_you_mean

#: A rung without a written wait comes so long after the one before it (S70).
DEFAULT_WAIT_DAYS = 1.0


class StepChecker:
    """Checks the settings of one rule and its steps; what is doubtful but possible goes to `warnings`."""

    def __init__(self, faults: Reading, warnings: Reading, draft: Draft, around: Surroundings) -> None:
        self._faults = faults
        self._warnings = warnings
        self._draft = draft
        self._rule = draft.rule
        self._estimator = Estimator(draft.rule, around.windows_of(draft.rule))

    def check(self) -> None:
        """Notes every fault and warning."""
        self._settings_of_rule()
        for step in self._rule.steps:
            self._ladder(step)
            self._settings(step)
            self._only_after(step)
            self._end_after_start(step)
            self._before_deadline(step)
            self._crossing(step)
        self._together()
        self._order()

    def _settings_of_rule(self) -> None:
        rule, draft = self._rule, self._draft
        if rule.subject is SubjectKind.PERMIT and draft.has("while"):
            self._faults.fault(draft.key("while"), '"while" is for cases; of a permit write "status:" under "when"')
        if rule.subject is SubjectKind.PERMIT and rule.correction.is_short:
            self._faults.fault(
                draft.place("correction"), "a permit's dates are days; write correction in days or longer"
            )
        if rule.starts and rule.ends and rule.ends < rule.starts:
            self._faults.fault(draft.place("until"), f'"until" lies before "from" ({rule.starts}); exchange the two')

    def _ladder(self, step: Step) -> None:
        spot = self._draft.setting(step.name, "via")
        spots = spot.items if isinstance(spot, Listing) else (spot,)
        if len(spots) != len(step.via):
            return  # a rung that could not be read is told already
        seen: set[str] = set()
        wait = 0.0
        for number, (rung, place) in enumerate(zip(step.via, spots, strict=True)):
            for channel in rung.channels:
                if channel in seen:
                    self._faults.fault(place, f'via: "{channel}" is there twice; take one out')
                seen.add(channel)
            if number == 0 and rung.after is not None:
                self._faults.fault(
                    place, f'via: the first line leaves at the moment itself; take "after {rung.after}" out'
                )
            elif rung.after is not None and not rung.after.is_fixed:
                self._faults.fault(
                    place, f'via: a wait of "{rung.after}" cannot be measured; write hours, days or weeks'
                )
            elif number > 0:
                wait = self._grown(rung, place, wait)

    def _grown(self, rung: Rung, place: Spot, wait: float) -> float:
        longer = wait + DEFAULT_WAIT_DAYS if rung.after is None else days_of(rung.after)[0]
        if longer <= wait:
            self._faults.fault(
                place,
                f'via: "after {rung.after}" is counted from the first sending and must be longer than the line before',
            )
        return longer

    def _settings(self, step: Step) -> None:
        draft, name = self._draft, step.name
        if step.urgent and self._rule.legal_basis == "consent":
            self._faults.fault(
                draft.setting(name, "urgent"), 'what rests on consent is never urgent; take "urgent" out'
            )
        if step.closed is Closed.EARLIER and isinstance(step.send, Offset) and step.send.side is Side.AFTER:
            self._faults.fault(
                draft.setting(name, "closed"),
                f'closed: the step "{name}" comes after its date and never moves earlier; write "later" or "ignore"',
            )
        own_time = draft.place("steps", name, "time")
        if step.time is not None and _has_own_time(step) and own_time is draft.setting(name, "time"):
            self._faults.fault(own_time, f'time: "{say_moment(step.send)}" has a time of its own; take the line out')
        if step.at_most is not None and not isinstance(step.send, Every):
            self._faults.fault(
                draft.place("steps", name, "at most"), '"at most" is for "every …"; this step comes once, take it out'
            )

    def _only_after(self, step: Step) -> None:
        if step.only_after is None:
            return
        names = [key.value for key in self._draft.step_names()]
        spot = self._draft.place("steps", step.name, "only after")
        if step.only_after not in names:
            remedy = did_you_mean(step.only_after, [name for name in names if name != step.name])
            self._faults.fault(spot, f'only after: there is no step "{step.only_after}"; {remedy}')
        elif names.index(step.only_after) >= names.index(step.name):
            self._faults.fault(spot, f'only after: "{step.only_after}" comes later; name an earlier step')

    def _end_after_start(self, step: Step) -> None:
        if not isinstance(step.send, Every):
            return
        start, end = self._estimator.place(step.send.start), self._estimator.place(step.send.end)
        if start and end and _surely_after(start, end):
            self._faults.fault(
                self._draft.place("steps", step.name, "send"), 'send: "until" lies before "from"; exchange the two'
            )

    def _before_deadline(self, step: Step) -> None:
        deadline = self._rule.deadline
        if deadline is None:
            return
        end, moment = self._estimator.place(deadline.place), self._estimator.moment(step.send)
        if end and moment and _surely_after(moment, end):
            self._faults.fault(
                self._draft.place("steps", step.name, "send"),
                f'send: the step "{step.name}" comes after the deadline ({say_deadline(deadline)}) and would never'
                " leave; move one of the two",
            )

    def _crossing(self, step: Step) -> None:
        own = tuple(line for line in (*self._rule.when, *step.when) if not isinstance(line, HolderHas))
        lines = asks_of_time(own) if isinstance(step.send, AtOnce) else []
        if lines and not any(line.field == "holder.age" for line in lines):
            self._warnings.fault(
                self._draft.place("steps", step.name, "send"),
                f'"at once" waits for "{lines[0].field}" to come true; an offset says it better, like'
                f" 4 days after {lines[0].field}",
            )

    def _together(self) -> None:
        for first, second in combinations(self._rule.steps, 2):
            roles = set(first.to) & set(second.to)
            has_own = first.when or second.when or first.unless or second.unless
            if first.send == second.send and first.time == second.time and roles and not has_own:
                self._faults.fault(
                    self._draft.place("steps", second.name, "send"),
                    f'send: "{second.name}" always falls together with "{first.name}" for {sorted(roles)[0]};'
                    " change one or take it out",
                )

    def _order(self) -> None:
        """Of several due steps the newest goes, so the file should list them as the calendar does (S35)."""
        spans = [(step, self._estimator.moment(step.send)) for step in self._rule.steps]
        for (first, early), (second, late) in combinations(spans, 2):
            if isinstance(first.send, Every) or isinstance(second.send, Every) or not (early and late):
                continue
            if early.base == late.base and early.middle > late.middle and set(first.to) & set(second.to):
                self._warnings.fault(
                    self._draft.step(second.name),
                    f'the step "{second.name}" stands after "{first.name}" but its day comes first;'
                    " put the steps in the order of the calendar",
                )


def _surely_after(one: Span, other: Span) -> bool:
    return one.base == other.base and one.low > other.high


def _has_own_time(step: Step) -> bool:
    match step.send:
        case Offset(length, _, _) | Every(Length() as length, _, _):
            return length.is_short
        case AtOnce() | Moves():
            return True
        case Halfway():
            return False
    return False
