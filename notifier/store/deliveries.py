"""Deliveries: one row for each try over one channel, written before the provider is called."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, insert, or_, select, union_all, update

from notifier.model import (
    DELIVERY_MOVES,
    Accepted,
    Attachment,
    Channel,
    DeliveryId,
    DeliveryState,
    EmailMessage,
    Message,
    NotificationId,
    Outcome,
    Reason,
    Rejected,
    SmsMessage,
    Unknown,
    WhatsAppMessage,
    origins,
)
from notifier.store import tables as t
from notifier.store.bulk import slices
from notifier.store.subjects import chunks

D = t.delivery.c
M = t.delivery_member.c
#: Widths of the columns for a provider's words.
CODE_LENGTH = 16
REFERENCE_LENGTH = 128


@dataclass(frozen=True, slots=True)
class Delivery:
    """A try over one channel as the ladder sees it; `tells` are the notifications it was made for (S77, S80)."""

    id: DeliveryId
    notification_id: NotificationId
    rung: int
    channel: Channel
    provider: str
    address: str
    state: DeliveryState
    reason: Reason | None
    reference: str | None
    attempted_at: datetime
    message: Mapping[str, Any] | None
    language: str
    tells: tuple[NotificationId, ...]

    @property
    def may_be_repeated(self) -> bool:
        """It failed for now; everything else about this channel of the rung is settled."""
        return self.state is DeliveryState.FAILED and self.reason in (Reason.TEMPORARY, Reason.CONFIGURATION)


def read_deliveries(connection: Connection, ids: Iterable[NotificationId]) -> dict[NotificationId, list[Delivery]]:
    """The deliveries of some notifications, oldest first; those before a `resend` are left out.

    One that several share is listed with each of them.
    """
    found: dict[NotificationId, list[Delivery]] = {}
    for chunk in chunks(ids):
        wanted = set(chunk)
        members = _members(connection, select(deliveries_of(chunk).c.delivery_id))
        current = select(t.delivery).where(or_(D.notification_id.in_(chunk), D.id.in_(members)), D.rung >= 0)
        for row in connection.execute(current.order_by(D.id)):
            one = _delivery(row, (row.notification_id, *members.get(row.id, ())))
            for key in one.tells:
                if key in wanted:
                    found.setdefault(key, []).append(one)
    return found


def read_members(connection: Connection, ids: Iterable[DeliveryId]) -> set[NotificationId]:
    """Every notification that some deliveries were made for."""
    found: set[NotificationId] = set()
    for chunk in chunks(ids):
        own = select(D.notification_id).where(D.id.in_(chunk))
        other = select(M.notification_id).where(M.delivery_id.in_(chunk))
        found |= {NotificationId(key) for key in connection.execute(union_all(own, other)).scalars()}
    return found


def deliveries_of(ids: Sequence[int]) -> Any:
    """(delivery_id, notification_id) of all deliveries of some notifications, shared ones included: a subquery."""
    own = select(D.id.label("delivery_id"), D.notification_id).where(D.notification_id.in_(ids))
    shared = select(M.delivery_id, M.notification_id).where(M.notification_id.in_(ids))
    return union_all(own, shared).subquery("told")


def _members(connection: Connection, wanted: Select[Any]) -> dict[int, list[NotificationId]]:
    """The other notifications of shared deliveries."""
    members: dict[int, list[NotificationId]] = {}
    shared = select(t.delivery_member).where(M.delivery_id.in_(wanted)).order_by(M.notification_id)
    for row in connection.execute(shared):
        members.setdefault(row.delivery_id, []).append(NotificationId(row.notification_id))
    return members


def _delivery(row: Row[Any], tells: Sequence[int]) -> Delivery:
    return Delivery(
        id=DeliveryId(row.id),
        notification_id=NotificationId(row.notification_id),
        rung=row.rung,
        channel=Channel(row.channel),
        provider=row.provider,
        address=row.address,
        state=DeliveryState(row.state),
        reason=Reason(row.reason) if row.reason else None,
        reference=row.reference,
        attempted_at=row.attempted_at,
        message=row.message,
        language=row.language,
        tells=tuple(NotificationId(key) for key in tells),
    )


def begin(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[DeliveryId]:
    """Write deliveries in state `attempting`; answers their ids in the order of the rows."""
    ids: list[DeliveryId] = []
    for part in slices(rows):
        answer = connection.execute(
            insert(t.delivery).returning(D.id, sort_by_parameter_order=True),
            [{**row, "state": DeliveryState.ATTEMPTING.value} for row in part],
        )
        ids += [DeliveryId(key) for key in answer.scalars()]
    return ids


def join(connection: Connection, others: Mapping[DeliveryId, Iterable[NotificationId]]) -> None:
    """Write which other notifications each delivery tells."""
    rows = [{"delivery_id": key, "notification_id": one} for key, ids in others.items() for one in ids]
    if rows:
        connection.execute(insert(t.delivery_member), rows)


def take_back(connection: Connection, ids: Sequence[DeliveryId]) -> None:
    """Remove deliveries whose call was never begun."""
    connection.execute(delete(t.delivery_member).where(M.delivery_id.in_(ids)))
    connection.execute(delete(t.delivery).where(D.id.in_(ids)))


def set_aside(connection: Connection, key: NotificationId) -> None:
    """Let a notification begin anew: what it was told before stays on record as rungs below zero.

    A delivery that others share stays theirs, with its receipts to come; the notification keeps a copy.
    """
    for one in read_deliveries(connection, [key]).get(key, []):
        others = [other for other in one.tells if other != key]
        if others:
            row = connection.execute(select(t.delivery).where(D.id == one.id)).one()
            copied = {name: value for name, value in row._mapping.items() if name not in ("id", "message", "reference")}
            connection.execute(insert(t.delivery).values({**copied, "notification_id": key}))
            leader = one.notification_id if one.notification_id != key else others[0]
            gone = (M.delivery_id == one.id, M.notification_id.in_([key, leader]))
            connection.execute(delete(t.delivery_member).where(*gone))
            connection.execute(update(t.delivery).where(D.id == one.id).values(notification_id=leader))
    mine = update(t.delivery).where(D.notification_id == key, D.rung >= 0)
    connection.execute(mine.values(rung=-1 - D.rung))


def keep_messages(
    connection: Connection, messages: Mapping[DeliveryId, Message], languages: Mapping[DeliveryId, str]
) -> None:
    """Keep each message as it leaves: a repeat of an unknown attempt keeps its bytes and Message-ID (S66)."""
    if not messages:
        return
    rows = [
        {
            "key": key,
            "stored": pack(message),
            "spoken": languages.get(key, ""),
            "segments": message.segments if isinstance(message, SmsMessage) else None,
        }
        for key, message in sorted(messages.items())
    ]
    statement = update(t.delivery).where(D.id == bindparam("key"))
    connection.execute(
        statement.values(message=bindparam("stored"), language=bindparam("spoken"), segments=bindparam("segments")),
        rows,
    )


def lock(connection: Connection, ids: Iterable[DeliveryId]) -> None:
    """Lock deliveries in the order of their ids, as receipts do, before outcomes are written state by state."""
    for chunk in chunks(ids):
        connection.execute(select(D.id).where(D.id.in_(chunk)).order_by(D.id).with_for_update())


def record(connection: Connection, outcomes: Mapping[DeliveryId, Outcome], *, now: datetime) -> None:
    """Write what the provider answered, unless a receipt was faster."""
    rows = [_outcome_row(key, outcome, now) for key, outcome in sorted(outcomes.items())]
    for state in DeliveryState:
        part = [row for row in rows if row["to"] == state.value]
        if not part:
            continue
        allowed = [origin.value for origin in origins(DELIVERY_MOVES, state)]
        connection.execute(
            update(t.delivery)
            .where(D.id == bindparam("key"), or_(*(D.state == origin for origin in allowed)))
            .values(
                state=bindparam("to"),
                reason=bindparam("why"),
                code=bindparam("error"),
                detail=bindparam("words"),
                outcome_at=bindparam("now"),
                updated_at=bindparam("now"),
            ),
            part,
        )
    referenced = [row for row in rows if row["ref"] is not None]
    if referenced:
        connection.execute(
            update(t.delivery).where(D.id == bindparam("key")).values(reference=bindparam("ref")), referenced
        )


def _outcome_row(key: DeliveryId, outcome: Outcome, now: datetime) -> dict[str, Any]:
    row: dict[str, Any] = {"key": key, "now": now, "ref": None, "why": None, "error": None, "words": None}
    match outcome:
        case Accepted(reference):
            return row | {"to": DeliveryState.ACCEPTED.value, "ref": clean(reference or "", REFERENCE_LENGTH)}
        case Rejected(reason, _, code, detail):
            failed = {"to": DeliveryState.FAILED.value, "why": reason.value, "error": clean(code or "", CODE_LENGTH)}
            return row | failed | {"words": clean(detail)}
        case Unknown(detail):
            lost = {"to": DeliveryState.UNKNOWN.value, "why": Reason.TIMED_OUT.value}
            return row | lost | {"words": clean(detail)}


def clean(text: str, length: int = 500) -> str | None:
    """A provider's words, without what a database refuses, and no longer than their column or anybody reads."""
    return text.replace("\x00", "")[:length] or None


def pack(message: Message) -> dict[str, Any]:
    """A message as JSON."""
    packed: dict[str, Any] = asdict(message)
    packed["kind"] = type(message).__name__
    if isinstance(message, EmailMessage):
        packed["attachments"] = [
            {**asdict(one), "content": base64.b64encode(one.content).decode()} for one in message.attachments
        ]
    return packed


def unpack(packed: Mapping[str, Any], delivery_id: DeliveryId) -> Message:
    """The same message again, for another delivery."""
    values = {key: value for key, value in packed.items() if key != "kind"} | {"delivery_id": delivery_id}
    match packed["kind"]:
        case "SmsMessage":
            return SmsMessage(**values)
        case "WhatsAppMessage":
            return WhatsAppMessage(**values)
        case _:
            values["attachments"] = tuple(
                Attachment(one["filename"], one["content_type"], base64.b64decode(one["content"]))
                for one in values["attachments"]
            )
            return EmailMessage(**values)
