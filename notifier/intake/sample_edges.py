"""Edge cases planted in sample data, each with a number that says what it is: EDGE-LEBARAN, EDGE-SUNDAY, ..."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import pendulum

from notifier.intake.sample_dates import DAY, clock, closed_days
from notifier.intake.sample_people import LANGUAGES, phone

Cells = dict[str, str]
#: Where somebody of this first word comes from; others from China.
COUNTRIES: Mapping[str, str] = {
    "Sato": "JP", "Tanaka": "JP", "Hina": "JP", "Kim": "KR", "Park": "KR", "Rohan": "IN", "Noah": "AU",
    "Charlotte": "AU", "Emily": "US", "Olivia": "US", "George": "GB", "Harry": "GB", "Siobhan": "GB", "Ivan": "RU",
    "Sergei": "RU", "Omar": "EG", "PT": "ID", "Ratna": "ID", "Maya": "ID", "Bima": "ID", "Joko": "ID", "Dewi": "ID",
    "Suharti": "ID", "Kanjeng": "ID",
}  # fmt: skip
LONG_NAME = "Kanjeng Raden Tumenggung Suryaningrat Adiwinata Kusumadiningrat"[:60]


@dataclass(slots=True)
class Edges:
    """The planted rows."""

    on: date
    people: list[Cells] = field(default_factory=list)
    permits: list[Cells] = field(default_factory=list)
    cases: list[Cells] = field(default_factory=list)
    telephones: int = 0

    def person(self, name: str, shown: str, **cells: str) -> str:
        """Plant a person; the telephone is the next of the first ninety unless told."""
        number = f"P-{name}"
        self.telephones += "mobile" not in cells
        mobile = cells.pop("mobile", phone(self.telephones - 1))
        whatsapp = cells.pop("whatsapp", mobile)
        row = {"number": number, "kind": "person", "name": shown, "phone": mobile, "whatsapp": whatsapp}
        country = COUNTRIES.get(shown.split()[0], "CN")
        row |= {"email": f"{name.lower()}@mail.example", "nationality": country}
        row["language"] = LANGUAGES.get(country, "en")
        self.people.append(row | cells)
        return number

    def permit(self, name: str, holder: str, end: int | date | None, **cells: str) -> str:
        """Plant an ITAS of Jakarta Barat that ends so many days after `on`, unless told otherwise."""
        expiry = self.on + end * DAY if isinstance(end, int) else end
        row = {"number": name, "office": "jakarta-barat", "type": "ITAS", "status": "active", "holder": holder}
        row |= {"origin": "limited stay visa", "extendable": "yes", "extensions_left": "2"}
        if expiry is not None:
            row |= {"issue": (expiry - 365 * DAY).isoformat(), "expiry": expiry.isoformat()}
        self.permits.append(row | cells)
        return name

    def case(self, name: str, holder: str, state: str, **cells: str) -> None:
        """Plant a passport case of Jakarta Barat."""
        row = {"number": name, "office": "jakarta-barat", "service": "passport", "state": state, "holder": holder}
        row |= {"submitted_at": clock(self.on - 3 * DAY, 9), "state_since": clock(self.on - DAY, 10)}
        self.cases.append(row | cells)


def planted(on: date) -> Edges:
    """Every edge case, laid around `on`."""
    edges = Edges(on)
    for plant in (_calendar, _ages, _families, _sponsors, _addresses, _failures, _facts, _overstays, _cases):
        plant(edges)
    return edges


def _simple(edges: Edges, name: str, shown: str, end: int | date | None, **cells: str) -> None:
    edges.permit(f"EDGE-{name}", edges.person(f"EDGE-{name}", shown), end, **cells)


def _calendar(edges: Edges) -> None:
    on = edges.on
    closed = closed_days(on + 20 * DAY)
    lebaran = next(day for day, name in closed if "Eid al-Fitr" in name and "Holiday" not in name)
    sunday = on + (6 - on.weekday() + 7) * DAY
    leap = next(year for year in range(on.year + 1, on.year + 9) if year % 4 == 0 and year % 100)
    _simple(edges, "LEBARAN", "Zhao Lei", lebaran)
    _simple(edges, "SUNDAY", "Sato Yui", sunday)
    _simple(edges, "TODAY-WIT", "Kim Ji Ho", 0, office="ambon")
    _simple(edges, "LEAP-DAY", "Rohan Iyer", date(leap, 2, 29), issue=f"{on - 5 * DAY}")
    _simple(edges, "BACKLOG", "Noah Wilson", 11)
    _simple(edges, "NO-EXPIRY", "Emily Davis", None)
    five_years = pendulum.date(on.year, on.month, on.day).add(days=30).subtract(years=5)
    edges.permit(
        "EDGE-UNLIMITED",
        edges.person("EDGE-UNLIMITED", "George Walker"),
        None,
        type="ITAP",
        origin="change of status",
        issue=five_years.to_date_string(),
    )


def _ages(edges: Edges) -> None:
    on = edges.on
    holiday = closed_days(on + DAY)[0][0]
    birthday = pendulum.date(holiday.year, holiday.month, holiday.day).subtract(years=18).to_date_string()
    mother = edges.person("EDGE-MOTHER", "Ratna Lestari")
    for name, born in (("EIGHTEEN", birthday), ("LEAP-CHILD", f"{(on.year - 17) // 4 * 4}-02-29")):
        child = edges.person(f"EDGE-{name}", "Maya Ratna Suzuki", birth_date=born)
        certificate = {"type": "dual nationality certificate", "origin": "", "extendable": "", "guardian": mother}
        certificate |= {"extensions_left": "", "attributes.registered": "no"}
        edges.permit(f"EDGE-{name}", child, None, **certificate)
    child = edges.person("EDGE-CHILD", "Bima Lestari", birth_date=f"{on.year - 9}-06-15", mobile="", email="")
    nine = pendulum.date(on.year, on.month, on.day).add(months=9)
    five_years = nine.subtract(years=5).to_date_string()
    passport = {
        "issue": five_years,
        "type": "passport",
        "origin": "",
        "extendable": "",
        "extensions_left": "",
        "guardian": mother,
    }
    edges.permit("EDGE-CHILD", child, date(nine.year, nine.month, nine.day), **passport)


def _families(edges: Edges) -> None:
    shared = phone(90)
    parents = []
    for place in range(1, 6):
        grown = place < 3
        born = edges.on.year - (38 if grown else 12)
        home = {"mobile": shared, "household": "H-EDGE-FIVE", "birth_date": f"{born}-0{place}-10"}
        member = edges.person(f"EDGE-FAMILY-{place}", f"Chen Member {'ABCDE'[place - 1]}", **home)
        parents += [member] if grown else []
        guardian = "" if grown else "|".join(parents)
        edges.permit(f"EDGE-FAMILY-{place}", member, 30 if grown else 32, guardian=guardian)


def _sponsors(edges: Edges) -> None:
    sponsor = edges.person("EDGE-SPONSOR-40", "PT Empat Puluh Pekerja", kind="organisation")
    for place in range(1, 41):
        worker = edges.person(f"EDGE-WORKER-{place:02d}", f"Wang Worker {place}", mobile=phone(100 + place))
        edges.permit(f"EDGE-WORKER-{place:02d}", worker, 60, sponsor=sponsor, office="makassar")
    _simple(edges, "NO-SPONSOR", "Charlotte Brown", 21)
    agent = edges.person("EDGE-AGENT", "Joko Santoso")
    yesterday = {"agent_from": f"{edges.on - 200 * DAY}", "agent_until": f"{edges.on - DAY}"}
    _simple(edges, "AGENT-ENDED", "Omar Hassan", 14, agent=agent, **yesterday)


def _addresses(edges: Edges) -> None:
    reached = {
        "FOREIGN-PHONE": {"mobile": "+61 491 570 006", "nationality": "AU"},
        "EMAIL-ONLY": {"mobile": ""},
        "NO-ADDRESS": {"mobile": "", "email": ""},
        "OTHER-ZONE": {"zone": "Asia/Tokyo", "nationality": "JP"},
    }
    for name, cells in reached.items():
        edges.permit(f"EDGE-{name}", edges.person(f"EDGE-{name}", "Liu Na", **cells), 14)
    names = {"ONE-NAME": "Suharti", "APOSTROPHE": "Siobhan O'Connor", "LONG-NAME": LONG_NAME, "HANZI": "Li Wei (李伟)"}
    for name, shown in names.items():
        edges.permit(f"EDGE-{name}", edges.person(f"EDGE-{name}", shown), 14)


def _failures(edges: Edges) -> None:
    """The endings at which the sandbox plays a provider's failures."""
    for ending, name in (
        (91, "NOT-MOBILE"),
        (92, "WHATSAPP-FAILS"),
        (93, "TEMPORARY"),
        (94, "NO-RECEIPT"),
        (95, "OPTED-OUT"),
    ):
        holder = edges.person(f"EDGE-{name}", "Park Su Bin", mobile=phone(ending))
        edges.permit(f"EDGE-{name}", holder, 7)
    appointment = {"appointment_at": clock(edges.on + DAY, 10, 30)}
    edges.case("EDGE-OPTED-OUT-APPOINTMENT", "P-EDGE-OPTED-OUT", "scheduled", **appointment)


