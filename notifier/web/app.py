"""The web door: provider callbacks, replies, opt-out links, health. It knows HTTP and little else."""

import asyncio
import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from html import escape
from typing import Any, TypeVar
from urllib.parse import parse_qs

import uvicorn
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from notifier import callbacks
from notifier.callbacks import read_form
from notifier.channels.twilio_forms import parse_inbound, verify_signature
from notifier.clock import Clock
from notifier.errors import ConfigError, StoreError
from notifier.model import LARGEST_ID
from notifier.receipts import Settle
from notifier.store.callbacks import Keeper, Raw
from notifier.store.engine import writing
from notifier.store.migrate import is_current
from notifier.store.settle import settle_late
from notifier.tokens import Claim, read_token
from notifier.web import pages
from notifier.web.applying import Applier
from notifier.web.batch import Answer, CallbackQueue, Limits
from notifier.web.forms import MOST_FIELDS, read_body, read_signed_form
from notifier.web.health import look
from notifier.web.optout import Words, take_reply, unsubscribe
from notifier.web.wire import CallbackConnection

log = logging.getLogger(__name__)

T = TypeVar("T")

STATUS_PATH = "/twilio/status"
#: How long a thread may go on before another one gets its turn, in seconds: answers must not wait for what is applied.
TURN = 0.001
#: Seconds after which a provider or person is asked to try again.
RETRY_AFTER = {"Retry-After": "5"}
#: An opt-out page has a secret in its address: not to be stored, framed, or told to another site.
PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'",
}


@dataclass(frozen=True, slots=True)
class Needs:
    """What the web door is built from. An empty `auth_token` lets no callback in, an empty key no link."""

    engine: Engine
    clock: Clock
    words: Words
    signing_key: bytes = field(default=b"", repr=False)
    auth_token: str = field(default="", repr=False)
    public_url: str | None = None
    settle: Settle = settle_late
    is_current: Callable[[Engine], bool] = is_current
    limits: Limits = field(default_factory=Limits)


def create_server(needs: Needs) -> uvicorn.Server:
    """The server; opens nothing before it runs, and keeps everything it knows inside itself.

    Status callbacks, a thousand for each request of a person, are read from the wire; those that are not ordinary
    come as the others do, and pass by Starlette, whose layers cost several times what the callback itself does.
    """
    door = _Door(needs)
    routes = [
        Route("/twilio/inbound", door.inbound, methods=["POST"]),
        Route("/u/{token}", door.optout, methods=["GET", "POST"]),
        Route("/health", door.health, methods=["GET"]),
    ]
    handlers = {HTTPException: _refuse}
    others = Starlette(routes=routes, lifespan=door.lifespan, exception_handlers=handlers)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        is_status = scope["type"] == "http" and scope["path"] == STATUS_PATH
        await (door.status if is_status else others)(scope, receive, send)

    http: Any = partial(CallbackConnection, door.take)
    # No access log: addresses are secrets.
    return uvicorn.Server(
        uvicorn.Config(app, http=http, lifespan="on", access_log=False, server_header=False, log_config=None)
    )


def serve(needs: Needs, *, host: str, port: int) -> None:
    """Answer until SIGTERM or SIGINT, and finish what is under way.

    Raises ConfigError when nobody can listen there: the name is unknown, the port is taken or not allowed.
    """
    with _listening(host, port) as listening, suppress(KeyboardInterrupt):
        sys.setswitchinterval(TURN)
        create_server(needs).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"cannot listen on {host}:{port}: {reason}; choose another --host or --port") from error


