"""A parsed phrase said again in the words of the language: for `explain`, for warnings, and to prove the parser."""

from datetime import time

from notifier.rules.rule import (
    AtOnce,
    Deadline,
    Every,
    Halfway,
    LastWorkingDayBefore,
    Late,
    Length,
    Moment,
    Moves,
    Offset,
    On,
    Place,
    Rung,
)
from notifier.rules.words import EVENTS


def say_moment(moment: Moment) -> str:
    """The phrase of a step's `send:`; parsing it gives the moment back."""
    match moment:
        case AtOnce():
            return "at once"
        case On(anchor):
            return f"{'when' if anchor.name in EVENTS else 'on'} {anchor}"
        case Halfway(anchor):
            return f"halfway to {anchor}"
        case Moves(anchor, earlier):
            return f"when {anchor} moves{' earlier' if earlier else ''}"
        case Every(period, start, end):
            return f"every {_say_period(period)} from {say_place(start)} until {say_place(end)}"
        case Offset() | LastWorkingDayBefore():
            return say_place(moment)


def say_place(place: Place) -> str:
    """The phrase of a place: a deadline, a window, the end of an `every`."""
    match place:
        case On(anchor):
            return str(anchor)
        case Offset(length, side, anchor):
            return f"{length} {side} {anchor}"
        case LastWorkingDayBefore(anchor):
            return f"last working day before {anchor}"


def say_deadline(deadline: Deadline) -> str:
    """The phrase of a rule's `deadline:`."""
    if deadline.closing_time:
        return f"{say_place(deadline.place)} at closing time"
    return f"{say_place(deadline.place)}{'' if deadline.at is None else f' at {say_time(deadline.at)}'}"


def say_rung(rung: Rung) -> str:
    """One line of `via:`."""
    return " and ".join(rung.channels) + ("" if rung.after is None else f" after {rung.after}")


def say_late(late: Late) -> str:
    """The phrase of `late:`."""
    return late.policy + ("" if late.within is None else f" within {late.within}")


def say_time(moment: time) -> str:
    """A time of the day as rules write it."""
    return moment.strftime("%H:%M")


def _say_period(period: Length) -> str:
    return str(period.unit) if period.count == 1 else str(period)
