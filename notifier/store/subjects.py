"""The reading side of the register: subjects in bulk, with everything a decision may look at."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, or_, select

from notifier.model import (
    Channel,
    Contact,
    Entry,
    NotificationId,
    NotificationState,
    Office,
    OfficeId,
    Party,
    PartyId,
    Reason,
    RoleHeld,
    Seen,
    Stay,
    Subject,
    SubjectKind,
    Value,
)
from notifier.store import tables as t
from notifier.store.history import ANCHORS, attribute_word

#: How many ids stand in one IN list; SQLite takes 32,766 parameters, and plans stay good well below that.
CHUNK = 500

PERMIT_FACTS: Mapping[str, str] = {
    "type": "type",
    "status": "status",
    "origin": "origin",
    "issue": "issue",
    "expiry": "expiry",
    "arrival": "arrival",
    "departure deadline": "departure_deadline",
    "extendable": "extendable",
    "extensions left": "extensions_left",
}
CASE_FACTS: Mapping[str, str] = {
    "service": "service",
    "state": "state",
    "submission": "submitted_at",
    "payment deadline": "payment_due_at",
    "payment": "paid_at",
    "appointment": "appointment_at",
    "documents deadline": "documents_due_on",
    "service deadline": "service_due_on",
    "issue": "issue",
    "collection deadline": "collect_by",
    "closing": "closed_at",
}
#: What is kept with its values in `seen`; of everything else only the changes are.
ANCHOR_WORDS = {kind: frozenset(columns.values()) for kind, columns in ANCHORS.items()}
FACTS: Mapping[SubjectKind, Mapping[str, str]] = {SubjectKind.PERMIT: PERMIT_FACTS, SubjectKind.CASE: CASE_FACTS}


def read_offices(connection: Connection) -> dict[OfficeId, Office]:
    """All offices by id."""
    return {OfficeId(row.id): _office(row) for row in connection.execute(select(t.office))}


def _office(row: Row[Any]) -> Office:
    return Office(
        id=OfficeId(row.id),
        code=row.code,
        name=row.name,
        zone=row.zone,
        country=row.country,
        province=row.province,
        phone=row.phone,
        address=row.address,
        website=row.website,
        sms_sender=row.sms_sender,
        whatsapp_sender=row.whatsapp_sender,
        email_sender=row.email_sender,
        opens_at=row.opens_at,
        closes_at=row.closes_at,
        weekdays=frozenset(row.weekdays),
        closed_days=frozenset(date.fromisoformat(day) for day in row.closed_days),
        working_days=frozenset(date.fromisoformat(day) for day in row.working_days),
    )


def chunks(ids: Iterable[int]) -> Iterable[list[int]]:
    """Sorted, without repeats, in lists short enough for one statement."""
    ordered = sorted(set(ids))
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def _rows(connection: Connection, query: Select[Any], column: Any, ids: Iterable[int]) -> Iterable[Row[Any]]:
    for chunk in chunks(ids):
        yield from connection.execute(query.where(column.in_(chunk)))


@dataclass(slots=True)
class _Gathered:
    """What belongs to a batch of subjects, by its id."""

    parties: dict[int, Party] = field(default_factory=dict)
    roles: dict[int, list[Row[Any]]] = field(default_factory=lambda: defaultdict(list))
    history: dict[int, dict[str, list[Seen]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    changed: dict[int, dict[str, datetime]] = field(default_factory=lambda: defaultdict(dict))
    stays: dict[int, list[Stay]] = field(default_factory=lambda: defaultdict(list))
    permits: dict[int, list[tuple[int, Mapping[str, Value]]]] = field(default_factory=lambda: defaultdict(list))
    cases: dict[int, list[Mapping[str, Value]]] = field(default_factory=lambda: defaultdict(list))
    desks: dict[str, list[Party]] = field(default_factory=lambda: defaultdict(list))


def read_subjects(
    connection: Connection, kind: SubjectKind, ids: Iterable[int], offices: Mapping[OfficeId, Office]
) -> dict[int, Subject]:
    """Permits or cases by id; ids the register does not hold are left out."""
    table, columns = t.SUBJECTS[kind], FACTS[kind]
    rows = list(_rows(connection, select(table), table.c.id, ids))
    gathered = _gather(connection, kind, rows)
    subjects = {}
    for row in rows:
        office = offices[OfficeId(row.office_id)]
        subjects[row.id] = Subject(
            kind=kind,
            id=row.id,
            number=row.number,
            office=office,
            facts=_facts(row, columns),
            roles=_roles(row, gathered, office),
            history={name: tuple(values) for name, values in gathered.history[row.id].items()},
            stays=tuple(gathered.stays[row.id]),
            others=tuple(
                facts for other, facts in gathered.permits[row.holder_id] if kind is SubjectKind.CASE or other != row.id
            ),
            cases=tuple(gathered.cases[row.holder_id]),
            permit=_permit_of(row, gathered) if kind is SubjectKind.CASE else None,
            changed=gathered.changed[row.id],
        )
    return subjects


def _permit_of(case: Row[Any], gathered: _Gathered) -> Mapping[str, Value] | None:
    """The facts of the permit a case is about."""
    return next((facts for key, facts in gathered.permits[case.holder_id] if key == case.permit_id), None)


def _facts(row: Row[Any], columns: Mapping[str, str]) -> Mapping[str, Value]:
    values = row._mapping
    facts: dict[str, Value] = {word: values[column] for word, column in columns.items()}
    for name, value in (values["attributes"] or {}).items():
        facts[f"attributes.{name}"] = facts[attribute_word(name)] = value
    return facts


def _roles(row: Row[Any], gathered: _Gathered, office: Office) -> tuple[RoleHeld, ...]:
    held = [RoleHeld("holder", gathered.parties[row.holder_id])]
    held += [
        RoleHeld(role.role, gathered.parties[role.party_id], role.valid_from, role.valid_until)
        for role in gathered.roles[row.id]
    ]
    held += [RoleHeld(f"{desk.number.split(':')[-1]} desk", desk) for desk in gathered.desks[office.code]]
    return tuple(held)


def _gather(connection: Connection, kind: SubjectKind, rows: Sequence[Row[Any]]) -> _Gathered:
    gathered = _Gathered()
    ids = [row.id for row in rows]
    holders = {row.holder_id for row in rows}
    of_kind = select(t.role).where(t.role.c.subject_kind == kind.value).order_by(t.role.c.id)
    for role in _rows(connection, of_kind, t.role.c.subject_id, ids):
        gathered.roles[role.subject_id].append(role)
    seen = select(t.seen).where(t.seen.c.subject_kind == kind.value).order_by(t.seen.c.id)
    dates = ANCHOR_WORDS[kind]
    for row in _rows(connection, seen, t.seen.c.subject_id, ids):
        if row.field in dates:
            gathered.history[row.subject_id][row.field].append(Seen(parse_value(row.value), row.at))
        else:
            gathered.changed[row.subject_id][row.field] = row.at
    if kind is SubjectKind.CASE:
        for row in _rows(connection, select(t.stay).order_by(t.stay.c.id), t.stay.c.case_id, ids):
            gathered.stays[row.case_id].append(Stay(row.id, row.state, row.began_at, row.ended_at))
    for row in _rows(connection, select(t.permit), t.permit.c.holder_id, holders):
        gathered.permits[row.holder_id].append((row.id, _facts(row, PERMIT_FACTS)))
    for row in _rows(connection, select(t.case), t.case.c.holder_id, holders):
        gathered.cases[row.holder_id].append(_facts(row, CASE_FACTS))
    parties = holders | {role.party_id for held in gathered.roles.values() for role in held}
    gathered.parties = read_parties(connection, parties)
    for desk in _desks(connection):
        gathered.desks[desk.number.split(":")[1]].append(desk)
    return gathered


def _desks(connection: Connection) -> Iterable[Party]:
    ids = connection.execute(select(t.party.c.id).where(t.party.c.number.startswith("desk:"))).scalars().all()
    return read_parties(connection, ids).values()


def read_parties(connection: Connection, ids: Iterable[int]) -> dict[int, Party]:
    """Parties with their contacts, by id."""
    ids = set(ids)
    contacts: dict[int, list[Contact]] = defaultdict(list)
    for row in _rows(connection, select(t.contact).order_by(t.contact.c.id), t.contact.c.party_id, ids):
        contacts[row.party_id].append(Contact(Channel(row.channel), row.address, row.usable, row.reason))
    return {
        row.id: Party(
            id=PartyId(row.id),
            number=row.number,
            kind=row.kind,
            name=row.name,
            language=row.language,
            nationality=row.nationality,
            birth_date=row.birth_date,
            zone=row.zone,
            deceased_on=row.deceased_on,
            household=row.household,
            contacts=tuple(contacts[row.id]),
        )
        for row in _rows(connection, select(t.party), t.party.c.id, ids)
    }


def parse_value(text: str) -> date | datetime:
    """A value as `seen` stores it: an ISO date, or an ISO instant in UTC."""
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def read_entries(connection: Connection, kind: SubjectKind, ids: Iterable[int]) -> dict[int, list[Entry]]:
    """The ledger of a batch of subjects, by subject id, in the order in which it was written."""
    entries: dict[int, list[Entry]] = defaultdict(list)
    n = t.notification.c
    query = select(t.notification).where(n.subject_kind == kind.value).order_by(n.id)
    for row in _rows(connection, query, n.subject_id, ids):
        entries[row.subject_id].append(
            Entry(
                id=NotificationId(row.id),
                rule=row.rule,
                step=row.step,
                occurrence=row.occurrence,
                cycle=row.cycle,
                party_id=PartyId(row.party_id),
                role=row.role,
                state=NotificationState(row.state),
                moment=row.moment,
                told_at=row.told_at,
                in_place_of=PartyId(row.in_place_of) if row.in_place_of is not None else None,
                useful_until=row.useful_until,
                first_sent_at=row.first_sent_at,
                reason=Reason(row.reason) if row.reason else None,
                version=row.rule_digest,
                forced=row.forced,
            )
        )
    return entries


def read_in_force(connection: Connection) -> dict[tuple[str, str], datetime]:
    """Since when each step of each rule is in force, by (rule, step) (S44)."""
    return {(row.rule, row.step): row.since for row in connection.execute(select(t.in_force))}


def find_subjects(connection: Connection, number: str) -> list[tuple[SubjectKind, int]]:
    """Permits and cases with that very number."""
    found: list[tuple[SubjectKind, int]] = []
    for kind, table in t.SUBJECTS.items():
        exact = connection.execute(select(table.c.id).where(table.c.number == number)).scalars().all()
        found += [(kind, key) for key in exact]
    return found


def subjects_of_party(connection: Connection, party_ids: Iterable[int]) -> list[tuple[SubjectKind, int]]:
    """Every subject in which one of the parties is holder or has a role."""
    ids = list(party_ids)
    found: set[tuple[SubjectKind, int]] = set()
    for kind, table in t.SUBJECTS.items():
        for row in _rows(connection, select(table.c.id), table.c.holder_id, ids):
            found.add((kind, row.id))
    for row in _rows(connection, select(t.role.c.subject_kind, t.role.c.subject_id), t.role.c.party_id, ids):
        found.add((SubjectKind(row.subject_kind), row.subject_id))
    return sorted(found)


def parties_at(connection: Connection, address: str) -> list[int]:
    """Parties that can be reached at an address (E.164 or e-mail) or have that number."""
    query = (
        select(t.party.c.id)
        .outerjoin(t.contact, t.contact.c.party_id == t.party.c.id)
        .where(or_(t.contact.c.address == address, t.party.c.number == address))
        .distinct()
    )
    return list(connection.execute(query).scalars())
