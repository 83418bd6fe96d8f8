"""The protocols of planning, claiming and settling, each against what broke its naive form. Nothing is mocked."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from threading import Barrier, Event
from typing import Any

import pytest
import redis
from sqlalchemy import Engine, event, func, insert, select, update
from sqlalchemy.exc import DBAPIError

from notifier.casts import Secret
from notifier.model import (
    Accepted,
    Action,
    Channel,
    DeliveryId,
    DeliveryState,
    Message,
    NotificationId,
    Outcome,
    Reason,
    Receipt,
    Rejected,
    SubjectKind,
    Unknown,
)
from notifier.officer import Refusal, read_story, resend
from notifier.receipts import record as record_receipts
from notifier.relay import relay
from notifier.send import AHEAD
from notifier.store import deliveries as store
from notifier.store import outbox
from notifier.store import tables as t
from notifier.store.claims import claim
from notifier.store.engine import reading, writing
from notifier.store.records import SubjectRecord
from notifier.store.register import put_subjects
from notifier.store.settle import settle
from notifier.worker import Queue, redis_broker, working
from tests.outbox_rows import NOW, a_delivery, a_notification, a_party
from tests.world import PATIENCE, Remembering, World

#: How long a test waits for another thread, in seconds, before it fails.
WAIT = 30.0
LEASE = timedelta(minutes=10)
EXPIRY = date(2026, 6, 10)
N = t.notification.c


def a_person_with_a_permit(world: World, number: str = "1") -> None:
    world.person(f"P{number}", "ANNA")
    world.permit(f"Z{number}", f"P{number}", type="ITAS", issue=date(2025, 6, 10), expiry=EXPIRY)


def together(*works: Callable[[], Any]) -> list[Any]:
    """Run these at the same time, each in its own thread; what one raises is raised."""
    start = Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        start.wait(WAIT)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [done.result(timeout=WAIT) for done in [pool.submit(run, work) for work in works]]


@pytest.fixture
def world(engine: Engine) -> World:
    """On both databases: planned once while nothing was there, then the day of "two-weeks"."""
    world = World(engine)
    world.plan()
    return world.at("2026-05-26 10:00")


@pytest.fixture
def shared(postgres_engine: Engine) -> World:
    """The same on PostgreSQL, where several may write."""
    world = World(postgres_engine)
    world.plan()
    return world.at("2026-05-26 10:00")


# --------------------------------------------------------------------------------------- 1. what has changed


def test_an_import_that_commits_after_the_planner_looked_is_planned_by_the_next_plan(shared: World) -> None:
    """A watermark of time or number would have passed it: the later rows were committed and looked at first."""
    for number in ("1", "2"):
        shared.person(f"P{number}")
    late = record_of("1")
    with writing(shared.engine) as importer:
        assert not put_subjects(
            importer, SubjectKind.PERMIT, [late], now=shared.now
        ).refused  # its rows have the lower ids
        a_person_with_a_permit(shared, "2")
        assert shared.plan().planned == 1
    report = shared.plan()

    assert report.planned == 1
    assert subjects_of(shared) == ["Z1", "Z2"]


def record_of(number: str) -> SubjectRecord:
    facts = {"type": "ITAS", "status": "active", "issue": date(2025, 6, 10), "expiry": EXPIRY}
    return SubjectRecord(f"Z{number}", "jakarta-barat", f"P{number}", facts)


def subjects_of(world: World) -> list[str]:
    query = select(t.permit.c.number).join(t.notification, N.subject_id == t.permit.c.id)
    with reading(world.engine) as connection:
        return sorted(connection.execute(query).scalars())


def test_importers_and_a_planner_that_never_rests_lose_nothing(shared: World) -> None:
    """Four importers commit while planning goes on; the last plan after them leaves nobody out."""
    numbers = [str(number) for number in range(120)]
    for number in numbers:
        shared.person(f"P{number}")
    imported = Event()

    def bring(mine: Sequence[str]) -> None:
        for number in mine:
            with writing(shared.engine) as connection:
                put_subjects(connection, SubjectKind.PERMIT, [record_of(number)], now=shared.now)

    def plan() -> None:
        while not imported.is_set():
            shared.planner.plan(now=shared.now)

    with ThreadPoolExecutor(5) as pool:
        planning = pool.submit(plan)
        for done in [pool.submit(bring, numbers[first::4]) for first in range(4)]:
            done.result(timeout=WAIT)
        imported.set()
        planning.result(timeout=WAIT)
    shared.plan()

    assert subjects_of(shared) == sorted(f"Z{number}" for number in numbers)
    with reading(shared.engine) as connection:
        assert connection.execute(select(t.changed)).all() == []


def test_two_planners_at_once_plan_each_notification_once(shared: World) -> None:
    for number in range(30):
        a_person_with_a_permit(shared, str(number))

    reports = together(*[lambda: shared.planner.plan(now=shared.now)] * 2)

    assert sum(report.planned for report in reports) == 30
    assert len(subjects_of(shared)) == len(set(subjects_of(shared))) == 30
    assert [line.what for line in shared.trace("Z7")] == ["planned"]


@contextmanager
def dying(engine: Engine, statement: int) -> Iterator[None]:
    """The process is gone before the n-th statement that inserts notifications."""
    seen = 0

    def count(conn: Any, cursor: Any, sql: str, *rest: Any) -> None:
        nonlocal seen
        if "INSERT INTO notification " in sql:
            seen += 1
            if seen == statement:
                raise KeyboardInterrupt("killed")

    event.listen(engine, "before_cursor_execute", count)
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        event.remove(engine, "before_cursor_execute", count)


def test_a_planner_that_died_halfway_is_repeated_and_gives_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cursor moves last: what the first run wrote is not written again, what it missed is."""
    monkeypatch.setattr("notifier.plan.SUBJECTS_AT_ONCE", 4)
    for number in range(10):
        a_person_with_a_permit(world, str(number))
    world.at("2026-05-20 06:00").plan()
    world.at("2026-05-26 10:00")
    before = len(world.notifications())

    with dying(world.engine, statement=2):
        world.plan()
    assert 0 < len(world.notifications()) - before < 10

    world.plan()
    assert len(world.notifications(step="two-weeks")) == 10
    assert len({row.subject_id for row in world.notifications(step="two-weeks")}) == 10
    assert world.plan().planned == 0


