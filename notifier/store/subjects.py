"""The reading side of the register: subjects in bulk, with everything a decision may look at."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Select, or_, select

from notifier.model import (
    CHANNELS,
    NOTIFICATION_STATES,
    REASONS,
    Contact,
    Entry,
    Office,
    OfficeId,
    Party,
    RoleHeld,
    Seen,
    Stay,
    Subject,
    SubjectKind,
    Value,
)
from notifier.store import tables as t
from notifier.store.bulk import one_of, slices
from notifier.store.history import attribute_word
from notifier.store.subject_rows import (
    ANCHOR_WORDS,
    BESIDE,
    CONTACT,
    DESK,
    ENTRY,
    ENTRY_REASON,
    ENTRY_STATE,
    HEAD,
    IN_FORCE,
    OF_HOLDER,
    OF_ID,
    OFFICE,
    PARTY,
    ROLE,
    SEEN,
    STAY,
    WORDS,
)

#: How many ids stand in one IN list; SQLite takes 32,766 parameters, and plans stay good well below that.
CHUNK = 500
#: How many ids one question names where they are one parameter.
IDS_AT_ONCE = 5_000
NO_ATTRIBUTES = (None, "{}", "null")
NOTHING: Mapping[Any, Any] = MappingProxyType({})


def read_offices(connection: Connection) -> dict[OfficeId, Office]:
    """All offices by id; an office that has not changed is the same object, so that it is soon found among others."""
    return {OfficeId(row[0]): _office(*row) for row in connection.execute(OFFICE)}


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


def _rows(connection: Connection, query: Select[Any], ids: Iterable[int], kind: SubjectKind | None = None) -> list[Any]:
    """What a query that has the parameter `ids` finds; `kind` is one more of some."""
    found: list[Any] = []
    for part in slices(sorted(set(ids)), IDS_AT_ONCE):
        asked: dict[str, Any] = {"ids": part} if kind is None else {"ids": part, "kind": kind.value}
        found += connection.execute(query, asked).all()
    return found


@dataclass(slots=True)
class _Around:
    """What belongs to a batch of subjects, by its id; most have nothing of most of it."""

    holders: dict[int, Party] = field(default_factory=dict)
    roles: dict[int, list[RoleHeld]] = field(default_factory=dict)
    history: dict[int, dict[str, tuple[Seen, ...]]] = field(default_factory=dict)
    changed: dict[int, dict[str, datetime]] = field(default_factory=dict)
    stays: dict[int, list[Stay]] = field(default_factory=dict)
    permits: dict[int, dict[int, Mapping[str, Value]]] = field(default_factory=dict)  # by holder, then by id
    cases: dict[int, dict[int, Mapping[str, Value]]] = field(default_factory=dict)
    desks: dict[str, list[RoleHeld]] = field(default_factory=dict)  # by code of the office


def read_subjects(
    connection: Connection,
    kind: SubjectKind,
    ids: Iterable[int],
    offices: Mapping[OfficeId, Office],
    *,
    with_contacts: bool = True,
) -> dict[int, Subject]:
    """Permits or cases by id; ids the register does not hold are left out. A decision looks at no address."""
    rows = _rows(connection, OF_ID[kind], ids)
    if not rows:
        return {}
    around = _Around()
    _add_people(connection, kind, rows, with_contacts, around)
    _add_seen(connection, kind, rows, around)
    if kind is SubjectKind.CASE:
        for case_id, *values in _rows(connection, STAY, [row[0] for row in rows]):
            around.stays.setdefault(case_id, []).append(Stay(*values))
    _add_held(connection, kind, rows, around)
    return {row[0]: _subject(kind, row, around, offices) for row in rows}


def _subject(kind: SubjectKind, row: Sequence[Any], around: _Around, offices: Mapping[OfficeId, Office]) -> Subject:
    key, number, office_id, holder_id, permit_id, _ = row[:HEAD]
    office = offices[office_id]
    permits = around.permits.get(holder_id, NOTHING)
    is_case = kind is SubjectKind.CASE
    return Subject(
        kind=kind,
        id=key,
        number=number,
        office=office,
        facts=_facts(kind, row),
        roles=(
            RoleHeld("holder", around.holders[holder_id]),
            *around.roles.get(key, ()),
            *around.desks.get(office.code, ()),
        ),
        history=around.history.get(key, NOTHING),
        stays=tuple(around.stays.get(key, ())),
        others=tuple([facts for other, facts in permits.items() if is_case or other != key]) if permits else (),
        cases=tuple(around.cases.get(holder_id, NOTHING).values()),
        permit=permits.get(permit_id) if is_case else None,
        changed=around.changed.get(key, NOTHING),
    )


def _facts(kind: SubjectKind, row: Sequence[Any]) -> Mapping[str, Value]:
    facts: dict[str, Value] = dict(zip(WORDS[kind], row[HEAD:], strict=False))  # the holder may follow
    if row[HEAD - 1] not in NO_ATTRIBUTES:
        for name, value in (json.loads(row[HEAD - 1]) or NOTHING).items():
            facts[f"attributes.{name}"] = facts[attribute_word(name)] = value
    return facts


def _add_people(
    connection: Connection, kind: SubjectKind, rows: Sequence[Any], with_contacts: bool, around: _Around
) -> None:
    """Holders, roles and desks, in one question for the addresses of all of them."""
    roles = _rows(connection, ROLE, [row[0] for row in rows], kind)
    desks = connection.execute(DESK).all()
    start = HEAD + len(WORDS[kind])
    people = {row[start]: row[start:] for row in rows}
    people |= {row[4]: row[4:] for row in roles}
    people |= {row[0]: row for row in desks}
    parties = _parties(connection, people, with_contacts)
    around.holders = parties
    for subject_id, role, valid_from, valid_until, party_id, *_ in roles:
        held = RoleHeld(role, parties[party_id], valid_from, valid_until)
        around.roles.setdefault(subject_id, []).append(held)
    for desk_id, number, *_ in desks:
        _, office_code, *_, name = number.split(":")
        around.desks.setdefault(office_code, []).append(RoleHeld(f"{name} desk", parties[desk_id]))


def _parties(
    connection: Connection, people: Mapping[int, Sequence[Any]], with_contacts: bool = True
) -> dict[int, Party]:
    """Parties out of their rows by id, with their contacts."""
    contacts: dict[int, list[Contact]] = {}
    if with_contacts:
        for party_id, channel, address, usable, reason in _rows(connection, CONTACT, people):
            contacts.setdefault(party_id, []).append(Contact(CHANNELS[channel], address, usable, reason))
    make: Callable[..., Party] = Party
    return {key: make(*row, tuple(contacts.get(key, ()))) for key, row in people.items()}


def read_parties(connection: Connection, ids: Iterable[int]) -> dict[int, Party]:
    """Parties with their contacts, by id."""
    return _parties(connection, {row[0]: row for row in _rows(connection, PARTY, ids)})


def _add_seen(connection: Connection, kind: SubjectKind, rows: Sequence[Any], around: _Around) -> None:
    dates = ANCHOR_WORDS[kind]
    for subject_id, word, value, at in _rows(connection, SEEN, [row[0] for row in rows], kind):
        if word in dates:
            history = around.history.setdefault(subject_id, {})
            history[word] = (*history.get(word, ()), _seen(value, at))
        else:
            around.changed.setdefault(subject_id, {})[word] = at


@lru_cache(maxsize=4096)
def _seen(value: str, at: datetime) -> Seen:
    """What came with one file has one instant, and what ends on one day one value."""
    return Seen(parse_value(value), at)


def _add_held(connection: Connection, kind: SubjectKind, rows: Sequence[Any], around: _Around) -> None:
    """The other permits and cases of the holders; a case is one of its holder's cases itself."""
    for which, held in ((SubjectKind.PERMIT, around.permits), (SubjectKind.CASE, around.cases)):
        if which is kind:
            found = _rows(connection, BESIDE[which], [row[0] for row in rows])
            found += rows if which is SubjectKind.CASE else []
        else:
            found = _rows(connection, OF_HOLDER[which], [row[3] for row in rows])
        for row in sorted(found, key=itemgetter(0)):
            held.setdefault(row[3], {})[row[0]] = _facts(which, row)


