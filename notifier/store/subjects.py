"""The reading side of the register: subjects in bulk, with everything a decision may look at."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from operator import attrgetter, itemgetter
from types import MappingProxyType
from typing import Any

from sqlalchemy import JSON, Connection, Row, Select, Text, and_, cast, literal, or_, select

from notifier.model import (
    Channel,
    Contact,
    Entry,
    NotificationState,
    Office,
    OfficeId,
    Party,
    Reason,
    RoleHeld,
    Seen,
    Stay,
    Subject,
    SubjectKind,
    Value,
)
from notifier.store import tables as t
from notifier.store.bulk import among, slices
from notifier.store.history import ANCHORS, attribute_word

#: How many ids stand in one IN list; SQLite takes 32,766 parameters, and plans stay good well below that.
CHUNK = 500
#: How many ids one question names where they are one parameter.
IDS_AT_ONCE = 5_000

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
#: Permits and cases as they are read; `attributes` as text, for most have none.
SUBJECT = {
    kind: select(
        *(column for column in table.c if column.name != "attributes"),
        cast(table.c.attributes, Text).label("attributes"),
    )
    for kind, table in t.SUBJECTS.items()
}
#: The words of the facts, and their values out of a row of these.
FACTS_OF = {
    kind: (tuple(columns), itemgetter(*(SUBJECT[kind].selected_columns.keys().index(one) for one in columns.values())))
    for kind, columns in FACTS.items()
}
NO_ATTRIBUTES = (None, "{}", "null")
#: An office as it is read: its lists as text, so that a row can be looked up.
OFFICE = select(
    *(
        cast(t.office.c[name], Text).label(name) if isinstance(t.office.c[name].type, JSON) else t.office.c[name]
        for name in Office.__dataclass_fields__
    )
)
#: What a decision or a message knows of a party.
PARTY = select(*(t.party.c[name] for name in Party.__dataclass_fields__ if name != "contacts"))
#: The columns of an entry that need no reading, by its fields.
ENTRY = {
    name: t.notification.c["rule_digest" if name == "version" else name]
    for name in Entry.__dataclass_fields__
    if name not in ("state", "reason")
}
NOTHING: Mapping[Any, Any] = MappingProxyType({})
_id = attrgetter("id")


def read_offices(connection: Connection) -> dict[OfficeId, Office]:
    """All offices by id; an office that has not changed is the same object, so that it is soon found among others."""
    return {OfficeId(row.id): _office(*row) for row in connection.execute(OFFICE)}


@lru_cache(maxsize=4096)
def _office(*values: Any) -> Office:
    known = dict(zip(OFFICE.selected_columns.keys(), values, strict=True))
    known["weekdays"] = frozenset(json.loads(known["weekdays"]))
    for name in ("closed_days", "working_days"):
        known[name] = frozenset(date.fromisoformat(day) for day in json.loads(known[name]))
    return Office(**known)


def chunks(ids: Iterable[int]) -> Iterable[list[int]]:
    """Sorted, without repeats, in lists short enough for one statement."""
    ordered = sorted(set(ids))
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def _rows(connection: Connection, query: Select[Any], column: Any, ids: Iterable[int]) -> Iterator[Any]:
    for chunk in slices(sorted(set(ids)), IDS_AT_ONCE):
        yield from connection.execute(query.where(among(connection, column, chunk))).all()


@dataclass(slots=True)
class _Gathered:
    """What belongs to a batch of subjects, by its id."""

    parties: dict[int, Party] = field(default_factory=dict)
    roles: dict[int, list[RoleHeld]] = field(default_factory=lambda: defaultdict(list))
    history: dict[int, dict[str, tuple[Seen, ...]]] = field(default_factory=lambda: defaultdict(dict))
    changed: dict[int, dict[str, datetime]] = field(default_factory=lambda: defaultdict(dict))
    stays: dict[int, list[Stay]] = field(default_factory=lambda: defaultdict(list))
    held: Mapping[SubjectKind, dict[int, dict[int, Mapping[str, Value]]]] = field(  # by holder, then by id
        default_factory=lambda: {kind: defaultdict(dict) for kind in SubjectKind}
    )
    desks: dict[str, list[RoleHeld]] = field(default_factory=lambda: defaultdict(list))


def read_subjects(
    connection: Connection,
    kind: SubjectKind,
    ids: Iterable[int],
    offices: Mapping[OfficeId, Office],
    *,
    with_contacts: bool = True,
) -> dict[int, Subject]:
    """Permits or cases by id; ids the register does not hold are left out. A decision looks at no address."""
    rows = list(_rows(connection, SUBJECT[kind], t.SUBJECTS[kind].c.id, ids))
    if not rows:
        return {}
    gathered = _gather(connection, kind, rows, with_contacts)
    for desk in _desks(connection, with_contacts):
        gathered.desks[desk.number.split(":")[1]].append(RoleHeld(f"{desk.number.split(':')[-1]} desk", desk))
    return {row.id: _subject(kind, row, gathered, offices[OfficeId(row.office_id)]) for row in rows}


def _subject(kind: SubjectKind, row: Row[Any], gathered: _Gathered, office: Office) -> Subject:
    permits = gathered.held[SubjectKind.PERMIT].get(row.holder_id, NOTHING)
    is_case = kind is SubjectKind.CASE
    return Subject(
        kind=kind,
        id=row.id,
        number=row.number,
        office=office,
        facts=_facts(kind, row),
        roles=(
            RoleHeld("holder", gathered.parties[row.holder_id]),
            *gathered.roles.get(row.id, ()),
            *gathered.desks.get(office.code, ()),
        ),
        history=gathered.history.get(row.id, NOTHING),
        stays=tuple(gathered.stays.get(row.id, ())),
        others=tuple([facts for key, facts in permits.items() if is_case or key != row.id]),
        cases=tuple(gathered.held[SubjectKind.CASE].get(row.holder_id, NOTHING).values()),
        permit=permits.get(row.permit_id) if is_case else None,
        changed=gathered.changed.get(row.id, NOTHING),
    )


def _facts(kind: SubjectKind, row: Row[Any]) -> Mapping[str, Value]:
    words, values = FACTS_OF[kind]
    facts: dict[str, Value] = dict(zip(words, values(row), strict=True))
    if row.attributes not in NO_ATTRIBUTES:
        for name, value in (json.loads(row.attributes) or NOTHING).items():
            facts[f"attributes.{name}"] = facts[attribute_word(name)] = value
    return facts


def _gather(connection: Connection, kind: SubjectKind, rows: Sequence[Row[Any]], with_contacts: bool) -> _Gathered:
    gathered = _Gathered()
    ids = [row.id for row in rows]
    holders = {row.holder_id for row in rows}
    of_kind = select(t.role).where(t.role.c.subject_kind == kind.value).order_by(t.role.c.id)
    roles = list(_rows(connection, of_kind, t.role.c.subject_id, ids))
    gathered.parties = read_parties(connection, holders | {role.party_id for role in roles}, with_contacts)
    for role in roles:
        held = RoleHeld(role.role, gathered.parties[role.party_id], role.valid_from, role.valid_until)
        gathered.roles[role.subject_id].append(held)
    _gather_seen(connection, kind, ids, gathered)
    if kind is SubjectKind.CASE:
        for row in _rows(connection, select(t.stay).order_by(t.stay.c.id), t.stay.c.case_id, ids):
            gathered.stays[row.case_id].append(Stay(row.id, row.state, row.began_at, row.ended_at))
    _gather_held(connection, kind, rows, holders, gathered)
    return gathered


def _gather_seen(connection: Connection, kind: SubjectKind, ids: Iterable[int], gathered: _Gathered) -> None:
    c, dates = t.seen.c, ANCHOR_WORDS[kind]
    query = select(c.subject_id, c.field, c.value, c.at).where(c.subject_kind == kind.value).order_by(c.id)
    for subject_id, word, value, at in _rows(connection, query, c.subject_id, ids):
        if word in dates:
            history = gathered.history[subject_id]
            history[word] = (*history.get(word, ()), Seen(parse_value(value), at))
        else:
            gathered.changed[subject_id][word] = at


def _gather_held(
    connection: Connection, kind: SubjectKind, rows: Sequence[Row[Any]], holders: set[int], gathered: _Gathered
) -> None:
    """The other permits and cases of the holders; a case is one of its holder's cases itself."""
    for which, table in t.SUBJECTS.items():
        if which is kind:
            mine = table.alias("mine")
            same_holder = and_(mine.c.holder_id == table.c.holder_id, mine.c.id != table.c.id)
            others = SUBJECT[which].join(mine, same_holder)
            found = list(_rows(connection, others, mine.c.id, [row.id for row in rows]))
            found += rows if which is SubjectKind.CASE else ()
        else:
            found = list(_rows(connection, SUBJECT[which], table.c.holder_id, holders))
        for row in sorted(found, key=_id):
            gathered.held[which][row.holder_id][row.id] = _facts(which, row)


