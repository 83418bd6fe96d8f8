"""Dates of sample permits and cases, laid around one day so that many steps are due on it and just before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random

import holidays
import pendulum

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A sort of permit: its columns, its share among all, its validity in days, and how far before its end
    somebody is told (days, or months where `months`)."""

    type: str
    weight: int
    validity: tuple[int, ...]
    steps: tuple[int, ...]
    origin: str = ""
    extensions_left: tuple[int, ...] = ()
    extendable: str = ""
    service: str = ""
    months: bool = False
    is_citizen: bool = False
    leaves: bool = False  # told of the departure deadline, not of an extension


#: The service that extends a type (rules/documents.yaml).
EXTENSION: Mapping[str, str] = {
    "ITK": "visit permit extension",
    "ITAS": "limited stay permit extension",
    "ITAP": "permanent stay permit extension",
}
BLUEPRINTS: tuple[Blueprint, ...] = (
    Blueprint("ITAS", 44, (365, 730), (60, 30, 21, 14, 7, 2, 1), "limited stay visa", (1, 2), "yes", EXTENSION["ITAS"]),
    Blueprint("ITK", 9, (30,), (14, 10, 7, 4, 2, 1), "visa on arrival", (1,), "yes", EXTENSION["ITK"]),
    Blueprint("ITK", 7, (60,), (21, 14, 7, 2, 1), "single entry visa", (1, 2), "yes", EXTENSION["ITK"]),
    Blueprint("ITK", 3, (60,), (7, 2, 0), "multiple entry visa", (0,), "no", leaves=True),
    Blueprint("BVK", 3, (30,), (7, 2, 0), "visa exemption", (0,), "no", leaves=True),
    Blueprint("ITAP", 8, (1826,), (91, 60, 30, 14, 2, 1), "change of status", (), "yes", EXTENSION["ITAP"]),
    Blueprint("passport", 24, (1826, 3652), (9, 7, 3), months=True, is_citizen=True, service="passport"),
    Blueprint("ABTC", 2, (1826,), (6,), months=True, is_citizen=True),
)  # fmt: skip
FOREIGN_PASSPORT = Blueprint("foreign passport", 0, (3652,), (12, 8), months=True)


class Days:
    """Picks days around `on`; `due_share` is how many permits have a step on `on` or up to three days before."""

    def __init__(self, on: date, due_share: float) -> None:
        self.on = on
        self.due_share = due_share
        self._targets: dict[tuple[Blueprint, int], date] = {}

    def target(self, plan: Blueprint, step: int) -> date:
        """The end of a permit whose step falls on `on`."""
        key = (plan, step)
        if key not in self._targets:
            start = pendulum.date(self.on.year, self.on.month, self.on.day)
            moved = start.add(months=step) if plan.months else start.add(days=step)
            self._targets[key] = date(moved.year, moved.month, moved.day)
        return self._targets[key]

    def end(self, random: Random, plan: Blueprint) -> tuple[date, date]:
        """(issue, expiry) of a permit."""
        validity = random.choice(plan.validity)
        if random.random() < self.due_share:
            earlier = random.choice((0, 0, 0, 1, 2, 3))
            expiry = self.target(plan, random.choice(plan.steps)) - earlier * DAY
        else:
            expiry = self.on + random.randint(-20, validity) * DAY
        return expiry - validity * DAY, expiry


def clock(day: date, hour: int, minute: int = 0) -> str:
    """A time on the office's clock, as it stands in a file."""
    return f"{day.isoformat()} {hour:02d}:{minute:02d}"


def weekday_from(day: date) -> date:
    """The day itself, or the Monday after a weekend."""
    return day + (7 - day.weekday()) * DAY if day.weekday() > 4 else day