def test_changes_are_not_forgotten_by_a_planner_that_dies(world: World) -> None:
    for number in range(3):
        a_person_with_a_permit(world, str(number))
    with dying(world.engine, statement=1):
        world.plan()

    assert world.notifications() == []
    assert world.plan().planned == 3


# --------------------------------------------------------------------------------------------------- 2. claims


def waiting_rows(engine: Engine, count: int) -> list[NotificationId]:
    """So many notifications that are due, of one party."""
    with writing(engine) as connection:
        party = a_party(connection)
        first = a_notification(connection, party, state="scheduled", rung=0, next_attempt_at=NOW, attempt=0)
        row = dict(connection.execute(select(t.notification).where(N.id == first)).one()._mapping)
        del row["id"]
        rows = [{**row, "subject_id": number} for number in range(1_000, 1_000 + count - 1)]
        if rows:
            connection.execute(insert(t.notification), rows)
        return [NotificationId(key) for key in connection.execute(select(N.id).order_by(N.id)).scalars()]


def test_a_row_is_never_claimed_by_two_connections(postgres_engine: Engine) -> None:
    """The second takes what the first left, without waiting for it."""
    ids = waiting_rows(postgres_engine, 3)
    with writing(postgres_engine) as first, writing(postgres_engine) as second:
        mine = claim(first, ids[:2], now=NOW, lease=LEASE)
        theirs = claim(second, ids, now=NOW, lease=LEASE)

    assert [one.id for one in mine] == ids[:2]
    assert [one.id for one in theirs] == ids[2:]


@pytest.mark.parametrize("workers", [4])
def test_many_workers_over_the_same_ids_claim_each_row_once(postgres_engine: Engine, workers: int) -> None:
    """500 rows in batches of 50; every batch is offered to every worker, as a bell that rings too often would."""
    ids = waiting_rows(postgres_engine, 500)
    batches = [ids[start : start + 50] for start in range(0, 500, 50)]

    def work(turn: int) -> list[tuple[NotificationId, int]]:
        taken = []
        for batch in batches[turn:] + batches[:turn]:
            with writing(postgres_engine) as connection:
                taken += [(one.id, one.attempt) for one in claim(connection, batch, now=NOW, lease=LEASE)]
        return taken

    taken = together(*[lambda turn=turn: work(turn) for turn in range(workers)])

    every = [one for theirs in taken for one in theirs]
    assert len(every) == 500
    assert {key for key, _ in every} == set(ids)
    assert {attempt for _, attempt in every} == {1}


def test_a_claim_takes_no_more_than_it_was_offered(engine: Engine) -> None:
    """The limit in the naive form was no limit under another plan."""
    ids = waiting_rows(engine, 60)
    with writing(engine) as connection:
        claimed = claim(connection, ids[:20], now=NOW, lease=LEASE)
    with reading(engine) as connection:
        attempts = list(connection.execute(select(N.attempt).order_by(N.id)).scalars())

    assert len(claimed) == 20
    assert attempts == [1] * 20 + [0] * 40


