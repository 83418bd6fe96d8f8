"""Claims: take due notifications in hand. A claim counts the attempt and sets the next one: no rescuer is needed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from notifier.model import NotificationId, NotificationState, PartyId, StepKey
from notifier.store import tables as t
from notifier.store.outbox import OPEN, insert_once
from notifier.store.subjects import chunks

N = t.notification.c
CAP = t.cap_use.c


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notification in this worker's hand; `attempt` is the fence of all it writes."""

    id: NotificationId
    rule: str
    step: str
    occurrence: int
    subject_kind: str
    subject_id: int
    cycle: str
    party_id: PartyId
    role: str
    office_id: int
    state: NotificationState
    moment: datetime
    useful_until: datetime | None
    urgent: bool
    capped: bool
    forced: bool
    attempt: int
    rung: int
    tries: int
    first_sent_at: datetime | None
    told_at: datetime | None
    reason: str | None

    @property
    def key(self) -> StepKey:
        """The identity it shares with its entry in the ledger and with decisions about it."""
        return self.step, self.occurrence, self.cycle, self.party_id


def claim(connection: Connection, ids: Sequence[NotificationId], *, now: datetime, lease: timedelta) -> list[Claimed]:
    """Take what is due among the ids. The claim counts the attempt and sets the next one: no rescuer is needed."""
    wanted = select(N.id).where(
        N.id.in_(list(ids)), N.next_attempt_at <= now, N.state.in_([state.value for state in OPEN])
    )
    if connection.dialect.name == "postgresql":
        # The ids are picked once and locked; inside IN (...) another plan may run the sub-select again.
        picked = wanted.order_by(N.id).with_for_update(skip_locked=True)
        condition = N.id == func.any(func.array(picked.scalar_subquery()))
    else:
        condition = N.id.in_(wanted)
    statement = (
        update(t.notification)
        .where(condition)
        .values(attempt=N.attempt + 1, next_attempt_at=now + lease, updated_at=now)
        .returning(t.notification)
    )
    rows = connection.execute(statement).all()
    found = [_claimed(row) for row in rows]
    return sorted(found, key=lambda claimed: (not claimed.urgent, claimed.useful_until or now, claimed.id))


def _claimed(row: Row[Any]) -> Claimed:
    values = {name: row._mapping[name] for name in Claimed.__dataclass_fields__}
    values["state"] = NotificationState(row.state)
    return Claimed(**values)


def still_mine(connection: Connection, claimed: Sequence[Claimed]) -> set[NotificationId]:
    """The ids no other worker has claimed since; their rows stay locked until the transaction ends (the fence)."""
    attempts = {one.id: one.attempt for one in claimed}
    mine: set[NotificationId] = set()
    for chunk in chunks(attempts):
        query = select(N.id, N.attempt).where(N.id.in_(chunk)).order_by(N.id).with_for_update()
        mine |= {NotificationId(row.id) for row in connection.execute(query) if row.attempt == attempts[row.id]}
    return mine


def lock(connection: Connection, ids: Iterable[NotificationId]) -> None:
    """Lock rows that will be written, in the order of their ids: any other order would meet receipts head-on."""
    for chunk in chunks(ids):
        connection.execute(select(N.id).where(N.id.in_(chunk)).order_by(N.id).with_for_update())


def older_ladders(connection: Connection, claimed: Sequence[Claimed]) -> list[NotificationId]:
    """Of the same rule, subject and recipient as these: what was sent before and still climbs or waits (S74)."""
    known = {one.id for one in claimed}
    stories = {(one.rule, one.subject_kind, one.subject_id, one.party_id) for one in claimed}
    older: list[NotificationId] = []
    for kind in sorted({one.subject_kind for one in claimed}):
        for chunk in chunks(one.subject_id for one in claimed if one.subject_kind == kind):
            query = select(N.id, N.rule, N.subject_kind, N.subject_id, N.party_id).where(
                N.subject_kind == kind,
                N.subject_id.in_(chunk),
                N.state == NotificationState.SENT.value,
                N.next_attempt_at.is_not(None),
            )
            older += [
                NotificationId(row.id)
                for row in connection.execute(query)
                if row.id not in known and (row.rule, row.subject_kind, row.subject_id, row.party_id) in stories
            ]
    return sorted(older)


class Caps:
    """How many messages the people of a batch had on the last seven days; keeps the cap over all workers (S81)."""

    def __init__(self, connection: Connection, party_ids: Iterable[int], days: Iterable[date]) -> None:
        self._connection = connection
        self._used: dict[int, list[tuple[date, int, int]]] = {}
        earliest = min(days, default=None)
        if earliest is None:
            return
        for chunk in chunks(party_ids):
            query = select(t.cap_use).where(CAP.party_id.in_(chunk), CAP.day > earliest - timedelta(days=7))
            for row in connection.execute(query):
                self._used.setdefault(row.party_id, []).append((row.day, row.number, row.notification_id))

    def take(self, party_id: int, day: date, key: NotificationId, *, per_day: int, per_week: int) -> bool:
        """Use one of the person's messages of the day, if one is left; a second try of the same one costs nothing."""
        used = self._used.setdefault(party_id, [])
        if any(notification == key for _, _, notification in used):
            return True
        week = [number for used_on, number, _ in used if day - timedelta(days=7) < used_on <= day]
        taken = {number for used_on, number, _ in used if used_on == day}
        if len(week) >= per_week:
            return False
        for number in range(per_day):
            if number not in taken and self._insert(party_id, day, number, key):
                used.append((day, number, key))
                return True
        return False

    def _insert(self, party_id: int, day: date, number: int, key: NotificationId) -> bool:
        """The unique key decides between two workers. RETURNING, since psycopg gives no row count for an INSERT."""
        row = {"party_id": party_id, "day": day, "number": number, "notification_id": key}
        statement = insert_once(self._connection, t.cap_use).values(row).returning(CAP.number)
        return self._connection.execute(statement).first() is not None


def free_cap(connection: Connection, key: NotificationId) -> None:
    """Give the day back to the person when nothing left after all."""
    connection.execute(delete(t.cap_use).where(t.cap_use.c.notification_id == key))
