"""Rounds of faults in a seeded order, each with messages of its own under way; then the wait for the end."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from benchmarks.chaos.arrived import CALLBACKS, MAIL, SMS, Comparison, compare
from benchmarks.chaos.faults import FAULTS, Happened
from benchmarks.chaos.stage import NOT_RENEWED, OPEN, STATES, UNSETTLED, Stage, wait_until_ready

#: Seconds at the end in which nothing arrives and nothing changes, until what is left counts as lost: longer than the
#: second retry waits.
LAST_WAIT = 720.0
#: Fewer that wait than this and the time until the next arrival says nothing about recovery.
BUSY = 20
#: Seconds to wait for work to be in hand before a fault, and how often work is supplied for it.
WORK_COMES, TRIES = 60.0, 3
#: How much later than the kill a lease may end that the killed worker wrote itself.
CLAIM_TAKES = timedelta(seconds=0.5)


@dataclass(frozen=True, slots=True)
class Script:
    """What is played: the faults of each round, in which order and with which pauses, all from the seed."""

    seed: int
    rounds: int
    faults: Sequence[int]
    notifications: int
    #: Seconds between work in hand and the fault: a message takes about a second, so it is met at any point.
    pause: tuple[float, float] = (0.0, 0.8)
    last_wait: float = LAST_WAIT
    #: Seconds to wait at most after a fault until what it held up goes on, so that the next one finds somebody at work.
    recovery: float = 60.0

    def round(self, number: int) -> list[tuple[int, float, Random]]:
        """The faults of a round: number, pause before it, and what decides its details."""
        draw = Random(f"{self.seed}:{number}")
        order = list(self.faults)
        draw.shuffle(order)
        return [(fault, draw.uniform(*self.pause), Random(f"{self.seed}:{number}:{fault}")) for fault in order]

    def shares(self) -> Iterator[int]:
        """How many are registered for the start, and then for each fault; all of them together are `notifications`."""
        crowds = [1, *(FAULTS[fault].crowd for number in range(self.rounds) for fault, _, _ in self.round(number + 1))]
        given = before = 0
        for crowd in crowds:
            given += crowd
            upto = self.notifications * given // sum(crowds)
            yield upto - before
            before = upto


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
    played, begun, shares = Played(), time.monotonic(), script.shares()
    stage.register(next(shares))
    stage.crew.start()
    wait_until_ready(stage)
    wait_for_work(stage)
    for number in range(1, script.rounds + 1):
        for fault, pause, draw in script.round(number):
            what = Happened(fault, number, begun=0.0)
            _give_work(stage, what, next(shares))
            time.sleep(pause)
            _happen(stage, what, draw)
            played.happened.append(what)
            took = _wait_for_recovery(stage, what, script.recovery)
            note = f" ({what.note})" if what.note else ""
            say(
                f"  {FAULTS[fault].name}: {what.in_hand} in hand, {what.mended - what.begun:.1f} s, "
                f"went on after {took:.1f} s{note}"
            )
        say(_summary(stage, number, script.rounds, played))
    if stage.rolling is not None:
        stage.rolling.join()
    say("no more faults; waiting until everything is told")
    played.unsettled = wait_for_end(stage, script.last_wait, say)
    played.comparison = compare(stage.arrivals, stage.office.plan)
    played.states = [tuple(row) for row in stage.ask(STATES)]
    played.seconds = time.monotonic() - begun
    return played


def _give_work(stage: Stage, what: Happened, count: int) -> None:
    """So many more that are to be told, until workers have enough of them in hand: a fault is to meet somebody at work.

    Where the messages were gone before anybody saw them in hand, as many again.
    """
    for _ in range(TRIES):
        before = len(stage.office.plan)
        stage.register(count)
        stage.plan()
        what.supplied += list(stage.office.plan)[before:]
        if _is_in_hand(stage, FAULTS[what.number].parts, count):
            return
    what.wrong.append(f"{len(what.supplied)} messages were supplied, and it met nobody at work")


def _is_in_hand(stage: Stage, parts: Sequence[str], count: int) -> bool:
    """Waits until workers have in hand as much as half of what was supplied, in every part the fault can hold up (a
    part is half of all), and a quarter of it has not arrived and is not put off; or until that can no longer be."""
    enough, left = count // 4, count // 8
    end = time.monotonic() + WORK_COMES
    while time.monotonic() < end:
        stage.arrivals.poll()
        in_hand, due, to_come = stage.in_hand(), stage.due(), stage.arrivals.to_come(stage.office.plan)
        if any(min(due[part], to_come[part]) < left for part in parts):
            return False
        if all(in_hand[part] >= enough for part in parts):
            return True
        time.sleep(0.05)
    return False


def wait_for_work(stage: Stage) -> None:
    """Until the first message has arrived: before that, a fault would only meet processes that start."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        stage.arrivals.poll()
        if stage.arrivals.times[MAIL] and stage.arrivals.times[SMS]:
            return
        time.sleep(0.1)
    raise TimeoutError(f"nothing arrived within a minute; see the logs in {stage.folder}")


