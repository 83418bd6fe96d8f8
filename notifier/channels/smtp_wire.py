"""Our own end of an SMTP connection once it is open: commands in groups (RFC 2920), replies in order.

aiosmtplib waits for every reply before the next command: 4.3 round trips a mail. Here the end of one mail and
the envelope of the next leave in one write, where the server announces PIPELINING; and each mail knows how
far it came, so that a lost connection says "not taken" or "unknown", never just "failed".
"""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass

from notifier.channels.smtp_answers import Reply, Step

#: A server that sends a longer line, or more without a line end, is no mail server.
_MAX_BUFFER = 65_536
_GOODBYE = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Ended:
    """How far a mail came. `reply` is None when the connection was lost instead."""

    step: Step
    reply: Reply | None

    @property
    def written(self) -> bool:
        """Was the end of the mail written? Then a lost connection leaves its fate unknown."""
        return self.step is Step.END


@dataclass(slots=True, eq=False)
class Transaction:
    """One mail on its way: the commands of its envelope, its bytes, and the answer it waits for."""

    mail: bytes
    recipient: bytes
    content: bytes
    ended: asyncio.Future[Ended]
    step: Step = Step.MAIL
    refused: Ended | None = None
    heard: bool = False  # has the server answered anything to it?


def quoted_dots(content: bytes) -> bytes:
    """The mail with dots doubled at line starts, and the closing dot (RFC 5321, 4.5.2). Lines end in CRLF."""
    if content.startswith(b"."):
        content = b"." + content
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")


