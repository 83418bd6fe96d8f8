"""What a server process of the play is told while it runs: one JSON object a line over a port of its own."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: How long a server may take to open its ports, in seconds.
PATIENCE = 60.0


@dataclass(slots=True)
class Told:
    """Numbers by name. `take` uses one of a count up: "the next three"; the others simply hold until told anew."""

    values: dict[str, float] = field(default_factory=dict)

    def take(self, name: str) -> bool:
        """Whether the next one of these is due; it is used up by the question."""
        left = self.values.get(name, 0)
        if left >= 1:
            self.values[name] = left - 1
            return True
        return False

    def get(self, name: str, otherwise: float = 0.0) -> float:
        return self.values.get(name, otherwise)


class Record:
    """The durable list of what arrived: a line is with the system before anybody is answered."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, **what: Any) -> None:
        os.write(self._file, json.dumps({"at": time.time(), **what}).encode() + b"\n")


def read_records(file: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The whole lines from `offset` on, and where the next ones begin."""
    if not file.exists():
        return [], offset
    with file.open("rb") as opened:
        opened.seek(offset)
        content = opened.read()
    whole = content[: content.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines()], offset + len(whole)


def port_of_peer(writer: asyncio.StreamWriter) -> int:
    """The port of the process at the other end, by which `crew` finds it."""
    return int(writer.get_extra_info("peername")[1])


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def serve(told: Told, talk: Talk, *, host: str, port: int, control: int) -> None:
    """Serve until killed: `talk` on the port, what is told on the control port of this machine."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(told.values).encode() + b"\n")
            told.values.update(json.loads(line))
            await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(talk, host, port, limit=2**20, backlog=512) as one,
        await asyncio.start_server(listen, "127.0.0.1", control) as other,
    ):
        await asyncio.gather(one.serve_forever(), other.serve_forever())


@dataclass(frozen=True, slots=True)
class Server:
    """A running server of the play, as the player knows it."""

    host: str
    port: int
    control: int
    record: Path

    def tell(self, **values: float) -> dict[str, float]:
        """Change how it behaves from now on; everything it had been told, as far as it is not used up."""
        with socket.create_connection(("127.0.0.1", self.control), timeout=PATIENCE) as one:
            one.sendall(json.dumps(values).encode() + b"\n")
            before: dict[str, float] = json.loads(one.makefile("rb").readline())
            return before

    def order(self, patience: float, **counts: int) -> int:
        """So many of each from now on; what nobody came for within `patience` seconds is taken back, so that it does
        not fall on somebody long afterwards. How many were used."""
        self.tell(**counts)
        end = time.monotonic() + patience
        while time.monotonic() < end and any(self.tell()[name] for name in counts):
            time.sleep(0.05)
        left = self.tell(**dict.fromkeys(counts, 0))
        return sum(counts.values()) - int(sum(left[name] for name in counts))


def free_ports(count: int) -> list[int]:
    """TCP ports nobody listens on just now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in held]
    for one in held:
        one.close()
    return ports


@contextmanager
def running(module: str, record: Path, *, host: str = "127.0.0.1", **values: float) -> Iterator[Server]:
    """One of the servers of the play in a process of its own, told `values` at the start."""
    port, control = free_ports(2)
    command = [sys.executable, "-m", module, host, str(port), str(control), str(record), json.dumps(values)]
    process = subprocess.Popen(command, start_new_session=True)
    server = Server(host, port, control, record)
    try:
        wait_for_port(host, port, process)
        wait_for_port("127.0.0.1", control, process)
        yield server
    finally:
        process.kill()
        process.wait()


def wait_for_port(host: str, port: int, process: subprocess.Popen[bytes] | None = None) -> None:
    """Until somebody listens there. Raises TimeoutError, or RuntimeError when the process has ended."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{process.args!r} has ended with {process.returncode}")
        with socket.socket() as one:
            one.settimeout(1)
            if one.connect_ex((host, port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port} after {PATIENCE:.0f} s")


def main(server: Callable[[Told, Record], Talk]) -> None:
    """The body of a server's process."""
    host, port, control, record, values = sys.argv[1:]
    told = Told(json.loads(values))
    talk = server(told, Record(Path(record)))
    asyncio.run(serve(told, talk, host=host, port=int(port), control=int(control)))
