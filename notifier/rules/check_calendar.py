"""Rules against the calendar: years whose holidays nobody knows yet, last days, times outside the sending hours."""

from collections.abc import Iterator, Sequence
from datetime import date, time, timedelta

from notifier.calendar.data import CalendarData
from notifier.calendar.national import is_known, last_known_year
from notifier.rules.check_moments import Surroundings
from notifier.rules.estimate import Estimator
from notifier.rules.read_rule import Draft
from notifier.rules.reading import Reading, Spot
from notifier.rules.rule import Every, LastWorkingDayBefore, Length, Offset, On, Place, Rule, Side, Step, Unit, Window
from notifier.rules.tree import Text
from notifier.rules.words import DEADLINE


def check_last_days(warnings: Reading, draft: Draft, around: Surroundings) -> None:
    """A last call on the last open day leaves a person hours: it should at least not wait for anything."""
    deadline = draft.rule.deadline
    if deadline is None:
        return
    ends = {deadline.place, *_closing(deadline.place, around.windows_of(draft.rule))}
    for step in draft.rule.steps:
        if step.urgent or not step.enabled or not step.via or not _is_on_last_open_day(step, ends):
            continue
        if all(role == "officer" or role.endswith(" desk") for role in step.to):
            continue
        warnings.fault(
            draft.place("steps", step.name, "send"),
            f'send: the step "{step.name}" is on the last open day before the deadline; write "urgent: yes",'
            " or send it earlier",
        )


def _closing(place: Place, windows: Sequence[Window]) -> set[Place]:
    is_closing = isinstance(place, On) and place.anchor.name == "window closes"
    return {window.closes for window in windows} if is_closing else set()


def _is_on_last_open_day(step: Step, ends: set[Place]) -> bool:
    match step.send:
        case LastWorkingDayBefore(anchor):
            return step.send in ends or anchor.name == DEADLINE or On(anchor) in ends
        case Offset(length, Side.BEFORE, anchor):
            is_day_before = length == Length(1, Unit.DAY)
            return is_day_before and (anchor.name == DEADLINE or On(anchor) in ends)
    return False


def check_hours(warnings: Reading, draft: Draft, calendar: CalendarData) -> None:
    """Times and slots at which nothing may leave on an ordinary day (S30, S31)."""
    for step in draft.rule.steps:
        for key, at in (("time", step.time), ("digest", step.digest.at if step.digest else None)):
            if at is not None and not calendar.sending_hours.opens <= at < calendar.sending_hours.closes:
                spot: Spot = draft.setting(step.name, key)
                warnings.fault(
                    spot,
                    f"{key}: {at:%H:%M} lies outside the sending hours ({_said(calendar.sending_hours.opens)} to"
                    f" {_said(calendar.sending_hours.closes)}); write a time between them",
                )


def _said(moment: time) -> str:
    return f"{moment:%H:%M}"


def check_years(
    warnings: Reading, drafts: Sequence[Draft], around: Surroundings, calendar: CalendarData, today: date
) -> None:
    """Names the rule that counts working days farthest into years whose holidays are not decided yet.

    `warnings` is of the calendar file, for there the remedy is written.
    """
    if not is_known(calendar.country):
        return
    known = max([last_known_year(calendar.country), *(day.year for day in calendar.joint_leave_added)])
    reaches = [
        (today + timedelta(days=days), draft)
        for draft in drafts
        if draft.rule.enabled and (days := reach(draft.rule, around.windows_of(draft.rule))) is not None
    ]
    farthest, draft = max(reaches, key=lambda each: each[0], default=(today, None))
    if draft is not None and farthest.year > known:
        warnings.fault(
            Text("", 1, 1),
            f'the rule "{draft.rule.name}" counts working days until {farthest}, and the joint leave of {known + 1}'
            ' is not known; add it under "joint leave" as soon as it is decided',
        )


def reach(rule: Rule, windows: Sequence[Window]) -> int | None:
    """How many days ahead of today a rule needs to know which days are closed; None when it counts no working days."""
    estimator = Estimator(rule, tuple(windows))
    end = estimator.place(rule.deadline.place) if rule.deadline is not None else None
    days: list[float] = []
    for step in rule.steps:
        moment = estimator.moment(step.send)
        if moment is None or not step.enabled:
            continue
        if any(_counts_working_days(place, rule, windows) for place in _places(step)):
            days.append(-moment.low)
        if rule.deadline is None or end is None or end.base != moment.base:
            continue
        if _counts_working_days(rule.deadline.place, rule, windows):
            days.append(end.high - moment.low)
    return round(max(days)) if days else None


def _places(step: Step) -> Iterator[Place]:
    match step.send:
        case Every(_, start, end):
            yield from (start, end)
        case On() | Offset() | LastWorkingDayBefore():
            yield step.send


def _counts_working_days(place: Place, rule: Rule, windows: Sequence[Window]) -> bool:
    match place:
        case LastWorkingDayBefore():
            return True
        case Offset(length, _, _) if length.unit is Unit.WORKING_DAY:
            return True
    match place.anchor.name:
        case name if name == DEADLINE and rule.deadline is not None:
            own = rule.deadline.place
            return own.anchor.name != DEADLINE and _counts_working_days(own, rule, windows)
        case "window opens":
            return any(_counts_working_days(window.opens, rule, windows) for window in windows)
        case "window closes":
            return any(_counts_working_days(window.closes, rule, windows) for window in windows)
        case "recommended day":
            return any(_counts_working_days(window.recommended, rule, windows) for window in windows)
    return False
