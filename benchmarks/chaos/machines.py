"""Machines of the play: folders of their own and, where the system allows it, networks of their own.

With more than one machine each gets a network namespace on a bridge (Linux, as root); the servers listen on the bridge.
Without that right the machines are working folders and environments only.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.chaos.crew import Machine
from benchmarks.chaos.office import Office
from benchmarks.chaos.servers import is_root

#: Plays at the same time on one machine do not meet.
OWN = os.getpid() % 250
NETWORK = f"10.213.{OWN}"


@dataclass(slots=True)
class World:
    """The address servers listen on, and the namespace of each machine (None: that of this machine)."""

    folder: Path
    host: str
    namespaces: Sequence[str | None]
    made: list[Machine] = field(default_factory=list)

    @property
    def web_host(self) -> str:
        """Where the first machine, which has the web door, can be reached."""
        return f"{NETWORK}.2" if self.namespaces[0] else self.host

    def machines(self, office: Office, settings: Mapping[str, str]) -> list[Machine]:
        """Each with its own copy of rules and texts, its own working folder, log and inbox."""
        for place, namespace in enumerate(self.namespaces, start=1):
            folder = self.folder / f"machine-{place}"
            shutil.copytree(office.folder, folder)
            own = {
                "NOTIFIER_RULES": str(folder / "rules"),
                "NOTIFIER_TEMPLATES": str(folder / "templates"),
                "NOTIFIER_LOG_FILE": str(folder / "notifier.log"),
                "NOTIFIER_INBOX": str(folder / "inbox"),
                "HOME": str(folder),
            }
            prefix = ("ip", "netns", "exec", namespace) if namespace else ()
            self.made.append(Machine(f"machine {place}", folder, {**settings, **own}, prefix))
        return self.made


@contextmanager
def world(folder: Path, count: int) -> Iterator[World]:
    """So many machines; their networks are gone when the block ends."""
    with ExitStack() as stack:
        names: list[str] = []
        if count > 1 and is_root() and _works("ip", "netns", "list"):
            with suppress(subprocess.CalledProcessError):
                names = _connect(stack, count)
        host = f"{NETWORK}.1" if names else "127.0.0.1"
        yield World(folder, host, names or [None] * count)


def _connect(stack: ExitStack, count: int) -> list[str]:
    """A bridge, and so many namespaces on it."""
    bridge = f"chaosbr{OWN}"
    _run("ip", "link", "add", bridge, "type", "bridge")
    stack.callback(_works, "ip", "link", "del", bridge)
    _run("ip", "addr", "add", f"{NETWORK}.1/24", "dev", bridge)
    _run("ip", "link", "set", bridge, "up")
    names = []
    for place in range(1, count + 1):
        name, outer, inner = f"chaos{OWN}-{place}", f"chv{OWN}-{place}", f"chw{OWN}-{place}"
        _run("ip", "netns", "add", name)
        stack.callback(_works, "ip", "netns", "del", name)
        _run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner)
        _run("ip", "link", "set", inner, "netns", name)
        _run("ip", "link", "set", outer, "master", bridge)
        _run("ip", "link", "set", outer, "up")
        _run("ip", "-n", name, "addr", "add", f"{NETWORK}.{place + 1}/24", "dev", inner)
        _run("ip", "-n", name, "link", "set", inner, "up")
        _run("ip", "-n", name, "link", "set", "lo", "up")
        names.append(name)
    return names


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _works(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False
