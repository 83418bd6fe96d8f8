"""Which life a step belongs to: stays of a case, values of a date, corrections and returns (S47-S55)."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tests.oracle.days import Days
from tests.oracle.reading import Plain


@dataclass(frozen=True, slots=True)
class Life:
    """A cycle (S47): the stay, the date it is counted from by its first value, the anniversary; and its beginning."""

    stay: int | None = None
    field: str | None = None
    first: date | datetime | None = None
    anniversary: int | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """A life and when it began; None: nobody remembers."""

    life: Life
    at: datetime | None


def stay_of(rule: Plain, record: Plain, days: Days) -> tuple[int, datetime] | None:
    """S54, S55: the present stay in the states of `while`, from the first entry; None when the case is in none."""
    if record["kind"] != "case":
        return None
    states = rule["while"] or [record["facts"]["state"]]
    mine = [stay for stay in record["stays"] if stay["state"] in states]
    if not mine or mine[-1]["ended"] is not None:
        return None
    begins = mine[-1]
    for before in reversed(mine[:-1]):
        if begins["began"] > returned_by(before["ended"], rule["correction"], days):
            break
        begins = before
    return begins["id"], begins["began"]


def returned_by(left: datetime, correction: tuple[int, str], days: Days) -> datetime:
    """The last instant at which coming back still belongs to the stay that was left."""
    count, unit = correction
    if unit in ("minute", "hour"):
        return left + timedelta(**{f"{unit}s": count})
    day = days.day_of(left)
    return left + (days.plus(day, correction, 1) - day)


def life_of(
    rule: Plain, record: Plain, days: Days, field: str | None, value: date | datetime | None, k: int | None = None
) -> Begun | None:
    """The present life of a step counted from `field`; without one, of `at once`."""
    if record["kind"] == "case":
        return life_in_case(rule, record, days, field, value)
    if field is None:
        field = next((name for name in ("expiry", "issue") if record["facts"].get(name) is not None), None)
        value = record["facts"].get(field) if field else None
    if field is None or value is None:
        return None
    if field == "birth date":
        return Begun(Life(field=field, first=value), None)
    first, began = lives_of_value(rule, record["history"][field], days)[-1]
    return Begun(Life(field=field, first=first, anniversary=k), began)


def lives_of_value(
    rule: Plain, history: list[tuple[date, datetime]], days: Days
) -> list[tuple[date | datetime, datetime]]:
    """S48, S49: for each value the register held, the first value of its life and when that life began."""
    opened: list[tuple[date, datetime]] = []
    found: list[tuple[date | datetime, datetime]] = []
    for value, seen in history:
        near = [
            (abs(value - first), place)
            for place, (first, _) in enumerate(opened)
            if days.plus(first, rule["correction"], -1) <= value <= days.plus(first, rule["correction"], 1)
        ]
        if not near:
            opened.append((value, seen))
        found.append(opened[min(near)[1]] if near else opened[-1])
    return found


def life_in_case(
    rule: Plain, record: Plain, days: Days, field: str | None, value: date | datetime | None
) -> Begun | None:
    """S47, S51: the stay, and the exact value of the step's own date."""
    stay = stay_of(rule, record, days) if rule["while"] else None
    if rule["while"] and stay is None:
        return None
    if field == "birth date":
        counted: tuple[str | None, date | datetime | None] = (field, value)
    elif field in (None, "state begins"):
        counted = (None, None)
    else:
        counted = (field, value)
    began = stay[1] if stay else None
    if began is None and counted[0] is not None:
        history = record["history"].get(counted[0], [])
        began = next((seen for held, seen in history if held == counted[1]), None)
    return Begun(Life(stay[0] if stay else None, *counted), began)
