"""Which life of an anchor a step belongs to: corrections stay, renewals and re-entries begin anew (S46-S55)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from notifier.calendar.office import OfficeCalendar
from notifier.model import Seen, SubjectKind
from notifier.rules.facts import View, present_stay
from notifier.rules.moments import add_length
from notifier.rules.rule import Length, Rule


@dataclass(frozen=True, slots=True)
class Cycle:
    """One life: its key in the ledger, and when it began (None: the register always held it)."""

    key: str
    began_at: datetime | None


def cycle_of(rule: Rule, view: View, field: str, value: date | datetime | None) -> Cycle | None:
    """The cycle of a step counted from `field`, or None when there is none now (no stay, nothing to count from)."""
    if rule.subject is SubjectKind.CASE:
        return _case_cycle(rule, view, field, value)
    if field == "":
        return _permit_at_once(rule, view)
    if value is None:
        return None
    if field == "birth date":
        return Cycle(f"birth date={value.isoformat()}", None)
    return _permit_cycle(field, value, rule, view)


def _permit_at_once(rule: Rule, view: View) -> Cycle | None:
    """`at once` of a permit: the cycle of its expiry, else of its issue (S47)."""
    for field in ("expiry", "issue"):
        value = view.subject.facts.get(field)
        if isinstance(value, date):
            return _permit_cycle(field, value, rule, view)
    return None


def _permit_cycle(field: str, value: date | datetime, rule: Rule, view: View) -> Cycle:
    """Walk through the values the register has held: each joins a cycle within the tolerance or opens one (S48)."""
    history = view.subject.history.get(field, ())
    if not history or history[-1].value != value:
        history = (*history, Seen(value, view.now))
    return _last_cycle(field, history, rule, view)


def _last_cycle(field: str, history: Sequence[Seen], rule: Rule, view: View) -> Cycle:
    cycles: list[Seen] = []
    present = history[0]
    for seen in history:
        joined = nearest(cycles, seen.value, rule.correction, view.calendar)
        if joined is None:
            cycles.append(seen)
        present = joined or seen
    return Cycle(f"{field}={present.value.isoformat()}", present.at)


def cycle_before_move(rule: Rule, view: View, field: str) -> str:
    """The part of a key that names the cycle of the value before the present one (S19); there must be such a value."""
    history = view.subject.history[field]
    if rule.subject is SubjectKind.CASE:
        return f"{field}={history[-2].value.isoformat()}"
    return _last_cycle(field, history[:-1], rule, view).key


def nearest(cycles: Sequence[Seen], value: date, tolerance: Length, calendar: OfficeCalendar) -> Seen | None:
    """The cycle whose first value is within the tolerance of the value: nearest first value, then the older (S49)."""
    within = [
        cycle
        for cycle in cycles
        if add_length(_day(cycle.value, calendar), tolerance, -1, calendar)
        <= _day(value, calendar)
        <= add_length(_day(cycle.value, calendar), tolerance, 1, calendar)
    ]
    return min(within, key=lambda cycle: abs(_day(cycle.value, calendar) - _day(value, calendar)), default=None)


def _day(value: date, calendar: OfficeCalendar) -> date:
    return calendar.day_of(value) if isinstance(value, datetime) else value


def _case_cycle(rule: Rule, view: View, field: str, value: date | datetime | None) -> Cycle | None:
    """A case has no tolerance: any change of an appointment or deadline is a new cycle (S51)."""
    began: datetime | None = None
    parts: list[str] = []
    if rule.stays:
        stay = present_stay(view, rule.stays)
        if stay is None:
            return None
        parts.append(f"stay={stay[0]}")
        began = stay[1]
    if field not in ("", "state begins") and value is not None:
        parts.append(f"{field}={value.isoformat()}")
        if began is None:
            began = next((seen.at for seen in view.subject.history.get(field, ()) if seen.value == value), None)
    return Cycle(";".join(parts), began) if parts else None