def test_a_claim_counts_the_attempt_and_plans_the_next_one(engine: Engine) -> None:
    ids = waiting_rows(engine, 1)
    for attempt in (1, 2):
        with writing(engine) as connection:
            now = NOW + (attempt - 1) * LEASE
            assert [one.attempt for one in claim(connection, ids, now=now, lease=LEASE)] == [attempt]
            assert claim(connection, ids, now=now, lease=LEASE) == []


# ------------------------------------------------------------------------------------------- 3. lease and fence


def test_a_slow_workers_outcome_does_not_overwrite_its_successors(world: World) -> None:
    """The reference it learnt late stays with its own delivery; the notification is its successor's."""
    world.person("P1", phone=False)
    world.permit("Z1", "P1", type="ITAS", issue=date(2025, 6, 10), expiry=EXPIRY)
    world.plan()
    world.at("2026-05-26 10:30")
    rejected = Rejected(Reason.TEMPORARY, Action.RETRY, "451")
    seen: list[Any] = []
    world.carriers[Channel.EMAIL].answer = lambda message: Accepted(f"ref-{message.delivery_id}")
    slow_then_quick(world, seen, lambda: rejected)

    (row,) = world.notifications()
    first, second = world.deliveries()
    assert (row.state, row.attempt) == ("sent", 2)
    assert row.next_attempt_at == seen[0].next_attempt_at
    assert second.state == "accepted"
    assert first.attempt == 1


def test_the_reference_a_slow_worker_learnt_is_kept_on_its_own_delivery(world: World) -> None:
    world.person("P1", phone=False)
    world.permit("Z1", "P1", type="ITAS", issue=date(2025, 6, 10), expiry=EXPIRY)
    world.plan()
    world.at("2026-05-26 10:30")
    seen: list[Any] = []
    slow_then_quick(world, seen, lambda: Accepted("late-reference"))

    first, second = world.deliveries()
    assert first.reference == "late-reference"
    assert second.reference == f"ref-{second.id}"
    (row,) = world.notifications()
    assert (row.state, row.attempt, row.next_attempt_at) == ("sent", 2, seen[0].next_attempt_at)


def slow_then_quick(world: World, seen: list[Any], answer: Callable[[], Any]) -> None:
    """While a worker waits for its provider, the lease ends and another takes over; then the first one's answer."""
    carrier = world.carriers[Channel.EMAIL]
    quick = carrier.answer
    ids = [row.id for row in world.notifications()]

    def late(message: Any) -> Any:
        carrier.answer = quick
        world.clock.at += timedelta(minutes=11)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: asyncio.run(world.dispatcher.dispatch(ids))).result(timeout=WAIT)
        seen.extend(world.notifications())
        return answer()

    carrier.answer = late
    world.wait_for(world.dispatcher.dispatch(ids))


class Slow(Remembering):
    """A provider that takes a moment, and looks what is under way and what is marked as begun meanwhile."""

    def __init__(self, engine: Engine, concurrency: int) -> None:
        super().__init__(Channel.WHATSAPP, concurrency=concurrency)
        self.engine = engine
        self.under_way = self.most_under_way = 0
        self.marked: list[int] = []

    async def send(self, message: Message, *, callback_url: str | None) -> Outcome:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0.3)
        with reading(self.engine) as connection:
            begun = select(func.count()).where(
                t.delivery.c.state == "attempting", t.delivery.c.detail.is_(None), t.delivery.c.channel == "whatsapp"
            )
            self.marked.append(connection.scalar(begun) or 0)
        self.under_way -= 1
        return await super().send(message, callback_url=callback_url)


def test_a_message_is_marked_before_its_place_is_free_and_none_beyond_the_next(world: World) -> None:
    """Else a place of a slow provider stands empty while the next message is being marked."""
    for number in range(12):
        a_person_with_a_permit(world, str(number))
    world.plan()
    world.at("2026-05-26 10:30")
    slow = world.carriers[Channel.WHATSAPP] = Slow(world.engine, concurrency=4)
    world.wait_for(world.dispatcher.dispatch([row.id for row in world.notifications()]))

    assert slow.most_under_way == 4
    assert slow.marked[0] == 4 + 4 // AHEAD
    assert len(slow.sent) == 12


# -------------------------------------------------------------------------------------- 5. outcomes, deadlocks


