"""Claims: take due notifications in hand. A claim counts the attempt and sets the next one: no rescuer is needed."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, or_, select, union_all, update

from notifier.model import NotificationId, NotificationState, PartyId, Reason, StepKey
from notifier.store import tables as t
from notifier.store.outbox import OPEN, insert_once
from notifier.store.subjects import chunks

N = t.notification.c
CAP = t.cap_use.c
#: What waits for one of these is not told in another one's message.
WAITS_FOR_ITSELF = (Reason.CAP, Reason.APPROVAL, Reason.LIMIT, Reason.ENVELOPE, Reason.RULE_CAP)
#: The longest day there is: a change of clocks may make one of 25 hours.
LONGEST_DAY = timedelta(hours=25)


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


def find_companions(connection: Connection, claimed: Sequence[Claimed], *, now: datetime) -> list[Claimed]:
    """What may leave in one message with these and was never sent: of the same rule, office and person or household.

    Due by tomorrow's beginning at the latest, or waiting for any message. Another worker may hold it in hand; nothing
    is written before `take_over`.
    """
    if not claimed:
        return []
    home = t.party.alias("home")
    mine = sorted({one.party_id for one in claimed})
    mates = select(home.c.id).join(t.party, t.party.c.household == home.c.household).where(t.party.c.id.in_(mine))
    held = [reason.value for reason in WAITS_FOR_ITSELF]
    query = (
        select(t.notification, t.party.c.household)
        .join(t.party, t.party.c.id == N.party_id)
        .where(
            N.party_id.in_(union_all(select(t.party.c.id).where(t.party.c.id.in_(mine)), mates)),
            N.first_sent_at.is_(None),
            N.rule.in_(sorted({one.rule for one in claimed})),
            N.state == NotificationState.SCHEDULED.value,
            N.next_attempt_at.is_not(None),
            N.forced.is_(False),
            N.moment <= now + LONGEST_DAY,
            or_(N.reason.is_(None), N.reason.not_in(held), N.next_attempt_at <= now),
        )
        .order_by(N.id)
    )
    known = {one.id for one in claimed}
    persons = {(one.rule, one.office_id, one.party_id) for one in claimed}
    rules = {(one.rule, one.office_id) for one in claimed}
    return [
        _claimed(row)
        for row in connection.execute(query)
        if row.id not in known
        and (
            (row.rule, row.office_id, row.party_id) in persons
            or (row.household is not None and (row.rule, row.office_id) in rules)
        )
    ]


def read_open(connection: Connection, ids: Iterable[NotificationId]) -> list[Claimed]:
    """Those of some notifications that are still under way, as they stand; they are not taken in hand."""
    found: list[Claimed] = []
    for chunk in chunks(ids):
        query = select(t.notification).where(N.id.in_(chunk), N.next_attempt_at.is_not(None))
        found += [_claimed(row) for row in connection.execute(query) if row.state in OPEN]
    return found


def lock_open(connection: Connection, ids: Iterable[NotificationId]) -> dict[NotificationId, int]:
    """Lock notifications until the transaction ends, in the order of their ids; of those still open, the attempt.

    Who claimed one at another attempt does not hold it any more: this is the fence.
    """
    attempts: dict[NotificationId, int] = {}
    for chunk in chunks(ids):
        query = select(N.id, N.attempt, N.state).where(N.id.in_(chunk)).order_by(N.id).with_for_update()
        attempts |= {NotificationId(row.id): row.attempt for row in connection.execute(query) if row.state in OPEN}
    return attempts


def take_over(connection: Connection, ids: Iterable[NotificationId], *, now: datetime, lease: timedelta) -> None:
    """Claim locked notifications that come along with others, out of another worker's hand if need be."""
    for chunk in chunks(ids):
        taken = update(t.notification).where(N.id.in_(chunk))
        connection.execute(taken.values(attempt=N.attempt + 1, next_attempt_at=now + lease, updated_at=now))


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

    def counts(self, party_id: int, keys: Collection[NotificationId]) -> bool:
        """Whether one of these notifications has a message of the person already."""
        return any(key in keys for _, _, key in self._used.get(party_id, ()))

    def _insert(self, party_id: int, day: date, number: int, key: NotificationId) -> bool:
        """The unique key decides between two workers. RETURNING, since psycopg gives no row count for an INSERT."""
        row = {"party_id": party_id, "day": day, "number": number, "notification_id": key}
        statement = insert_once(self._connection, t.cap_use).values(row).returning(CAP.number)
        return self._connection.execute(statement).first() is not None


def free_cap(connection: Connection, key: NotificationId) -> None:
    """Give the day back to the person when nothing left after all."""
    connection.execute(delete(t.cap_use).where(t.cap_use.c.notification_id == key))
