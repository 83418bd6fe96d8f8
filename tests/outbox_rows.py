"""Rows for tests of what happens after sending: an office, parties, notifications and deliveries."""

from datetime import UTC, datetime, time
from typing import Any

from sqlalchemy import Boolean, Connection, Table, func, insert, select

from notifier.model import Channel, DeliveryId, DeliveryState, NotificationId, PartyId
from notifier.store import tables

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
NUMBER = "+6281234567890"


def add(connection: Connection, table: Table, **values: Any) -> int:
    """Insert one row; answers its id."""
    key = connection.execute(insert(table).values(**values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def an_office(connection: Connection) -> int:
    """The office, made by the first who asks."""
    known = connection.scalar(select(tables.office.c.id))
    return known or add(
        connection,
        tables.office,
        code="jakarta",
        name="Kantor Imigrasi Contoh",
        zone="Asia/Jakarta",
        country="ID",
        opens_at=time(8),
        closes_at=time(15),
        weekdays=[0, 1, 2, 3, 4],
        closed_days=[],
        working_days=[],
    )


def a_party(connection: Connection, channel: Channel = Channel.WHATSAPP, address: str = NUMBER) -> PartyId:
    """A person with one contact."""
    number = (connection.scalar(select(func.count()).select_from(tables.party)) or 0) + 1
    party = add(connection, tables.party, number=f"P{number}", kind="person", name="A Person", attributes={})
    add(connection, tables.contact, party_id=party, channel=channel, address=address, usable=True)
    return PartyId(party)


def a_notification(connection: Connection, party: PartyId, **values: Any) -> NotificationId:
    """Something that was sent to the party and waits for its receipt."""
    number = (connection.scalar(select(func.count()).select_from(tables.notification)) or 0) + 1
    # A flag that a test does not speak of is off.
    flags = {
        column.name: False
        for column in tables.notification.c
        if isinstance(column.type, Boolean) and not column.nullable
    }
    row = {
        "rule": "expiry",
        "step": "30 days before",
        "occurrence": 0,
        "subject_kind": "permit",
        "subject_id": number,
        "cycle": "2026-12-24",
        "party_id": party,
        "role": "holder",
        "office_id": an_office(connection),
        "rule_digest": "",
        "state": "sent",
        "moment": NOW,
        "attempt": 1,
        "rung": 1,
        "rungs": 1,
        "tries": 0,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return NotificationId(add(connection, tables.notification, **(flags | row | values)))


def a_delivery(
    connection: Connection,
    *,
    state: DeliveryState = DeliveryState.ATTEMPTING,
    channel: Channel = Channel.WHATSAPP,
    address: str = NUMBER,
    provider: str = "twilio",
    reference: str | None = None,
    notification: NotificationId | None = None,
) -> DeliveryId:
    """One try, with a party and a notification of its own unless one is named."""
    notification = notification or a_notification(connection, a_party(connection, channel, address))
    return DeliveryId(
        add(
            connection,
            tables.delivery,
            notification_id=notification,
            attempt=1,
            rung=0,
            channel=channel,
            provider=provider,
            address=address,
            language="id",
            template="expiry",
            state=state,
            reference=reference,
            attempted_at=NOW,
            updated_at=NOW,
        )
    )
