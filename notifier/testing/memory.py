"""A carrier that keeps what it was given and answers as told."""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from notifier.model import (
    Accepted,
    Action,
    Channel,
    DeliveryState,
    Message,
    Outcome,
    Reason,
    Receipt,
    Rejected,
)


class MemoryCarrier:
    """Takes every message unless told otherwise: by address (`answer_for`) or in turn (`then`).

    `sent` has all messages it was handed, also the refused ones; `taken` only those it accepted. With
    `delivers=True` each accepted message gets a `delivered` receipt. `on_send` is called with each message before
    the answer: to look at the database at that moment, or to raise as a killed process would.
    """

    provider = "memory"

    def __init__(
        self,
        channel: Channel,
        *,
        delivers: bool = False,
        concurrency: int = 8,
        on_send: Callable[[Message], None] | None = None,
    ) -> None:
        self.channel = channel
        self.concurrency = concurrency
        self.longest = timedelta(seconds=1)
        self.sent: list[Message] = []
        self.taken: list[Message] = []
        self.callback_urls: list[str | None] = []
        self.is_open = False
        self.trouble: str | None = None
        self._delivers = delivers
        self._on_send = on_send
        self._by_address: dict[str, deque[Outcome]] = {}
        self._in_turn: deque[Outcome] = deque()
        self._asked: dict[int, Outcome | None] = {}
        self._receipts: list[Receipt] = []

    def answer_for(self, address: str, *outcomes: Outcome) -> None:
        """Answer so to messages for that address; the last answer stays for all that follow."""
        self._by_address[address] = deque(outcomes)

    def then(self, outcomes: Iterable[Outcome]) -> None:
        """Answer so to the next messages, whoever they are for; afterwards take them again."""
        self._in_turn.extend(outcomes)

    def answer_ask(self, delivery_id: int, outcome: Outcome | None) -> None:
        """Answer so when asked about that delivery."""
        self._asked[delivery_id] = outcome

    def add_receipt(self, receipt: Receipt) -> None:
        """Hand out this receipt at the next `receipts()`."""
        self._receipts.append(receipt)

    async def open(self) -> None:
        """Note that it was opened."""
        self.is_open = True

    async def close(self) -> None:
        """Note that it was closed."""
        self.is_open = False

    async def check(self) -> str | None:
        """The sentence in `trouble`, if any."""
        return self.trouble

    def receipts(self) -> list[Receipt]:
        """The receipts since the last call."""
        made, self._receipts = self._receipts, []
        return made

    async def send(self, message: Message, *, callback_url: str | None) -> Outcome:
        """Keep the message and answer as told."""
        if self._on_send is not None:
            self._on_send(message)
        self.sent.append(message)
        self.callback_urls.append(callback_url)
        outcome = self._next_outcome(message)
        if isinstance(outcome, Accepted):
            self.taken.append(message)
            if self._delivers:
                self._receipts.append(_delivered(message, outcome))
        return outcome

    async def ask(self, message: Message, *, since: datetime) -> Outcome | None:
        """As told with `answer_ask`; else by what was taken."""
        if message.delivery_id in self._asked:
            return self._asked[message.delivery_id]
        if any(taken.delivery_id == message.delivery_id for taken in self.taken):
            return Accepted(f"memory-{message.delivery_id}")
        return Rejected(Reason.TEMPORARY, Action.RETRY, None, "there is no such message")

    def _next_outcome(self, message: Message) -> Outcome:
        if self._in_turn:
            return self._in_turn.popleft()
        told = self._by_address.get(message.to)
        if told:
            return told.popleft() if len(told) > 1 else told[0]
        return Accepted(f"memory-{message.delivery_id}")


def _delivered(message: Message, outcome: Accepted) -> Receipt:
    return Receipt(
        provider="memory",
        state=DeliveryState.DELIVERED,
        raw={"status": "delivered"},
        reference=outcome.reference,
        delivery_id=message.delivery_id,
    )
