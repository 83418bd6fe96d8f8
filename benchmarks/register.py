"""Fills a migrated, empty database with a register of any size, written in SQL, as an import leaves it.

    engine = open_engine(servers.database(url, "register_1m", fresh=True))
    fill(engine, planner_for(engine), permits=1_000_000, due=20_000)
    planner.plan(now=MORNING)            # plans one day: about `due` notifications
    forget_plan(engine)                  # ... and may be measured again

What the database holds afterwards: 126 offices in three zones; `permits` permits with a holder each; a sponsor for 25
stay permits; telephone and e-mail; `seen` rows of every date; closed cases with their stays; `changed` empty; cursors
and `in_force` as the planner itself leaves them when the rules come into force on the day before `DAY`. Every table is
analysed.

The permits that are due stand first, in the proportions of SHAPES, with a few open cases; each has a step of a shipped
rule on `DAY`. Everybody else is far away from every step of every shipped rule, also by age. So the number due does not
depend on the number of permits, and what a larger register costs can be seen alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Engine, inspect, text

from benchmarks.register_rows import write_open_cases, write_portion, write_sponsors
from benchmarks.register_shapes import (
    DAY,
    E_MAIL_SHAPES,
    JAKARTA,
    MORNING,
    NOON,
    SHAPES,
    SMS_SHAPES,
    Filled,
    Shape,
)
from benchmarks.register_sql import REGISTER, quickly, without_indexes
from notifier.calendar.data import load_calendar
from notifier.calendar.office import OfficeCalendar, build_calendar
from notifier.model import Channel, Office
from notifier.plan import Planner
from notifier.rules.load import load_rules
from notifier.store import tables as t
from notifier.store.engine import writing
from notifier.store.records import OfficeRecord
from notifier.store.register import put_offices

__all__ = [
    "DAY", "E_MAIL_SHAPES", "JAKARTA", "MORNING", "NOON", "OUTBOX", "PROJECT", "SHAPES", "SMS_SHAPES", "Filled",
    "Shape", "analyse", "fill", "filled", "forget_plan", "planner_for",
]  # fmt: skip

PROJECT = Path(__file__).parent.parent
OFFICES = 126
PERMITS_PER_SPONSOR = 25
#: Permits of one transaction: enough to be quick, small enough for a laptop.
PORTION = 1_000_000
ZONES = (("Asia/Jakarta", "Jawa Barat"), ("Asia/Makassar", "Sulawesi Selatan"), ("Asia/Jayapura", "Maluku"))
OUTBOX = (t.event, t.receipt, t.delivery_member, t.delivery, t.cap_use, t.daily_batch, t.work_item, t.notification)


class Plans(Protocol):
    """What sets the cursors: a `Planner`."""

    def plan(self, *, now: datetime) -> Any:
        """Bring the outbox up to the day of `now`."""


def planner_for(engine: Engine, rules: Path = PROJECT / "rules") -> Planner:
    """A planner with the shipped rules and calendar."""
    data = load_calendar(rules / "calendar.yaml")
    built: dict[Office, OfficeCalendar] = {}

    def calendar_of(office: Office) -> OfficeCalendar:
        if office not in built:
            built[office] = build_calendar(office, data)
        return built[office]

    return Planner(engine, load_rules(rules), calendar_of)


def fill(
    engine: Engine,
    planner: Plans,
    *,
    permits: int,
    due: int = 20_000,
    shapes: Sequence[Shape] = SHAPES,
    channels: Sequence[Channel] = tuple(Channel),
    offices: int = OFFICES,
    open_cases: int | None = None,
) -> Filled:
    """Write the register of which about `due` notifications come due on DAY.

    `channels` are the contacts of everybody. `open_cases` (a fiftieth of `due`, if not told) give one notification
    each. The rules of `planner` come into force on the day before DAY, so that no earlier step is made up for (S44),
    and are planned until its end: plan MORNING next. Raises ValueError where so many cannot be due of so few.
    """
    cases = due // 50 if open_cases is None else open_cases
    per_permit = sum(one.share * (2 if one.sponsored else 1) for one in shapes) / sum(one.share for one in shapes)
    due_permits = round((due - cases) / per_permit)
    if due_permits > permits:
        raise ValueError(f"{due_permits} permits cannot be due of {permits}")
    made = Filled(permits, due_permits, due, max(1, permits // PERMITS_PER_SPONSOR), permits // 10, cases)
    with writing(engine) as connection:
        put_offices(connection, list(_offices(offices)), now=MORNING - timedelta(days=400))
    planner.plan(now=MORNING - timedelta(days=1))  # on offices alone: the planner sets its own cursors
    with without_indexes(engine):
        with quickly(engine) as run:
            write_sponsors(run, made, channels)
        for low in range(1, permits + 1, PORTION):
            with quickly(engine) as run:
                write_portion(run, low, min(low + PORTION, permits + 1), made, shapes, channels)
        with quickly(engine) as run:
            write_open_cases(run, made)
    _finish(engine)
    _remember(engine, made)
    return made


def filled(engine: Engine) -> Filled | None:
    """What `fill` wrote into this database; None when it never did."""
    if not inspect(engine).has_table("bench_register"):
        return None
    with engine.connect() as connection:
        return Filled(**connection.execute(text("SELECT * FROM bench_register")).one()._asdict())


def _remember(engine: Engine, made: Filled) -> None:
    names = [field.name for field in fields(made)]
    with writing(engine) as connection:
        connection.execute(text(f"CREATE TABLE bench_register ({', '.join(f'{name} bigint' for name in names)})"))
        connection.execute(
            text(f"INSERT INTO bench_register VALUES ({', '.join(f':{name}' for name in names)})"), asdict(made)
        )


def forget_plan(engine: Engine) -> None:
    """Empty the outbox and put the cursors back to the day before DAY, so that planning can be measured again."""
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("TRUNCATE " + ", ".join(table.name for table in OUTBOX) + " RESTART IDENTITY"))
        else:
            for table in OUTBOX:
                connection.execute(table.delete())
        connection.execute(t.changed.delete())
        connection.execute(t.cursor.delete())
        connection.execute(text("INSERT INTO cursor SELECT * FROM bench_cursor"))
    analyse(engine)


def analyse(engine: Engine, tables: Iterable[str] = ("notification", "cursor", "changed")) -> None:
    """Bring the statistics of some tables up to date, as autovacuum would in its own time."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM (ANALYZE) " + ", ".join(tables)))
    else:
        with writing(engine) as connection:
            connection.execute(text("ANALYZE"))


def _offices(count: int) -> Iterable[OfficeRecord]:
    for place in range(count):
        zone, province = ZONES[0 if place % 10 < 6 else 1 if place % 10 < 9 else 2]
        values = {"name": f"Kantor Imigrasi {place:03d}", "zone": zone, "country": "ID", "province": province}
        values |= {"phone": f"+6221555{place:05d}", "email_sender": f"pengingat@kantor{place:03d}.example"}
        values |= {"sms_sender": "IMIGRASI", "whatsapp_sender": f"+62811000{place:04d}"}
        yield OfficeRecord(f"kantor-{place:03d}", values)


def _finish(engine: Engine) -> None:
    """Counters after the last row, a copy of the cursors for `forget_plan`, statistics."""
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            for table in (*REGISTER, *OUTBOX):
                if "id" in table.c:
                    last = f"(SELECT coalesce(max(id), 0) + 1 FROM {table.name})"
                    connection.execute(
                        text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {last}, false)")
                    )
        connection.execute(text("DROP TABLE IF EXISTS bench_cursor"))
        connection.execute(text("CREATE TABLE bench_cursor AS SELECT * FROM cursor"))
    analyse(engine, [table.name for table in (*REGISTER, *OUTBOX, t.office, t.cursor, t.changed)])
