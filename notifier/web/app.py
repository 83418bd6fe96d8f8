"""The web door: provider callbacks, replies, opt-out links, health. It knows HTTP and little else."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from html import escape
from typing import TypeVar
from urllib.parse import parse_qs

import uvicorn
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from notifier.channels.twilio_forms import parse_inbound, parse_status
from notifier.clock import Clock
from notifier.errors import ConfigError, StoreError
from notifier.model import LARGEST_ID, DeliveryId, Receipt
from notifier.receipts import Settle, record_batch
from notifier.store.engine import writing
from notifier.store.migrate import is_current
from notifier.store.settle import settle_late
from notifier.tokens import Claim, read_token
from notifier.web import pages
from notifier.web.batch import Limits, NotStored, ReceiptQueue
from notifier.web.forms import read_body, read_signed_form
from notifier.web.health import look
from notifier.web.optout import Words, take_reply, unsubscribe

log = logging.getLogger(__name__)

T = TypeVar("T")

STATUS_PATH = "/twilio/status"
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


def create_app(needs: Needs) -> ASGIApp:
    """The application; opens nothing before it is started, and keeps everything it knows inside itself.

    Status callbacks, a thousand for each request of a person, do not pass through Starlette: its layers cost several
    times what the callback itself does.
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

    return app


def serve(app: ASGIApp, *, host: str, port: int) -> None:
    """Answer until SIGTERM or SIGINT, and finish what is under way. No access log: addresses are secrets.

    Raises ConfigError when nobody can listen there: the name is unknown, the port is taken or not allowed.
    """
    with _listening(host, port) as listening, suppress(KeyboardInterrupt):
        config = uvicorn.Config(app, access_log=False, server_header=False, log_config=None)
        uvicorn.Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"cannot listen on {host}:{port}: {reason}; choose another --host or --port") from error


class _Door:
    """What answers each request, and the queue that groups their receipts."""

    def __init__(self, needs: Needs) -> None:
        self._needs = needs
        self._queue: ReceiptQueue | None = None

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Runs the queue as long as the application; what is in it at the end is still written."""
        queue = ReceiptQueue(self._write, self._needs.limits)
        self._queue = queue
        running = asyncio.create_task(queue.run())
        try:
            yield
        finally:
            queue.close()
            await running

    async def status(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What became of a message. Answered once it is safe, so that the provider can forget it."""
        try:
            if scope["method"] != "POST":
                raise HTTPException(405, headers={"Allow": "POST"})
            form = await self._signed_form(scope, receive)
            named = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("delivery")
            receipt = replace(parse_status(form), delivery_id=_delivery_id(named[-1] if named else None))
            if self._queue is None:
                raise RuntimeError("the application was not started: its lifespan must run")
            try:
                await self._queue.put(receipt)
            except NotStored as error:
                raise HTTPException(503, headers=RETRY_AFTER) from error
        except ClientDisconnect:
            return
        except HTTPException as refusal:
            await _refusal(refusal)(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def inbound(self, request: Request) -> Response:
        """A reply. The answer is the same for every sender, so that nobody can ask who is registered."""
        inbound = parse_inbound(await self._signed_form(request.scope, request.receive))
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

    async def _signed_form(self, scope: Scope, receive: Receive) -> dict[str, str]:
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

    def _write(self, receipts: Sequence[Receipt]) -> frozenset[int]:
        needs = self._needs
        try:
            with writing(needs.engine) as connection:
                recorded = record_batch(connection, receipts, now=needs.clock.now(), settle=needs.settle)
        except Exception as error:
            _report(error)
            raise
        return recorded.refused


def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _refusal(error)


def _refusal(error: HTTPException) -> Response:
    return PlainTextResponse(error.detail, error.status_code, error.headers)


def _report(error: Exception) -> None:
    """The kind of fault only: a driver's words may quote the row, and the row is personal."""
    log.error("a request could not be stored: %s", type(error).__name__)


def _delivery_id(text: str | None) -> DeliveryId | None:
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    return DeliveryId(int(text)) if 0 < int(text) <= LARGEST_ID else None
