"""Carriers that obey a test: they take, refuse or lose messages as its script says, and note what left when."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from notifier.channels.bounce import read_fields
from notifier.channels.codes import shipped_codes
from notifier.channels.twilio_forms import parse_status
from notifier.clock import Clock
from notifier.model import (
    Accepted,
    Action,
    Channel,
    DeliveryId,
    Message,
    Outcome,
    Reason,
    Receipt,
    Rejected,
    Unknown,
)
from notifier.rehearsal.script import Fate

#: How long a provider needs to say what became of a message.
RECEIPT_AFTER = timedelta(minutes=1)
#: What a provider says where the script names no code: WhatsApp does not reach the number, the phone is off, the
#: mailbox does not exist.
USUAL_CODES = {Channel.WHATSAPP: "63024", Channel.SMS: "30003", Channel.EMAIL: "5.1.1"}
TAKEN = frozenset({Fate.DELIVERED, Fate.READ, Fate.UNANSWERED, Fate.FAILED})


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How messages fare: for one address of a channel, else for the whole channel, else they are delivered."""

    by_address: dict[tuple[Channel, str | None], tuple[Fate, str | None]] = field(default_factory=dict)

    def of(self, channel: Channel, address: str) -> tuple[Fate, str | None]:
        """The fate of the messages to an address, and the provider's code if the script names one."""
        for key in ((channel, address), (channel, None)):
            if key in self.by_address:
                return self.by_address[key]
        return Fate.DELIVERED, None


@dataclass(frozen=True, slots=True)
class Departure:
    """A message that left: taken by the provider, or lost on the way to it."""

    at: datetime
    delivery_id: DeliveryId
    channel: Channel
    message: Message


@dataclass(slots=True)
class ScriptedCarrier:
    """A carrier of one channel that answers as the script says, at the instant at which the clock stands."""

    channel: Channel
    clock: Clock
    outcomes: Outcomes
    provider: str = "rehearsal"
    concurrency: int = 100
    longest: timedelta = timedelta(seconds=1)
    departures: list[Departure] = field(default_factory=list)
    receipts_due: list[tuple[datetime, Receipt]] = field(default_factory=list)

    async def send(self, message: Message, *, callback_url: str | None) -> Outcome:
        """Answer as told, and note what left."""
        fate, code = self.outcomes.of(self.channel, message.to)
        if fate is Fate.REFUSED:
            return refusal(self.channel, code)
        now = self.clock.now()
        self.departures.append(Departure(now, message.delivery_id, self.channel, message))
        receipt = receipt_of(self.channel, fate, code, message.delivery_id)
        if receipt is not None:
            self.receipts_due.append((now + RECEIPT_AFTER, receipt))
        return Unknown("the script says so") if fate is Fate.UNKNOWN else Accepted(f"rehearsal-{message.delivery_id}")

    async def ask(self, message: Message, *, since: datetime) -> Outcome | None:
        """What became of a lost message: what the script says by now, if it says more than "unknown"."""
        fate, _ = self.outcomes.of(self.channel, message.to)
        if fate in TAKEN:
            return Accepted(f"rehearsal-{message.delivery_id}")
        return None if fate is Fate.UNKNOWN else Rejected(Reason.TEMPORARY, Action.RETRY, None, "it was never taken")

    def receipts(self) -> list[Receipt]:
        """None: receipts come later, in their own time."""
        return []

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def check(self) -> str | None:
        """Always well."""
        return None


def receipt_of(channel: Channel, fate: Fate, code: str | None, delivery_id: DeliveryId) -> Receipt | None:
    """What the provider says of a message with that fate, read by the code that reads the real ones."""
    if fate is Fate.FAILED:
        code = code or USUAL_CODES[channel]
        if channel is Channel.EMAIL:
            return read_fields({"Action": "failed", "Status": code}, delivery_id=delivery_id)
        return replace(parse_status({"MessageStatus": "undelivered", "ErrorCode": code}), delivery_id=delivery_id)
    if channel is Channel.EMAIL or fate not in (Fate.DELIVERED, Fate.READ):
        return None  # a mail server says nothing when all is well
    return replace(parse_status({"MessageStatus": fate.value}), delivery_id=delivery_id)


def refusal(channel: Channel, code: str | None) -> Outcome:
    """What a provider answers that does not take a message."""
    if channel is Channel.EMAIL:
        return Rejected(Reason.BAD_ADDRESS, Action.BAD_ADDRESS, code or USUAL_CODES[channel], "the script says so")
    return shipped_codes().outcome(code or USUAL_CODES[channel], status=400)
