"""Getting an SMTP connection (TLS, greeting, login), keeping it, and renewing it before it grows stale."""

import asyncio
import ssl
from ipaddress import ip_address
from typing import cast

import aiosmtplib

from notifier.channels.smtp_answers import Reply, Step, refusal
from notifier.channels.smtp_wire import SmtpWire
from notifier.errors import ConfigError
from notifier.model import Action, Reason, Rejected

SECURITIES = ("tls", "starttls", "none")


class SmtpDoor:
    """Knows how to get one connection to the server; says in our words why not."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        security: str,
        username: str | None,
        password: str | None,
        timeout: float,
        local_hostname: str,
        tls_context: ssl.SSLContext | None,
    ) -> None:
        if security not in SECURITIES:
            raise ConfigError(f"SMTP security is one of {', '.join(SECURITIES)}, not {security!r}")
        if security == "none" and username and not _is_this_machine(host):
            raise ConfigError("SMTP security is none: a password would travel in clear; use tls or starttls")
        self._host, self._port, self._security = host, port, security
        self._username, self._password = username, password
        self._timeout = timeout
        self._local_hostname = local_hostname
        self._tls_context = tls_context

    async def connect(self, deadline: float) -> SmtpWire | Rejected:
        """A greeted, logged-in connection before `deadline` (loop time), or the reason why there is none."""
        loop = asyncio.get_running_loop()
        if self._tls_context is None and self._security != "none":
            # Reading the machine's certificates takes a while; once is enough, and not at import.
            self._tls_context = await asyncio.to_thread(ssl.create_default_context)
        client = self._client()
        opened: asyncio.BaseTransport | None = None
        try:
            async with asyncio.timeout_at(min(loop.time() + self._timeout, deadline)):
                await client.connect()
                opened = client.transport
                await self._greet(client)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:  # TimeoutError is an OSError
            client.close()
            if opened is not None:
                # A failed handshake leaves the line below it open, and nobody else knows of it any more.
                cast(asyncio.Transport, opened).abort()
            return _no_connection(error)
        transport = cast(asyncio.Transport | None, client.transport)  # uvloop's own is of no asyncio class
        if transport is None or transport.is_closing():
            return Rejected(Reason.TEMPORARY, Action.RETRY, None, "the mail server closed the connection")
        extensions = frozenset(name.lower() for name in client.esmtp_extensions)
        return SmtpWire(transport, extensions=extensions, opened_at=loop.time())

    async def _greet(self, client: aiosmtplib.SMTP) -> None:
        if self._security == "starttls":
            await client.starttls()
        if client.is_ehlo_or_helo_needed:
            await client.ehlo()
        if self._username:
            await client.login(self._username, self._password or "")

    def _client(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            local_hostname=self._local_hostname,
            timeout=self._timeout,
            use_tls=self._security == "tls",
            # Never None: that would be opportunistic, and a stripped STARTTLS would go through in clear.
            start_tls=False,
            tls_context=self._tls_context if self._security != "none" else None,
        )


class Slot:
    """The place of one kept connection in the pool. `load` is the number of mails that use it now."""

    def __init__(self, door: SmtpDoor, *, max_age: float, max_idle: float, max_messages: int) -> None:
        self.load = 0
        self._door = door
        self._max_age, self._max_idle, self._max_messages = max_age, max_idle, max_messages
        self._wire: SmtpWire | None = None
        self._opening = asyncio.Lock()

    async def wire(self, deadline: float) -> SmtpWire | Rejected:
        """The kept connection, or a new one when it is lost, old, long idle, or has carried its share."""
        if self._wire is not None and not self._is_spent(self._wire):
            return self._wire
        try:
            async with asyncio.timeout_at(deadline), self._opening:
                if self._wire is not None and not self._is_spent(self._wire):
                    return self._wire
                await self._retire()
                wire = await self._door.connect(deadline)
                if isinstance(wire, SmtpWire):
                    self._wire = wire
                return wire
        except TimeoutError:
            return Rejected(Reason.TEMPORARY, Action.RETRY, None, "no connection to the mail server in time")

    async def close(self) -> None:
        """Let the mail under way end, then close."""
        async with self._opening:
            await self._retire()
        self._opening = asyncio.Lock()  # the next one to open it may do so on another event loop

    async def _retire(self) -> None:
        if self._wire is not None:
            await self._wire.wait_until_idle()
            await self._wire.quit()
            self._wire = None

    def _is_spent(self, wire: SmtpWire) -> bool:
        now = asyncio.get_running_loop().time()
        return (
            wire.lost
            or wire.served >= self._max_messages
            or now - wire.opened_at > self._max_age
            or (self.load <= 1 and now - wire.used_at > self._max_idle)
        )


def _no_connection(error: Exception) -> Rejected:
    """Why there is no connection. Only our own words: an error of a library may hold the user name."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _stopped("the mail server's certificate does not fit its name or is not trusted")
        cause = cause.__cause__
    if isinstance(error, aiosmtplib.SMTPAuthenticationError) and error.code >= 500:
        return _stopped("the mail server does not accept the user name and password", str(error.code))
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return refusal(Step.CONNECT, Reply(error.code, error.message))
    if isinstance(error, (TimeoutError, aiosmtplib.SMTPTimeoutError)):
        return Rejected(Reason.TEMPORARY, Action.RETRY, None, "the mail server did not answer in time")
    if isinstance(error, (OSError, aiosmtplib.SMTPConnectError, aiosmtplib.SMTPServerDisconnected)):
        return Rejected(Reason.TEMPORARY, Action.RETRY, None, "the mail server cannot be reached")
    return _stopped("the mail server does not offer the encryption or login that is set")


def _stopped(detail: str, code: str | None = None) -> Rejected:
    return Rejected(Reason.CONFIGURATION, Action.STOP_CHANNEL, code, detail)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