class _Door:
    """What answers each request, and the queue that groups the callbacks."""

    def __init__(self, needs: Needs) -> None:
        self._needs = needs
        self._queue: CallbackQueue | None = None
        self._keeper = Keeper(needs.engine)
        self._applier = Applier(partial(callbacks.apply, needs.engine, settle=needs.settle), needs.limits)
        self._prefix = (needs.public_url or "").rstrip("/")

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Runs queue and applier as long as the server; what is in them at the end is still written."""
        try:
            await asyncio.to_thread(callbacks.take_up_again, self._needs.engine)
        except (SQLAlchemyError, StoreError) as error:  # /health says so, and callbacks are answered with 503
            _report(error)
        self._applier.start()
        with ThreadPoolExecutor(1, "callbacks") as executor:
            self._queue = CallbackQueue(self._write, self._needs.limits, executor, self._applier.is_behind)
            try:
                yield
            finally:
                await self._queue.close()
                executor.submit(self._keeper.close)
                await asyncio.to_thread(self._applier.stop)

    def take(self, target: bytes, signature: bytes, body: bytes, answer: Answer) -> bool:
        """An ordinary callback, straight from the wire. What is false here is refused by `status`, in its words."""
        token, form = self._needs.auth_token, body.decode("utf-8", "replace")
        if not token or not self._prefix or self._queue is None or form.count("&") >= MOST_FIELDS:
            return False
        path = target.decode("latin-1")
        if not verify_signature(token, self._prefix + path, read_form(form), signature.decode("latin-1")):
            return False
        return self._queue.put((_delivery_id(path.partition("?")[2]), form), answer)

    async def status(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What became of a message. Answered once it is safe, so that the provider can forget it."""
        try:
            if scope["method"] != "POST":
                raise HTTPException(405, headers={"Allow": "POST"})
            form, _ = await self._signed_form(scope, receive)
            if not await self._kept((_delivery_id(scope["query_string"].decode("latin-1")), form)):
                raise HTTPException(503, headers=RETRY_AFTER)
        except ClientDisconnect:
            return
        except HTTPException as refusal:
            await _refusal(refusal)(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def inbound(self, request: Request) -> Response:
        """A reply. The answer is the same for every sender, so that nobody can ask who is registered."""
        _, fields = await self._signed_form(request.scope, request.receive)
        inbound = parse_inbound(fields)
        words, now = self._needs.words, self._needs.clock.now()
        reply = None
        if words.wish(inbound) is not None:  # the others need no database
            reply = await self._stored(lambda connection: take_reply(connection, inbound, words, now=now))
        message = f"<Message>{escape(reply)}</Message>" if reply else ""
        content = f'<?xml version="1.0" encoding="UTF-8"?><Response>{message}</Response>'
        return Response(content, media_type="text/xml")

    async def optout(self, request: Request) -> Response:
        """One click (RFC 8058): a POST is enough, without cookie or redirect. A GET only asks."""
        claim = self._claim(request.path_params["token"])
        if claim is None:
            return HTMLResponse(pages.unknown_page(), 404, PRIVATE)
        if request.method != "POST":
            return HTMLResponse(pages.ask_page(claim.channel), headers=PRIVATE)
        # Mail programs send it in either form; the address alone says everything.
        await read_body(request.scope, request.receive)
        key, now = self._needs.signing_key, self._needs.clock.now()
        try:
            await self._stored(lambda connection: unsubscribe(connection, claim, key=key, now=now))
        except HTTPException as error:
            return HTMLResponse(pages.later_page(), error.status_code, PRIVATE | RETRY_AFTER)
        return HTMLResponse(pages.done_page(claim.channel), headers=PRIVATE)

    async def health(self, _: Request) -> Response:
        """200 when this door can do its work, else 503."""
        needs = self._needs
        found = await asyncio.to_thread(look, needs.engine, is_current=needs.is_current, now=needs.clock.now())
        return JSONResponse(found.as_json(), 200 if found.is_well else 503, {"Cache-Control": "no-store"})

    def _claim(self, token: str) -> Claim | None:
        return read_token(self._needs.signing_key, token) if self._needs.signing_key else None

    async def _kept(self, raw: Raw) -> bool:
        if self._queue is None:
            raise RuntimeError("the server was not started: its lifespan must run")
        safe: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if not self._queue.put(raw, lambda is_safe: None if safe.done() else safe.set_result(is_safe)):
            return False
        return await safe

    async def _signed_form(self, scope: Scope, receive: Receive) -> tuple[str, dict[str, str]]:
        needs = self._needs
        return await read_signed_form(scope, receive, token=needs.auth_token, public_url=needs.public_url)

    async def _stored(self, work: Callable[[Connection], T]) -> T:
        """Do the work in one transaction, in a thread; a database that cannot answers 503."""

        def write() -> T:
            with writing(self._needs.engine) as connection:
                return work(connection)

        try:
            return await asyncio.to_thread(write)
        except (SQLAlchemyError, StoreError) as error:
            _report(error)
            raise HTTPException(503, headers=RETRY_AFTER) from None

    def _write(self, group: Sequence[Raw]) -> None:
        try:
            self._keeper.keep(group, now=self._needs.clock.now())
        except Exception as error:
            _report(error)
            raise
        self._applier.kept(len(group))


def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _refusal(error)


def _refusal(error: HTTPException) -> Response:
    return PlainTextResponse(error.detail, error.status_code, error.headers)


def _report(error: Exception) -> None:
    """The kind of fault only: a driver's words may quote the row, and the row is personal."""
    log.error("a request could not be stored: %s", type(error).__name__)


def _delivery_id(query: str) -> int | None:
    """The number of the delivery in the callback's address, if it can be one."""
    text = query.removeprefix("delivery=")
    if not text.isdigit():
        text = parse_qs(query, keep_blank_values=True).get("delivery", [""])[-1]
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    return int(text) if 0 < int(text) <= LARGEST_ID else None
