"""What a stop costs: `python -m benchmarks.chaos.drain`. Exit 1: something was left in somebody's hand, or was lost.

While messages are under way the processes are stopped as a supervisor does it: SIGTERM to the main process only
(systemd with KillMode=mixed), to the whole group (honcho, and systemd without KillMode), and to the group twice. After
each stop no delivery may be under way and no notification in hand; then all are started again.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.chaos.arrived import compare
from benchmarks.chaos.crew import Member
from benchmarks.chaos.play import wait_for_end, wait_for_work
from benchmarks.chaos.report import is_well, sentence
from benchmarks.chaos.stage import ATTEMPTING, IN_HAND, Cast, Stage, stage, wait_until_ready

#: To be told at each stop.
MESSAGES = 1_500
#: Seconds of work before each stop.
WORK = 2.0


def _main_only(member: Member) -> None:
    if member.process is not None:
        member.process.terminate()


def _group(member: Member) -> None:
    if member.process is not None:
        os.killpg(member.process.pid, signal.SIGTERM)


def _group_twice(member: Member) -> None:
    _group(member)
    time.sleep(0.1)
    if member.is_alive:
        _group(member)


WAYS: dict[str, Callable[[Member], None]] = {
    "SIGTERM to the main process (systemd, KillMode=mixed)": _main_only,
    "SIGTERM to the group (honcho)": _group,
    "SIGTERM to the group, twice": _group_twice,
}


def main() -> int:
    """Stop in each way, and say what was left."""
    folder = Path(tempfile.mkdtemp(prefix="notifier-chaos-"))
    folder.chmod(0o755)
    cast, well = Cast(workers=2), True
    with stage(folder, cast) as one:
        # One of the workers is two processes under a parent.
        one.crew.members = [
            replace(member, arguments=("worker", "--processes", "2")) if member.name == "worker 1" else member
            for member in one.crew.members
        ]
        one.register(20)
        one.crew.start()
        wait_until_ready(one)
        wait_for_work(one)
        for name, stop in WAYS.items():
            one.register(MESSAGES)
            one.plan()
            _wait_until_busy(one)
            time.sleep(WORK)
            well = _stop(one, name, stop) and well
            one.crew.resume(one.crew.members)
        wait_for_end(one, 300, print)
        found = compare(one.arrivals, one.office.plan)
    print(sentence(found))
    well = well and is_well(found, []) and not any(found.copies.values())
    shutil.rmtree(folder, ignore_errors=True)
    return 0 if well else 1


def _wait_until_busy(one: Stage) -> None:
    """Until much is in hand: processes take a while to start. Raises TimeoutError."""
    end = time.monotonic() + 120
    while len(one.ask(IN_HAND)) < MESSAGES // 4:
        if time.monotonic() > end:
            raise TimeoutError("nothing was in hand within two minutes")
        time.sleep(0.1)


def _stop(one: Stage, name: str, stop: Callable[[Member], None]) -> bool:
    before = len(one.ask(IN_HAND))
    begun = time.monotonic()
    ends = {}
    for member in one.crew.members:
        member.wanted = False
        stop(member)
    for member in one.crew.members:
        assert member.process is not None
        member.process.wait(120)
        ends[member.name] = member.process.returncode
    seconds = time.monotonic() - begun
    under_way, in_hand = one.number(ATTEMPTING), len(one.ask(IN_HAND))
    codes = ", ".join(f"{member} {code}" for member, code in ends.items() if code) or "all 0"
    print(
        f"{name}: {before} in hand before, {seconds:.1f} s, then {under_way} under way and {in_hand} in hand; "
        f"exit codes: {codes}",
        flush=True,
    )
    # The web server ends by the signal it was sent, once it has finished; to systemd that is a clean end.
    wrong = [member for member, code in ends.items() if code and not (member == "web 1" and code == -signal.SIGTERM)]
    return not (under_way or in_hand or wrong)


if __name__ == "__main__":
    sys.exit(main())