def _desks(connection: Connection, with_contacts: bool) -> Iterable[Party]:
    """The parties that stand for the desks of all offices."""
    # Written into the statement: a prepared one could not use the index of the desks alone.
    is_desk = t.party.c.kind == literal("desk", literal_execute=True)
    ids = connection.execute(select(t.party.c.id).where(is_desk, t.party.c.number.startswith("desk:"))).scalars().all()
    return read_parties(connection, ids, with_contacts).values()


def read_parties(connection: Connection, ids: Iterable[int], with_contacts: bool = True) -> dict[int, Party]:
    """Parties with their contacts, by id."""
    ids = set(ids)
    contacts: dict[int, list[Contact]] = defaultdict(list)
    if with_contacts:
        for row in _rows(connection, select(t.contact).order_by(t.contact.c.id), t.contact.c.party_id, ids):
            contacts[row.party_id].append(Contact(Channel(row.channel), row.address, row.usable, row.reason))
    # A row has its columns in the order of the fields of a party: the id first, the contacts last.
    make: Callable[..., Party] = Party
    return {row[0]: make(*row, tuple(contacts.get(row[0], ()))) for row in _rows(connection, PARTY, t.party.c.id, ids)}


def parse_value(text: str) -> date | datetime:
    """A value as `seen` stores it: an ISO date, or an ISO instant in UTC."""
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def read_entries(connection: Connection, kind: SubjectKind, ids: Iterable[int]) -> dict[int, list[Entry]]:
    """The ledger of a batch of subjects, by subject id, in the order in which it was written."""
    entries: dict[int, list[Entry]] = defaultdict(list)
    n = t.notification.c
    query = select(n.subject_id, n.state, n.reason, *ENTRY.values()).where(n.subject_kind == kind.value).order_by(n.id)
    make: Callable[..., Entry] = Entry
    for row in _rows(connection, query, n.subject_id, ids):
        subject_id, state, reason, *values = row
        known = dict(zip(ENTRY, values, strict=True))
        entries[subject_id].append(
            make(state=NotificationState(state), reason=Reason(reason) if reason else None, **known)
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
