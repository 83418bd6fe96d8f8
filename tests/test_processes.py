"""The processes of the Procfile over PostgreSQL and Redis: the same work as one process alone, also when stopped."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, func, select

from notifier.cli import main
from notifier.errors import ConfigError
from notifier.model import TOLD
from notifier.processes import in_processes
from notifier.store import tables as t
from notifier.store.engine import open_engine, reading
from tests.office_folder import import_register, make_office

PROJECT = Path(__file__).parent.parent
#: The instant at which every process stands, so that no night or holiday of the real clock changes the test.
ON = "2026-05-04T10:00"
#: The same for those started again: a claim of a process that was killed has lapsed (`lease`), and what it offered
#: and nobody took is offered again (`offer_patience`). Clocks that stand at ON would never come to that. Nor do those
#: that stand half an hour later come to what a worker passed over because another one had it locked for a moment: the
#: bell for it rings again after the patience. So who does not come to rest is started once more, as time goes on.
AGAIN = ("2026-05-04T10:30", "2026-05-04T10:35", "2026-05-04T10:40")
#: How long the processes may take, in seconds.
PATIENCE = 90.0

Key = tuple[str, str, str, str, str]


def planned(engine: Engine) -> set[Key]:
    """The notifications, by what they are and not by the numbers the database gave them."""
    n, permit, case = t.notification.c, t.permit, t.case
    number = func.coalesce(permit.c.number, case.c.number)
    query = (
        select(n.rule, n.step, n.cycle, number, t.party.c.number)
        .join(t.party, t.party.c.id == n.party_id)
        .outerjoin(permit, (permit.c.id == n.subject_id) & (n.subject_kind == "permit"))
        .outerjoin(case, (case.c.id == n.subject_id) & (n.subject_kind == "case"))
    )
    with reading(engine) as connection:
        return {(row[0], row[1], row[2], row[3], row[4]) for row in connection.execute(query)}


def told_twice(engine: Engine) -> list[tuple[int, int, str]]:
    """Rungs of a notification that were told more than once over one channel."""
    d = t.delivery.c
    query = select(d.notification_id, d.rung, d.channel).where(d.state.in_([state.value for state in TOLD]))
    with reading(engine) as connection:
        counts = Counter((row[0], row[1], row[2]) for row in connection.execute(query))
    return [key for key, count in counts.items() if count > 1]


def count_deliveries(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.scalar(select(func.count()).select_from(t.delivery)) or 0


def nothing_is_due(on: str) -> bool:
    """Whether the outbox wants nothing looked at, at the instant at which the clocks stand."""
    answer = CliRunner().invoke(main, ["status", "--on", on, "--format", "json"])
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)["due_since"] is None


def happens(done: Callable[[], bool]) -> bool:
    """Whether it comes true within the patience."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def wait_for(done: Callable[[], bool]) -> None:
    assert happens(done), "it did not happen in time"


@pytest.fixture
def site(
    postgres_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, Engine, set[Key]]]:
    """An office whose register is in PostgreSQL, and what one process alone plans for the same register."""
    folder = make_office(tmp_path / "office", on=ON)
    monkeypatch.chdir(folder)
    assert CliRunner().invoke(main, ["run", "--on", ON]).exit_code == 0
    alone = open_engine(f"sqlite:///{folder / 'notifier.db'}")
    expected = planned(alone)
    alone.dispose()
    shutil.rmtree(folder / "inbox")
    monkeypatch.setenv("NOTIFIER_DATABASE_URL", postgres_url)
    monkeypatch.setenv("NOTIFIER_REDIS_URL", redis_url)
    monkeypatch.setenv("NOTIFIER_SENDING_BATCH_SIZE", "5")
    monkeypatch.setenv("NOTIFIER_SENDING_TICK", "1 second")
    import_register(folder, on=ON)
    engine = open_engine(postgres_url)
    yield folder, engine, expected
    engine.dispose()


@contextmanager
def processes(folder: Path, *, on: str) -> Iterator[subprocess.Popen[bytes]]:
    """The scheduler and two workers of the Procfile, under honcho, their clocks standing.

    They are asked to stop; honcho kills those that are not gone after five seconds, as a busy machine has them.
    """
    lines = (PROJECT / "Procfile").read_text().splitlines()
    chosen = [f"{line} --on {on}" for line in lines if line.startswith(("scheduler:", "worker:"))]
    (folder / "Procfile").write_text("\n".join(chosen) + "\n")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "honcho", "start", "-c", "scheduler=1,worker=2"]
    with (folder / "honcho.log").open("ab") as log:
        child = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "PATH": path}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield child
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
                child.wait(PATIENCE)


def test_scheduler_and_workers_do_the_work_of_one_process_and_a_stop_in_the_middle_changes_nothing(
    site: tuple[Path, Engine, set[Key]],
) -> None:
    folder, engine, expected = site
    # Given processes that were told to stop in the middle of their work
    with processes(folder, on=ON):
        wait_for(lambda: count_deliveries(engine) > 0)
    begun = count_deliveries(engine)
    # When they are started again, and nothing is due any more
    assert any(comes_to_rest(folder, engine, expected, on=on) for on in AGAIN)
    # Then everything was planned as by one process, and nobody was told anything twice
    assert planned(engine) == expected
    assert told_twice(engine) == []
    assert count_deliveries(engine) >= begun
    log = (folder / "honcho.log").read_text()
    assert "Traceback" not in log


def comes_to_rest(folder: Path, engine: Engine, expected: set[Key], *, on: str) -> bool:
    with processes(folder, on=on):
        return happens(lambda: planned(engine) == expected and nothing_is_due(on))


def test_the_web_door_answers_and_ends_on_a_signal(sqlite_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from notifier.cli import main; main()", "web", "--port", str(port)]
    with (tmp_path / "web.log").open("wb") as log:
        child = subprocess.Popen(
            command, cwd=tmp_path, env={**os.environ, "NOTIFIER_DATABASE_URL": sqlite_url}, stdout=log, stderr=log
        )
        try:
            wait_for(lambda: health(port) == 200)
            child.send_signal(signal.SIGTERM)
            child.wait(PATIENCE)
        finally:
            child.kill()
            child.wait()
    assert "Traceback" not in (tmp_path / "web.log").read_text()


def health(port: int) -> int | None:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_fault_in_a_worker_of_several_is_a_sentence_with_its_exit_code(
    code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    def work() -> int:
        if code == 2:
            raise ConfigError("there are no rules here; make a folder with `notifier init`")
        return code

    assert in_processes(2, work) == code
    said = capfd.readouterr().err
    assert ("Error: there are no rules here" in said) == (code == 2)
    assert "Traceback" not in said
