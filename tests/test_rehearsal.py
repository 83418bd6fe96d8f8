"""The tests of rules themselves: read strictly, played on the real engine, compared, recorded, counted."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from notifier.cli import main
from notifier.cli.folder import make_folder
from notifier.config import Settings
from notifier.rehearsal import play
from notifier.rehearsal.read import read_script
from notifier.rehearsal.rehearse import find_files, play_one, read_scripts, rehearse
from notifier.rehearsal.stage import Stage, Theatre
from notifier.rules.load import load_rules
from notifier.rules.rule import RuleSet

PROJECT = Path(__file__).parent.parent
SETTINGS = Settings(rules=PROJECT / "rules", templates=PROJECT / "templates")

HEAD = """\
rule: appointment
people:
  budi: {language: id, email: yes, whatsapp: yes, sms: yes}
tests:
"""
#: A test that holds as it stands; the tests below change one line of it.
GOOD = (
    HEAD
    + """\
  told three days and one day before:
    cases:
      C1: {service: passport, state: scheduled, holder: budi, appointment: 2026-05-06 10:00}
    from: 2026-04-30
    until: 2026-05-06
    messages:
      2026-04-30 09:00: three-days to budi by whatsapp
      2026-05-05 09:00: day-before to budi by whatsapp
"""
)


@pytest.fixture(scope="module")
def theatre() -> Iterator[Theatre]:
    made = Theatre(SETTINGS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load_rules(SETTINGS.rules)


def written(folder: Path, text: str) -> Path:
    file = folder / "appointment.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def run(*arguments: object) -> Result:
    environ = {"NOTIFIER_RULES": str(SETTINGS.rules), "NOTIFIER_TEMPLATES": str(SETTINGS.templates)}
    return CliRunner().invoke(main, ["rules", "test", *map(str, arguments)], env=environ)


@pytest.mark.parametrize("file", find_files([], SETTINGS.rules), ids=lambda file: file.stem)
def test_every_test_that_ships_with_the_rules_passes(theatre: Theatre, rules: RuleSet, file: Path) -> None:
    """S46, S94: the rules that ship do what their tests say, on the whole engine."""
    (script,) = read_scripts([file], rules)
    results = [play_one(theatre, script, scene) for scene in script.scenes]
    assert results
    assert [(one.file, one.name, one.trouble, [line for line in one.lines if line.is_fault]) for one in results
            if not one.passed] == []  # fmt: skip


def test_every_rule_that_ships_has_four_tests_of_its_own(rules: RuleSet) -> None:
    """Fires, silent, late, closed day: the least that lets somebody dare to change a rule."""
    scripts = read_scripts(find_files([], SETTINGS.rules), rules)
    of_rule = {name: sum(len(one.scenes) for one in scripts if name in one.rules) for name in rules.names()}
    assert {name: count for name, count in of_rule.items() if count < 4} == {}


def test_the_command_says_how_many_tests_and_how_much_they_saw(tmp_path: Path) -> None:
    result = run(written(tmp_path, GOOD))
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "1 rule, 1 test, 0 failed, steps covered 2 of 3 (66 %)"
    assert "steps that no test has seen leave: appointment/moved" in result.output


def test_too_little_coverage_fails(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD)
    assert run("--cover-at-least", 67, file).exit_code == 1


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        pytest.param(
            "      2026-04-30 09:00: three-days to budi by whatsapp\n",
            "",
            "appointment/three-days to budi by whatsapp about C1",
            id="an unexpected message is shown with its rule, step and subject",
        ),
        pytest.param(
            "state: scheduled, holder: budi, appointment: 2026-05-06 10:00}",
            "state: paid, holder: budi, appointment: 2026-05-06 10:00}",
            "— (C1: not concerned: state: paid)",
            id="a missing message is shown with the reason of its silence",
        ),
        pytest.param(
            "2026-05-05 09:00: day-before",
            "2026-05-05 10:00: day-before",
            "(it left at 2026-05-05 09:00)",
            id="a message at another time says when it left",
        ),
        pytest.param(
            "day-before to budi by whatsapp", "day-before to budi by sms", "expected by sms", id="another channel"
        ),
        pytest.param(
            "day-before to budi by whatsapp",
            "day-before to budi by whatsapp in en",
            "in id, not en",
            id="another language",
        ),
        pytest.param(
            "day-before to budi by whatsapp",
            'day-before to budi by whatsapp saying "banana"',
            'does not say "banana" but:',
            id="another text",
        ),
        pytest.param(
            "three-days to budi by whatsapp\n",
            "[three-days to budi by whatsapp, three-days to budi by whatsapp]\n",
            "— (C1: told)",
            id="one message does not stand for two",
        ),
    ],
)
def test_a_difference_fails_and_stands_beside_what_was_expected(
    old: str, new: str, shown: str, theatre: Theatre, rules: RuleSet, tmp_path: Path
) -> None:
    """S93: the reason that explain gives stands where the message should."""
    assert old in GOOD
    (script,) = read_scripts([written(tmp_path, GOOD.replace(old, new))], rules)
    result = play_one(theatre, script, script.scenes[0])
    assert not result.passed
    differing = [line.got for line in result.lines if line.is_fault]
    assert any(shown in got for got in differing), differing


def test_an_answer_for_programs_has_the_same_lines(tmp_path: Path) -> None:
    result = run(
        "--format", "json", written(tmp_path, GOOD.replace("by whatsapp\n      2026-05-05", "by sms\n      2026-05-05"))
    )
    assert result.exit_code == 1
    answer = json.loads(result.output)
    assert (answer["failed"], answer["percent"], answer["unseen_steps"]) == (1, 66, ["appointment/moved"])
    first, second = answer["tests"][0]["lines"]
    assert (first["expected"], first["differs"]) == ("three-days to budi by sms", True)
    assert first["got"] == "three-days to budi by whatsapp; expected by sms"
    assert not second["differs"]


def test_the_table_marks_what_differs(tmp_path: Path) -> None:
    result = run(written(tmp_path, GOOD.replace("05-05 09:00", "05-05 10:00")))
    assert "expected" in result.output
    marked = [line for line in result.output.splitlines() if "≠" in line]
    assert len(marked) == 2
    assert "1 failed" in result.output


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("rule: appointment", "rule: apointment", "1:7", 'did you mean "appointment"?'),
        ("tests:", "testss:", "4:1", 'did you mean "tests"?'),
        ("    from:", "    form:", "8:5", 'did you mean "from"?'),
        ("service: passport", "servise: passport", "7:12", 'did you mean "service"?'),
        ("state: scheduled", "state: sheduled", "7:38", 'did you mean "scheduled"?'),
        ("holder: budi", "holder: rudi", "7:57", 'did you mean "budi"?'),
        ("2026-05-06 10:00}", "2026-05-06}", "7:76", "write a day and a time like 2026-05-20 08:00"),
        ("2026-05-05 09:00: day", "2026-05-05: day", "12:7", "is no instant"),
        ("day-before to", "day-befor to", "12:25", 'did you mean "day-before"?'),
        ("before to budi", "before to rudi", "12:39", 'did you mean "budi"?'),
        (
            "budi by whatsapp\n      2026-05-05",
            "budi by watsapp\n      2026-05-05",
            "11:47",
            'did you mean "whatsapp"?',
        ),
        ("day-before to budi by whatsapp", "day-before by whatsapp", "12:25", "is no message; write STEP to NAME by"),
        ("    until: 2026-05-06\n", "", "5:3", 'the test has no "until"'),
        ("until: 2026-05-06", "until: 2026-04-01", "5:3", '"until" must be later than "from"'),
        ("email: yes", "email: maybe", "3:31", "is no address; write yes, no, or one"),
        (
            "    messages:",
            "    happens: {2026-05-02: {asleep: x}}\n    messages:",
            "10:28",
            'did you mean "asleep until"?',
        ),
        (
            "    messages:",
            "    happens: {2026-06-02: {closed: 2026-06-03}}\n    messages:",
            "10:15",
            'move it between "from" and "until"',
        ),
        (
            "    messages:",
            "    happens: {2026-05-02: {closed: 2026-06-03..2026-06-04}}\n    messages:",
            "10:36",
            "write 2026-11-02 until 2026-11-15",
        ),
        (
            "    messages:",
            "    happens: {2026-05-02: {receipt: sms to budi faild}}\n    messages:",
            "10:49",
            'did you mean "failed"?',
        ),
        (
            "    messages:",
            "    happens: {2026-05-02: {reply: {budi: STOP}}}\n    messages:",
            "10:42",
            "write STOP on whatsapp",
        ),
        (
            "    messages:",
            "    silent: {day-befor to budi: told}\n    messages:",
            "10:14",
            'did you mean "day-before"?',
        ),
        ("C1: {service", "budi: {service", "7:7", "is the name of something else already"),
    ],
)
def test_a_slip_of_the_pen_is_a_fault_with_its_place_and_remedy(
    old: str, new: str, place: str, words: str, tmp_path: Path, rules: RuleSet
) -> None:
    assert old in GOOD
    file = written(tmp_path, GOOD.replace(old, new, 1))
    script, faults = read_script(file, rules)
    assert script is None
    assert any(str(fault).startswith(f"{file}:{place}: ") and words in fault.message for fault in faults), [
        str(fault) for fault in faults
    ]


def test_all_faults_of_all_files_are_told_at_once_and_nothing_is_played(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GOOD.replace("day-before to", "day-befor to"), encoding="utf-8")
    (tmp_path / "two.yaml").write_text(GOOD.replace("holder: budi", "holder: rudi"), encoding="utf-8")
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "one.yaml:12:25: " in result.output
    assert "two.yaml:7:57: " in result.output
    assert "steps covered" not in result.output


# ------------------------------------------------------------------------------------------- what can happen


def rehearsed(theatre: Theatre, rules: RuleSet, folder: Path, text: str) -> list[str]:
    """What left, one line a message; a test that cannot be played or fails is a fault of this test."""
    (script,) = read_scripts([written(folder, text)], rules)
    (scene,) = script.scenes
    result = play_one(theatre, script, scene)
    assert result.trouble is None
    assert [line for line in result.lines if line.is_fault] == []
    clock = scene.zone
    return [
        f"{one.at.astimezone(clock):%m-%d %H:%M} {one.step} {' '.join(sorted(one.channels))}" for one in result.left
    ]


SCENE = """\
  a test:
    cases:
      C1: {{service: passport, state: scheduled, holder: budi, appointment: 2026-05-06 10:00}}
    from: 2026-05-04
    until: 2026-05-06
    happens:
{happens}
    silent:
      moved to budi: no date
