"""When a step speaks: its moments on the office's clock, and how long each stays useful (S12-S28, S39)."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from notifier.calendar.office import OfficeCalendar
from notifier.rules.hours import leaves_at
from notifier.rules.intervals import anchor_interval
from notifier.rules.places import (
    Dates,
    add_length,
    anchor_value,
    base_field,
    base_value,
    deadline_day,
    deadline_instant,
    elapsed,
    end_of,
    place_day,
    place_value,
)
from notifier.rules.rule import (
    AtOnce,
    Every,
    Halfway,
    LastWorkingDayBefore,
    Moves,
    Offset,
    On,
    Rule,
    RuleSet,
    Side,
    Step,
)
from notifier.rules.steps import StepView, anchor_of, anniversaries, counts_anniversaries

# One door: what a decision and the planner ask about time is here, wherever it is worked out.
__all__ = [
    "Dates",
    "Occurrence",
    "add_length",
    "anchor_interval",
    "anchor_value",
    "deadline_day",
    "deadline_instant",
    "leaves_at",
    "occurrences",
    "place_day",
    "useful_until",
]

#: How long a message without any end stays useful, counted from its moment (S39).
PATIENCE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One moment of a step for one subject, after closed days and time of day, before sending hours."""

    number: int  # 0 the only one, else 1, 2, ...: of an `every`, or the number of the anniversary
    at: datetime
    day: date | None  # the office's day, moved; None for an instant
    is_day: bool
    anchor_field: str  # the register's word of the date it counts from; "" for `at once`
    anchor_value: date | datetime | None
    anniversary: int | None = None


def occurrences(
    rule: Rule, step: Step, dates: Dates, calendar: OfficeCalendar, windows: RuleSet
) -> tuple[Occurrence, ...]:
    """Every moment of the step, in order; () without its date (S20), and for `at once` and `when … moves`.

    Days are of the office. Raises ConfigError when the office is never open.
    """
    if isinstance(step.send, AtOnce | Moves):
        return ()
    field = base_field(anchor_of(step.send), dates.office_code, dates.document_type, windows, rule)
    if field is None:
        return ()
    view = StepView(rule, step, calendar, windows)
    numbers = anniversaries(rule) if counts_anniversaries(step, rule) else (None,)
    found: list[Occurrence] = []
    for anniversary in numbers:
        these = dates if anniversary is None else replace(dates, anniversary=anniversary)
        for number, value in view.values(these):
            day = None if isinstance(value, datetime) else view.moved(value, these)
            at = value if isinstance(value, datetime) else view.at(day or value)
            found.append(Occurrence(number, at, day, day is not None, field, base_value(field, dates), anniversary))
    return tuple(found)


def useful_until(
    rule: Rule,
    step: Step,
    occurrence: Occurrence,
    dates: Dates,
    calendar: OfficeCalendar,
    windows: RuleSet,
    *,
    patience: timedelta = PATIENCE,
) -> datetime:
    """The last instant at which the message still has a point (S39), `late: … within` included."""
    if occurrence.anniversary is not None:
        dates = replace(dates, anniversary=occurrence.anniversary)
    end = deadline_instant(rule, dates, calendar, windows)
    if end is None:
        end = _natural_end(rule, step, dates, calendar, windows) or occurrence.at + patience
    within = step.late.within
    if within is None:
        return end
    if within.is_short:
        return min(end, occurrence.at + elapsed(within))
    local = occurrence.at.astimezone(calendar.zone)
    last = add_length(local.date(), within, 1, calendar)
    return min(end, calendar.instant(last, local.time()))


def _natural_end(rule: Rule, step: Step, dates: Dates, calendar: OfficeCalendar, windows: RuleSet) -> datetime | None:
    """Where a message without a deadline loses its point: at what it counts towards (S39)."""
    match step.send:
        case Every(_, _, end):
            value = place_value(end, dates, calendar, windows, rule)
        case Offset(_, Side.BEFORE, anchor) | LastWorkingDayBefore(anchor) | Halfway(anchor):
            value = anchor_value(anchor, dates, calendar, windows, rule)
        case On(anchor, event=False):
            value = anchor_value(anchor, dates, calendar, windows, rule)
        case _:
            value = None
    return None if value is None else end_of(value, calendar)
