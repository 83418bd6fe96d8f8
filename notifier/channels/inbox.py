"""The sandbox's folder: a file for each message, a line for each in inbox.jsonl, and one page for all."""

import base64
import gzip
import io
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from notifier.channels.mime import split_address
from notifier.model import Channel, EmailMessage, Message, WhatsAppMessage

_PARTS = Path(__file__).with_name("page")
#: Mails whose bodies are packed together: mails of one template are so alike that 40 take the room of two.
_PACK = 40
_SNIPPET = 160


class Inbox:
    """Adds messages to a folder and draws the page. Several may share a folder, also in several processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.page = folder / "inbox.html"
        self._lines = folder / "inbox.jsonl"
        self._adding: io.FileIO | None = None

    def make_folder(self) -> None:
        """Make the folder and its rooms. Raises OSError when that cannot be."""
        for channel in Channel:
            (self.folder / channel).mkdir(parents=True, exist_ok=True)

    def file_of(self, message: Message) -> Path:
        """Where the message's own file is. The name has the delivery's id and no address."""
        channel = _channel(message)
        ending = "eml" if channel is Channel.EMAIL else "txt"
        return self.folder / channel / f"delivery-{message.delivery_id}.{ending}"

    def add(
        self,
        message: Message,
        *,
        at: datetime,
        zone: str | None,
        state: str,
        code: str | None = None,
        why: str = "",
        content: bytes | None = None,
    ) -> None:
        """Add one message. A refused one has a line, so that the page can show it, and no file.

        `state` is a word of DeliveryState or "refused"; `why` says in words what `code` means.
        """
        if self._adding is None:
            self.make_folder()
            # Unbuffered and in append mode: one write for one line, whole even when several processes add.
            self._adding = io.FileIO(self._lines, "ab")
        if state != "refused":
            self.file_of(message).write_bytes(content if content is not None else _as_text(message, at))
        record = _record(message) | {"at": at.isoformat(), "zone": zone, "state": state}
        if code:
            record |= {"code": code, "why": why}
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
        self._adding.write(line.encode("utf-8", "replace"))

    def close(self) -> None:
        """Let go of inbox.jsonl; the next `add` opens it again."""
        if self._adding is not None:
            self._adding.close()
            self._adding = None

    def records(self) -> Iterator[dict[str, Any]]:
        """All messages in the order in which they came. A line cut short by a crash is left out."""
        if not self._lines.exists():
            return
        with self._lines.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue

    def write_page(self) -> Path:
        """Write the page anew if messages came since; the old page stays until the new one is whole."""
        self.make_folder()
        mark = f"<!-- drawn from {self._lines.stat().st_size if self._lines.exists() else 0} bytes -->"
        if self.page.exists():
            with self.page.open(encoding="utf-8") as page:
                if mark in page.read(400):
                    return self.page
        fresh = self.page.with_suffix(".new")
        fresh.write_text(self._draw(mark), encoding="utf-8")
        return fresh.replace(self.page)

    def _draw(self, mark: str) -> str:
        listed: list[dict[str, Any]] = []
        packs: list[str] = []
        bodies: list[dict[str, Any]] = []
        for number, record in enumerate(self.records()):
            is_mail = record["channel"] == Channel.EMAIL
            body = {name: record.pop(name) for name in ("html", "text")} if is_mail else {}
            listed.append(record | {"n": number})
            if body:
                if len(bodies) == _PACK:
                    packs.append(_packed(bodies))
                    bodies = []
                listed[-1] |= {"snippet": " ".join(body["text"].split())[:_SNIPPET]}
                listed[-1] |= {"pack": len(packs), "place": len(bodies)}
                bodies.append(body)
        if bodies:
            packs.append(_packed(bodies))
        parts = {
            "MARK": mark,
            "STYLE": (_PARTS / "inbox.css").read_text(encoding="utf-8"),
            "SCRIPT": (_PARTS / "inbox.js").read_text(encoding="utf-8"),
            "DATA": _for_script({"messages": listed, "packs": packs}),
        }
        page = (_PARTS / "inbox.html").read_text(encoding="utf-8")
        head, *pieces = page.split("@@")
        # Split first, fill later: what a message says can then never be taken for a place to fill.
        return head + "".join(parts[piece] if odd % 2 == 0 else piece for odd, piece in enumerate(pieces))


def _packed(bodies: list[dict[str, Any]]) -> str:
    content = json.dumps(bodies, ensure_ascii=False).encode("utf-8")
    return base64.b64encode(gzip.compress(content, compresslevel=6, mtime=0)).decode("ascii")


def _for_script(value: object) -> str:
    """JSON that can stand in a script element: no tag can begin or end in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _channel(message: Message) -> Channel:
    if isinstance(message, EmailMessage):
        return Channel.EMAIL
    return Channel.WHATSAPP if isinstance(message, WhatsAppMessage) else Channel.SMS


def _record(message: Message) -> dict[str, Any]:
    common: dict[str, Any] = {"id": message.delivery_id, "channel": _channel(message), "from": message.sender}
    if isinstance(message, EmailMessage):
        name, address = split_address(message.to)
        attachments = [
            {"name": each.filename, "type": each.content_type.split(";")[0], "size": len(each.content)}
            for each in message.attachments
        ]
        mail = {"subject": message.subject, "text": message.text, "html": message.html}
        return (
            common
            | mail
            | {
                "to": address or message.to,
                "name": name,
                "language": message.language,
                "attachments": attachments,
            }
        )
    told: dict[str, Any] = {"to": message.to, "text": message.text}
    if isinstance(message, WhatsAppMessage):
        return common | told | {"template": message.content_sid}
    return common | told | {"segments": message.segments, "encoding": message.encoding}


def _as_text(message: Message, at: datetime) -> bytes:
    head = f"Channel: {_channel(message)}\nFrom: {message.sender}\nTo: {message.to}\nDate: {at.isoformat()}\n"
    if isinstance(message, WhatsAppMessage):
        head += f"Template: {message.content_sid}\nVariables: {json.dumps(dict(message.variables))}\n"
    return f"{head}\n{message.text}\n".encode("utf-8", "replace")
