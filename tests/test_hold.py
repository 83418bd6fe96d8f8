"""A batch in a worker's hand: renewed while the worker lives, and what is no longer in hand is left alone."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from notifier.batch import Bundle
from notifier.clock import StandingClock, SystemClock
from notifier.hold import RENEWALS, Beginnings, Hold
from notifier.model import DeliveryId, NotificationId, Unknown
from notifier.store import deliveries as store
from notifier.store import tables as t
from notifier.store.claims import Claimed, claim, renew
from notifier.store.engine import reading, writing
from tests.outbox_rows import NOW, a_delivery, a_notification, a_party
from tests.world import LIMITS

LEASE = timedelta(seconds=20)
N = t.notification.c


def claimed(engine: Engine, count: int, *, now: datetime = NOW, lease: timedelta = LEASE) -> list[Claimed]:
    with writing(engine) as connection:
        party = a_party(connection)
        ids = [
            a_notification(connection, party, state="scheduled", next_attempt_at=now - timedelta(minutes=1))
            for _ in range(count)
        ]
        return claim(connection, ids, now=now, lease=lease)


def ends(engine: Engine) -> list[datetime | None]:
    with reading(engine) as connection:
        return list(connection.execute(select(N.next_attempt_at).order_by(N.id)).scalars())


def bundle(one: Claimed) -> Bundle:
    return Bundle(one, None, None, (), (), frozenset(), {})


def test_what_was_put_off_ended_or_claimed_by_another_since_is_not_held_longer(engine: Engine) -> None:
    mine = claimed(engine, 5)
    later = NOW + timedelta(days=1)
    with writing(engine) as connection:
        by_id: list[tuple[NotificationId, dict[str, Any]]] = [
            (mine[1].id, {"next_attempt_at": later}),
            (mine[2].id, {"next_attempt_at": None, "state": "cancelled"}),
            (mine[3].id, {"attempt": mine[3].attempt + 1}),
        ]
        for key, values in by_id:
            connection.execute(update(t.notification).where(N.id == key).values(values))
        renew(connection, mine, [NOW + LEASE], until=NOW + 3 * LEASE)
        renew(connection, mine[:1], [NOW + LEASE, NOW + 3 * LEASE], until=NOW + 4 * LEASE)

    first, last = NOW + 4 * LEASE, NOW + 3 * LEASE
    assert ends(engine) == [first, later, None, NOW + LEASE, last]


def test_a_living_worker_keeps_what_it_has_beyond_its_lease_and_a_dead_one_does_not(engine: Engine) -> None:
    clock, lease = SystemClock(), timedelta(seconds=1)
    began = clock.now()
    mine = claimed(engine, 3, now=began, lease=lease)
    hold = Hold(engine, clock, replace(LIMITS, lease=lease), began)
    hold.take([bundle(one) for one in mine])

    async def live() -> None:
        async with hold.kept():
            while hold.ends <= began + 2 * lease:
                await asyncio.sleep(lease.total_seconds() / RENEWALS)
                with writing(engine) as connection:
                    assert claim(connection, [one.id for one in mine], now=clock.now(), lease=lease) == []

    asyncio.run(asyncio.wait_for(live(), 30))
    left = max(end for end in ends(engine) if end is not None)
    assert left == hold.ends
    with writing(engine) as connection:
        taken = claim(connection, [one.id for one in mine], now=left, lease=lease)
    assert [one.attempt for one in taken] == [one.attempt + 1 for one in mine]


def test_a_worker_that_slept_beyond_its_lease_knows_what_it_has_lost(engine: Engine) -> None:
    # Given a worker that has three in hand, and slept while another one claimed the first
    clock, lease = SystemClock(), timedelta(seconds=1)
    began = clock.now() - 2 * lease
    mine = claimed(engine, 3, now=began, lease=lease)
    hold = Hold(engine, clock, replace(LIMITS, lease=lease), began)
    hold.take([bundle(one) for one in mine])
    with writing(engine) as connection:
        claim(connection, [mine[0].id], now=clock.now(), lease=lease)

    # When it goes on and renews
    async def live() -> None:
        async with hold.kept():
            while hold.ends < clock.now():
                await asyncio.sleep(0.02)

    asyncio.run(asyncio.wait_for(live(), 30))
    # Then it starts nothing of what the other one has, and goes on with the rest
    assert hold.has_lost([bundle(mine[0])])
    assert hold.has_lost([bundle(mine[1]), bundle(mine[0])])
    assert not hold.has_lost([bundle(mine[1]), bundle(mine[2])])


def test_a_renewal_that_fails_is_logged_and_the_next_one_is_tried(
    sqlite_engine: Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = timedelta(seconds=0.2)
    tried: list[int] = []

    def away(*_: Any, **__: Any) -> None:
        tried.append(1)
        raise OSError("the database is away")

    monkeypatch.setattr("notifier.hold.renew", away)
    hold = Hold(sqlite_engine, SystemClock(), replace(LIMITS, lease=lease), NOW)

    async def live() -> None:
        async with hold.kept():
            while len(tried) < 3:
                await asyncio.sleep(0.02)

    asyncio.run(asyncio.wait_for(live(), 30))
    assert hold.ends == NOW + lease
    assert "could not be renewed" in caplog.text


# ------------------------------------------------------------------------------------------- what has begun


def prepared(engine: Engine, count: int) -> list[DeliveryId]:
    """Deliveries that are written and not begun."""
    with writing(engine) as connection:
        keys = [a_delivery(connection, address=f"+6281200000{place:02}") for place in range(count)]
        connection.execute(update(t.delivery).values(detail=store.NOT_BEGUN))
        return keys


async def begin(beginnings: Beginnings, key: DeliveryId, *, takes: float = 0.0) -> datetime | None:
    at = await beginnings.begin(key)
    try:
        await asyncio.sleep(takes)
        return at
    finally:
        beginnings.ended()


def test_only_what_is_still_there_and_was_not_begun_may_begin(engine: Engine) -> None:
    first, taken_back, asked_about, last = prepared(engine, 4)
    with writing(engine) as connection:
        store.take_back(connection, [taken_back])
        store.record(connection, {asked_about: Unknown("a successor has it")}, now=NOW)

    async def all_of_them() -> list[datetime | None]:
        beginnings = Beginnings(engine, SystemClock())
        return await asyncio.gather(*(begin(beginnings, key) for key in (first, taken_back, asked_about, last)))

    answers = asyncio.run(asyncio.wait_for(all_of_them(), 30))
    assert [at is not None for at in answers] == [True, False, False, True]
    with reading(engine) as connection:
        rows = {row.id: row for row in connection.execute(select(t.delivery))}
    assert (rows[first].detail, rows[first].attempted_at) == (None, answers[0])


def test_what_begins_together_shares_a_statement_and_what_comes_later_does_not_wait_for_the_rest(
    sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, waves, mark = prepared(sqlite_engine, 12), [], store.mark_begun

    def counted(connection: Any, ids: Any, *, now: datetime) -> set[DeliveryId]:
        waves.append(len(ids))
        return mark(connection, ids, now=now)

    monkeypatch.setattr(store, "mark_begun", counted)

    async def ten_and_then_two() -> None:
        beginnings = Beginnings(sqlite_engine, SystemClock())
        slow = asyncio.gather(*(begin(beginnings, key, takes=5) for key in keys[:10]))
        while not waves:
            await asyncio.sleep(0.01)
        await asyncio.gather(*(begin(beginnings, key) for key in keys[10:]))
        slow.cancel()

    asyncio.run(asyncio.wait_for(ten_and_then_two(), 4))  # sooner than the slow ones end
    assert waves == [10, 2]


def test_nothing_begins_while_the_database_is_away(
    sqlite_engine: Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (key,) = prepared(sqlite_engine, 1)

    def away(*_: Any, **__: Any) -> set[DeliveryId]:
        raise OSError("the database is away")

    monkeypatch.setattr(store, "mark_begun", away)
    assert asyncio.run(begin(Beginnings(sqlite_engine, SystemClock()), key)) is None
    assert "could not be marked" in caplog.text


def test_a_clock_that_is_set_back_makes_no_attempt_look_older(sqlite_engine: Engine) -> None:
    keys, clock = prepared(sqlite_engine, 2), StandingClock(NOW)

    async def one_after_the_other() -> list[datetime | None]:
        beginnings = Beginnings(sqlite_engine, clock)
        first = await begin(beginnings, keys[0])
        clock.at = NOW - timedelta(hours=1)
        return [first, await begin(beginnings, keys[1])]

    assert asyncio.run(one_after_the_other()) == [NOW, NOW]