def _facts(edges: Edges) -> None:
    on = edges.on
    renewed = edges.person("EDGE-RENEWED", "Tanaka Ren")
    edges.permit("EDGE-RENEWED-OLD", renewed, 14)
    edges.permit("EDGE-RENEWED-NEW", renewed, 379, issue=f"{on - 3 * DAY}")
    dead = edges.person("EDGE-DECEASED", "Ivan Petrov", deceased_on=f"{on - 8 * DAY}")
    edges.permit("EDGE-DECEASED", dead, 7)
    _simple(edges, "DEPARTED", "Olivia Miller", 7, status="departed")
    _simple(edges, "PROTECTED", "Hina Ito", 7, status="renewal protected")
    _simple(edges, "FILED-UNPAID", "Fang Chen", 7, status="renewal filed unpaid")
    _simple(edges, "EPO", "Harry Evans", 40, status="epo issued", departure_deadline=f"{on + 2 * DAY}")
    both = edges.person("EDGE-TWO-OFFICES", "Rohan Sharma")
    edges.permit("EDGE-TWO-OFFICES-1", both, 14, office="makassar")
    passport = {"type": "foreign passport", "origin": "", "extendable": "", "extensions_left": ""}
    edges.permit("EDGE-TWO-OFFICES-2", both, 365, **passport)


