"""How the steps of one rule stand to each other: order, deadline, and settings that contradict one another."""

from itertools import combinations

from notifier.model import SubjectKind
from notifier.rules.check_moments import Surroundings
from notifier.rules.conditions import asks_of_time
from notifier.rules.estimate import Estimator, Span
from notifier.rules.read_rule import Draft
from notifier.rules.reading import Reading, Spot
from notifier.rules.rule import (
    Ago,
    Anchor,
    AtOnce,
    Closed,
    Every,
    Halfway,
    HolderHas,
    LastWorkingDayBefore,
    Length,
    Line,
    Moment,
    Moves,
    Offset,
    On,
    Side,
    Step,
    Unit,
    Within,
    WithinLast,
)
from notifier.rules.speak import say_deadline, say_moment
from notifier.rules.words import DEADLINE, did_you_mean, listed


class StepChecker:
    """Checks the settings of one rule and its steps; what is doubtful but possible goes to `warnings`."""

    def __init__(self, faults: Reading, warnings: Reading, draft: Draft, around: Surroundings) -> None:
        self._faults = faults
        self._warnings = warnings
        self._draft = draft
        self._rule = draft.rule
        self._told: list[Spot] = []
        self._estimator = Estimator(draft.rule, around.windows_of(draft.rule))

    def check(self) -> None:
        """Notes every fault and warning."""
        self._settings_of_rule()
        for step in self._rule.steps:
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

    def _settings(self, step: Step) -> None:
        draft, name = self._draft, step.name
        if step.urgent and self._rule.legal_basis == "consent":
            self._faults.fault(
                draft.setting(name, "urgent"), 'what rests on consent is never urgent; take "urgent" out'
            )
        self._closed(step)
        own_time = draft.place("steps", name, "time")
        if step.time is not None and _has_own_time(step) and own_time is draft.setting(name, "time"):
            self._faults.fault(own_time, f'time: "{say_moment(step.send)}" has a time of its own; take the line out')
        if step.at_most is not None and not isinstance(step.send, Every):
            self._faults.fault(
                draft.place("steps", name, "at most"), '"at most" is for "every …"; this step comes once, take it out'
            )

    def _closed(self, step: Step) -> None:
        spot = self._draft.setting(step.name, "closed")
        if step.closed is Closed.EARLIER and isinstance(step.send, Offset) and step.send.side is Side.AFTER:
            if spot not in self._told:
                self._told.append(spot)  # a line of the rule is wrong once, however many steps it is for
                self._faults.fault(
                    spot,
                    f'closed: the step "{step.name}" comes after its date and never moves earlier;'
                    ' write "later" or "ignore"',
                )
            return
        is_own = spot is self._draft.place("steps", step.name, "closed")
        if is_own and step.closed in (Closed.EARLIER, Closed.LATER) and _never_moves(step):
            self._faults.fault(
                spot, f'closed: "{say_moment(step.send)}" is never moved by a closed day; take the line out'
            )

    def _only_after(self, step: Step) -> None:
        if step.only_after is None:
            return
        names = [key.value for key in self._draft.step_names()]
        spot = self._draft.place("steps", step.name, "only after")
        if step.only_after not in names:
            remedy = did_you_mean(step.only_after, [name for name in names if name != step.name])
            self._faults.fault(spot, f'only after: there is no step "{step.only_after}"; {remedy}')
        elif step.only_after == step.name:
            self._faults.fault(spot, "only after: a step cannot wait for itself; name an earlier step")
        elif names.index(step.only_after) > names.index(step.name):
            self._faults.fault(spot, f'only after: "{step.only_after}" comes later; name an earlier step')
        else:
            self._after(step, spot)

    def _after(self, step: Step, spot: Spot) -> None:
        """What keeps a step that another one must come before from ever leaving (S86)."""
        first = next((other for other in self._rule.steps if other.name == step.only_after), None)
        if first is None:
            return  # it could not be read
        early, late = self._estimator.moment(first.send), self._estimator.moment(step.send)
        if first.to and step.to and not set(first.to) & set(step.to):
            self._faults.fault(
                spot, f'only after: "{first.name}" tells {listed(first.to)}, this step others; give both a recipient'
            )
        elif step.enabled and not first.enabled:
            self._faults.fault(
                spot, f'only after: "{first.name}" is switched off, so this step never leaves; switch both'
            )
        elif early and late and _surely_after(early, late):
            self._faults.fault(
                spot, f'only after: the day of "{first.name}" comes after that of "{step.name}"; exchange the two'
            )

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
                f" {_offset(lines[0])}",
            )

    def _together(self) -> None:
        for first, second in combinations(self._rule.steps, 2):
            roles = set(first.to) & set(second.to)
            is_one_time = first.time == second.time and self._said(first.send) == self._said(second.send)
            is_one_matter = first.when == second.when and first.unless == second.unless
            if is_one_time and is_one_matter and roles and first.enabled and second.enabled:
                self._faults.fault(
                    self._draft.place("steps", second.name, "send"),
                    f'send: "{second.name}" always falls together with "{first.name}" for {sorted(roles)[0]};'
                    " change one or take it out",
                )

    def _said(self, moment: Moment) -> Moment:
        """The moment in one spelling: 14 days for 2 weeks, the date itself for the deadline that is one."""
        match moment:
            case Offset(length, side, anchor):
                return Offset(_plain(length), side, self._date(anchor))
            case On(anchor, event):
                return On(self._date(anchor), event)
            case LastWorkingDayBefore(anchor):
                return LastWorkingDayBefore(self._date(anchor))
        return moment

    def _date(self, anchor: Anchor) -> Anchor:
        deadline = self._rule.deadline
        is_date = anchor.name == DEADLINE and deadline is not None and isinstance(deadline.place, On)
        return deadline.place.anchor if is_date and deadline is not None else anchor

    def _order(self) -> None:
        """Of several due steps the newest goes, so the file should list them as the calendar does (S35)."""
        spans = [(step, self._estimator.moment(step.send)) for step in self._rule.steps]
        for (first, early), (second, late) in combinations(spans, 2):
            if isinstance(first.send, Every) or isinstance(second.send, Every) or not (early and late):
                continue
            if second.only_after == first.name:
                continue  # told as a fault there
            if early.base == late.base and early.middle > late.middle and set(first.to) & set(second.to):
                self._warnings.fault(
                    self._draft.step(second.name),
                    f'the step "{second.name}" stands after "{first.name}" but its day comes first;'
                    " put the steps in the order of the calendar",
                )


def _plain(length: Length) -> Length:
    match length.unit:
        case Unit.WEEK:
            return Length(7 * length.count, Unit.DAY)
        case Unit.YEAR:
            return Length(12 * length.count, Unit.MONTH)
        case Unit.HOUR:
            return Length(60 * length.count, Unit.MINUTE)
    return length


def _offset(line: Line) -> str:
    """The moment at which a line about time comes true, as a step says it."""
    match line.test:
        case Within(length):
            return f"{length} before {line.field}"
        case WithinLast():
            return f"on {line.field}"
        case Ago(length):
            return f"{length} after {line.field}"
    return f"1 day after {line.field}"


def _never_moves(step: Step) -> bool:
    """Whether closed days move the moment at all (S25)."""
    match step.send:
        case Offset(length, _, _):
            return length.is_short or length.unit is Unit.WORKING_DAY
        case Every(Length(1, Unit.WORKING_DAY), _, _) | LastWorkingDayBefore() | AtOnce() | Moves():
            return True
    return False


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
