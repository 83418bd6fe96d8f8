"""A mail server on this machine that answers as told: refuses, stalls, hangs up. No third party's code."""

import asyncio
import base64
import contextlib
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType

GO_AHEAD = "354 End data with <CR><LF>.<CR><LF>"


@dataclass(frozen=True, slots=True)
class SmtpScript:
    """What the server does for one recipient, or for everyone.

    The replies stand in for the usual ones. `hangs_up_at` closes the connection instead of the reply of that
    phase, `stalls_at` never answers it: "end" is the dot after the mail. MAIL comes before the recipient is
    known: what is to happen at "mail" or before it must be in the script for everyone.
    """

    mail: str = "250 2.1.0 Ok"
    rcpt: str = "250 2.1.5 Ok"
    data: str = GO_AHEAD
    end: str = "250 2.0.0 Ok: queued as {number}"
    hangs_up_at: str | None = None
    stalls_at: str | None = None


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """One mail that the server took, with the dots at line starts as they were written."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    encrypted: bool
    username: str | None
    connection: int


@dataclass(slots=True)
class _Session:
    """What one connection has said so far."""

    number: int
    encrypted: bool
    username: str | None = None
    sender: str | None = None
    recipients: list[str] = field(default_factory=list)
    script: SmtpScript = field(default_factory=SmtpScript)


class _HangUp(Exception):
    """Close the connection without a word."""


class ScriptedSmtp:
    """A server in a thread of its own, from `with ScriptedSmtp() as server` until its end.

    `scripts` are by recipient; `script` is for all others and for greeting and EHLO. `tls` with a context speaks
    TLS from the start, `starttls` offers the upgrade; with `users` mail is taken only after AUTH PLAIN or LOGIN.
    """

    def __init__(
        self,
        *,
        script: SmtpScript | None = None,
        scripts: Mapping[str, SmtpScript] | None = None,
        extensions: Sequence[str] = ("PIPELINING", "8BITMIME", "SIZE 10000000"),
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        users: Mapping[str, str] | None = None,
    ) -> None:
        self.host, self.port = "127.0.0.1", 0
        self.mails: list[ReceivedMail] = []
        self.commands: list[str] = []
        self.connections = 0
        self.script = script or SmtpScript()
        self.scripts = dict(scripts or {})
        self._extensions, self._tls, self._starttls, self._users = tuple(extensions), tls, starttls, users
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> "ScriptedSmtp":
        self._thread.start()
        self._ready.wait(5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(lambda: self._stop.set() if self._stop else None)
        self._thread.join(5)

    def hang_up(self) -> None:
        """Close every connection that is open now, as a server does with idle ones."""
        done = threading.Event()

        def close() -> None:
            for writer in self._writers:
                writer.transport.abort()
            done.set()

        self._call(close)
        done.wait(5)

    # ------------------------------------------------------------------------------------------- inside

    def _call(self, work: Callable[[], object]) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(work)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._talk, self.host, 0, ssl=self._tls, limit=2**20)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        session = _Session(self.connections, self._tls is not None, script=self.script)
        self._writers.add(writer)
        # Cancelled when the server ends; asyncio's streams would report that as an error.
        ended = (_HangUp, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError)
        with contextlib.suppress(*ended):
            await self._say(writer, session, "greeting", "220 scripted.example ESMTP")
            while line := await reader.readline():
                await self._obey(session, line.decode("utf-8", "replace").rstrip("\r\n"), reader, writer)
        writer.close()

    async def _say(self, writer: asyncio.StreamWriter, session: _Session, phase: str, text: str) -> None:
        if session.script.hangs_up_at == phase:
            raise _HangUp
        if session.script.stalls_at == phase:
            await asyncio.Event().wait()
        writer.write(text.encode() + b"\r\n")
        await writer.drain()

    async def _obey(
        self, session: _Session, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        verb = line.split(" ")[0].upper()
        self.commands.append(line if verb != "AUTH" else "AUTH")
        if verb in ("EHLO", "HELO"):
            await self._say(writer, session, "ehlo", self._greeting(session))
        elif verb == "STARTTLS" and self._starttls is not None:
            await self._say(writer, session, "starttls", "220 2.0.0 Ready to start TLS")
            await writer.start_tls(self._starttls)
            session.encrypted = True
        elif verb == "AUTH":
            await self._say(writer, session, "auth", await self._log_in(session, line, reader, writer))
        elif verb == "MAIL":
            await self._mail(session, line, writer)
        elif verb == "RCPT":
            await self._rcpt(session, line, writer)
        elif verb == "DATA":
            await self._data(session, reader, writer)
        elif verb == "QUIT":
            await self._say(writer, session, "quit", "221 2.0.0 Bye")
            raise _HangUp
        elif verb in ("RSET", "NOOP"):
            self._reset(session)
            await self._say(writer, session, verb.lower(), "250 2.0.0 Ok")
        else:
            await self._say(writer, session, "other", "502 5.5.2 Error: command not recognized")

    def _greeting(self, session: _Session) -> str:
        offered = list(self._extensions)
        if self._starttls is not None and not session.encrypted:
            offered.append("STARTTLS")
        if self._users is not None:
            offered.append("AUTH PLAIN LOGIN")
        lines = ["scripted.example", *offered]
        return "\r\n".join(f"250{' ' if line is lines[-1] else '-'}{line}" for line in lines)

    async def _log_in(
        self, session: _Session, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> str:
        words = line.split(" ")
        if words[1].upper() == "PLAIN":
            _, username, password = base64.b64decode(words[2]).decode().split("\0")
        else:
            username = base64.b64decode(words[2]).decode()
            await self._say(writer, session, "auth", "334 UGFzc3dvcmQ6")
            password = base64.b64decode(await reader.readline()).decode()
        if self._users is None or self._users.get(username) != password:
            return f"535 5.7.8 Error: authentication failed for {username}"
        session.username = username
        return "235 2.7.0 Authentication successful"

    async def _mail(self, session: _Session, line: str, writer: asyncio.StreamWriter) -> None:
        if self._users is not None and session.username is None:
            await self._say(writer, session, "mail", "530 5.7.0 Authentication required")
        elif session.sender is not None:
            await self._say(writer, session, "mail", "503 5.5.1 Error: nested MAIL command")
        else:
            if self.script.mail.startswith("2"):
                session.sender = _address(line)
            await self._say(writer, session, "mail", self.script.mail)

    async def _rcpt(self, session: _Session, line: str, writer: asyncio.StreamWriter) -> None:
        address = _address(line)
        session.script = self.scripts.get(address, self.script)
        if session.sender is None:
            await self._say(writer, session, "rcpt", "503 5.5.1 Error: need MAIL command")
            return
        if session.script.rcpt.startswith("2"):
            session.recipients.append(address)
        await self._say(writer, session, "rcpt", session.script.rcpt.format(address=address))

    async def _data(self, session: _Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = session.script
        if not session.recipients and script.data == GO_AHEAD:
            await self._say(writer, session, "data", "554 5.5.1 Error: no valid recipients")
            return
        await self._say(writer, session, "data", script.data)
        if not script.data.startswith("354"):
            return
        # A lone dot right after DATA ends an empty mail: the line end of DATA itself counts.
        content = b"\r\n" + await reader.readuntil(b"\r\n")
        while not content.endswith(b"\r\n.\r\n"):
            content += await reader.readuntil(b"\r\n")
        taken = bool(session.recipients) and script.end.startswith("2")
        mail = ReceivedMail(
            sender=session.sender or "",
            recipients=tuple(session.recipients),
            content=content[2:-3].replace(b"\r\n..", b"\r\n."),
            encrypted=session.encrypted,
            username=session.username,
            connection=session.number,
        )
        if taken:
            self.mails.append(mail)
        answer = script.end if session.recipients else "554 5.5.1 Error: no valid recipients"
        await self._say(writer, session, "end", answer.format(number=f"{len(self.mails):06X}"))
        self._reset(session)

    def _reset(self, session: _Session) -> None:
        session.sender = None
        session.recipients.clear()
        session.script = replace(self.script)


def _address(line: str) -> str:
    return line.partition("<")[2].partition(">")[0]
