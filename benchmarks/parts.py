"""The parts of the benchmark: each prepares its contenders, lets them run in turn and gives its figures."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from benchmarks import Bench, Figure, Rounds, Sample, interleave, limits, ours, peers, servers
from benchmarks.limits.mailing import ready_mail, transport
from benchmarks.peers.alertmanager import alertmanager
from benchmarks.peers.programs import texts
from benchmarks.servers import NotInstalled
from notifier.model import Channel

#: What a provider takes to answer in the part `slow`, in seconds, and how many answers are waited for at a time.
LATENCY, CONCURRENCY = 0.15, 200
#: The way to the mail server and back in the part `far`, in seconds, and the connections kept to it.
ROUND_TRIP, CONNECTIONS = 0.02, 16


def plan(bench: Bench) -> list[Figure]:
    """Planning a day, on both databases and all sizes, against a raw INSERT ... SELECT of the same rows."""
    found: list[Figure] = []
    for dialect in ("postgres", "sqlite"):
        with ExitStack() as stack:
            open_database = stack.enter_context(_databases(bench, dialect))
            contenders: dict[str, Sample] = {}
            sizes = sizes_of(bench, dialect)
            for size in sizes:
                url = open_database(f"plan_{size}")
                sample, engine = stack.enter_context(ours.planning(bench, url, permits=size))
                contenders[f"ours.{label(size)}"] = sample
            sample()  # the outbox of the largest register, as planned
            contenders["insert"] = stack.enter_context(limits.raw_insert(engine))
            found += of_planning(sizes, f"plan.{dialect}", interleave(contenders, bench.runs))
    return found


def sizes_of(bench: Bench, dialect: str) -> list[int]:
    """SQLite serves an office, not a country: its registers are a tenth of those on PostgreSQL."""
    return [size if dialect == "postgres" else size // 10 for size in bench.sizes]


def of_planning(sizes: Sequence[int], name: str, rounds: Rounds) -> list[Figure]:
    small, large = label(min(sizes)), label(max(sizes))
    found = [rounds.figure(f"{name}.{label(size)}", f"ours.{label(size)}", "seconds", "s", "less") for size in sizes]
    found.append(rounds.figure(f"{name}.insert", "insert", "seconds", "s", "less"))
    found.append(rounds.figure(f"{name}.cpu", f"ours.{large}", "cpu", "s", "less"))
    found.append(rounds.ratio(f"{name}.vs.insert", (f"ours.{large}", "seconds"), ("insert", "seconds"), "less"))
    found.append(rounds.ratio(f"{name}.again", (f"ours.{large}", "again"), (f"ours.{large}", "seconds"), "less"))
    whole = f"ours.{large}", "whole_cpu"
    found.append(rounds.ratio(f"{name}.vs.insert.by_cpu", whole, ("insert", "whole_cpu"), "less"))
    found.append(rounds.ratio(f"{name}.again.by_cpu", (f"ours.{large}", "again_cpu"), whole, "less"))
    if small != large:
        found.append(rounds.ratio(f"{name}.growth", (f"ours.{large}", "seconds"), (f"ours.{small}", "seconds"), "less"))
        found.append(rounds.ratio(f"{name}.growth.by_cpu", whole, (f"ours.{small}", "whole_cpu"), "less"))
    return found


def email(bench: Bench) -> list[Figure]:
    """E-mail from due to recorded, against other tools and against the transport alone; memory of a worker."""
    with ExitStack() as stack:
        sink = stack.enter_context(servers.smtp_sink())
        redis = stack.enter_context(servers.redis())
        server = stack.enter_context(servers.postgres())
        addresses = _addresses(server, redis, smtp=sink.port)
        few, many = max(bench.messages // 20, 100), max(bench.messages // 2, 100)
        short = ours.by_mail(sink) | {"TEMPLATES": ours.short_texts(bench)}
        contenders: dict[str, Sample] = {}
        missing: list[str] = []
        ways: dict[str, Callable[[], AbstractContextManager[Sample]]] = {
            "ours": lambda: ours.sending(
                bench, servers.database(server, "mail"), Channel.EMAIL, short, redis=f"{redis}/1"
            ),
            "sqlite": lambda: ours.sending(bench, _sqlite(bench, "mail"), Channel.EMAIL, short, redis=None),
            # Another database of Redis: these workers must not be offered the other's notifications.
            "shipped": lambda: ours.sending(
                bench, servers.database(server, "shipped"), Channel.EMAIL, ours.by_mail(sink), redis=f"{redis}/2"
            ),
            "alertmanager": lambda: alertmanager(sink, many, (texts.TEXT, texts.HTML)),
            "celery": lambda: peers.program(bench, "celery_mail", few, addresses),
            "dramatiq": lambda: peers.program(bench, "dramatiq_notices", few, addresses | {"CHANNEL": "mail"}),
            "procrastinate": lambda: peers.program(bench, "procrastinate_mail", few, addresses),
            "aiosmtplib": lambda: transport(sink.port, "aiosmtplib", connections=4, count=bench.messages // 2),
            "pipelined": lambda: transport(sink.port, "pipelined", connections=4, count=bench.messages),
            "smtp-source": lambda: limits.smtp_source(sink, size=len(ready_mail()), count=bench.messages),
        }
        for name, contender in ways.items():
            try:
                contenders[name] = stack.enter_context(contender())
            except NotInstalled as error:
                missing.append(f"{name}: {error}")
        for line in missing:
            bench.say(f"left out, {line}")
        rounds = interleave(contenders, bench.runs, spent=_spending(server))
    return of_email(rounds)


def of_email(rounds: Rounds) -> list[Figure]:
    """Speeds and CPU, ours against each of the others, and the memory of our workers."""
    found = [rounds.figure(f"email.{name}", name, "per_second", "messages/s", "more") for name in rounds.of]
    found += _of_cpu("email", rounds)
    for name in rounds.of:
        if name not in ("ours", "sqlite", "shipped"):
            found.append(rounds.ratio(f"email.vs.{name}", _speed("ours"), _speed(name), "more"))
            found.append(rounds.ratio(f"email.sqlite.vs.{name}", _speed("sqlite"), _speed(name), "more"))
            found.append(_by_cpu(f"email.vs.{name}", rounds, "ours", name))
            found.append(_by_cpu(f"email.sqlite.vs.{name}", rounds, "sqlite", name))
    return found + _of_memory(rounds)


def _of_cpu(name: str, rounds: Rounds) -> list[Figure]:
    return [
        rounds.figure(f"{name}.cpu", "ours", "cpu_us", "us", "less"),
        rounds.figure(f"{name}.database", "ours", "database_us", "us", "less"),
    ]


def _of_memory(rounds: Rounds) -> list[Figure]:
    """The rounds are one long life of the workers: with the round that is not counted, runs + 1 times the messages."""
    peaks = rounds.values("ours", "peak_mb")
    return [
        Figure("memory.peak", peaks[-1], "MB", "less", peaks[0], peaks[-1], len(peaks)),
        Figure.of("memory.growth", [peaks[-1] / peaks[0]], "x", "less"),
    ]


def sms(bench: Bench) -> list[Figure]:
    """SMS from due to recorded, against one dramatiq message per notification with Twilio's client."""
    with ExitStack() as stack:
        provider = stack.enter_context(servers.http_answers())
        redis = stack.enter_context(servers.redis())
        server = stack.enter_context(servers.postgres())
        addresses = _addresses(server, redis, http=provider.port) | {"CHANNEL": "sms"}
        url = servers.database(server, "sms")
        contenders = {
            "ours": stack.enter_context(ours.sending(bench, url, Channel.SMS, ours.by_sms(provider), redis=redis)),
            "dramatiq": stack.enter_context(
                peers.program(bench, "dramatiq_notices", max(bench.messages // 20, 100), addresses)
            ),
        }
        try:
            contenders["wrk"] = stack.enter_context(limits.static_answers(provider))
        except NotInstalled as error:
            bench.say(f"left out, wrk: {error}")
        rounds = interleave(contenders, bench.runs, spent=_spending(server))
    return of_sms(rounds)


def of_sms(rounds: Rounds) -> list[Figure]:
    """Ours, the other's, and the ratio."""
    found = [rounds.figure(f"sms.{name}", name, "per_second", "messages/s", "more") for name in rounds.of]
    found += _of_cpu("sms", rounds)
    found += [rounds.ratio(f"sms.vs.{one}", _speed("ours"), _speed(one), "more") for one in rounds.of if one != "ours"]
    found.append(_by_cpu("sms.vs.dramatiq", rounds, "ours", "dramatiq"))
    return found


def _by_cpu(name: str, rounds: Rounds, ours_: str, other: str) -> Figure:
    """How many times the CPU of a message theirs is: the ratio on a machine that does nothing else."""
    return rounds.ratio(f"{name}.by_cpu", (other, "whole_us"), (ours_, "whole_us"), "more")


def _spending(server: str) -> Callable[[], float]:
    """The CPU of this process, all its descendants and the database."""
    return lambda: servers.family_cpu_seconds(os.getpid()) + servers.database_cpu_seconds(server)


def slow(bench: Bench) -> list[Figure]:
    """A provider that takes 150 ms for each answer: the share of concurrency / latency that one worker reaches."""
    with ExitStack() as stack:
        provider = stack.enter_context(servers.http_answers(latency=LATENCY))
        redis = stack.enter_context(servers.redis())
        url = servers.database(stack.enter_context(servers.postgres()), "slow")
        told = ours.by_sms(provider) | {"TWILIO_CONCURRENCY": CONCURRENCY}
        sample = stack.enter_context(ours.sending(bench, url, Channel.SMS, told, redis=redis, workers=1))
        rounds = interleave({"ours": sample}, bench.runs)
    return of_slow(rounds)


def of_slow(rounds: Rounds) -> list[Figure]:
    """What is reached, and its share of concurrency / latency."""
    shares = [value / (CONCURRENCY / LATENCY) for value in rounds.values(*_speed("ours"))]
    return [
        rounds.figure("slow.ours", *_speed("ours"), "messages/s", "more"),
        Figure.of("slow.share", shares, "x", "more"),
    ]


def far(bench: Bench) -> list[Figure]:
    """A mail server 20 ms away, 16 connections from one process, against aiosmtplib's kept connections."""
    bench = replace(bench, messages=max(bench.messages // 4, 500))
    with ExitStack() as stack:
        sink = stack.enter_context(servers.smtp_sink())
        way = stack.enter_context(servers.far_away(sink.port, round_trip=ROUND_TRIP))
        redis = stack.enter_context(servers.redis())
        url = servers.database(stack.enter_context(servers.postgres()), "far")
        told = ours.by_mail(way) | {"TEMPLATES": ours.short_texts(bench)} | {"SMTP_CONNECTIONS": CONNECTIONS}
        few = max(bench.messages // 5, 100)
        contenders = {
            "ours": stack.enter_context(ours.sending(bench, url, Channel.EMAIL, told, redis=redis, workers=1)),
            "aiosmtplib": stack.enter_context(
                transport(way.port, "aiosmtplib", connections=CONNECTIONS, count=few, processes=1)
            ),
        }
        rounds = interleave(contenders, bench.runs)
    return of_far(rounds)


def of_far(rounds: Rounds) -> list[Figure]:
    """Ours, the other's, and the ratio."""
    found = [rounds.figure(f"far.{name}", name, "per_second", "messages/s", "more") for name in rounds.of]
    return [*found, rounds.ratio("far.vs.aiosmtplib", _speed("ours"), _speed("aiosmtplib"), "more")]


def _elsewhere(module: str) -> Callable[[Bench], list[Figure]]:
    def figures(bench: Bench) -> list[Figure]:
        found: list[Figure] = import_module(f"benchmarks.{module}").figures(bench)
        return found

    figures.__doc__ = f"What `benchmarks.{module}` measures."
    return figures


#: In the order in which they run.
PARTS: Mapping[str, Callable[[Bench], list[Figure]]] = {
    "plan": plan,
    "email": email,
    "sms": sms,
    "slow": slow,
    "far": far,
    "callbacks": _elsewhere("callbacks"),
    "import": _elsewhere("importing"),
    "size": _elsewhere("sizing"),
}


def label(size: int) -> str:
    """100000 is 100k, a million 1M."""
    return f"{size // 1_000_000}M" if size % 1_000_000 == 0 else f"{size // 1_000}k"


def _speed(name: str) -> tuple[str, str]:
    return name, "per_second"


def _addresses(server: str, redis: str, *, smtp: int = 0, http: int = 0) -> dict[str, object]:
    url = servers.database(server, "peers")
    return {"REDIS_URL": redis, "DATABASE_URL": url, "SMTP_PORT": smtp, "HTTP_PORT": http}


def _sqlite(bench: Bench, name: str) -> str:
    return servers.sqlite(bench.folder / f"{name}.db", fresh=True)


@contextmanager
def _databases(bench: Bench, dialect: str) -> Iterator[Callable[[str], str]]:
    """Opens migrated databases by name; all are gone when the block ends, unless `bench.registers` keeps them."""
    made: list[Path] = []
    with servers.postgres(bench.registers) if dialect == "postgres" else nullcontext("") as server:

        def open_database(name: str) -> str:
            if server:
                return servers.database(server, name)
            if bench.registers:
                return servers.sqlite(bench.registers / f"{name}.db")
            made.append(bench.folder / f"{name}.db")
            return _sqlite(bench, name)

        try:
            yield open_database
        finally:
            for file in made:
                for tail in ("", "-wal", "-shm"):
                    Path(f"{file}{tail}").unlink(missing_ok=True)
