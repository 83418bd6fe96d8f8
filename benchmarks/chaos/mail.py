"""A mail server that takes every mail, slowly, and breaks a connection where it is told to.

Told: `latency` (seconds from the end of a mail to its answer), `cut_in_data` (so many mails are cut in their middle),
`cut_after_dot` (so many are taken and then not answered). A cut connection is reset, with everything pipelined on it.
"""

import asyncio
import contextlib
import re

from benchmarks.chaos.told import Record, Talk, Told, main, port_of_peer

GREETING = b"250-chaos.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 10000000\r\n"
MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^>]+>)", re.IGNORECASE | re.MULTILINE)


class _Cut(Exception):
    """The connection ends here."""


class _Session:
    """One connection."""

    def __init__(self, told: Told, record: Record, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.told, self.record, self.reader, self.writer = told, record, reader, writer
        self.recipient = ""

    async def talk(self) -> None:
        self._say(b"220 chaos.example ESMTP\r\n")
        while line := await self.reader.readline():
            verb = line[:4].upper()
            if verb in (b"EHLO", b"HELO"):
                self._say(GREETING)
            elif verb == b"RCPT":
                self.recipient = line.partition(b"<")[2].partition(b">")[0].decode()
                self._say(b"250 2.1.5 Ok\r\n")
            elif verb == b"DATA":
                await self._data()
            elif verb == b"QUIT":
                self._say(b"221 2.0.0 Bye\r\n")
                return
            else:
                self._say(b"250 2.0.0 Ok\r\n")
            await self.writer.drain()

    async def _data(self) -> None:
        self._say(b"354 Go ahead\r\n")
        await self.writer.drain()
        content = await self.reader.readuntil(b"\r\n")
        if self.told.take("cut_in_data"):
            raise _Cut
        while not content.endswith(b"\r\n.\r\n"):
            content += await self.reader.readuntil(b"\r\n")
        named = MESSAGE_ID.search(content)
        cut = self.told.take("cut_after_dot")
        key = named[1].decode() if named else ""
        self.record.write(to=self.recipient, message_id=key, answered=not cut, port=port_of_peer(self.writer))
        if cut:
            raise _Cut
        await asyncio.sleep(self.told.get("latency"))
        self._say(b"250 2.0.0 Ok: queued\r\n")

    def _say(self, answer: bytes) -> None:
        self.writer.write(answer)


def server(told: Told, record: Record) -> Talk:
    """What talks on each connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(_Cut, ConnectionError, asyncio.IncompleteReadError):
            await _Session(told, record, reader, writer).talk()
        writer.transport.abort()

    return talk


if __name__ == "__main__":
    main(server)
