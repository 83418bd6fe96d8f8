"""The questions by which subjects are read, built once, and what their rows hold."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import JSON, Text, and_, bindparam, cast, literal_column, null, select

from notifier.model import Entry, Office, Party, SubjectKind
from notifier.store import tables as t
from notifier.store.bulk import one_of
from notifier.store.history import ANCHORS

N = t.notification.c

#: The words of rules and the columns they stand in.
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
#: What a decision or a message knows of a party, in the order of its fields; its contacts come last and are not here.
PARTY_COLUMNS = [t.party.c[name] for name in Party.__dataclass_fields__ if name != "contacts"]
#: The words of a subject's facts, in the order in which its row has their values after HEAD columns.
WORDS = {kind: tuple(columns) for kind, columns in FACTS.items()}
HEAD = 6


def _subject_columns(kind: SubjectKind) -> list[Any]:
    c = t.SUBJECTS[kind].c
    permit_id = c.permit_id if kind is SubjectKind.CASE else null()
    attributes = cast(c.attributes, Text)  # as text, for most have none
    head = [c.id, c.number, c.office_id, c.holder_id, permit_id, attributes]
    assert len(head) == HEAD
    return [*head, *(c[name] for name in FACTS[kind].values())]


#: Subjects by id, each with its holder; those of a holder; the others of the holder of a subject.
OF_ID, OF_HOLDER, BESIDE = {}, {}, {}
for _kind, _table in t.SUBJECTS.items():
    _mine = _table.alias("mine")
    _holder = t.party.c.id == _table.c.holder_id
    _beside = and_(_mine.c.holder_id == _table.c.holder_id, _mine.c.id != _table.c.id)
    _columns = _subject_columns(_kind)
    OF_ID[_kind] = select(*_columns, *PARTY_COLUMNS).join_from(_table, t.party, _holder).where(one_of(_table.c.id))
    OF_HOLDER[_kind] = select(*_columns).where(one_of(_table.c.holder_id))
    BESIDE[_kind] = select(*_columns).join_from(_table, _mine, _beside).where(one_of(_mine.c.id))
#: An office as it is read: its lists as text, so that a row can be looked up.
OFFICE = select(
    *(
        cast(t.office.c[name], Text).label(name) if isinstance(t.office.c[name].type, JSON) else t.office.c[name]
        for name in Office.__dataclass_fields__
    )
)
#: The roles in subjects of one kind, each with its party.
ROLE = (
    select(t.role.c.subject_id, t.role.c.role, t.role.c.valid_from, t.role.c.valid_until, *PARTY_COLUMNS)
    .join(t.party, t.party.c.id == t.role.c.party_id)
    .where(t.role.c.subject_kind == bindparam("kind"), one_of(t.role.c.subject_id))
    .order_by(t.role.c.id)
)
#: The parties that stand for the desks of all offices; the kind is written into the statement, as its index has it.
DESK = (
    select(*PARTY_COLUMNS)
    .where(t.party.c.kind == literal_column("'desk'"), t.party.c.number.startswith("desk:"))
    .order_by(t.party.c.id)
)
PARTY = select(*PARTY_COLUMNS).where(one_of(t.party.c.id))
CONTACT = (
    select(t.contact.c.party_id, t.contact.c.channel, t.contact.c.address, t.contact.c.usable, t.contact.c.reason)
    .where(one_of(t.contact.c.party_id))
    .order_by(t.contact.c.id)
)
SEEN = (
    select(t.seen.c.subject_id, t.seen.c.field, t.seen.c.value, t.seen.c.at)
    .where(t.seen.c.subject_kind == bindparam("kind"), one_of(t.seen.c.subject_id))
    .order_by(t.seen.c.id)
)
STAY = (
    select(t.stay.c.case_id, t.stay.c.id, t.stay.c.state, t.stay.c.began_at, t.stay.c.ended_at)
    .where(one_of(t.stay.c.case_id))
    .order_by(t.stay.c.id)
)
#: The columns of an entry in the order of its fields, and the places of those that are words of closed lists.
ENTRY_FIELDS = tuple(Entry.__dataclass_fields__)
ENTRY_STATE, ENTRY_REASON = ENTRY_FIELDS.index("state"), ENTRY_FIELDS.index("reason")
ENTRY = (
    select(N.subject_id, *(N["rule_digest" if name == "version" else name] for name in ENTRY_FIELDS))
    .where(N.subject_kind == bindparam("kind"), one_of(N.subject_id))
    .order_by(N.id)
)
IN_FORCE = select(t.in_force.c.rule, t.in_force.c.step, t.in_force.c.since)
