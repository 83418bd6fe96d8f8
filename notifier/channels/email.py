"""E-mail over a pool of kept SMTP connections: opened by aiosmtplib, driven by our own pipelined wire."""

import asyncio
import re
import ssl
from collections.abc import Callable
from datetime import datetime, timedelta

from notifier.channels.base import TellsTime
from notifier.channels.mime import UnsafeHeader, bare_address, to_bytes
from notifier.channels.smtp_answers import Reply, Step, refusal
from notifier.channels.smtp_pool import Slot, SmtpDoor
from notifier.channels.smtp_wire import Ended, SmtpWire, Transaction, quoted_dots
from notifier.model import (
    Accepted,
    Action,
    Channel,
    DeliveryId,
    EmailMessage,
    Message,
    Outcome,
    Reason,
    Receipt,
    Rejected,
    Unknown,
)

_NAMED = re.compile(r"(?:^|\s)as\s+(\S{1,100})", re.IGNORECASE)
_WITH_ID = re.compile(r"(?:^|\s)id=(\S{1,100})", re.IGNORECASE)


class EmailCarrier:
    """Carries e-mail to one mail server.

    `timeout` (seconds) bounds getting a connection, and again the whole transaction of one mail. With
    `security` "tls" (port 465) or "starttls" (port 587) nothing is ever sent in clear: a server that does not
    offer it, or whose certificate does not fit, stops the channel. `return_path` makes the address to which
    the bounce of a delivery goes; without it, bounces go to the sender and name nobody.
    Raises ConfigError for a user name over an open line.
    """

    channel = Channel.EMAIL
    provider = "smtp"

    def __init__(
        self,
        host: str,
        port: int,
        *,
        clock: TellsTime,
        security: str = "tls",
        username: str | None = None,
        password: str | None = None,
        timeout: float = 30.0,
        connections: int = 8,
        max_age: float = 300.0,
        max_idle: float = 60.0,
        max_messages: int = 500,
        local_hostname: str = "localhost",
        return_path: Callable[[DeliveryId], str] | None = None,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._door = SmtpDoor(
            host=host,
            port=port,
            security=security,
            username=username,
            password=password,
            timeout=timeout,
            local_hostname=local_hostname,
            tls_context=tls_context,
        )
        self._clock = clock
        self._timeout = timeout
        self._return_path = return_path
        self._slots = [
            Slot(self._door, max_age=max_age, max_idle=max_idle, max_messages=max_messages) for _ in range(connections)
        ]
        # Three mails share a connection: one whose last reply is on its way, one in its envelope, and one that is ready
        # to leave in the same write as the body of that.
        self.concurrency = connections * 3
        self.longest = timedelta(seconds=2 * timeout)

    async def open(self) -> None:
        """Nothing to do: connections are opened by the first mails that need them."""

    async def close(self) -> None:
        """Finish what is under way on each connection, then say goodbye."""
        await asyncio.gather(*(slot.close() for slot in self._slots))

    def receipts(self) -> list[Receipt]:
        """A mail server makes no receipts; bounces come as mail."""
        return []

    async def ask(self, message: Message, *, since: datetime) -> Outcome | None:
        """A mail server cannot be asked; a repeat with the same Message-ID is what e-mail has for this."""
        return None

    async def check(self) -> str | None:
        """Connect, greet and log in once. None when that works."""
        wire = await self._door.connect(asyncio.get_running_loop().time() + self._timeout)
        if isinstance(wire, Rejected):
            return f"E-mail: {wire.detail}. Check the NOTIFIER_SMTP_ settings."
        await wire.quit()
        return None

    async def send(self, message: Message, *, callback_url: str | None) -> Outcome:
        """Hand one mail to the server. A connection lost before the end of the mail is a plain retry."""
        if not isinstance(message, EmailMessage):
            raise TypeError(f"the e-mail carrier was given a {type(message).__name__}")
        try:
            content = quoted_dots(to_bytes(message, date=self._clock.now()))
            envelope = self._envelope(message)
        except UnsafeHeader as error:
            return Rejected(Reason.TEMPLATE_FAULT, Action.NEXT_CHANNEL, None, f"the mail was not sent: {error}")
        deadline = asyncio.get_running_loop().time() + 2 * self._timeout
        slot = min(self._slots, key=_load)
        slot.load += 1
        try:
            return await self._deliver(slot, envelope, content, deadline)
        finally:
            slot.load -= 1

    def _envelope(self, message: EmailMessage) -> tuple[str, str]:
        sender = bare_address(message.sender)
        if self._return_path is not None:
            sender = self._return_path(message.delivery_id)
        return sender, bare_address(message.to)

    async def _deliver(self, slot: Slot, envelope: tuple[str, str], content: bytes, deadline: float) -> Outcome:
        for last_try in (False, True):
            wire = await slot.wire(deadline)
            if isinstance(wire, Rejected):
                return wire
            transaction = _transaction(wire, envelope, content)
            if isinstance(transaction, Rejected):
                return transaction
            was_kept = wire.served > 0
            ended = await self._on_wire(wire, transaction, deadline)
            closed_while_idle = ended.reply is None and was_kept and not transaction.heard and not ended.written
            if last_try or not closed_while_idle:
                break
        return _outcome(ended)

    async def _on_wire(self, wire: SmtpWire, transaction: Transaction, deadline: float) -> Ended:
        loop = asyncio.get_running_loop()
        wire.deliver(transaction)
        # Out of patience the wire is lost, and its neighbours on this connection learn how far they came too.
        patience = loop.call_at(min(loop.time() + self._timeout, deadline), wire.lose)
        try:
            return await transaction.ended
        finally:
            patience.cancel()
            wire.used_at = loop.time()


def _load(slot: Slot) -> int:
    return slot.load


def _transaction(wire: SmtpWire, envelope: tuple[str, str], content: bytes) -> Transaction | Rejected:
    sender, recipient = envelope
    mail, rcpt = f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>"
    if "size" in wire.extensions:
        mail += f" SIZE={len(content)}"
    if not (sender + recipient).isascii():
        if "smtputf8" not in wire.extensions:
            detail = "the address has signs beyond ASCII, and the mail server does not take such addresses"
            return Rejected(Reason.NOT_REACHABLE, Action.NEXT_CHANNEL, None, detail)
        mail += " SMTPUTF8"
    if "dsn" in wire.extensions:
        mail += " RET=HDRS"
        rcpt += " NOTIFY=FAILURE"
    return Transaction(
        mail=f"{mail}\r\n".encode(),
        recipient=f"{rcpt}\r\n".encode(),
        content=content,
        ended=asyncio.get_running_loop().create_future(),
    )


def _outcome(ended: Ended) -> Outcome:
    reply = ended.reply
    if reply is None:
        if ended.written:
            return Unknown("the mail was written, and the connection ended before the server answered")
        detail = "the connection ended before the mail was written"
        return Rejected(Reason.TEMPORARY, Action.RETRY, None, detail)
    if ended.step is Step.END and 200 <= reply.code < 300:
        return Accepted(_queue_name(reply))
    return refusal(ended.step, reply)


def _queue_name(reply: Reply) -> str | None:
    """The server's own name for the mail, when it says one in Postfix's or Exim's manner."""
    text = reply.text.replace("\0", "")
    named = _NAMED.search(text) or _WITH_ID.search(text)
    return named[1] if named else None
