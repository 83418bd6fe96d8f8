"""Everything a play runs on: servers, office, processes; what the outbox says of it."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from sqlalchemy import Engine, text

from benchmarks.chaos import provider
from benchmarks.chaos.arrived import CALLBACKS, MAIL, SMS, Arrivals
from benchmarks.chaos.crew import Crew, Machine, Member
from benchmarks.chaos.machines import world
from benchmarks.chaos.office import RULES, Office
from benchmarks.chaos.servers import Postgres, Redis
from benchmarks.chaos.told import Server, free_ports, running, wait_for_port
from notifier.app import App
from notifier.config import Settings
from notifier.model import Channel
from notifier.plan import Planner
from notifier.store import migrate
from notifier.store.engine import open_engine

T = TypeVar("T")

#: A notification that was claimed for the first time and is not recorded yet: its number, its attempt, its permit.
IN_HAND = """
SELECT n.id, n.attempt, p.number, n.rule FROM notification n JOIN permit p ON p.id = n.subject_id
WHERE n.state = 'scheduled' AND n.attempt > 0 AND n.reason IS NULL AND n.next_attempt_at > now()
"""
#: Of some that were in hand at an instant, those whose lease nobody has renewed and that nobody else has claimed since:
#: their attempt, and whether the lease has ended.
NOT_RENEWED = """
SELECT n.id, n.attempt, n.next_attempt_at <= now() FROM notification n
WHERE n.id = ANY(:ids) AND n.state = 'scheduled' AND n.reason IS NULL AND n.next_attempt_at <= :renewed
"""
#: What has not been sent yet.
WAITING = "SELECT rule, count(*) FROM notification WHERE state = 'scheduled' GROUP BY 1"
#: Of these, what is due or in hand: it is not put off to a later try.
DUE = """
SELECT rule, count(*) FROM notification WHERE state = 'scheduled' AND next_attempt_at <= :soon GROUP BY 1
"""
#: What is still to come: not sent yet, or sent and nobody knows whether it arrived at the provider.
UNSETTLED = """
SELECT (SELECT count(*) FROM notification WHERE state = 'scheduled')
     + (SELECT count(*) FROM delivery WHERE state IN ('attempting', 'unknown'))
     + (SELECT count(*) FROM notification WHERE state = 'sent' AND rule = 'chaos-sms')
"""
#: Why, of those that are.
OPEN = """
SELECT n.rule, n.state, coalesce(n.reason, ''), coalesce(d.state, ''), count(*),
       min(extract(epoch FROM n.next_attempt_at - now()))::int