"""


@pytest.mark.parametrize(
    ("happens", "left"),
    [
        pytest.param(
            "2026-05-04: {receipt: whatsapp to budi unanswered}",
            ["05-05 09:00 day-before whatsapp", "05-05 12:00 day-before sms"],
            id="S68: no word of it, the next channel after its wait",
        ),
        pytest.param(
            "2026-05-04: {receipt: whatsapp to everybody failed}",
            ["05-05 09:00 day-before whatsapp", "05-05 09:01 day-before sms"],
            id="S69: a failure, the next channel at once",
        ),
        pytest.param(
            "2026-05-04: {receipt: whatsapp to budi refused}",
            ["05-05 09:00 day-before sms"],
            id="S69: what is refused has not left",
        ),
        pytest.param(
            "2026-05-04: {receipt: whatsapp to budi unanswered}\n"
            "      2026-05-05 11:00: {receipt: whatsapp to budi read}",
            ["05-05 09:00 day-before whatsapp"],
            id="S72: a late proof ends the ladder",
        ),
        pytest.param(
            "2026-05-04: {reply: {budi: STOP on whatsapp}}",
            ["05-05 09:00 day-before sms"],
            id="S75: who wants none on a channel is written to on the next",
        ),
        pytest.param(
            "2026-05-05 08:00: {asleep until: 2026-05-05 15:30}",
            ["05-05 15:30 day-before whatsapp"],
            id="S42: what was due while nothing ran leaves afterwards",
        ),
        pytest.param(
            "2026-05-05 08:00: {budi: {whatsapp: no}}",
            ["05-05 09:00 day-before sms"],
            id="S34: an address that is gone is not used",
        ),
        pytest.param(
            "2026-05-05 08:00: {C1: {state: attended}}", [], id="S34: a case that has moved on is not spoken of"
        ),
        pytest.param(
            "2026-05-04: {receipt: whatsapp to budi unanswered}\n"
            "      2026-05-05 10:00: {officer cancels: day-before to budi}",
            ["05-05 09:00 day-before whatsapp"],
            id="an officer stops the ladder",
        ),
        pytest.param(
            "2026-05-05 10:00: {officer sends again: day-before to budi}",
            ["05-05 09:00 day-before whatsapp", "05-05 10:00 day-before whatsapp"],
            id="an officer sends it again",
        ),
    ],
)
def test_carriers_people_and_officers_obey_the_script(
    happens: str, left: list[str], theatre: Theatre, rules: RuleSet, tmp_path: Path
) -> None:
    text = HEAD + SCENE.format(happens=f"      {happens}").replace("    silent:\n      moved to budi: no date\n", "")
    assert rehearsed(theatre, rules, tmp_path, text) == left


ITAS = """\
rule: itas-extension
people:
  anna: {language: en, email: yes, whatsapp: yes}
  acme: {kind: organisation, email: yes}
