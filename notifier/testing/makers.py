"""Records with plain defaults; name only what a test is about, as keyword arguments."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from notifier.model import (
    Channel,
    Contact,
    DeliveryId,
    EmailMessage,
    Office,
    OfficeId,
    Party,
    PartyId,
    RoleHeld,
    Seen,
    SmsMessage,
    Stay,
    Subject,
    SubjectKind,
    Value,
    WhatsAppMessage,
)

_SEEN_AT = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)


def an_office(**changes: Any) -> Office:
    """An office in Bogor, on Western Indonesian time, open on weekdays from 8 to 15."""
    defaults: dict[str, Any] = {
        "id": OfficeId(1),
        "code": "BGR",
        "name": "Kantor Imigrasi Bogor",
        "zone": "Asia/Jakarta",
        "phone": "+622518321234",
        "sms_sender": "IMIGRASI",
        "whatsapp_sender": "+6281100000001",
        "email_sender": "Kantor Imigrasi Bogor <pengingat@imigrasi.example>",
    }
    return Office(**(defaults | changes))


def a_contact(channel: Channel = Channel.WHATSAPP, address: str = "+6281200000010", **changes: Any) -> Contact:
    """One usable address."""
    return Contact(channel, address, **changes)


def a_party(**changes: Any) -> Party:
    """An adult with a phone and an e-mail address who has told no language."""
    defaults: dict[str, Any] = {
        "id": PartyId(1),
        "number": "P1",
        "kind": "person",
        "name": "Maria Santos",
        "nationality": "PHL",
        "birth_date": date(1990, 5, 17),
        "contacts": (
            a_contact(Channel.WHATSAPP),
            a_contact(Channel.SMS),
            a_contact(Channel.EMAIL, "maria@example.com"),
        ),
    }
    return Party(**(defaults | changes))


def a_permit_subject(
    *,
    expiry: date = date(2026, 12, 31),
    holder: Party | None = None,
    facts: Mapping[str, Value] | None = None,
    **changes: Any,
) -> Subject:
    """An active limited stay permit; `facts` are laid over the default ones."""
    held: dict[str, Value] = {
        "type": "limited stay permit",
        "status": "active",
        "issue": date(expiry.year - 1, 1, 5),
        "expiry": expiry,
        "extensions left": 2,
    }
    defaults: dict[str, Any] = {
        "kind": SubjectKind.PERMIT,
        "id": 1,
        "number": "2C11JE0001-X",
        "office": an_office(),
        "facts": held | dict(facts or {}),
        "roles": (RoleHeld("holder", holder or a_party()),),
        "history": {"expiry": (Seen(expiry, _SEEN_AT),)},
    }
    return Subject(**(defaults | changes))


def a_case_subject(
    *,
    state: str = "awaiting payment",
    began_at: datetime = _SEEN_AT,
    holder: Party | None = None,
    facts: Mapping[str, Value] | None = None,
    **changes: Any,
) -> Subject:
    """A case in one state since `began_at` (aware); `facts` are laid over the default ones."""
    held: dict[str, Value] = {"service": "extension", "state": state, "submission": _SEEN_AT}
    defaults: dict[str, Any] = {
        "kind": SubjectKind.CASE,
        "id": 1,
        "number": "A-2026-000123",
        "office": an_office(),
        "facts": held | dict(facts or {}),
        "roles": (RoleHeld("holder", holder or a_party()),),
        "stays": (Stay(1, state, began_at),),
    }
    return Subject(**(defaults | changes))


def an_sms_message(**changes: Any) -> SmsMessage:
    """A text message of one part."""
    defaults: dict[str, Any] = {
        "delivery_id": DeliveryId(1),
        "to": "+6281200000010",
        "sender": "IMIGRASI",
        "text": "Kantor Imigrasi Bogor: your permit ending 0001 expires on 31 December 2026.",
        "segments": 1,
        "encoding": "GSM-7",
    }
    return SmsMessage(**(defaults | changes))


def a_whatsapp_message(**changes: Any) -> WhatsAppMessage:
    """A template message with two variables."""
    defaults: dict[str, Any] = {
        "delivery_id": DeliveryId(1),
        "to": "+6281200000010",
        "sender": "+6281100000001",
        "content_sid": "HX" + "0" * 32,
        "variables": {"1": "Maria", "2": "31 December 2026"},
        "text": "Hello Maria, your permit expires on *31 December 2026*.",
    }
    return WhatsAppMessage(**(defaults | changes))


def an_email_message(**changes: Any) -> EmailMessage:
    """A mail with a text and an HTML part."""
    defaults: dict[str, Any] = {
        "delivery_id": DeliveryId(1),
        "to": "maria@example.com",
        "sender": "Kantor Imigrasi Bogor <pengingat@imigrasi.example>",
        "subject": "Your permit expires on 31 December 2026",
        "text": "Dear Maria Santos,\n\nyour permit expires on 31 December 2026.\n",
        "html": "<p>Dear Maria Santos,</p><p>your permit expires on <b>31 December 2026</b>.</p>",
        "message_id": "<delivery-1@imigrasi.example>",
        "language": "en",
    }
    return EmailMessage(**(defaults | changes))
