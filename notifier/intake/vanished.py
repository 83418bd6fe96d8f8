"""What a full `sync` no longer finds in its source: kept, cancelled or closed, as the office has settled."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, ColumnElement, Connection, MetaData, String, Table, and_, func, not_, select
from sqlalchemy.dialects import postgresql, sqlite

from notifier.intake.cells import CellFault, text_of
from notifier.intake.columns import Header, Kind
from notifier.intake.readers import SourceRow
from notifier.model import SubjectKind
from notifier.rules.fields import FINAL_CASE_STATES
from notifier.store.records import SubjectRecord
from notifier.store.register import put_subjects
from notifier.store.tables import SUBJECTS

#: Each permit and case remembers the query it came from, so that one query never ends what another brought.
SOURCE_ATTRIBUTE = "sync"
#: More than this share gone at once is a broken view, not a busy office.
LARGEST_SHARE = 0.2
#: So few may always go.
FEW = 10


class Vanished(StrEnum):
    """What to do with what the source no longer has."""

    KEEP = "keep"
    CANCEL = "cancel"
    CLOSE = "close"

    def suits(self, kind: Kind) -> bool:
        """People and offices are always kept; a permit cannot be closed."""
        allowed = {Kind.PERMITS: {Vanished.CANCEL}, Kind.CASES: {Vanished.CANCEL, Vanished.CLOSE}}
        return self is Vanished.KEEP or self in allowed.get(kind, set())


class VanishedRows:
    """Remembers, in a temporary table, what a full run has seen; ends the rest when the run has come to its end."""

    def __init__(self, query: str, kind: Kind, policy: Vanished) -> None:
        self.query = query
        self.kind = SubjectKind.CASE if kind is Kind.CASES else SubjectKind.PERMIT
        self.policy = policy
        self.count = 0
        self.note = ""
        self._subject = SUBJECTS[self.kind]
        self._present = Table(
            "sync_present", MetaData(), Column("number", String(128), primary_key=True), prefixes=["TEMPORARY"]
        )

    def begin(self, connection: Connection) -> None:
        """Make the table; one that an interrupted run left on this connection goes first."""
        if self.policy is not Vanished.KEEP:
            with connection.begin():
                self._present.drop(connection, checkfirst=True)
                self._present.create(connection)

    def saw(self, connection: Connection, header: Header, rows: list[SourceRow]) -> None:
        """Note the numbers of a batch, also of rows that were refused: they are still there."""
        if self.policy is Vanished.KEEP:
            return
        name = next(source for source, column in header.names.items() if column == "number")
        numbers = sorted({number for row in rows if (number := _number(row, name)) is not None})
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        if numbers:
            statement = insert(self._present).on_conflict_do_nothing()
            connection.execute(statement, [{"number": number} for number in numbers])

    def end(self, connection: Connection, *, now: datetime) -> None:
        """Cancel or close what this query once brought and no longer has."""
        if self.policy is Vanished.KEEP:
            return
        with connection.begin():
            known = connection.execute(select(func.count()).where(self._ours())).scalar_one()
            gone = list(connection.execute(select(self._subject.c.number).where(self._missing())).scalars())
            if len(gone) > max(FEW, LARGEST_SHARE * known):
                self.note = (
                    f"{len(gone)} of {known} are no longer in the source; nothing was ended, for so many look "
                    "like a broken query: mend it, or end them in the source"
                )
            else:
                records = [SubjectRecord(number, None, None, self._ending(now)) for number in gone]
                put_subjects(connection, self.kind, records, now=now)
                self.count = len(gone)
            self._present.drop(connection)

    def _ours(self) -> ColumnElement[bool]:
        """What came from this query and has not ended."""
        columns = self._subject.c
        still_open = (
            columns.state.not_in(FINAL_CASE_STATES) if self.kind is SubjectKind.CASE else columns.status != "cancelled"
        )
        return and_(columns.attributes[SOURCE_ATTRIBUTE].as_string() == self.query, still_open)

    def _missing(self) -> ColumnElement[bool]:
        present = select(self._present.c.number).where(self._present.c.number == self._subject.c.number)
        return and_(self._ours(), not_(present.exists()))

    def _ending(self, now: datetime) -> dict[str, object]:
        if self.kind is SubjectKind.PERMIT:
            return {"status": "cancelled"}
        state = "closed" if self.policy is Vanished.CLOSE else "cancelled"
        return {"state": state, "closed_at": now}


def _number(row: SourceRow, name: str) -> str | None:
    try:
        return text_of(row.cells.get(name))
    except CellFault:
        return None
