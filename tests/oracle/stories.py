"""Life stories: a record as the register first holds it, and what becomes of it over three years, from a seed."""

import copy
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from tests.oracle.generate import OFFICES, ORIGINS, STATES, STATUSES, TYPES
from tests.oracle.reading import Plain

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)
ZONES = (None, None, None, None, "Asia/Jakarta", "Asia/Jayapura", "Europe/Amsterdam", "America/New_York")
HOLDER, SPONSOR, GUARDIAN, AGENT, PAYER, OFFICER, DESK, NEXT_SPONSOR, OTHER_DESK = range(1, 10)
PERMIT_DATES = ("expiry", "issue", "arrival", "departure deadline")
CASE_DATES = (
    *("submission", "payment", "payment deadline", "documents deadline", "appointment"),
    *("service deadline", "collection deadline", "issue", "closing"),
)


class Teller:
    """Tells one story: a list of records, each with the instant (`at`) from which the register holds it."""

    def __init__(
        self, chance: Random, kind: str, types: tuple[str, ...] = TYPES, states: tuple[str, ...] = STATES
    ) -> None:
        self.chance, self.kind, self.types, self.states = chance, kind, types, states
        self.story: list[Plain] = []
        self.events: list[str] = []

    def maybe(self, likelihood: float) -> bool:
        return self.chance.random() < likelihood

    def tell(self) -> list[Plain]:
        """The whole story; `self.events` says in words what happened."""
        record = self.first()
        self.story = [record]
        for _ in range(self.chance.choice((0, 1, 2, 3, 4, 6, 9))):
            at = self.later(self.story[-1]["at"])
            if at >= END:
                break
            after = copy.deepcopy(self.story[-1])
            after["at"] = at
            word = self.change(after)
            self.remember(self.story[-1], after)
            self.events.append(f"{at:%Y-%m-%d %H:%M}Z {word}")
            self.story.append(after)
        return self.story

    def later(self, at: datetime) -> datetime:
        """Mostly days or weeks after, sometimes minutes."""
        if self.maybe(0.2):
            return at + timedelta(minutes=self.chance.randint(1, 300))
        return at + timedelta(days=self.chance.choice((1, 3, 9, 20, 60, 150)), minutes=self.chance.randint(-700, 700))

    def day(self, first: date, most: int) -> date:
        return first + timedelta(days=self.chance.randint(0, most))

    def instant(self, after: datetime, days: int) -> datetime:
        hour, minute = self.chance.randint(0, 23), self.chance.choice((0, 0, 0, 15, 30, 17))
        day = after + timedelta(days=self.chance.randint(0, days))
        return max(after + timedelta(minutes=5), day.replace(hour=hour, minute=minute)).replace(second=0, microsecond=0)

    # ------------------------------------------------------------------------------------------ the beginning

    def first(self) -> Plain:
        at = BEGIN + timedelta(minutes=self.chance.randint(0, 2 * 365 * 1440))
        parties: dict[int, Plain] = {
            one: {"id": one, "zone": self.chance.choice(ZONES)} for one in range(HOLDER, OTHER_DESK + 1)
        }
        born = self.chance.choice((None, date(1985, 5, 17), date(1960, 2, 29), date(2008, 2, 29)))
        if self.maybe(0.35):
            born = self.day(date(2005, 1, 1), 6 * 365)
        holder = {"id": HOLDER, "born": born, "deceased": None, "kind": "person"}
        holder["language"] = self.chance.choice(("en", "en", "id"))
        holder["nationality"] = self.chance.choice(("PHL", "NLD", "IND", None))
        record: Plain = {
            "kind": self.kind,
            "at": at,
            "office": self.chance.choice(OFFICES),
            "closures": frozenset(),
            "facts": self.permit(at) if self.kind == "permit" else self.case(at),
            "holder": holder,
            "parties": parties,
            "roles": self.roles(at),
            "others": [self.other(at)] if self.maybe(0.15) else [],
            "cases": [self.a_case()] if self.kind == "permit" and self.maybe(0.2) else [],
            "history": {},
            "stays": [],
            "changed": {},
        }
        if self.kind == "case":
            record["stays"] = [{"id": 1, "state": record["facts"]["state"], "began": at, "ended": None}]
        for name in PERMIT_DATES if self.kind == "permit" else CASE_DATES:
            if record["facts"].get(name) is not None:
                record["history"][name] = [(record["facts"][name], at)]
        return record

    def permit(self, at: datetime) -> Plain:
        today = at.date()
        expiry = self.day(today - timedelta(days=20), 300)
        return {
            "type": self.chance.choice(self.types),
            "status": "active" if self.maybe(0.7) else self.chance.choice(STATUSES),
            "origin": self.chance.choice((None, *ORIGINS)),
            "issue": None if self.maybe(0.07) else expiry - timedelta(days=self.chance.choice((30, 60, 365, 1826))),
            "expiry": None if self.maybe(0.07) else expiry,
            "arrival": self.day(today - timedelta(days=40), 60) if self.maybe(0.6) else None,
            "departure deadline": expiry + timedelta(days=self.chance.choice((0, 7))) if self.maybe(0.6) else None,
            "extendable": self.chance.choice((None, None, True, False)),
            "extensions left": self.chance.choice((0, 1, 2, None)),
            "stay left": self.chance.choice((None, 5, 30, 90)),
            **self.attributes(),
        }

    def attributes(self) -> Plain:
        """The register's own columns; what is not there is missing."""
        color, floor = self.chance.choice((None, "red", "blue")), self.chance.choice((None, 0, 3, 5))
        found = {"attributes.color": color, "attributes.floor": floor}
        return {name: value for name, value in found.items() if value is not None}

    def case(self, at: datetime) -> Plain:
        def instant(days: int) -> datetime | None:
            return self.instant(at, days) if self.maybe(0.75) else None

        def day(days: int) -> date | None:
            return self.day(at.date(), days) if self.maybe(0.75) else None

        return {
            "service": self.chance.choice(("passport", "change of status", "limited stay permit")),
            "state": self.chance.choice(self.states),
            "submission": at - timedelta(days=self.chance.randint(0, 9)) if self.maybe(0.8) else None,
            "payment": None if self.maybe(0.7) else at - timedelta(hours=5),
            "payment deadline": instant(self.chance.choice((0, 1, 3, 10))),
            "appointment": instant(30),
            "documents deadline": day(21),
            "service deadline": day(40),
            "collection deadline": day(60),
            "issue": day(10),
            "closing": instant(90) if self.maybe(0.2) else None,
            "survey answer": True if self.maybe(0.3) else None,
            **self.attributes(),
        }

    def roles(self, at: datetime) -> list[Plain]:
        """`holder` first; desks are always there."""
        found = [self.role("holder", HOLDER), self.role("front desk", DESK)]
        for role, party, likelihood in (
            ("sponsor", SPONSOR, 0.7),
            ("guardian", GUARDIAN, 0.6),
            ("agent", AGENT, 0.4),
            ("payer", PAYER, 0.4),
            ("officer", OFFICER, 0.4),
            ("sponsor", AGENT, 0.1),
            ("guardian", SPONSOR, 0.15),
        ):
            if self.maybe(likelihood):
                bounded = role in ("agent", "officer", "sponsor") and self.maybe(0.3)
                first = self.day(at.date() - timedelta(days=30), 200) if bounded and self.maybe(0.6) else None
                last = self.day(at.date() + timedelta(days=30), 300) if bounded else None
                found.append(self.role(role, party, first, last))
        return found

    @staticmethod
    def role(role: str, party: int, first: date | None = None, last: date | None = None) -> Plain:
        return {"role": role, "party": party, "from": first, "until": last}

    def other(self, at: datetime) -> Plain:
        """Another permit of the holder."""
        expiry = self.day(at.date(), 500)
        return {
            "type": self.chance.choice(TYPES),
            "status": self.chance.choice(("active", "active", "renewal protected")),
            "issue": self.day(at.date() - timedelta(days=100), 200),
            "expiry": expiry,
            "extendable": None,
            "extensions left": self.chance.choice((None, 0, 2)),
        }

    def a_case(self) -> Plain:
        services = ("limited stay permit", "change of status", "passport")
        return {"service": self.chance.choice(services), "state": self.chance.choice(STATES)}

    # ------------------------------------------------------------------------------------------ what happens

    def change(self, record: Plain) -> str:
        """One thing happens to the record; gives it in words."""
        dates: list[Callable[[Plain], str]] = [self.date_moves] * 6
        states = [self.state_changes] * (8 if self.kind == "case" else 4)
        rest = [
            *(self.sponsor_changes, self.role_ends, self.dies, self.office_changes, self.closure, self.closure),
            *(self.date_vanishes, self.other_comes, self.other_comes, self.case_comes, self.attribute_changes),
        ]
        return self.chance.choice([*dates, *states, *rest])(record)

    def date_moves(self, record: Plain) -> str:
        """A correction within the tolerance or beyond, or back to an older value."""
        names = (*("expiry",) * 4, *PERMIT_DATES) if self.kind == "permit" else CASE_DATES[1:]
        name = self.chance.choice(names)
        old, held = record["facts"].get(name), record["history"].get(name, [])
        if old is None:
            days = self.chance.choice((3, 40, 200))
            is_instant = name in ("submission", "payment", "payment deadline", "appointment", "closing")
            new: Any = self.instant(record["at"], days) if is_instant else self.day(record["at"].date(), days)
        elif len(held) > 1 and self.maybe(0.3):
            new = self.chance.choice(held)[0]
        else:
            size = self.chance.choice((1, 3, 8, 10, 11, 15, 30, 365))
            new = old + timedelta(days=self.chance.choice((-1, 1, 1)) * size)
            if isinstance(old, datetime) and self.maybe(0.5):
                new = old + timedelta(minutes=self.chance.choice((-90, 30, 240, 1440)))
        record["facts"][name] = new
        return f"{name} becomes {new}"

    def date_vanishes(self, record: Plain) -> str:
        name = self.chance.choice(PERMIT_DATES if self.kind == "permit" else CASE_DATES[1:])
        record["facts"][name] = None
        return f"{name} is empty"

    def state_changes(self, record: Plain) -> str:
        if self.kind == "permit":
            record["facts"]["status"] = self.chance.choice(("active", *STATUSES))
            return f"status becomes {record['facts']['status']}"
        held = [stay["state"] for stay in record["stays"]]
        state = self.chance.choice(held) if self.maybe(0.5) else self.chance.choice(self.states)
        if state != record["facts"]["state"]:
            record["facts"]["state"] = state
            record["stays"][-1]["ended"] = record["at"]
            new = {"id": len(record["stays"]) + 1, "state": state, "began": record["at"], "ended": None}
            record["stays"].append(new)
        return f"state becomes {state}"

    def sponsor_changes(self, record: Plain) -> str:
        record["roles"] = [role for role in record["roles"] if role["role"] != "sponsor"]
        if self.maybe(0.8):
            record["roles"].append(self.role("sponsor", self.chance.choice((SPONSOR, NEXT_SPONSOR))))
        return (
            f"the sponsor is now {record['roles'][-1]['party'] if record['roles'][-1]['role'] == 'sponsor' else None}"
        )

    def role_ends(self, record: Plain) -> str:
        role = self.chance.choice([role for role in record["roles"] if role["role"] != "holder"])
        role["until"] = self.day(record["at"].date() - timedelta(days=2), 30)
        return f"{role['role']} {role['party']} until {role['until']}"

    def dies(self, record: Plain) -> str:
        if self.maybe(0.6):
            return "nothing"
        record["holder"]["deceased"] = record["at"].date()
        return "the holder died"

    def office_changes(self, record: Plain) -> str:
        record["office"] = self.chance.choice(OFFICES)
        return f"moves to the office {record['office']}"

    def closure(self, record: Plain) -> str:
        """Announced late: it may begin today."""
        first = record["at"].date() + timedelta(days=self.chance.choice((0, 1, 5, 20)))
        days = self.chance.choice((1, 5, 14))
        record["closures"] |= frozenset(first + timedelta(days=one) for one in range(days))
        return f"the office is closed for {days} days from {first}"

    def other_comes(self, record: Plain) -> str:
        facts = record["facts"]
        if record["others"] and self.maybe(0.4):
            record["others"] = []
            return "the other permit is gone"
        other = self.other(record["at"])
        if self.kind == "permit" and self.maybe(0.7) and facts["expiry"] and facts["issue"]:
            other |= {"type": facts["type"], "issue": record["at"].date()}
            other["expiry"] = facts["expiry"] + timedelta(days=self.chance.choice((180, 365)))
        record["others"] = [*record["others"], other]
        return f"another permit: {other}"

    def case_comes(self, record: Plain) -> str:
        if self.kind == "case":
            return "nothing"
        record["cases"] = [] if record["cases"] and self.maybe(0.5) else [self.a_case()]
        return f"cases of the holder: {record['cases']}"

    def attribute_changes(self, record: Plain) -> str:
        for name in ("attributes.color", "attributes.floor"):
            record["facts"].pop(name, None)
        record["facts"] |= self.attributes()
        return f"attributes: { {k: v for k, v in record['facts'].items() if k.startswith('attributes')} }"

    @staticmethod
    def remember(before: Plain, after: Plain) -> None:
        """The register's memory: dates it held, and when a plain field got its present value."""
        dates = PERMIT_DATES if after["kind"] == "permit" else CASE_DATES
        for name in {*before["facts"], *after["facts"]}:
            old, new = before["facts"].get(name), after["facts"].get(name)
            if old == new:
                continue
            if name in dates:
                if new is not None:
                    after["history"][name] = [*after["history"].get(name, []), (new, after["at"])]
            elif name != "state":
                after["changed"][name] = after["at"]
