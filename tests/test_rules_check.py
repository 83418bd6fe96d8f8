"""Every kind of fault has a file of its own; each is refused at its line and column, in a sentence with a remedy."""

import os
from pathlib import Path

import pytest

from notifier.rules.check import Known
from notifier.rules.load import check_rules

ROOT = Path(__file__).parent.parent
BROKEN = Path(__file__).parent / "data" / "broken_rules"
DATA = [ROOT / "rules" / "windows.yaml", ROOT / "rules" / "documents.yaml"]

#: One line a file, as `notifier rules check` prints it.
EXPECTED = (BROKEN / "expected.txt").read_text().splitlines()

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


@pytest.mark.parametrize("expected", EXPECTED, ids=[line.partition(".")[0] for line in EXPECTED])
def test_a_fault_is_told_at_its_place_with_its_remedy(expected: str) -> None:
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
        "12:1 limit: is not carried out by this version yet; take the line out",
        '12:8 limit: "some" does not belong here; write a number',
        '15:18 send: "befor" is not understood here; write "before"',
    ]


@pytest.mark.parametrize("line", ["mutes: [survey]", "approval: officer", "cap: 1 in 90 days", "separate: yes"])
def test_keys_of_a_later_version_are_refused_honestly(tmp_path: Path, line: str) -> None:
    key = line.partition(":")[0]
    path = write(tmp_path, "later", f"{line}\n")
    assert messages([path]) == [f"10:1 {key}: is not carried out by this version yet; take the line out"]


def test_a_bad_digest_is_told_besides(tmp_path: Path) -> None:
    path = write(tmp_path, "digest", "digest: weekly at 07:45\n")
    assert '10:16 digest: "weekly" needs its day; write "weekly on monday at" and the time' in messages([path])


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


def test_a_template_without_a_text_for_a_channel_is_told(tmp_path: Path) -> None:
    known = Known(templates={"itas/extension": {"whatsapp"}}, desks={"batam": {"front desk"}})
    assert messages([write(tmp_path, "text")], known) == [
        '9:11 template: "itas/extension" has no text for sms; write one or leave sms out of via'
    ]


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


def test_steps_out_of_the_calendar_s_order_are_a_warning_only(tmp_path: Path) -> None:
    path = write(tmp_path, "order", expiry="expiry\n  two-weeks:\n    send: 14 days before expiry")
    _, faults, warnings = check_rules([*DATA, path], known=None)
    assert faults == []
    assert [(fault.line, fault.column) for fault in warnings] == [(13, 3)]
    assert 'stands after "one-week"' in warnings[0].message


def test_at_once_with_a_condition_on_time_suggests_an_offset(tmp_path: Path) -> None:
    path = write(
        tmp_path, "crossing", **{": ITAS": ": ITAS\n  expiry: within 30 days", "7 days before expiry": "at once"}
    )
    _, faults, warnings = check_rules([*DATA, path], known=None)
    assert (faults, len(warnings)) == ([], 1)


def test_a_folder_without_windows_cannot_have_a_rule_that_counts_from_them(tmp_path: Path) -> None:
    write(tmp_path, "windows-used", "deadline: window closes\n")
    _, faults, _ = check_rules([tmp_path], known=None)
    assert [fault.message for fault in faults] == ['"ITAS" has no window; add it to windows.yaml or leave "ITAS" out']


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
