"""What every carrier can do, and the two small records that come in from outside."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from notifier.model import Channel, Message, Outcome, Receipt


class Carrier(Protocol):
    """Carries one message at a time over one channel. Never raises for what a provider answers."""

    channel: Channel
    #: "smtp", "twilio", "sandbox" or "memory"; kept with each delivery and receipt.
    provider: str
    #: How many sends may run at once without waiting for each other.
    concurrency: int
    #: The longest one send can take; a worker starts none later than its lease less this.
    longest: timedelta

    async def send(self, message: Message, *, callback_url: str | None) -> Outcome:
        """Hand one message over. `callback_url` is where the provider is to report its fate, if it can."""
        ...

    async def ask(self, message: Message, *, since: datetime) -> Outcome | None:
        """Was this message taken after `since` (aware)? `Accepted`, `Rejected`; None: it cannot be told."""
        ...

    def receipts(self) -> list[Receipt]:
        """Receipts the carrier itself made since the last call; most carriers have none."""
        ...

    async def open(self) -> None:
        """Get ready. A first send could do the same, and no provider's fault is raised here."""
        ...

    async def close(self) -> None:
        """Let go of connections and threads; what is under way is finished first."""
        ...

    async def check(self) -> str | None:
        """None when the provider answers and knows us, else a sentence with the remedy."""
        ...


class TellsTime(Protocol):
    """The part of a clock that a carrier needs: the present instant, aware and in UTC."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message a person sent to us: perhaps a wish to be left alone.

    `opt_out` is what the provider itself made of it ("STOP", "START", "HELP"), None when it said nothing.
    """

    channel: Channel
    address: str
    text: str
    reference: str | None = None
    opt_out: str | None = None


def clean(form: Mapping[str, str]) -> dict[str, str]:
    """The provider's words without NUL bytes: no text column takes one, and a whole batch would fail."""
    return {key.replace("\0", ""): value.replace("\0", "") for key, value in form.items()}
