"""What the register remembers: each date it has held and each change of a plain field (`seen`), each stay (`stay`)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from notifier.model import Stay, SubjectKind
from notifier.rules.fields import FIELDS
from notifier.store.bulk import Row, among, slices
from notifier.store.many import insert_each
from notifier.store.tables import seen, stay

#: The columns that steps count from, and their words in rules: "payment_due_at" is "payment deadline".
ANCHORS: Mapping[SubjectKind, Mapping[str, str]] = {
    kind: {
        field.column: field.name
        for field in FIELDS.values()
        if field.anchor and field.column is not None and kind in field.subjects
    }
    for kind in SubjectKind
}

#: The columns without a date that rules ask about. Only their changes are kept: `at once` counts from them (S17).
PLAIN: Mapping[SubjectKind, tuple[str, ...]] = {
    SubjectKind.PERMIT: ("type", "status", "origin", "extendable", "extensions_left"),
    SubjectKind.CASE: ("service",),  # its states are in `stay`
}
#: A register column of the office's own under its word in rules.
ATTRIBUTE_WORDS: Mapping[str, str] = {"survey_answer": "survey answer", "stay_left": "stay left"}


def changed_values(kind: SubjectKind, old: Row | None, new: Row) -> list[tuple[str, str]]:
    """(word, value as text) of each plain field that a known record now holds another value of."""
    if old is None:
        return []
    plain = (name for name in PLAIN[kind] if old[name] != new[name])
    found = [(name.replace("_", " "), _plain(new[name])) for name in plain]
    before, after = old["attributes"] or {}, new["attributes"] or {}
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            found.append((attribute_word(name), _plain(after.get(name))))
    return found


def attribute_word(name: str) -> str:
    """How rules call a register column of the office's own."""
    return ATTRIBUTE_WORDS.get(name, f"attributes.{name}")


def _plain(value: object) -> str:
    # What matters is the instant; the text is for people who look into the table.
    return "" if value is None else str(value)[:40]


def new_values(anchors: Mapping[str, str], old: Row | None, new: Row) -> list[tuple[str, str]]:
    """(word, value as text) of each date that differs from the one before; going back to an old one too."""
    return [
        (word, value_text(new[column]))
        for column, word in anchors.items()
        if new[column] is not None and (old is None or old[column] != new[column])
    ]


def value_text(value: date | datetime) -> str:
    """A day as ISO date, an instant as ISO instant in UTC."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value.isoformat()


def write_seen(
    connection: Connection, kind: SubjectKind, values: Iterable[tuple[int, str, str]], *, now: datetime
) -> None:
    """Append (subject id, word, value) to the history of dates."""
    rows = [
        {"subject_kind": kind.value, "subject_id": subject, "field": word, "value": value, "at": now}
        for subject, word, value in values
    ]
    insert_each(connection, seen, rows)


@dataclass(frozen=True, slots=True)
class StayChange:
    """How the stays of one case must change; nothing set: they stand."""

    close: tuple[int, datetime] | None = None
    opens_at: datetime | None = None
    begins: tuple[int, datetime] | None = None

    @property
    def is_empty(self) -> bool:
        return self.close is None and self.opens_at is None and self.begins is None


def stay_change(
    state: str, since: datetime | None, submitted_at: datetime | None, stays: Sequence[Stay], *, now: datetime
) -> StayChange:
    """Compare the state a source gives with the stays the register knows.

    A `since` that is not after the stay it would end is stale (many systems forget to move it): `now` counts
    then. The same state with a later `since` was left and entered again; an earlier one mends the stay.
    """
    if not stays:
        return StayChange(opens_at=since or (submitted_at if state == "submitted" else None) or now)
    last = stays[-1]
    if last.state != state or last.ended_at is not None:
        at = since if since is not None and since > last.began_at else now
        return StayChange(close=None if last.ended_at else (last.id, max(at, last.began_at)), opens_at=at)
    if since is None or since == last.began_at:
        return StayChange()
    if since > last.began_at:
        return StayChange(close=(last.id, since), opens_at=since)
    earliest = stays[-2].ended_at if len(stays) > 1 else None
    begins = max(since, earliest) if earliest is not None else since
    return StayChange(begins=(last.id, begins)) if begins < last.began_at else StayChange()


def stays_of(connection: Connection, case_ids: Iterable[int]) -> dict[int, list[Stay]]:
    """The stays of each case, oldest first."""
    found: dict[int, list[Stay]] = {}
    for wanted in slices(sorted(case_ids)):
        query = select(stay).where(among(connection, stay.c.case_id, wanted)).order_by(stay.c.case_id, stay.c.id)
        for row in connection.execute(query):
            found.setdefault(row.case_id, []).append(Stay(row.id, row.state, row.began_at, row.ended_at))
    return found


def write_stays(connection: Connection, changes: Iterable[tuple[int, str, StayChange]]) -> None:
    """Close, open and correct the stays of (case id, state, change)."""
    closing: list[dict[str, Any]] = []
    beginning: list[dict[str, Any]] = []
    opening: list[dict[str, Any]] = []
    for case_id, state, change in changes:
        if change.close is not None:
            closing.append({"which": change.close[0], "when": change.close[1]})
        if change.begins is not None:
            beginning.append({"which": change.begins[0], "when": change.begins[1]})
        if change.opens_at is not None:
            opening.append({"case_id": case_id, "state": state, "began_at": change.opens_at, "ended_at": None})
    one = update(stay).where(stay.c.id == bindparam("which"))
    if closing:
        connection.execute(one.values(ended_at=bindparam("when")), closing)
    if beginning:
        connection.execute(one.values(began_at=bindparam("when")), beginning)
    if opening:
        connection.execute(insert(stay), opening)
