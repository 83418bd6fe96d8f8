"""The queue and its workers, on the embedded broker and on a real Redis-compatible server."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import dramatiq
import pytest
import redis

from notifier.casts import Secret
from notifier.clock import StandingClock
from notifier.errors import NotifierError
from notifier.model import NotificationId
from notifier.scheduler import Scheduler
from notifier.worker import (
    BULK,
    QUEUES,
    URGENT,
    Queue,
    _keep_memory_together,
    embedded_broker,
    ping,
    redis_broker,
    until_stopped,
    working,
)

#: How long a test waits for another thread or process, in seconds, before it fails.
PATIENCE = 20.0

NOW = datetime(2026, 5, 4, 2, tzinfo=UTC)


def batch(*numbers: int) -> list[NotificationId]:
    return [NotificationId(number) for number in numbers]


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture(params=["embedded", "redis"])
def broker(request: pytest.FixtureRequest) -> Iterator[dramatiq.Broker]:
    """The embedded broker, and the one over a real server."""
    embedded = request.param == "embedded"
    broker: dramatiq.Broker = (
        embedded_broker() if embedded else redis_broker(Secret(request.getfixturevalue("redis_url")))
    )
    yield broker
    if not embedded:
        broker.client.close()  # type: ignore[attr-defined]
    broker.close()


def test_a_batch_offered_is_delivered_once(broker: dramatiq.Broker) -> None:
    taken: list[Sequence[NotificationId]] = []
    queue = Queue(broker, taken.append)
    queue.offer(batch(1, 2, 3), urgent=False)
    queue.offer(batch(4), urgent=True)
    with working(queue):
        wait_for(lambda: len(taken) == 2)
    assert sorted(taken, key=list) == [[1, 2, 3], [4]]


def test_a_batch_that_failed_is_not_repeated_by_the_queue(
    broker: dramatiq.Broker, caplog: pytest.LogCaptureFixture
) -> None:
    # Given a delivery that fails in a way nobody foresaw
    taken: list[Sequence[NotificationId]] = []

    def fail(ids: Sequence[NotificationId]) -> None:
        taken.append(ids)
        raise ZeroDivisionError("a bug")

    queue = Queue(broker, fail)
    # When two batches are offered
    queue.offer(batch(1), urgent=False)
    queue.offer(batch(2), urgent=False)
    with working(queue):
        wait_for(lambda: len(queue.faults) == 2)
    # Then each was tried once, and the fault is in the log
    assert sorted(taken, key=list) == [[1], [2]]
    assert "a bug" in caplog.text


def test_what_was_begun_is_finished_and_the_rest_is_not_begun(broker: dramatiq.Broker) -> None:
    begun, may_end, ended = Event(), Event(), Event()

    def deliver(ids: Sequence[NotificationId]) -> None:
        begun.set()
        assert may_end.wait(PATIENCE)
        ended.set()

    queue = Queue(broker, deliver)
    queue.offer(batch(1), urgent=False)
    with working(queue, threads=1):
        assert begun.wait(PATIENCE)
        queue.offer(batch(2), urgent=False)
        Thread(target=may_end.set).start()
    assert ended.is_set()


def test_a_worker_takes_only_from_the_queues_it_was_given(broker: dramatiq.Broker) -> None:
    taken: list[Sequence[NotificationId]] = []
    queue = Queue(broker, taken.append)
    queue.offer(batch(1), urgent=False)
    queue.offer(batch(2), urgent=True)
    with working(queue, queues=[URGENT]):
        wait_for(lambda: bool(taken))
    assert taken == [[2]]


def test_join_waits_for_everything_offered_in_this_process() -> None:
    taken: list[Sequence[NotificationId]] = []
    queue = Queue(embedded_broker(), taken.append)
    with working(queue):
        for number in range(20):
            queue.offer(batch(number), urgent=number % 2 == 0)
        queue.join()
        assert len(taken) == 20


def test_the_queue_carries_ids_and_nothing_else(redis_url: str) -> None:
    broker = redis_broker(Secret(redis_url))
    Queue(broker, lambda ids: None).offer(batch(7, 8), urgent=False)
    with redis.Redis.from_url(redis_url) as client:
        (raw,) = client.hvals("notifier:bulk.msgs")
    message = json.loads(raw)
    assert message["args"] == [[7, 8]]
    assert message["kwargs"] == {}
    broker.client.close()


def test_a_redis_that_is_away_is_a_sentence_with_a_remedy() -> None:
    broker = redis_broker(Secret("redis://:hunter2@127.0.0.1:1/0"))
    queue = Queue(broker, lambda ids: None)
    asks: list[Callable[[], None]] = [lambda: ping(broker), lambda: queue.offer(batch(1), urgent=False)]
    for ask in asks:
        with pytest.raises(NotifierError, match="check NOTIFIER_REDIS_URL") as caught:
            ask()
        assert "hunter2" not in str(caught.value)


def test_a_redis_url_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(NotifierError, match="NOTIFIER_REDIS_URL must look like"):
        redis_broker(Secret("localhost:6379"))


CHILD = """
import sys, time
from pathlib import Path
from notifier.casts import Secret
from notifier.worker import Queue, redis_broker, run_worker

folder = Path(sys.argv[2])

def deliver(ids):
    (folder / f"begun-{ids[0]}").touch()
    while not (folder / "may-end").exists():
        time.sleep(0.01)
    (folder / f"ended-{ids[0]}").touch()

