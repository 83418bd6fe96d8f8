"""Commands about rules beside a database that cannot be asked: they answer from the folder, and say so."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from notifier.cli import main
from notifier.store import migrate
from notifier.store.engine import open_engine, writing
from tests.world import PROJECT

SERVER = "postgresql://nobody@127.0.0.1:1/nothing"


def run(url: str, *arguments: str, folder: Path = PROJECT / "rules") -> Result:
    settings = {
        "NOTIFIER_DATABASE_URL": url,
        "NOTIFIER_RULES": str(folder),
        "NOTIFIER_TEMPLATES": str(PROJECT / "templates"),
    }
    answer = CliRunner().invoke(main, ["rules", *arguments], env=settings)
    assert answer.exit_code == 0, answer.output
    return answer


@pytest.fixture(params=["no database at all", "of another version", "no server"])
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The address of a database that cannot be asked, and what is said of it."""
    file = tmp_path / "notifier.db"
    url = f"sqlite:///{file}"
    if request.param == "no server":
        return SERVER, "check NOTIFIER_DATABASE_URL and that the server runs; "
    if request.param == "no database at all":
        file.write_text("What an editor saved under this name, by mistake.\n" * 40)
        return url, "check NOTIFIER_DATABASE_URL and that it is a SQLite file you may read and write; "
    engine = open_engine(url)
    migrate.upgrade(engine)
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    engine.dispose()
    return url, "run `notifier init --database`; "


def test_the_folder_answers_for_a_broken_database_and_it_is_said(broken: tuple[str, str]) -> None:
    url, why = broken
    listed, shown = run(url, "list"), run(url, "show", "itas-extension")
    assert "itas-extension" in listed.stdout
    assert "itas-extension" in shown.stdout or "stay permit" in shown.stdout
    for answer in (listed, shown):
        assert f"{why}these are the rules of the folder {PROJECT / 'rules'}\n" in answer.stderr
        assert "Traceback" not in answer.output


def test_a_check_says_why_it_compares_with_no_register(broken: tuple[str, str]) -> None:
    url, why = broken
    checked = run(url, "check", str(PROJECT / "rules" / "itas-extension.yaml"))
    assert "1 rules read, no fault\n" in checked.stdout
    assert f"{why}the rules are not compared with a register\n" in checked.stderr


@pytest.mark.parametrize("command", [("list",), ("show", "itas-extension"), ("check",)])
def test_where_no_database_was_ever_made_nothing_is_missed(command: tuple[str, ...], tmp_path: Path) -> None:
    answer = run(f"sqlite:///{tmp_path}/none.db", *command)
    assert answer.stderr == ""
    assert not (tmp_path / "none.db").exists()
