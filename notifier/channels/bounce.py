"""Bounces: mails that say what became of a mail of ours (RFC 3464), and complaints about one (RFC 5965)."""

import mailbox
import re
from collections.abc import Iterator, Mapping
from email import message_from_bytes, policy
from email.message import Message
from email.utils import getaddresses
from pathlib import Path

from notifier.channels.smtp_answers import Reply, Step, refusal
from notifier.model import Action, DeliveryId, DeliveryState, Reason, Receipt
from notifier.tokens import read_bounce_name

PROVIDER = "smtp"
#: Our own header in an e-mail, signed like the return path: a returned mail with it names its delivery.
DELIVERY_HEADER = "X-Notifier-Delivery"

#: Where a bounce may carry the return path it was sent to.
ADDRESS_HEADERS = ("X-Original-To", "Delivered-To", "Envelope-To", "X-Envelope-To", "To", "Cc")
#: Postfix names the mail in its reports as it did when it took it: "queued as ...".
QUEUE_FIELD = "X-Postfix-Queue-ID"
#: The fields of a report that are kept; the returned mail itself is not, it may hold personal data.
KEPT_FIELDS = (
    "Action",
    "Status",
    "Diagnostic-Code",
    "Remote-MTA",
    "Reporting-MTA",
    "Arrival-Date",
    "Last-Attempt-Date",
    "Will-Retry-Until",
    "Feedback-Type",
    QUEUE_FIELD,
)
#: The largest mail that is looked at, in bytes: a report returns at most the mail we sent.
LARGEST = 10_000_000

