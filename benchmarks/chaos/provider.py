"""A Twilio that takes every message, slowly, and is as unreliable as it is told to be.

Told: `latency` (seconds from request to answer), `lag` (seconds until a message is in the list), `cut_before` (so
many requests are cut before they are taken), `cut_after` (taken, and the connection cut), `cut_answer` (taken, and the
answer cut in its middle), `refuse` (an HTTP status for everybody, 0: nobody), and for callbacks `double` (each posted
twice), `reverse` (the last status first), `early` (posted before the request is answered).

A callback that is not answered with 2xx is posted again, after one second and then ever later.
"""

import asyncio
import base64
import contextlib
import hmac
import json
import time
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from benchmarks.chaos.told import Record, Talk, Told, main, port_of_peer

ACCOUNT_SID = "AC" + "c" * 32
AUTH_TOKEN = "chaos-token"
STATUSES = ("sent", "delivered")
#: Seconds between an answer and each of its statuses.
PAUSE = 0.3
ERRORS = {429: 20429, 500: 20500, 503: 20503}
LONGEST_WAIT = 20.0


class Twilio:
    """The messages it took, and the callbacks it owes."""

    def __init__(self, told: Told, record: Record) -> None:
        self.told, self.record = told, record
        self.taken: dict[str, list[dict[str, Any]]] = {}
        self.count = 0
        self.posting: set[asyncio.Task[None]] = set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._answer(reader, writer):
                await writer.drain()
        writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False ends the connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target = head.split(" ", 2)[:2]
        length = next(
            (int(line.partition(":")[2]) for line in head.split("\r\n") if line.lower().startswith("content-length")), 0
        )
        body = (await reader.readexactly(length)).decode()
        if method == "GET":
            await asyncio.sleep(self.told.get("latency") / 4)
            _write(writer, 200, {"messages": self._list(urlsplit(target).query), "next_page_uri": None})
            return True
        return await self._create(dict(parse_qsl(body, keep_blank_values=True)), writer)

    def _list(self, query: str) -> list[dict[str, Any]]:
        wanted = parse_qs(query).get("To", [""])[0]
        visible = time.time() - self.told.get("lag")
        return [one["message"] for one in reversed(self.taken.get(wanted, ())) if one["at"] <= visible]

    async def _create(self, form: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        refused = int(self.told.get("refuse"))
        if refused:
            code = ERRORS.get(refused, 20500)
            _write(writer, refused, {"code": code, "message": "not now", "status": refused, "more_info": ""})
            return True
        if self.told.take("cut_before"):
            return False
        message = self._take(form, port_of_peer(writer))
        early, url = self.told.take("early"), form.get("StatusCallback")
        if url:
            self._owe(url, message, early)
        if self.told.take("cut_after"):
            return False
        # The message is taken at once; only its answer takes as long as a real one.
        await asyncio.sleep(self.told.get("latency"))
        if self.told.take("cut_answer"):
            writer.write(_response(201, message)[:120])
            await writer.drain()
            return False
        _write(writer, 201, message)
        return True

    def _take(self, form: dict[str, str], port: int) -> dict[str, Any]:
        self.count += 1
        message = {
            "sid": f"SM{self.count:032x}",
            "account_sid": ACCOUNT_SID,
            "to": form.get("To"),
            "from": form.get("From"),
            "body": form.get("Body"),
            "status": "queued",
            "direction": "outbound-api",
            "error_code": None,
            "date_created": formatdate(usegmt=True),
        }
        to = form.get("To", "")
        self.record.write(what="taken", to=to, sid=message["sid"], port=port)
        self.taken.setdefault(to, []).append({"at": time.time(), "message": message})
        return message

    def _owe(self, url: str, message: dict[str, Any], early: bool) -> None:
        statuses = list(STATUSES) * (2 if self.told.take("double") else 1)
        if self.told.take("reverse"):
            statuses.reverse()
        wait = 0.0 if early else self.told.get("latency") + PAUSE
        task = asyncio.create_task(self._post_all(url, message, statuses, wait))
        self.posting.add(task)
        task.add_done_callback(self.posting.discard)

    async def _post_all(self, url: str, message: dict[str, Any], statuses: list[str], wait: float) -> None:
        for status in statuses:
            await asyncio.sleep(wait)
            wait, again = PAUSE, 1.0
            form = {"AccountSid": ACCOUNT_SID, "MessageSid": message["sid"], "MessageStatus": status}
            form |= {"To": message["to"] or "", "From": message["from"] or ""}
            while True:
                answer = await _post(url, form)
                self.record.write(what="callback", sid=message["sid"], to=message["to"], status=status, answer=answer)
                if 200 <= answer < 300:
                    break
                await asyncio.sleep(again)
                again = min(again * 2, LONGEST_WAIT)


async def _post(url: str, form: dict[str, str]) -> int:
    """Post a signed callback; its HTTP status, 0 when nobody answered."""
    parts = urlsplit(url)
    signed = url + "".join(name + form[name] for name in sorted(form))
    signature = base64.b64encode(hmac.digest(AUTH_TOKEN.encode(), signed.encode(), "sha1")).decode()
    body = urlencode(form)
    request = (
        f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nX-Twilio-Signature: {signature}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    try:
        async with asyncio.timeout(15):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writer.write((request + body).encode())
                return int((await reader.readline()).split(b" ")[1])
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, IndexError, ValueError):
        return 0


def _response(status: int, content: object) -> bytes:
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 {status} As Told\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _write(writer: asyncio.StreamWriter, status: int, content: object) -> None:
    writer.write(_response(status, content))


def server(told: Told, record: Record) -> Talk:
    """What talks on each connection."""
    return Twilio(told, record).talk


if __name__ == "__main__":
    main(server)
