"""Says which subjects the planner must look at again, in the transaction that changed them (`changed`)."""

from collections.abc import Iterable

from sqlalchemy import Connection, Select, insert, literal, select, union

from notifier.store.bulk import TOGETHER, among, slices
from notifier.store.tables import SUBJECTS, changed, permit, role


def touch_holders(connection: Connection, holder_ids: Iterable[int], permit_ids: Iterable[int] = ()) -> None:
    """These permits, and all that these holders have: a renewal (S56) or open case (S92) decides on others."""
    for holders in slices(sorted(set(holder_ids)), TOGETHER):
        _append(connection, _held_by(connection, holders))
    for permits in slices(sorted(set(permit_ids)), TOGETHER):
        _append(connection, [select(literal("permit"), permit.c.id).where(among(connection, permit.c.id, permits))])


def touch_parties(connection: Connection, party_ids: Iterable[int]) -> None:
    """All subjects these parties hold or have a role in: contacts, language and age decide who is told."""
    for parties in slices(sorted(set(party_ids)), TOGETHER):
        roles = select(role.c.subject_kind, role.c.subject_id).where(among(connection, role.c.party_id, parties))
        _append(connection, [*_held_by(connection, parties), roles])


def touch_subjects(connection: Connection, subjects: Iterable[tuple[str, int]]) -> None:
    """These subjects (kind, id) and no others."""
    rows = [{"subject_kind": kind, "subject_id": key} for kind, key in sorted(set(subjects))]
    if rows:
        connection.execute(insert(changed), rows)


def _held_by(connection: Connection, parties: list[int]) -> list[Select[str, int]]:
    return [
        select(literal(kind.value), table.c.id).where(among(connection, table.c.holder_id, parties))
        for kind, table in SUBJECTS.items()
    ]


def _append(connection: Connection, queries: list[Select[str, int]]) -> None:
    """INSERT … SELECT: an officer may stand in a hundred thousand cases, which need not travel here."""
    source = union(*queries) if len(queries) > 1 else queries[0]
    connection.execute(insert(changed).from_select(["subject_kind", "subject_id"], source))
