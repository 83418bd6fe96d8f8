"""The ladder of channels: which rung is next, what of it is still to be sent, and how long to wait (S67-S76). Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from notifier.model import TOLD, Action, Channel, Contact, DeliveryState, Outcome, Party, Reason, Rejected
from notifier.rules.rule import Rung
from notifier.store.deliveries import Delivery
from notifier.store.suppressions import Address

#: The next rung never follows sooner (S71).
SHORTEST_WAIT = timedelta(minutes=10)


class Way(NamedTuple):
    """One channel of a rung: an address to use, or the reason why it is passed over."""

    channel: Channel
    address: str | None
    passed_over: Reason | None = None


def ways(rung: Rung, party: Party, suppressed: frozenset[Address]) -> list[Way]:
    """The channels of a rung for a party; what is unusable or suppressed is passed over with its reason (S75)."""
    found = []
    for channel in rung.channels:
        contact = _contact(party, channel)
        if contact is None or not contact.usable:
            found.append(Way(channel, None, Reason.NO_ADDRESS if contact is None else Reason.BAD_ADDRESS))
        elif (channel, contact.address) in suppressed:
            found.append(Way(channel, None, Reason.OPTED_OUT))
        else:
            found.append(Way(channel, contact.address))
    return found


def _contact(party: Party, channel: Channel) -> Contact | None:
    for one in party.contacts:
        if one.channel is channel:
            return one
    return None


def open_channels(rung: int, channels: Sequence[Way], deliveries: Sequence[Delivery]) -> list[Way]:
    """What of a rung is still to be sent: never tried, or tried and only failed for now."""
    if not deliveries:
        return list(channels)
    last = {one.channel: one for one in deliveries if one.rung == rung}
    return [way for way in channels if way.channel not in last or last[way.channel].may_be_repeated]


def lost(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Deliveries whose outcome is not known: the connection broke, or the worker died before it could write."""
    latest: dict[tuple[int, Channel], Delivery] = {(one.rung, one.channel): one for one in deliveries}
    return [one for one in latest.values() if one.state in (DeliveryState.ATTEMPTING, DeliveryState.UNKNOWN)]


def wait(
    rungs: Sequence[Rung],
    next_rung: int,
    *,
    now: datetime,
    first_sent_at: datetime,
    useful_until: datetime | None,
    default_wait: timedelta,
) -> timedelta:
    """How long to wait before a rung: as written, but less as the end comes near (S68, S70, S71)."""
    written = rungs[next_rung].after
    until = first_sent_at + written.stretch if written is not None else now + default_wait
    longest = until - now
    if useful_until is not None:
        longest = min(longest, (useful_until - now) / (len(rungs) - next_rung + 1))
    return max(longest, SHORTEST_WAIT)


def tries_later(outcome: Outcome) -> bool:
    """Whether the same channel is worth another try."""
    return isinstance(outcome, Rejected) and outcome.action in (Action.RETRY, Action.STOP_CHANNEL)


def is_told(deliveries: Sequence[Delivery]) -> bool:
    """Whether something of it may have reached the person."""
    return any(one.state in TOLD for one in deliveries)


def is_presumed(deliveries: Sequence[Delivery]) -> bool:
    """An e-mail that nobody sent back: presumed delivered when no rung is left (S72)."""
    return any(one.channel is Channel.EMAIL and one.state is DeliveryState.ACCEPTED for one in deliveries)
