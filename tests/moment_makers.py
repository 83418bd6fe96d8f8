"""Rules, steps and calendars in few words, for the tests about time."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from notifier.calendar.data import CalendarData, load_calendar
from notifier.calendar.office import OfficeCalendar, build_calendar
from notifier.model import Channel, Office, OfficeId, SubjectKind, Value
from notifier.rules.moments import Dates, Occurrence, occurrences
from notifier.rules.rule import (
    Anchor,
    Closed,
    Deadline,
    Every,
    Halfway,
    LastWorkingDayBefore,
    Length,
    Moment,
    Offset,
    On,
    Place,
    Rule,
    RuleSet,
    Rung,
    Side,
    Step,
    Unit,
    Window,
)

FILE = Path(__file__).parent.parent / "rules" / "calendar.yaml"
WIB, WITA, WIT = ZoneInfo("Asia/Jakarta"), ZoneInfo("Asia/Makassar"), ZoneInfo("Asia/Jayapura")
NEW_YORK, AMSTERDAM = ZoneInfo("America/New_York"), ZoneInfo("Europe/Amsterdam")


@cache
def shipped() -> CalendarData:
    return load_calendar(FILE)


def an_office(code: str = "jakarta", zone: str = "Asia/Jakarta", **changes: Any) -> Office:
    return Office(OfficeId(1), code, code.title(), zone, **changes)


def a_calendar(code: str = "jakarta", zone: str = "Asia/Jakarta", **changes: Any) -> OfficeCalendar:
    return build_calendar(an_office(code, zone, **changes), shipped())


def length(phrase: str) -> Length:
    """ "14 days" and the like."""
    count, _, unit = phrase.partition(" ")
    return Length(int(count), Unit(unit.removesuffix("s")))


def anchor(word: str) -> Anchor:
    if word.startswith("holder turns "):
        return Anchor("holder turns", int(word.rpartition(" ")[2]))
    return Anchor(word)


def place(phrase: str) -> Place:
    """ "14 days before expiry", "last working day before expiry", "expiry"."""
    if phrase.startswith("last working day before "):
        return LastWorkingDayBefore(anchor(phrase.removeprefix("last working day before ")))
    for side in Side:
        head, found, tail = phrase.partition(f" {side} ")
        if found:
            return Offset(length(head), side, anchor(tail))
    return On(anchor(phrase))


def moment(phrase: str) -> Moment:
    """The phrases of the tests; the language's own parser has tests of its own."""
    head, _, tail = phrase.partition(" ")
    match head:
        case "when":
            return On(anchor(tail), event=True)
        case "on":
            return On(anchor(tail))
        case "halfway":
            return Halfway(anchor(tail.removeprefix("to ")))
        case "every":
            period, _, ends = tail.partition(" from ")
            start, _, end = ends.partition(" until ")
            return Every(length(period if period[0].isdigit() else f"1 {period}"), place(start), place(end))
        case _:
            return place(phrase)


def a_step(send: str, **changes: Any) -> Step:
    step = Step("step", moment(send), ("holder",), (Rung((Channel.SMS,)),), "template")
    return replace(step, **changes)


def a_rule(*steps: Step, deadline: str | None = None, subject: str = "permit", **changes: Any) -> Rule:
    return Rule(
        "rule", "Title", "public service", SubjectKind(subject), steps, deadline=a_deadline(deadline), **changes
    )


def a_deadline(phrase: str | None) -> Deadline | None:
    if phrase is None:
        return None
    head, found, tail = phrase.partition(" at ")
    if not found:
        return Deadline(place(head))
    if tail == "closing time":
        return Deadline(place(head), closing_time=True)
    return Deadline(place(head), at=time.fromisoformat(tail))


RULES = RuleSet(
    rules=(),
    windows={
        ("", "ITK"): Window(
            place("14 days before expiry"), place("10 days before expiry"), place("last working day before expiry")
        ),
        ("", "ITAS"): Window(
            place("30 days before expiry"), place("21 days before expiry"), place("last working day before expiry")
        ),
        ("karawang", "ITAS"): Window(
            place("3 months before expiry"),
            place("21 days before expiry"),
            place("last working day before expiry"),
        ),
    },
    documents={},
)


def day(text: str) -> date:
    return date.fromisoformat(text)


def utc(text: str, zone: ZoneInfo = WIB) -> datetime:
    """An instant written on a wall clock."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def dates(
    values: Mapping[str, Value],
    *,
    born: date | None = None,
    began: datetime | None = None,
    office: str = "jakarta",
    kind: str | None = "ITK",
) -> Dates:
    return Dates(values, born, began, office, kind)


def moments_of(
    send: str,
    given: Dates,
    calendar: OfficeCalendar,
    *,
    deadline: str | None = None,
    subject: str = "permit",
    anniversary: tuple[Length, Anchor] | None = None,
    **changes: Any,
) -> tuple[Occurrence, ...]:
    step = a_step(send, **changes)
    rule = a_rule(step, deadline=deadline, subject=subject, anniversary=anniversary)
    return occurrences(rule, step, given, calendar, RULES)


def days_of(send: str, given: Dates, calendar: OfficeCalendar, **changes: Any) -> list[str]:
    """The moved days of a step, as text."""
    return [str(one.day) for one in moments_of(send, given, calendar, **changes)]


def with_expiry(text: str, kind: str = "ITK") -> Dates:
    return dates({"expiry": day(text)}, kind=kind)


__all__ = [
    "AMSTERDAM",
    "NEW_YORK",
    "RULES",
    "WIB",
    "WIT",
    "WITA",
    "Closed",
    "a_calendar",
    "a_rule",
    "a_step",
    "an_office",
    "anchor",
    "dates",
    "day",
    "days_of",
    "length",
    "moment",
    "moments_of",
    "place",
    "shipped",
    "utc",
    "with_expiry",
]
