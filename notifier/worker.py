"""The queue and those who work on it: dramatiq messages that carry batches of ids and nothing else.

The outbox holds every due time and every retry, so the queue is only a doorbell: no retries, no delays, no
results, no dead letters. A message lost, repeated or failed is offered again by the relay.
"""

import asyncio
import ctypes
import gc
import importlib
import logging
import signal
import sys
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Event, Thread
from types import FrameType
from typing import Any, Self, TypeVar

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker

from notifier.app import App
from notifier.casts import Secret
from notifier.channels.base import Carrier
from notifier.errors import NotifierError
from notifier.model import NotificationId

log = logging.getLogger(__name__)

T = TypeVar("T")

URGENT = "urgent"
BULK = "bulk"
QUEUES = (URGENT, BULK)

#: Batches of a queue at the same time in one process: while some wait for slow providers, others are claimed, rendered
#: and written down. Each queue has threads of its own, so that neither waits for the other.
THREADS = 4
#: So many of them are claimed, rendered or written at the same time: one computes while the other one waits for the
#: database. More would only wait for each other's turn of the interpreter.
AT_ONCE = 2
#: How long a thread may go on before another one gets its turn, in seconds. The event loop lets go of the interpreter
#: with each mail it writes; with Python's 5 ms a sixth of the CPU went into taking turns.
TURN = 0.02
#: So many batches may lie in a queue before the relay waits: what is offered anew must not pile up.
MOST_WAITING = 200
#: malloc.h: how many heaps glibc may make.
M_ARENA_MAX = -8
#: Out of a million commands, so many look for batches of dead workers; dramatiq's default takes 15 minutes.
MAINTENANCE_CHANCE = 1_000_000
#: A worker silent for so long is dead and its batches go back, in milliseconds.
HEARTBEAT_TIMEOUT = 60_000

#: How often a process that only waits for a signal looks whether one has come, in seconds.
LOOK_EVERY = 1.0

#: Makes one attempt at each of these notifications.
Deliver = Callable[[Sequence[NotificationId]], object]


def embedded_broker() -> StubBroker:
    """A queue inside this process; it forgets everything when the process ends, which the outbox allows."""
    return StubBroker(middleware=[])


def redis_broker(url: Secret) -> RedisBroker:
    """The queue that scheduler and workers of several machines share. Connects to nothing yet."""
    try:
        return RedisBroker(  # type: ignore[no-untyped-call]
            url=url.reveal(),
            middleware=[],
            namespace="notifier",
            maintenance_chance=MAINTENANCE_CHANCE,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
        )
    except ValueError as error:
        raise NotifierError("NOTIFIER_REDIS_URL must look like redis://host:6379/0") from error


def ping(broker: dramatiq.Broker) -> None:
    """Ask the Redis server whether it is there. Raises NotifierError with the remedy."""
    if isinstance(broker, RedisBroker):
        with _reaching_redis():
            broker.client.ping()


@contextmanager
def _reaching_redis() -> Iterator[None]:
    try:
        yield
    except (redis.RedisError, dramatiq.BrokerConnectionError) as error:
        raise NotifierError(
            f"Redis cannot be reached ({error}); check NOTIFIER_REDIS_URL and that the server runs"
        ) from error


class Queue:
    """Where the relay offers batches of ids, and where workers take them."""

    def __init__(self, broker: dramatiq.Broker, deliver: Deliver) -> None:
        self.broker = broker
        self.faults: list[Exception] = []  # what went wrong in this process since it was last looked at
        self._deliver = deliver
        self._actors = {
            name: dramatiq.actor(broker=broker, actor_name=f"deliver_{name}", queue_name=name)(self._take)
            for name in QUEUES
        }

    def offer(self, ids: Sequence[NotificationId], urgent: bool) -> None:
        """Ring for these notifications. Raises NotifierError when Redis is away; they are offered again."""
        with _reaching_redis():
            self._actors[URGENT if urgent else BULK].send([int(id_) for id_ in ids])

    def room(self, urgent: bool) -> int:
        """How many batches may still be offered. Raises NotifierError when Redis is away."""
        name = URGENT if urgent else BULK
        if isinstance(self.broker, RedisBroker):
            with _reaching_redis():
                waiting = int(self.broker.client.llen(f"{self.broker.namespace}:{name}"))
        else:
            waiting = self.broker.queues[name].qsize() if isinstance(self.broker, StubBroker) else 0
        return max(MOST_WAITING - waiting, 0)

    def join(self) -> None:
        """Wait until everything offered in this process is done (embedded only)."""
        if isinstance(self.broker, StubBroker):
            for name in QUEUES:
                self.broker.join(name, fail_fast=False)

    def _take(self, ids: list[int]) -> None:
        try:
            self._deliver([NotificationId(id_) for id_ in ids])
        except NotifierError as error:
            log.warning("batch failed, will be offered again: %s", error, extra={"notifications": len(ids)})
            self.faults.append(error)
        except Exception as error:
            log.exception("batch failed, will be offered again", extra={"notifications": len(ids)})
            self.faults.append(error)
        del self.faults[:-100]


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, which takes a third less CPU for each message; asyncio's own on Windows, where there is none."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class EventLoop:
    """One event loop in a thread of its own: connections to providers live on it and outlast a batch."""

    def __init__(self) -> None:
        self._loop = _new_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(AT_ONCE, "batch"))
        self._thread = Thread(target=self._loop.run_forever, name="event loop")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait for its answer, from any other thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