FROM notification n LEFT JOIN delivery d ON d.notification_id = n.id AND d.state IN ('attempting', 'unknown')
WHERE n.state = 'scheduled' OR d.id IS NOT NULL OR (n.state = 'sent' AND n.rule = 'chaos-sms')
GROUP BY 1, 2, 3, 4
"""
#: What was told whom: the outbox by its own key, without the numbers a database gives to rows.
TOLD = """
SELECT n.rule, n.step, n.occurrence, n.cycle, p.number FROM notification n JOIN party p ON p.id = n.party_id
WHERE n.state IN ('sent', 'delivered')
"""
ATTEMPTING = "SELECT count(*) FROM delivery WHERE state = 'attempting'"
STATES = "SELECT rule, state, coalesce(reason, ''), count(*) FROM notification GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"


@dataclass(slots=True)
class Stage:
    """A running site."""

    folder: Path
    office: Office
    crew: Crew
    postgres: Postgres
    redis: Redis
    mail: Server
    twilio: Server
    arrivals: Arrivals
    engine: Engine
    settings: Mapping[str, str]
    clocks: Sequence[Path] = field(default_factory=tuple)
    grace: float = 0.0  # seconds that what is under way at a fault may still take to arrive
    rolling: Thread | None = None  # restarts workers one by one
    _planner: Planner | None = None

    @property
    def lease(self) -> timedelta:
        """The lease of the processes: told, or the default."""
        told = self.settings.get("NOTIFIER_SENDING_LEASE")
        return Settings.load({"NOTIFIER_SENDING_LEASE": told} if told else {}, None).sending.lease

    def ask(self, statement: str, **values: object) -> list[Any]:
        """Rows of a query. Waits for a database that is just coming back."""
        return self._patiently(lambda: self._rows(statement, values))

    def told(self) -> set[tuple[object, ...]]:
        """Every notification that was told, and every address that something arrived at."""
        arrived = {(part, address) for part, people in self.arrivals.by_address.items() for address in people}
        return {tuple(row) for row in self.ask(TOLD)} | arrived

    def number(self, statement: str) -> int:
        """The one number of a query."""
        return int(self.ask(statement)[0][0])

    def waiting(self) -> dict[str, int]:
        """By part, how many notifications are not sent yet; callbacks follow the SMS."""
        return _by_part({rule: int(count) for rule, count in self.ask(WAITING)})

    def due(self) -> dict[str, int]:
        """By part, how many of these are not put off to a later try."""
        soon = datetime.now(UTC) + self.lease
        return _by_part({rule: int(count) for rule, count in self.ask(DUE, soon=soon)})

    def in_hand(self) -> dict[str, int]:
        """By part, how many notifications a worker has in hand; callbacks follow the SMS."""
        return _by_part(Counter(row[3] for row in self.ask(IN_HAND)))

    def register(self, count: int) -> None:
        """More permits, each due at once."""
        self.office.register(self.engine, count, datetime.now(UTC))

    def plan(self) -> None:
        """What `notifier plan` does after an import, so that nobody waits for the scheduler's next tick.

        The planner is made once: after `a newer version rolls in` it is one of the older version that still runs.
        """
        if self._planner is None:
            folders = {"NOTIFIER_RULES": str(self.office.rules), "NOTIFIER_TEMPLATES": str(self.office.templates)}
            self._planner = App(Settings.load({**self.settings, **folders}, None)).planner
        planner = self._planner
        self._patiently(lambda: planner.plan(now=datetime.now(UTC)))

    def _rows(self, statement: str, values: Mapping[str, object]) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement), values))

    def _patiently(self, work: Callable[[], T]) -> T:
        for attempt in range(60):
            try:
                return work()
            except Exception:
                if attempt == 59:
                    raise
                self.engine.dispose()
                time.sleep(0.5)
        raise AssertionError("unreachable")


def _by_part(by_rule: Mapping[str, int]) -> dict[str, int]:
    mail, sms = (by_rule.get(RULES[channel][0], 0) for channel in (Channel.EMAIL, Channel.SMS))
    return {MAIL: mail, SMS: sms, CALLBACKS: sms}


@dataclass(frozen=True, slots=True)
class Cast:
    """How many of each, and how slow the outside world is (seconds)."""

    workers: int = 3
    schedulers: int = 2
    machines: int = 1
    mail_latency: float = 0.15
    sms_latency: float = 1.0
    list_lag: float = 5.0
    #: Settings beyond the defaults, without NOTIFIER_.
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def grace(self) -> float:
        """How long a message takes that was under way at a fault; what arrives later was begun after it."""
        return min(self.mail_latency, self.sms_latency) / 2


@contextmanager
def outside(folder: Path, cast: Cast, host: str = "127.0.0.1") -> Iterator[tuple[Server, Server]]:
    """The mail server and the Twilio of a play."""
    mail_file, sms_file = folder / "mail.jsonl", folder / "provider.jsonl"
    slow = {"latency": cast.sms_latency, "lag": cast.list_lag}
    with (
        running("benchmarks.chaos.mail", mail_file, host=host, latency=cast.mail_latency) as mail,
        running("benchmarks.chaos.provider", sms_file, host=host, **slow) as twilio,
    ):
        yield mail, twilio


@contextmanager
def stage(folder: Path, cast: Cast) -> Iterator[Stage]:
    """Servers, register and processes; the crew is not started yet."""
    now = datetime.now(UTC)
    with ExitStack() as stack:
        place = stack.enter_context(world(folder, cast.machines))
        mail, twilio = stack.enter_context(outside(folder, cast, place.host))
        postgres = Postgres(folder / "pg", place.host)
        postgres.start()
        stack.callback(_quietly, postgres.kill)
        redis = Redis(folder / "redis", place.host)
        redis.start()
        stack.callback(redis.stop)
        office = Office.make(folder / "office", now)
        engine = open_engine(postgres.url)
        stack.callback(engine.dispose)
        migrate.upgrade(engine)
        office.open(engine, now)
        (port,) = free_ports(1)
        settings = _settings(cast, office, postgres, redis, mail, twilio, f"http://{place.web_host}:{port}")
        machines = place.machines(office, settings)
        members, clocks = _members(cast, machines, folder, place.web_host, port)
        crew = Crew(folder, members)
        stack.callback(crew.end)
        arrivals = Arrivals(mail.record, twilio.record)
        yield Stage(folder, office, crew, postgres, redis, mail, twilio, arrivals, engine, settings, clocks, cast.grace)


def _quietly(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception as error:
        print(f"while clearing up: {error}")


def _settings(
    cast: Cast, office: Office, postgres: Postgres, redis: Redis, mail: Server, twilio: Server, public: str
) -> dict[str, str]:
    told = {
        "DATABASE_URL": postgres.url,
        "REDIS_URL": redis.url,
        "SIGNING_KEY": "a key of the play that signs nothing outside",
        "PUBLIC_URL": public,
        "ZONE": office.zone.key,
        **provider_settings(mail, twilio),
        **cast.settings,
    }
    return {f"NOTIFIER_{name}": value for name, value in told.items()}


def provider_settings(mail: Server, twilio: Server) -> dict[str, str]:
    """E-mail and SMS go to the two servers of the play."""
    return {
        "PROVIDERS_EMAIL": "smtp",
        "PROVIDERS_SMS": "twilio",
        "SMTP_HOST": mail.host,
        "SMTP_PORT": str(mail.port),
        "SMTP_SECURITY": "none",
        "TWILIO_ACCOUNT_SID": provider.ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": provider.AUTH_TOKEN,
        "TWILIO_SMS_SENDER": "IMIGRASI",
        "TWILIO_BASE_URL": f"http://{twilio.host}:{twilio.port}",
    }


def _members(
    cast: Cast, machines: Sequence[Machine], folder: Path, host: str, port: int
) -> tuple[list[Member], list[Path]]:
    """Workers and schedulers in turn over the machines; the last of each has a clock of its own."""
    members: list[Member] = []
    clocks: list[Path] = []
    for kind, count in (("scheduler", cast.schedulers), ("worker", cast.workers)):
        for place in range(count):
            clock = None
            if place == count - 1:
                clock = folder / f"clock-{kind}"
                clock.write_text("0", encoding="ascii")
                clocks.append(clock)
            members.append(Member(f"{kind} {place + 1}", (kind,), machines[place % len(machines)], clock))
    members.append(Member("web 1", ("web", "--host", host, "--port", str(port)), machines[0]))
    return members, clocks


def wait_until_ready(one: Stage) -> None:
    """Until the web door answers; the workers have had as long to start."""
    url = one.settings["NOTIFIER_PUBLIC_URL"]
    host, _, port = url.removeprefix("http://").partition(":")
    wait_for_port(host, int(port))
