"""The ledger as people read it: lists, stories and sums. Reads only."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from notifier.model import TOLD, DeliveryState, NotificationId, NotificationState, SubjectKind
from notifier.store import tables as t
from notifier.store.deliveries import deliveries_of

N, D, E = t.notification.c, t.delivery.c, t.event.c


@dataclass(frozen=True, slots=True)
class Line:
    """A notification with the names of what it refers to."""

    id: NotificationId
    rule: str
    step: str
    subject_kind: SubjectKind
    subject: str
    party: str
    role: str
    office: str
    zone: str
    state: NotificationState
    reason: str | None
    detail: str | None
    moment: datetime
    useful_until: datetime | None
    next_attempt_at: datetime | None
    told_at: datetime | None
    urgent: bool


@dataclass(frozen=True, slots=True)
class Story:
    """A notification and everything that happened to it, each list oldest first."""

    line: Line
    cycle: str
    created_at: datetime
    events: tuple[Row[Any], ...]
    deliveries: tuple[Row[Any], ...]
    receipts: tuple[Row[Any], ...]


def _lines() -> Select[Any]:
    permit, case = t.permit, t.case
    number = func.coalesce(permit.c.number, case.c.number).label("subject")
    return (
        select(
            *(N[name] for name in Line.__slots__ if name in N),
            number,
            t.party.c.name.label("party"),
            t.office.c.name.label("office"),
            t.office.c.zone,
        )
        .join(t.party, t.party.c.id == N.party_id)
        .join(t.office, t.office.c.id == N.office_id)
        .outerjoin(permit, (permit.c.id == N.subject_id) & (N.subject_kind == SubjectKind.PERMIT.value))
        .outerjoin(case, (case.c.id == N.subject_id) & (N.subject_kind == SubjectKind.CASE.value))
    )


def _line(row: Row[Any]) -> Line:
    values = {name: row._mapping[name] for name in Line.__slots__}
    values |= {"state": NotificationState(row.state), "subject_kind": SubjectKind(row.subject_kind)}
    return Line(**values)


def list_notifications(
    connection: Connection,
    *,
    states: Collection[NotificationState] = (),
    rule: str | None = None,
    office: str | None = None,
    limit: int,
) -> list[Line]:
    """Notifications, the newest first."""
    query = _lines().order_by(N.id.desc()).limit(limit)
    if states:
        query = query.where(N.state.in_([state.value for state in states]))
    if rule:
        query = query.where(N.rule == rule)
    if office:
        query = query.where(t.office.c.code == office)
    return [_line(row) for row in connection.execute(query)]


def find_story(connection: Connection, key: NotificationId) -> Story | None:
    """One notification with its story, or None."""
    found = stories(connection, [key])
    return found[0] if found else None


def stories(connection: Connection, ids: Sequence[NotificationId]) -> list[Story]:
    """Several notifications with their stories, by number."""
    rows = connection.execute(_lines().add_columns(N.cycle, N.created_at).where(N.id.in_(ids)).order_by(N.id)).all()
    events = _by_notification(connection, select(t.event).where(E.notification_id.in_(ids)).order_by(E.id))
    told = deliveries_of(connection, ids)  # one message may tell several
    columns = [one for one in t.delivery.c if one.name != "notification_id"]
    tried = select(*columns, told.c.notification_id).join(told, told.c.delivery_id == D.id).order_by(D.id)
    deliveries = _by_notification(connection, tried)
    said = (
        select(t.receipt, told.c.notification_id, D.channel)
        .join(t.delivery, D.id == t.receipt.c.delivery_id)
        .join(told, told.c.delivery_id == D.id)
        .order_by(t.receipt.c.id)
    )
    receipts = _by_notification(connection, said)
    return [
        Story(
            _line(row),
            row.cycle,
            row.created_at,
            tuple(events.get(row.id, ())),
            tuple(deliveries.get(row.id, ())),
            tuple(receipts.get(row.id, ())),
        )
        for row in rows
    ]


def _by_notification(connection: Connection, query: Select[Any]) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.notification_id, []).append(row)
    return found


# ----------------------------------------------------------------------------------------------------- sums


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the ledger; what stands after it happened later."""

    event: int
    delivery: int


@dataclass(slots=True)
class Sums:
    """How many notifications (refused: deliveries) came to what. The keys of `run --format json`."""

    planned: int = 0
    sent: int = 0
    delivered: int = 0
    held: int = 0
    undeliverable: int = 0
    refused: int = 0