run_worker(Queue(redis_broker(Secret(sys.argv[1])), deliver), threads=1)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_process_drains_on_a_signal_and_loses_nothing(
    redis_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    # Given a worker process in the middle of a batch, and more batches waiting
    broker = redis_broker(Secret(redis_url))
    taken: list[Sequence[NotificationId]] = []
    queue = Queue(broker, taken.append)
    queue.offer(batch(1), urgent=False)
    child = subprocess.Popen([sys.executable, "-c", CHILD, redis_url, str(tmp_path)], env=os.environ)
    try:
        wait_for((tmp_path / "begun-1").exists)
        for other in (2, 3, 4):
            queue.offer(batch(other), urgent=False)
        # When it is told to stop, twice as an impatient supervisor does
        child.send_signal(number)
        child.send_signal(number)
        (tmp_path / "may-end").touch()
        # Then it finishes its batch, ends well, and the others are there for the next worker
        assert child.wait(PATIENCE) == 0
    finally:
        child.kill()
        child.wait()
    assert (tmp_path / "ended-1").exists()
    with working(queue):
        wait_for(lambda: len(taken) + len(list(tmp_path.glob("ended-*"))) == 4)
    broker.client.close()


def test_a_worker_told_to_stop_while_it_stands_still_ends_when_it_goes_on(redis_url: str, tmp_path: Path) -> None:
    # Given a worker that stands still, as in a frozen container: the signal to stop may reach any thread of it
    broker = redis_broker(Secret(redis_url))
    Queue(broker, lambda ids: None).offer(batch(1), urgent=False)
    (tmp_path / "may-end").touch()
    child = subprocess.Popen([sys.executable, "-c", CHILD, redis_url, str(tmp_path)], env=os.environ)
    try:
        wait_for((tmp_path / "ended-1").exists)
        child.send_signal(signal.SIGSTOP)
        child.send_signal(signal.SIGTERM)
        # When it goes on
        child.send_signal(signal.SIGCONT)
        # Then it ends
        assert child.wait(PATIENCE) == 0
    finally:
        child.kill()
        child.wait()
    broker.client.close()


def test_a_signal_sets_the_event_and_the_old_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with until_stopped() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(PATIENCE)
    assert signal.getsignal(signal.SIGTERM) is before


BOMBARDED = """
import os, signal, threading
from notifier.worker import until_stopped
def bombard():
    for _ in range(20_000):
        os.kill(os.getpid(), signal.SIGTERM)
with until_stopped(for_good=True) as stop:
    sender = threading.Thread(target=bombard)
    sender.start()
    while sender.is_alive():
        stop.wait(0.0001)
        stop.set()
print("stopped", flush=True)
"""


def test_signals_that_interrupt_each_other_stop_a_process_all_the_same() -> None:
    """A supervisor's, its group's and a parent's come within a moment; with a plain event a worker hung for ever."""
    ended = subprocess.run([sys.executable, "-c", BOMBARDED], capture_output=True, timeout=60, check=True)
    assert ended.stdout == b"stopped\n"


STOPPED = """
import os, signal, sys, time
from notifier.worker import until_stopped
with until_stopped(for_good=True) as stop:
    print("ready", flush=True)
    stop.wait()
print("clears up", flush=True)
sys.stdin.readline()
"""


def test_a_signal_that_comes_again_while_the_process_clears_up_does_not_end_it() -> None:
    # Given a process that was told to stop, has finished, and clears up
    with subprocess.Popen([sys.executable, "-c", STOPPED], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(signal.SIGTERM)
        assert child.stdout.readline() == b"clears up\n"
        # When it is told again, as honcho does
        child.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        child.stdin.close()
        # Then it ends well
        assert child.wait(PATIENCE) == 0


@pytest.mark.parametrize("fault", [OSError, AttributeError, TypeError])  # musl, macOS, Windows
def test_a_system_that_cannot_be_told_about_heaps_does_without(
    fault: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(name: str | None) -> None:
        raise fault("no such library or function")

    monkeypatch.setattr(ctypes, "CDLL", loaded)
    _keep_memory_together()


def test_every_queue_has_its_worker_in_the_procfile() -> None:
    procfile = (Path(__file__).parent.parent / "Procfile").read_text()
    commands = dict(line.split(": ", 1) for line in procfile.splitlines() if line and not line.startswith("#"))
    assert set(commands) == {"scheduler", "worker", "web"}
    assert commands["worker"].split() == ["notifier", "worker", "--processes", "2"]  # takes from all of QUEUES
    assert set(QUEUES) == {URGENT, BULK}


def test_a_part_of_a_tick_that_fails_stops_neither_the_others_nor_the_next_tick(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ran: list[datetime] = []

    def away(now: datetime) -> None:
        raise NotifierError("the database is away")

    def broken(now: datetime) -> None:
        raise ZeroDivisionError("a bug")

    scheduler = Scheduler(
        {"plan": away, "mend": broken, "relay": ran.append}, clock=StandingClock(NOW), every=timedelta(0)
    )
    assert not scheduler.tick()
    assert not scheduler.tick()
    assert ran == [NOW, NOW]
    assert "the database is away" in caplog.text


def test_a_scheduler_stops_after_the_tick_in_hand() -> None:
    stop = Event()
    ticks: list[datetime] = []

    def part(now: datetime) -> None:
        ticks.append(now)
        if len(ticks) == 3:
            stop.set()

    Scheduler({"part": part}, clock=StandingClock(NOW), every=timedelta(0)).run(stop)
    assert len(ticks) == 3
