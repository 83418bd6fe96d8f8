"""Rules in Indonesian words and back, faults of Indonesian files, and the one spelling of a rule file."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.cli import main
from notifier.errors import FaultsFound
from notifier.rules.grammar import EXAMPLES
from notifier.rules.load import check_rules
from notifier.rules.reference import phrases_section, words_section
from notifier.rules.rule import Rule
from notifier.rules.sentences import in_indonesian_words
from notifier.rules.spelling import one_spelling
from notifier.rules.translate import Translator, translated_phrase
from notifier.rules.tree import Text
from notifier.rules.vocabulary import VOCABULARY, Language
from tests.editor.drive import HERE, RULES
from tests.phrase_makers import phrases
from tests.test_phrases import DEADLINES, MOMENTS, RUNGS

EN, ID = Language.ENGLISH, Language.INDONESIAN
DATA = [HERE / "rules" / "windows.yaml", HERE / "rules" / "documents.yaml"]

INDONESIAN = """aturan: percobaan
judul: Izin tinggal diperpanjang tepat waktu
dasar hukum: pelayanan publik
untuk: dokumen
bila:
  jenis: ITAS
  tanggal berakhir: dalam 6 bulan
kecuali:
  salah satu:
    - status: [diperpanjang, sudah berangkat]
    - pemegang memiliki: {jenis: ITAP, status: berlaku}
tenggat: pengajuan ditutup
kepada: [pemegang, loket depan]
lewat: [whatsapp dan email, sms setelah 6 jam]
templat: itas/extension
langkah:
  dibuka:
    kirim: saat pengajuan dibuka
  hari-terakhir:
    kirim: hari kerja terakhir sebelum tanggal berakhir
    pukul: 08:15
    mendesak: ya