tests:
  a test:
    permits:
      P1: {type: ITAS, holder: anna, issue: 2025-11-20, expiry: 2026-11-20}
    from: 2026-10-20
    until: 2026-11-04
"""


def test_a_closure_announced_late_moves_a_step_into_the_past_and_it_goes_at_once(
    theatre: Theatre, rules: RuleSet, tmp_path: Path
) -> None:
    """S29, N9, V24: of the steps that moved into the past, only the newest goes, on the day it becomes known."""
    text = ITAS + "    happens:\n      2026-11-02 10:00: {closed: 2026-11-02 until 2026-11-15}\n"
    text += "    silent:\n      two-weeks to anna: newer step due\n"
    left = rehearsed(theatre, rules, tmp_path, text)
    assert left == [
        "10-21 09:00 opens email whatsapp",
        "10-30 09:00 three-weeks email whatsapp",
        "11-02 10:00 one-week email whatsapp",
    ]


def test_a_rule_switched_on_today_tells_nothing_of_the_past(theatre: Theatre, rules: RuleSet, tmp_path: Path) -> None:
    """S44: a moment from before the rule was in force does not exist; without the line, it is late."""
    text = ITAS.replace("    from: 2026-10-20\n", "    from: 2026-10-24\n")
    assert rehearsed(theatre, rules, tmp_path, text)[0].startswith("10-24 07:00 opens")
    since = text.replace("    until:", "    in force since: 2026-10-24\n    until:")
    assert rehearsed(theatre, rules, tmp_path, since)[0].startswith("10-30 09:00 three-weeks")


def test_a_permit_that_the_register_learns_of_late_is_told_the_newest_step(
    theatre: Theatre, rules: RuleSet, tmp_path: Path
) -> None:
    """S35, S43: a new permit in the middle of a test is late for everything before."""
    text = ITAS + "    happens:\n      2026-11-01 08:30: {P2: {type: ITAS, holder: acme, expiry: 2026-11-20}}\n"
    text = text.replace("issue: 2025-11-20, expiry: 2026-11-20", "issue: 2025-11-20, expiry: 2027-11-20")
    assert rehearsed(theatre, rules, tmp_path, text) == ["11-01 08:30 three-weeks email"]


def test_what_the_office_is_left_with_can_be_expected(theatre: Theatre, rules: RuleSet, tmp_path: Path) -> None:
    """S64, S76: nobody could be reached, and the office has a work item of it."""
    text = ITAS.replace("email: yes, whatsapp: yes", "email: no").replace("2026-10-20", "2026-11-01")
    text += "    messages: none\n    work items: [undeliverable]\n"
    assert rehearsed(theatre, rules, tmp_path, text.replace("until: 2026-11-04", "until: 2026-11-02")) == []


def test_the_clock_jumps_over_no_day_on_which_something_leaves(
    theatre: Theatre, rules: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S21: planning only on the days that the planner's own questions name tells the same as planning every day."""
    scripts = read_scripts(
        [SETTINGS.rules / "tests" / f"{name}.yaml" for name in ("appointment", "itas-extension")], rules
    )
    work = [(script, script.scenes[0]) for script in scripts]
    jumping = [play_one(theatre, script, scene).left for script, scene in work]

    def six_hours_later(stage: Stage, after: datetime, until: datetime) -> datetime:
        return after + timedelta(hours=6)

    monkeypatch.setattr(play, "next_planning", six_hours_later)
    assert [play_one(theatre, script, scene).left for script, scene in work] == jumping
    assert all(jumping)


