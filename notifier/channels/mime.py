"""An e-mail as bytes for the wire. Written by hand: the standard builder takes 70 times as long per mail."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from urllib.parse import quote

from notifier.model import Attachment, EmailMessage

_BREAKS = re.compile(r"[\r\n\0]")
_SPECIALS = re.compile(r'[()<>\[\]:;@\\,."]')
#: The usual forms; the library's parser takes fifty times as long and is kept for the rest.
_ADDRESS = r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+"
_ALONE = re.compile(_ADDRESS)
_PLAIN_ADDRESS = re.compile(rf'^(?:(?P<alone>{_ADDRESS})|(?P<name>[^<>",;:\\()\[\]@]*?) *<(?P<named>{_ADDRESS})>)$')
_HEADER_NAME = re.compile(r"[!-9;-~]+")
#: Bytes of UTF-8 in one encoded word: 60 base64 characters and 12 of frame stay under the limit of 75.
_WORD_BYTES = 45
_LINE = 76
#: What of ASCII can be printed, and the end of a line.
_PLAIN_SIGNS = bytes(range(32, 127)) + b"\n"
#: The longest line, in signs, of a text or header that leaves as it is; RFC 5322 allows 998.
_LONGEST_PLAIN_LINE = 900
#: Headers that a message cannot bring, and those it gets where it brings none of that name.
FIXED = ("from", "to", "subject", "message-id", "mime-version")
OURS: Mapping[str, Callable[[EmailMessage, datetime], str]] = {
    "Date": lambda _, date: on_the_clock(date),
    "Auto-Submitted": lambda *_: "auto-generated",
    "Content-Language": lambda message, _: _safe(message.language),
}


class UnsafeHeader(ValueError):
    """A header would carry a line break or another sign that could add headers of its own."""


def to_bytes(message: EmailMessage, *, date: datetime) -> bytes:
    """The whole mail with CRLF line ends and 7-bit parts. `date` is used unless the message brings a Date.

    Raises UnsafeHeader when an address, the subject or a header holds a line break.
    """
    body = _alternatives(message)
    if message.attachments:
        boundary = f"=_mixed_{message.delivery_id}"
        parts = [body, *(_attachment(attachment) for attachment in message.attachments)]
        body = _multipart("mixed", boundary, parts)
    return _head(message, date).encode("utf-8") + body


def _head(message: EmailMessage, date: datetime) -> str:
    ours, given = _headers_of(tuple(message.headers))
    lines = [
        f"From: {mailbox(message.sender)}\r\n"
        f"To: {mailbox(message.to)}\r\n"
        f"Subject: {unstructured(message.subject)}\r\n"
        f"Message-ID: {_safe(message.message_id)}\r\n"
        "MIME-Version: 1.0\r\n"
    ]
    for name in ours:
        lines.append(f"{name}: {OURS[name](message, date)}\r\n")
    for name in given:
        value = message.headers[name]
        lines.append(f"{name}: {_safe(value) if value.isascii() else unstructured(value)}\r\n")
    return "".join(lines)


@lru_cache(maxsize=256)
def _headers_of(names: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Of a message that brings headers of these names: which of OURS it gets besides, and which of its own stand."""
    given = {name.lower(): name for name in names}
    for name in FIXED:
        given.pop(name, None)
    if not all(map(_HEADER_NAME.fullmatch, given.values())):
        raise UnsafeHeader("a header name holds a sign that is not allowed there")
    return [name for name in OURS if name.lower() not in given], list(given.values())


def _safe(text: str) -> str:
    if _BREAKS.search(text):
        raise UnsafeHeader("a header holds a line break")
    return text


def unstructured(text: str) -> str:
    """Free text for a header: as it is when it is short ASCII, else in encoded words."""
    _safe(text)
    if text.isascii() and len(text) <= _LONGEST_PLAIN_LINE and "=?" not in text:
        return text
    return "\r\n ".join(_encoded_words(text))


def _encoded_words(text: str) -> Iterator[str]:
    chunk = bytearray()
    for sign in text:
        encoded = sign.encode("utf-8")
        if len(chunk) + len(encoded) > _WORD_BYTES:
            yield _encoded_word(chunk)
            chunk.clear()
        chunk += encoded
    if chunk:
        yield _encoded_word(chunk)


def _encoded_word(chunk: bytes | bytearray) -> str:
    return f"=?utf-8?b?{base64.b64encode(chunk).decode('ascii')}?="


