"""Writes one portion of permits or cases: rows, roles, history of dates, stays, and what they touch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import Connection, Table, delete, select

from notifier.model import Stay, SubjectKind
from notifier.store.bulk import TOGETHER, Row, among, ids_by, merged, rows_by, slices
from notifier.store.changes import touch_holders
from notifier.store.history import (
    ANCHORS,
    StayChange,
    changed_values,
    new_values,
    stay_change,
    stays_of,
    write_seen,
    write_stays,
)
from notifier.store.many import insert_each, update_each
from notifier.store.outbox import take_along
from notifier.store.records import Refused, SubjectRecord, Written
from notifier.store.tables import SUBJECTS, office, party, permit, role
from notifier.store.upsert import upsert

DEFAULTS: Mapping[SubjectKind, Mapping[str, object]] = {
    SubjectKind.PERMIT: {"status": "active"},
    SubjectKind.CASE: {},
}
NEEDED: Mapping[SubjectKind, tuple[str, ...]] = {
    SubjectKind.PERMIT: ("type", "status"),
    SubjectKind.CASE: ("service", "state"),
}

#: A permit has no stays.
UNCHANGED = StayChange()

#: (role, party id) -> the days between which it counts.
Roles = dict[tuple[str, int], tuple[date | None, date | None]]


@dataclass(slots=True)
class _Known:
    """What the register holds of everything a portion mentions, and what a new row of its kind begins with."""

    table: Table
    defaults: Mapping[str, object]
    anchors: Mapping[str, str]
    offices: Mapping[str, int]
    parties: Mapping[str, int]
    permits: Mapping[str, int]
    subjects: Mapping[str, Row]
    roles: Mapping[int, Mapping[tuple[str, int], Row]]
    stays: Mapping[int, list[Stay]]


@dataclass(slots=True)
class _Changes:
    """What is to be written, gathered over the portion."""

    rows: list[Row] = field(default_factory=list)
    seen: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    roles: dict[str, Roles] = field(default_factory=dict)
    ended_roles: list[int] = field(default_factory=list)
    moved_roles: list[dict[str, object]] = field(default_factory=list)
    stays: dict[str, tuple[str, StayChange]] = field(default_factory=dict)
    holders: set[int] = field(default_factory=set)
    permits: set[int] = field(default_factory=set)
    moved: dict[int, int] = field(default_factory=dict)  # subject id -> the office it has now


def write_subjects(
    connection: Connection, kind: SubjectKind, portion: Mapping[int, SubjectRecord], *, now: datetime
) -> Written:
    """Take one portion in which no number comes twice."""
    known = _look_up(connection, kind, portion.values())
    changes, refused = _Changes(), []
    added = changed = 0
    for place, record in portion.items():
        old = known.subjects.get(record.number)
        fault = _fault(kind, record, old, known)
        if fault is not None:
            refused.append(Refused(place, *fault))
        elif _compare(kind, record, old, known, changes, now):
            added += old is None
            changed += old is not None
    _write(connection, kind, changes, known, now)
    return Written(added, changed, len(portion) - len(refused) - added - changed, tuple(refused))


# ------------------------------------------------------------------------------------------------- looking up


def _look_up(connection: Connection, kind: SubjectKind, records: Iterable[SubjectRecord]) -> _Known:
    records = list(records)
    subjects = rows_by(connection, SUBJECTS[kind], SUBJECTS[kind].c.number, (record.number for record in records))
    people = {record.holder for record in records if record.holder}
    people.update(held.party for record in records for holders in record.roles.values() for held in holders)
    ids = [row["id"] for row in subjects.values()]
    return _Known(
        table=SUBJECTS[kind],
        defaults=DEFAULTS[kind],
        anchors=ANCHORS[kind],
        offices=ids_by(connection, office, office.c.code, (record.office for record in records if record.office)),
        parties=ids_by(connection, party, party.c.number, people),
        permits=ids_by(connection, permit, permit.c.number, (one.permit for one in records if one.permit)),
        subjects=subjects,
        roles=_roles_of(connection, kind, ids) if any(record.roles for record in records) else {},
        stays=stays_of(connection, ids) if kind is SubjectKind.CASE else {},
    )


def _roles_of(connection: Connection, kind: SubjectKind, ids: list[int]) -> dict[int, dict[tuple[str, int], Row]]:
    found: dict[int, dict[tuple[str, int], Row]] = {}
    for wanted in slices(ids, TOGETHER):
        query = select(role).where(role.c.subject_kind == kind.value, among(connection, role.c.subject_id, wanted))
        for row in connection.execute(query).mappings().all():
            found.setdefault(row["subject_id"], {})[row["role"], row["party_id"]] = dict(row)
    return found


def _fault(kind: SubjectKind, record: SubjectRecord, old: Row | None, known: _Known) -> tuple[str, str] | None:
    """The first column that names nothing the register knows, and a sentence."""
    if record.office not in known.offices and (record.office or old is None):
        return "office", "the register has no office of this code; import offices first, or mend the code"
    if record.holder not in known.parties and (record.holder or old is None):
        return "holder", "the register has no person of this number; import people first, or mend the number"
    for name, holders in record.roles.items():
        if holders and any(held.party not in known.parties for held in holders):
            return name, "the register has no person of this number; import people first, or mend the number"
    if record.permit and record.permit not in known.permits:
        return "permit", "the register has no permit of this number; import permits first, or mend the number"
    if old is None:
        for column in NEEDED[kind]:
            if not record.values.get(column, known.defaults.get(column)):
                return column, f"a new {kind.value} needs it"
    return None


# -------------------------------------------------------------------------------------------------- comparing


def _compare(
    kind: SubjectKind, record: SubjectRecord, old: Row | None, known: _Known, changes: _Changes, now: datetime
) -> bool:
    """Gather what differs between the record and the register; False when nothing does."""
    row = _row(record, old, known)
    roles_differ = _compare_roles(record, old, known, changes)
    change = UNCHANGED
    if kind is SubjectKind.CASE:
        stays = known.stays.get(old["id"], []) if old else []
        change = stay_change(row["state"], record.state_since, row["submitted_at"], stays, now=now)
    if row == old and not roles_differ and change.is_empty:
        return False
    if row != old:
        changes.rows.append(row)
        changes.seen[record.number] = new_values(known.anchors, old, row)
    if old is not None and row != old:
        changes.seen[record.number] += changed_values(kind, old, row)
        if row["office_id"] != old["office_id"]:
            changes.moved[old["id"]] = row["office_id"]
    if not change.is_empty:
        changes.stays[record.number] = (row["state"], change)
    for version in (row, old):
        if version is not None:
            changes.holders.add(version["holder_id"])
            if version.get("permit_id") is not None:
                changes.permits.add(version["permit_id"])
    return True


def _row(record: SubjectRecord, old: Row | None, known: _Known) -> Row:
    values: dict[str, object] = {"number": record.number, **known.defaults} if old is None else {}
    values.update(record.values)
    if record.office:
        values["office_id"] = known.offices[record.office]
    if record.holder:
        values["holder_id"] = known.parties[record.holder]
    if record.names_permit:
        values["permit_id"] = known.permits[record.permit] if record.permit else None
    return merged(known.table, old, values, record.attributes)


def _compare_roles(record: SubjectRecord, old: Row | None, known: _Known, changes: _Changes) -> bool:
    if old is None and not any(record.roles.values()):
        return False
    wanted: Roles = {
        (name, known.parties[held.party]): (held.valid_from, held.valid_until)
        for name, holders in record.roles.items()
        for held in holders
    }
    present = known.roles.get(old["id"], {}) if old else {}
    ended = [row["id"] for key, row in present.items() if key[0] in record.roles and key not in wanted]
    moved = [
        {"id": present[key]["id"], "valid_from": days[0], "valid_until": days[1]}
        for key, days in wanted.items()
        if key in present and days != (present[key]["valid_from"], present[key]["valid_until"])
    ]
    fresh = {key: days for key, days in wanted.items() if key not in present}
    changes.ended_roles += ended
    changes.moved_roles += moved
    if fresh:
        changes.roles[record.number] = fresh
    return bool(ended or moved or fresh)


# ---------------------------------------------------------------------------------------------------- writing


def _write(connection: Connection, kind: SubjectKind, changes: _Changes, known: _Known, now: datetime) -> None:
    ids = {number: row["id"] for number, row in known.subjects.items()}
    ids.update(upsert(connection, SUBJECTS[kind], "number", changes.rows))
    _write_roles(connection, kind, changes, ids)
    history = ((ids[number], *value) for number, values in changes.seen.items() for value in values)
    write_seen(connection, kind, history, now=now)
    write_stays(connection, ((ids[number], state, change) for number, (state, change) in changes.stays.items()))
    take_along(connection, kind, changes.moved, now=now)
    touch_holders(connection, changes.holders, changes.permits)


def _write_roles(connection: Connection, kind: SubjectKind, changes: _Changes, ids: Mapping[str, int]) -> None:
    for gone in slices(changes.ended_roles):
        connection.execute(delete(role).where(role.c.id.in_(gone)))
    update_each(connection, role, changes.moved_roles)
    fresh = [
        {
            "subject_kind": kind.value,
            "subject_id": ids[number],
            "role": name,
            "party_id": party_id,
            "valid_from": starts,
            "valid_until": ends,
        }
        for number, roles in changes.roles.items()
        for (name, party_id), (starts, ends) in roles.items()
    ]
    insert_each(connection, role, fresh)
