"""Writes sample registers of any size: invented people, real cities, and much that is due around one day."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from notifier.intake.columns import COLUMNS, Kind
from notifier.intake.sample_dates import (
    BLUEPRINTS,
    DAY,
    FOREIGN_PASSPORT,
    STATES,
    Blueprint,
    Days,
    case_dates,
    permit_status,
)
from notifier.intake.sample_edges import planted
from notifier.intake.sample_people import invent_company, invent_person, phone

#: code -> name, zone, province. Zones of Kalimantan differ: Palangka Raya keeps western time.
OFFICES: Mapping[str, tuple[str, str, str]] = {
    "jakarta-barat": ("Kantor Imigrasi Jakarta Barat", "Asia/Jakarta", "DKI Jakarta"),
    "jakarta-timur": ("Kantor Imigrasi Jakarta Timur", "Asia/Jakarta", "DKI Jakarta"),
    "bandung": ("Kantor Imigrasi Bandung", "Asia/Jakarta", "Jawa Barat"),
    "karawang": ("Kantor Imigrasi Karawang", "Asia/Jakarta", "Jawa Barat"),
    "batam": ("Kantor Imigrasi Batam", "Asia/Jakarta", "Kepulauan Riau"),
    "padang": ("Kantor Imigrasi Padang", "Asia/Jakarta", "Sumatera Barat"),
    "palangka-raya": ("Kantor Imigrasi Palangka Raya", "Asia/Pontianak", "Kalimantan Tengah"),
    "balikpapan": ("Kantor Imigrasi Balikpapan", "Asia/Makassar", "Kalimantan Timur"),
    "makassar": ("Kantor Imigrasi Makassar", "Asia/Makassar", "Sulawesi Selatan"),
    "ambon": ("Kantor Imigrasi Ambon", "Asia/Jayapura", "Maluku"),
}
WEIGHTS = (20, 14, 12, 8, 10, 5, 3, 8, 14, 6)
ATTRIBUTES = ("attributes.registered",)
OFFICERS = 2  # per office
#: So many of ...
PEOPLE_PER_SPONSOR, PEOPLE_PER_AGENT = 25, 120
SPONSORED = frozenset({"ITAS", "ITAP"})
CASE_SHARE = 0.18
#: Random people get telephones from here on; the first two hundred belong to the planted ones.
FIRST_PHONE = 200


@dataclass(frozen=True, slots=True)
class SampleReport:
    """How many rows were written."""

    offices: int
    people: int
    permits: int
    cases: int


class _Writer:
    """One CSV file that counts its rows."""

    def __init__(self, stream: Any, columns: tuple[str, ...]) -> None:
        self.columns = columns
        self.count = 0
        self._writer = csv.writer(stream, lineterminator="\n")
        self._writer.writerow(columns)

    def row(self, cells: Mapping[str, str]) -> None:
        self._writer.writerow([cells.get(column, "") for column in self.columns])
        self.count += 1


def write_sample(folder: Path, size: int, seed: int = 1, *, on: date, due_share: float = 0.3) -> SampleReport:
    """Write offices.csv, people.csv, permits.csv, cases.csv and people-broken.csv with `size` permits.

    The same arguments give the same bytes. Rows are written as they are invented, so ten million need no memory.
    `due_share` of the permits have a step on `on` or in the three days before; edge cases come on top.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (
        _open(folder, Kind.OFFICES) as offices,
        _open(folder, Kind.PEOPLE) as people,
        _open(folder, Kind.PERMITS, ATTRIBUTES) as permits,
        _open(folder, Kind.CASES) as cases,
    ):
        _write_offices(offices)
        edges = planted(on)
        for writer, rows in ((people, edges.people), (permits, edges.permits), (cases, edges.cases)):
            for row in rows:
                writer.row(row)
        crowd = _Crowd(Random(seed), Days(on, due_share), size, people, permits, cases)
        crowd.write()
    _write_broken(folder / "people-broken.csv")
    return SampleReport(offices.count, people.count, permits.count, cases.count)


