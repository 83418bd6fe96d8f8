"""An e-mail as bytes for the wire. Written by hand: the standard builder takes 70 times as long per mail."""

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import datetime
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from urllib.parse import quote

from notifier.model import Attachment, EmailMessage

_BREAKS = re.compile(r"[\r\n\0]")
_SPECIALS = re.compile(r'[()<>\[\]:;@\\,."]')
#: The usual forms; the library's parser takes fifty times as long and is kept for the rest.
_ADDRESS = r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w.-]+"
_PLAIN_ADDRESS = re.compile(rf'^(?:(?P<alone>{_ADDRESS})|(?P<name>[^<>",;:\\()\[\]@]*?) *<(?P<named>{_ADDRESS})>)$')
_HEADER_NAME = re.compile(r"^[!-9;-~]+$")
#: Bytes of UTF-8 in one encoded word: 60 base64 characters and 12 of frame stay under the limit of 75.
_WORD_BYTES = 45
_LINE = 76
#: The longest line, in signs, of a text that leaves as it is; RFC 5322 allows 998.
_LONGEST_PLAIN_LINE = 900


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
    head = "".join(f"{name}: {value}\r\n" for name, value in _headers(message, date))
    return head.encode("utf-8") + b"MIME-Version: 1.0\r\n" + body


def _headers(message: EmailMessage, date: datetime) -> Iterator[tuple[str, str]]:
    given = {name.lower(): (name, value) for name, value in message.headers.items()}
    standard = {
        "From": mailbox(message.sender),
        "To": mailbox(message.to),
        "Subject": unstructured(message.subject),
        "Date": _on_the_clock(date.replace(microsecond=0)),
        "Message-ID": _safe(message.message_id),
        "Auto-Submitted": "auto-generated",
        "Content-Language": _safe(message.language),
    }
    for name, value in standard.items():
        if name.lower() not in given or name in ("From", "To", "Subject", "Message-ID"):
            yield name, value
    for lowered, (name, value) in given.items():
        if lowered in ("from", "to", "subject", "message-id", "mime-version"):
            continue
        if not _HEADER_NAME.match(name):
            raise UnsafeHeader("a header name holds a sign that is not allowed there")
        yield name, _safe(value) if value.isascii() else unstructured(value)


def _safe(text: str) -> str:
    if _BREAKS.search(text):
        raise UnsafeHeader("a header holds a line break")
    return text


def unstructured(text: str) -> str:
    """Free text for a header: as it is when it is short ASCII, else in encoded words."""
    _safe(text)
    if text.isascii() and len(text) <= 900 and "=?" not in text:
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


@lru_cache(maxsize=1024)
def mailbox(text: str) -> str:
    """An address header: `name <address>` with the name encoded or quoted where it must be."""
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


@lru_cache(maxsize=1024)
def bare_address(text: str) -> str:
    """The address alone, as the envelope needs it. Raises UnsafeHeader when there is none."""
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
    if _is_plain(lines):
        encoding, encoded = b"7bit", content.replace(b"\n", b"\r\n")
    elif len(content) - len(lines) > len(content) // 4:
        encoding, encoded = b"base64", _base64(content.replace(b"\n", b"\r\n"))
    else:
        encoding, encoded = b"quoted-printable", b"".join(map(_quoted_line, lines.split("\n")[:-1]))
    head = f"Content-Type: text/{kind}; charset=utf-8\r\n".encode("ascii")
    return head + b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + encoded


def _is_plain(lines: str) -> bool:
    """ASCII without control signs or long lines, and without what the boundaries between parts begin with."""
    is_printable = lines.isascii() and lines.replace("\n", "").isprintable() and "=_" not in lines
    return is_printable and max(map(len, lines.split("\n"))) <= _LONGEST_PLAIN_LINE


@lru_cache(maxsize=8192)
def _quoted_line(line: str) -> bytes:
    """A line in quoted-printable. It depends on no other line, and most lines of a letter are the same for all."""
    return binascii.b2a_qp(line.encode() + b"\n", istext=True).replace(b"\n", b"\r\n")


@lru_cache(maxsize=16)
def _on_the_clock(date: datetime) -> str:
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
