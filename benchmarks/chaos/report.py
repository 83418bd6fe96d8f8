"""The table of a play, and its figures as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks.chaos.arrived import MAIL, SMS, Arrivals, Comparison
from benchmarks.chaos.faults import DISK_FULL, FAULTS, Happened
from benchmarks.chaos.play import Played
from notifier.model import Channel

#: SIGKILL of a worker, a scheduler, the web door, PostgreSQL; and how many seconds they may cost.
KILLS, LONGEST = (1, 2, 3, 8), 30.0


@dataclass(frozen=True, slots=True)
class Line:
    """One fault over all rounds. Times are seconds from the fault; None: nothing to measure."""

    number: int
    name: str
    times: int
    lost: int
    doubled_mail: int
    doubled_sms: int
    recovery_median: float | None
    recovery_max: float | None
    taken_median: float | None = None  # until somebody had taken up everything a killed worker had in hand
    taken_max: float | None = None
    held_median: float | None = None  # until everything a killed worker had in hand was with its server
    held_max: float | None = None
    in_hand_median: float | None = None  # messages in workers' hands at the moment of the fault
    in_hand_min: int | None = None
    recovery_times: int = 0  # so many of them had something to show how long they held it up
    taken_times: int = 0
    wrong: tuple[str, ...] = ()


def lines(played: Played, arrivals: Arrivals, plan: Mapping[str, tuple[Channel, str]], grace: float) -> list[Line]:
    """A line for each fault that was played. What was doubled counts for the fault nearest to the first of the two,
    what was lost for the fault it was registered for.

    `grace`: seconds that a message needs to its server; what arrives sooner after a fault was on its way before it.
    """
    assert played.comparison is not None
    blame = _blame(played.happened, played.comparison)
    lost = set(played.comparison.lost)
    found = []
    for number, fault in FAULTS.items():
        mine = [one for one in played.happened if one.number == number]
        if not mine:
            continue
        times = [span for one in mine if (span := _recovery(one, arrivals, grace)) is not None]
        held = [span for one in mine if (span := _until_held_arrived(one, arrivals, plan)) is not None]
        taken = [one.lapsed - one.begun for one in mine if one.lapsed]
        found.append(
            Line(
                number=number,
                name=fault.name,
                times=len(mine),
                lost=sum(plan[permit][1] in lost for one in mine for permit in one.supplied),
                doubled_mail=blame.get((number, MAIL), 0),
                doubled_sms=blame.get((number, SMS), 0),
                recovery_median=median(times) if times else None,
                recovery_max=max(times, default=None),
                taken_median=median(taken) if taken else None,
                taken_max=max(taken, default=None),
                held_median=median(held) if held else None,
                held_max=max(held, default=None),
                in_hand_median=median(one.in_hand for one in mine),
                in_hand_min=min(one.in_hand for one in mine),
                recovery_times=len(times),
                taken_times=len(taken),
                wrong=tuple(word for one in mine for word in one.wrong),
            )
        )
    return found


def disk_line(happened: Sequence[Happened], comparison: Comparison) -> Line:
    """The line of the full disk, which is played apart; recovery is the whole time until everybody was told."""
    times = [one.mended - one.begun for one in happened]
    copies, lost = comparison.copies, len(comparison.lost)
    wrong = tuple(word for one in happened for word in one.wrong)
    name = "disk full under the embedded SQLite"
    return Line(
        DISK_FULL,
        name,
        len(times),
        lost,
        copies[MAIL],
        copies[SMS],
        median(times),
        max(times),
        recovery_times=len(times),
        wrong=wrong,
    )


def _recovery(one: Happened, arrivals: Arrivals, grace: float) -> float | None:
    """From the fault to the next message (or callback) in each part it can hold up; the slowest part counts."""
    if not one.busy:
        return None
    after = [arrivals.next_after(part, one.mended + grace) for part in one.busy]
    known = [at for at in after if at is not None]
    return max(known) - one.begun if len(known) == len(after) else None


def _until_held_arrived(one: Happened, arrivals: Arrivals, plan: Mapping[str, tuple[Channel, str]]) -> float | None:
    """From the fault until the last message in hand was with its server; those that were there already do not count."""
    late = []
    for held in one.held.values():
        channel, address = plan[held.permit]
        at = arrivals.first(MAIL if channel is Channel.EMAIL else SMS, address)
        if at is not None and at > one.begun:
            late.append(at - one.begun)
    return max(late, default=None)


def _blame(happened: Sequence[Happened], comparison: Comparison) -> dict[tuple[int, str], int]:
    """(fault, part) -> messages too many."""
    found: dict[tuple[int, str], int] = {}
    for double in comparison.doubles:
        near = [one for one in happened if double.part in FAULTS[one.number].parts]
        if near:
            first = double.at[0]
            guilty = min(near, key=lambda one: abs(one.begun - first))
            key = (guilty.number, double.part)
            found[key] = found.get(key, 0) + len(double.at) - 1
    return found


def table(found: Sequence[Line]) -> str:
    """For people, and for docs/operating.md."""
    rows = [
        "| fault | times | in hand, median | lost | doubled mails | doubled SMS "
        "| measured | goes on after, median | max "
        "| measured | all a dead worker held is taken up, median | max | is told, max |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        rows.append(
            f"| {one.name} | {one.times} | {_whole(one.in_hand_median)} | "
            f"{one.lost} | {one.doubled_mail} | {one.doubled_sms} | "
            f"{one.recovery_times} | {_seconds(one.recovery_median)} | {_seconds(one.recovery_max)} | "
            f"{one.taken_times or ''} | {_seconds(one.taken_median)} | {_seconds(one.taken_max)} | "
            f"{_seconds(one.held_max)} |"
        )
    return "\n".join(rows)


def page(figures: Mapping[str, Any]) -> str:
    """The same of a play that was kept as JSON, in fewer columns: a part of docs/operating.md."""
    faults, doubled = figures["faults"], figures["doubled"]
    times = sum(one["times"] for one in faults)
    rows = [
        f"{figures['expected']:,} notifications, {times} faults, {figures['seconds'] / 60:.0f} minutes without the "
        f"full disks (seed {figures['seed']}): {figures['lost']} lost, {doubled['sms']} SMS told twice, "
        f"{doubled['mail']} mails sent twice, {doubled['mail_with_another_message_id']} of them with another "
        f"Message-ID, {figures['open']} left open.",
        "",
        "| fault | times | in hand | lost | SMS twice | mails twice | goes on after, median | worst |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {one['name']} | {one['times']} | {_whole(one['in_hand_median'])} | {one['lost']} | {one['doubled_sms']} | "
        f"{one['doubled_mail']} | {_seconds(one['recovery_median'])} | {_seconds(one['recovery_max'])} |"
        for one in faults
    ]
    killed = next((one for one in faults if one["taken_times"]), None)
    if killed is not None:
        rows += [
            "",
            f"Everything a killed worker had in hand was taken up by others after {_seconds(killed['taken_median'])} "
            f"in the median, {_seconds(killed['taken_max'])} at worst ({killed['taken_times']} of {killed['times']} "
            f"kills; in the others nothing was left to take up). The last of it was told after "
            f"{_seconds(killed['held_median'])} in the median, {_seconds(killed['held_max'])} at worst, while other "
            f"faults went on.",
        ]
    return "\n".join(rows)


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"


def late(found: Sequence[Line]) -> list[str]:
    """What a killed process cost for longer than it may (`LONGEST`), in sentences."""
    limited = [
        (one.name, word, seconds)
        for one in found
        if one.number in KILLS
        for word, seconds in (("goes on", one.recovery_max), ("is taken up", one.taken_max))
    ]
    return [
        f"{name}: {word} only after {seconds:.1f} s"
        for name, word, seconds in limited
        if seconds is not None and seconds > LONGEST
    ]


def is_well(comparison: Comparison, happened: Sequence[Happened]) -> bool:
    """Nothing lost, no stranger told, no SMS twice, doubled mails alike, and no fault found anything else wrong."""
    bad = comparison.lost or comparison.strangers or comparison.copies[SMS] or comparison.unlike
    return not bad and not any(what.wrong for what in happened)


def sentence(one: Comparison) -> str:
    """What came of it in one line."""
    return (
        f"{one.expected} notifications, {one.arrived} arrived; lost {len(one.lost)}, strangers {len(one.strangers)}, "
        f"SMS doubled {one.copies[SMS]}, mails doubled {one.copies[MAIL]} (with another Message-ID: {one.unlike})"
    )


def as_json(comparison: Comparison, found: Sequence[Line], **more: Any) -> dict[str, Any]:
    """Everything, for benchmarks/results/chaos.json."""
    one = comparison
    return {
        **more,
        "expected": one.expected,
        "arrived": one.arrived,
        "lost": len(one.lost),
        "strangers": len(one.strangers),
        "doubled": {"sms": one.copies[SMS], "mail": one.copies[MAIL], "mail_with_another_message_id": one.unlike},
        "faults": [asdict(line) for line in found],
    }
