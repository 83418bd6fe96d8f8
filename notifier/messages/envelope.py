"""What a message needs besides its words: to whom, from whom, and under which lasting name."""

from dataclasses import dataclass
from datetime import datetime

from notifier.errors import TemplateError
from notifier.model import DeliveryId


@dataclass(frozen=True, slots=True)
class Envelope:
    """The outside of one message.

    `stable_key` names the notification and rung and is the same over repeats; Message-ID comes from it. `now` is aware
    UTC. `unsubscribe_url` must answer a one-click POST (RFC 8058).
    """

    delivery_id: DeliveryId
    to: str
    sender: str
    message_id_domain: str
    stable_key: str
    now: datetime
    unsubscribe_url: str | None = None
    unsubscribe_mailto: str | None = None

    def __post_init__(self) -> None:
        # An address with a line break in it is an attempt to write headers; it is never mended, only refused.
        links = (self.unsubscribe_url or "") + (self.unsubscribe_mailto or "")
        if not (self.to + self.sender + self.message_id_domain + links).isprintable():
            raise TemplateError("an address of the envelope holds a line break or control character")
