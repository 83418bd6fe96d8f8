"""Send: messages are handed to their carriers, so many at a time, and none of them too late."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine

from notifier.batch import Limits, Sending
from notifier.channels.base import Carrier
from notifier.channels.pacing import Paces
from notifier.clock import Clock
from notifier.hold import Beginnings, Hold
from notifier.model import Action, Channel, DeliveryId, Outcome, Rejected, Unknown

log = logging.getLogger(__name__)

#: A message that was marked as begun is handed over within so long, or not at all. With the longest call to a provider
#: and the time a message may be missing in its lists (half a minute) this makes `ask_after`.
START_WITHIN = timedelta(seconds=5)
#: One for so many places: messages that are marked as begun before a place is free, so that none stands empty while
#: they are being marked. Each is one more about which the successor of a dead worker has to ask.
AHEAD = 4


class Places:
    """What bounds the messages of one channel: under way, and marked as begun."""

    def __init__(self, count: int) -> None:
        self.most_marked = count + max(count // AHEAD, 1)
        self.marked = asyncio.Semaphore(self.most_marked)
        self.under_way = asyncio.Semaphore(count)


class Outgoing:
    """Hands over the messages of all batches of an event loop, which share places and marks."""

    def __init__(
        self,
        engine: Engine,
        carriers: Mapping[Channel, Carrier],
        clock: Clock,
        limits: Limits,
        *,
        callback_url: Callable[[DeliveryId], str | None],
        paces: Paces,
        is_stopping: Callable[[], bool],
    ) -> None:
        self.carriers = carriers
        self.clock = clock
        self.limits = limits
        self.callback_url = callback_url
        self.paces = paces
        self.is_stopping = is_stopping
        self.places = {channel: Places(carrier.concurrency) for channel, carrier in carriers.items()}
        self.beginnings = Beginnings(engine, clock)

    async def send(
        self,
        sendings: Sequence[Sending],
        prepared_at: datetime,
        hold: Hold,
        outcomes: dict[DeliveryId, Outcome | None],
    ) -> None:
        """Send a batch; each outcome is there as soon as it is known. None: not started: too late, or we stop."""
        departure = _Departure(self, prepared_at, hold, outcomes)
        workers = []
        for channel in {one.channel for one in sendings}:
            mine = [one for one in sendings if one.channel is channel]
            queue = iter(mine)
            count = min(self.places[channel].most_marked, len(mine))
            workers += [departure.work_off(self.carriers[channel], queue) for _ in range(count)]
        await asyncio.gather(*workers)


class _Departure:
    """One batch as it leaves."""

    def __init__(
        self, outgoing: Outgoing, prepared_at: datetime, hold: Hold, outcomes: dict[DeliveryId, Outcome | None]
    ) -> None:
        self._outgoing = outgoing
        self._prepared_at = prepared_at
        self._hold = hold
        self._outcomes = outcomes
        self._stopped: set[Channel] = set()

    async def work_off(self, carrier: Carrier, queue: Iterator[Sending]) -> None:
        """Send one after the other, until the queue that several share is empty."""
        attempt = self._mail if carrier.channel is Channel.EMAIL else self._call
        for one in queue:
            outcome = self._outcomes[one.delivery_id] = await attempt(carrier, one)
            if isinstance(outcome, Rejected) and outcome.action is Action.STOP_CHANNEL:
                self._stopped.add(carrier.channel)

    async def _mail(self, carrier: Carrier, one: Sending) -> Outcome | None:
        """An e-mail is not marked as begun: it may be repeated."""
        async with self._outgoing.places[carrier.channel].under_way:
            if await self._has_turn(carrier, one) and self._may_start(carrier, one, self._prepared_at):
                return await _carry(carrier, one, None)
            return None

    async def _call(self, carrier: Carrier, one: Sending) -> Outcome | None:
        """Every other message is marked before its place is free, and handed over when it is."""
        places, beginnings = self._outgoing.places[carrier.channel], self._outgoing.beginnings
        async with places.marked:
            if not await self._has_turn(carrier, one):
                return None
            begun = await beginnings.begin(one.delivery_id)
            try:
                if begun is None:
                    return None
                async with places.under_way:
                    if self._may_start(carrier, one, begun):
                        return await _carry(carrier, one, self._outgoing.callback_url(one.delivery_id))
                    return None
            finally:
                beginnings.ended()

    async def _has_turn(self, carrier: Carrier, one: Sending) -> bool:
        """Wait for the pace of its channel; a drain waits for what is under way and for nothing else."""
        channel, paces = carrier.channel, self._outgoing.paces
        if paces.bounds(channel) and not self._is_over(channel):
            await paces.turn(channel, carrier.provider, one.message.sender)
        return not self._is_over(channel)

    def _may_start(self, carrier: Carrier, one: Sending, begun: datetime) -> bool:
        if self._is_over(carrier.channel) or self._hold.has_lost(one.bundles):
            return False
        return self._outgoing.clock.now() <= self._last_start(carrier, begun)

    def _is_over(self, channel: Channel) -> bool:
        return channel in self._stopped or self._outgoing.is_stopping()

    def _last_start(self, carrier: Carrier, begun: datetime) -> datetime:
        """The last moment to start a send, whatever has held us up.

        Nobody repeats what a provider may have before `ask_after` and a question; what is started so soon after it was
        marked that the question finds it can be told twice by no successor. A mail server cannot be asked: there the
        lease decides.
        """
        limits = self._outgoing.limits
        if carrier.channel is Channel.EMAIL:
            return self._hold.ends - min(carrier.longest, limits.lease / 2)
        return begun + min(START_WITHIN, limits.ask_after / 4)


async def _carry(carrier: Carrier, one: Sending, callback_url: str | None) -> Outcome:
    """A carrier never raises for what a provider says; if it breaks, the message may have left."""
    try:
        return await carrier.send(one.message, callback_url=callback_url)
    except Exception:
        log.exception("a carrier broke", extra={"delivery": one.delivery_id, "channel": one.channel})
        return Unknown("the carrier broke")
