"""Every kind of fault has a file of its own; each is refused at its line and column, in a sentence with a remedy."""

import os
from dataclasses import replace
from datetime import date, time
from pathlib import Path

import pytest

from notifier.calendar.data import CalendarData, Hours
from notifier.rules.check import Known
from notifier.rules.check_register import Busiest
from notifier.rules.load import check_rules
from notifier.rules.rule import Rule, RuleSet

ROOT = Path(__file__).parent.parent
BROKEN = Path(__file__).parent / "data" / "broken_rules"
DOUBTFUL = Path(__file__).parent / "data" / "doubtful_rules"
DATA = [ROOT / "rules" / "windows.yaml", ROOT / "rules" / "documents.yaml"]

#: One line a file, as `notifier rules check` prints it.
EXPECTED = (BROKEN / "expected.txt").read_text().splitlines()
WARNED = (DOUBTFUL / "expected.txt").read_text().splitlines()

RULE = """rule: {name}
title: A limited stay permit is extended in time
legal basis: public service
for: permit
when:
  type: ITAS
to: [holder, front desk]
via: [whatsapp, sms after 6 hours]
template: itas/extension
{more}steps:
  one-week:
    send: 7 days before expiry
"""


def write(folder: Path, name: str, more: str = "", **replaced: str) -> Path:
    """A good rule in a file of its name, with lines added and words replaced."""
    text = RULE.format(name=name.partition(".")[0], more=more)
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def messages(paths: list[Path], known: Known | None = None) -> list[str]:
    _, faults, _ = check_rules([*DATA, *paths], known=known)
    return [f"{fault.line}:{fault.column} {fault.message}" for fault in faults]


def doubts(paths: list[Path], known: Known | None = None) -> list[str]:
    """The warnings about rules without a fault."""
    _, faults, warnings = check_rules([*DATA, *paths], known=known)
    assert faults == []
    return [f"{fault.line}:{fault.column} {fault.message}" for fault in warnings]


@pytest.mark.parametrize("expected", EXPECTED, ids=[line.partition(".")[0] for line in EXPECTED])
def test_a_fault_is_told_at_its_place_with_its_remedy(expected: str) -> None:
    """S9, S25, S27, S39, S45, S63, S68, S77, S79, S82-S86, S88: what contradicts itself is refused at its line."""
    rules, faults, _ = check_rules([*DATA, BROKEN / expected.partition(":")[0]], known=None)
    assert [str(fault).removeprefix(f"{BROKEN}{os.sep}") for fault in faults] == [expected]
    assert rules.rules == ()


def test_every_broken_file_has_its_expected_line() -> None:
    assert sorted(line.partition(":")[0] for line in EXPECTED) == sorted(path.name for path in BROKEN.glob("*.yaml"))


def test_all_faults_of_all_files_are_told_in_one_run() -> None:
    _, faults, _ = check_rules([*DATA, BROKEN], known=None)
    assert set(EXPECTED) <= {str(fault).removeprefix(f"{BROKEN}{os.sep}") for fault in faults}


def test_all_faults_of_one_file_are_told_in_one_run(tmp_path: Path) -> None:
    path = write(tmp_path, "many", "time: 8:15\nurgent: maybe\nlimit: some\n", ITAS="IITAS", before="befor")
    assert messages([path]) == [
        '6:9 "type": "IITAS" is not known; did you mean "ITAS"?',
        '10:7 time: "8:15" is not written as a time; write "08:15"',
        '11:9 urgent: "maybe" is neither yes nor no; write "yes" or "no"',
        '12:8 limit: "some" does not belong here; write a number',
        '15:18 send: "befor" is not understood here; write "before"',
    ]


def test_templates_offices_desks_and_channels_are_compared_with_what_is_known(tmp_path: Path) -> None:
    path = write(tmp_path, "known", "offices: [batam, karavang]\n")
    known = Known(
        templates={"itas/extention": {"whatsapp"}},
        channels={"whatsapp", "email"},
        offices={"batam", "karawang"},
        desks={"batam": {"enforcement"}},
    )
    assert messages([path], known) == [
        '7:5 to: the office "batam" has no front desk; add it to the offices or leave the office out',
        '8:6 via: this house has no channel "sms"; write "email" or "whatsapp"',
        '9:11 template: there is no "itas/extension"; did you mean "itas/extention"?',
        '10:18 offices: there is no office "karavang"; did you mean "karawang"?',
    ]


def test_an_unknown_template_is_told_beside_the_other_faults_of_its_rule(tmp_path: Path) -> None:
    path = write(tmp_path, "both", "urgent: maybe\n")
    told = messages([path], Known(templates={"itas/extention": {"whatsapp"}}))
    assert '9:11 template: there is no "itas/extension"; did you mean "itas/extention"?' in told
    assert any("urgent" in line for line in told)


