"""Ordinary status callbacks, read from the wire and answered without anything in between; all else goes to uvicorn.

A provider sends thousands that look the same: one POST with a signed form. What is not exactly that (another path or
method, a body in chunks, a wrong signature) is handed over with every byte that came, so refusals are worded in one
place, and this one need not know HTTP beyond what it understands for certain.
"""

import asyncio
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Literal, NamedTuple, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from notifier.web.batch import Answer

#: What every ordinary callback begins with, and the most that its head may have, in bytes.
PATH = b"/twilio/status"
BEGINNING = b"POST " + PATH
LARGEST_HEAD = 16_384
LARGEST_BODY = 65_536
VERSIONS = (b"HTTP/1.1", b"HTTP/1.0")
FORM = b"application/x-www-form-urlencoded"
#: What these say changes how the rest is to be read.
STRANGE = frozenset((b"transfer-encoding", b"expect", b"upgrade", b"content-encoding", b"trailer", b"te"))
#: What a head may have in it: of control signs one reader makes a blank, another a letter.
_SIGNS = b"\t\r\n" + bytes(one for one in range(32, 256) if one != 127)
NEEDED = frozenset((b"content-length", b"content-type", b"x-twilio-signature", b"connection"))

#: Takes a target, a signature and a form, when they are right and there is room; tells the last one what became of it.
Take = Callable[[bytes, bytes, bytes, Answer], bool]


class Post(NamedTuple):
    """One callback as it stands in the first `end` bytes."""

    target: bytes
    signature: bytes
    body: bytes
    end: int
    is_last: bool


def read_post(came: bytes) -> Post | int | Literal["strange"]:
    """The callback that this begins with; `strange` when it is no ordinary one.

    While its end is missing: of how many bytes it is worth looking at again. Who sends byte by byte must not have a
    head of thousands of lines read for each.
    """
    if not came.startswith(BEGINNING):
        return len(came) + 1 if BEGINNING.startswith(came) else "strange"
    end = came.find(b"\r\n\r\n")
    if end < 0 or end > LARGEST_HEAD:
        return len(came) + 1 if end < 0 and len(came) <= LARGEST_HEAD else "strange"
    head = came[:end]
    if head.translate(None, _SIGNS):
        return "strange"
    lines = head.split(b"\r\n")
    target, _, version = lines[0][5:].partition(b" ")
    # A lone end of line is one for some readers and not for others.
    fields = _fields(lines) if came.count(b"\n", 0, end) == came.count(b"\r", 0, end) == len(lines) - 1 else None
    if fields is None or version not in VERSIONS or target.partition(b"?")[0] != PATH:
        return "strange"
    length = fields.get(b"content-length", b"")
    if not length.isdigit() or len(length) > 5 or not is_form(fields.get(b"content-type", b"")):
        return "strange"
    stop = end + 4 + int(length)
    if stop > end + 4 + LARGEST_BODY:
        return "strange"
    if len(came) < stop:
        return stop
    connection = fields.get(b"connection", b"").lower()
    if connection not in (b"", b"close", b"keep-alive"):
        return "strange"
    is_last = connection == b"close" or version != VERSIONS[0]
    return Post(target, fields.get(b"x-twilio-signature", b""), came[end + 4 : stop], stop, is_last)


def is_form(kind: bytes) -> bool:
    """Whether a content type is that of a form."""
    return kind == FORM or kind.partition(b";")[0].strip().lower() == FORM


def _fields(lines: list[bytes]) -> dict[bytes, bytes] | None:
    """The headers that matter here; None when there is one that should not be passed over."""
    fields: dict[bytes, bytes] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        name = name.lower()
        if name in NEEDED and name not in fields:
            fields[name] = value.strip()
        elif not colon or not name or name in STRANGE or name in NEEDED or b" " in name or b"\t" in name:
            return None
    return fields


class CallbackConnection(asyncio.Protocol):
    """One connection, as long as only ordinary callbacks come over it. Made by uvicorn, with its keywords."""

    def __init__(self, take: Take, *, config: Any, server_state: ServerState, **others: Any) -> None:
        self._take = take
        self._server = server_state
        self._make_other = partial(HttpToolsProtocol, config=config, server_state=server_state, **others)
        self._patience = config.timeout_keep_alive
        self._transport: asyncio.Transport | None = None
        self._came = b""
        self._missing = 0  # before so many bytes came, there is nothing to read
        self._is_busy = self._is_last = self._is_paused = False
        self._has_moved = True
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Belongs to the server's connections from now on, so that it waits for us when it ends."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one, and no child of it
        self._server.connections.add(self)  # type: ignore[arg-type]
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """An answer that is still to come is nobody's any more."""
        self._leave()

    def data_received(self, data: bytes) -> None:
        """Take the callback once it is whole. What comes meanwhile is taken after it; too much of it waits outside."""
        self._has_moved = True
        self._came = self._came + data if self._came else data
        if not self._is_busy:
            if len(self._came) >= self._missing:
                self._read()
        elif len(self._came) > LARGEST_HEAD + LARGEST_BODY and self._transport is not None:
            self._transport.pause_reading()
            self._is_paused = True

    def shutdown(self) -> None:
        """The server ends: answer what was taken, and close."""
        self._is_last = True
        if not self._is_busy and self._transport is not None:
            self._transport.close()

    def _read(self) -> None:
        post = read_post(self._came)
        self._missing = post if isinstance(post, int) else 0
        if isinstance(post, int):
            return
        if post == "strange" or not self._take(post.target, post.signature, post.body, self._answer):
            self._hand_over()
            return
        self._is_busy = True
        self._is_last |= post.is_last
        self._came = self._came[post.end :]

    def _answer(self, is_safe: bool) -> None:
        self._is_busy, self._has_moved = False, True
        if self._transport is None:
            return
        self._transport.write(_words(is_safe, self._is_last, tuple(self._server.default_headers)))
        if self._is_last:
            self._transport.close()
        elif self._came:
            self._read()
            if len(self._came) <= LARGEST_HEAD + LARGEST_BODY:
                self._read_on()

    def _read_on(self) -> None:
        if self._is_paused and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._is_paused = False

    def _hand_over(self) -> None:
        """From here on it is uvicorn's connection, beginning with what was not taken."""
        self._read_on()
        transport, came = self._transport, self._came
        self._leave()
        if transport is None or transport.is_closing():
            return
        other: asyncio.Protocol = self._make_other()
        transport.set_protocol(other)
        other.connection_made(transport)
        other.data_received(came)

    def _leave(self) -> None:
        self._server.connections.discard(self)
        self._transport, self._came = None, b""
        if self._timer is not None:
            self._timer.cancel()

    def _watch(self) -> None:
        """Close what is silent while no answer is due, also in the middle of a callback. One timer for all of them."""
        if self._transport is not None and not self._has_moved and not self._is_busy:
            self._transport.close()
            return
        self._has_moved = False
        self._timer = asyncio.get_running_loop().call_later(self._patience, self._watch)


@lru_cache(maxsize=4)  # the headers have the date in them: the same for a second
def _words(is_safe: bool, is_last: bool, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    status = b"204 No Content" if is_safe else b"503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0"
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 %b\r\n%b%b\r\n" % (status, lines, b"connection: close\r\n" if is_last else b"")
