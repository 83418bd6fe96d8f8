"""`rules diff`: who gains, loses or moves a message between two versions, and the plan that `rules apply` takes."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, select

from notifier.cli import main
from notifier.compare import compare as comparing
from notifier.compare.changes import Kind, changed_rules
from notifier.compare.compare import Comparison, compare
from notifier.compare.sources import Version
from notifier.rules.load import load_rules
from notifier.simulate import walk
from notifier.store import tables as t
from notifier.store.engine import reading
from notifier.store.rulesets import read_plan
from tests.test_simulate import RATES, STAY, correct_some_dates, period, random_register, rules_of, stage_of
from tests.world import PROJECT, World

#: Two permits. A week and eight days before the first one the offices are closed: both steps fall on 17 March.
EXPIRIES = (date(2026, 3, 26), date(2026, 4, 9))

CASES = """
rule: appointment
title: Photo and interview are coming up
legal basis: public service
for: case
while: scheduled
deadline: appointment
to: holder
via: whatsapp
template: case/appointment
steps:
  three-days:
    send: 3 days before appointment
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    rules_of(tmp_path / "old", STAY)
    return tmp_path / "old"


@pytest.fixture
def world(sqlite_engine: Engine, old: Path) -> World:
    world = World(sqlite_engine, rules=old, now="2026-03-02 08:00")
    for place, expiry in enumerate(EXPIRIES):
        world.person(f"P-{place}", "NAMA RAHASIA")
        world.permit(f"2D21JE000{place}-Z", f"P-{place}", type="ITAS", issue=date(2025, 1, 1), expiry=expiry)
    return world


def run(world: World, *words: str, rules: Path) -> Result:
    variables = {
        "NOTIFIER_DATABASE_URL": f"sqlite:///{world.engine.url.database}",
        "NOTIFIER_RULES": str(rules),
        "NOTIFIER_TEMPLATES": str(PROJECT / "templates"),
    }
    return CliRunner().invoke(main, list(words), env=variables)


def diff(world: World, old: object, new: object, *words: str, rules: Path) -> dict[str, Any]:
    command = ["rules", "diff", str(old), str(new), "--on", "2026-03-02T08:00", "--until", "2026-05-31"]
    done = run(world, *command, "--processes", "1", "--format", "json", *words, rules=rules)
    assert done.exit_code == 0, done.output
    answer: dict[str, Any] = json.loads(done.output)
    return answer


def changes(answer: dict[str, Any]) -> set[tuple[str, str, int]]:
    return {(one["step"], one["what"], one["messages"]) for one in answer["steps"]}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (STAY.replace("7 days before", "8 days before"), {("week", "moved", 1)}),
        (STAY.replace("  week:\n    send: 7 days before expiry\n", ""), {("week", "lost", 2)}),
        (STAY + "  tenth:\n    send: 10 days before expiry\n", {("tenth", "gained", 2)}),
        (
            STAY.replace("[whatsapp and email, sms after 6 hours]", "email"),
            {("month", "other channels or texts", 1), ("week", "other channels or texts", 2)}
            | {("last", "other channels or texts", 2)},
        ),
        (STAY.replace("A stay permit is", "A permit to stay is"), set()),
    ],
)
def test_each_kind_of_change_is_counted(
    world: World, tmp_path: Path, old: Path, changed: str, expected: set[tuple[str, str, int]]
) -> None:
    """S46, S53: the step's name is the identity; another day, other channels, more and fewer messages."""
    rules_of(tmp_path / "new", changed)

    assert changes(diff(world, old, tmp_path / "new", rules=old)) == expected


def test_examples_show_both_days_and_nobody_by_name(world: World, tmp_path: Path, old: Path) -> None:
    """The number of a document is masked."""
    rules_of(tmp_path / "new", STAY.replace("7 days before", "8 days before"))
    answer = diff(world, old, tmp_path / "new", "--sample", "1", rules=old)

    assert len(answer["examples"]) == 1
    example = answer["examples"][0]
    assert (example["kind"], example["role"], example["office"]) == ("moved", "holder", "jakarta-barat")
    assert date.fromisoformat(example["new"]) < date.fromisoformat(example["old"])
    assert "2D21JE" not in json.dumps(answer)
    assert "RAHASIA" not in json.dumps(answer)