def split_address(text: str) -> tuple[str, str]:
    """The name and the address in `name <address>`; both empty when it cannot be read."""
    found = _PLAIN_ADDRESS.match(text)
    if found is not None:
        return found["name"] or "", found["named"] or found["alone"]
    return parseaddr(text)


def mailbox(text: str) -> str:
    """An address header: `name <address>` with the name encoded or quoted where it must be."""
    return text if _ALONE.fullmatch(text) else _mailbox(text)


@lru_cache(maxsize=1024)
def _mailbox(text: str) -> str:
    name, address = split_address(_safe(text))
    if not address:
        raise UnsafeHeader("an address header holds no address")
    if not name:
        return address
    if not name.isascii() or "=?" in name:
        return f"{unstructured(name)} <{address}>"
    if _SPECIALS.search(name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{address}>'
    return f"{name} <{address}>"


def bare_address(text: str) -> str:
    """The address alone, as the envelope needs it. Raises UnsafeHeader when there is none."""
    return text if _ALONE.fullmatch(text) else _bare_address(text)


@lru_cache(maxsize=1024)
def _bare_address(text: str) -> str:
    address = split_address(_safe(text))[1]
    if not address or address.count("@") != 1 or re.search(r"[\s<>]", address):
        raise UnsafeHeader("the address cannot be read")
    return address


def _alternatives(message: EmailMessage) -> bytes:
    plain = _text_part("plain", message.text)
    if not message.html:
        return plain
    return _multipart("alternative", f"=_parts_{message.delivery_id}", [plain, _text_part("html", message.html)])


def _multipart(kind: str, boundary: str, parts: list[bytes]) -> bytes:
    # "=_" occurs in neither quoted-printable nor base64, and no text that has it leaves as it is.
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'
    line = f"--{boundary}".encode("ascii")
    pieces = [head.encode("ascii")]
    for part in parts:
        pieces += (line, b"\r\n", part, b"\r\n")
    pieces += (line, b"--\r\n")
    return b"".join(pieces)


def _text_part(kind: str, text: str) -> bytes:
    """One text part: as it is when it is ASCII; quoted-printable where most signs are, so that it can be read raw; else
    base64."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"
    content = lines.encode("utf-8")
    if _is_plain(lines, content):
        encoding, encoded = b"7bit", content.replace(b"\n", b"\r\n")
    elif len(content) - len(lines) > len(content) // 4:
        encoding, encoded = b"base64", _base64(content.replace(b"\n", b"\r\n"))
    else:
        encoding, encoded = b"quoted-printable", b"".join(map(_quoted_line, lines.split("\n")[:-1]))
    head = f"Content-Type: text/{kind}; charset=utf-8\r\n".encode("ascii")
    return head + b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + encoded


def _is_plain(lines: str, content: bytes) -> bool:
    """ASCII without control signs or long lines, and without what the boundaries between parts begin with."""
    if content.translate(None, _PLAIN_SIGNS) or "=_" in lines:
        return False
    return max(map(len, lines.split("\n"))) <= _LONGEST_PLAIN_LINE


@lru_cache(maxsize=8192)
def _quoted_line(line: str) -> bytes:
    """A line in quoted-printable. It depends on no other line, and most lines of a letter are the same for all."""
    return binascii.b2a_qp(line.encode() + b"\n", istext=True).replace(b"\n", b"\r\n")


def on_the_clock(date: datetime) -> str:
    """An instant as a header has it, in whole seconds."""
    return _to_the_second(date.replace(microsecond=0))


@lru_cache(maxsize=16)
def _to_the_second(date: datetime) -> str:
    return format_datetime(date)


def _attachment(attachment: Attachment) -> bytes:
    content_type = _safe(attachment.content_type)
    filename = _safe(attachment.filename)
    if filename.isascii() and '"' not in filename and "\\" not in filename:
        named = f'filename="{filename}"'
    else:
        named = f"filename*=utf-8''{quote(filename, safe='')}"
    head = (
        f"Content-Type: {content_type}\r\n"
        f"Content-Disposition: attachment; {named}\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    return head.encode("ascii") + _base64(attachment.content)


def _base64(content: bytes) -> bytes:
    encoded = base64.b64encode(content)
    return b"".join(encoded[at : at + _LINE] + b"\r\n" for at in range(0, len(encoded), _LINE))