def parse_value(text: str) -> date | datetime:
    """A value as `seen` stores it: an ISO date, or an ISO instant in UTC."""
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def read_entries(connection: Connection, kind: SubjectKind, ids: Iterable[int]) -> dict[int, list[Entry]]:
    """The ledger of a batch of subjects, by subject id, in the order in which it was written."""
    entries: dict[int, list[Entry]] = {}
    for subject_id, *values in _rows(connection, ENTRY, ids, kind):
        values[ENTRY_STATE] = NOTIFICATION_STATES[values[ENTRY_STATE]]
        values[ENTRY_REASON] = REASONS[values[ENTRY_REASON]] if values[ENTRY_REASON] else None
        entries.setdefault(subject_id, []).append(Entry(*values))
    return entries


def read_in_force(connection: Connection) -> dict[tuple[str, str], datetime]:
    """Since when each step of each rule is in force, by (rule, step) (S44)."""
    return {(rule, step): since for rule, step, since in connection.execute(IN_FORCE)}


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
    found = {(kind, row[0]) for kind in SubjectKind for row in _rows(connection, OF_HOLDER[kind], ids)}
    roles = select(t.role.c.subject_kind, t.role.c.subject_id).where(one_of(t.role.c.party_id))
    found |= {(SubjectKind(kind), key) for kind, key in _rows(connection, roles, ids)}
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
