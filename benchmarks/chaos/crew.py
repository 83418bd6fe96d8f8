"""The processes of the engine, each started again after a second when it ends, as systemd would."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.chaos import shifted
from benchmarks.chaos.office import PROJECT

#: Seconds until the supervisor starts a process again (RestartSec of the units in docs/systemd).
RESTART_AFTER = 1.0
#: How long a process may take to drain, in seconds.
DRAIN = 300.0
PLAIN = "from notifier.cli import main; main()"


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a process lives: its own working folder, environment and, if there is one, network namespace."""

    name: str
    folder: Path
    environment: Mapping[str, str]
    prefix: tuple[str, ...] = ()  # "ip netns exec NAME"


@dataclass(slots=True)
class Member:
    """One process of the crew."""

    name: str  # "worker 1"
    arguments: tuple[str, ...]
    machine: Machine
    clock: Path | None = None  # holds how many seconds its clock is off; see `shifted`
    process: subprocess.Popen[bytes] | None = None
    ended_at: float = 0.0
    wanted: bool = True
    resting: bool = False  # stopped by SIGSTOP

    @property
    def kind(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def ports(self) -> set[int]:
        """The local ports of its TCP connections."""
        if self.process is None:
            return set()
        own = Path(f"/proc/{self.process.pid}")
        with suppress(OSError):
            sockets = {str(one.readlink()) for one in (own / "fd").iterdir()}
            rows = [line.split() for line in (own / "net/tcp").read_text().splitlines()[1:]]
            return {int(row[1].partition(":")[2], 16) for row in rows if f"socket:[{row[9]}]" in sockets}
        return set()

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass(slots=True)
class Crew:
    """Starts, watches and ends the members."""

    folder: Path
    members: list[Member]
    version: Path = field(init=False)
    versions: int = 0
    restarts: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _watcher: threading.Thread | None = None

    def __post_init__(self) -> None:
        # A copy: whoever edits the project meanwhile does not change a process that is started later.
        self.version = self.folder / "version-0"
        shutil.copytree(PROJECT / "notifier", self.version / "notifier", ignore=shutil.ignore_patterns("__pycache__"))

    def start(self) -> None:
        """Start all, and watch over them."""
        for member in self.members:
            self.begin(member)
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def begin(self, member: Member) -> None:
        """Start one, of the version that counts now."""
        code = PLAIN if member.clock is None else shifted.COMMAND.format(file=str(member.clock))
        command = [*member.machine.prefix, sys.executable, "-c", code, *member.arguments]
        environment = self._environment(member.machine, self.version)
        log = member.machine.folder / f"{member.name.replace(' ', '-')}.log"
        with self._lock, log.open("ab") as opened:
            member.resting = False
            member.process = subprocess.Popen(
                command,
                cwd=member.machine.folder,
                env=environment,
                stdout=opened,
                stderr=opened,
                start_new_session=True,
            )

    def of(self, kind: str) -> list[Member]:
        """The living members of a kind that were not stopped."""
        return [one for one in self.members if one.kind == kind and one.is_alive and not one.resting]

    def kill(self, member: Member) -> None:
        """SIGKILL; the supervisor starts it again."""
        self._signal(member, signal.SIGKILL)

    def pause(self, member: Member) -> None:
        """SIGSTOP: it stands still and knows nothing of it."""
        member.resting = True
        self._signal(member, signal.SIGSTOP)

    def wake(self, member: Member) -> None:
        """SIGCONT."""
        self._signal(member, signal.SIGCONT)
        member.resting = False

    def drain(self, members: Sequence[Member]) -> float:
        """SIGTERM to the group of each and wait until all have ended; how many seconds that took.

        Raises RuntimeError when one does not end in time.
        """
        begun = time.monotonic()
        with self._lock:
            for member in members:
                member.wanted = False
                self._signal(member, signal.SIGTERM)
        for member in members:
            if member.process is not None:
                try:
                    member.process.wait(DRAIN)
                except subprocess.TimeoutExpired:
                    raise RuntimeError(f"{member.name} has not drained in {DRAIN:.0f} s") from None
        return time.monotonic() - begun

    def resume(self, members: Sequence[Member]) -> None:
        """Start drained members again."""
        for member in members:
            self.begin(member)
            member.wanted = True

    def next_version(self) -> Path:
        """A newer version of the program: the same code, and a migration that adds a column.

        Answers its folder; nobody runs it yet.
        """
        self.versions += 1
        folder = self.folder / f"version-{self.versions}"
        shutil.copytree(self.version, folder, ignore=shutil.ignore_patterns("__pycache__"))
        steps = folder / "notifier" / "store" / "migrations" / "versions"
        newest = max(file.name[:4] for file in steps.glob("[0-9]*.py"))
        number = f"{int(newest) + 1:04d}"
        (steps / f"{number}_chaos.py").write_text(MIGRATION.format(number=number, before=newest), encoding="utf-8")
        return folder

    def run(self, version: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command of a version, to its end."""
        machine = self.members[0].machine
        command = [*machine.prefix, sys.executable, "-c", PLAIN, *arguments]
        return subprocess.run(
            command,
            cwd=machine.folder,
            env=self._environment(machine, version),
            capture_output=True,
            text=True,
            timeout=DRAIN,
            check=False,
        )

    def end(self) -> None:
        """Kill whatever still runs."""
        self._over.set()
        for member in self.members:
            member.wanted = False
            self._signal(member, signal.SIGKILL)
            if member.process is not None:
                member.process.wait()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            with self._lock:
                for member in self.members:
                    self._look_after(member)

    def _look_after(self, member: Member) -> None:
        if not member.wanted or member.is_alive:
            member.ended_at = 0.0
        elif not member.ended_at:
            member.ended_at = time.monotonic()
        elif time.monotonic() - member.ended_at >= RESTART_AFTER:
            member.ended_at = 0.0
            self.restarts += 1
            self.begin(member)

    @staticmethod
    def _environment(machine: Machine, version: Path) -> dict[str, str]:
        """What its processes see; the version of the program stands before the project."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NOTIFIER_")}
        return kept | dict(machine.environment) | {"PYTHONPATH": f"{version}{os.pathsep}{PROJECT}"}

    def _signal(self, member: Member, number: int) -> None:
        if member.process is not None and member.process.poll() is None:
            os.killpg(member.process.pid, number)


MIGRATION = '''"""A column that a newer version of the program wants."""

import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notification", sa.Column("chaos_{number}", sa.Integer(), nullable=True))
    op.add_column("delivery", sa.Column("chaos_{number}", sa.Integer(), nullable=True))
'''