def _close(loop: EventLoop, carrier: Carrier) -> None:
    loop.run(carrier.close())


def _keep_memory_together() -> None:
    """One heap for all threads: glibc makes one for each, and a worker's dozen threads would hold a fifth more."""
    with suppress(OSError, AttributeError, TypeError):  # elsewhere than on Linux with glibc; TypeError: on Windows
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A batch makes a hundred thousand objects and no circles; rules, texts and calendars live as long as the process.
    With Python's usual thresholds all of them are looked through many times in each batch."""
    garbage, turn = gc.get_threshold(), sys.getswitchinterval()
    gc.freeze()
    gc.set_threshold(50_000, 5, 5)
    sys.setswitchinterval(TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(turn)
        gc.set_threshold(*garbage)
        gc.unfreeze()


@contextmanager
def delivering(app: App) -> Iterator[Deliver]:
    """What makes one attempt at each notification of a batch, with open carriers while the block lasts."""
    _keep_memory_together()
    _ = app.dispatcher  # built here: a wrong setting or rule ends the process now, not at each batch

    def deliver(ids: Sequence[NotificationId]) -> object:
        app.take_up_rules()
        return loop.run(app.dispatcher.dispatch(ids))

    with _undisturbed(), EventLoop() as loop, ExitStack() as stack:
        for carrier in app.carriers.values():
            stack.callback(_close, loop, carrier)
            loop.run(carrier.open())
        yield deliver


@contextmanager
def working(queue: Queue, *, queues: Collection[str] = QUEUES, threads: int = THREADS) -> Iterator[None]:
    """Work on the queue while the block lasts; then finish what was begun, give back the rest."""
    queue.broker.emit_after("process_boot")  # only dramatiq's own command would do it for us
    with ExitStack() as stack:
        for name in (name for name in QUEUES if name in queues):
            worker = dramatiq.Worker(queue.broker, queues={name}, worker_threads=threads, worker_timeout=200)
            queue.broker.logger.addFilter(_is_no_second_worker)
            worker.start()
            queue.broker.logger.removeFilter(_is_no_second_worker)
            stack.callback(worker.stop)
        yield


def _is_no_second_worker(record: logging.LogRecord) -> bool:
    """dramatiq warns of a second worker in a process, since both would take from the same queues; ours do not."""
    return not record.getMessage().startswith("You're adding a middleware of the same type twice")


class Stop(Event):
    """An event that a signal handler may set while it interrupts itself, or a wait: `Event` itself would wait for ever
    for the lock that the interrupted one holds, and a queue of this kind has none. It is not cleared."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: SimpleQueue[None] = SimpleQueue()
        self._is_asked = False

    def set(self) -> None:
        """Ask to stop."""
        self._is_asked = True
        self._asked.put(None)

    def is_set(self) -> bool:
        """Whether anybody has asked."""
        return self._is_asked

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until somebody asks, at most so many seconds; for one waiting thread."""
        if not self._is_asked:
            with suppress(Empty):
                self._asked.get(timeout=timeout)
        return self._is_asked


@contextmanager
def until_stopped(*, for_good: bool = False) -> Iterator[Event]:
    """An event that SIGTERM or SIGINT sets; a repeated one changes nothing, the work in hand is finished. `for_good`:
    nor does one that comes after the block, while the process clears up."""
    stop = Stop()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if for_good and stop.is_set() else handler)


def run_worker(
    queue: Queue,
    *,
    queues: Collection[str] = QUEUES,
    threads: int = THREADS,
    on_stop: Callable[[], object] = lambda: None,
) -> None:
    """Work until SIGTERM or SIGINT, then drain. The body of `notifier worker`. `on_stop` is called before the drain."""
    ping(queue.broker)
    with until_stopped(for_good=True) as stop, working(queue, queues=queues, threads=threads):
        log.info("worker started")
        # A signal that another thread takes (after SIGSTOP and SIGCONT, say) does not wake this one: look now and then.
        while not stop.wait(LOOK_EVERY):
            pass
        log.info("worker finishes what is under way and gives back the rest")
        on_stop()
    log.info("worker stopped")
