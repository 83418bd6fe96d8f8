"""The writing side of the register: offices, parties, permits and cases in bulk, and what they touch.

All of it happens in the transaction of the connection that is given. What is already so is not written again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from sqlalchemy import Connection, delete, select

from notifier.model import Channel, SubjectKind
from notifier.store.bulk import TOGETHER, Row, among, merged, portions, rows_by, slices
from notifier.store.changes import touch_parties
from notifier.store.many import insert_each, update_each
from notifier.store.records import OfficeRecord, PartyRecord, Refused, SubjectRecord, Written
from notifier.store.subject_writing import write_subjects
from notifier.store.tables import contact, office, party
from notifier.store.upsert import upsert

#: What a new office has when its source does not say (the counter hours most offices keep).
OFFICE_DEFAULTS: Mapping[str, object] = {
    "country": "ID",
    "opens_at": time(8, 0),
    "closes_at": time(15, 0),
    "weekdays": [0, 1, 2, 3, 4],
    "closed_days": [],
    "working_days": [],
}
PARTY_DEFAULTS: Mapping[str, object] = {"kind": "person"}


def desk_number(office_code: str, name: str) -> str:
    """The number of the party that stands for a desk of an office: "desk:batam:front"."""
    return f"desk:{office_code}:{name}"


def put_offices(connection: Connection, records: Sequence[OfficeRecord], *, now: datetime) -> Written:
    """Take offices and their desks. A changed calendar or zone touches no subject here: the planner compares
    each office's fingerprint and plans the whole office again (S29)."""
    written = Written()
    for places in portions([record.code for record in records]):
        written = written.plus(_put_offices(connection, {place: records[place] for place in places}, now))
    return written


def put_parties(connection: Connection, records: Sequence[PartyRecord], *, now: datetime) -> Written:
    """Take parties and their contacts; `changed` gets each subject of one that changed in more than name."""
    written = Written()
    for places in portions([record.number for record in records]):
        outcome = _put_parties(connection, {place: records[place] for place in places})
        written = written.plus(outcome.written)
    return written


def put_subjects(
    connection: Connection, kind: SubjectKind, records: Sequence[SubjectRecord], *, now: datetime
) -> Written:
    """Take permits or cases with their roles, history and stays. References to nobody refuse the record."""
    written = Written()
    for places in portions([record.number for record in records]):
        portion = {place: records[place] for place in places}
        written = written.plus(write_subjects(connection, kind, portion, now=now))
    return written


# ------------------------------------------------------------------------------------------------- offices


def _put_offices(connection: Connection, portion: Mapping[int, OfficeRecord], now: datetime) -> Written:
    existing = rows_by(connection, office, office.c.code, (record.code for record in portion.values()))
    desks_changed = _put_desks(connection, list(portion.values()), existing)
    rows, refused = [], []
    added = changed = unchanged = 0
    for place, record in portion.items():
        old = existing.get(record.code)
        missing = [name for name in ("name", "zone") if old is None and not record.values.get(name)]
        if missing:
            refused.append(Refused(place, missing[0], "a new office needs it"))
            continue
        defaults = {"code": record.code, **OFFICE_DEFAULTS} if old is None else {}
        row = merged(office, old, {**defaults, **record.values}, {})
        if row != old:
            rows.append(row)
        if old is None:
            added += 1
        elif row != old or record.code in desks_changed:
            changed += 1
        else:
            unchanged += 1
    upsert(connection, office, "code", rows)
    return Written(added, changed, unchanged, tuple(refused))


def _put_desks(connection: Connection, records: Sequence[OfficeRecord], existing: Mapping[str, Row]) -> frozenset[str]:
    """Write the desks as parties; gives the codes of offices of which a desk changed."""
    desks: dict[str, tuple[str, PartyRecord]] = {}
    for record in records:
        name = record.values.get("name") or existing.get(record.code, {}).get("name") or record.code
        for desk, address in record.desks.items():
            number = desk_number(record.code, desk)
            values = {"kind": "desk", "name": f"{name}, {desk} desk"}
            desks[number] = (record.code, PartyRecord(number, values, {Channel.EMAIL: address}))
    held = rows_by(connection, party, party.c.number, desks)
    wanted = [
        (code, desk)
        for number, (code, desk) in desks.items()
        if number in held or desk.contacts[Channel.EMAIL] is not None
    ]
    outcome = _put_parties(connection, dict(enumerate(desk for _, desk in wanted)))
    return frozenset(code for place, (code, _) in enumerate(wanted) if place in outcome.written_places)


# ------------------------------------------------------------------------------------------------- parties


@dataclass(frozen=True, slots=True)
class _PartiesWritten:
    written: Written
    written_places: frozenset[int]


def _put_parties(connection: Connection, portion: Mapping[int, PartyRecord]) -> _PartiesWritten:
    existing = rows_by(connection, party, party.c.number, (record.number for record in portion.values()))
    contacts = _contacts_of(connection, (row["id"] for row in existing.values()))
    rows: list[Row] = []
    touched: list[int] = []
    accepted: list[PartyRecord] = []
    refused: list[Refused] = []
    places: set[int] = set()
    added = 0
    for place, record in portion.items():
        old = existing.get(record.number)
        if old is None and not record.values.get("name"):
            refused.append(Refused(place, "name", "a new person needs it"))
            continue
        accepted.append(record)
        defaults = {"number": record.number, **PARTY_DEFAULTS} if old is None else {}
        row = merged(party, old, {**defaults, **record.values}, record.attributes)
        reached = _addresses_differ(record, contacts.get(old["id"], {}) if old else {})
        if row != old:
            rows.append(row)
        if row != old or reached:
            places.add(place)
        added += old is None
        if old is not None and (reached or {**row, "name": ""} != {**old, "name": ""}):
            touched.append(old["id"])
    ids = {number: row["id"] for number, row in existing.items()} | upsert(connection, party, "number", rows)
    _put_contacts(connection, ((ids[record.number], record) for record in accepted), contacts)
    touch_parties(connection, touched)
    written = Written(added, len(places) - added, len(accepted) - len(places), tuple(refused))
    return _PartiesWritten(written, frozenset(places))


def _contacts_of(connection: Connection, party_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for wanted in slices(sorted(party_ids), TOGETHER):
        query = select(contact.c.id, contact.c.party_id, contact.c.channel, contact.c.address)
        for row in connection.execute(query.where(among(connection, contact.c.party_id, wanted))).all():
            found.setdefault(row.party_id, {})[row.channel] = row
    return found


def _addresses_differ(record: PartyRecord, held: Mapping[str, Any]) -> bool:
    return any(
        address != (held[channel].address if channel in held else None) for channel, address in record.contacts.items()
    )


def _put_contacts(
    connection: Connection,
    records: Iterable[tuple[int, PartyRecord]],
    contacts: Mapping[int, Mapping[str, Any]],
) -> None:
    adding, moving, removing = [], [], []
    for party_id, record in records:
        held = contacts.get(party_id, {})
        for channel, address in record.contacts.items():
            old = held.get(channel)
            if address is None and old is not None:
                removing.append(old.id)
            elif address is not None and old is None:
                adding.append({"party_id": party_id, "channel": channel.value, "address": address, "usable": True})
            elif address is not None and old is not None and old.address != address:
                moving.append({"id": old.id, "address": address})
    for gone in slices(removing):
        connection.execute(delete(contact).where(contact.c.id.in_(gone)))
    # What was learnt of the old address says nothing of the new one.
    update_each(connection, contact, moving, same={"usable": True, "reason": None})
    insert_each(connection, contact, adding)