def test_the_plan_holds_the_days_of_the_new_rules_and_can_be_applied(world: World, tmp_path: Path, old: Path) -> None:
    """S83: of each rule, office and day the notifications that are to be expected; six letters of it are enough."""
    new = rules_of(tmp_path / "new", STAY.replace("7 days before", "8 days before"), CASES)
    answer = diff(world, "active", tmp_path / "new", rules=old)
    with reading(world.engine) as connection:
        plan = read_plan(connection, answer["plan"][:6])

    assert (plan.old, plan.new) == (load_rules(old).digest, new.digest)
    assert (plan.starts, plan.ends) == (date(2026, 3, 2), date(2026, 5, 31))
    assert sum(plan.envelope["stay"]["jakarta-barat"].values()) == 5
    assert plan.envelope["stay"]["jakarta-barat"]["2026-03-10"] == 1
    assert plan.expects("stay", "jakarta-barat", date(2026, 3, 3)) == 0
    assert answer["not_in_the_plan"] == ["appointment"]
    assert plan.expects("appointment", "jakarta-barat", date(2026, 3, 3)) is None

    done = run(world, "rules", "apply", answer["plan"][:6], "--by", "Rina", rules=old)
    assert done.exit_code == 0, done.output
    assert diff(world, "active", tmp_path / "new", rules=old)["steps"] == []


def test_a_rule_about_documents_younger_than_the_plan_is_not_in_it(world: World, tmp_path: Path, old: Path) -> None:
    """S83: who comes tomorrow for thirty days will be told within the plan, and nobody can count them today."""
    world.person("P-9")
    world.permit("X-9", "P-9", type="ITAS", issue=date(2026, 3, 1), expiry=date(2026, 3, 31))
    rules_of(tmp_path / "new", STAY.replace("7 days before", "8 days before"))

    assert diff(world, old, tmp_path / "new", rules=old)["not_in_the_plan"] == ["stay"]


def test_the_same_question_gives_the_same_plan_and_another_one_another(world: World, tmp_path: Path, old: Path) -> None:
    """A plan is named by what it says."""
    rules_of(tmp_path / "new", STAY.replace("7 days before", "8 days before"))
    rules_of(tmp_path / "other", STAY.replace("7 days before", "9 days before"))
    plans = [diff(world, old, tmp_path / name, rules=old)["plan"] for name in ("new", "new", "other")]

    assert plans[0] == plans[1] != plans[2]
    with reading(world.engine) as connection:
        assert len(connection.execute(select(t.rule_plan.c.hash)).all()) == 2


def test_no_save_keeps_nothing(world: World, tmp_path: Path, old: Path) -> None:
    """Looking is free."""
    rules_of(tmp_path / "new", STAY.replace("7 days before", "8 days before"))
    assert not diff(world, old, tmp_path / "new", "--no-save", rules=old)["kept"]
    with reading(world.engine) as connection:
        assert connection.execute(select(t.rule_plan.c.hash)).first() is None


def test_the_table_ends_with_the_command_that_applies_it(world: World, tmp_path: Path, old: Path) -> None:
    """What an officer does next stands last."""
    rules_of(tmp_path / "new", STAY.replace("7 days before", "8 days before"))
    command = ["rules", "diff", str(old), str(tmp_path / "new"), "--on", "2026-03-02", "--processes", "1"]
    done = run(world, *command, rules=old)
    assert done.exit_code == 0, done.output

    assert done.output.strip().splitlines()[-1].startswith("To make it active: notifier rules apply ")
    assert "moved" in done.output


