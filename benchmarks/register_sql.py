"""What PostgreSQL and SQLite spell differently when a register is written, and how to write it quickly."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from sqlalchemy import Connection, Engine, text

from benchmarks.register_shapes import DAY, MORNING
from notifier.store import tables as t
from notifier.store.engine import writing

REGISTER = (t.party, t.contact, t.permit, t.case, t.role, t.seen, t.stay)


class Sql:
    """Runs statements, and knows how PostgreSQL and SQLite spell what differs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_postgres = connection.dialect.name == "postgresql"
        self.json = "CAST('{}' AS json)" if self._is_postgres else "'{}'"

    def __call__(self, statement: str) -> None:
        self._connection.execute(text(statement))

    def series(self, low: int, high: int) -> str:
        """A table with the column n: low, ..., high - 1."""
        if self._is_postgres:
            return f"generate_series(CAST({low} AS bigint), {high - 1}) AS counted(n)"
        return (
            f"(WITH RECURSIVE counted(n) AS (SELECT {low} WHERE {low} < {high} "
            f"UNION ALL SELECT n + 1 FROM counted WHERE n + 1 < {high}) SELECT n FROM counted)"
        )

    def padded(self, before: str, number: str) -> str:
        digits = f"lpad(CAST({number} AS text), 9, '0')" if self._is_postgres else f"printf('%09d', {number})"
        return f"'{before}' || {digits}"

    def word(self, value: str) -> str:
        return f"'{value}'" if value else "NULL"

    def flag(self, value: bool | None) -> str:
        if value is None:
            return self.nothing("boolean")
        return str(value).lower() if self._is_postgres else str(int(value))

    def count(self, value: int | None) -> str:
        return self.nothing("integer") if value is None else str(value)

    def nothing(self, kind: str) -> str:
        return f"CAST(NULL AS {kind})" if self._is_postgres else "NULL"

    def date(self, value: date) -> str:
        return f"DATE '{value}'" if self._is_postgres else f"'{value}'"

    def day(self, days: str) -> str:
        """A day so many days after DAY."""
        return f"DATE '{DAY}' + CAST({days} AS integer)" if self._is_postgres else f"date('{DAY}', ({days}) || ' days')"

    def instant(self, days: float) -> str:
        """An instant so many days after MORNING."""
        value = MORNING + timedelta(days=days)
        return f"TIMESTAMPTZ '{value.isoformat()}'" if self._is_postgres else f"'{value:%Y-%m-%d %H:%M:%S}.000000'"

    def as_text(self, column: str, *, is_day: bool = True) -> str:
        """A date as `seen` keeps it."""
        if not self._is_postgres:
            return column if is_day else f"replace(substr({column}, 1, 19), ' ', 'T') || '+00:00'"
        return (
            f"to_char({column}, '{DAY_TEXT}')" if is_day else f"to_char({column} AT TIME ZONE 'UTC', '{INSTANT_TEXT}')"
        )


#: How PostgreSQL writes a day and an instant in ISO form.
DAY_TEXT, INSTANT_TEXT = "YYYY-MM-DD", 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'


@contextmanager
def quickly(engine: Engine) -> Iterator[Sql]:
    """One transaction that does not ask foreign keys again (PostgreSQL): every row is ours."""
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("SET LOCAL synchronous_commit = off"))
        yield Sql(connection)


@contextmanager
def without_indexes(engine: Engine) -> Iterator[None]:
    """Indexes that no constraint stands on are built after the rows, in one go each."""
    names = ", ".join(f"'{table.name}'" for table in REGISTER)
    found = {
        "postgresql": "SELECT x.relname AS name, pg_get_indexdef(i.indexrelid) AS text FROM pg_index i "
        "JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class r ON r.oid = i.indrelid "
        f"WHERE r.relname IN ({names}) AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)",
        "sqlite": f"SELECT name, sql AS text FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL "
        f"AND tbl_name IN ({names})",
    }[engine.dialect.name]  # fmt: skip
    with writing(engine) as connection:
        indexes = [(row.name, row.text) for row in connection.execute(text(found))]
        for name, _ in indexes:
            connection.execute(text(f'DROP INDEX "{name}"'))
    yield
    for _, statement in indexes:
        with writing(engine) as connection:
            connection.exec_driver_sql(statement)