def _overstays(edges: Edges) -> None:
    for days in (1, 3, 45, 59, 60):
        _simple(edges, f"OVERSTAY-{days}", "Sergei Volkov", -days)


def _cases(edges: Edges) -> None:
    on = edges.on
    closed = next((day for day, _ in closed_days(on + DAY)), on + 30 * DAY)
    limit = min(closed, on + 30 * DAY)
    due = {"submitted_at": clock(on, 9), "state_since": clock(on, 9), "payment_due_at": clock(on, 11)}
    printed = limit - 30 * DAY
    waits = {"issued_on": f"{printed}", "collect_by": f"{limit}", "state_since": clock(printed, 10)}
    waits["submitted_at"] = clock(printed - 5 * DAY, 9)
    for name, state, dates in (
        ("TWO-HOURS", "awaiting payment", due),
        ("PAID-LAGGING", "awaiting payment", {**due, "paid_at": clock(on, 9, 20)}),
        ("TOMORROW", "scheduled", {"appointment_at": clock(on + DAY, 8, 30)}),
        ("TOMORROW-WIT", "scheduled", {"office": "ambon", "appointment_at": clock(on + DAY, 8)}),
        ("DOCUMENTS", "documents required", {"docs_due_on": f"{on + 6 * DAY}"}),
        ("COLLECT-HOLIDAY", "ready for collection", waits),
    ):
        edges.case(f"EDGE-{name}", edges.person(f"EDGE-{name}", "Dewi Rahayu"), state, **dates)