def test_a_template_without_a_text_for_a_channel_is_told(tmp_path: Path) -> None:
    known = Known(templates={"itas/extension": {"whatsapp"}}, desks={"batam": {"front desk"}})
    told = (
        '9:11 template: "itas/extension" has no text for sms, or a broken one; write or mend it, or leave sms out of '
    )
    assert messages([write(tmp_path, "text")], known) == [f"{told}via"]


def test_two_files_with_one_rule_need_different_offices(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = write(tmp_path / "a", "twice"), write(tmp_path / "b", "twice")
    assert messages([first, second]) == [
        f'1:7 the rule "twice" is already given for every office in {first};'
        ' rename one, or give them different "offices"'
    ]


def test_an_office_s_own_version_replaces_the_general_rule_there(tmp_path: Path) -> None:
    general = write(tmp_path, "own")
    special = write(tmp_path, "own.batam", "offices: batam\n")
    rules, faults, _ = check_rules([*DATA, general, special], known=None)
    assert faults == []
    assert [rule.file for rule in rules.rules if rule.applies_at("batam")] == [str(special)]
    assert [rule.file for rule in rules.rules if rule.applies_at("bogor")] == [str(general)]


def test_two_versions_for_one_office_are_refused(tmp_path: Path) -> None:
    first = write(tmp_path, "own.one", "offices: [batam, bogor]\n")
    second = write(tmp_path, "own.two", "offices: [bogor]\n")
    assert "already given for bogor" in messages([first, second])[0]


@pytest.mark.parametrize("expected", WARNED, ids=[line.partition(".")[0] for line in WARNED])
def test_a_doubt_is_a_warning_at_its_place_and_no_fault(expected: str) -> None:
    """S35, S45, S71, S80, S82-S84, S87: what is allowed and surely not meant."""
    rules, faults, warnings = check_rules([*DATA, DOUBTFUL / expected.partition(":")[0]], known=None)
    assert [str(fault).removeprefix(f"{DOUBTFUL}{os.sep}") for fault in warnings] == [expected]
    assert (faults, len(rules.rules)) == ([], 1)


def test_every_doubtful_file_has_its_expected_line() -> None:
    assert sorted(line.partition(":")[0] for line in WARNED) == sorted(path.name for path in DOUBTFUL.glob("*.yaml"))


def test_a_ladder_is_looked_at_beside_other_faults_of_the_file(tmp_path: Path) -> None:
    """S67, S68: a channel named twice and a wait that does not grow are told although the step has no moment."""
    path = write(
        tmp_path,
        "ladder",
        **{
            "via: [whatsapp, sms after 6 hours]": "via: [whatsapp, fax, whatsapp after 1 hour]",
            "send: 7 days before expiry": "send: 7 days befor expiry\n    via: [sms, email, whatsapp after 6 hours]",
        },
    )
    assert messages([path]) == [
        '8:17 via: "fax" does not belong here; write "whatsapp", "sms" or "email"',
        '8:22 via: "whatsapp" is there twice; take one out',
        '12:18 send: "befor" is not understood here; write "before"',
        '13:23 via: "after 6 hours" is counted from the first sending and must be longer than the line before',
    ]


MUTES = [
    ({"a": "[b]", "b": "[a]"}, ['b 10:9 mutes: "a" and "b" mute each other; take one of them out']),
    (
        {"a": "[b]", "b": "[c]", "c": ""},
        ['a 10:9 mutes: "b" mutes "c" itself, and mutes do not pass on; write both here, or take "mutes" out of "b"'],
    ),
    ({"a": "[b, c]", "b": "", "c": ""}, []),
    ({"survey-one": "[survy-two]", "survey-two": ""}, ['survey-one 10:9 mutes: there is no rule "survy-two"; did you']),
]


@pytest.mark.parametrize(("rules", "expected"), MUTES, ids=["circle", "chain", "well", "unknown"])
def test_rules_that_silence_each_other_are_refused(tmp_path: Path, rules: dict[str, str], expected: list[str]) -> None:
    """S85: no chains, no circles, and nobody is silenced who is not there."""
    for name, muted in rules.items():
        write(tmp_path, name, f"mutes: {muted}\n" if muted else "")
    _, faults, _ = check_rules([tmp_path], known=None)
    found = [f"{Path(fault.file).stem} {fault.line}:{fault.column} {fault.message}" for fault in faults]
    assert [one[: len(start)] for one, start in zip(found, expected, strict=True)] == expected


def test_a_muted_rule_that_cannot_be_read_is_told_once(tmp_path: Path) -> None:
    write(tmp_path, "loud", "mutes: [quiet]\n")
    write(tmp_path, "quiet", **{"for: permit": "for: permitt"})
    _, faults, _ = check_rules([tmp_path], known=None)
    assert [(Path(fault.file).stem, fault.line) for fault in faults] == [("quiet", 4)]


def test_muting_a_rule_that_tells_others_is_a_doubt(tmp_path: Path) -> None:
    """S85: a rule is silenced for the recipients of this one only."""
    one = write(tmp_path, "loud", "mutes: [quiet]\n")
    other = write(tmp_path, "quiet", **{"[holder, front desk]": "agent"})
    assert doubts([one, other]) == ['10:9 mutes: "quiet" tells none of the recipients of this rule; take the word out']
    here = write(tmp_path, "loud", "mutes: [quiet]\noffices: batam\n")
    there = write(tmp_path, "quiet", "offices: bogor\n")
    assert doubts([here, there]) == ['10:9 mutes: "quiet" is for other offices than this rule; take the word out']


def test_a_folder_without_a_rule_is_a_fault(tmp_path: Path) -> None:
    assert check_rules([tmp_path], known=None)[1][0].message.startswith("there is no rule in this folder; name another")
    (tmp_path / "windows.yaml").write_text("ITAS: {opens: 9 days before expiry, recommended: expiry, closes: expiry}\n")
    assert [fault.file for fault in check_rules([tmp_path], known=None)[1]] == [str(tmp_path)]


def test_a_window_must_be_known_at_every_office_of_the_rule(tmp_path: Path) -> None:
    """S13: where only some offices have a window, the rule cannot speak at the others."""
    data = tmp_path / "windows.yaml"
    data.write_text("offices: {batam: {ITAS: {opens: 9 days before expiry, recommended: expiry, closes: expiry}}}\n")
    path = write(tmp_path, "windowed", "deadline: window closes\n")
    known = Known(offices={"batam", "bogor"})
    _, faults, _ = check_rules([DATA[1], data, path], known=known)
    assert [str(fault.message) for fault in faults] == [
        '"ITAS" has no window at "bogor"; add it to windows.yaml or leave "ITAS" out'
    ]
    only = write(tmp_path, "windowed", "deadline: window closes\noffices: {not: [bogor]}\n")
    assert check_rules([DATA[1], data, only], known=known)[1] == []


def test_a_rule_that_leaves_no_office_is_a_fault(tmp_path: Path) -> None:
    path = write(tmp_path, "nowhere", "offices: {not: [batam, bogor, karawang]}\n")
    assert messages([path], Known(offices={"batam", "bogor", "karawang"})) == [
        "10:1 offices: this leaves no office at all; take one of them out"
    ]


def test_a_language_that_nobody_speaks_is_a_fault(tmp_path: Path) -> None:
    path = write(tmp_path, "spoken", **{"type: ITAS": "holder.language: zh-Hanz"})
    assert messages([path], Known(languages={"zh-Hans", "ko", "id"})) == [
        '6:20 "holder.language": "zh-Hanz" is not known; did you mean "zh-Hans"?'
    ]


HOURS = CalendarData(sending_hours=Hours(time(7), time(20)))


def test_times_outside_the_sending_hours_are_a_doubt(tmp_path: Path) -> None:
    """S31, S77: the message would leave at another time than the rule says."""
    path = write(tmp_path, "early", "time: 06:30\ndigest: daily at 20:00\n")
    assert doubts([path], Known(calendar=HOURS)) == [
        "10:7 time: 06:30 lies outside the sending hours (07:00 to 20:00); write a time between them",
        "11:9 digest: 20:00 lies outside the sending hours (07:00 to 20:00); write a time between them",
    ]


def test_a_calendar_that_runs_out_of_years_is_a_doubt(tmp_path: Path) -> None:
    """S10, S11: working days of a year whose joint leave is not decided are counted wrongly."""
    path = write(tmp_path, "far", "deadline: window closes\n", **{"7 days": "60 days"})
    near = Known(calendar=HOURS, today=date(2027, 10, 1))
    assert doubts([path], near) == []
    far = replace(near, today=date(2027, 11, 20))
    _, _, warnings = check_rules([*DATA, path], known=far)
    assert [str(fault) for fault in warnings] == [
        f'{tmp_path}{os.sep}calendar.yaml:1:1: the rule "far" counts working days until 2028-01-18, and the joint'
        ' leave of 2028 is not known; add it under "joint leave" as soon as it is decided'
    ]
    known = replace(far, calendar=replace(HOURS, joint_leave_added=frozenset({date(2028, 12, 26)})))
    assert doubts([path], known) == []


def test_a_rule_that_is_over_is_a_doubt(tmp_path: Path) -> None:
    """S44: after `until` a rule tells nobody."""
    path = write(tmp_path, "over", "until: 2026-06-30\n")
    assert doubts([path], Known(today=date(2026, 7, 1))) == [
        "10:8 until: the rule ended on 2026-06-30 and tells nobody; remove the file"
    ]
    assert doubts([path], Known(today=date(2026, 6, 30))) == []


class OneBusyDay:
    """A register of ITAS holders, with more of them on one day than a rule may tell."""

    def concerns_anyone(self, rule: Rule, rules: RuleSet) -> bool:
        return "ITAS" in str(rule.when)

    def busiest_day(self, rule: Rule, rules: RuleSet) -> Busiest | None:
        return Busiest("batam", date(2026, 3, 17), 33)


def test_a_rule_for_nobody_and_a_limit_below_the_worst_day_are_doubts(tmp_path: Path) -> None:
    """S83: before Lebaran many steps fall on one day."""
    nobody = write(tmp_path, "nobody", **{"type: ITAS": "type: ITAP"})
    known = Known(register=OneBusyDay())
    assert doubts([nobody], known) == [
        "5:1 no permit of the register is one for this rule; look at the spelling of its conditions"
    ]
    assert doubts([write(tmp_path, "off", "enabled: no\n", **{"type: ITAS": "type: ITAP"})], known) == []
    assert doubts([write(tmp_path, "limited", "limit: 32 a day\n")], known) == [
        "10:8 limit: on 2026-03-17 the office batam has about 33 messages of this rule, one for each permit;"
        " all of them would wait for an officer; write a higher number"
    ]
    assert doubts([write(tmp_path, "limited", "limit: 33 a day\n")], known) == []


def test_a_folder_without_windows_cannot_have_a_rule_that_counts_from_them(tmp_path: Path) -> None:
    write(tmp_path, "windows-used", "deadline: window closes\n")
    _, faults, _ = check_rules([tmp_path], known=None)
    assert [(Path(fault.file).name, fault.message) for fault in faults] == [
        (
            "windows.yaml",
            'there is no such file, and the rule "windows-used" counts from a window;'
            " write the windows of its documents into it",
        )
    ]


WINDOWS = [
    ("ITAZ: {opens: 9 days before expiry, recommended: on expiry, closes: expiry}", '1:50 recommended: "on"'),
    ("ITAZ: {opens: 9 days before expiry, recommended: expiry, closes: expiry}", '1:1 "ITAZ" is no document type'),
    ("ITAS: {opens: 9 days before expiry, closes: expiry}", '1:1 the window of "ITAS" has no "recommended"'),
    ("ITAS: {opens: window closes, recommended: expiry, closes: expiry}", "1:15 opens: a window cannot count from"),
    ("ITAS: {opens: 9 hours before expiry, recommended: expiry, closes: expiry}", '1:15 opens: "9 hours" cannot be'),
    ("ITAS: {opens: 1 working day before expiry, recommended: expiry, closes: expiry}", '1:15 opens: write "last work'),
    ("ITAS: {open: 9 days before expiry}", '1:8 "open" is no key of a window; did you mean "opens"?'),
    ("offices: {batam: {ITAS: {opens: issue}}}", '1:19 the window of "ITAS" has no "recommended" or "closes"'),
]


@pytest.mark.parametrize(("text", "sentence"), WINDOWS)
def test_faults_of_the_windows_file_are_told(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "windows.yaml"
    path.write_text(text)
    _, faults, _ = check_rules([DATA[1], path], known=None)
    assert any(f"{fault.line}:{fault.column} {fault.message}".startswith(sentence) for fault in faults), faults


def test_an_unknown_office_of_the_windows_file_is_told(tmp_path: Path) -> None:
    _, faults, _ = check_rules(DATA, known=Known(offices={"karawan"}))
    assert [fault.message for fault in faults] == ['there is no office "karawang"; did you mean "karawan"?']


DOCUMENTS = [
    ("ITAS: {labels: {id: a}}", '1:16 labels: "en" is missing'),
    ("ITAS: {extendable: yes}", '1:1 "ITAS" has no "labels"'),
    ("ITAS: {labels: {id: a, en: b}, extendable: true}", '1:44 extendable: "true" is neither'),
    ("ITAS: {labels: {id: a, en: b}, successors: [ITAP]}", '1:45 successors: "ITAP" is not known'),
    ("ITAS: {labels: {id: a, en: b}, expiry: no}", '1:32 "expiry" is no key of a document type'),
]


@pytest.mark.parametrize(("text", "sentence"), DOCUMENTS)
def test_faults_of_the_documents_file_are_told(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "documents.yaml"
    path.write_text(text)
    _, faults, _ = check_rules([path], known=None)
    assert any(f"{fault.line}:{fault.column} {fault.message}".startswith(sentence) for fault in faults), faults