@pytest.mark.parametrize(
    "outcome",
    [
        Rejected(Reason.TEMPORARY, Action.RETRY, "4\x0021", "try\x00again"),
        Rejected(Reason.TEMPORARY, Action.RETRY, "a code far longer than its column", "x" * 9_000),
        Unknown("lost\x00it"),
        Accepted("SM\x00123"),
        Accepted("r" * 400),
    ],
    ids=["nul", "long", "nul in unknown", "nul in reference", "long reference"],
)
def test_what_a_provider_says_cannot_make_a_batch_fail(engine: Engine, outcome: Any) -> None:
    """One NUL byte made the whole batch store nothing."""
    with writing(engine) as connection:
        deliveries = [a_delivery(connection) for _ in range(3)]
    with writing(engine) as connection:
        outcomes = {deliveries[0]: Accepted("one"), deliveries[1]: outcome, deliveries[2]: Accepted("three")}
        store.record(connection, outcomes, now=NOW)
    with reading(engine) as connection:
        states = list(connection.execute(select(t.delivery.c.state).order_by(t.delivery.c.id)).scalars())

    assert states[0] == states[2] == "accepted"
    assert states[1] != "attempting"


def test_settling_and_receipts_in_opposite_order_do_not_lock_each_other_out(postgres_engine: Engine) -> None:
    with writing(postgres_engine) as connection:
        deliveries = [a_delivery(connection, state=DeliveryState.ACCEPTED) for _ in range(40)]
        notifications = [NotificationId(key) for key in connection.execute(select(N.id)).scalars()]

    def settling() -> None:
        for _ in range(15):
            with writing(postgres_engine) as connection:
                settle(connection, notifications[::-1], now=NOW)

    def receiving(order: list[DeliveryId], state: DeliveryState) -> None:
        for _ in range(15):
            with writing(postgres_engine) as connection:
                record_receipts(connection, [Receipt("twilio", state, {}, delivery_id=one) for one in order], now=NOW)

    together(
        settling,
        lambda: receiving(deliveries, DeliveryState.DELIVERED),
        lambda: receiving(deliveries[::-1], DeliveryState.READ),
    )

    with reading(postgres_engine) as connection:
        assert set(connection.execute(select(N.state)).scalars()) == {"delivered"}
        assert set(connection.execute(select(t.delivery.c.state)).scalars()) == {"read"}


def test_a_resend_and_a_receipt_do_not_lock_each_other_out(postgres_engine: Engine) -> None:
    """Deliveries first, then notifications: who asks for a delivery that a receipt has must not hold the other."""
    with writing(postgres_engine) as connection:
        delivery = a_delivery(connection, state=DeliveryState.ACCEPTED)
        key = NotificationId(connection.execute(select(N.id)).scalar_one())
        connection.execute(update(t.notification).values(state="undeliverable", next_attempt_at=None, settled_at=NOW))
    asking = Event()

    def sending_again() -> Refusal | None:
        with writing(postgres_engine) as connection:
            story = read_story(connection, key)
            asking.set()
            return resend(connection, story, now=NOW)

    with ThreadPoolExecutor(1) as pool:
        with writing(postgres_engine) as connection:
            store.lock(connection, [delivery])  # a receipt for it has come
            done = pool.submit(sending_again)
            assert asking.wait(WAIT)
            with pytest.raises(TimeoutError):
                done.result(0.3)
            settle(connection, [key], now=NOW)
        done.result(timeout=WAIT)


# ------------------------------------------------------------------------------------------ relay, queue, Redis


def rung(engine: Engine, **later: float) -> list[NotificationId]:
    """What the relay rings for at that time."""
    rings: list[NotificationId] = []
    now = NOW + timedelta(**later)
    relay(engine, lambda ids, urgent: rings.extend(ids), now=now, batch_size=100, patience=PATIENCE)
    return rings


def test_a_relay_that_dies_between_its_mark_and_the_ring_costs_one_patience(engine: Engine) -> None:
    ids = waiting_rows(engine, 3)

    def die(ids: Sequence[NotificationId], urgent: bool) -> None:
        raise KeyboardInterrupt("killed")

    with pytest.raises(KeyboardInterrupt):
        relay(engine, die, now=NOW, batch_size=100, patience=PATIENCE)

    assert rung(engine, seconds=PATIENCE.total_seconds() - 1) == []
    assert rung(engine, seconds=PATIENCE.total_seconds()) == ids


def test_what_was_claimed_is_not_rung_for_until_its_lease_ends(engine: Engine) -> None:
    ids = waiting_rows(engine, 2)
    assert rung(engine) == ids
    with writing(engine) as connection:
        claim(connection, ids[:1], now=NOW, lease=LEASE)

    assert rung(engine, minutes=3) == ids[1:]
    assert rung(engine, minutes=10) == ids


