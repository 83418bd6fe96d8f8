"""`notifier rules check` as a person, an editor and a merge request see it; and what it asks of the register."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.exc import OperationalError

from notifier.app import App
from notifier.cli import main
from notifier.cli.options import Session
from notifier.clock import StandingClock
from notifier.measure import RegisterOfTheDay
from notifier.rules.check_register import lasting
from notifier.rules.load import check_rules
from notifier.rules.rule import Rule, RuleSet
from notifier.store.counts import desks_by_office
from notifier.store.engine import reading
from notifier.store.subjects import read_offices
from tests.office_folder import make_office
from tests.world import PROJECT

#: The invented register is of this day.
TODAY = "2026-05-04"
NOW = datetime(2026, 5, 4, 3, tzinfo=UTC)
RULE = """rule: {name}
title: A limited stay permit is extended in time
legal basis: public service
for: permit
when:
  type: {type}
{more}to: {to}
via: email
template: itas/extension
steps:
  {step}
"""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_office(tmp_path_factory.mktemp("office"), on=TODAY, size=120)


@pytest.fixture
def check(office: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command in the office's folder."""

    def run(*arguments: str, exit_code: int = 0) -> Result:
        monkeypatch.chdir(office)
        answer = CliRunner().invoke(main, ["rules", "check", *arguments])
        assert answer.exit_code == exit_code, answer.output
        return answer

    return run


def write(folder: Path, name: str, **parts: str) -> Path:
    path = folder / f"{name}.yaml"
    given = {"type": "ITAS", "more": "", "to": "holder", "step": "soon: {send: 7 days before expiry}"} | parts
    path.write_text(RULE.format(name=name, **given))
    return path


def test_a_fault_is_one_line_and_exit_code_1(check: Callable[..., Result], tmp_path: Path) -> None:
    path = write(tmp_path, "wrong", to="holdr")
    answer = check(str(path), exit_code=1)
    assert answer.stderr == f'{path}:7:5: to: "holdr" is no recipient; did you mean "holder"?\n'
    assert answer.stdout == "0 rules read, 1 fault, compared with the register\n"


def test_a_merge_request_gets_marks_beside_its_lines(check: Callable[..., Result], tmp_path: Path) -> None:
    path = write(tmp_path, "marked", step="soon: {send: 7 days befor expiry}")
    assert check(str(path), "--format", "github", exit_code=1).stdout == (
        f'::error file={path},line=11,col=23::send: "befor" is not understood here; write "before"\n'
    )
    doubtful = write(tmp_path, "doubtful", more="  status: active\nunless: {status: renewed}\n")
    assert check(str(doubtful), "--format", "github").stdout == (
        f'::warning file={doubtful},line=8,col=18::"status: renewed" can never hold beside "when"; take the line out\n'
    )


def test_programs_get_faults_and_warnings_apart(check: Callable[..., Result], tmp_path: Path) -> None:
    path = write(tmp_path, "told", more="  status: active\nunless: {status: renewed}\n")
    answer = json.loads(check(str(path), "--format", "json").stdout)
    assert (answer["rules"], answer["faults"], answer["register"]) == (1, [], True)
    assert [(one["line"], one["column"]) for one in answer["warnings"]] == [(8, 18)]


def test_strict_takes_warnings_for_faults(check: Callable[..., Result], tmp_path: Path) -> None:
    path = write(tmp_path, "strict", more="  status: active\nunless: {status: renewed}\n")
    assert "1 fault" in check(str(path), "--strict", exit_code=1).stdout


