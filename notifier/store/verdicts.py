"""An officer's word about the messages of a day: who asks for it, and what becomes of what waited (S83, S84)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, or_, select, update

from notifier.model import NotificationId, NotificationState, Reason
from notifier.store import tables as t
from notifier.store.daily import HOLDS, LET_OUT, BatchState, DailyBatch, Key, batch_of, has_left, person, waits_with
from notifier.store.outbox import insert_once, note
from notifier.store.subjects import chunks

B, N = t.daily_batch.c, t.notification.c
#: The kind of the work item that asks an officer for a word.
WORK = "held batch"


def decide_batch(
    connection: Connection, batch: DailyBatch, state: BatchState, *, due: int, by: str, now: datetime
) -> bool:
    """Write down what an officer said of a held batch; False when somebody said something meanwhile."""
    allowed = due if state is BatchState.APPROVED else batch.allowed
    values = {"state": state.value, "decided_by": by, "decided_at": now, "due": due, "allowed": allowed}
    mine = (B.id == batch.id, B.state == BatchState.HELD.value)
    return bool(connection.execute(update(t.daily_batch).where(*mine).values(values)).rowcount)


def waiting_ids(connection: Connection, key: Key, end: datetime) -> list[NotificationId]:
    """What waits with a batch, and what else of it has yet to leave that day."""
    rule, office_id, _ = key
    yet_to_leave = and_(
        N.rule == rule,
        N.office_id == office_id,
        N.state == NotificationState.SCHEDULED.value,
        N.first_sent_at.is_(None),
        N.next_attempt_at <= end,
        or_(N.reason.is_(None), N.reason.not_in([reason.value for reason in HOLDS])),
        ~has_left(),
    )
    query = select(N.id).where(or_(waits_with(key), yet_to_leave)).order_by(N.id)
    return [NotificationId(one) for one in connection.execute(query).scalars()]


def let_out(connection: Connection, ids: Sequence[NotificationId], *, by: str, now: datetime) -> None:
    """From now on these pass; what waits for an officer is due at once, what waits for its hour keeps it."""
    for chunk in chunks(ids):
        connection.execute(select(N.id).where(N.id.in_(chunk)).order_by(N.id).with_for_update())
        waits = (N.id.in_(chunk), N.reason.in_([reason.value for reason in HOLDS]))
        values = {"next_attempt_at": now, "offered_at": None, "reason": None, "detail": None, "updated_at": now}
        connection.execute(update(t.notification).where(*waits).values(values))
    note(connection, ids, LET_OUT, None, now=now, detail=f"by {by}")


def count_persons(connection: Connection, ids: Sequence[NotificationId]) -> int:
    """To how many persons or households these go: so many messages they are."""
    persons: set[str] = set()
    for chunk in chunks(ids):
        query = select(person()).select_from(t.notification).join(t.party).where(N.id.in_(chunk))
        persons |= set(connection.execute(query).scalars())
    return len(persons)


def refuse(connection: Connection, key: Key, *, by: str, now: datetime) -> int:
    """End what waits with a batch, for good; answers how many notifications."""
    ended: list[NotificationId] = []
    ids = [NotificationId(one) for one in connection.execute(select(N.id).where(waits_with(key))).scalars()]
    for chunk in chunks(ids):
        values = {
            "state": NotificationState.CANCELLED.value,
            "reason": Reason.REFUSED_BY_OFFICER.value,
            "detail": f"by {by}",
            "next_attempt_at": None,
            "settled_at": now,
            "updated_at": now,
        }
        statement = update(t.notification).where(N.id.in_(chunk), waits_with(key)).values(values).returning(N.id)
        ended += [NotificationId(one) for one in connection.execute(statement).scalars()]
    note(connection, ended, NotificationState.CANCELLED.value, Reason.REFUSED_BY_OFFICER, now=now, detail=f"by {by}")
    return len(ended)


def count_again(connection: Connection, *, now: datetime) -> None:
    """Other rules are in force: what waits for an officer is counted and judged anew."""
    held = update(t.daily_batch).where(B.state == BatchState.HELD.value)
    for batch in list(
        map(batch_of, connection.execute(held.values(state=BatchState.OPEN.value).returning(t.daily_batch)))
    ):
        close_question(connection, batch.key, now=now)
    waits = (N.state == NotificationState.SCHEDULED.value, N.reason.in_([reason.value for reason in HOLDS]))
    values = {"next_attempt_at": now, "offered_at": None, "reason": None, "detail": None, "updated_at": now}
    connection.execute(update(t.notification).where(N.next_attempt_at.is_not(None), *waits).values(values))


def close_empty(connection: Connection, *, now: datetime) -> None:
    """Of days that are over in every zone: a held batch with which nothing waits any more needs no word."""
    over = (B.state == BatchState.HELD.value, B.day < now.date() - timedelta(days=1))
    for batch in list(map(batch_of, connection.execute(select(t.daily_batch).where(*over)))):
        if connection.execute(select(N.id).where(waits_with(batch.key)).limit(1)).first() is None:
            connection.execute(update(t.daily_batch).where(B.id == batch.id).values(state=BatchState.OPEN.value))
            close_question(connection, batch.key, now=now)


def ask_for_a_word(connection: Connection, key: Key, sentence: str, *, now: datetime) -> None:
    """Put a held batch on the list of the office; one that is on it already is brought up to date."""
    rule, office_id, day = key
    w = t.work_item.c
    name = f"{WORK}:{rule}:{office_id}:{day.isoformat()}"
    item = {"office_id": office_id, "kind": WORK, "key": name, "note": sentence, "created_at": now}
    added = connection.execute(insert_once(connection, t.work_item).values(item).returning(w.id)).first()
    if added is None:
        connection.execute(update(t.work_item).where(w.key == name).values(note=sentence, closed_at=None))


def close_question(connection: Connection, key: Key, *, now: datetime) -> None:
    """The officer has spoken: take the batch off the list."""
    rule, office_id, day = key
    w = t.work_item.c
    name = f"{WORK}:{rule}:{office_id}:{day.isoformat()}"
    connection.execute(update(t.work_item).where(w.key == name, w.closed_at.is_(None)).values(closed_at=now))