@dataclass(slots=True)
class Tally:
    """Sums in all, by rule and by channel, and why things were held or refused."""

    total: Sums = field(default_factory=Sums)
    by_rule: dict[str, Sums] = field(default_factory=dict)
    by_channel: dict[str, Sums] = field(default_factory=dict)
    held_because: Counter[str] = field(default_factory=Counter)
    refused_because: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)  # "cancelled: renewal protected" and the like

    def of_rule(self, name: str) -> Sums:
        return self.by_rule.setdefault(name, Sums())

    def of_channel(self, name: str) -> Sums:
        return self.by_channel.setdefault(name, Sums())


def mark(connection: Connection) -> Mark:
    """The end of the ledger as it is now."""
    return Mark(
        connection.scalar(select(func.max(E.id))) or 0,
        connection.scalar(select(func.max(D.id))) or 0,
    )


def tally(connection: Connection, since: Mark) -> Tally:
    """What happened after the mark, counted from where each notification and delivery stands now."""
    sums = Tally()
    planned = select(N.rule, func.count()).join(t.event, E.notification_id == N.id)
    for rule, count in connection.execute(planned.where(E.id > since.event, E.what == "planned").group_by(N.rule)):
        sums.total.planned += count
        sums.of_rule(rule).planned += count
    _count_states(connection, since, sums)
    _count_deliveries(connection, since, sums)
    return sums


def _count_states(connection: Connection, since: Mark, sums: Tally) -> None:
    touched = select(E.notification_id).where(E.id > since.event).distinct()
    query = select(N.rule, N.state, N.reason, func.count()).where(N.id.in_(touched))
    for rule, state, reason, count in connection.execute(query.group_by(N.rule, N.state, N.reason)):
        match NotificationState(state):
            case NotificationState.SCHEDULED:
                # Planned for later today counts as held too: it waits for its moment.
                sums.held_because[reason or "its time has not come"] += count
                sums.total.held += count
                sums.of_rule(rule).held += count
            case NotificationState.DELIVERED:
                sums.total.delivered += count
                sums.of_rule(rule).delivered += count
            case NotificationState.UNDELIVERABLE:
                sums.total.undeliverable += count
                sums.of_rule(rule).undeliverable += count
            case NotificationState.SENT:
                pass
            case ended:
                sums.ended[f"{ended.value}: {reason}"] += count


def _count_deliveries(connection: Connection, since: Mark, sums: Tally) -> None:
    told = [state.value for state in TOLD]
    new = (D.id > since.delivery, D.state.in_(told))
    member = t.delivery_member
    shared = select(member.c.notification_id).join(t.delivery, D.id == member.c.delivery_id).where(*new)
    reached = select(D.notification_id).where(*new).union(shared)
    sent = select(N.rule, func.count()).where(N.id.in_(reached)).group_by(N.rule)
    for rule, count in connection.execute(sent):
        sums.total.sent += count
        sums.of_rule(rule).sent += count
    tried = select(N.rule, D.channel, D.state, D.reason, D.code, func.count()).join(
        t.delivery, D.notification_id == N.id
    )
    groups = tried.where(D.id > since.delivery).group_by(N.rule, D.channel, D.state, D.reason, D.code)
    for rule, channel, state, reason, code, count in connection.execute(groups):
        of_channel = sums.of_channel(channel)
        if state in told:
            of_channel.sent += count
        if state in (DeliveryState.DELIVERED.value, DeliveryState.READ.value):
            of_channel.delivered += count
        if state == DeliveryState.FAILED.value:
            of_channel.refused += count
            sums.total.refused += count
            sums.of_rule(rule).refused += count
            sums.refused_because[f"{channel}: {reason}{f' ({code})' if code else ''}"] += count


@dataclass(frozen=True, slots=True)
class Standing:
    """How the register and the outbox stand now."""

    register: Mapping[str, int]
    notifications: Mapping[str, int]
    deliveries: Mapping[str, int]
    work_items: Mapping[str, int]
    due_since: datetime | None  # the oldest row that wants to be looked at
    next_at: datetime | None


def standing(connection: Connection, *, now: datetime) -> Standing:
    """Counts of everything, for `status`."""
    register = {
        name: connection.scalar(select(func.count()).select_from(table)) or 0
        for name, table in {"offices": t.office, "people": t.party, "permits": t.permit, "cases": t.case}.items()
    }
    items = select(t.work_item.c.kind, func.count()).where(t.work_item.c.closed_at.is_(None))
    waiting = select(func.min(N.next_attempt_at))
    return Standing(
        register,
        _counts(connection, select(N.state, func.count()).group_by(N.state)),
        _counts(connection, select(D.state, func.count()).group_by(D.state)),
        _counts(connection, items.group_by(t.work_item.c.kind)),
        connection.scalar(waiting.where(N.next_attempt_at <= now)),
        connection.scalar(waiting.where(N.next_attempt_at > now)),
    )


def _counts(connection: Connection, query: Select[Any]) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(query)}
