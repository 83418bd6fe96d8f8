"""`rules apply`: only what was looked at comes into force, for every process, and each version is kept."""

import json
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from notifier.app import App
from notifier.cli import main
from notifier.clock import StandingClock
from notifier.config import Settings
from notifier.doctor import examine
from notifier.errors import ConfigError, FaultsFound
from notifier.model import Channel
from notifier.rules.load import load_rules, load_rules_from_texts, rule_files
from notifier.rulesets import apply, load_in_force
from notifier.store.engine import reading, writing
from notifier.store.rulesets import Plan, active_plan, list_versions, read_plan, save_plan, save_rule_set
from notifier.worker import delivering
from tests.test_gates import rules_folder
from tests.world import PROJECT, Remembering, World, wib

NOW = wib("2026-05-11 10:00")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The folder of the settings."""
    return rules_folder(tmp_path / "old")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Another folder: what is to come into force."""
    return rules_folder(tmp_path / "new", "limit: 7 a day")


@pytest.fixture
def app(database_url: str, old: Path, tmp_path: Path) -> Iterator[App]:
    """An engine as a process has it, with the rules of the old folder."""
    settings = Settings(database_url=database_url, rules=old, templates=PROJECT / "templates", inbox=tmp_path / "inbox")
    app = App(settings, clock=StandingClock(NOW))
    app.__dict__["carriers"] = {channel: Remembering(channel) for channel in Channel}
    yield app
    app.close()


def work_out(engine: Engine, old: str, new: Path, *, hash_: str = "3f9a1c", **values: Any) -> Plan:
    """What `rules diff` keeps."""
    rules = load_rules(new)
    plan = Plan(hash_.ljust(64, "0"), old, rules.digest, date(2026, 5, 1), date(2026, 7, 31), **values)
    with writing(engine) as connection:
        save_rule_set(connection, rules.digest, rule_files(new), NOW)
        save_plan(connection, plan, NOW)
    return plan


def put(app: App, prefix: str, by: str = "Budi") -> bool:
    return apply(app.ready_engine, app.settings.rules, prefix, by=by, now=NOW).is_new


def in_force(app: App) -> str:
    """The digest of the rules that a process beginning now works with."""
    return load_in_force(app.ready_engine, app.settings.rules).rules.digest


# ------------------------------------------------------------------------------------------------------ texts


def test_a_set_is_the_same_wherever_its_files_lie(old: Path, tmp_path: Path) -> None:
    """S53: neither the folder nor the lines of a file are of its meaning; wording and channels are."""
    there = tmp_path / "elsewhere"
    shutil.copytree(old, there)
    (there / "stay.yaml").write_text("# a remark\n\n" + (there / "stay.yaml").read_text())
    assert load_rules(old).digest == load_rules(there).digest == load_rules_from_texts(rule_files(old)).digest
    assert load_rules(old).rules[0].version == load_rules(there).rules[0].version

    (there / "stay.yaml").write_text((there / "stay.yaml").read_text().replace("via: whatsapp", "via: sms"))
    assert load_rules(old).digest != load_rules(there).digest
    assert load_rules(old).rules[0].digest == load_rules(there).rules[0].digest


def test_the_calendar_is_no_part_of_a_set(old: Path) -> None:
    """S29: a closed day counts from when it is written down, whoever applies what."""
    assert set(rule_files(old)) == {"stay.yaml", "windows.yaml", "documents.yaml"}


def test_faults_of_a_kept_set_name_it(old: Path) -> None:
    """S94: a set that this program does not read says which it is."""
    texts = rule_files(old) | {"stay.yaml": "rule: stay\n"}
    with pytest.raises(FaultsFound, match=r"rule set 3f9a1c/stay.yaml:1:"):
        load_rules_from_texts(texts, place="rule set 3f9a1c")


# ------------------------------------------------------------------------------------------------------ applying


def test_what_was_looked_at_comes_into_force(app: App, old: Path, new: Path) -> None:
    """S83: from then on the rules come from the database, and the folder counts no more."""
    assert app.rules.rules[0].limit is None
    plan = work_out(app.ready_engine, load_rules(old).digest, new)

    assert put(app, "3f9a1c")
    assert app.take_up_rules()
    assert not app.take_up_rules()
    assert (app.rules.digest, app.rules.rules[0].limit) == (plan.new, 7)
    assert app.dispatcher.preparer.guard.gate.plan == app.in_force.plan
    shutil.rmtree(old)
    shutil.rmtree(new)
    assert in_force(app) == plan.new
    with reading(app.ready_engine) as connection:
        active = active_plan(connection)
    assert active is not None
    assert (active.applied_by, active.applied_at) == ("Budi", NOW)


