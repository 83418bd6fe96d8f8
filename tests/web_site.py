"""A web door that runs on loopback, for tests that knock at it over real sockets."""

import asyncio
import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from outbox_rows import NUMBER
from sqlalchemy import Engine, func, select

from notifier.channels.twilio_forms import sign
from notifier.model import Channel
from notifier.store import tables
from notifier.store.engine import writing
from notifier.store.suppressions import active
from notifier.web.app import Needs, create_server

TOKEN = "auth-token"
KEY = b"a long random text"
PUBLIC = "https://reminders.example/notifier"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Site:
    """A running door, and how to knock at it."""

    port: int
    needs: Needs

    def ask(self, method: str, path: str, body: bytes | str = b"", headers: Mapping[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            text = response.read().decode()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, text)

    def post(self, path: str, form: Mapping[str, str], **headers: str) -> Answer:
        """A form as Twilio posts it, signed for the public address."""
        signed = {"Content-Type": FORM, "X-Twilio-Signature": sign(TOKEN, PUBLIC + path, form)}
        return self.ask("POST", path, urlencode(form), signed | headers)

    def wait_until_applied(self) -> None:
        """Until every callback that was answered is a receipt."""
        latest = time.monotonic() + 20
        while count(self.needs.engine, "callback"):
            assert time.monotonic() < latest, "callbacks are not applied"
            time.sleep(0.005)


@contextlib.contextmanager
def running(needs: Needs, *, silence: int = 5) -> Iterator[Site]:
    """`silence`: the seconds after which a silent connection may be closed."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = create_server(needs)
        server.config.timeout_keep_alive = silence
        started = threading.Event()

        async def serve() -> None:
            task = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started and not task.done():
                await asyncio.sleep(0.005)
            started.set()
            await task

        def run() -> None:
            with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
                runner.run(serve())

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert started.wait(10)
        try:
            yield Site(listener.getsockname()[1], needs)
        finally:
            server.should_exit = True
            thread.join(10)


def count(engine: Engine, table: str) -> int:
    with writing(engine) as connection:
        return connection.scalar(select(func.count()).select_from(tables.metadata.tables[table])) or 0


def is_suppressed(engine: Engine, channel: Channel = Channel.WHATSAPP, address: str = NUMBER) -> bool:
    with writing(engine) as connection:
        return bool(active(connection, [(channel, address)]))
