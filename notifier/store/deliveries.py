"""Deliveries: one row for each try over one channel, written before the provider is called."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, insert, or_, select, union_all, update

from notifier.model import (
    CHANNELS,
    DELIVERY_MOVES,
    DELIVERY_STATES,
    REASONS,
    Accepted,
    Channel,
    DeliveryId,
    DeliveryState,
    NotificationId,
    Outcome,
    Reason,
    Rejected,
    Unknown,
)
from notifier.store import tables as t
from notifier.store.bulk import among, one_of
from notifier.store.many import insert_each, next_ids, update_each
from notifier.store.subjects import chunks
from notifier.store.types import Instant

D = t.delivery.c
M = t.delivery_member.c
L = t.letter.c
#: Widths of the columns for a provider's words.
CODE_LENGTH = 16
REFERENCE_LENGTH = 128
#: What stands in `detail` of a delivery that is written and not begun: its provider knows nothing of it for sure. Who
#: marks nothing (an older version) leaves it out, and then it counts as begun.
NOT_BEGUN = "not begun"
#: What a delivery keeps to itself when a notification begins anew with a copy of it.
NOT_COPIED = ("id", "message", "letter", "reference")
_IS_UNBEGUN = (D.state == DeliveryState.ATTEMPTING.value, D.detail == NOT_BEGUN)
UNBEGUN = select(D.id).where(one_of(D.id), *_IS_UNBEGUN)
NOW = bindparam("now", type_=Instant())
_MARK = update(t.delivery).values(detail=None, attempted_at=NOW, updated_at=NOW).returning(D.id)
#: The ids are picked once and locked, as in a claim.
_PICKED = func.array(UNBEGUN.order_by(D.id).with_for_update().scalar_subquery())
MARK_BEGUN = {"postgresql": _MARK.where(D.id == func.any(_PICKED)), "sqlite": _MARK.where(D.id.in_(UNBEGUN))}
LOCKED = select(D.id, D.state).where(one_of(D.id)).order_by(D.id).with_for_update()


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
    has_begun: bool = True

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
        members = _members(connection, select(deliveries_of(connection, chunk).c.delivery_id))
        mine = or_(among(connection, D.notification_id, chunk), among(connection, D.id, list(members)))
        with_form = t.delivery.outerjoin(t.letter, L.key == D.letter)
        current = select(t.delivery, L.form).select_from(with_form).where(mine, D.rung >= 0)
        for row in connection.execute(current.order_by(D.id)).all():
            one = _delivery(row, (row.notification_id, *members.get(row.id, ())))
            for key in one.tells:
                if key in wanted:
                    found.setdefault(key, []).append(one)
    return found


def read_members(connection: Connection, ids: Iterable[DeliveryId]) -> set[NotificationId]:
    """Every notification that some deliveries were made for."""
    found: set[NotificationId] = set()
    for chunk in chunks(ids):
        own = select(D.notification_id).where(among(connection, D.id, chunk))
        other = select(M.notification_id).where(among(connection, M.delivery_id, chunk))
        found |= {NotificationId(key) for key in connection.execute(union_all(own, other)).scalars()}
    return found


def deliveries_of(connection: Connection, ids: Sequence[int]) -> Any:
    """(delivery_id, notification_id) of all deliveries of some notifications, shared ones included: a subquery."""
    are_mine = among(connection, D.notification_id, ids)
    own = select(D.id.label("delivery_id"), D.notification_id).where(are_mine)
    shared = select(M.delivery_id, M.notification_id).where(among(connection, M.notification_id, ids))
    return union_all(own, shared).subquery("told")


def _members(connection: Connection, wanted: Select[Any]) -> dict[int, list[NotificationId]]:
    """The other notifications of shared deliveries."""
    members: dict[int, list[NotificationId]] = {}
    shared = select(t.delivery_member).where(M.delivery_id.in_(wanted)).order_by(M.notification_id)
    for row in connection.execute(shared).all():
        members.setdefault(row.delivery_id, []).append(NotificationId(row.notification_id))
    return members


def _delivery(row: Row[Any], tells: Sequence[int]) -> Delivery:
    return Delivery(
        id=DeliveryId(row.id),
        notification_id=NotificationId(row.notification_id),
        rung=row.rung,
        channel=CHANNELS[row.channel],
        provider=row.provider,
        address=row.address,
        state=DELIVERY_STATES[row.state],
        reason=REASONS[row.reason] if row.reason else None,
        reference=row.reference,
        attempted_at=row.attempted_at,
        message=_whole(row),
        language=row.language,
        tells=tuple(NotificationId(key) for key in tells),
        has_begun=row.state != DeliveryState.ATTEMPTING.value or row.detail != NOT_BEGUN,
    )


def _whole(row: Row[Any]) -> Mapping[str, Any] | None:
    """A message with the form that its words come from; None when it is not kept any more."""
    if row.letter is None or row.message is None:
        return row.message  # type: ignore[no-any-return]
    return None if row.form is None else {**row.message, "form": row.form}


def draw_ids(connection: Connection, count: int) -> list[DeliveryId]:
    """Ids of deliveries to come: a message holds its delivery's id, and is written together with it."""
    return [DeliveryId(key) for key in next_ids(connection, t.delivery, count)]