#: State of a case -> its share among all; every state there is.
STATES: Mapping[str, int] = {
    "draft": 2, "submitted": 4, "awaiting payment": 16, "paid": 5, "under verification": 8, "documents required": 12,
    "scheduled": 16, "no show": 2, "attended": 4, "on hold": 1, "in process": 6, "issued": 4,
    "ready for collection": 12, "collected": 4, "uncollected cancelled": 1, "rejected": 1, "lapsed": 1, "cancelled": 1,
    "abandoned": 1, "closed": 3,
}  # fmt: skip
FILED = frozenset({"submitted", "awaiting payment"})
PROTECTED = frozenset(
    {"paid", "under verification", "documents required", "scheduled", "no show", "attended", "on hold", "in process"}
)
RENEWED = frozenset({"issued", "collected", "ready for collection"})


def permit_status(state: str) -> str:
    """What the permit is while its extension is in this state."""
    if state in FILED:
        return "renewal filed unpaid"
    if state in PROTECTED:
        return "renewal protected"
    return "renewed" if state in RENEWED else "active"


def case_dates(random: Random, state: str, on: date) -> dict[str, str]:
    """The dates of a case that is in `state` on that day."""
    since = on - random.randint(0, 6) * DAY
    filed = since - random.randint(1, 9) * DAY
    dates = {
        "submitted_at": clock(filed, random.randint(8, 14), random.randrange(0, 60, 5)),
        "state_since": clock(since, random.randint(8, 14), random.randrange(0, 60, 5)),
    }
    if state == "awaiting payment":
        return _payment(random, on)
    if state not in ("draft", "submitted", "lapsed", "abandoned"):
        dates["paid_at"] = clock(filed, 15, random.randrange(60))
    if state == "draft":
        del dates["submitted_at"]
    elif state == "submitted":
        dates["state_since"] = dates["submitted_at"]
    elif state == "documents required":
        window = random.choice((7, 14))
        due = on + random.randint(1, window) * DAY
        asked = clock(due - window * DAY, 10)
        dates |= {"docs_due_on": due.isoformat(), "state_since": asked, "submitted_at": clock(due - 20 * DAY, 9)}
    elif state == "scheduled":
        day = weekday_from(on + random.choice((1, 1, 1, 3, 2, 5, 8)) * DAY)
        dates["appointment_at"] = clock(day, random.randint(8, 13), random.choice((0, 15, 30, 45)))
    elif state == "no show":
        dates["appointment_at"] = clock(since, 9, 30)
    elif state in ("ready for collection", "uncollected cancelled"):
        waited = random.choice((0, 7, 14, 21, 24, 27)) if state == "ready for collection" else 31
        printed = on - waited * DAY
        dates |= {"issued_on": printed.isoformat(), "collect_by": (printed + 30 * DAY).isoformat()}
        dates |= {"state_since": clock(printed, 10), "submitted_at": clock(printed - 8 * DAY, 9)}
        dates["paid_at"] = clock(printed - 8 * DAY, 10)
    elif state in ("issued", "collected"):
        dates["issued_on"] = since.isoformat()
    if state in ("under verification", "in process"):
        dates["sla_due_on"] = (on + random.choice((-3, -1, 1, 2, 3)) * DAY).isoformat()
    if state in ("rejected", "lapsed", "cancelled", "abandoned", "closed", "uncollected cancelled"):
        dates["closed_at"] = dates["state_since"]
    return dates


def _payment(random: Random, on: date) -> dict[str, str]:
    """Two hours as in M-Paspor, 23 as for the extension of a visa on arrival, or three days."""
    window = random.choice((2, 2, 23, 72))
    due = datetime.combine(on, time(random.randint(8, 19), random.randrange(0, 60, 5)))
    if window > 2 and random.random() < 0.5:
        due += DAY
    begun = (due - timedelta(hours=window)).isoformat(" ", "minutes")
    return {"submitted_at": begun, "state_since": begun, "payment_due_at": due.isoformat(" ", "minutes")}


def closed_days(on: date) -> Sequence[tuple[date, str]]:
    """Public holidays and joint leave from `on` for three years, in order."""
    years = range(on.year, on.year + 4)
    found = holidays.country_holidays("ID", years=years, categories=("public", "government"), language="en_US")
    return sorted((day, name) for day, name in found.items() if day >= on)