def test_a_year_of_one_permit_visits_few_instants(
    theatre: Theatre, rules: RuleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test of a whole year must not need a second: the clock jumps."""
    visits: list[datetime] = []
    visit = play.Play._visit
    monkeypatch.setattr(play.Play, "_visit", lambda self, now: (visits.append(now), visit(self, now))[1])
    text = ITAS.replace("from: 2026-10-20", "from: 2025-12-01").replace("until: 2026-11-04", "until: 2026-11-21")
    left = rehearsed(theatre, rules, tmp_path, text)
    assert len(left) == 5
    assert len(visits) < 60
    assert visits == sorted(set(visits))
    assert all(one.tzinfo is UTC for one in visits)


def test_an_officer_lets_out_what_waits_for_approval(tmp_path: Path) -> None:
    """S84: what waits for an officer leaves after the word, or never."""
    shutil.copytree(SETTINGS.rules, tmp_path / "rules", ignore=shutil.ignore_patterns("tests"))
    file = tmp_path / "rules" / "itas-extension.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("\nto: [", "\napproval: officer\nto: ["), encoding="utf-8")
    settings = replace(SETTINGS, rules=tmp_path / "rules")
    rules, stage = load_rules(settings.rules), Theatre(settings)
    text = ITAS.replace("until: 2026-11-04", "until: 2026-10-29")
    try:
        for word, left in (("approves", ["10-21 13:30 opens email whatsapp"]), ("refuses", [])):
            happens = f"    happens:\n      2026-10-21 13:30: {{officer {word}: itas-extension}}\n"
            assert rehearsed(stage, rules, tmp_path, text + happens) == left
    finally:
        stage.close()


# ------------------------------------------------------------------------------------------- recording, choosing


UNWRITTEN = GOOD.split("    messages:")[0]


def test_recording_writes_what_left_in_place_and_keeps_every_comment(tmp_path: Path) -> None:
    text = UNWRITTEN.replace("    from:", "    # the day before yesterday\n    from:") + "\n# the end\n"
    file = written(tmp_path, text)
    assert run(file).exit_code == 1
    assert run("--record", file).exit_code == 0
    recorded = file.read_text(encoding="utf-8")
    new = """\
    messages:  # recorded, look at it
      2026-04-30 09:00: three-days to budi by whatsapp
      2026-05-05 09:00: day-before to budi by whatsapp
"""
    assert recorded == text.replace("    until: 2026-05-06\n", f"    until: 2026-05-06\n{new}")
    assert run(file).exit_code == 0


def test_recording_never_writes_over_an_expectation_unless_asked_again(tmp_path: Path) -> None:
    wrong = GOOD.replace("05-05 09:00", "05-05 10:00") + '    silent: {moved to budi: "no date"}\n'
    file = written(tmp_path, wrong)
    assert run("--record", file).exit_code == 1
    assert file.read_text(encoding="utf-8") == wrong
    assert run("--record", "--again", file).exit_code == 0
    good = GOOD.replace("    messages:\n", "    messages:  # recorded, look at it\n")
    assert file.read_text(encoding="utf-8") == good + '    silent: {moved to budi: "no date"}\n'


def test_a_test_in_braces_cannot_be_recorded_and_says_so(tmp_path: Path) -> None:
    text = HEAD + (
        "  a test: {cases: {C1: {service: passport, state: scheduled, holder: budi, appointment: 2026-05-06 10:00}}, "
        "from: 2026-05-04, until: 2026-05-05}\n"
    )
    file = written(tmp_path, text)
    result = run("--record", file)
    assert result.exit_code == 1
    assert ":5: the test stands in braces; write it in lines to record it" in result.output
    assert file.read_text(encoding="utf-8") == text


def test_only_chooses_tests_by_their_words(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD + GOOD.split("tests:\n")[1].replace("told three", "heard three"))
    assert "1 test," in run("--only", "heard three", file).output
    assert "2 tests," in run("-k", "APPOINTMENT", file).output
    result = run("-k", "banana", file)
    assert result.exit_code == 2
    assert 'no test has "banana" in its name, its file or its rule' in result.output


def test_two_processes_answer_in_the_order_of_the_file(tmp_path: Path, rules: RuleSet) -> None:
    scene = (
        GOOD.split("tests:\n")[1]
        .split("    messages:")[0]
        .replace("from: 2026-04-30", "from: 2026-05-07")
        .replace("until: 2026-05-06", "until: 2026-05-08")
        + "    messages: none\n"
    )
    names = [f"test {number}" for number in range(13)]
    text = HEAD + "".join(scene.replace("told three days and one day before", name) for name in names)
    report = rehearse(SETTINGS, rules, read_scripts([written(tmp_path, text)], rules), processes=2)
    assert [one.name for one in report.results] == names
    assert report.failed == 0


def test_a_folder_without_tests_is_wrong_use(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "there are no tests at" in result.output


def test_init_gives_an_office_the_tests_of_the_rules(tmp_path: Path) -> None:
    make_folder(tmp_path / "office")
    shipped = {file.name for file in (PROJECT / "rules" / "tests").glob("*.yaml")}
    assert {file.name for file in (tmp_path / "office" / "rules" / "tests").glob("*.yaml")} == shipped
