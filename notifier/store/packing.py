"""Messages as the database keeps them: fields by name, and the words that many share once, as forms with gaps."""

import base64
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from notifier.model import (
    Attachment,
    DeliveryId,
    EmailMessage,
    Filled,
    Form,
    Message,
    Part,
    SmsMessage,
    WhatsAppMessage,
)
from notifier.store import tables as t

L = t.letter.c


def pack(message: Message) -> dict[str, Any]:
    """A message as JSON: its fields by name, and which kind it is. `dataclasses.asdict` takes ten times as long.

    Of words that come from a form only what stands in its gaps; `keep_letters` keeps the form.
    """
    packed: dict[str, Any] = {name: getattr(message, name) for name in message.__slots__}
    packed["kind"] = type(message).__name__
    if isinstance(message, EmailMessage):
        filled = packed.pop("filled")
        if filled is not None:
            for name in ("subject", "text", "html"):
                del packed[name]
            packed["values"] = filled.values
        packed["headers"] = dict(message.headers)
        packed["attachments"] = [
            {
                "filename": one.filename,
                "content_type": one.content_type,
                "content": base64.b64encode(one.content).decode(),
            }
            for one in message.attachments
        ]
    elif isinstance(message, WhatsAppMessage):
        packed["variables"] = dict(message.variables)
    return packed


def unpack(packed: Mapping[str, Any], delivery_id: DeliveryId) -> Message:
    """The same message again, for another delivery; `packed` has its form with it, if it came from one."""
    values = {key: value for key, value in packed.items() if key != "kind"} | {"delivery_id": delivery_id}
    match packed["kind"]:
        case "SmsMessage":
            return SmsMessage(**values)
        case "WhatsAppMessage":
            return WhatsAppMessage(**values)
        case _:
            if "form" in values:
                form = Form(*(Part(tuple(pieces), tuple(places)) for pieces, places in values.pop("form")))
                filled = values["filled"] = Filled(form, tuple(values.pop("values")))
                values["subject"], values["text"], values["html"] = form.fill(filled.values)
            values["attachments"] = tuple(
                Attachment(one["filename"], one["content_type"], base64.b64decode(one["content"]))
                for one in values["attachments"]
            )
            return EmailMessage(**values)


def keep_letters(connection: Connection, forms: Iterable[Form], *, on: date) -> None:
    """Write the forms of deliveries that follow in the same transaction, and that they are used on this day (UTC)."""
    wanted = {form.key: form for form in forms}
    if not wanted:
        return
    known = set(connection.execute(select(L.key).where(L.key.in_(wanted), L.used_on >= on)).scalars().all())
    rows = [
        {"key": key, "form": [[one.pieces, one.places] for one in (form.subject, form.text, form.html)], "used_on": on}
        for key, form in sorted(wanted.items())
        if key not in known
    ]
    if rows:
        made: Any = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(t.letter)
        fresh = {"used_on": made.excluded.used_on}
        connection.execute(made.on_conflict_do_update(index_elements=[L.key], set_=fresh), rows)