@contextmanager
def _open(folder: Path, kind: Kind, more: tuple[str, ...] = ()) -> Iterator[_Writer]:
    with (folder / f"{kind}.csv").open("w", encoding="utf-8", newline="") as stream:
        yield _Writer(stream, (*COLUMNS[kind], *more))


def _write_offices(writer: _Writer) -> None:
    for place, (code, (name, zone, province)) in enumerate(OFFICES.items(), start=1):
        host = f"{code}.imigrasi.example"
        row = {"code": code, "name": name, "zone": zone, "country": "ID", "province": province}
        row |= {"phone": phone(9_900 + place), "address": f"Jalan Contoh No. {place}, {province}"}
        row |= {
            "website": f"https://{host}",
            "sms_sender": "IMIGRASI",
            "whatsapp_sender": "+628120000" + f"{9_950 + place}",
        }
        row |= {"email_sender": f"pengingat@{host}", "opens_at": "08:00", "closes_at": "15:00", "weekdays": "mon-fri"}
        row |= {"front_desk_email": f"loket@{host}", "enforcement_desk_email": f"inteldakim@{host}"}
        writer.row(row)


@dataclass(slots=True)
class _Crowd:
    """Everybody who is not planted, invented one after the other."""

    random: Random
    days: Days
    size: int
    people: _Writer
    permits: _Writer
    cases: _Writer

    def write(self) -> None:
        self._write_pools()
        target = self.permits.count + self.size
        weights = [plan.weight for plan in BLUEPRINTS]
        place = 0
        while self.permits.count < target:
            place += 1
            plan = self.random.choices(BLUEPRINTS, weights)[0]
            holder = self._write_holder(place, plan)
            office = self.random.choices(list(OFFICES), WEIGHTS)[0]
            self._write_permit(place, plan, holder, office)
            if plan.type in SPONSORED and self.random.random() < 0.1 and self.permits.count < target:
                self._write_foreign_passport(place, holder, office)

    def _write_pools(self) -> None:
        """Sponsors, agents and officers come first, so that a permit can name one by its number alone."""
        for place in range(self._sponsors):
            row = {"number": f"S{place:07d}", "kind": "organisation", "name": invent_company(self.random)}
            row |= {"language": "id", "nationality": "ID", "email": f"hr{place}@sponsor.example"}
            self.people.row(row | self._telephones(90_000_000 + place))
        for place in range(self._agents):
            person = invent_person(self.random, "ID")
            row = {"number": f"A{place:07d}", "kind": "person", "name": person.name, "language": "id"}
            row |= {"nationality": "ID", "email": f"kuasa{place}@agent.example"}
            self.people.row(row | self._telephones(95_000_000 + place))
        for code in OFFICES:
            for place in range(OFFICERS):
                row = {"number": f"O-{code}-{place + 1}", "kind": "person", "nationality": "ID", "language": "id"}
                row |= {"name": invent_person(self.random, "ID").name, "zone": OFFICES[code][1]}
                self.people.row(row | {"email": f"petugas{place + 1}@{code}.imigrasi.example"})

    @property
    def _sponsors(self) -> int:
        return max(1, self.size // PEOPLE_PER_SPONSOR)

    @property
    def _agents(self) -> int:
        return max(1, self.size // PEOPLE_PER_AGENT)

    def _telephones(self, place: int) -> dict[str, str]:
        """Most people have both, some only one; one in a hundred meets a failure of the sandbox."""
        chance = self.random.random()
        number = phone(FIRST_PHONE + place)
        if chance < 0.01:
            number = phone(10_000 * (1 + place % 9_000) + self.random.randint(91, 95))
        if chance > 0.97:
            return {}
        return {"phone": number, "whatsapp": "" if chance > 0.87 else number}

    def _write_holder(self, place: int, plan: Blueprint) -> str:
        random = self.random
        person = invent_person(random, "ID" if plan.is_citizen else None)
        age = random.randint(18, 68) if not plan.is_citizen or random.random() < 0.85 else random.randint(1, 16)
        born = self.days.on - timedelta(days=age * 365 + random.randint(30, 330))
        row = {"number": f"P{place:08d}", "kind": "person", "name": person.name, "language": person.language}
        row |= {"nationality": person.nationality, "birth_date": born.isoformat()}
        row |= {"email": f"p{place}@mail.example"} if random.random() < 0.7 else {}
        self.people.row(row | self._telephones(place))
        return row["number"]

    def _write_permit(self, place: int, plan: Blueprint, holder: str, office: str) -> None:
        random = self.random
        issue, expiry = self.days.end(random, plan)
        number = f"X{place:08d}" if plan.is_citizen else f"2D21{place:08d}-Z"
        row = {"number": number, "office": office, "type": plan.type, "origin": plan.origin, "holder": holder}
        row |= {"issue": issue.isoformat(), "expiry": expiry.isoformat(), "extendable": plan.extendable}
        row["status"] = "active" if expiry >= self.days.on else random.choice(("expired", "renewed", "departed"))
        if plan.extensions_left:
            row["extensions_left"] = str(random.choice(plan.extensions_left))
        if plan.leaves:
            row |= {"departure_deadline": row["expiry"], "arrival": row["issue"]}
        if plan.type in SPONSORED and random.random() < 0.85:
            row["sponsor"] = f"S{random.randrange(self._sponsors):07d}"
        if plan.type in SPONSORED and random.random() < 0.15:
            row["agent"] = f"A{random.randrange(self._agents):07d}"
            row["agent_from"] = (issue + 10 * DAY).isoformat()
            row["agent_until"] = (expiry + 30 * DAY).isoformat()
        if plan.service and expiry >= self.days.on and random.random() < CASE_SHARE:
            row["status"] = self._write_case(place, plan, row)
        self.permits.row(row)

    def _write_case(self, place: int, plan: Blueprint, permit: Mapping[str, str]) -> str:
        """Write a case about a permit; gives the status the permit has meanwhile."""
        random = self.random
        state = random.choices(list(STATES), list(STATES.values()))[0]
        row = {"number": f"IM-{self.days.on.year}-{place:08d}", "office": permit["office"], "service": plan.service}
        row |= {"state": state, "holder": permit["holder"], "permit": permit["number"]}
        row |= {"sponsor": permit.get("sponsor", ""), "officer": f"O-{permit['office']}-{1 + place % OFFICERS}"}
        row |= {"payer": row["sponsor"]} if random.random() < 0.3 else {}
        self.cases.row(row | case_dates(random, state, self.days.on))
        return permit_status(state)

    def _write_foreign_passport(self, place: int, holder: str, office: str) -> None:
        issue, expiry = self.days.end(self.random, FOREIGN_PASSPORT)
        row = {"number": f"F{place:08d}", "office": office, "type": FOREIGN_PASSPORT.type, "status": "active"}
        row |= {"holder": holder, "issue": issue.isoformat(), "expiry": expiry.isoformat()}
        self.permits.row(row)


def _write_broken(file: Path) -> None:
    """A few rows that are refused, each for another reason, to show what mending looks like."""
    rows: tuple[dict[str, str], ...] = (
        {"number": "BROKEN-1", "name": "Telepon Rumah", "phone": "(0251) 8321234"},
        {"number": "BROKEN-2", "name": "Tanggal Terbalik", "birth_date": "24-11-1990"},
        {"number": "BROKEN-3", "name": "Surel Salah", "email": "nama..dobel@mail.example"},
        {"number": "", "name": "Tanpa Nomor"},
        {"number": "BROKEN-5", "name": "Nomor Dengan Ekstensi", "whatsapp": "+62 812-0000-0042 ext 3"},
        {"number": "BROKEN-6", "name": "Negara Tak Dikenal", "nationality": "Tiongkok"},
    )
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = _Writer(stream, tuple(COLUMNS[Kind.PEOPLE]))
        for row in rows:
            writer.row(row)
