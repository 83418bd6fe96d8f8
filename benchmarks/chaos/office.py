"""The office of the play: its folder, its register, and what of the register must be told."""

import shutil
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from benchmarks.chaos.arrived import PART_OF
from notifier.model import Channel, SubjectKind
from notifier.store.engine import writing
from notifier.store.records import OfficeRecord, PartyRecord, SubjectRecord
from notifier.store.register import put_offices, put_parties, put_subjects

PROJECT = Path(__file__).parent.parent.parent
CODE = "kacau"
#: One e-mail for each passport, one SMS for each foreign passport.
TYPES = {Channel.EMAIL: "passport", Channel.SMS: "foreign passport"}
DAYS_BEFORE = 30
RULES = {
    Channel.EMAIL: ("chaos-mail", "email"),
    Channel.SMS: ("chaos-sms", "sms"),
}
RULE = """\
rule: {name}
title: A {type} is told of once, by {via}
purpose: It shows that nothing is lost and nothing is told twice.
legal basis: public service
for: permit
when:
  type: {type}
  status: active
to: holder
via: [{via}]
template: passport/renewal
steps:
  a-month:
    send: {days} days before expiry
"""


def zone_of_morning(now: datetime) -> ZoneInfo:
    """A zone in which it is ten in the morning: the play begins at any hour, and no sending hours end during it."""
    east = (10 - now.astimezone(UTC).hour) % 24
    east = east if east <= 14 else east - 24
    return ZoneInfo(f"Etc/GMT{-east:+d}")


@dataclass(slots=True)
class Office:
    """Makes the folder and fills the register; knows who must be told what."""

    folder: Path
    zone: ZoneInfo
    today: date
    #: Number of a permit -> (channel, address): each must arrive exactly once.
    plan: dict[str, tuple[Channel, str]] = field(default_factory=dict)
    first: int = 0  # the number of its first permit: several offices of a play tell different people

    @property
    def rules(self) -> Path:
        return self.folder / "rules"

    @property
    def templates(self) -> Path:
        return self.folder / "templates"

    @classmethod
    def make(cls, folder: Path, now: datetime) -> "Office":
        """Settings come from the environment; the folder has rules and texts."""
        zone = zone_of_morning(now)
        rules = folder / "rules"
        rules.mkdir(parents=True)
        for name in ("documents.yaml", "windows.yaml"):
            shutil.copyfile(PROJECT / "rules" / name, rules / name)
        (rules / "calendar.yaml").write_text("country: ID\n", encoding="utf-8")
        for channel, (name, via) in RULES.items():
            text = RULE.format(name=name, type=TYPES[channel], via=via, days=DAYS_BEFORE)
            (rules / f"{name}.yaml").write_text(text, encoding="utf-8")
        shutil.copytree(PROJECT / "templates", folder / "templates")
        return cls(folder, zone, now.astimezone(zone).date())

    def open(self, engine: Engine, now: datetime) -> None:
        """Write the office itself; every day around today is a working day."""
        around = [(self.today + timedelta(days=days)).isoformat() for days in range(-60, 61)]
        values: dict[str, object] = {"name": "Kantor Imigrasi Kacau", "zone": self.zone.key, "phone": "+62215550100"}
        values |= {"working_days": around, "sms_sender": "IMIGRASI"}
        with writing(engine) as connection:
            must(put_offices(connection, [OfficeRecord(CODE, values)], now=now))

    def register(self, engine: Engine, count: int, now: datetime) -> None:
        """Import `count` more permits, each due at once; every other one by SMS."""
        first = self.first + len(self.plan)
        people, permits = [], []
        for place in range(first, first + count):
            number = f"C{place:07d}"
            channel = Channel.SMS if place % 2 else Channel.EMAIL
            address = f"+62812{place:08d}" if channel is Channel.SMS else f"c{place:07d}@mail.example"
            self.plan[number] = (channel, address)
            values = {"kind": "person", "name": f"ORANG {place}", "language": "en" if place % 3 else "id"}
            people.append(PartyRecord(number, values, {channel: address}))
            expiry = self.today + timedelta(days=DAYS_BEFORE)
            about = {"type": TYPES[channel], "status": "active", "issue": date(2020, 1, 2), "expiry": expiry}
            permits.append(SubjectRecord(number, CODE, number, about))
        with writing(engine) as connection:
            must(put_parties(connection, people, now=now))
            must(put_subjects(connection, SubjectKind.PERMIT, permits, now=now))

    def expected(self) -> set[tuple[str, str]]:
        """(part, address) of everybody who must be told."""
        return {(PART_OF[channel], address) for channel, address in self.plan.values()}


def must(written: object) -> None:
    """Raises RuntimeError when the register refused anything: the play would be about something else."""
    refused = getattr(written, "refused", ())
    if refused:
        raise RuntimeError(f"the register refuses {refused[0]}")
