"""Plays, prints the table and writes benchmarks/results/chaos.json with its part of docs/operating.md.

Exit 1: something was lost or told twice, or a fault cost more than it may.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from random import SystemRandom

from benchmarks.chaos import disk
from benchmarks.chaos.faults import DISK_FULL, FAULTS
from benchmarks.chaos.play import Played, Script, play
from benchmarks.chaos.report import Line, as_json, disk_line, is_well, late, lines, sentence, table
from benchmarks.chaos.stage import Cast, Stage, stage
from benchmarks.report import fill

RESULT = Path(__file__).parent.parent / "results" / "chaos.json"
#: The page that shows them.
OPERATING = Path(__file__).parent.parent.parent / "docs" / "operating.md"
#: The short play: under a minute, with waits that fit into it.
SHORT = Cast(
    workers=2,
    mail_latency=0.4,
    sms_latency=0.4,
    list_lag=0.5,
    settings={
        "SENDING_TICK": "1 second",
        "SENDING_LEASE": "6 seconds",
        "SENDING_OFFER_PATIENCE": "2 seconds",
        "SENDING_ASK_AFTER": "6 seconds",
        "SENDING_RETRIES": "1 second, 2 seconds, 4 seconds, 8 seconds",
        "SENDING_BATCH_SIZE": "20",
        "TWILIO_TIMEOUT": "2 seconds",
        "TWILIO_CONCURRENCY": "4",
        "SMTP_TIMEOUT": "2 seconds",
    },
)
SHORT_FAULTS = (1, 5, 8, 10, 11)


def main() -> int:
    """Play as told on the command line."""
    told = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a stopped play takes its processes along
    seed = told.seed if told.seed is not None else SystemRandom().randrange(10**6)
    faults = told.faults or (SHORT_FAULTS if told.short else [*FAULTS, DISK_FULL])
    cast = SHORT if told.short else Cast()
    cast = replace(cast, machines=told.machines, workers=max(cast.workers, told.machines))
    cast = replace(cast, settings={**cast.settings, **dict(one.split("=", 1) for one in told.set)})
    script = Script(
        seed=seed,
        rounds=told.rounds or (1 if told.short else 20),
        faults=[fault for fault in faults if fault in FAULTS],
        notifications=told.notifications or (240 if told.short else 80_000),
    )
    folder = Path(tempfile.mkdtemp(prefix="notifier-chaos-"))
    folder.chmod(0o755)
    print(f"seed {seed}, {script.rounds} rounds of faults {list(faults)}; logs in {folder}", flush=True)
    begun = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - begun:5.0f} s] {line}", flush=True)

    found: list[Line] = []
    well, unlike, figures = True, 0, {}
    if script.faults:
        with stage(folder, cast) as one:
            played = play(one, script, say)
            assert played.comparison is not None
            found = lines(played, one.arrivals, one.office.plan, cast.grace)
            if told.machines > 1:
                for machine in {member.machine.name: member.machine for member in one.crew.members}.values():
                    mine = [member.name for member in one.crew.members if member.machine is machine]
                    print(f"{machine.name} ({' '.join(machine.prefix) or 'no network of its own'}): {', '.join(mine)}")
                unlike = _unlike_one_machine(one, folder / "one-machine", cast, script, say)
            _explain(played)
        slow = late(found)
        for word in slow:
            print(word)
        well = is_well(played.comparison, played.happened) and not unlike and not slow and not played.unsettled
        print(f"{sentence(played.comparison)}; {played.unsettled} open in the outbox; {played.seconds:.0f} s")
        figures = as_json(played.comparison, found, seconds=round(played.seconds), open=played.unsettled)
        if told.machines > 1:
            figures["unlike_one_machine"] = unlike
    if DISK_FULL in faults:
        apart = folder / "disk"  # with servers of its own: what they write down must not mix
        apart.mkdir()
        happened, comparison = disk.play(apart, script.rounds, seed, say)
        found.append(disk_line(happened, comparison))
        well = well and is_well(comparison, happened)
        print(f"disk full: {sentence(comparison)}")
        figures["faults"] = [asdict(line) for line in found]
        for word in found[-1].wrong:
            print(word)
    print(table(found))
    if told.json:
        told.json.parent.mkdir(parents=True, exist_ok=True)
        settings = {"seed": seed, "rounds": script.rounds, "machines": cast.machines}
        told.json.write_text(json.dumps({**settings, **figures}, indent=2) + "\n", encoding="utf-8")
    if told.json == RESULT:
        OPERATING.write_text(fill(OPERATING.read_text(encoding="utf-8"), RESULT.parent), encoding="utf-8")
    if well and not told.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if well else 1


def _unlike_one_machine(many: Stage, folder: Path, cast: Cast, script: Script, say: Callable[[str], None]) -> int:
    """The same register told by one machine without faults: how many notifications and addresses differ."""
    folder.mkdir()
    folder.chmod(0o755)
    say("the same register on one machine, without faults")
    with stage(folder, replace(cast, machines=1)) as one:
        play(one, replace(script, faults=[], rounds=1, notifications=len(many.office.plan)), say)
        told, told_there = many.told(), one.told()
    alike, unlike = len(told & told_there), len(told ^ told_there)
    print(f"{cast.machines} machines and one: {alike} notifications and addresses alike, {unlike} not")
    return unlike


def _explain(played: Played) -> None:
    """What is wrong, as far as it can be said in lines."""
    assert played.comparison is not None
    for what in played.happened:
        for word in what.wrong:
            print(f"round {what.round}, fault {what.number}: {word}")
    for double in played.comparison.doubles:
        if double.part == "sms" or double.keys > 1:
            print(f"told twice: {double.part} {double.address} at {[round(at, 2) for at in double.at]}")
    for address in played.comparison.lost[:20]:
        print(f"lost: {address}")
    if played.comparison.lost or played.unsettled:
        for row in played.states:
            print("  outbox:", *row)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="the same seed plays the same faults in the same order")
    parser.add_argument("--rounds", type=int, help="how often each fault is played (20)")
    parser.add_argument(
        "--faults", type=lambda text: [int(one) for one in text.split(",")], help="numbers, such as 1,8; default: all"
    )
    parser.add_argument("--notifications", type=int, help="how many are told at least over all rounds (80000)")
    parser.add_argument("--machines", type=int, default=1, help="over so many machines the processes are spread (1)")
    parser.add_argument("--short", action="store_true", help="a handful of faults, under a minute")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the processes, without NOTIFIER_"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder with all logs")
    parser.add_argument("--json", type=Path, default=RESULT, help="where the figures go")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