"""


def loaded(folder: Path, name: str, text: str) -> tuple[Rule | None, list[str]]:
    """The rule of a file with that text, and what is at fault in it."""
    file = folder / f"{name}.yaml"
    file.write_text(text, encoding="utf-8")
    found, faults, _ = check_rules([*DATA, file], known=None)
    rules = [rule for rule in found.rules if rule.file == str(file)]
    return (rules[0] if rules else None), [f"{one.line}:{one.column} {one.message}" for one in faults]


def bare(rule: Rule | None) -> Rule:
    """A rule without the places it was read from."""
    assert rule is not None
    return replace(rule, file="", digest="", version="", steps=tuple(replace(step, line=0) for step in rule.steps))


# ------------------------------------------------------------------------------------------------- phrases


@pytest.mark.parametrize(
    ("kind", "english", "indonesian"),
    [
        ("moment", "60 days before expiry", "60 hari sebelum tanggal berakhir"),
        ("moment", "last working day before expiry", "hari kerja terakhir sebelum tanggal berakhir"),
        ("moment", "when window opens", "saat pengajuan dibuka"),
        ("moment", "halfway to payment deadline", "separuh waktu menuju batas bayar"),
        (
            "moment",
            "every 7 days from 90 days before expiry until expiry",
            "setiap 7 hari sejak 90 hari sebelum tanggal berakhir sampai tanggal berakhir",
        ),
        ("moment", "3 months before holder turns 21", "3 bulan sebelum pemegang berusia 21"),
        ("rung", "whatsapp and email", "whatsapp dan email"),
        ("rung", "sms after 6 hours", "sms setelah 6 jam"),
        ("digest", "weekly on monday at 08:00", "setiap pekan pada senin pukul 08:00"),
    ],
)
def test_the_phrases_of_the_contract_are_said_as_it_says_them(kind: str, english: str, indonesian: str) -> None:
    assert translated_phrase(kind, english, ID) == indonesian
    assert Translator(ID, EN).phrase(kind, Text(indonesian, 1, 1)).value == english


def test_a_week_is_no_sunday_and_the_window_is_no_submission() -> None:
    assert translated_phrase("length", "2 weeks", ID) == "2 pekan"
    assert translated_phrase("digest", "weekly on sunday at 08:00", ID) == "setiap pekan pada minggu pukul 08:00"
    assert translated_phrase("moment", "on submission", ID) == "pada pengajuan"
    back = Translator(ID, EN)
    assert back.phrase("moment", Text("2 hari setelah pengajuan", 1, 1)).value == "2 days after submission"
    assert back.phrase("moment", Text("saat pengajuan  dibuka", 1, 1)).value == "when window opens"
    assert back.slips == []
    assert "minggu" not in {row.indonesian for part in VOCABULARY for row in VOCABULARY[part] if part != "weekdays"}


CONTRACT = [
    *(("moment", phrase) for phrase in MOMENTS),
    *(("deadline", phrase) for phrase in DEADLINES),
    *(("rung", phrase) for phrase in RUNGS),
    *((kind, phrase) for kind, examples in EXAMPLES.items() for phrase in examples),
]


@pytest.mark.parametrize(("kind", "phrase"), CONTRACT)
def test_every_phrase_of_the_contract_comes_back_as_it_was(kind: str, phrase: str) -> None:
    there = translated_phrase(kind, phrase, ID)
    back = Translator(ID, EN)
    assert (back.phrase(kind, Text(there, 1, 1)).value, back.slips) == (phrase, [])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(EXAMPLES)).flatmap(lambda kind: st.tuples(st.just(kind), phrases(kind))))
def test_any_phrase_says_the_same_after_two_translations(kind_and_phrase: tuple[str, str]) -> None:
    kind, phrase = kind_and_phrase
    there = translated_phrase(kind, phrase, ID)
    back = Translator(ID, EN).phrase(kind, Text(there, 1, 1)).value
    assert translated_phrase(kind, back, ID) == there
    # Only a missing or superfluous plural s may differ.
    assert [word.rstrip("s") for word in back.split()] == [word.rstrip("s") for word in phrase.split()]


# --------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("path", RULES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_rule_is_the_same_rule_in_indonesian_and_back(path: Path, tmp_path: Path) -> None:
    english = one_spelling(path.read_bytes(), path.name)
    indonesian = one_spelling(path.read_bytes(), path.name, ID)
    first = next(line for line in indonesian.splitlines() if not line.startswith("#"))
    assert first.startswith("aturan: ")
    assert one_spelling(indonesian.encode(), path.name, EN) == english
    assert one_spelling(indonesian.encode(), path.name) == indonesian
    one, faults = loaded(tmp_path, path.stem, path.read_text())
    other, others = loaded(tmp_path, path.stem, indonesian)
    assert (faults, others) == ([], [])
    assert bare(one) == bare(other)
    assert one and other and (one.digest, one.version) == (other.digest, other.version)


def test_an_indonesian_file_is_loaded_as_it_is(tmp_path: Path) -> None:
    rule, faults = loaded(tmp_path, "percobaan", INDONESIAN)
    assert faults == []
    english, _ = loaded(tmp_path, "percobaan", one_spelling(INDONESIAN.encode(), "percobaan.yaml", EN))
    assert bare(rule) == bare(english)
    assert rule and rule.steps[0].to == ("holder", "depan desk")


FAULTS = [
    (
        "sebelum tanggal",
        "sebelm tanggal",
        '20:12 "hari kerja terakhir sebelm" is not understood here; did you mean "hari kerja terakhir sebelum"?',
    ),
    ("6 bulan", "6 bula", '7:29 "bula" is not understood here; did you mean "bulan"?'),
    (
        "saat pengajuan dibuka",
        "pada pengajuan dibuka",
        '18:12 kirim: "pada pengajuan dibuka" is not said; write "saat pengajuan dibuka"',
    ),
    (
        "hari kerja terakhir sebelum tanggal berakhir",
        "2 hari tanggal berakhir",
        '20:19 kirim: "tanggal berakhir" does not belong here; write "sebelum" or "setelah"',
    ),
    ("    kirim: saat", "    krim: saat", '18:5 "krim" is not understood here; did you mean "kirim"?'),
    ("mendesak: ya", "mendesak: yes", '22:15 "yes" is English, and the first key makes this an Indonesian file'),
    ("    kirim: saat", "    send: saat", '18:5 "send" is English, and the first key makes this an Indonesian file'),
    ("6 bulan", "6 months", '7:29 "months" is English, and the first key makes this an Indonesian file; write "bulan"'),
    ("[diperpanjang, ", "[renewed, ", '10:16 "renewed" is English, and the first key makes this an Indonesian file'),
    ("loket depan", "front desk", '13:20 "front desk" is English, and the first key makes this an Indonesian file'),
    ("sms setelah 6 jam", "sms setelah 06 jam", '14:41 lewat: "06" begins with a zero; write "6"'),
    ("dalam 6 bulan", "dalam 6 jam", '7:27 "tanggal berakhir": "6 jam" cannot be counted from a day'),
    ("untuk: dokumen\n", "", '1:1 "untuk" is missing; every rule needs "dokumen" or "permohonan"'),
]


@pytest.mark.parametrize(("right", "wrong", "expected"), FAULTS, ids=[wrong.strip() for _, wrong, _ in FAULTS])
def test_a_fault_of_an_indonesian_file_is_told_at_its_place_in_its_words(
    right: str, wrong: str, expected: str, tmp_path: Path
) -> None:
    assert right in INDONESIAN
    _, faults = loaded(tmp_path, "percobaan", INDONESIAN.replace(right, wrong, 1))
    assert len(faults) == 1, faults
    assert faults[0].startswith(expected), faults[0]


def test_an_english_file_with_an_indonesian_word_is_refused_at_the_word(tmp_path: Path) -> None:
    text = RULES[0].read_text().replace("send:", "kirim:", 1).replace("legal basis", "dasar hukum", 1)
    _, faults = loaded(tmp_path, RULES[0].stem, text)
    assert [fault.split(" ", 1)[1] for fault in faults] == [
        '"dasar hukum" is Indonesian, and the first key makes this an English file; write "legal basis"',
        '"kirim" is Indonesian, and the first key makes this an English file; write "send"',
    ]


def test_a_column_of_the_registers_own_keeps_its_words(tmp_path: Path) -> None:
    text = (
        RULES[0]
        .read_text()
        .replace(
            "when:\n", "when:\n  attributes.choice: exists\n  attributes.paid: ya\n  attributes.age: at least 3\n", 1
        )
    )
    english = one_spelling(text.encode(), RULES[0].name)
    assert "  attributes.paid: ya\n" in english
    with pytest.raises(FaultsFound, match="would change what this rule says"):
        one_spelling(text.encode(), RULES[0].name, ID)  # there, "ya" would be an answer
    indonesian = one_spelling(text.replace("paid: ya", "paid: lunas").encode(), RULES[0].name, ID)
    assert "  atribut.choice: ada\n  atribut.paid: lunas\n  atribut.age: sedikitnya 3\n" in indonesian
    _, faults = loaded(tmp_path, RULES[0].stem, indonesian)
    assert faults == []


def test_sentences_quote_words_as_an_indonesian_file_has_them() -> None:
    said = in_indonesian_words('send: "at expiry" is not said; write "on expiry" or "when expiry moves"')
    assert said.startswith("kirim: ")
    assert said.endswith('write "pada tanggal berakhir" or "saat tanggal berakhir bergeser"')
    assert in_indonesian_words('"for" is missing') == '"untuk" is missing'
    assert in_indonesian_words('the step "one-week" has no "send"') == 'the step "one-week" has no "kirim"'
    assert in_indonesian_words('closed: "x" is not known; write "earlier"').endswith('write "lebih awal"')


# ------------------------------------------------------------------------------------------------ spelling

UNTIDY = """# yaml-language-server: $schema=x.json
# about the file

