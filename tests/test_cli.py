"""The command line as an officer meets it: answers, exit codes, and never a traceback."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from notifier.cli import main
from notifier.cli.options import Guarded, start_session
from notifier.errors import ConfigError, Fault, FaultsFound, StoreError
from tests.office_folder import make_office

#: A Monday in the office; the sample register is laid around it.
DAY = "2026-05-04"

Notifier = Callable[..., Result]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An office's folder with a small register in it, to be copied for each test."""
    return make_office(tmp_path_factory.mktemp("office"), on=DAY)


@pytest.fixture
def office(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an office with a small register; the commands run in it."""
    folder = tmp_path / "office"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def notifier() -> Notifier:
    """Run a command line, expecting an exit code."""

    def run(*arguments: str, exit_code: int = 0, **more: Any) -> Result:
        answer = CliRunner().invoke(main, list(arguments), **more)
        assert answer.exit_code == exit_code, f"{answer.output}\n{answer.exception!r}"
        assert "Traceback" not in answer.output
        return answer

    return run


def of(answer: Result) -> Any:
    return json.loads(answer.stdout)


# ------------------------------------------------------------------------------------ faults become words


@pytest.fixture
def broken(tmp_path: Path) -> Callable[..., Result]:
    """Run a command that fails in a given way."""

    def run(error: Exception, *options: str) -> Result:
        @click.group(cls=Guarded)
        @click.option("--debug", is_flag=True)
        @click.pass_context
        def group(ctx: click.Context, debug: bool) -> None:
            start_session(ctx, None, debug=debug)

        @group.command()
        def fail() -> None:
            raise error

        return CliRunner().invoke(group, [*options, "fail"])

    return run


@pytest.mark.parametrize(
    ("error", "exit_code", "expected"),
    [
        (StoreError("the database is away"), 1, "Error: the database is away\n"),
        (ConfigError("NOTIFIER_ZONE is wrong"), 2, "Error: NOTIFIER_ZONE is wrong\n"),
        (
            FaultsFound([Fault("a.yaml", 2, 3, "no"), Fault("a.yaml", 1, 1, "oh")]),
            1,
            "a.yaml:1:1: oh\na.yaml:2:3: no\n",
        ),
        (
            ZeroDivisionError("a name"),
            1,
            "Error: this is a fault of the program (ZeroDivisionError); run it again with",
        ),
        (PermissionError(13, "Permission denied", "x.csv"), 1, "Error: Permission denied: x.csv\n"),
    ],
)
def test_a_fault_becomes_words_and_an_exit_code(
    broken: Callable[..., Result], error: Exception, exit_code: int, expected: str
) -> None:
    answer = broken(error)
    assert answer.exit_code == exit_code
    assert answer.stderr.startswith(expected)
    assert "Traceback" not in answer.output
    assert "a name" not in answer.output


def test_debug_shows_what_really_happened(broken: Callable[..., Result]) -> None:
    answer = broken(ZeroDivisionError("a name"), "--debug")
    assert isinstance(answer.exception, ZeroDivisionError)


def test_an_unknown_setting_is_said_before_anything_is_done(notifier: Notifier, office: Path) -> None:
    answer = notifier("plan", env={"NOTIFIER_DATABSE_URL": "x"}, exit_code=2)
    assert "did you mean NOTIFIER_DATABASE_URL?" in answer.stderr


def test_a_database_that_was_never_made_is_said_with_the_remedy(notifier: Notifier, office: Path) -> None:
    answer = notifier("plan", env={"NOTIFIER_DATABASE_URL": "sqlite:///other.db"}, exit_code=1)
    assert "notifier init --database" in answer.stderr


def test_without_rules_the_remedy_is_said(
    notifier: Notifier, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = notifier("plan", env={"NOTIFIER_DATABASE_URL": sqlite_url}, exit_code=2)
    assert "NOTIFIER_RULES" in answer.stderr


@pytest.mark.parametrize("on", ["tomorrow", "2026-13-01", "2026-05-02T25:00"])
def test_a_moment_that_is_none_is_refused(notifier: Notifier, on: str) -> None:
    assert "is neither a day" in notifier("plan", "--on", on, exit_code=2).stderr


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("2026-05-04", datetime(2026, 5, 4, 3, 0, tzinfo=UTC)),  # ten in the morning in Jakarta
        ("2026-05-04T09:00", datetime(2026, 5, 4, 2, 0, tzinfo=UTC)),
        ("2026-05-04 09:00+09:00", datetime(2026, 5, 4, 0, 0, tzinfo=UTC)),
        ("2026-05-04T09:00Z", datetime(2026, 5, 4, 9, 0, tzinfo=UTC)),
    ],
)
def test_a_moment_without_a_zone_is_on_the_clock_of_the_settings(
    notifier: Notifier, office: Path, on: str, expected: datetime
) -> None:
    notifier("plan", "--on", on)
    listed = of(notifier("notifications", "list", "--format", "json", "--limit", "1"))
    story = of(notifier("notifications", "show", str(listed[0]["id"]), "--format", "json"))
    assert datetime.fromisoformat(story["created_at"]) == expected


# ----------------------------------------------------------------------------------------- the main job


def test_planning_twice_for_the_same_moment_adds_nothing(notifier: Notifier, office: Path) -> None:
    first = of(notifier("plan", "--on", DAY, "--format", "json"))
    second = of(notifier("plan", "--on", DAY, "--format", "json"))
    assert first["planned"] > 0
    assert (second["planned"], second["moved"], second["cancelled"]) == (0, 0, 0)


def test_a_dry_run_shows_what_would_be_planned_and_writes_nothing(notifier: Notifier, office: Path) -> None:
    dry = notifier("plan", "--dry-run", "--on", DAY)
    assert "would be planned" in dry.stdout
    assert of(notifier("notifications", "list", "--format", "json")) == []
    would = of(notifier("plan", "--dry-run", "--on", DAY, "--format", "json"))["planned"]
    assert of(notifier("plan", "--on", DAY, "--format", "json"))["planned"] == would


def test_run_sends_what_is_due_and_sums_it_up(notifier: Notifier, office: Path) -> None:
    sums = of(notifier("run", "--on", f"{DAY}T10:00", "--format", "json"))
    keys = {"planned", "sent", "delivered", "held", "undeliverable", "refused"}
    assert keys <= set(sums)
    assert all(set(one) == keys for one in [*sums["by_rule"].values(), *sums["by_channel"].values()])
    assert sums["planned"] == sum(one["planned"] for one in sums["by_rule"].values())
    assert sums["sent"] > 0
    assert (office / "inbox" / "inbox.html").is_file()
    again = of(notifier("run", "--on", f"{DAY}T10:00", "--format", "json"))
    assert (again["planned"], again["sent"]) == (0, 0)


def test_run_for_people_ends_with_one_sentence(notifier: Notifier, office: Path) -> None:
    last = notifier("run", "--on", f"{DAY}T10:00").stdout.splitlines()[-1]
    assert " planned, " in last
    assert " refused" in last


def test_one_notification_can_be_looked_at_cancelled_and_sent_again(notifier: Notifier, office: Path) -> None:
    notifier("plan", "--on", DAY)
    key = str(of(notifier("notifications", "list", "--state", "scheduled", "--format", "json"))[0]["id"])
    assert "Nothing was changed" in notifier("notifications", "cancel", key, input="n\n").stdout
    notifier("notifications", "cancel", key, "--yes")
    story = of(notifier("notifications", "show", key, "--format", "json"))
    assert (story["state"], story["reason"]) == ("cancelled", "cancelled by an officer")
    refused = notifier("notifications", "cancel", key, "--yes", exit_code=1)
    assert "it is over already" in refused.stderr
    notifier("notifications", "resend", key, "--yes")
    assert of(notifier("notifications", "show", key, "--format", "json"))["state"] == "scheduled"


def test_what_was_delivered_is_sent_again_only_when_an_officer_says_so(notifier: Notifier, office: Path) -> None:
    notifier("run", "--on", f"{DAY}T10:00")
    key = str(of(notifier("notifications", "list", "--state", "delivered", "--format", "json"))[0]["id"])
    asked = notifier("notifications", "resend", key, "--on", f"{DAY}T10:05", input="n\n")
    assert "delivered" in asked.stdout  # what was sent before is shown
    assert "Nothing was changed" in asked.stdout
    notifier("notifications", "resend", key, "--yes", "--on", f"{DAY}T10:05")
    notifier("run", "--on", f"{DAY}T10:05")
    story = of(notifier("notifications", "show", key, "--format", "json"))
    assert story["state"] == "delivered"
    assert [one["what"] for one in story["events"]].count("resend") == 1
    assert len({one["attempted_at"] for one in story["deliveries"]}) == 2


def test_questions_about_what_is_not_there_are_answered_in_a_sentence(notifier: Notifier, office: Path) -> None:
    assert "there is no notification 999999" in notifier("notifications", "show", "999999", exit_code=1).stderr
    assert "holds no permit or case" in notifier("explain", "NOT-THERE", exit_code=1).stderr
    assert "nothing is known" in notifier("trace", "NOT-THERE", exit_code=1).stderr
    unknown = notifier("preview", "no-rule", "--for", "NOT-THERE", exit_code=2)
    assert "there is no rule no-rule" in unknown.stderr


def test_a_told_person_can_be_explained_previewed_and_traced(notifier: Notifier, office: Path) -> None:
    notifier("run", "--on", f"{DAY}T10:00")
    told = of(notifier("notifications", "list", "--state", "delivered", "--format", "json"))[0]
    number, rule = told["subject"], told["rule"]
    answers = of(notifier("explain", number, "--on", DAY, "--format", "json"))
    assert any(one["notification"] == told["id"] and one["answer"].startswith("told") for one in answers)
    assert number in notifier("explain", number, "--rule", rule, "--on", DAY).stdout
    leaves = of(notifier("preview", rule, "--for", number, "--on", DAY, "--format", "json"))
    assert any(leaf.get("text") for leaf in leaves)
    assert "--- " in notifier("preview", rule, "--for", number, "--on", DAY).stdout
    lines = of(notifier("trace", number, "--format", "json"))
    assert {"planned", "accepted", "receipt"} <= {line["what"] for line in lines}
    assert " WI" in notifier("trace", number).stdout  # WIB, WITA or WIT: the office's own clock


def test_an_address_opts_out_and_in_again_in_any_spelling(notifier: Notifier, office: Path) -> None:
    notifier("optout", "add", "0812-3456-7890")
    listed = of(notifier("optout", "list", "--format", "json"))
    assert {(one["channel"], one["address"]) for one in listed} == {
        ("sms", "+6281234567890"),
        ("whatsapp", "+6281234567890"),
    }
    notifier("optout", "remove", "+62 812 3456 7890", "--channel", "sms")
    left = of(notifier("optout", "list", "--format", "json"))
    assert [one["channel"] for one in left] == ["whatsapp"]
    assert "the address is no e-mail address" in notifier("optout", "add", "a@b@c", exit_code=2).stderr


def test_status_counts_register_outbox_and_work(notifier: Notifier, office: Path) -> None:
    notifier("run", "--on", f"{DAY}T10:00")
    found = of(notifier("status", "--on", f"{DAY}T10:00", "--format", "json"))
    assert found["register"]["permits"] >= 40
    assert found["notifications"]["delivered"] > 0
    assert "permits" in notifier("status").stdout


def test_the_doctor_finds_a_sandbox_office_fit_and_says_what_is_wrong_elsewhere(
    notifier: Notifier, office: Path
) -> None:
    findings = {one["part"]: one for one in of(notifier("doctor", "--format", "json"))}
    assert {"settings", "database", "migrations", "Redis", "rules", "templates", "offices"} <= set(findings)
    assert findings["sms"]["health"] == "warning"
    sick = {"NOTIFIER_REDIS_URL": "redis://127.0.0.1:1/0", "NOTIFIER_PROVIDERS_SMS": "twilio"}
    answer = notifier("doctor", "--format", "json", env=sick, exit_code=1)
    faults = {one["part"]: one["sentence"] for one in of(answer) if one["health"] == "fault"}
    assert "check NOTIFIER_REDIS_URL" in faults["Redis"]
    assert "NOTIFIER_TWILIO_ACCOUNT_SID" in faults["sms"]


def test_the_doctor_looks_even_when_the_settings_are_wrong(notifier: Notifier, office: Path) -> None:
    answer = notifier("doctor", env={"NOTIFIER_ZONE": "Asia/Batavia"}, exit_code=1)
    assert "NOTIFIER_ZONE must be the name of a time zone" in answer.stdout.replace("\n", " ")


# ----------------------------------------------------------------------------------- register and rules


def test_broken_rows_are_refused_with_their_place_and_the_rest_goes_in(notifier: Notifier, office: Path) -> None:
    answer = notifier("import", "register/people-broken.csv", exit_code=1)
    assert "people-broken.csv:" in answer.stderr
    assert list((office / "refused").glob("*.csv"))


def test_importing_the_same_files_twice_changes_nothing(notifier: Notifier, office: Path) -> None:
    kinds = of(notifier("import", "register/people.csv", "register/permits.csv", "--format", "json"))["kinds"]
    assert all(one["added"] == one["changed"] == one["refused"] == 0 < one["unchanged"] for one in kinds.values())


def test_sync_without_queries_says_where_to_write_them(notifier: Notifier, office: Path) -> None:
    assert "[sync.NAME]" in notifier("sync", exit_code=2).stderr


def test_the_shipped_rules_and_templates_have_no_fault(notifier: Notifier, office: Path) -> None:
    assert "no fault" in notifier("rules", "check").stdout


def test_a_broken_rule_is_named_with_its_place(notifier: Notifier, office: Path) -> None:
    broken = office / "rules" / "broken.yaml"
    broken.write_text("rule: broken\ntitle: A rule\nsbject: permit\n")
    answer = notifier("rules", "check", exit_code=1)
    assert "broken.yaml:3:1: " in answer.stderr
    faults = of(notifier("rules", "check", "--format", "json", exit_code=1))["faults"]
    assert any(fault["file"].endswith("broken.yaml") and fault["line"] == 3 for fault in faults)
    assert "broken.yaml:3:1: " in notifier("plan", exit_code=1).stderr


def test_sample_needs_no_settings_and_the_same_seed_gives_the_same_register(
    notifier: Notifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        notifier("sample", name, "--size", "5", "--on", DAY)
    assert (tmp_path / "a" / "permits.csv").read_bytes() == (tmp_path / "b" / "permits.csv").read_bytes()


# -------------------------------------------------------------------------------------------- processes


def test_a_worker_without_redis_says_what_to_do_instead(notifier: Notifier, office: Path) -> None:
    assert "notifier scheduler" in notifier("worker", exit_code=2).stderr


def test_a_scheduler_without_redis_plans_and_sends_by_itself(notifier: Notifier, office: Path) -> None:
    notifier("scheduler", "--once")
    found = of(notifier("status", "--format", "json"))
    assert found["due_since"] is None or found["deliveries"]


def test_the_demo_shows_the_whole_job_and_can_be_run_again(
    notifier: Notifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = notifier("demo", "--size", "10", "--on", DAY).stdout
    assert " planned, " in first
    assert (tmp_path / "demo" / "inbox" / "inbox.html").is_file()
    assert notifier("demo", "--size", "10", "--on", DAY).stdout == first


def test_the_demo_never_clears_a_folder_of_somebody_else(
    notifier: Notifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.txt").write_text("keep me")
    assert "is not touched" in notifier("demo", "letters", exit_code=2).stderr
    assert (tmp_path / "letters" / "letter.txt").read_text() == "keep me"


def test_work_for_the_office_is_listed_and_taken_off_the_list(notifier: Notifier, office: Path) -> None:
    notifier("run", "--on", f"{DAY}T10:00")
    notifier("run", "--on", f"{DAY}T23:00")
    items = of(notifier("work", "list", "--format", "json"))
    assert items
    assert {"id", "office", "kind", "subject", "note"} <= set(items[0])
    key = str(items[0]["id"])
    assert f"Closed {key}" in notifier("work", "close", key).stdout
    assert "not open" in notifier("work", "close", key, exit_code=1).stderr
    assert key not in {str(one["id"]) for one in of(notifier("work", "list", "--format", "json"))}


def test_an_unknown_rule_or_office_is_no_empty_list(notifier: Notifier, office: Path) -> None:
    assert "there is no rule itas" in notifier("notifications", "list", "--rule", "itas", exit_code=2).stderr
    assert "there is no office nowhere" in notifier("notifications", "list", "--office", "nowhere", exit_code=2).stderr
