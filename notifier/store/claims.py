"""Claims: take due notifications in hand. A claim counts the attempt and sets the next one: no rescuer is needed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, or_, select, union_all, update

from notifier.model import NOTIFICATION_STATES, NotificationId, NotificationState, PartyId, Reason, StepKey
from notifier.store import tables as t
from notifier.store.bulk import among, none_of, one_of
from notifier.store.outbox import OPEN
from notifier.store.subjects import chunks
from notifier.store.types import Instant

N = t.notification.c
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
    rungs: int
    tries: int
    first_sent_at: datetime | None
    told_at: datetime | None
    reason: str | None

    @property
    def key(self) -> StepKey:
        """The identity it shares with its entry in the ledger and with decisions about it."""
        return self.step, self.occurrence, self.cycle, self.party_id


#: The columns of a claim in the order of its fields, and the place of the state among them.
CLAIMED = tuple(N[name] for name in Claimed.__dataclass_fields__)
STATE = list(Claimed.__dataclass_fields__).index("state")
NOW = bindparam("now", type_=Instant())
_DUE = select(N.id).where(one_of(N.id), N.next_attempt_at <= NOW, N.state.in_([state.value for state in OPEN]))
_TAKE = (
    update(t.notification)
    .values(attempt=N.attempt + 1, next_attempt_at=bindparam("until", type_=Instant()), updated_at=NOW)
    .returning(*CLAIMED)
)
#: The ids are picked once and locked; inside IN (...) another plan may run the sub-select again.
_PICKED = func.array(_DUE.order_by(N.id).with_for_update(skip_locked=True).scalar_subquery())
CLAIM = {"postgresql": _TAKE.where(N.id == func.any(_PICKED)), "sqlite": _TAKE.where(N.id.in_(_DUE))}


def claim(connection: Connection, ids: Sequence[NotificationId], *, now: datetime, lease: timedelta) -> list[Claimed]:
    """Take what is due among the ids; answers them in the order in which they are to leave."""
    asked = {"ids": ids, "now": now, "until": now + lease}
    found = [_claimed(row) for row in connection.execute(CLAIM[connection.dialect.name], asked).all()]
    return sorted(found, key=lambda claimed: (not claimed.urgent, claimed.useful_until or now, claimed.id))


def _claimed(row: Sequence[Any]) -> Claimed:
    """Of a row that begins with the columns CLAIMED."""
    values: list[Any] = list(row[: len(CLAIMED)])
    values[STATE] = NOTIFICATION_STATES[values[STATE]]
    return Claimed(*values)


def _companions() -> Select[Any]:
    home, mate = t.party.alias("home"), t.party.alias("mate")
    mates = select(home.c.id).join(mate, mate.c.household == home.c.household).where(one_of(mate.c.id, "persons"))
    held = [reason.value for reason in WAITS_FOR_ITSELF]
    return (
        select(*CLAIMED, t.party.c.household)
        .join(t.party, t.party.c.id == N.party_id)
        .where(
            N.party_id.in_(union_all(select(mate.c.id).where(one_of(mate.c.id, "persons")), mates)),
            none_of(N.id, "claimed"),
            N.first_sent_at.is_(None),
            one_of(N.rule, "rules"),
            N.state == NotificationState.SCHEDULED.value,
            N.next_attempt_at.is_not(None),
            N.forced.is_(False),
            N.moment <= bindparam("longest", type_=Instant()),
            or_(N.reason.is_(None), N.reason.not_in(held), N.next_attempt_at <= NOW),
        )
        .order_by(N.id)
    )


COMPANIONS = _companions()
OPEN_ONES = select(*CLAIMED).where(
    one_of(N.id), N.next_attempt_at.is_not(None), N.state.in_([state.value for state in OPEN])
)
LOCKED = select(N.id).where(one_of(N.id)).order_by(N.id).with_for_update()
#: What was sent before and still climbs or waits, of the subjects of a kind.
CLIMBING = select(N.id, N.rule, N.subject_kind, N.subject_id, N.party_id).where(
    N.subject_kind == bindparam("kind", type_=N.subject_kind.type),
    one_of(N.subject_id),
    N.state == NotificationState.SENT.value,
    N.next_attempt_at.is_not(None),
)
ATTEMPTS = select(N.id, N.attempt, N.state).where(one_of(N.id)).order_by(N.id).with_for_update()


def find_companions(connection: Connection, claimed: Sequence[Claimed], *, now: datetime) -> list[Claimed]:
    """What may leave in one message with these and was never sent: of the same rule, office and person or household.

    With a moment within the longest day from now; what may really travel is for the caller to say. Another worker may
    hold it in hand; nothing is written before `take_over`.
    """
    if not claimed:
        return []
    asked = {
        "claimed": [one.id for one in claimed],
        "persons": {one.party_id for one in claimed},
        "rules": {one.rule for one in claimed},
        "now": now,
        "longest": now + LONGEST_DAY,
    }
    rows = connection.execute(COMPANIONS, asked).all()
    if not rows:
        return []
    persons = {(one.rule, one.office_id, one.party_id) for one in claimed}
    rules = {(one.rule, one.office_id) for one in claimed}
    found = [(_claimed(row), row.household) for row in rows]
    return [
        one
        for one, household in found
        if (one.rule, one.office_id, one.party_id) in persons
        or (household is not None and (one.rule, one.office_id) in rules)
    ]


def read_open(connection: Connection, ids: Iterable[NotificationId]) -> list[Claimed]:
    """Those of some notifications that are still under way, as they stand; they are not taken in hand."""
    rows = [row for chunk in chunks(ids) for row in connection.execute(OPEN_ONES, {"ids": chunk}).all()]
    return [_claimed(row) for row in rows]


def lock_open(connection: Connection, ids: Iterable[NotificationId]) -> dict[NotificationId, int]:
    """Lock notifications until the transaction ends, in the order of their ids; of those still open, the attempt.

    Who claimed one at another attempt does not hold it any more: this is the fence.
    """
    rows = [row for chunk in chunks(ids) for row in connection.execute(ATTEMPTS, {"ids": chunk}).all()]
    return {NotificationId(key): attempt for key, attempt, state in rows if state in OPEN}


def take_over(connection: Connection, ids: Iterable[NotificationId], *, now: datetime, lease: timedelta) -> None:
    """Claim locked notifications that come along with others, out of another worker's hand if need be."""
    for chunk in chunks(ids):
        taken = update(t.notification).where(N.id.in_(chunk))
        connection.execute(taken.values(attempt=N.attempt + 1, next_attempt_at=now + lease, updated_at=now))