def write(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write deliveries in state `attempting`, with the ids that `draw_ids` gave.

    All rows name the same columns. A row's `message` is one that `pack` has made: a repeat of an unknown attempt keeps
    its bytes and Message-ID (S66).
    """
    insert_each(connection, t.delivery, [{**row, "state": DeliveryState.ATTEMPTING.value} for row in rows])


def join(connection: Connection, others: Mapping[DeliveryId, Iterable[NotificationId]]) -> None:
    """Write which other notifications each delivery tells."""
    rows = [{"delivery_id": key, "notification_id": one} for key, ids in others.items() for one in ids]
    if rows:
        insert_each(connection, t.delivery_member, rows)


def mark_begun(connection: Connection, ids: Sequence[DeliveryId], *, now: datetime) -> set[DeliveryId]:
    """Mark deliveries as begun, before their calls are; answers which may begin.

    The row decides between a slow worker and its successor: what was taken back, or is the successor's to follow up,
    is not among the answered. The attempt counts from here on.
    """
    asked = {"ids": list(ids), "now": now}
    return {DeliveryId(key) for key in connection.execute(MARK_BEGUN[connection.dialect.name], asked).scalars().all()}


def unbegun(connection: Connection, ids: Iterable[DeliveryId]) -> set[DeliveryId]:
    """Those of some deliveries that are written and not begun; certain only of those that the caller has locked."""
    found: set[DeliveryId] = set()
    for chunk in chunks(ids):
        found |= {DeliveryId(key) for key in connection.execute(UNBEGUN, {"ids": chunk}).scalars().all()}
    return found


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
            copied = {name: value for name, value in row._mapping.items() if name not in NOT_COPIED}
            connection.execute(insert(t.delivery).values({**copied, "notification_id": key}))
            leader = one.notification_id if one.notification_id != key else others[0]
            gone = (M.delivery_id == one.id, M.notification_id.in_([key, leader]))
            connection.execute(delete(t.delivery_member).where(*gone))
            connection.execute(update(t.delivery).where(D.id == one.id).values(notification_id=leader))
    mine = update(t.delivery).where(D.notification_id == key, D.rung >= 0)
    connection.execute(mine.values(rung=-1 - D.rung))


def lock(connection: Connection, ids: Iterable[DeliveryId]) -> dict[DeliveryId, DeliveryState]:
    """Lock deliveries in the order of their ids, as receipts do; answers where each stands."""
    states: dict[DeliveryId, DeliveryState] = {}
    for chunk in chunks(ids):
        found = connection.execute(LOCKED, {"ids": chunk}).all()
        states |= {DeliveryId(key): DELIVERY_STATES[state] for key, state in found}
    return states


def record(connection: Connection, outcomes: Mapping[DeliveryId, Outcome | None], *, now: datetime) -> None:
    """Write what the provider answered, unless a receipt was faster. None: the call was never begun; the row goes."""
    states = lock(connection, outcomes)
    # What a successor has called unknown meanwhile is its to follow up.
    unstarted = [key for key, state in states.items() if outcomes[key] is None and state is DeliveryState.ATTEMPTING]
    if unstarted:
        take_back(connection, unstarted)
    known = [(key, outcome) for key, outcome in sorted(outcomes.items()) if key in states]
    rows = [_outcome_row(key, outcome) for key, outcome in known if outcome is not None]
    may_move = [row for row in rows if row["state"] in DELIVERY_MOVES[states[row["id"]]]]
    moving = {row["id"] for row in may_move}
    named = [row for row in may_move if row["reference"] is not None]
    unnamed = [row for row in may_move if row["reference"] is None]
    late = [row for row in rows if row["reference"] is not None and row["id"] not in moving]
    same = {"outcome_at": now, "updated_at": now}
    update_each(connection, t.delivery, named, same=same)
    update_each(connection, t.delivery, [_without_reference(row) for row in unnamed], same=same)
    update_each(connection, t.delivery, [{"id": row["id"], "reference": row["reference"]} for row in late])


def _without_reference(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "reference"}


def _outcome_row(key: DeliveryId, outcome: Outcome) -> dict[str, Any]:
    state, reason, code, detail, reference = DeliveryState.UNKNOWN, None, None, None, None
    match outcome:
        case Accepted(given):
            state, reference = DeliveryState.ACCEPTED, clean(given or "", REFERENCE_LENGTH)
        case Rejected(why, _, error, words):
            state, reason = DeliveryState.FAILED, why.value
            code, detail = clean(error or "", CODE_LENGTH), clean(words)
        case Unknown(words):
            reason, detail = Reason.TIMED_OUT.value, clean(words)
    return {
        "id": key,
        "state": state.value,
        "reason": reason,
        "code": code,
        "detail": detail,
        "reference": reference,
    }


def clean(text: str, length: int = 500) -> str | None:
    """A provider's words, without what a database refuses, and no longer than their column or anybody reads."""
    return text.replace("\x00", "")[:length] or None
