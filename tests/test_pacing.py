"""How many messages a second leave from one sender: in one process, and over all that share a Redis."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from notifier.channels.pacing import BURST, LocalPace, Pace, Paces, SharedPace, no_bounds

RATE = 100.0
TURNS = 40
#: The first turns of a burst cost nothing; what is left takes this long, in seconds.
LEAST = (TURNS - 1) / RATE - BURST


async def _turns(pace: Pace, name: str, count: int = TURNS) -> None:
    await asyncio.gather(*(pace.turn(name, RATE) for _ in range(count)))


def _taken(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    asyncio.run(work())
    return time.monotonic() - began


def test_a_process_alone_keeps_the_pace_and_no_longer_than_it_must() -> None:
    took = _taken(lambda: _turns(LocalPace(), "sms"))
    assert LEAST - 0.02 <= took < LEAST + 1.0


def test_two_processes_that_share_a_redis_keep_one_pace(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as one, redis.Redis.from_url(redis_url) as other:

        async def both() -> None:
            await asyncio.gather(
                _turns(SharedPace(one), "sms", TURNS // 2), _turns(SharedPace(other), "sms", TURNS // 2)
            )

        assert _taken(both) >= LEAST - 0.02


def test_senders_do_not_wait_for_each_other(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        pace = SharedPace(client)

        async def three() -> None:
            await asyncio.gather(*(_turns(pace, name, 10) for name in ("a", "b", "c")))

        assert _taken(three) < 30 / RATE - BURST + 0.5
        assert sorted(client.keys("notifier:pace:*")) == [
            b"notifier:pace:a",
            b"notifier:pace:b",
            b"notifier:pace:c",
        ]


def test_without_its_redis_a_process_keeps_its_pace_alone(caplog: pytest.LogCaptureFixture) -> None:
    # Without the library's own repeats, seconds apart: how often it knocks is not the matter here.
    with redis.Redis(port=1, socket_connect_timeout=0.2, retry=Retry(NoBackoff(), 0)) as nobody:
        assert _taken(lambda: _turns(SharedPace(nobody), "sms", 30)) >= 29 / RATE - BURST - 0.02
    assert "Redis is away" in caplog.text


def test_a_channel_without_a_bound_is_never_held_back() -> None:
    paces = Paces(LocalPace(), {"email": 0, "sms": 5})
    assert (paces.bounds("email"), paces.bounds("sms"), no_bounds().bounds("sms")) == (False, True, False)

    async def many() -> None:
        for _ in range(1000):
            await paces.turn("email", "smtp", "x@y.example")

    assert _taken(many) < 1.0
