"""Rounds of faults in a seeded order, with register enough to keep everybody busy; then the wait for the end."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from benchmarks.chaos.arrived import MAIL, PART_OF, SMS, Comparison, compare
from benchmarks.chaos.faults import FAULTS, Happened
from benchmarks.chaos.stage import LAPSED, OPEN, STATES, UNSETTLED, Stage, wait_until_ready

#: Seconds at the end in which nothing arrives and nothing changes, until what is left counts as lost: longer than the
#: second retry waits.
LAST_WAIT = 720.0
#: Fewer that wait than this and the time until the next arrival says nothing about recovery.
BUSY = 20


@dataclass(frozen=True, slots=True)
class Script:
    """What is played: the faults of each round, in which order and with which pauses, all from the seed."""

    seed: int
    rounds: int
    faults: Sequence[int]
    notifications: int
    pause: tuple[float, float] = (0.2, 1.2)
    last_wait: float = LAST_WAIT
    #: Seconds to wait at most after a fault until what it held up goes on, so that the next one finds somebody at work.
    recovery: float = 60.0

    def round(self, number: int) -> list[tuple[int, float, Random]]:
        """The faults of a round: number, pause before it, and what decides its details."""
        draw = Random(f"{self.seed}:{number}")
        order = list(self.faults)
        draw.shuffle(order)
        return [(fault, draw.uniform(*self.pause), Random(f"{self.seed}:{number}:{fault}")) for fault in order]


@dataclass(slots=True)
class Played:
    """What came of it."""

    happened: list[Happened] = field(default_factory=list)
    comparison: Comparison | None = None
    seconds: float = 0.0
    unsettled: int = 0  # notifications of which the outbox does not know the end
    states: list[tuple[object, ...]] = field(default_factory=list)


def play(stage: Stage, script: Script, say: Callable[[str], None]) -> Played:
    """Play all rounds; the answer has every fault and the last comparison."""
    played, begun = Played(), time.monotonic()
    portion = -(-script.notifications // script.rounds)
    stage.register(min(script.notifications, 2 * portion))
    stage.crew.start()
    wait_until_ready(stage)
    wait_for_work(stage)
    for number in range(1, script.rounds + 1):
        missing = min(script.notifications, (number + 1) * portion) - len(stage.office.plan)
        if missing > 0:
            stage.register(missing)
        for fault, pause, draw in script.round(number):
            time.sleep(pause)
            what = _happen(stage, fault, number, draw)
            played.happened.append(what)
            took = _wait_for_recovery(stage, what, script.recovery)
            note = f" ({what.note})" if what.note else ""
            say(f"  {FAULTS[fault].name}: {what.mended - what.begun:.1f} s, went on after {took:.1f} s{note}")
        say(_summary(stage, number, script.rounds, played))
    if stage.rolling is not None:
        stage.rolling.join()
    say("no more faults; waiting until everything is told")
    played.unsettled = wait_for_end(stage, script.last_wait, say)
    played.comparison = compare(stage.arrivals, stage.office.plan)
    played.states = [tuple(row) for row in stage.ask(STATES)]
    played.seconds = time.monotonic() - begun
    return played


def wait_for_work(stage: Stage) -> None:
    """Until the first message has arrived: before that, a fault would only meet processes that start."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        stage.arrivals.poll()
        if stage.arrivals.times[MAIL] and stage.arrivals.times[SMS]:
            return
        time.sleep(0.1)
    raise TimeoutError(f"nothing arrived within a minute; see the logs in {stage.folder}")


def _happen(stage: Stage, number: int, round_: int, draw: Random) -> Happened:
    waiting = stage.waiting()
    what = Happened(number, round_, begun=0.0)
    what.busy = tuple(part for part in FAULTS[number].parts if waiting[part] >= BUSY)
    what.begun = time.time()
    FAULTS[number].play(stage, draw, what)
    what.mended = time.time()
    return what


def _wait_for_recovery(stage: Stage, what: Happened, patience: float) -> float:
    """Until something arrives in every part the fault held up and everything a killed worker had in hand is with its
    server, or patience is over; seconds since the fault."""
    held = {PART_OF[channel]: set[str]() for channel, _ in stage.office.plan.values()}
    for channel, address in (stage.office.plan[number] for number in what.held):
        held[PART_OF[channel]].add(address)
    while (what.busy or what.held) and time.time() - what.mended < patience:
        stage.arrivals.poll()
        goes_on = all(stage.arrivals.next_after(part, what.mended + stage.grace) for part in what.busy)
        if what.held and stage.number(LAPSED):
            what.lapsed = time.time()
        if goes_on and all(stage.arrivals.have(part, those) for part, those in held.items()):
            break
        time.sleep(0.1)
    return time.time() - what.begun


def _summary(stage: Stage, number: int, rounds: int, played: Played) -> str:
    stage.arrivals.poll()
    so_far = compare(stage.arrivals, stage.office.plan)
    copies, waiting = so_far.copies, stage.waiting()
    return (
        f"round {number}/{rounds}: {len(played.happened)} faults, {so_far.arrived} of {so_far.expected} arrived, "
        f"{waiting[MAIL]} mails and {waiting[SMS]} SMS wait, doubled: {copies[MAIL]} mails, {copies[SMS]} SMS; "
        f"{stage.crew.restarts} restarts; strangers: {len(so_far.strangers)}"
    )


def wait_for_end(stage: Stage, patience: float, say: Callable[[str], None]) -> int:
    """Until the outbox has nothing more to do, or nothing has changed for so long; what it still has then."""
    last, changed, told = -1, time.monotonic(), time.monotonic()
    while True:
        left = stage.number(UNSETTLED)
        stage.arrivals.poll()
        lost = len(compare(stage.arrivals, stage.office.plan).lost)
        if not left and not lost:
            return 0
        if left + lost != last:
            last, changed = left + lost, time.monotonic()
        if time.monotonic() - changed > patience:
            return left
        if time.monotonic() - told > 30:
            told = time.monotonic()
            say(f"  {left} still open: {[tuple(row) for row in stage.ask(OPEN)]}")
        time.sleep(0.5)
