"""The day's messages of one rule and office, where an officer has a word in them (`daily_batch`, S83, S84).

A message is counted once for a person or household, whatever it tells, since it leaves as one (S80). What an officer
lets out carries the event LET_OUT: it passes from then on, whichever day it is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    bindparam,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from notifier.model import NotificationId, NotificationState, Reason
from notifier.store import tables as t
from notifier.store.bulk import among
from notifier.store.many import insert_once_each, update_each
from notifier.store.outbox import note
from notifier.store.subjects import chunks

B, N = t.daily_batch.c, t.notification.c
#: The line in a notification's story that says that an officer has let it out.
LET_OUT = "let out"
#: Why a batch may be held; a notification that waits with its batch says the same.
HOLDS = (Reason.APPROVAL, Reason.LIMIT, Reason.ENVELOPE)

#: Rule, office id and day.
Key = tuple[str, int, date]


class BatchState(StrEnum):
    """Where the day's messages of a rule and office stand."""

    OPEN = "open"  # no more than may leave without an officer
    HELD = "held"
    APPROVED = "approved"
    REFUSED = "refused"


class DailyBatch(NamedTuple):
    """One rule's messages of one office and day; `due` as last counted, those that have left included."""

    id: int
    rule: str
    office_id: int
    day: date
    state: BatchState
    reason: Reason | None
    due: int
    let_out: int
    allowed: int | None
    decided_by: str | None
    decided_at: datetime | None
    created_at: datetime

    @property
    def key(self) -> Key:
        return self.rule, self.office_id, self.day


@dataclass(frozen=True, slots=True)
class Count:
    """What a worker found out about a batch."""

    state: BatchState
    reason: Reason | None
    due: int
    allowed: int | None


def batch_of(row: Sequence[Any]) -> DailyBatch:
    """A row of the table as a record: it has the columns in the order of the fields."""
    number, rule, office_id, day, state, reason, *numbers = row
    return DailyBatch(number, rule, office_id, day, BatchState(state), Reason(reason) if reason else None, *numbers)


def read_batches(connection: Connection, keys: Collection[Key]) -> dict[Key, DailyBatch]:
    """The batches of these rules, offices and days that were counted already."""
    query = select(t.daily_batch).where(*_may_be_among(connection, keys))
    found = {batch.key: batch for batch in map(batch_of, connection.execute(query).all())}
    return {key: batch for key, batch in found.items() if key in keys}


def list_batches(connection: Connection, *, held: bool, since: date | None = None, limit: int) -> list[DailyBatch]:
    """The batches, the newest day first; with `held` only those that wait for an officer."""
    query = select(t.daily_batch).order_by(B.day.desc(), B.rule, B.office_id).limit(limit)
    if held:
        query = query.where(B.state == BatchState.HELD.value)
    if since is not None:
        query = query.where(B.day >= since)
    return [batch_of(row) for row in connection.execute(query)]


def held_as(day: date) -> str:
    """What a notification that waits with the batch of a day says of it (`notification.detail`)."""
    return f"for an officer, with the messages of {day.isoformat()}"


def waits_with(key: Key) -> Any:
    """The condition that a notification waits with a batch."""
    rule, office_id, day = key
    return and_(
        N.rule == rule,
        N.office_id == office_id,
        N.state == NotificationState.SCHEDULED.value,
        N.next_attempt_at.is_not(None),
        N.reason.in_([reason.value for reason in HOLDS]),
        N.detail == held_as(day),
    )


def person() -> Any:
    """What a message is counted by: the person, or the household it is told in one message."""
    return func.coalesce(literal("h:") + t.party.c.household, cast(N.party_id, String))


def has_left() -> Any:
    """A delivery was written for it, alone or among others; only what was claimed once can have one."""
    own = exists().where(t.delivery.c.notification_id == N.id)
    shared = exists().where(t.delivery_member.c.notification_id == N.id)
    return and_(N.attempt > 0, or_(own, shared))


def count_waiting(
    connection: Connection, keys: Collection[tuple[str, int]], day: date, end: datetime
) -> dict[tuple[str, int], int]:
    """By rule and office: how many messages of the day want to leave before its `end` and have not left.

    What waits with the batch of another day is that one's.
    """
    reasons = [reason.value for reason in HOLDS]
    persons = (
        select(N.rule, N.office_id, person().label("person"))
        .join(t.party, t.party.c.id == N.party_id)
        .where(
            N.next_attempt_at <= end,
            N.state == NotificationState.SCHEDULED.value,
            N.first_sent_at.is_(None),
            N.rule.in_({rule for rule, _ in keys}),
            N.office_id.in_({office for _, office in keys}),
            or_(N.reason.is_(None), N.reason.not_in(reasons), N.detail == held_as(day)),
            ~has_left(),
        )
        .distinct()
        .subquery()
    )
    query = select(persons.c.rule, persons.c.office_id, func.count()).group_by(persons.c.rule, persons.c.office_id)
    return {(rule, office_id): count for rule, office_id, count in connection.execute(query)}


