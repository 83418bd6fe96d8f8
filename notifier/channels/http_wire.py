"""Kept HTTP/1.1 connections to one server, one request at a time on each; POST is never repeated here.

Written by hand: the usual libraries take five to a hundred times as long for each request, and none of them says
whether a request that failed can have been read by the other side. Here `NotWritten` says that it surely was not.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import cast
from urllib.parse import quote_plus, urlsplit

#: An answer that is larger is none of a message provider.
_MAX_ANSWER = 4_000_000
#: A connection that nobody used for so long may be about to be closed by the other side, in seconds.
_MAX_IDLE = 30.0


class NotWritten(Exception):
    """Nothing of the request left: it may be made again. The cause is the fault of the network."""


class NoAnswer(Exception):
    """The request was written, and no readable answer came: nobody here knows what became of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered; names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpPool:
    """Connections to the server of `url`, opened as they are needed and kept for the next request.

    `timeout` (seconds) bounds connecting, and again the wait for the whole answer.
    """

    def __init__(self, url: str, *, timeout: float, tls_context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._is_tls else 80)
        self._timeout = timeout
        self._tls_context = tls_context
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()

    async def post(self, target: str, head: bytes, body: bytes) -> Answer:
        """POST `body` to `target` (path and query); `head` are further header lines, each with its line end.

        Raises NotWritten or NoAnswer.
        """
        connection = self._kept() or await self._connect()
        request = b"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s\r\n%s" % (
            target.encode("ascii"),
            self._authority(),
            len(body),
            head,
            body,
        )
        try:
            async with asyncio.timeout(self._timeout):
                answer = await connection.exchange(request)
        except TimeoutError as error:
            connection.give_up()
            raise NoAnswer("no answer in time") from error
        except BaseException:
            connection.give_up()
            raise
        if connection.is_reusable:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.give_up()
        return answer

    async def close(self) -> None:
        """Close every connection."""
        for connection in list(self._open):
            connection.give_up()
        self._idle.clear()
        await asyncio.sleep(0)

    def _authority(self) -> bytes:
        is_usual = self._port == (443 if self._is_tls else 80)
        return (self._host if is_usual else f"{self._host}:{self._port}").encode("idna" if self._is_tls else "ascii")

    def _kept(self) -> "_Connection | None":
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()  # the one used last: the others may grow old and go
            if connection.is_reusable and now - connection.idle_since < _MAX_IDLE:
                return connection
            connection.give_up()
        return None

    async def _connect(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        if self._is_tls and self._tls_context is None:
            # Reading the machine's certificates takes a while; once is enough, and not at import.
            self._tls_context = await asyncio.to_thread(ssl.create_default_context)
        try:
            async with asyncio.timeout(self._timeout):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self._open), self._host, self._port, ssl=self._tls_context
                )
        except OSError as error:  # TimeoutError and every fault of TLS are OSErrors
            raise NotWritten("no connection") from error
        return connection


class _Connection(asyncio.Protocol):
    """One connection: writes a request, reads its answer."""

    def __init__(self, among: "set[_Connection]") -> None:
        self.idle_since = 0.0
        self._among = among
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._waiting: asyncio.Future[Answer] | None = None
        self._keeps = True

    @property
    def is_reusable(self) -> bool:
        return self._keeps and self._transport is not None and not self._transport.is_closing()

    async def exchange(self, request: bytes) -> Answer:
        if self._transport is None or self._transport.is_closing():
            raise NotWritten("the connection is closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def give_up(self) -> None:
        self._keeps = False
        self._among.discard(self)
        if self._transport is not None:
            self._transport.abort()

    # ---------------------------------------------------------------------------------------- from asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._among.add(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._waiting is None or self._waiting.done() or len(self._received) > _MAX_ANSWER:
            self.give_up()  # nobody asked: what follows could not be trusted
            self._fail("the server sent what nobody asked for")
            return
        try:
            answer = self._read(at_end=False)
        except ValueError:
            self.give_up()
            self._fail("the answer cannot be read")
            return
        if answer is not None:
            self._waiting.set_result(answer)
            self._waiting = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._keeps = False
        self._among.discard(self)
        if self._waiting is not None and not self._waiting.done():
            try:
                answer = self._read(at_end=True)
            except ValueError:
                answer = None
            if answer is not None:
                self._waiting.set_result(answer)
        self._fail("the connection ended before the answer")

    def _fail(self, why: str) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(NoAnswer(why))
        self._waiting = None

    def _read(self, *, at_end: bool) -> Answer | None:
        """The answer, once all of it is here. Raises ValueError when it is none."""
        head_ends = self._received.find(b"\r\n\r\n")
        if head_ends < 0:
            return None
        first, *lines = self._received[:head_ends].decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        status = int(rest[:3])
        if not version.startswith("HTTP/1."):
            raise ValueError("not HTTP/1")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        start = head_ends + 4
        if 100 <= status < 200:
            del self._received[:start]
            return self._read(at_end=at_end)
        body = self._body(headers, start, at_end)
        if body is None:
            return None
        if version == "HTTP/1.0" or headers.get("connection", "").lower() == "close":
            self._keeps = False
        return Answer(status, headers, body)

    def _body(self, headers: Mapping[str, str], start: int, at_end: bool) -> bytes | None:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks(start)
        if "content-length" in headers:
            end = start + int(headers["content-length"])
            if len(self._received) < end:
                return None
            body = bytes(self._received[start:end])
            del self._received[:end]
            return body
        self._keeps = False
        return bytes(self._received[start:]) if at_end else None

    def _chunks(self, at: int) -> bytes | None:
        body = bytearray()
        while (line_ends := self._received.find(b"\r\n", at)) >= 0:
            size = int(self._received[at:line_ends].split(b";")[0], 16)
            at = line_ends + 2
            if len(self._received) < at + size + 2:
                return None
            body += self._received[at : at + size]
            at += size + 2
            if size == 0:
                del self._received[:at]
                return bytes(body)
        return None


class _Quoted(dict[int, str]):
    """How each sign stands in a form, learned as signs come."""

    def __missing__(self, sign: int) -> str:
        self[sign] = quoted = quote_plus(chr(sign))
        return quoted


_QUOTED = _Quoted()


def form(fields: Mapping[str, str]) -> bytes:
    """Fields as application/x-www-form-urlencoded. `urlencode` looks at each byte in Python, ten times as long."""
    pairs = (f"{name.translate(_QUOTED)}={value.translate(_QUOTED)}" for name, value in fields.items())
    return "&".join(pairs).encode("ascii")


def asked_wait(retry_after: str | None) -> timedelta | None:
    """What a Retry-After header asks for, at most one hour; None where it gives no seconds."""
    if retry_after is None or not retry_after.strip().isdigit():
        return None
    return min(timedelta(seconds=int(retry_after)), timedelta(hours=1))
