"""`notifier rules new` as an officer meets it: questions, wrong answers, and a rule with its test that are right."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from notifier.cli import main
from notifier.cli.asking import numbered_step
from notifier.cli.rules_new_answers import Choices, Interview, tongue_of
from notifier.model import Reason
from notifier.rules.decision import Decision, Verdict
from notifier.rules.load import load_rules
from notifier.rules.vocabulary import Part
from tests.office_folder import make_office

#: Right answers, in the order of the questions.
WEEKLY = {
    "name": "itap-weekly",
    "title": "Sponsors of ITAP holders in Batam are told every week",
    "for": "permit",
    "type": "ITAP",
    "to": "sponsor",
    "days": "every week from 90",
    "channels": "whatsapp and email",
    "template": "",
    "offices": "batam",
}
MINGGUAN = WEEKLY | {
    "name": "itap-mingguan",
    "title": "Penjamin pemegang ITAP di Batam diingatkan setiap pekan",
    "for": "dokumen",
    "to": "penjamin",
    "days": "setiap pekan sejak 22",
    "channels": "WA dan email",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a register, for questions that end before anything is written."""
    return make_office(tmp_path_factory.mktemp("office"), on="2026-05-04", size=5)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder of its own, without a register."""
    assert CliRunner().invoke(main, ["init", str(tmp_path)]).exit_code == 0
    (tmp_path / "notifier.db").unlink()
    return tmp_path


def run(folder: Path, *arguments: str, exit_code: int = 0, answers: list[str] | None = None) -> Result:
    said = "".join(f"{answer}\n" for answer in answers or [])
    answer = CliRunner().invoke(main, ["--config", str(folder / "notifier.toml"), "rules", *arguments], input=said)
    assert answer.exit_code == exit_code, answer.output
    return answer


def rule_files_of(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in (folder / "rules").rglob("*.yaml")}


#: What must stand in the rule, and how often its test saw it leave: both ends of 90 days, or of 22, are counted.
ANSWERED = [
    (
        "en",
        WEEKLY,
        ["    send: every week from 90 days before expiry until expiry\n", "template: itap/extension\n"],
        13,
    ),
    (
        "id",
        MINGGUAN,
        [
            "aturan: itap-mingguan\n",
            "    kirim: setiap pekan sejak 22 hari sebelum tanggal berakhir sampai tanggal berakhir\n",
            "# Setiap baris bila harus benar",
        ],
        4,
    ),
]


@pytest.mark.parametrize(("language", "answers", "lines", "times"), ANSWERED, ids=["English", "Indonesian"])
def test_a_rule_answered_in_a_language_passes_the_check_and_its_own_test(
    empty: Path, language: str, answers: dict[str, str], lines: list[str], times: int
) -> None:
    name = answers["name"]
    run(empty, "new", "--language", language, answers=list(answers.values()))
    rule, test = empty / "rules" / f"{name}.yaml", empty / "rules" / "tests" / f"{name}.yaml"
    assert [line for line in lines if line not in rule.read_text()] == []
    assert run(empty, "check", "--strict", str(rule)).output == "1 rules read, no fault\n"
    assert f"weekly#{times} to pt-maju by email and whatsapp\n" in test.read_text()
    assert test.read_text().count("weekly#") == times
    played = run(empty, "test", "-k", name, "--cover-at-least", "100")
    assert "1 rule, 1 test, 0 failed, steps covered 1 of 1 (100 %)" in played.output


def test_options_answer_instead_of_a_person(empty: Path) -> None:
    said = ["--yes", "--name=photo-soon", "--title=Photo", "--for=case", "--state=scheduled", "--days=7, 3, 3"]
    answer = run(empty, "new", *said)
    rule = empty / "rules" / "photo-soon.yaml"
    assert answer.output.splitlines()[0] == f"written: {rule}"
    assert "while: scheduled\n" in rule.read_text()
    assert "template: case/appointment\n" in rule.read_text()
    assert rule.read_text().count("before appointment\n") == 2
    assert run(empty, "check", str(rule)).output == "1 rules read, no fault\n"


WRONG = [
    (0, "", "Name of the rule, like itap-reminder: \nName of the rule"),
    (0, "My Rule", 'Error: "My Rule" is no name; write small letters, digits and single hyphens, like my-rule\n'),
    (0, "../etc", "single hyphens, like etc\n"),
    (0, "itas-extension", "itas-extension.yaml exists and is not overwritten; choose another name\n"),
    (1, 'all "sponsors"', 'Error: write one sentence without " and \\\n'),
    (2, "stay", 'Error: "stay" is not known here; write permit, case\n'),
    (3, "KITAP", 'Error: "KITAP" is not known here; did you mean "ITAP"?\n'),
    (4, "sponsors", 'Error: "sponsors" is not known here; did you mean "sponsor"?\n'),
    (4, "family", 'Error: "family" is not known here; write holder, sponsor, agent\n'),
    (5, "90, 83 76", "Error: write whole numbers from 2 to 400 with commas, like 60, 30, 7; or: every week from 90\n"),
    (5, "0, -3", "Error: write whole numbers from 2 to 400 with commas"),
    (5, "weekly from 7", "Error: write whole numbers from 8 to 400 with commas"),
    (6, "email, fax", 'Error: "fax" is not known here; write whatsapp, sms, email\n'),
    (7, "itap/new", 'Error: "itap/new" is not known here; '),
    (8, "Jakarta", 'Error: "Jakarta" is not known here; did you mean "jakarta-barat"?\n'),
]


@pytest.mark.parametrize(("question", "wrong", "told"), WRONG, ids=[f"{at}-{wrong}" for at, wrong, _ in WRONG])
def test_a_wrong_answer_is_asked_again_with_a_remedy(made: Path, question: int, wrong: str, told: str) -> None:
    """The input ends after the wrong answer, as with Ctrl-D: what was asked twice is seen, and nothing is written."""
    before = rule_files_of(made)
    right = list(WEEKLY.values())[:question]
    answer = run(made, "new", answers=[*right, wrong], exit_code=1)
    assert told in answer.output
    last_question = answer.output.rstrip().removesuffix("Nothing was written.").rstrip()
    assert answer.output.count(last_question.splitlines()[-1].strip()) >= 2
    assert answer.output.endswith("\nNothing was written.\n")
    assert rule_files_of(made) == before


class Keyboard(io.BytesIO):
    """What a person types, who then presses Ctrl-C."""

    def read1(self, size: int | None = -1, /) -> bytes:
        typed = super().read1(-1 if size is None else size)
        if not typed:
            raise KeyboardInterrupt
        return typed


def test_a_break_by_the_person_leaves_no_file(made: Path) -> None:
    """Ctrl-C at the fourth question."""
    before = rule_files_of(made)
    typed = "".join(f"{answer}\n" for answer in list(MINGGUAN.values())[:3])
    command = ["--config", str(made / "notifier.toml"), "rules", "new", "--language", "id"]
    answer = CliRunner().invoke(main, command, input=Keyboard(typed.encode()))
    assert answer.exit_code == 1
    assert answer.output.endswith("Jenis dokumen [ITAS]: \nTidak ada yang ditulis.\n")
    assert rule_files_of(made) == before


def test_a_text_that_does_not_fit_is_refused_and_nothing_stays(empty: Path) -> None:
    """The text about payments asks for a date that an appointment has not."""
    before = rule_files_of(empty)
    said = ("--yes", "--name", "wrong-text", "--for", "case", "--state", "scheduled", "--template", "case/payment-due")
    assert "choose a text that fits" in run(empty, "new", *said, exit_code=2).output
    assert rule_files_of(empty) == before


@pytest.mark.parametrize("kept", ["rules/itap-weekly.yaml", "rules/tests/itap-weekly.yaml"])
def test_what_exists_is_never_overwritten(empty: Path, kept: str) -> None:
    rule = (empty / "rules" / "itap-extension.yaml").read_text().replace("rule: itap-extension", "rule: itap-weekly")
    (empty / kept).write_text(rule)
    answer = run(empty, "new", "--yes", "--name", "itap-weekly", exit_code=2)
    assert f"{empty / kept} exists and is not overwritten; choose another name" in answer.output
    assert (empty / kept).read_text() == rule


def test_a_name_that_another_file_uses_for_an_office_is_taken(empty: Path) -> None:
    rule = (empty / "rules" / "itap-extension.yaml").read_text()
    own = empty / "rules" / "own.batam.yaml"
    own.write_text(rule.replace("rule: itap-extension", "rule: own\noffices: [batam]"))
    assert f"{own} exists" in run(empty, "new", "--yes", "--name", "own", exit_code=2).output


def test_without_a_register_the_code_of_an_office_is_only_looked_at(empty: Path) -> None:
    answer = run(empty, "new", "--yes", "--name", "some", "--offices", "Batam", exit_code=2)
    assert '"Batam" is no code of an office; write it in small letters as the register has it' in answer.output


def test_days_that_leave_together_are_refused_and_nothing_stays(empty: Path) -> None:
    """Two days before the same closed days fall on one: the new test would not see both leave."""
    before = rule_files_of(empty)
    answer = run(empty, "new", "--yes", "--name", "close", "--type", "ITAS", "--days", "11, 10", exit_code=2)
    assert "(11-days); nothing was written" in answer.output
    assert rule_files_of(empty) == before


@pytest.mark.parametrize(
    ("said", "days"),
    [
        ("60, 30,7", ((60, 30, 7), False)),
        ("every week from 90", ((90,), True)),
        ("Weekly from 90 days before expiry", ((90,), True)),
        ("setiap minggu dari 90 hari sebelum berakhir", ((90,), True)),
        ("mingguan sejak 60", ((60,), True)),
    ],
)
def test_days_may_be_said_in_many_ways(said: str, days: tuple[tuple[int, ...], bool]) -> None:
    assert Interview({}, tongue_of("en"), is_silent=True).days(said) == days


def test_answers_are_taken_in_either_language_and_case() -> None:
    for language in ("en", "id"):
        roles = Choices(["holder", "sponsor"], tongue_of(language), Part.RECIPIENT)
        assert roles.several("Penjamin, holder dan sponsor") == ("sponsor", "holder")


def test_each_time_of_a_series_is_named_with_its_number() -> None:
    """As `explain` and `preview` say it, and as tests of rules write it."""
    rules = load_rules(Path(__file__).parent.parent / "rules")
    weekly, once = rules.rule("itap-batam-weekly", "batam"), rules.rule("itap-extension", "batam")
    assert weekly is not None and once is not None
    third = Decision(weekly.name, weekly.steps[0], Verdict.GOES, Reason.GOES, occurrence=3)
    assert numbered_step(third) == "weekly#3"
    assert numbered_step(replace(third, step=once.steps[0], occurrence=0)) == "opens"