def test_a_worker_takes_the_new_rules_up_without_a_restart(app: App, old: Path, new: Path) -> None:
    """S34: before each batch it looks which rules are in force."""
    with delivering(app) as deliver:
        first = app.dispatcher
        deliver([])
        assert app.dispatcher is first
        work_out(app.ready_engine, load_rules(old).digest, new)
        put(app, "3f9a1c")
        deliver([])
        assert app.dispatcher is not first
        assert app.dispatcher.rules.rules[0].limit == 7


def test_a_plan_from_other_rules_than_those_in_force_is_refused(app: App, old: Path, new: Path) -> None:
    """S83: what was looked at is not what would happen."""
    work_out(app.ready_engine, "0" * 64, new)
    with pytest.raises(ConfigError, match="they have changed since; run `notifier rules diff` again"):
        put(app, "3f9a1c")
    assert not app.take_up_rules()


def test_applying_twice_changes_nothing_and_says_so(app: App, old: Path, new: Path) -> None:
    """S83: an officer who presses twice has done it once."""
    work_out(app.ready_engine, load_rules(old).digest, new)
    assert put(app, "3f9a1c")
    assert not put(app, "3f9a1c0", by="Sari")
    with reading(app.ready_engine) as connection:
        assert read_plan(connection, "3f9a1c").applied_by == "Budi"


def test_the_way_back_is_a_plan_too(app: App, old: Path, new: Path) -> None:
    """S83: back and forth again, each over `rules diff`, also by the plan of the first time."""
    first, second = load_rules(old).digest, load_rules(new).digest
    work_out(app.ready_engine, first, new)
    work_out(app.ready_engine, second, old, hash_="b4c4b4")
    assert put(app, "3f9a1c")
    app.clock.at = wib("2026-05-12 10:00")  # type: ignore[attr-defined]
    later = {"by": "Budi", "now": app.clock.now()}
    assert apply(app.ready_engine, old, "b4c4b4", **later).is_new  # type: ignore[arg-type]
    assert in_force(app) == first
    later["now"] = wib("2026-05-13 10:00")
    assert apply(app.ready_engine, old, "3f9a1c", **later).is_new  # type: ignore[arg-type]
    assert in_force(app) == second


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("3f9a", "at least 6 letters"),
        ("ffffff", "there is no plan ffffff"),
        ("3f9a1c", "more than one plan"),
        ("3f9a1ca%", "there is no plan"),
    ],
)
def test_a_hash_must_name_one_plan(app: App, new: Path, prefix: str, words: str) -> None:
    """S83: nothing is guessed."""
    for hash_ in ("3f9a1ca", "3f9a1cb"):
        work_out(app.ready_engine, "0" * 64, new, hash_=hash_)
    with pytest.raises(ConfigError, match=words):
        put(app, prefix)


def test_somebody_puts_the_rules_into_force(app: App, old: Path, new: Path) -> None:
    """S84: without a name nobody could be told from the one who approves."""
    work_out(app.ready_engine, load_rules(old).digest, new)
    with pytest.raises(ConfigError, match="--by"):
        put(app, "3f9a1c", by="  ")


# ------------------------------------------------------------------------------------------------------ versions


def test_each_version_of_a_rule_is_kept_when_it_first_decides(app: App, old: Path, new: Path) -> None:
    """S94: the text that decided is there after the rule has changed; planning again keeps nothing twice."""
    app.planner.plan(now=NOW)
    app.planner.plan(now=NOW)
    before = load_rules(old).rules[0].version
    work_out(app.ready_engine, load_rules(old).digest, new)
    put(app, "3f9a1c")
    app.take_up_rules()
    app.planner.plan(now=wib("2026-05-12 10:00"))

    with reading(app.ready_engine) as connection:
        found = list_versions(connection, "stay")
        assert list_versions(connection, "other") == []
    assert [(one.digest, one.since) for one in found] == [
        (before, NOW),
        (app.rules.rules[0].version, wib("2026-05-12 10:00")),
    ]
    assert [one.text for one in found] == [(folder / "stay.yaml").read_text() for folder in (old, new)]


def test_explain_and_trace_name_the_version_that_decided(sqlite_engine: Engine, old: Path, new: Path) -> None:
    """S94: whatever the rule says today."""
    world = World(sqlite_engine, rules=old)
    world.plan()
    world.person("P1")
    world.permit("2D-A", "P1", type="ITAS", issue=date(2025, 6, 10), expiry=date(2026, 6, 10))
    world.at("2026-05-11 10:00").run()
    before = world.rules.rules[0].version
    world.rules = load_rules(new)

    assert {line.version for line in world.trace("2D-A")} == {before[:12]}
    entries = [one.entry for one in world.explain("2D-A").answers]
    assert [one.version for one in entries if one] == [before]


