"""What `when` and `unless` mean for one record at one instant (S4, S14, S56, S87-S92)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from tests.oracle.days import Days
from tests.oracle.reading import LENGTH, Plain, length

OPERATORS = ("at least", "at most", "less than", "more than")
OVER = {
    *("collected", "issued", "uncollected cancelled", "rejected"),
    *("lapsed", "cancelled", "abandoned", "closed"),
}
DOCUMENTS: Mapping[str, Mapping[str, Any]] = {
    "passport": {"extendable": False, "next": [], "services": ["passport"]},
    "ITK": {"extendable": True, "next": ["ITAS"], "services": ["visit permit extension"]},
    "ITAS": {"extendable": True, "next": ["ITAP"], "services": ["limited stay permit", "change of status"]},
    "ITAP": {"extendable": True, "next": [], "services": ["permanent stay permit", "change of status"]},
}


@dataclass(slots=True)
class Asked:
    """A record as it is known now, the instant, and the calendar of its office."""

    record: Plain
    now: datetime
    days: Days
    began: datetime | None = None  # of the present stay
    recommended: date | None = None

    @property
    def today(self) -> date:
        return self.days.day_of(self.now)


def every_line(lines: list[tuple[str, Any]], asked: Asked) -> bool:
    """S87: `when`, `all` and each mapping."""
    return all(line_holds(key, test, asked) for key, test in lines)


def any_line(lines: list[tuple[str, Any]], asked: Asked) -> bool:
    """S87: `unless`."""
    return any(line_holds(key, test, asked) for key, test in lines)


def line_holds(key: str, test: Any, asked: Asked) -> bool:
    """One line: a group, another permit of the holder (S92), or a field."""
    if key == "any":
        return any(every_line(member, asked) for member in test)
    if key == "all":
        return all(every_line(member, asked) for member in test)
    if key == "none":
        return not any(every_line(member, asked) for member in test)
    if key in ("holder has", "holder has no"):
        has = any(every_line(test, another(facts, asked)) for facts in asked.record["others"])
        return has is (key == "holder has")
    return passes(field(key, asked), test, asked)


def another(facts: Plain, asked: Asked) -> Asked:
    """S92: the same question, about another permit of the holder."""
    record = {**asked.record, "facts": facts, "others": [], "cases": []}
    return Asked(record, asked.now, asked.days)


def field(name: str, asked: Asked) -> Any:
    """The value of a field, None when it is missing (S88, S90)."""
    record, facts, holder = asked.record, asked.record["facts"], asked.record["holder"]
    match name:
        case "status":
            return "renewed" if renewed(asked) else facts.get("status")
        case "extendable":
            stored = facts.get("extendable")
            if facts.get("extensions left") == 0:
                return False
            return stored if stored is not None else DOCUMENTS[facts["type"]]["extendable"]
        case "open case":
            return open_case(record)
        case "case.service" | "case.state":
            found = open_case(record)
            return found and found[name[5:]]
        case "payment time":
            due = facts.get("payment deadline")
            return due - asked.began if due is not None and asked.began is not None else None
        case "recommended day":
            return asked.recommended
        case "holder.age":
            return age(holder["born"], asked.today) if holder["born"] else None
        case "holder.nationality" | "holder.language" | "holder.kind":
            return holder[name[7:]]
        case "holder" | "sponsor" | "guardian" | "agent" | "payer" | "officer":
            return next((True for role in record["roles"] if role["role"] == name and counts(role, asked.today)), None)
        case _:
            return facts.get(name)


def counts(role: Plain, day: date) -> bool:
    """S57: within its validity, both days included."""
    return (role["from"] or day) <= day <= (role["until"] or day)


def open_case(record: Plain) -> Plain | None:
    """S92: a case of the holder, not closed, for a service that issues this document type."""
    services = DOCUMENTS.get(str(record["facts"].get("type")), {}).get("services", [])
    return next((one for one in record["cases"] if one["service"] in services and one["state"] not in OVER), None)


def renewed(asked: Asked) -> bool:
    """S56: another one of the same type or a successor, issued later and ending later."""
    facts = asked.record["facts"]
    if "type" not in facts or facts.get("issue") is None or facts.get("expiry") is None:
        return False
    heirs = [facts["type"], *DOCUMENTS[facts["type"]]["next"]]
    return any(
        other["type"] in heirs
        and other.get("issue") is not None
        and other.get("expiry") is not None
        and other["issue"] > facts["issue"]
        and other["expiry"] > facts["expiry"]
        for other in asked.record["others"]
    )


def birthday(born: date, years: int) -> date:
    """S14: 29 February becomes the 28th in common years."""
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        return date(born.year + years, 2, 28)


def age(born: date, day: date) -> int:
    """S14: the greatest N whose birthday has come."""
    years = day.year - born.year
    return years if birthday(born, years) <= day else years - 1


def passes(value: Any, test: Any, asked: Asked) -> bool:
    """S88, S89, S91; two values only."""
    if test == "missing":
        return value is None
    if value is None:
        return False
    if test == "exists":
        return True
    if isinstance(test, dict):
        return spoken(value) not in (test["not"] if isinstance(test["not"], list) else [test["not"]])
    if isinstance(test, list):
        return spoken(value) in test
    if isinstance(value, timedelta):
        return measured(value, test)
    if isinstance(value, date):
        return in_time(value, test, asked)
    if isinstance(value, int) and not isinstance(value, bool):
        return counted(value, test)
    return spoken(value) == test


def spoken(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def counted(value: int, test: str) -> bool:
    """A number against `3`, `at least 3` and so on."""
    operator = next((one for one in OPERATORS if test.startswith(one)), "")
    wanted = int(test.removeprefix(operator))
    return {
        "": value == wanted,
        "at least": value >= wanted,
        "at most": value <= wanted,
        "less than": value < wanted,
        "more than": value > wanted,
    }[operator]


def measured(value: timedelta, test: str) -> bool:
    """A stretch of time against `at least 24 hours`."""
    operator = next(one for one in OPERATORS if test.startswith(one))
    wanted = stretch(length(test.removeprefix(f"{operator} ")))
    return {
        "at least": value >= wanted,
        "at most": value <= wanted,
        "less than": value < wanted,
        "more than": value > wanted,
    }[operator]


def stretch(counted_: tuple[int, str]) -> timedelta:
    """Elapsed time of minutes, hours, days or weeks."""
    count, unit = counted_
    return timedelta(**{f"{unit}s": count})


def in_time(value: date, test: str, asked: Asked) -> bool:
    """S4, S91: days with today, minutes and hours with now."""
    days, now, today = asked.days, asked.now, asked.today
    day = days.day_of(value) if isinstance(value, datetime) else value
    if test == "past":
        return value < now if isinstance(value, datetime) else today > value
    if found := re.fullmatch(r"(before|after) (\d{4}-\d\d-\d\d)", test):
        fixed = date.fromisoformat(found[2])
        return day < fixed if found[1] == "before" else day > fixed
    found = re.fullmatch(rf"(?P<how>within last|within|beyond|more than) {LENGTH}(?: ago)?", test)
    assert found, test
    how, size = found["how"], (int(found["count"]), found["unit"])
    if size[1] in ("minute", "hour"):
        assert isinstance(value, datetime)
        before, after = value - stretch(size), value + stretch(size)
        return compared(how, before, value, after, now)
    return compared(how, days.plus(day, size, -1), day, days.plus(day, size, 1), today)


def compared(how: str, before: Any, x: Any, after: Any, today: Any) -> bool:
    """S91, word for word: before is X - D, after is X + D."""
    match how:
        case "within":
            return bool(before <= today <= x)
        case "beyond":
            return bool(today < before)
        case "within last":
            return bool(x <= today <= after)
        case _:
            return bool(today > after)


def turns_within_a_day(lines: list[tuple[str, Any]], record: Plain) -> list[datetime]:
    """Instants at which a line about instants turns; lines about days turn at midnight."""
    found: list[datetime] = []
    for key, test in lines:
        value = record["facts"].get(key)
        if key in ("any", "all", "none"):
            found += [at for member in test for at in turns_within_a_day(member, record)]
        elif isinstance(value, datetime) and isinstance(test, str):
            found.append(value)
            size = re.search(rf"{LENGTH}", test)
            if size and size["unit"] in ("minute", "hour"):
                step = stretch((int(size["count"]), size["unit"]))
                found += [value - step, value + step]
    just_after = timedelta(microseconds=1)
    return [at + more for at in found for more in (timedelta(0), just_after)]


def fields(lines: list[tuple[str, Any]]) -> set[str]:
    """The fields of the record itself that the lines ask."""
    found: set[str] = set()
    for key, test in lines:
        if key in ("any", "all", "none"):
            found |= {name for member in test for name in fields(member)}
        elif key not in ("holder has", "holder has no"):
            found.add(key)
    return found
