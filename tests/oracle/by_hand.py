"""A life story written down by hand, in few words, for tests and for trying a disagreement again."""

import copy
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracle.days import OFFICES
from tests.oracle.reading import Plain
from tests.oracle.stories import CASE_DATES, DESK, HOLDER, PERMIT_DATES, SPONSOR, Teller


def at(text: str, office: str = "jakarta") -> datetime:
    """An instant on an office's clock: "2026-03-17 08:15"."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(str(OFFICES[office]["zone"]))).astimezone(UTC)


def a_permit(
    since: str, *, office: str = "jakarta", born: date | None = None, zone: str | None = None, **facts: Any
) -> list[Plain]:
    """A story of one record: a permit that the register holds since then, with a holder, a sponsor and a desk."""
    known = {"type": "ITAS", "status": "active", "issue": date(2025, 6, 10), **facts}
    return [_record("permit", at(since, office), office, {**known}, born, zone)]


def a_case(since: str, *, office: str = "jakarta", born: date | None = None, **facts: Any) -> list[Plain]:
    """The same of a case, in its first stay."""
    return [_record("case", at(since, office), office, {"service": "passport", **facts}, born, None)]


def later(story: list[Plain], when: str, **facts: Any) -> list[Plain]:
    """The story goes on: from then on the register holds these values; `closures` are days of the office."""
    after = copy.deepcopy(story[-1])
    after["at"] = at(when, after["office"])
    after["closures"] |= facts.pop("closures", frozenset())
    after["facts"] |= {name.replace("_", " "): value for name, value in facts.items()}
    Teller.remember(story[-1], after)
    return [*story, after]


def _record(kind: str, since: datetime, office: str, facts: Plain, born: date | None, zone: str | None) -> Plain:
    facts = {name.replace("_", " "): value for name, value in facts.items()}
    dates = PERMIT_DATES if kind == "permit" else CASE_DATES
    return {
        "kind": kind,
        "at": since,
        "office": office,
        "closures": frozenset(),
        "facts": facts,
        "holder": {
            "id": HOLDER,
            "born": born,
            "deceased": None,
            "kind": "person",
            "language": "en",
            "nationality": "DE",
        },
        "parties": {one: {"id": one, "zone": zone if one == HOLDER else None} for one in (HOLDER, SPONSOR, DESK)},
        "roles": [
            Teller.role(role, one) for role, one in (("holder", HOLDER), ("sponsor", SPONSOR), ("front desk", DESK))
        ],
        "others": [],
        "cases": [],
        "history": {name: [(facts[name], since)] for name in dates if facts.get(name) is not None},
        "stays": [{"id": 1, "state": facts["state"], "began": since, "ended": None}] if kind == "case" else [],
        "changed": {},
    }