def test_a_folder_without_rules_is_a_fault_with_a_remedy(check: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    answer = check(str(tmp_path / "none"), exit_code=1)
    assert "none:1:1: there is no rule in this folder; name another one" in answer.stderr


@pytest.mark.parametrize("setting", ["NOTIFIER_TEMPLATES", "NOTIFIER_RULES"])
def test_a_wrong_setting_of_a_folder_is_named(
    check: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv(setting, "nowhere")
    answer = check(exit_code=2)
    assert f"nowhere; set {setting}, or make a folder with `notifier init`" in answer.stderr


def test_a_template_folder_that_is_not_there_is_named(check: Callable[..., Result], office: Path) -> None:
    answer = check("--templates", "nowhere", exit_code=2)
    assert "there are no templates at nowhere; name another folder" in answer.stderr
    rule = str(office / "rules" / "itas-extension.yaml")
    check(rule)  # a lone file is compared with the templates of the settings


def test_offices_desks_and_whom_a_rule_concerns_come_from_the_register(
    check: Callable[..., Result], tmp_path: Path
) -> None:
    """S63: a desk must exist at every office where the rule applies."""
    path = write(tmp_path, "register", more="offices: karavang\n", to="vip desk")
    assert [line.partition(": ")[2] for line in check(str(path), exit_code=1).stderr.splitlines()] == [
        'offices: there is no office "karavang"; did you mean "karawang"?'
    ]
    desk = write(tmp_path, "desk", to="vip desk")
    assert "has no vip desk; add it to the offices or leave the office out" in check(str(desk), exit_code=1).stderr
    nobody = write(tmp_path, "nobody", more="  attributes.colour: blue\n")
    assert f"{nobody}:5:1: no permit of the register is one for this rule" in check(str(nobody)).stdout


def test_without_the_register_nothing_is_asked_of_it(check: Callable[..., Result], tmp_path: Path) -> None:
    desk = write(tmp_path, "asked", to="vip desk", more="  attributes.colour: blue\n")
    assert check(str(desk), "--no-register").stdout == "1 rules read, no fault\n"


def test_no_database_is_made_by_looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NOTIFIER_DATABASE_URL", "sqlite:///var/none.db")
    path = write(tmp_path, "alone")
    answer = CliRunner().invoke(main, ["rules", "check", str(path)])
    assert (answer.exit_code, answer.stdout) == (0, "1 rules read, no fault\n")
    assert not (tmp_path / "var").exists()


def test_a_register_asked_for_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, "alone")
    answer = CliRunner().invoke(main, ["rules", "check", "--register", str(path)])
    assert answer.exit_code == 1
    assert answer.stderr.startswith("Error: there is no database at ") and "`notifier init --database`" in answer.stderr
    assert list(tmp_path.glob("*.db")) == []  # asking makes none


# ------------------------------------------------------------------------------------ the register itself


@pytest.fixture
def register(office: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RegisterOfTheDay]:
    monkeypatch.chdir(office)
    session = Session({}, office / "notifier.toml", debug=False, clock=StandingClock(NOW))
    app: App = session.app()
    with reading(app.ready_engine) as connection:
        yield RegisterOfTheDay(connection, read_offices(connection), app.calendar_of, NOW)
    session.close()


def rule_of(path: Path, office: Path) -> tuple[Rule, RuleSet]:
    data = [office / "rules" / "windows.yaml", office / "rules" / "documents.yaml"]
    rules, faults, _ = check_rules([*data, path], known=None)
    assert faults == []
    return rules.rules[0], rules


def test_the_worst_day_is_what_a_plain_count_says(register: RegisterOfTheDay, office: Path, tmp_path: Path) -> None:
    """S83: one message for each permit and day, at the office with the most."""
    rule, rules = rule_of(write(tmp_path, "worst", step="day: {send: on expiry, closed: ignore}"), office)
    rows = [line.split(",") for line in (office / "register" / "permits.csv").read_text().splitlines()]
    heads = {name: place for place, name in enumerate(rows[0])}
    days: dict[tuple[str, str], int] = {}
    for row in rows[1:]:
        expiry = row[heads["expiry"]]
        if row[heads["type"]] == "ITAS" and "2026-05-04" <= expiry < "2027-05-04":
            key = (row[heads["office"]], expiry)
            days[key] = days.get(key, 0) + 1
    silent = {"2026-08-17", "2027-03-10", "2027-03-11"}
    worst = max(count for (_, day), count in days.items() if day not in silent)
    found = register.busiest_day(rule, rules)
    assert found is not None
    assert found.messages >= worst > 0
    assert days[found.office, found.day.isoformat()] == found.messages


def test_steps_of_one_day_are_one_message(register: RegisterOfTheDay, office: Path, tmp_path: Path) -> None:
    """S35, S36: of several steps of one subject and day one leaves."""
    one, rules = rule_of(write(tmp_path, "one"), office)
    two = "soon: {send: 7 days before expiry}\n  again: {send: 1 week before expiry, time: 10:00}"
    both, _ = rule_of(write(tmp_path, "two", step=two), office)
    assert register.busiest_day(one, rules) == register.busiest_day(both, rules)


def test_a_rule_concerns_somebody_when_its_lasting_lines_hold(
    register: RegisterOfTheDay, office: Path, tmp_path: Path
) -> None:
    """S91: that nobody is within the last days today says nothing of tomorrow."""
    rule, rules = rule_of(write(tmp_path, "lasting", more="  expiry: within last 1 day\n"), office)
    assert lasting(rule.when) == rule.when[:1]
    assert register.concerns_anyone(rule, rules)
    nobody, _ = rule_of(
        write(tmp_path, "nobody", more="  any:\n    - attributes.a: x\n    - attributes.b: y\n"), office
    )
    assert not register.concerns_anyone(nobody, rules)


def test_the_desks_of_an_office_are_known_by_name(register: RegisterOfTheDay) -> None:
    desks = desks_by_office(register.connection)
    assert desks
    assert all("front" in names for names in desks.values())


def test_the_register_cannot_be_written_to_from_here(register: RegisterOfTheDay) -> None:
    with pytest.raises(OperationalError, match="readonly"):
        register.connection.exec_driver_sql("DELETE FROM permit")


@pytest.mark.parametrize("make", [Path.mkdir, lambda file: file.symlink_to("nowhere")], ids=["folder", "lost link"])
def test_what_is_called_like_a_rule_and_is_no_file_is_a_fault(tmp_path: Path, make: Callable[[Path], object]) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(PROJECT / "rules", folder)
    (folder / "abtc.yaml").unlink()
    make(folder / "abtc.yaml")
    command = ["rules", "check", str(folder), "--templates", str(PROJECT / "templates"), "--no-register"]
    answer = CliRunner().invoke(main, command)
    assert answer.exit_code == 1
    assert "abtc.yaml:1:1: this is no file that can be read; mend it or take it out of the folder" in answer.output