# -------------------------------------------------------------------------------------------------- command line


@pytest.fixture
def command(sqlite_url: str, old: Path, tmp_path: Path) -> Any:
    """Runs a command on a database of its own; answers exit code and output."""
    environ = {
        "NOTIFIER_DATABASE_URL": sqlite_url,
        "NOTIFIER_RULES": str(old),
        "NOTIFIER_TEMPLATES": str(PROJECT / "templates"),
        "NOTIFIER_INBOX": str(tmp_path / "inbox"),
    }

    def run(*words: str) -> tuple[int, str]:
        answer = CliRunner().invoke(main, words, env=environ)
        return answer.exit_code, answer.output

    return run


def test_the_commands_apply_list_and_let_out(command: Any, sqlite_engine: Engine, old: Path, new: Path) -> None:
    """S83, S84: from `rules apply` over a held run to `batches approve`, as an officer types it."""
    world = World(sqlite_engine, rules=old)
    assert command("plan", "--on", "2026-01-05")[0] == 0
    for number in range(30):
        world.person(f"P{number}")
        facts: dict[str, Any] = {"type": "ITAS", "issue": date(2025, 6, 10), "expiry": date(2026, 6, 10)}
        world.permit(f"2D{number:06}-Z", f"P{number}", **facts)
    shutil.copy(old / "stay.yaml", new / "stay.yaml")
    (new / "stay.yaml").write_text((new / "stay.yaml").read_text().replace("A permit is", "A stay is"))
    work_out(world.engine, load_rules(old).digest, new, envelope={"stay": {"jakarta-barat": {"2026-05-11": 3}}})

    code, said = command("rules", "apply", "3f9a1c", "--by", "Budi", "--on", "2026-05-10")
    assert (code, said.split(",")[0]) == (0, f"In force: rule set {load_rules(new).digest[:6]}")
    code, said = command("rules", "apply", "3f9a1c", "--by", "Sari")
    assert (code, "in force already" in said) == (0, True)
    assert command("rules", "apply", "ffffff", "--by", "Sari")[0] == 2

    code, said = command("run", "--on", "2026-05-11")
    assert code == 0
    assert "Held: stay at jakarta-barat, 2026-05-11: 30 messages" in " ".join(said.split())
    assert "expects 3 (at most 24)" in said
    code, said = command("batches", "list", "--held", "--format", "json")
    [batch] = json.loads(said)
    assert (batch["rule"], batch["due"], batch["waiting"], batch["allowed"]) == ("stay", 30, 30, 24)
    assert "outside the approved plan" in command("batches")[1]

    words = ("stay", "--office", "jakarta-barat", "--day", "2026-05-11", "--on", "2026-05-11T10:05", "--by")
    code, said = command("batches", "approve", *words, "budi")
    assert (code, "somebody else" in said) == (2, True)
    assert command("batches", "approve", *words, "Sari") == (
        0,
        "Let out: 30 messages of stay at jakarta-barat, 2026-05-11.\n",
    )
    assert command("batches", "refuse", *words, "Sari")[0] == 2
    code, said = command("run", "--on", "2026-05-11T10:10", "--format", "json")
    assert json.loads(said)["sent"] == 30

    code, said = command("rules", "versions", "stay", "--format", "json")
    assert len(json.loads(said)) == 2
    assert "A permit is extended" in command("rules", "versions", "--text")[1]
    code, said = command("status", "--format", "json")
    assert "applied 2026-05-10T" in json.loads(said)["rules"]
    assert "the folder holds others" in json.loads(said)["rules"]


def test_doctor_says_which_rules_are_in_force(app: App, old: Path, new: Path) -> None:
    """S83: and whether the folder holds the same."""
    findings = {one.part: one.sentence for one in examine(app)}
    assert findings["rules"] == f"1 rules in {old} (set {load_rules(old).digest[:6]})"
    work_out(app.ready_engine, load_rules(old).digest, new)
    put(app, "3f9a1c")
    app.take_up_rules()
    findings = {one.part: one.sentence for one in examine(app)}
    assert "by Budi (plan 3f9a1c); the folder holds others" in " ".join(findings["rules"].split())
    shutil.rmtree(old)
    shutil.copytree(new, old)
    findings = {one.part: one.sentence for one in examine(app)}
    assert findings["rules"].endswith("the folder holds the same")
