"""What can go wrong: each fault breaks something on a stage, mends it again, and notes what it saw."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from threading import Thread, Timer

from benchmarks.chaos.arrived import CALLBACKS, MAIL, SMS
from benchmarks.chaos.crew import Member
from benchmarks.chaos.stage import ATTEMPTING, IN_HAND, Stage
from benchmarks.chaos.told import Server

#: How long a server waits for those to whom it is to do something, in seconds.
ORDER_STANDS = 5.0
#: Who has sent something within so many seconds still has something in hand.
JUST = 0.5


@dataclass(frozen=True, slots=True)
class Held:
    """A notification in hand: which attempt it was, of which permit."""

    attempt: int
    permit: str


@dataclass(slots=True)
class Happened:
    """One fault as it was played. Instants are seconds since 1970, as the servers write them down."""

    number: int
    round: int
    begun: float
    mended: float = 0.0
    supplied: list[str] = field(default_factory=list)  # permits that were registered for it
    in_hand: int = 0  # how many messages the workers had in hand at its moment, over the parts it can hold up
    held: Mapping[int, Held] = field(default_factory=dict)  # what all of them had in hand when one was killed
    lapsed: float = 0.0  # when something a killed worker had in hand was last seen without anybody who had taken it up
    busy: tuple[str, ...] = ()  # the parts it can hold up in which much was waiting
    note: str = ""
    wrong: list[str] = field(default_factory=list)  # what the fault itself found


Play = Callable[[Stage, Random, Happened], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """One sort of fault; `parts` is what it can hold up."""

    number: int
    name: str
    play: Play
    parts: tuple[str, ...] = (MAIL, SMS)
    #: So many times as much is registered for it as for others, where it needs more work to meet: something in each
    #: worker's hand, or SMS that begin only now.
    crowd: int = 1


def _kill(kind: str) -> Play:
    def play(stage: Stage, draw: Random, what: Happened) -> None:
        victim = _choose(stage, draw, kind)
        if kind == "worker":
            what.held = {id_: Held(attempt, permit) for id_, attempt, permit, _ in stage.ask(IN_HAND)}
        what.begun = time.time()
        stage.crew.kill(victim)
        what.note = victim.name

    return play


def _choose(stage: Stage, draw: Random, kind: str, *, of_at_least: int = 1) -> Member:
    """One of the living, as soon as there are so many; of the workers one that has just sent something, if any has.

    Raises TimeoutError when there are not enough within a minute.
    """
    place, end = draw.random(), time.monotonic() + 60
    while len(living := stage.crew.of(kind)) < of_at_least:
        if time.monotonic() > end:
            raise TimeoutError(f"fewer than {of_at_least} of {kind} alive within a minute")
        time.sleep(0.1)
    stage.arrivals.poll()
    ports = stage.arrivals.ports_since(time.time() - JUST)
    chosen = [one for one in living if ports & one.ports] or living
    return chosen[int(place * len(chosen))]


def _zombie(stage: Stage, draw: Random, what: Happened) -> None:
    """The others do not wait for it: it wakes some time after its lease, in the middle of other faults."""
    victim = _choose(stage, draw, "worker", of_at_least=2)
    what.begun = time.time()
    stage.crew.pause(victim)

    def wake() -> None:
        stage.crew.wake(victim)

    asleep = stage.lease.total_seconds() + 1 + 10 * draw.random()
    timer = Timer(asleep, wake)
    timer.daemon = True
    timer.start()
    what.note = f"{victim.name} for {asleep:.0f} s"


def _empty_redis(stage: Stage, draw: Random, what: Happened) -> None:
    what.note = f"{stage.redis.length('bulk') + stage.redis.length('urgent')} batches"
    stage.redis.empty()


def _restart_redis(stage: Stage, draw: Random, what: Happened) -> None:
    stage.redis.stop()
    time.sleep(0.2 + draw.random())
    stage.redis.start()


def _restart_postgres(stage: Stage, draw: Random, what: Happened) -> None:
    stage.postgres.stop("fast")
    time.sleep(draw.random())
    stage.postgres.start()


def _kill_postgres(stage: Stage, draw: Random, what: Happened) -> None:
    stage.postgres.kill()
    time.sleep(draw.random())
    stage.postgres.start()


def _order(server: Server, what: Happened, **counts: int) -> None:
    """The server does so to the next ones; a fault that nobody ran into was none."""
    used = server.order(ORDER_STANDS, **counts)
    what.note = f"{', '.join(counts)}: {used} of {sum(counts.values())}"
    if not used:
        what.wrong.append(f"{', '.join(counts)}: nobody ran into it")


def _cut_mail(name: str) -> Play:
    def play(stage: Stage, draw: Random, what: Happened) -> None:
        _order(stage.mail, what, **{name: draw.randint(1, 4)})

    return play


def _cut_twilio(stage: Stage, draw: Random, what: Happened) -> None:
    _order(stage.twilio, what, **{draw.choice(("cut_before", "cut_after", "cut_answer")): draw.randint(1, 4)})


def _refuse(stage: Stage, draw: Random, what: Happened) -> None:
    status = draw.choice((429, 500))
    what.note = str(status)
    stage.twilio.tell(refuse=status)
    time.sleep(0.5 + draw.random())
    stage.twilio.tell(refuse=0)


def _confuse_callbacks(stage: Stage, draw: Random, what: Happened) -> None:
    _order(stage.twilio, what, double=draw.randint(3, 20), reverse=draw.randint(3, 20), early=draw.randint(3, 20))


def _tick_at_once(stage: Stage, draw: Random, what: Happened) -> None:
    """All schedulers begin at the same moment, and their first tick plans and offers."""
    schedulers = stage.crew.of("scheduler")
    stage.crew.drain(schedulers)
    stage.crew.resume(schedulers)


def _move_clock(stage: Stage, draw: Random, what: Happened) -> None:
    """One worker, one scheduler or both believe for a while that it is an hour ago."""
    chosen = draw.choice((stage.clocks[:1], stage.clocks[1:], stage.clocks))
    for clock in chosen:
        clock.write_text("-3600", encoding="ascii")
    time.sleep(2 + 2 * draw.random())
    for clock in chosen:
        clock.write_text("0", encoding="ascii")
    what.note = ", ".join(clock.name for clock in chosen)


def _roll(stage: Stage, draw: Random, what: Happened) -> None:
    """A newer version adds a column while everybody works; then the workers are restarted one by one.

    The restarts go on while other faults are played.
    """
    _await_rolling(stage)
    version = stage.crew.next_version()
    migrated = stage.crew.run(version, "init", "--database")
    if migrated.returncode:
        what.wrong.append(f"init --database: {migrated.stderr[-300:]}")
        return
    stage.crew.version = version

    def restart() -> None:
        time.sleep(draw.random())  # old workers on the new schema
        for worker in stage.crew.of("worker"):
            stage.crew.drain([worker])
            stage.crew.resume([worker])

    stage.rolling = Thread(target=restart)
    stage.rolling.start()
    what.note = version.name


def _await_rolling(stage: Stage) -> None:
    if stage.rolling is not None:
        stage.rolling.join()


def _drain(stage: Stage, draw: Random, what: Happened) -> None:
    """SIGTERM to every group; each finishes what it has in hand."""
    _await_rolling(stage)
    members = [one for one in stage.crew.members if one.is_alive and not one.resting]
    seconds = stage.crew.drain(members)
    what.note = f"drained in {seconds:.1f} s, {stage.number(ATTEMPTING)} of killed workers under way"
    stage.crew.resume(members)


FAULTS: Mapping[int, Fault] = {
    one.number: one
    for one in (
        Fault(1, "SIGKILL of a worker", _kill("worker"), crowd=4),
        Fault(2, "SIGKILL of a scheduler", _kill("scheduler")),
        Fault(3, "SIGKILL of the web door", _kill("web"), (CALLBACKS,)),
        Fault(4, "a worker sleeps longer than its lease", _zombie),
        Fault(5, "Redis emptied", _empty_redis),
        Fault(6, "Redis restarted", _restart_redis),
        Fault(7, "PostgreSQL restarted", _restart_postgres, (MAIL, SMS, CALLBACKS)),
        Fault(8, "PostgreSQL killed", _kill_postgres, (MAIL, SMS, CALLBACKS)),
        Fault(9, "SMTP cut within a mail", _cut_mail("cut_in_data"), (MAIL,)),
        Fault(10, "SMTP cut after a mail, before the answer", _cut_mail("cut_after_dot"), (MAIL,)),
        Fault(11, "Twilio cut before, after, within its answer", _cut_twilio, (SMS,), crowd=2),
        Fault(12, "Twilio answers 429 or 500 for a while", _refuse, (SMS,)),
        Fault(13, "callbacks doubled, out of order, too early", _confuse_callbacks, (CALLBACKS,), crowd=2),
        Fault(14, "all schedulers begin to tick at once", _tick_at_once),
        Fault(15, "clock an hour back for a while", _move_clock),
        Fault(17, "a newer version rolls in", _roll),
        Fault(18, "everything drained and started again", _drain, (MAIL, SMS, CALLBACKS)),
    )
}
#: Played apart, on the embedded form: see `disk`.
DISK_FULL = 16
