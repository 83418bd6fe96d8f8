"""What a check of the rules asks of the register: how many subjects have which date, and which desks there are."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from sqlalchemy import Connection, func, literal, select

from notifier.model import SubjectKind
from notifier.rules.fields import FIELDS
from notifier.store import tables as t
from notifier.store.types import Instant


@dataclass(frozen=True, slots=True)
class Dated:
    """So many subjects of one office and type have this date."""

    document_type: str  # "" for cases
    value: date | datetime
    subjects: int


def subjects_by_date(
    connection: Connection,
    kind: SubjectKind,
    field: str,
    *,
    office_id: int,
    low: date,
    high: date,
    types: tuple[str, ...] = (),
    statuses: tuple[str, ...] = (),
    states: tuple[str, ...] = (),
) -> Iterator[Dated]:
    """The subjects of an office, counted by type and by the values of a date between two days.

    `field` is a word of the language ("expiry", "birth date"). Nothing for a field that the register does not hold.
    """
    table = t.SUBJECTS[kind]
    name = "birth date" if field == "birth date" else (FIELDS[field].column if field in FIELDS else None)
    if name is None:
        return
    column = t.party.c.birth_date if field == "birth date" else table.c[name]
    of_type = table.c.type if kind is SubjectKind.PERMIT else literal("")
    query = select(of_type, column, func.count()).where(table.c.office_id == office_id)
    if field == "birth date":
        query = query.join_from(table, t.party, t.party.c.id == table.c.holder_id)
    if kind is SubjectKind.PERMIT and types:
        query = query.where(table.c.type.in_(types))
    if kind is SubjectKind.PERMIT and statuses:
        query = query.where(table.c.status.in_(statuses))
    if kind is SubjectKind.CASE and states:
        query = query.where(table.c.state.in_(states))
    first, last = (
        datetime.combine(day, time(), UTC) if isinstance(column.type, Instant) else day for day in (low, high)
    )
    counted = query.where(column.between(first, last)).group_by(of_type, column)
    for document_type, value, subjects in connection.execute(counted):
        yield Dated(document_type, value, subjects)


def desks_by_office(connection: Connection) -> dict[str, set[str]]:
    """The names of the desks of each office, by its code: "front", "enforcement"."""
    found: dict[str, set[str]] = defaultdict(set)
    for number in connection.execute(select(t.party.c.number).where(t.party.c.number.startswith("desk:"))).scalars():
        _, office, name = number.split(":", 2)
        found[office].add(name)
    return found
