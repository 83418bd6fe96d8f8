"""What the machine can do at all: the same rows, mails and answers without an engine around them."""

import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text

from benchmarks import Sample
from benchmarks.servers import Listening, database_cpu_seconds, program
from notifier.store import tables as t
from notifier.store.engine import writing

#: Long enough for wrk to come to rest, in seconds.
WRK_SECONDS = 3


@contextmanager
def raw_insert(engine: Engine) -> Iterator[Sample]:
    """INSERT ... SELECT of the rows that planning wrote, into the same outbox table with its indexes and constraints.

    Give it a planned database; it keeps a copy. Each run empties the table and gives seconds and rows.
    """
    name, copy, url = t.notification.name, "bench_planned", engine.url.render_as_string(hide_password=False)
    with writing(engine) as connection:
        connection.execute(text(f"DROP TABLE IF EXISTS {copy}"))
        connection.execute(text(f"CREATE TABLE {copy} AS SELECT * FROM {name} ORDER BY id"))
        rows = int(connection.execute(text(f"SELECT count(*) FROM {copy}")).scalar() or 0)

    def sample() -> Mapping[str, float]:
        _empty(engine)
        begun, cpu, of_database = time.perf_counter(), time.process_time(), database_cpu_seconds(url)
        with writing(engine) as connection:
            connection.execute(text(f"INSERT INTO {name} SELECT * FROM {copy}"))
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        return {"seconds": seconds, "rows": rows, "whole_cpu": cpu + database_cpu_seconds(url) - of_database}

    yield sample
    with writing(engine) as connection:
        connection.execute(text(f"DROP TABLE {copy}"))


def _empty(engine: Engine) -> None:
    name = t.notification.name
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"TRUNCATE {name} CASCADE"))
        else:
            for table in (t.event, t.delivery_member, t.delivery, t.notification):
                connection.execute(text(f"DELETE FROM {table.name}"))


@contextmanager
def smtp_source(sink: Listening, *, size: int, count: int = 20_000) -> Iterator[Sample]:
    """Postfix's own generator in C, over 16 kept connections: what the sink can take. Raises NotInstalled."""
    command = [program("smtp-source", "postfix"), "-d", "-s", "16", "-m", str(count), "-l", str(size)]

    def sample() -> Mapping[str, float]:
        begun = time.perf_counter()
        subprocess.run([*command, f"{sink.host}:{sink.port}"], check=True, capture_output=True, timeout=300)
        return {"per_second": count / (time.perf_counter() - begun), "messages": count}

    yield sample


@contextmanager
def static_answers(provider: Listening) -> Iterator[Sample]:
    """wrk over 32 connections, posting the form of an SMS: what the stand-in of Twilio can answer."""
    script = (
        'wrk.method = "POST"\n'
        'wrk.body = "To=%2B6281200000001&From=IMIGRASI&Body=" .. string.rep("x", 140)\n'
        'wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n'
    )
    with tempfile.TemporaryDirectory(prefix="notifier-bench-wrk-") as folder:
        file = Path(folder) / "post.lua"
        file.write_text(script, encoding="utf-8")
        url = f"http://{provider.host}:{provider.port}/2010-04-01/Accounts/AC/Messages.json"
        command = [program("wrk", "wrk"), "-t1", "-c32", f"-d{WRK_SECONDS}s", "-s", str(file), url]

        def sample() -> Mapping[str, float]:
            said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
            found = re.search(r"Requests/sec:\s+([\d.]+)", said)
            if found is None:
                raise RuntimeError(f"wrk said nothing of requests: {said[:200]}")
            return {"per_second": float(found[1])}

        yield sample


@contextmanager
def copy_file(engine: Engine, file: Path, *, columns: int) -> Iterator[Sample]:
    """COPY of a CSV file as it is into a table of text columns (PostgreSQL): seconds and rows."""
    names = ", ".join(f"c{place} text" for place in range(columns))
    with file.open("rb") as stream:
        rows = sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b"")) - 1

    def sample() -> Mapping[str, float]:
        connection = engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute("DROP TABLE IF EXISTS bench_raw")
            cursor.execute(f"CREATE TABLE bench_raw ({names})")
            connection.commit()
            begun = time.perf_counter()
            with cursor.copy("COPY bench_raw FROM STDIN (FORMAT csv, HEADER true)") as copy, file.open("rb") as stream:
                while block := stream.read(1 << 16):
                    copy.write(block)
            connection.commit()
            seconds = time.perf_counter() - begun
            return {"seconds": seconds, "per_second": rows / seconds}
        finally:
            connection.close()

    yield sample