class SmtpWire(asyncio.Protocol):
    """Takes over a greeted connection. At most one mail in its envelope, one waiting for its last reply."""

    def __init__(self, transport: asyncio.Transport, *, extensions: frozenset[str], opened_at: float) -> None:
        self.extensions = extensions  # what EHLO announced, in small letters
        self.opened_at = opened_at
        self.used_at = opened_at
        self.served = 0
        self.lost = False
        self._transport = transport
        self._pipelining = "pipelining" in extensions
        self._buffer = b""
        self._lines: list[str] = []
        self._waiting: deque[Transaction] = deque()
        self._unsent: deque[tuple[Step, bytes]] = deque()
        self._expected: deque[tuple[Step, Transaction | None]] = deque()
        self._envelope: Transaction | None = None
        self._needs_reset = False
        self._unwritten: list[bytes] = []
        self._closed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        transport.set_protocol(self)

    # ------------------------------------------------------------------------------------- for the pool

    def deliver(self, transaction: Transaction) -> None:
        """Send the mail as soon as the one before allows it; its future tells how it ended."""
        self.served += 1
        self._idle.clear()
        self._waiting.append(transaction)
        if self.lost or self._transport.is_closing():
            self.lose()
        else:
            self._start_next()
            self._flush()

    async def wait_until_idle(self) -> None:
        """Returns when no mail is under way on this connection."""
        await self._idle.wait()

    async def quit(self) -> None:
        """Say goodbye and close; the server has a second to close its end."""
        if not self.lost and not self._transport.is_closing():
            self.lost = True
            self._transport.write(b"QUIT\r\n")
            self._transport.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE):
                    await self._closed.wait()
        self.lose()

    def lose(self) -> None:
        """Give the connection up; every mail on it learns how far it came."""
        self.lost = True
        self._transport.abort()
        pending = [transaction for _, transaction in self._expected if transaction is not None]
        if self._envelope is not None:
            pending.append(self._envelope)
        pending += self._waiting
        self._expected.clear()
        self._waiting.clear()
        self._envelope = None
        for transaction in pending:
            self._finish(transaction, Ended(transaction.step, None))
        self._idle.set()

    # ---------------------------------------------------------------------------------------- from asyncio

    def data_received(self, data: bytes) -> None:
        """Cut what came into lines and lines into replies."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for raw in lines:
            if not raw[:3].isdigit() or not self._expected:
                self.lose()  # out of step: nothing that follows could be trusted
                return
            if raw[:4] == b"250 " and not self._lines and self._pipelining and self._taken():
                continue
            line = raw.decode("utf-8", "replace").rstrip("\r")
            self._lines.append(line[4:])
            if line[3:4] != "-":
                reply = Reply(int(line[:3]), " ".join(self._lines))
                self._lines.clear()
                self._answered(reply)
        if len(self._buffer) > _MAX_BUFFER:
            self.lose()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side, or the network, ended the connection."""
        self._closed.set()
        self.lose()

    # -------------------------------------------------------------------------------------------- moves

    def _start_next(self) -> None:
        if self._envelope is not None or (self._expected and not self._pipelining):
            return
        while self._waiting and self._waiting[0].ended.done():
            self._waiting.popleft()  # its sender no longer waits
        if not self._waiting:
            if not self._expected:
                self._idle.set()
            return
        transaction = self._envelope = self._waiting.popleft()
        if self._needs_reset:
            self._unsent.append((Step.RSET, b"RSET\r\n"))
            self._needs_reset = False
        self._unsent += (
            (Step.MAIL, transaction.mail),
            (Step.RCPT, transaction.recipient),
            (Step.DATA, b"DATA\r\n"),
        )
        self._write_commands()

    def _flush(self) -> None:
        """Write all that is ready at once: the end of one mail and the envelope of the next are one packet's worth."""
        if self._unwritten and not self.lost:
            self._transport.write(b"".join(self._unwritten))
        self._unwritten.clear()

    def _write_commands(self) -> None:
        count = len(self._unsent) if self._pipelining else 1
        group = [self._unsent.popleft() for _ in range(count)]
        for step, _ in group:
            self._expected.append((step, None if step is Step.RSET else self._envelope))
        self._unwritten += (command for _, command in group)

    def _answered(self, reply: Reply) -> None:
        step, transaction = self._expected.popleft()
        if transaction is not None:
            transaction.heard = True
        if reply.code == 421:
            if transaction is not None:
                self._finish(transaction, Ended(step, reply))
            self.lose()
        elif step is Step.END:
            if transaction is not None:
                self._finish(transaction, Ended(step, reply))
            self._start_next()
        elif transaction is None:
            if self._unsent:
                self._write_commands()
        elif step is Step.DATA:
            self._data_answered(transaction, reply)
        else:
            self._envelope_answered(step, transaction, reply)

    def _taken(self) -> bool:
        """Whether a "250" says that an envelope in a group goes well: nothing follows from it, and most replies are."""
        step, transaction = self._expected[0]
        if transaction is None or (step is not Step.MAIL and step is not Step.RCPT):
            return False
        transaction.heard = True
        self._expected.popleft()
        return True

    def _envelope_answered(self, step: Step, transaction: Transaction, reply: Reply) -> None:
        if reply.code not in (250, 251) and transaction.refused is None:
            transaction.refused = Ended(step, reply)
        if self._pipelining:
            return  # the rest of the group is on its way; its replies must be taken first
        if transaction.refused is not None:
            self._unsent.clear()
            self._give_up(transaction, transaction.refused)
        else:
            self._write_commands()

    def _data_answered(self, transaction: Transaction, reply: Reply) -> None:
        if reply.code != 354:
            self._give_up(transaction, transaction.refused or Ended(Step.DATA, reply))
        elif transaction.refused is not None:
            # No recipient, and yet the server waits for a mail: end it with nothing.
            self._unwritten.append(b".\r\n")
            self._expected.append((Step.END, None))
            self._give_up(transaction, transaction.refused)
        elif transaction.ended.done():
            self.lose()  # cancelled in between; a lone dot would deliver an empty mail
        else:
            transaction.step = Step.END
            self._unwritten.append(transaction.content)
            self._expected.append((Step.END, transaction))
            self._envelope = None
            self._start_next()

    def _give_up(self, transaction: Transaction, ended: Ended) -> None:
        self._finish(transaction, ended)
        self._envelope = None
        self._needs_reset = True
        self._start_next()

    @staticmethod
    def _finish(transaction: Transaction, ended: Ended) -> None:
        if not transaction.ended.done():
            transaction.ended.set_result(ended)
