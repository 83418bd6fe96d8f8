"""What is not needed any more: texts first, then the rows of persons; figures without persons remain."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, String, cast, delete, exists, func, insert, null, select, update

from notifier.model import DeliveryState
from notifier.store import tables as t
from notifier.store.subjects import CHUNK, chunks

N, D, M, P = t.notification.c, t.delivery.c, t.delivery_member.c, t.past_notification.c
L = t.letter.c
#: What is known of a message in these states will not change because its text is gone.
OPEN = (DeliveryState.ATTEMPTING.value, DeliveryState.UNKNOWN.value)


def blank_messages(connection: Connection, before: datetime, *, after: int, most: int) -> tuple[int, int | None]:
    """Remove the texts of messages that left before an instant, from a delivery number on.

    Answers how many were blanked, and the number to go on from (None: that was all). A message whose outcome is
    still open keeps its text: it may have to be repeated as it was.
    """
    page = select(D.id).where(D.id > after, D.attempted_at < before).order_by(D.id).limit(most)
    ids = list(connection.execute(page).scalars())
    blanked = 0
    for chunk in chunks(ids):
        old = (D.id.in_(chunk), D.message.is_not(None), D.state.not_in(OPEN))
        found = select(D.id).where(*old, cast(D.message, String) != "null")  # as JSON writes what is blanked
        wanted = list(connection.execute(found.order_by(D.id).with_for_update()).scalars())
        if wanted:
            connection.execute(update(t.delivery).where(D.id.in_(wanted)).values(message=null(), letter=null()))
            blanked += len(wanted)
    return blanked, ids[-1] if len(ids) == most else None


def retire(connection: Connection, before: datetime, *, after: int, most: int) -> tuple[int, int | None]:
    """Move notifications that were over before an instant out of the outbox, from a number on, the oldest first.

    With each go its deliveries, receipts and story; its figures stay in `past_notification`. What may still be
    judged by stays: all of one rule and subject stays while one of them is open or useful. Answers how many went,
    and the number to go on from (None: that was all).
    """
    page = select(N.id).where(N.id > after, N.created_at < before).order_by(N.id).limit(most)
    ids = list(connection.execute(page).scalars())
    gone = 0
    for chunk in chunks(ids):
        over = _over(connection, chunk, before)
        if over:
            _move_out(connection, over)
            gone += len(over)
    return gone, ids[-1] if len(ids) == most else None


def _over(connection: Connection, ids: Sequence[int], before: datetime) -> list[int]:
    other = t.notification.alias("other")
    alive = exists().where(
        other.c.subject_kind == N.subject_kind,
        other.c.subject_id == N.subject_id,
        other.c.rule == N.rule,
        other.c.next_attempt_at.is_not(None) | (other.c.useful_until >= before) | (other.c.created_at >= before),
    )
    shared = _shares_a_message_with_what_stays(before)
    wanted = (N.id.in_(ids), N.next_attempt_at.is_(None), N.settled_at < before, ~alive, ~shared)
    return list(connection.execute(select(N.id).where(*wanted).order_by(N.id).with_for_update()).scalars())


def _shares_a_message_with_what_stays(before: datetime) -> ColumnElement[bool]:
    """One message told several: they go when the last of them is over."""
    mine, theirs = t.delivery_member.alias("mine"), t.delivery_member.alias("theirs")
    fellow, made = t.notification.alias("fellow"), t.delivery.alias("made")
    is_fresh = fellow.c.settled_at.is_(None) | (fellow.c.settled_at >= before)
    as_member = (
        select(fellow.c.id)
        .select_from(mine)
        .join(made, made.c.id == mine.c.delivery_id)
        .outerjoin(theirs, theirs.c.delivery_id == made.c.id)
        .join(fellow, (fellow.c.id == made.c.notification_id) | (fellow.c.id == theirs.c.notification_id))
        .where(mine.c.notification_id == N.id, is_fresh)
    )
    as_leader = (
        select(fellow.c.id)
        .select_from(made)
        .join(theirs, theirs.c.delivery_id == made.c.id)
        .join(fellow, fellow.c.id == theirs.c.notification_id)
        .where(made.c.notification_id == N.id, is_fresh)
    )
    return as_member.correlate(t.notification).union_all(as_leader.correlate(t.notification)).exists()


def _move_out(connection: Connection, ids: Sequence[int]) -> None:
    """Figures first, then what hangs on the rows, then the rows."""
    names = ("id", "rule", "step", "rule_digest", "subject_kind", "office_id", "state", "reason", "moment", "told_at")
    messages = select(func.count()).where(D.notification_id == N.id).scalar_subquery()
    figures = select(*(N[name] for name in names), N.settled_at, messages).where(N.id.in_(ids))
    connection.execute(insert(t.past_notification).from_select([*names, "settled_at", "messages"], figures))
    deliveries = list(connection.execute(select(D.id).where(D.notification_id.in_(ids)).order_by(D.id)).scalars())
    connection.execute(delete(t.event).where(t.event.c.notification_id.in_(ids)))
    connection.execute(delete(t.delivery_member).where(M.notification_id.in_(ids)))
    for chunk in chunks(deliveries):
        # A fellow that stayed a moment longer keeps its own row; the message it shared is gone with this one.
        connection.execute(delete(t.delivery_member).where(M.delivery_id.in_(chunk)))
        connection.execute(delete(t.receipt).where(t.receipt.c.delivery_id.in_(chunk)))
        connection.execute(delete(t.delivery).where(D.id.in_(chunk)))
    connection.execute(delete(t.cap_use).where(t.cap_use.c.notification_id.in_(ids)))
    done_with = (t.work_item.c.notification_id.in_(ids), t.work_item.c.closed_at.is_not(None))
    connection.execute(delete(t.work_item).where(*done_with))  # what nobody has looked at stays on the list
    connection.execute(delete(t.notification).where(N.id.in_(ids)))


def letters_before(connection: Connection, day: date) -> int:
    """Remove forms of e-mails that were last used before a day (UTC) and that no kept message needs; answers how many.

    Who uses one again meanwhile has written its day, or writes the form anew.
    """
    old = list(connection.execute(select(L.key).where(L.used_on < day)).scalars())
    needed = select(D.letter).where(D.letter.is_not(None)).distinct()
    gone = 0
    for start in range(0, len(old), CHUNK):
        unused = (L.key.in_(old[start : start + CHUNK]), L.used_on < day, L.key.not_in(needed))
        gone += connection.execute(delete(t.letter).where(*unused)).rowcount
    return gone


def orphans_before(connection: Connection, before: datetime) -> int:
    """Remove receipts that never found their delivery and are older; answers how many."""
    r = t.receipt.c
    return connection.execute(delete(t.receipt).where(r.delivery_id.is_(None), r.received_at < before)).rowcount