@pytest.fixture
def queue(shared: World, redis_url: str) -> Iterator[Queue]:
    """A queue over a real Redis whose workers dispatch into the world; `delivered` is set after each batch."""
    broker = redis_broker(Secret(redis_url))

    def deliver(ids: Sequence[NotificationId]) -> None:
        asyncio.run(shared.dispatcher.dispatch(ids))

    yield Queue(broker, deliver)
    broker.client.close()
    broker.close()


class Counting:
    """Waits until so many batches were taken, without ever sleeping."""

    def __init__(self, queue: Queue) -> None:
        self.done = Event()
        self.left = 0
        inner = queue._deliver

        def deliver(ids: Sequence[NotificationId]) -> None:
            inner(ids)
            self.left -= 1
            if self.left <= 0:
                self.done.set()

        queue._deliver = deliver

    def expect(self, batches: int) -> None:
        self.left = batches
        self.done.clear()


def test_an_emptied_redis_loses_nothing(shared: World, queue: Queue, redis_url: str) -> None:
    """Half of the work is done, then everything in Redis is gone; after a patience the rest is rung for again."""
    for number in range(20):
        a_person_with_a_permit(shared, str(number))
    shared.plan()
    shared.at("2026-05-26 10:30")
    counting = Counting(queue)
    counting.expect(1)
    assert relay(shared.engine, queue.offer, now=shared.now, batch_size=10, patience=PATIENCE, limit=10) == 10
    with working(queue):
        assert counting.done.wait(WAIT)
    assert relay(shared.engine, queue.offer, now=shared.now, batch_size=10, patience=PATIENCE) == 10
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    assert len(shared.carriers[Channel.EMAIL].sent) == 10

    shared.clock.at += PATIENCE
    counting.expect(1)
    assert relay(shared.engine, queue.offer, now=shared.now, batch_size=10, patience=PATIENCE) == 10
    with working(queue):
        assert counting.done.wait(WAIT)

    assert queue.faults == []
    assert {row.state for row in shared.notifications()} == {"delivered"}
    assert len(shared.carriers[Channel.EMAIL].sent) == 20


def test_a_batch_that_redis_delivers_twice_is_sent_once(shared: World, queue: Queue) -> None:
    a_person_with_a_permit(shared)
    shared.plan()
    shared.at("2026-05-26 10:30")
    (row,) = shared.notifications()
    counting = Counting(queue)
    counting.expect(3)
    for _ in range(3):
        queue.offer([NotificationId(row.id)], urgent=False)
    with working(queue):
        assert counting.done.wait(WAIT)

    assert queue.faults == []
    assert len(shared.carriers[Channel.EMAIL].sent) == 1
    assert [one.attempt for one in shared.deliveries()] == [1, 1]


# ------------------------------------------------------------------------------------------ 11. reading only


@pytest.mark.parametrize(
    "statement",
    [
        insert(t.changed).values(subject_kind="permit", subject_id=1),
        update(t.notification).values(state="sent"),
        t.notification.delete(),
    ],
    ids=["insert", "update", "delete"],
)
def test_a_reading_connection_cannot_write(engine: Engine, statement: Any) -> None:
    """`preview`, `explain` and every dry run get no other one."""
    waiting_rows(engine, 1)
    with reading(engine) as connection, pytest.raises(DBAPIError, match=r"read.?only"):
        connection.execute(statement)
    with reading(engine) as connection:
        assert connection.execute(select(N.state)).scalar() == "scheduled"


def test_the_same_connection_may_write_again_afterwards(engine: Engine) -> None:
    """The pool hands it out again; the restriction does not stay behind."""
    ids = waiting_rows(engine, 1)
    for _ in range(3):
        with reading(engine) as connection:
            connection.execute(select(N.id)).all()
        with writing(engine) as connection:
            outbox.note(connection, ids, "looked at", None, now=NOW)

    with reading(engine) as connection:
        assert len(connection.execute(select(t.event)).all()) == 3


def test_a_dry_run_answers_what_planning_would_do_and_writes_nothing(world: World) -> None:
    a_person_with_a_permit(world)
    rows = {table.name: _rows(world.engine, table.name) for table in t.metadata.sorted_tables}

    assert world.planner.dry_run(now=world.now).planned == 1
    assert {table.name: _rows(world.engine, table.name) for table in t.metadata.sorted_tables} == rows
    assert world.plan().planned == 1


def _rows(engine: Engine, name: str) -> list[Any]:
    with reading(engine) as connection:
        return list(connection.execute(select(t.metadata.tables[name])))
