"""Pacing: so many messages a second to one provider from one sender, over all processes and machines that share Redis.

One instant is kept for each name: up to when its pace is used up. Taking a turn moves it on by the length of a turn,
and who took it waits until it has come. Without Redis the instant lies in this process, which then sends alone.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Protocol

import redis

log = logging.getLogger(__name__)

#: A name that nobody asks for is forgotten after so many seconds.
FORGOTTEN_AFTER = 60
#: A pace may be exceeded for so long after a pause, in seconds: a provider's own bucket is no smaller.
BURST = 0.1

#: Moves the instant of a name on, by the server's clock; answers how many microseconds to wait.
TAKE_TURN = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local free = tonumber(redis.call('GET', KEYS[1]) or '0')
local turn = math.max(free, now - tonumber(ARGV[2]))
redis.call('SET', KEYS[1], string.format('%.0f', turn + tonumber(ARGV[1])), 'EX', ARGV[3])
return math.max(turn - now, 0)
"""


class Pace(Protocol):
    """Gives turns."""

    async def turn(self, name: str, per_second: float) -> None:
        """Wait until one more message may leave under this name."""
        ...


class LocalPace:
    """The pace of a process that sends alone."""

    def __init__(self) -> None:
        self._free: dict[str, float] = {}

    async def turn(self, name: str, per_second: float) -> None:
        """Wait until one more message may leave under this name."""
        now = time.monotonic()
        turn = max(self._free.get(name, 0.0), now - BURST)
        self._free[name] = turn + 1 / per_second
        if turn > now:
            await asyncio.sleep(turn - now)


class SharedPace:
    """The pace of all processes that share a Redis server. While it is away, each keeps the pace for itself."""

    def __init__(self, client: Any) -> None:
        self._take_turn = client.register_script(TAKE_TURN)
        self._alone = LocalPace()

    async def turn(self, name: str, per_second: float) -> None:
        """Wait until one more message may leave under this name."""
        asked = [int(1e6 / per_second), int(1e6 * BURST), FORGOTTEN_AFTER]
        try:
            wait = int(await asyncio.to_thread(self._take_turn, [f"notifier:pace:{name}"], asked))
        except redis.RedisError:
            log.warning("Redis is away; this process keeps its pace alone")
            await self._alone.turn(name, per_second)
            return
        if wait > 0:
            await asyncio.sleep(wait / 1e6)


class Paces:
    """What each channel may send in a second, by sender. A channel that is not named has no bound."""

    def __init__(self, pace: Pace, per_second: Mapping[str, float]) -> None:
        self._pace = pace
        self._per_second = {channel: rate for channel, rate in per_second.items() if rate > 0}

    def bounds(self, channel: str) -> bool:
        """Whether this channel has a bound at all."""
        return channel in self._per_second

    async def turn(self, channel: str, provider: str, sender: str) -> None:
        """Wait until one more message may leave from this sender over this channel."""
        rate = self._per_second.get(channel)
        if rate is not None:
            await self._pace.turn(f"{provider}:{channel}:{sender}", rate)


def no_bounds() -> Paces:
    """Nothing is held back."""
    return Paces(LocalPace(), {})
