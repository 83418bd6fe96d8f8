"""Sync from an office's own database: named queries, watermarks, what vanished, and interruptions."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Table, create_engine, make_url, select, text

from notifier.errors import ConfigError, FaultsFound, StoreError
from notifier.intake import batches
from notifier.intake.columns import Kind
from notifier.intake.sync import SyncQuery, SyncReport, sync, sync_queries
from notifier.intake.vanished import Vanished
from notifier.store import tables as t
from notifier.store.engine import reading

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
START = datetime(2026, 11, 1, tzinfo=UTC)

SCHEMA = """
CREATE TABLE kantor (kode TEXT, nama TEXT, zona TEXT);
CREATE TABLE orang (nomor TEXT, nama TEXT, hp TEXT);
CREATE TABLE izin (nomor TEXT, kantor TEXT, jenis TEXT, pemegang TEXT, berlaku_sampai DATE, diubah TIMESTAMP);
CREATE TABLE permohonan (nomor TEXT, kantor TEXT, layanan TEXT, status TEXT, pemohon TEXT);
INSERT INTO kantor VALUES ('batam', 'Batam', 'WIB');
INSERT INTO orang VALUES ('P1', 'Ani', '0812-0000-0001');
"""
QUERIES = {
    "offices": {"kind": "offices", "query": "SELECT * FROM kantor"},
    "people": {"kind": "people", "query": "SELECT nomor, nama, hp FROM orang"},
    "permits": {"kind": "permits", "query": "SELECT * FROM izin", "watermark": "diubah"},
    "cases": {"kind": "cases", "query": "SELECT * FROM permohonan", "vanished": "close"},
}


class Source:
    """The office's own database, which we may fill and the product may only read."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = create_engine(url)
        for statement in SCHEMA.replace("TIMESTAMP", "TIMESTAMPTZ" if "postgres" in url else "TIMESTAMP").split(";"):
            if statement.strip():
                self.run(statement)

    def run(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def add_permit(self, number: str, changed: datetime | None, expiry: str = "2027-01-10") -> None:
        moment = changed if changed is None or "postgres" in self.url else changed.isoformat(" ")
        self.run(
            "INSERT INTO izin VALUES (:number, 'batam', 'ITAS', 'P1', :expiry, :changed)",
            number=number,
            expiry=expiry,
            changed=moment,
        )

    def add_cases(self, *numbers: str) -> None:
        for number in numbers:
            self.run("INSERT INTO permohonan VALUES (:number, 'batam', 'passport', 'paid', 'P1')", number=number)


@pytest.fixture(params=["sqlite", "postgres"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Source]:
    """A source on each database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'source.db'}"
    else:
        server = make_url(request.getfixturevalue("empty_postgres_url")).set(drivername="postgresql+psycopg")
        url = server.render_as_string(hide_password=False)
    source = Source(url)
    yield source
    source.engine.dispose()


def query(source: Source, name: str, **more: Any) -> SyncQuery:
    (found,) = sync_queries({"url": source.url, name: {**QUERIES[name], **more}})
    return found


def run(engine: Engine, source: Source, name: str, *, full: bool = False, **more: Any) -> SyncReport:
    return sync(engine, query(source, name, **more), now=NOW, full=full)


@pytest.fixture
def ready(sqlite_engine: Engine, source: Source) -> Engine:
    """A register that has the source's offices and people."""
    run(sqlite_engine, source, "offices")
    run(sqlite_engine, source, "people")
    return sqlite_engine


def rows(engine: Engine, table: Table, *columns: str) -> list[tuple[Any, ...]]:
    with reading(engine) as connection:
        return [
            tuple(row) for row in connection.execute(select(*(table.c[name] for name in columns)).order_by(table.c.id))
        ]


def test_all_four_kinds_come_by_their_queries(ready: Engine, source: Source) -> None:
    source.add_permit("X1", START)
    source.add_cases("C1")
    assert run(ready, source, "permits").rows.added == 1
    report = run(ready, source, "cases")
    assert (report.rows.added, report.refusals) == (1, ())
    assert rows(ready, t.permit, "number", "type", "attributes") == [("X1", "ITAS", {"sync": "permits"})]
    assert rows(ready, t.case, "number", "state") == [("C1", "paid")]
    assert run(ready, source, "cases").rows.unchanged == 1


def test_a_row_that_cannot_be_taken_is_refused_and_the_rest_come(ready: Engine, source: Source) -> None:
    source.add_cases("C1")
    source.run("INSERT INTO permohonan VALUES ('C2', 'batam', 'passport', 'payed', 'P1')")
    report = run(ready, source, "cases")
    assert (report.rows.added, report.rows.refused) == (1, 1)
    assert (report.refusals[0].file, report.refusals[0].column) == ("sync.cases", "state")


def test_from_the_second_run_on_only_what_changed_is_read(ready: Engine, source: Source) -> None:
    for day in range(5):
        source.add_permit(f"X{day}", START + timedelta(days=day))
    assert run(ready, source, "permits").rows.read == 5
    source.run("UPDATE izin SET berlaku_sampai = '2028-01-01', diubah = '2026-11-20 00:00:00+00:00' WHERE nomor = 'X1'")
    report = run(ready, source, "permits")
    assert (report.rows.read, report.rows.changed, report.full) == (2, 1, False)
    assert run(ready, source, "permits", full=True).rows.read == 5


@pytest.mark.parametrize("source", ["postgres"], indirect=True)  # SQLite has one writer: nothing is committed late
def test_a_row_that_was_committed_late_is_still_read(ready: Engine, source: Source) -> None:
    source.add_permit("X1", START)
    run(ready, source, "permits")
    source.add_permit("X2", START - timedelta(minutes=5))
    assert run(ready, source, "permits").rows.added == 1


def test_an_interrupted_run_goes_on_where_it_was(
    ready: Engine, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = batches.BATCH
    source.run("DELETE FROM izin")
    with source.engine.begin() as connection:
        values = [
            {"number": f"X{place}", "changed": (START + timedelta(hours=place)).isoformat(" ")}
            for place in range(size + 10)
        ]
        connection.execute(
            text("INSERT INTO izin VALUES (:number, 'batam', 'ITAS', 'P1', '2027-01-10', :changed)"), values
        )

    def interrupt(_kind: Kind, _count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sync(ready, query(source, "permits"), now=NOW, progress=interrupt)
    assert len(rows(ready, t.permit, "id")) == size
    report = run(ready, source, "permits")
    assert (report.rows.read, report.rows.added) == (11, 10)


def test_what_vanished_is_closed_with_its_stay_and_its_holder_looked_at_again(ready: Engine, source: Source) -> None:
    source.add_cases("C1", "C2")
    run(ready, source, "cases")
    source.run("DELETE FROM permohonan WHERE nomor = 'C2'")
    with ready.begin() as connection:
        connection.execute(t.changed.delete())
    assert run(ready, source, "cases").vanished == 1
    assert rows(ready, t.case, "number", "state", "closed_at") == [("C1", "paid", None), ("C2", "closed", NOW)]
    assert ("closed", None) in rows(ready, t.stay, "state", "ended_at")
    assert ("case", 2) in rows(ready, t.changed, "subject_kind", "subject_id")
    assert run(ready, source, "cases").vanished == 0


def test_permits_are_cancelled_by_a_full_run_only(ready: Engine, source: Source) -> None:
    source.add_permit("X1", START)
    source.add_permit("X2", START)
    run(ready, source, "permits", vanished="cancel")
    source.run("DELETE FROM izin WHERE nomor = 'X2'")
    assert run(ready, source, "permits", vanished="cancel").vanished == 0
    assert run(ready, source, "permits", vanished="cancel", full=True).vanished == 1
    assert rows(ready, t.permit, "number", "status") == [("X1", "active"), ("X2", "cancelled")]


def test_what_another_query_brought_never_vanishes(ready: Engine, source: Source) -> None:
    source.add_cases("C1", "C2")
    sync(ready, SyncQuery("elsewhere", Kind.CASES, source.url, "SELECT * FROM permohonan"), now=NOW)
    source.run("DELETE FROM permohonan")
    assert run(ready, source, "cases").vanished == 0
    assert rows(ready, t.case, "state") == [("paid",), ("paid",)]


def test_a_source_that_is_suddenly_empty_ends_nothing(ready: Engine, source: Source) -> None:
    source.add_cases(*(f"C{place}" for place in range(30)))
    run(ready, source, "cases")
    source.run("DELETE FROM permohonan")
    report = run(ready, source, "cases")
    assert (report.vanished, report.note[:34]) == (0, "30 of 30 are no longer in the sour")
    assert set(rows(ready, t.case, "state")) == {("paid",)}


def test_a_refused_row_has_not_vanished(ready: Engine, source: Source) -> None:
    source.add_cases("C1")
    run(ready, source, "cases")
    source.run("UPDATE permohonan SET status = 'payed'")
    report = run(ready, source, "cases")
    assert (report.rows.refused, report.vanished) == (1, 0)


def test_the_source_is_never_written(ready: Engine, source: Source) -> None:
    sneaky = "WITH gone AS (DELETE FROM orang RETURNING *) SELECT * FROM gone"
    with pytest.raises(StoreError, match=r"sync\.people: the source failed"):
        run(ready, source, "people", query=sneaky)
    with source.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM orang")).scalar() == 1


def test_a_source_that_breaks_or_has_the_wrong_columns_says_so(ready: Engine, source: Source) -> None:
    with pytest.raises(StoreError, match=r"sync\.people: the source failed"):
        run(ready, source, "people", query="SELECT * FROM nowhere")
    with pytest.raises(FaultsFound, match=r"sync\.people:1:1: people need a column name"):
        run(ready, source, "people", query="SELECT nomor FROM orang")
    with pytest.raises(ConfigError, match="the query has no column diubah"):
        run(ready, source, "permits", query="SELECT nomor, kantor, jenis, pemegang FROM izin")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"permits": "x"}, "must be a table"),
        ({"permits": {"kind": "permits", "query": "SELECT 1"}}, r"sync\.permits\.url is missing"),
        ({"url": "sqlite://", "a": {"kind": "permit", "query": "SELECT 1"}}, r"sync\.a\.kind must be one of offices"),
        ({"url": "sqlite://", "a": {"kind": "permits", "query": "DELETE FROM x"}}, "must be a SELECT"),
        ({"url": "sqlite://", "a": {"kind": "permits", "query": "SELECT 1", "vanish": "x"}}, r"sync\.a\.vanish is not"),
        (
            {"url": "sqlite://", "a": {"kind": "people", "query": "SELECT 1", "vanished": "close"}},
            "people cannot be told to close",
        ),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        sync_queries(settings)


def test_a_url_without_a_driver_is_refused_with_a_remedy(sqlite_engine: Engine) -> None:
    wanted = SyncQuery("a", Kind.PEOPLE, "oracle+nothing://u:secret@h/db", "SELECT 1")
    with pytest.raises(ConfigError, match="install the driver") as raised:
        sync(sqlite_engine, wanted, now=NOW)
    assert "secret" not in str(raised.value)


def test_queries_run_in_the_order_in_which_they_need_each_other() -> None:
    turned = dict(reversed(QUERIES.items()))
    found = sync_queries({"url": "sqlite://", **turned})
    assert [one.kind for one in found] == list(Kind)
    assert found[-1].vanished is Vanished.CLOSE