#: An enhanced status, and no part of an IP address or a version.
_STATUS = re.compile(r"(?<![\w.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_REPLY = re.compile(r"\b([45])\d\d\b")
_NO_SUCH_USER = re.compile(
    r"user unknown|unknown user|does not exist|no such (user|recipient|mailbox|address)"
    r"|mailbox (not found|unavailable)|(recipient|address) (rejected|unknown|not found)"
    r"|invalid (recipient|mailbox|address)",
    re.IGNORECASE,
)


def parse_bounce(content: bytes, *, key: bytes | None = None) -> Receipt | None:
    """What a mail from the bounce mailbox says of a delivery; None when it is no report about a mail of ours.

    The delivery is named by the signed return path (only believed with the `key`), else by the name that the relay
    gave the mail, else by the Message-ID of the returned mail. What says nothing final, or cannot be read, moves
    nothing.
    """
    mail = message_from_bytes(content[:LARGEST], policy=policy.default)
    returned = _returned(mail)
    addressed = _named_by_address(mail, key) if key else None
    fields = _report(mail) or (_plain(mail) if addressed is not None else {})
    delivery_id = addressed or (_named_inside(returned, key) if key else None)
    # Better than the Message-ID: the relay told us this name when it took the mail.
    reference = fields.get(QUEUE_FIELD) or _message_id(returned)
    if not fields or (delivery_id is None and reference is None):
        return None
    raw = dict(fields) | ({"Message-ID": _message_id(returned) or ""} if returned is not None else {})
    return read_fields(raw, delivery_id=delivery_id)


def read_fields(raw: Mapping[str, str], *, delivery_id: DeliveryId | None = None) -> Receipt:
    """The receipt that the kept fields of a report amount to."""
    status = _status(raw)
    state, reason, action = _meaning(raw, status)
    return Receipt(
        PROVIDER,
        state,
        raw,
        reference=raw.get(QUEUE_FIELD) or raw.get("Message-ID") or None,
        delivery_id=delivery_id,
        code=status,
        reason=reason,
        action=action,
    )


def read_mails(path: Path) -> Iterator[bytes]:
    """The mails of a Maildir, of a folder of files, of an mbox, or the one mail of a file."""
    if path.is_dir():
        if (path / "cur").is_dir() and (path / "new").is_dir():
            folder = mailbox.Maildir(path, create=False)
            yield from (folder.get_bytes(name) for name in sorted(folder.keys()))
        else:
            yield from (file.read_bytes() for file in sorted(path.iterdir()) if file.is_file())
        return
    content = path.read_bytes()
    if not content.startswith(b"From "):
        yield content
        return
    box = mailbox.mbox(path, create=False)
    try:
        yield from (box.get_bytes(number) for number in box.keys())  # noqa: SIM118 - a mailbox iterates messages
    finally:
        box.close()


def _meaning(raw: Mapping[str, str], status: str | None) -> tuple[DeliveryState | None, Reason | None, Action | None]:
    if raw.get("Feedback-Type", "").strip().casefold() == "abuse":
        return None, Reason.BLOCKED_BY_RECIPIENT, Action.SUPPRESS
    match raw.get("Action", "").strip().casefold():
        case "delivered":
            return DeliveryState.DELIVERED, None, None
        case "failed":
            return DeliveryState.FAILED, *_why(status or "", raw.get("Diagnostic-Code", ""))
        case _:  # delayed; relayed and expanded prove nothing
            return None, None, None


def _why(status: str, diagnostic: str) -> tuple[Reason, Action]:
    """Why a mail failed for good. One far server's objection to us is no reason to stop the whole channel."""
    if status.startswith("5") and not status.endswith(".0.0"):
        refused = refusal(Step.RCPT, Reply(550, status))
        stops = refused.action is Action.STOP_CHANNEL
        return refused.reason, Action.NEXT_CHANNEL if stops else refused.action
    if not status.startswith("4") and _NO_SUCH_USER.search(diagnostic):
        return Reason.BAD_ADDRESS, Action.BAD_ADDRESS
    return Reason.NOT_REACHABLE, Action.NEXT_CHANNEL


def _status(raw: Mapping[str, str]) -> str | None:
    """The enhanced status; where the report only says x.0.0, the more exact one of the refusing server."""
    texts = (raw.get("Status", ""), raw.get("Diagnostic-Code", ""))
    found = [match.group(0) for text in texts for match in [_STATUS.search(text)] if match]
    exact = [status for status in found if not status.endswith(".0.0")]
    return next(iter(exact or found), None)


def _report(mail: Message) -> dict[str, str]:
    """The fields of the report's machine-readable part; {} when the mail has none."""
    for part in mail.walk():
        if part.get_content_type() == "message/delivery-status":
            return _delivery_status(part)
        if part.get_content_type() == "message/feedback-report":
            return _kept(_headers(part))
    return {}


def _delivery_status(part: Message) -> dict[str, str]:
    """The fields about the whole mail and those about the recipient; our mails have one recipient each."""
    fields: dict[str, str] = {}
    for block in _blocks(part):
        recipient = _kept(block)
        # Where a list expanded our one recipient, a failure says more than the deliveries beside it.
        if recipient.get("Action", "").casefold() == "failed" or "Action" not in fields:
            fields |= recipient
    return fields


def _blocks(part: Message) -> list[Message]:
    payload = part.get_payload()
    if isinstance(payload, list):
        return [block for block in payload if isinstance(block, Message)]
    return [_headers(part)]


def _headers(part: Message) -> Message:
    """The fields inside a part, whichever way the parser took it."""
    payload = part.get_payload()
    if isinstance(payload, list):
        return next((block for block in payload if isinstance(block, Message)), part)
    content = part.get_payload(decode=True)
    return message_from_bytes(content if isinstance(content, bytes) else b"", policy=policy.default)


def _kept(block: Message) -> dict[str, str]:
    return {name: _text(block, name) for name in KEPT_FIELDS if block.get(name) is not None}


def _text(block: Message, name: str) -> str:
    return " ".join(str(block.get(name, "")).split())


def _plain(mail: Message) -> dict[str, str]:
    """What a bounce without a readable report says, from the refusal it quotes; {} for mails of people."""
    failed = mail.get("X-Failed-Recipients") is not None
    if not (failed or _is_from_mail_system(mail)):
        return {}
    lines = [line for part in _own_texts(mail) for line in part.splitlines()]
    for pattern in (_STATUS, _REPLY):
        found = next(((match, line) for line in lines for match in [pattern.search(line)] if match), None)
        if found:
            final = failed or found[0].group(1) == "5"
            quoted = " ".join(found[1].split())[:500]
            return {"Action": "failed" if final else "delayed", "Diagnostic-Code": quoted}
    return {"Action": "failed" if failed else "unreadable"}


def _is_from_mail_system(mail: Message) -> bool:
    """Neither a person nor an answering machine: those also write to a return path."""
    sender = _text(mail, "From").casefold()
    is_named = any(name in sender for name in ("mailer-daemon", "postmaster", "mail delivery"))
    return mail.get_content_type() == "multipart/report" or is_named


def _own_texts(part: Message) -> Iterator[str]:
    """The plain texts of a mail, but not those of the mail it returns."""
    payload = part.get_payload()
    if part.get_content_type() == "text/plain" and isinstance(payload, str):
        yield payload
    elif part.is_multipart() and isinstance(payload, list) and part.get_content_maintype() == "multipart":
        for inner in payload:
            if isinstance(inner, Message):
                yield from _own_texts(inner)


def _returned(mail: Message) -> Message | None:
    """The mail of ours, or its header, that the report returns."""
    for part in mail.walk():
        if part.get_content_type() == "message/rfc822":
            payload = part.get_payload()
            return payload[0] if isinstance(payload, list) and isinstance(payload[0], Message) else None
        if part.get_content_type() == "text/rfc822-headers":
            return _headers(part)
    return None


def _message_id(returned: Message | None) -> str | None:
    return (_text(returned, "Message-ID") or None) if returned is not None else None


def _named_by_address(mail: Message, key: bytes) -> DeliveryId | None:
    for name in ADDRESS_HEADERS:
        for _, address in getaddresses([str(value) for value in mail.get_all(name, [])]):
            found = read_bounce_name(key, address.rpartition("@")[0])
            if found is not None:
                return found
    return None


def _named_inside(returned: Message | None, key: bytes) -> DeliveryId | None:
    return read_bounce_name(key, _text(returned, DELIVERY_HEADER)) if returned is not None else None
