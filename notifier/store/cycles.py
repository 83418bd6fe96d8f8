"""Which cycles of a rule a person was told of, and which are under way (S82)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, or_, select

from notifier.model import NotificationState, PartyId
from notifier.store import tables as t
from notifier.store.daily import has_left
from notifier.store.subjects import chunks

N = t.notification.c

#: Kind and id of a subject, and the cycle.
Cycle = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Telling:
    """One telling of a cycle; without `told_at` it is under way, and its outcome known at `known_at`."""

    rule: str
    party_id: PartyId
    cycle: Cycle
    told_at: datetime | None
    known_at: datetime | None


def lock_persons(connection: Connection, party_ids: Collection[int]) -> None:
    """Nobody else counts for these persons until the transaction ends; in the order of ids."""
    for chunk in chunks(sorted(party_ids)):
        query = select(t.party.c.id).where(t.party.c.id.in_(chunk)).order_by(t.party.c.id)
        connection.execute(query.with_for_update(key_share=True))


def read_tellings(connection: Connection, rules: Collection[str], party_ids: Collection[int]) -> list[Telling]:
    """What these persons were told under these rules, over all subjects and offices, and what is on its way."""
    found: list[Telling] = []
    under_way = and_(N.state == NotificationState.SCHEDULED.value, has_left())
    for chunk in chunks(party_ids):
        query = select(t.notification).where(
            N.party_id.in_(chunk), N.rule.in_(rules), or_(N.told_at.is_not(None), under_way)
        )
        for row in connection.execute(query).all():
            cycle = (row.subject_kind, row.subject_id, row.cycle)
            found.append(Telling(row.rule, PartyId(row.party_id), cycle, row.told_at, row.next_attempt_at))
    return found