def test_the_short_way_finds_what_the_plain_way_finds(
    sqlite_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S46, S94: each rule asked only about those it can tell something, alike ones once, by one process or by two."""
    random_register(sqlite_engine, tmp_path / "csv", 4, 100)
    world = World(sqlite_engine, now="2026-03-02 09:00")
    world.plan()
    world.send()
    correct_some_dates(sqlite_engine, 5)
    world.at("2026-03-03 07:00")
    shutil.copytree(PROJECT / "rules", tmp_path / "new")
    itas = tmp_path / "new" / "itas-extension.yaml"
    text = itas.read_text()
    itas.write_text(text.replace("send: 60 days before", "send: 75 days before").replace("earlier", ""))
    assert "when expiry moves \n" in itas.read_text()
    before, after = (Version(folder.name, {}, load_rules(folder)) for folder in (PROJECT / "rules", tmp_path / "new"))
    stage = stage_of(world, period("2026-03-03", "2026-06-01", world.now))
    monkeypatch.setattr(comparing, "in_processes", lambda work, parts: [work(part) for part in parts])
    monkeypatch.setattr(walk, "WORTH_A_PROCESS", 1)

    def compared(*, share: bool, processes: int) -> Comparison:
        own = replace(stage, share=share)
        return compare(own, before, after, world.renderer, RATES, sample=4, processes=processes)

    plain = compared(share=False, processes=1)
    assert {kind for _, _, kind in plain.changes.counts} >= {Kind.GAINED, Kind.MOVED}
    assert sum(sum(days.values()) for rule in plain.plan.envelope.values() for days in rule.values()) > 100
    for processes in (1, 2):
        short = compared(share=True, processes=processes)
        assert short.plan == plain.plan
        assert short.changes.counts == plain.changes.counts
        assert short.changes.examples == plain.changes.examples
        assert short.unforeseen == plain.unforeseen
        for one, other in ((short.old, plain.old), (short.new, plain.new)):
            assert one.by_rule == other.by_rule
            assert one.cost_of("itas-extension") == other.cost_of("itas-extension")
            assert one.by_day_channel == other.by_day_channel


def git(place: Path, *words: str) -> None:
    names = ["-c", "user.name=Rina", "-c", "user.email=rina@kanim.example", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", "-C", str(place), *names, *words], check=True, capture_output=True)


def test_revisions_of_the_folder_are_read_from_git(world: World, tmp_path: Path) -> None:
    """HEAD~1 means the settings' folder as it was; REVISION:FOLDER any other."""
    home = tmp_path / "office"
    rules_of(home / "rules", STAY)
    git(home, "init")
    git(home, "add", ".")
    git(home, "commit", "-m", "first")
    rules_of(home / "rules", STAY.replace("7 days before", "8 days before"))
    git(home, "commit", "-am", "second")

    answer = diff(world, "HEAD~1", "HEAD", rules=home / "rules")
    assert changes(answer) == {("week", "moved", 1)}
    assert diff(world, "HEAD~1:rules", home / "rules", rules=home / "rules")["plan"] == answer["plan"]


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("HEAD~99", "HEAD~99 is neither active, nor a folder, nor a revision that git knows"),
        ("nowhere", "nowhere is neither active"),
        ("--help-me", "--help-me is neither active"),
        (":rules", ":rules is neither active"),
        ("", "an empty word is neither active"),
        (" ", "an empty word is neither active"),
        ("HEAD:nowhere", "HEAD:nowhere: in the revision HEAD there is no folder nowhere; write it as HEAD:FOLDER"),
    ],
)
def test_what_is_no_version_is_said_in_words_of_our_own(world: World, tmp_path: Path, what: str, told: str) -> None:
    """Exit code 2, whatever git says."""
    rules_of(tmp_path / "office", STAY)
    git(tmp_path / "office", "init")
    git(tmp_path / "office", "add", ".")
    git(tmp_path / "office", "commit", "-m", "first")
    done = run(world, "rules", "diff", "--on", "2026-03-02", "--", what, "active", rules=tmp_path / "office")
    assert done.exit_code == 2
    assert told in done.output
    assert "fatal" not in done.output


def test_a_revision_where_no_repository_is_is_said(world: World, old: Path) -> None:
    done = run(world, "rules", "diff", "--on", "2026-03-02", "HEAD~1", "active", rules=old)
    assert done.exit_code == 2
    assert f"there is no folder HEAD~1, and at {old} git finds no repository" in done.output
    assert "fatal" not in done.output


def test_without_git_a_revision_is_a_fault_in_words(
    world: World, tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without git compares folders."""
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    done = run(world, "rules", "diff", "HEAD~1", "active", "--on", "2026-03-02", rules=old)
    assert done.exit_code == 2
    assert "there is no folder HEAD~1, and no git here" in done.output


def test_rules_with_faults_are_not_compared(world: World, tmp_path: Path, old: Path) -> None:
    """Exit code 1, with the place of the fault."""
    rules_of(tmp_path / "new", STAY)
    (tmp_path / "new" / "stay.yaml").write_text(STAY.lstrip().replace("7 days before", "7 dayz before"))
    done = run(world, "rules", "diff", str(old), str(tmp_path / "new"), "--on", "2026-03-02", rules=old)
    assert done.exit_code == 1
    assert "stay.yaml:" in done.output


def test_other_windows_change_every_rule(tmp_path: Path, old: Path) -> None:
    """S13, S29: what a rule counts from may stand in another file; so may who silences it (S85)."""
    same = rules_of(tmp_path / "same", STAY)
    windows = tmp_path / "new" / "windows.yaml"
    rules_of(tmp_path / "new", STAY)
    windows.write_text(windows.read_text().replace("30 days before expiry", "31 days before expiry"))
    before = rules_of(tmp_path / "a", STAY, CASES)
    after = rules_of(tmp_path / "b", STAY.replace("correction:", "mutes: [appointment]\ncorrection:"), CASES)

    assert changed_rules(load_rules(old), same) == frozenset()
    assert changed_rules(load_rules(old), load_rules(tmp_path / "new")) == {"stay"}
    assert changed_rules(before, after) == {"stay", "appointment"}
