"""Receipts and the event log stand in one partition a month on PostgreSQL, so that old months go away at once.

On SQLite there are no partitions, and every function here does nothing.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time

from sqlalchemy import Connection, MetaData, delete, insert, select, text

from notifier.store.tables import metadata

#: The partitioned tables, and the instant that says where a row belongs.
PARTITIONED: Mapping[str, str] = {"event": "at", "receipt": "received_at"}
#: So many months stand ready beyond the present one; what comes later still falls into the default partition.
AHEAD = 3


def name_of(table: str, month: date) -> str:
    """`event_2026_11`."""
    return f"{table}_{month:%Y_%m}"


def is_partition(name: str | None) -> bool:
    """Whether a table's name is that of a partition: the code knows only the whole."""
    return name is not None and any(name.startswith(f"{table}_") for table in PARTITIONED)


def prepare(connection: Connection, *, now: datetime) -> list[str]:
    """Make the partitions of this month and the next ones where they are missing; answers their names.

    Rows that came before their partition wait in the default one and are taken over.
    """
    if connection.dialect.name != "postgresql":
        return []
    if not _missing(connection, now):
        return []
    # A row written meanwhile would fall between the default partition and its own; and another scheduler may be at it.
    # Receipts first: who writes both begins with them.
    connection.execute(text(f"LOCK TABLE {', '.join(sorted(PARTITIONED, reverse=True))} IN ACCESS EXCLUSIVE MODE"))
    missing = _missing(connection, now)
    for table, month in missing:
        _make(connection, table, PARTITIONED[table], month)
    return [name_of(table, month) for table, month in missing]


def drop_before(connection: Connection, day: date) -> list[str]:
    """Drop the monthly partitions that are over before a day; answers their names."""
    if connection.dialect.name != "postgresql":
        return []
    dropped = []
    for name in _partitions(connection):
        month = _month_of(name)
        if month is not None and _next(month) <= day:
            connection.execute(text(f'DROP TABLE "{name}"'))
            dropped.append(name)
    return dropped


def _missing(connection: Connection, now: datetime) -> list[tuple[str, date]]:
    known = set(_partitions(connection))
    found = []
    for table in PARTITIONED:
        ends = _end_of_old(connection, table)
        months = _months(now.date().replace(day=1), AHEAD + 1)
        found += [(table, one) for one in months if name_of(table, one) not in known and (ends is None or one >= ends)]
    return found


def _make(connection: Connection, table: str, column: str, month: date) -> None:
    """A partition of its own for one month. What waits in the default one would refuse it, so it moves first."""
    name, first, after = name_of(table, month), month.isoformat(), _next(month).isoformat()
    connection.execute(text(f'CREATE TABLE "{name}" (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)'))
    whole = metadata.tables[table]
    waiting, own = whole.to_metadata(MetaData(), name=f"{table}_default"), whole.to_metadata(MetaData(), name=name)
    begins, ends = (datetime.combine(day, time(), UTC) for day in (month, _next(month)))
    early = delete(waiting).where(waiting.c[column] >= begins, waiting.c[column] < ends).returning(waiting).cte("early")
    connection.execute(insert(own).from_select([one.name for one in early.c], select(early)))
    borders = f"FROM ('{first} 00:00+00') TO ('{after} 00:00+00')"
    connection.execute(text(f'ALTER TABLE {table} ATTACH PARTITION "{name}" FOR VALUES {borders}'))


def _partitions(connection: Connection) -> list[str]:
    query = """SELECT child.relname FROM pg_inherits
        JOIN pg_class AS child ON child.oid = inhrelid JOIN pg_class AS whole ON whole.oid = inhparent
        WHERE whole.relname = ANY(:tables) ORDER BY child.relname"""
    return list(connection.execute(text(query), {"tables": list(PARTITIONED)}).scalars())


def _end_of_old(connection: Connection, table: str) -> date | None:
    """The first month not in the partition that holds everything from before there were partitions."""
    query = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = :name AND relispartition"
    borders = connection.execute(text(query), {"name": f"{table}_before"}).scalar()
    return date.fromisoformat(str(borders).rpartition("TO ('")[2][:10]) if borders else None


def _months(first: date, count: int) -> Iterator[date]:
    for _ in range(count):
        yield first
        first = _next(first)


def _next(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _month_of(name: str) -> date | None:
    year, _, month = name[-7:].partition("_")
    return date(int(year), int(month), 1) if year.isdigit() and month.isdigit() else None