steps:   # the moments

  # the first word
  one-week: {late: skip, send: 7   days before expiry}   # a week


  two:
    urgent: yes
    # why so late
    send: '1 day before expiry'
    # the end of two
template: itas/extension
title: "A permit: extended"
to:
  # who holds it
  - holder  # always
  - sponsor
via: whatsapp
when: {any: [{type: ITAS, extensions left: 0}, {status: {not: [renewed]}}]}
for: permit
rule: untidy
legal basis: public service
# the last word
"""
TIDY = """# yaml-language-server: $schema=x.json
# about the file

rule: untidy
title: 'A permit: extended'
legal basis: public service
for: permit
when:
  any:
    - type: ITAS
      extensions left: 0
    - status: {not: [renewed]}
# who holds it
to: [holder, sponsor]  # always
via: whatsapp
template: itas/extension
steps:  # the moments

  # the first word
  one-week:  # a week
    send: 7 days before expiry
    late: skip

  two:
    # why so late
    send: 1 day before expiry
    urgent: yes
    # the end of two
# the last word
"""


def test_an_untidy_file_becomes_one_spelling_and_keeps_every_comment(tmp_path: Path) -> None:
    assert one_spelling(UNTIDY.encode(), "untidy.yaml") == TIDY
    assert one_spelling(TIDY.encode(), "untidy.yaml") == TIDY
    before, after = loaded(tmp_path, "untidy", UNTIDY), loaded(tmp_path, "untidy", TIDY)
    assert bare(before[0]) == bare(after[0])


@pytest.mark.parametrize(
    "title",
    [
        "plain",
        "it's plain",
        "'a: b'",
        "'quoted'",
        '"a # b"',
        '"two\\nlines"',
        '"- a"',
        '"[a]"',
        '"“curly” and ’"',
        "a\n  folded line",
        '"\\\\ and \\" and \'"',
        '" blank at both ends "',
        '"Ünïcode 护照"',
        "|\n  two\n  lines",
    ],
)
def test_a_title_of_any_kind_stays_the_same_text(title: str) -> None:
    text = TIDY.replace("'A permit: extended'", title)
    spelled = one_spelling(text.encode(), "untidy.yaml")  # compares the rule before and after by itself
    assert one_spelling(spelled.encode(), "untidy.yaml") == spelled


def test_a_list_that_is_too_long_for_a_line_stands_below_its_key() -> None:
    long = [f"office-number-{number}" for number in range(12)]
    text = TIDY.replace("for: permit\n", f"for: permit\noffices: [{', '.join(long)}]\n")
    spelled = one_spelling(text.encode(), "untidy.yaml")
    assert "offices:\n  - office-number-0\n  - office-number-1\n" in spelled
    assert max(map(len, spelled.splitlines())) <= 120
    assert one_spelling(spelled.encode(), "untidy.yaml") == spelled


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(RULES), st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["#", "", "  # x", " # y"]))))
def test_no_comment_is_lost_wherever_it_stands(path: Path, comments: list[tuple[int, str]]) -> None:
    lines = path.read_text().splitlines()
    for number, (at, comment) in enumerate(comments):
        place = at % len(lines)
        if comment.startswith(" #"):  # at the end of a line
            lines[place] += f" # beside{number}"
        else:
            lines.insert(place, comment and f"{comment}{number}")
    text = "\n".join(lines) + "\n"
    try:
        spelled = one_spelling(text.encode(), path.name)
    except FaultsFound as found:  # a comment beside a title would cut it: refused by the loader
        assert "YAML cuts the text" in str(found)
        return
    assert sorted(word for word in spelled.split() if word[:1] == "#" or word.startswith("beside")) == sorted(
        word for word in text.split() if word[:1] == "#" or word.startswith("beside")
    )
    assert one_spelling(spelled.encode(), path.name) == spelled


@pytest.mark.parametrize("text", ["", "a: [b", "rule: x\nrule: y\n", "- a\n", "rule: x\nkirim: y\n"])
def test_a_file_that_cannot_be_read_is_left_alone_with_its_fault(text: str) -> None:
    with pytest.raises(FaultsFound) as found:
        one_spelling(text.encode(), "x.yaml")
    assert str(found.value).startswith("x.yaml:")


# ------------------------------------------------------------------------------------------------ commands


def run(*arguments: str) -> Result:
    answer = CliRunner().invoke(main, ["rules", *arguments])
    assert "Traceback" not in answer.output
    return answer


def test_format_shows_checks_and_writes(tmp_path: Path) -> None:
    file, tidy = tmp_path / "untidy.yaml", tmp_path / "percobaan.yaml"
    file.write_text(UNTIDY)
    tidy.write_text(INDONESIAN)
    (tmp_path / "windows.yaml").write_text("ITK:   {}\n")
    shown = run("format", str(file))
    assert (shown.exit_code, shown.stdout, file.read_text()) == (0, TIDY, UNTIDY)
    checked = run("format", "--check", str(tmp_path))
    assert checked.exit_code == 1
    assert checked.stdout.splitlines() == [
        f"{tidy}: would be spelled otherwise",
        f"{file}: would be spelled otherwise",
        "2 rule files read, 2 would be spelled otherwise",
    ]
    assert run("format", "--write", str(tmp_path)).exit_code == 0
    assert (file.read_text(), (tmp_path / "windows.yaml").read_text()) == (TIDY, "ITK:   {}\n")
    assert run("format", "--check", str(tmp_path)).exit_code == 0
    answered = json.loads(run("format", "--format", "json", "--language", "id", str(file)).stdout)
    assert [one["changed"] for one in answered] == [True]
    assert "langkah:" in answered[0]["text"]


def test_format_writes_no_file_when_one_is_at_fault(tmp_path: Path) -> None:
    (tmp_path / "untidy.yaml").write_text(UNTIDY)
    (tmp_path / "mixed.yaml").write_text(TIDY.replace("send:", "kirim:"))
    answer = run("format", "--write", str(tmp_path))
    assert answer.exit_code == 1
    assert "mixed.yaml:21:5: " in answer.output
    assert (tmp_path / "untidy.yaml").read_text() == UNTIDY


@pytest.mark.parametrize(
    "make",
    [lambda file: file.mkdir(), lambda file: file.symlink_to("/nowhere")],
    ids=["a folder", "a link to nothing"],
)
def test_format_says_which_file_cannot_be_read(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / "untidy.yaml").write_text(UNTIDY)
    make(tmp_path / "other.yaml")
    answer = run("format", "--write", str(tmp_path))
    assert answer.exit_code == 1
    assert answer.output.startswith(f"{tmp_path / 'other.yaml'}:1:1: the file cannot be read (")
    assert (tmp_path / "untidy.yaml").read_text() == UNTIDY


def test_format_says_what_it_is_missing(tmp_path: Path) -> None:
    assert run("format", str(tmp_path)).exit_code == 2
    assert run("format", "--check", "--write", str(RULES[0])).exit_code == 2
    assert run("format", "--language", "nl", str(RULES[0])).exit_code == 2


def test_the_rules_of_the_project_are_in_one_spelling() -> None:
    assert run("format", "--check", str(HERE / "rules")).exit_code == 0


def test_the_language_is_shown_in_every_form() -> None:
    assert run("language", "--format", "markdown").stdout == f"{words_section()}\n{phrases_section()}"
    answered = json.loads(run("language", "--format", "json").stdout)
    assert len(answered["words"]) == sum(map(len, VOCABULARY.values()))
    table = run("language").stdout
    for word in (row for rows in VOCABULARY.values() for row in rows):
        assert f"| {word.indonesian} | {word.meaning} |" in words_section()
        assert word.english.split()[0] in table