def renew(
    connection: Connection, claims: Sequence[Claimed], ends: Sequence[datetime], *, until: datetime
) -> set[NotificationId]:
    """Hold claims for longer: those that still end at one of `ends`; answers which. What was put off, ended or claimed
    since does not; locked in the order of ids, as every other writer does."""
    attempts = {one.id: one.attempt for one in claims}
    renewed: set[NotificationId] = set()
    for chunk in chunks(attempts):
        are_held = (among(connection, N.id, chunk), N.next_attempt_at.in_(list(ends)))
        query = select(N.id, N.attempt).where(*are_held).order_by(N.id).with_for_update()
        held = [key for key, attempt in connection.execute(query).all() if attempts[NotificationId(key)] == attempt]
        still = update(t.notification).where(among(connection, N.id, held))
        connection.execute(still.values(next_attempt_at=until))
        renewed.update(NotificationId(key) for key in held)
    return renewed


def lock(connection: Connection, ids: Iterable[NotificationId]) -> None:
    """Lock rows that will be written, in the order of their ids: any other order would meet receipts head-on."""
    for chunk in chunks(ids):
        connection.execute(LOCKED, {"ids": chunk})


def older_ladders(connection: Connection, claimed: Sequence[Claimed]) -> list[NotificationId]:
    """Of the same rule, subject and recipient as these: what was sent before and still climbs or waits (S74)."""
    known = {one.id for one in claimed}
    stories = {(one.rule, one.subject_kind, one.subject_id, one.party_id) for one in claimed}
    older: list[NotificationId] = []
    for kind in sorted({one.subject_kind for one in claimed}):
        for chunk in chunks(one.subject_id for one in claimed if one.subject_kind == kind):
            rows = connection.execute(CLIMBING, {"kind": kind, "ids": chunk}).all()
            older += [
                NotificationId(row.id)
                for row in rows
                if row.id not in known and (row.rule, row.subject_kind, row.subject_id, row.party_id) in stories
            ]
    return sorted(older)
