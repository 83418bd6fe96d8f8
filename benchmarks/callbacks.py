"""Callbacks: verified, kept raw and committed before they are answered, then applied, by one `notifier web` process.

Three figures: how many are answered in a second; how many become receipts, with delivery and notification moved, in a
second from the first request on; and the wait between the last answer and the last move. Against the least that anybody
could do: one UPDATE and commit for each, on one connection, nothing verified or kept.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import psycopg
from sqlalchemy import Engine, func, insert, make_url, select

from benchmarks import Bench, Figure, Sample, interleave, servers
from benchmarks.ours import settings
from benchmarks.register import MORNING, PROJECT
from notifier.channels.twilio_forms import sign
from notifier.model import Channel, DeliveryState, NotificationState
from notifier.store import tables as t
from notifier.store.engine import open_engine, reading, writing
from tests.outbox_rows import a_party, an_office

TOKEN = "token"
PUBLIC = "https://pengingat.imigrasi.example"
#: As many callbacks under way as a provider keeps connections to us.
CONNECTIONS = 128
#: No run takes longer than this, in seconds.
PATIENCE = 300

#: For wrk: the file holds whole requests, and each is sent once. It must cost less than what it measures.
SCRIPT = """
local name = os.getenv("CALLBACKS")
local requests, sent, answered = {}, -1, 0  -- wrk asks for one request that it does not send
for one in io.open(name):read("*a"):gmatch("[^\\1]+") do requests[#requests + 1] = one end
function request()
  sent = sent + 1
  if sent == 1 then io.open(name .. ".begun", "w"):close() end
  return requests[math.max(1, math.min(sent, #requests))]
end
function response()
  answered = answered + 1
  if answered == #requests then io.open(name .. ".done", "w"):close() end
end
"""


def figures(bench: Bench) -> list[Figure]:
    """Callbacks answered a second, how often that is one UPDATE and commit each, and how soon they are applied."""
    count = bench.messages
    with servers.postgres() as server:
        url = servers.database(server, "callbacks", fresh=True)
        with web(bench, url, count) as ours, one_by_one(url, count) as theirs:
            rounds = interleave({"web": ours, "update": theirs}, bench.runs)
    return [
        rounds.figure("callbacks.per_second", "web", "per_second", "callbacks/s", "more"),
        rounds.figure("callbacks.applied.per_second", "web", "applied", "callbacks/s", "more"),
        rounds.figure("callbacks.applied.wait", "web", "wait", "s", "less"),
        rounds.figure("callbacks.update.per_second", "update", "per_second", "updates/s", "more"),
        rounds.ratio("callbacks.vs.update", ("web", "per_second"), ("update", "per_second"), "more"),
    ]


@contextmanager
def web(bench: Bench, url: str, count: int) -> Iterator[Sample]:
    """One `notifier web`; a run sends `count` signed callbacks for as many messages, and ends when all are safe."""
    engine = open_engine(url)
    port = servers.free_port()
    wrk = servers.program("wrk", "wrk")
    environment = os.environ | settings(url, bench, None, TWILIO_AUTH_TOKEN=TOKEN, PUBLIC_URL=PUBLIC)
    command = [str(Path(sys.executable).parent / "notifier"), "web", "--port", str(port)]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "web.log").open("w") as log:
        script, callbacks = Path(folder) / "callbacks.lua", Path(folder) / "callbacks.txt"
        script.write_text(SCRIPT, encoding="utf-8")
        process = subprocess.Popen(command, env=environment, cwd=PROJECT, stdout=log, stderr=log)
        servers.wait_for(port, process)

        def sample() -> Mapping[str, float]:
            first = fill(engine, count)
            callbacks.write_text("\1".join(_requests(first, count)), encoding="utf-8")
            load = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{PATIENCE}s", "-s", str(script), f"http://127.0.0.1:{port}"]
            seconds = _until_answered(load, callbacks)
            wait = _until_applied(engine)
            must_be_delivered(engine, first, count)
            return {"per_second": count / seconds, "applied": count / (seconds + wait), "wait": wait}

        try:
            yield sample
        finally:
            process.terminate()
            process.wait(timeout=30)
            engine.dispose()


def _until_answered(load: list[str], callbacks: Path) -> float:
    """Seconds from the first request until all are answered; wrk itself would go on until its time is over."""
    begun, done = (callbacks.with_name(f"{callbacks.name}.{what}") for what in ("begun", "done"))
    done.unlink(missing_ok=True)
    latest = time.perf_counter() + PATIENCE
    with subprocess.Popen(load, env={**os.environ, "CALLBACKS": str(callbacks)}, stdout=subprocess.DEVNULL) as wrk:
        while not done.exists():
            if wrk.poll() is not None or time.perf_counter() > latest:
                raise AssertionError("not every callback was answered")
            time.sleep(0.002)
        wrk.terminate()
    return (done.stat().st_mtime_ns - begun.stat().st_mtime_ns) / 1e9


def _until_applied(engine: Engine) -> float:
    """Seconds, after the last answer, until no callback waits to become a receipt."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < PATIENCE:
        with reading(engine) as connection:
            if not connection.scalar(select(func.count()).select_from(t.callback)):
                return time.perf_counter() - begun
        time.sleep(0.01)
    raise AssertionError("not every callback was applied")


@contextmanager
def one_by_one(url: str, count: int) -> Iterator[Sample]:
    """One connection, one UPDATE and commit for each callback."""
    engine = open_engine(url)
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)

    def sample() -> Mapping[str, float]:
        first = fill(engine, count)
        with psycopg.connect(plain, autocommit=True) as connection:
            begun = time.perf_counter()
            for key in range(first, first + count):
                connection.execute("UPDATE delivery SET state = 'delivered', updated_at = now() WHERE id = %s", (key,))
            seconds = time.perf_counter() - begun
        return {"per_second": count / seconds}

    yield sample
    engine.dispose()


def fill(engine: Engine, count: int) -> int:
    """So many messages that were taken and wait for their receipt; answers the number of the first."""
    with writing(engine) as connection:
        office, party = an_office(connection), a_party(connection, Channel.SMS)
        first = (connection.scalar(select(func.max(t.delivery.c.id))) or 0) + 1
        rows = range(first, first + count)
        notification = {
            "rule": "expiry", "step": "soon", "occurrence": 0, "subject_kind": "permit", "subject_id": 1,
            "party_id": party, "role": "holder", "office_id": office, "rule_digest": "x", "moment": MORNING,
            "state": NotificationState.SENT.value, "urgent": False, "capped": False, "forced": False,
            "attempt": 1, "rung": 1, "rungs": 1, "tries": 0, "first_sent_at": MORNING, "told_at": MORNING,
            "next_attempt_at": MORNING, "created_at": MORNING, "updated_at": MORNING,
        }  # fmt: skip
        delivery = {
            "attempt": 1, "rung": 0, "channel": "sms", "provider": "twilio", "address": "+6281200000000",
            "language": "id", "template": "t", "state": DeliveryState.ACCEPTED.value, "attempted_at": MORNING,
            "updated_at": MORNING,
        }  # fmt: skip
        told = [notification | {"id": row, "cycle": f"permit:{row}"} for row in rows]
        connection.execute(insert(t.notification), told)
        sent = [delivery | {"id": row, "notification_id": row, "reference": _sid(row)} for row in rows]
        connection.execute(insert(t.delivery), sent)
    return first


def must_be_delivered(engine: Engine, first: int, count: int) -> None:
    """Raises AssertionError unless every callback moved its delivery and notification and was kept."""
    n, d = t.notification.c, t.delivery.c
    with reading(engine) as connection:
        moved = connection.scalar(select(func.count()).where(d.id >= first, d.state == DeliveryState.DELIVERED.value))
        settled = connection.scalar(
            select(func.count()).where(n.id >= first, n.state == NotificationState.DELIVERED.value)
        )
        kept = connection.scalar(select(func.count(t.receipt.c.delivery_id.distinct())).where(
            t.receipt.c.delivery_id >= first))  # fmt: skip
    assert (moved, settled, kept) == (count, count, count), (moved, settled, kept, count)


def _requests(first: int, count: int) -> Iterator[str]:
    for row in range(first, first + count):
        path = f"/twilio/status?delivery={row}"
        form = {
            "SmsSid": _sid(row),
            "SmsStatus": "delivered",
            "MessageStatus": "delivered",
            "To": "+6281200000000",
            "MessageSid": _sid(row),
            "AccountSid": "AC" + "0" * 32,
            "From": "IMIGRASI",
            "ApiVersion": "2010-04-01",
        }
        body = urlencode(form)
        head = (
            f"POST {path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}",
            f"X-Twilio-Signature: {sign(TOKEN, PUBLIC + path, form)}",
        )
        yield "\r\n".join(head) + f"\r\n\r\n{body}"


def _sid(row: int) -> str:
    return f"SM{row:032x}"