def count_held(connection: Connection, key: Key) -> int:
    """How many messages wait with a batch now."""
    query = select(func.count(person().distinct())).select_from(t.notification).join(t.party).where(waits_with(key))
    return int(connection.scalar(query) or 0)


def hold_rows(
    connection: Connection,
    rows: Sequence[tuple[NotificationId, int, datetime]],
    reason: Reason,
    day: date,
    *,
    now: datetime,
) -> None:
    """Let notifications (id, attempt of the claim, until when) wait with their batch; they are locked already."""
    ids = [key for key, _, _ in rows]
    waiting: set[int] = set()
    for chunk in chunks(ids):
        query = select(N.id).where(N.id.in_(chunk), N.reason == reason.value, N.detail == held_as(day))
        waiting |= set(connection.execute(query).scalars())
    statement = (
        update(t.notification)
        .where(N.id == bindparam("key"), N.attempt == bindparam("mine"))
        .values(
            next_attempt_at=bindparam("until"),
            offered_at=None,
            reason=reason.value,
            detail=held_as(day),
            updated_at=now,
        )
    )
    connection.execute(statement, [{"key": key, "mine": attempt, "until": until} for key, attempt, until in rows])
    note(connection, [key for key in ids if key not in waiting], "held", reason, now=now, detail=held_as(day))


def days_waited_with(connection: Connection, ids: Collection[NotificationId]) -> dict[NotificationId, date]:
    """The day of the batch that each of these waits with, if it does."""
    found: dict[NotificationId, date] = {}
    for chunk in chunks(ids):
        waits = N.reason.in_([reason.value for reason in HOLDS])
        for row in connection.execute(select(N.id, N.detail).where(N.id.in_(chunk), waits, N.detail.is_not(None))):
            found[NotificationId(row.id)] = date.fromisoformat(row.detail[-len("2026-01-31") :])
    return found


def already_let_out(connection: Connection, ids: Collection[NotificationId]) -> set[NotificationId]:
    """Those that an officer has let out."""
    found: set[NotificationId] = set()
    e = t.event.c
    for chunk in chunks(ids):
        query = select(e.notification_id).where(e.notification_id.in_(chunk), e.what == LET_OUT)
        found |= {NotificationId(key) for key in connection.execute(query).scalars()}
    return found


def write_counts(
    connection: Connection, counts: Mapping[Key, Count], left: Mapping[Key, int], *, now: datetime
) -> list[Key]:
    """Keep what a worker found out, and how many messages it lets out; answers the batches that are held only now.

    Called last before the commit: the rows stay locked for no longer than that. What is missing is added first, in the
    order of names, and only then is anything locked, in the order of ids: two workers cannot wait in a ring.
    """
    blank = [
        {"rule": key[0], "office_id": key[1], "day": key[2], **_found(counts[key])}
        | {"let_out": left.get(key, 0), "created_at": now}
        for key in sorted(counts)
    ]
    added = insert_once_each(connection, t.daily_batch, blank, B.id)
    fresh: list[Key] = []
    held: list[dict[str, Any]] = []
    same: list[dict[str, Any]] = []
    gone: list[dict[str, Any]] = []
    for number, state, let_out, key in _lock_batches(connection, counts.keys() | left.keys()):
        count = counts.get(key)
        is_held = count is not None and count.state is BatchState.HELD
        if is_held and (number in added or state != BatchState.HELD):
            fresh.append(key)
        if number in added:
            continue
        if count is not None and is_held and state != BatchState.HELD:
            held.append({"id": number, **_found(count)})
        elif count is not None and not is_held and state == count.state:
            same.append({"id": number, "due": count.due, "allowed": count.allowed})
        if key in left:
            gone.append({"id": number, "let_out": let_out + left[key]})
    update_each(connection, t.daily_batch, held, same={"decided_by": None, "decided_at": None})
    update_each(connection, t.daily_batch, same)
    update_each(connection, t.daily_batch, gone)
    return sorted(fresh)


def _lock_batches(connection: Connection, keys: Collection[Key]) -> list[tuple[int, str, int, Key]]:
    """Id, state and what was let out of all that will be written, locked in the order of ids.

    Not in the order of names: the database sorts them in its own language, and not as we do.
    """
    query = select(B.id, B.state, B.let_out, B.rule, B.office_id, B.day).where(*_may_be_among(connection, keys))
    found = connection.execute(query.order_by(B.id).with_for_update()).all()
    return [(number, state, let_out, (*key,)) for number, state, let_out, *key in found if (*key,) in keys]


def _may_be_among(connection: Connection, keys: Collection[Key]) -> tuple[ColumnElement[bool], ...]:
    """The condition that a batch is of one of these rules, of one of the offices and of one of the days."""
    return (
        among(connection, B.rule, sorted({rule for rule, _, _ in keys})),
        among(connection, B.office_id, sorted({office for _, office, _ in keys})),
        B.day.in_(sorted({day for _, _, day in keys})),
    )


def _found(count: Count) -> dict[str, Any]:
    reason = count.reason.value if count.reason else None
    return {"state": count.state.value, "reason": reason, "due": count.due, "allowed": count.allowed}
