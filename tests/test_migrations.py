"""The migrations make exactly the tables of the code, on both databases; running them again does nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect

from notifier.errors import StoreError
from notifier.store import migrate
from notifier.store.engine import open_engine, reading
from notifier.store.partitions import is_partition
from notifier.store.tables import metadata


@pytest.fixture(params=["sqlite", "postgres"])
def empty_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An engine over a database without any table."""
    on_postgres = request.param == "postgres"
    url = request.getfixturevalue("empty_postgres_url") if on_postgres else f"sqlite:///{tmp_path / 'e.db'}"
    engine = open_engine(url)
    yield engine
    engine.dispose()


def test_the_migrations_make_exactly_the_tables_of_the_code(engine: Engine) -> None:
    with reading(engine) as connection:
        own = lambda name, kind, _: not (kind == "table" and is_partition(name))  # noqa: E731
        opts = {"compare_server_default": True, "include_name": own}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, metadata) == []


def test_unique_keys_and_indexes_carry_the_same_names_as_in_the_code(engine: Engine) -> None:
    found = inspect(engine)
    for table in metadata.sorted_tables:
        named = {index.name for index in table.indexes}
        assert named <= {index["name"] for index in found.get_indexes(table.name)}, table.name


def test_an_empty_database_is_brought_up_to_date_and_a_second_run_does_nothing(empty_engine: Engine) -> None:
    assert migrate.current(empty_engine) is None
    assert not migrate.is_current(empty_engine)
    assert migrate.upgrade(empty_engine) == (None, migrate.head())
    assert migrate.is_current(empty_engine)
    assert migrate.upgrade(empty_engine) == (migrate.head(), migrate.head())


def test_a_database_that_cannot_be_reached_is_a_store_error_without_a_password() -> None:
    engine = open_engine("postgresql://clerk:hunter2@127.0.0.1:1/notifier?connect_timeout=1")
    with pytest.raises(StoreError) as caught:
        migrate.upgrade(engine)
    engine.dispose()
    assert "hunter2" not in str(caught.value)
    assert "cannot be reached" in str(caught.value)
