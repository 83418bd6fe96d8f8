"""The embedded form on a disk that fills up: `notifier run` with SQLite, its files bounded by RLIMIT_FSIZE.

At a random size the system refuses to write on: to the database, its journal, the log. The run ends with a sentence, or
goes on as far as it can. Then there is room again, and runs follow until nothing is left to do. Time passes between the
runs for what waits for an answer, so the settings here are short.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from benchmarks.chaos.arrived import Arrivals, Comparison, compare
from benchmarks.chaos.crew import PLAIN
from benchmarks.chaos.faults import DISK_FULL, Happened
from benchmarks.chaos.office import PROJECT, Office
from benchmarks.chaos.stage import Cast, outside, provider_settings
from notifier.model import Channel
from notifier.store import migrate
from notifier.store.engine import open_engine

#: People told in each round.
PEOPLE = 60
#: So many bytes of room on the disk at most; where all of them could be told, another disk has half as many.
MOST_ROOM, TRIES = 260_000, 5
#: Runs after the full disk until everything must be told.
RUNS = 12
SETTINGS = {"SENDING_ASK_AFTER": "4 seconds", "SENDING_LEASE": "2 seconds", "SENDING_OFFER_PATIENCE": "1 second"}


def play(folder: Path, rounds: int, seed: int, say: Callable[[str], None]) -> tuple[list[Happened], Comparison]:
    """A full disk in each round, every one on a database of its own."""
    happened: list[Happened] = []
    with outside(folder, Cast(mail_latency=0.01, sms_latency=0.05, list_lag=0.2)) as (mail, twilio):
        arrivals = Arrivals(mail.record, twilio.record)
        plan: dict[str, tuple[Channel, str]] = {}
        for number in range(1, rounds + 1):
            draw, most = Random(f"{seed}:{number}:{DISK_FULL}"), MOST_ROOM
            for again in range(TRIES):
                office, environment = _office(folder / f"disk-{number}-{again}", len(plan))
                environment |= {f"NOTIFIER_{key}": value for key, value in SETTINGS.items()}
                environment |= {f"NOTIFIER_{key}": value for key, value in provider_settings(mail, twilio).items()}
                plan.update(office.plan)
                what = _round(office, environment, draw, number, arrivals, most)
                if what.in_hand:
                    break
                most //= 2
            else:
                what.wrong.append("every disk was large enough")
            happened.append(what)
            say(f"  disk full, round {number}: {what.note}, told after {what.mended - what.begun:.1f} s")
        arrivals.poll()
        return happened, compare(arrivals, plan)


def _office(folder: Path, first: int) -> tuple[Office, dict[str, str]]:
    now = datetime.now(UTC)
    office = Office.make(folder, now)
    office.first = first
    url = f"sqlite:///{folder / 'notifier.db'}"
    engine = open_engine(url)
    migrate.upgrade(engine)
    office.open(engine, now)
    office.register(engine, PEOPLE, now)
    engine.dispose()
    return office, {"NOTIFIER_DATABASE_URL": url, "NOTIFIER_ZONE": office.zone.key}


def _round(
    office: Office, environment: Mapping[str, str], draw: Random, number: int, arrivals: Arrivals, most: int
) -> Happened:
    """One full disk; `in_hand` is how many were waiting for it, 0 when it was large enough for all."""
    database = office.folder / "notifier.db"
    is_planned = draw.random() < 0.5  # else most bounds are met by the plan, before the first message
    if is_planned:
        planned = _run(office.folder, environment, None, "plan")
        if planned.returncode:
            raise RuntimeError(f"plan: {planned.stderr[-300:]}")
    room = draw.randint(0, most)
    # The journal counts for itself: it is refused at its own size, the database at its own.
    bound = draw.choice((database.stat().st_size + room, max(room, 8_192)))
    what = Happened(DISK_FULL, number, begun=time.time())
    first = _run(office.folder, environment, bound)
    if "Traceback" in first.stderr:
        what.wrong.append(first.stderr[-400:])
    what.in_hand = PEOPLE if first.returncode else 0
    arrivals.poll()
    told_before = sum(arrivals.first(part, address) is not None for part, address in office.expected())
    for _ in range(RUNS):
        again = _run(office.folder, environment, None)
        if again.returncode:
            what.wrong.append(f"with room again: {again.stderr[-300:]}")
        arrivals.poll()
        if all(arrivals.first(part, address) is not None for part, address in office.expected()):
            break
        time.sleep(1)
    what.mended = time.time()
    when = "sending" if is_planned else "planning"
    what.note = f"bound {bound} bytes from {when} on: exit {first.returncode}, {told_before} of {PEOPLE} told"
    return what


def _run(
    folder: Path, environment: Mapping[str, str], bound: int | None, command: str = "run"
) -> subprocess.CompletedProcess[str]:
    """`notifier run`, its files not larger than `bound` bytes."""

    def keep_within() -> None:
        if bound is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (bound, bound))

    kept = {name: value for name, value in os.environ.items() if not name.startswith("NOTIFIER_")}
    return subprocess.run(
        [sys.executable, "-c", PLAIN, command],
        cwd=folder,
        env=kept | dict(environment) | {"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=keep_within,
    )