def _happen(stage: Stage, what: Happened, draw: Random) -> None:
    fault, in_hand = FAULTS[what.number], stage.in_hand()
    stage.arrivals.poll()
    to_come = stage.arrivals.to_come(stage.office.plan)
    behind = {SMS if part == CALLBACKS else part for part in fault.parts}
    what.busy = tuple(part for part in fault.parts if to_come[part] >= BUSY)
    what.in_hand = sum(in_hand[part] for part in (MAIL, SMS) if part in behind)
    what.begun = time.time()
    fault.play(stage, draw, what)
    what.mended = time.time()


def _wait_for_recovery(stage: Stage, what: Happened, patience: float) -> float:
    """Until something arrives in every part the fault held up and somebody has taken up everything that a killed worker
    had in hand, or patience is over; seconds since the fault."""
    held = bool(what.held)
    while time.time() - what.mended < patience:
        held = held and _look_after_held(stage, what)
        if not _standing(stage, what) and not held:
            break
        time.sleep(0.1)
    if held:
        what.wrong.append(f"after {patience:.0f} s nobody had taken up what a killed worker held")
    return time.time() - what.begun


def _standing(stage: Stage, what: Happened) -> list[str]:
    """The parts in which nothing has arrived since the fault.

    One in which everything arrived before the fault was mended, or was put off to a later try, has nothing to show how
    long it was held up, and does not count.
    """
    stage.arrivals.poll()
    standing = [part for part in what.busy if not stage.arrivals.next_after(part, what.mended + stage.grace)]
    if not standing:
        return []
    to_come, due = stage.arrivals.to_come(stage.office.plan), stage.due()
    idle = [part for part in standing if not to_come[part] or (part != CALLBACKS and not due[part])]
    what.busy = tuple(part for part in what.busy if part not in idle)
    return [part for part in standing if part not in idle]


def _look_after_held(stage: Stage, what: Happened) -> bool:
    """Whether anything is left of what the killed worker held: nobody renews it, and nobody else has claimed it."""
    ends = datetime.fromtimestamp(what.begun, UTC) + stage.lease + CLAIM_TAKES
    rows = stage.ask(NOT_RENEWED, ids=list(what.held), renewed=ends)
    left = [has_lapsed for id_, attempt, has_lapsed in rows if attempt == what.held[id_].attempt]
    if any(left):
        what.lapsed = time.time()
    return bool(left)


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
    last, changed, spoke = (-1, -1), time.monotonic(), time.monotonic()
    while True:
        left = stage.number(UNSETTLED)
        stage.arrivals.poll()
        arrived = sum(stage.arrivals.count(part) for part in (MAIL, SMS))
        if not left and not compare(stage.arrivals, stage.office.plan).lost:
            return 0
        if (left, arrived) != last:
            last, changed = (left, arrived), time.monotonic()
        if time.monotonic() - changed > patience:
            return left
        if time.monotonic() - spoke > 30:
            spoke = time.monotonic()
            say(f"  {left} still open: {[tuple(row) for row in stage.ask(OPEN)]}")
        time.sleep(0.5)
