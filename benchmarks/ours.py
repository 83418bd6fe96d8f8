"""The engine itself, as it runs at an office: `notifier worker` processes over Redis, and the planner.

Each contender prepares a register, plans DAY and keeps a copy of the outbox as it is then. A run begins with that
copy, rings for everything due and ends when the database says that each message was accepted and recorded: delivery
row, reference, event and state of the notification committed. All guards are on.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import Engine, text

from benchmarks import Bench, Sample, register
from benchmarks.register import JAKARTA, MORNING, NOON, PROJECT
from benchmarks.servers import Listening, cpu_seconds, database_cpu_seconds
from notifier.app import App
from notifier.clock import StandingClock
from notifier.config import Settings
from notifier.model import Channel
from notifier.run import offer_due, send_due
from notifier.store.engine import open_engine, writing
from notifier.worker import Queue, redis_broker

#: What a run begins with: copies of the tables as planning left them.
KEPT = ("notification", "event")
TEXTS = Path(__file__).parent / "texts"
WORKERS = 2
#: No run takes longer than this, in seconds.
PATIENCE = 600.0
SIGNING_KEY = "a key of the benchmark that signs nothing outside"


def settings(url: str, bench: Bench, redis: str | None, **more: object) -> dict[str, str]:
    """The environment of every process of the engine in a measurement."""
    told = {
        "DATABASE_URL": url,
        "RULES": PROJECT / "rules",
        "TEMPLATES": PROJECT / "templates",
        "LOG_FILE": bench.folder / "notifier.log",
        "INBOX": bench.folder / "inbox",
        "SIGNING_KEY": SIGNING_KEY,
        "PUBLIC_URL": "https://pengingat.imigrasi.example",
        **({"REDIS_URL": redis} if redis else {}),
        **more,
    }
    return {f"NOTIFIER_{name}": str(value) for name, value in told.items()}


def short_texts(bench: Bench) -> Path:
    """The shipped templates, but the mails of E_MAIL_SHAPES are the peers' 4-kB text without a calendar file.

    The mails that ship weigh three times as much; they are measured besides.
    """
    folder = bench.folder / "templates"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PROJECT / "templates", folder)
    for mail in (*folder.glob("itk/extension/email.*.txt"), *folder.glob("passport/renewal/email.*.txt")):
        shutil.copyfile(TEXTS / "email.txt", mail)
    for footer in folder.glob("shared/email-footer.*.txt"):
        shutil.copyfile(TEXTS / "footer.txt", footer)
    shutil.copyfile(TEXTS / "email.html", folder / "shared" / "email.html")
    return folder


def by_mail(sink: Listening) -> dict[str, object]:
    """Settings: e-mail goes to this sink, over connections that stay open."""
    return {
        "PROVIDERS_EMAIL": "smtp",
        "SMTP_HOST": sink.host,
        "SMTP_PORT": sink.port,
        "SMTP_SECURITY": "none",
        "SMTP_CONNECTIONS": 4,
    }


def by_sms(provider: Listening) -> dict[str, object]:
    """Settings: SMS goes to this stand-in of Twilio."""
    return {
        "PROVIDERS_SMS": "twilio",
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "token",
        "TWILIO_SMS_SENDER": "IMIGRASI",
        "TWILIO_BASE_URL": f"http://{provider.host}:{provider.port}",
    }


@contextmanager
def sending(
    bench: Bench,
    url: str,
    channel: Channel,
    provider: Mapping[str, object],
    *,
    redis: str | None,
    workers: int = WORKERS,
) -> Iterator[Sample]:
    """Sends `bench.messages` over one channel with so many worker processes, or without Redis inside this process.

    A run gives per_second; cpu_us and database_us, what the CPU of workers and of the database spent on a message;
    peak_mb, the most memory that a worker has held since it began.
    """
    environment = settings(url, bench, redis, **provider)
    prepare_outbox(bench, url, channel)
    app = App(Settings.load(environment, None), clock=StandingClock(NOON))
    with ExitStack() as stack:
        stack.callback(app.close)
        running = [stack.enter_context(_worker(bench, environment)) for _ in range(workers if redis else 0)]

        def sample() -> Mapping[str, float]:
            put_back(app.engine)
            before, of_database, begun = _cpu(running), database_cpu_seconds(url), time.perf_counter()
            if redis:
                queue = Queue(redis_broker(app.settings.redis_url), _never)  # type: ignore[arg-type]
                while offer_due(app, queue.offer, now=NOON):
                    pass
                _await_end(app.engine, running)
            else:
                send_due(app)
            seconds = time.perf_counter() - begun
            spent, of_database = _cpu(running) - before, database_cpu_seconds(url) - of_database
            count = must_be_sent(app.engine, bench.messages)
            peak = max((peak_mb(process.pid) for process in running), default=peak_mb(os.getpid()))
            per_message = {"cpu_us": spent / count * 1e6, "database_us": of_database / count * 1e6}
            return {"messages": count, "per_second": count / seconds, "peak_mb": peak, **per_message}

        yield sample


@contextmanager
def planning(bench: Bench, url: str, *, permits: int) -> Iterator[tuple[Sample, Engine]]:
    """Plans DAY with all shipped rules over a register of so many permits; about `bench.due` notifications come of it.

    A run gives seconds, rows, cpu (seconds of this process), whole_cpu (with the database's), and again: planning the
    same moment once more, with again_cpu.
    """
    engine = open_engine(url)
    planner = register.planner_for(engine)
    known, begun = register.filled(engine), time.perf_counter()
    if known is None:
        register.fill(engine, planner, permits=permits, due=bench.due)
        bench.say(f"filled {permits:,} permits on {engine.dialect.name} in {time.perf_counter() - begun:.0f} s")
    elif (known.permits, known.notifications) != (permits, bench.due):
        raise RuntimeError(f"a kept register has {known}; delete it, or ask for the same size")

    def sample() -> Mapping[str, float]:
        register.forget_plan(engine)
        begun, cpu, of_database = time.perf_counter(), time.process_time(), database_cpu_seconds(url)
        rows = planner.plan(now=MORNING).planned
        done, cpu, middle = time.perf_counter(), time.process_time() - cpu, database_cpu_seconds(url)
        after = time.process_time()
        if abs(rows - bench.due) > bench.due * 0.02:
            raise RuntimeError(f"{rows} notifications were planned, {bench.due} expected: the figure would be wrong")
        if planner.plan(now=MORNING).planned:
            raise RuntimeError("planning the same moment again has added something")
        again = time.perf_counter() - done
        again_cpu = time.process_time() - after + database_cpu_seconds(url) - middle
        return {
            "seconds": done - begun, "rows": rows, "cpu": cpu, "again": again,
            "whole_cpu": cpu + middle - of_database, "again_cpu": again_cpu,
        }  # fmt: skip

    try:
        yield sample, engine
    finally:
        engine.dispose()


def prepare_outbox(bench: Bench, url: str, channel: Channel) -> None:
    """A register in which each of `bench.messages` people gets one message over one channel; planned, and kept."""
    engine = open_engine(url)
    shapes = register.SMS_SHAPES if channel is Channel.SMS else register.E_MAIL_SHAPES
    planner = register.planner_for(engine)
    register.fill(
        engine, planner, permits=max(bench.messages, 50_000), due=bench.messages, shapes=shapes,
        channels=(channel,), open_cases=0,
    )  # fmt: skip
    planner.plan(now=MORNING)
    with writing(engine) as connection:
        for name in KEPT:
            connection.execute(text(f"CREATE TABLE bench_{name} AS SELECT * FROM {name}"))
    engine.dispose()


def put_back(engine: Engine) -> None:
    """Everything that sending wrote is gone; the outbox is as planning left it."""
    with writing(engine) as connection:
        tables = [table.name for table in register.OUTBOX]
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"TRUNCATE {', '.join(tables)}"))
        else:
            for name in tables:
                connection.execute(text(f"DELETE FROM {name}"))
        for name in KEPT:
            connection.execute(text(f"INSERT INTO {name} SELECT * FROM bench_{name}"))
    register.analyse(engine, [table.name for table in register.OUTBOX])


def must_be_sent(engine: Engine, expected: int) -> int:
    """How many messages were accepted. Raises RuntimeError where one is missing: a fast wrong run is no figure."""
    with engine.connect() as connection:
        sent = "SELECT count(DISTINCT notification_id) FROM delivery WHERE state = 'accepted'"
        count = int(connection.execute(text(sent)).scalar() or 0)
        rest = connection.execute(text("SELECT state, reason, count(*) FROM delivery GROUP BY 1, 2")).all()
    if abs(count - expected) > expected * 0.01:
        raise RuntimeError(f"{count} of {expected} were accepted; the deliveries: {[tuple(row) for row in rest]}")
    return count


@contextmanager
def _worker(bench: Bench, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A `notifier worker` whose clock stands at noon of DAY."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NOTIFIER_")}
    command = [
        str(Path(sys.executable).parent / "notifier"),
        "worker",
        "--on",
        f"{NOON.astimezone(JAKARTA):%Y-%m-%d %H:%M}",
    ]
    with (bench.folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, env=kept | dict(environment), stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def _await_end(engine: Engine, workers: Sequence[subprocess.Popen[bytes]]) -> None:
    """Until no notification waits any more. Raises RuntimeError when a worker ends or it takes too long."""
    end = time.monotonic() + PATIENCE
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.execute(text("SELECT 1 FROM notification WHERE state = 'scheduled' LIMIT 1")).scalar():
            if any(process.poll() is not None for process in workers):
                raise RuntimeError("a worker has ended; worker.log says why")
            if time.monotonic() > end:
                raise RuntimeError(f"not all was sent within {PATIENCE:.0f} s; worker.log may say why")
            time.sleep(0.02)


def peak_mb(pid: int) -> float:
    """The most memory a process has held at once, in MB (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not tell the memory of a process")


def _cpu(workers: Sequence[subprocess.Popen[bytes]]) -> float:
    return sum(cpu_seconds(process.pid) for process in workers) if workers else time.process_time()


def _never(ids: object) -> None:
    raise AssertionError("only the workers send")
