"""Loading: texts become the right frozen rules, nothing is read otherwise than it is written, nothing ever raises."""

import re
from datetime import date, time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.errors import ConfigError, Fault, FaultsFound
from notifier.model import Channel, SubjectKind
from notifier.rules.load import check_rules, load_rules, rule_digest
from notifier.rules.rule import (
    Ago,
    Anchor,
    AtOnce,
    Beyond,
    Cap,
    Closed,
    Compare,
    Deadline,
    Digest,
    Exists,
    FixedDay,
    Group,
    GroupKind,
    HolderHas,
    Late,
    LatePolicy,
    Length,
    LengthIs,
    Line,
    Missing,
    NoneOf,
    Number,
    Offset,
    On,
    OneOf,
    Past,
    Rule,
    Rung,
    Side,
    Test,
    Unit,
    Within,
    WithinLast,
    YesNo,
)
from notifier.rules.source import MAX_BYTES, parse_source
from notifier.rules.tree import Block, Text

ROOT = Path(__file__).parent.parent
RULES = ROOT / "rules"
DATA = [RULES / "windows.yaml", RULES / "documents.yaml"]
LANGUAGE = Path(__file__).parent / "data" / "language_rules"
GOOD = sorted(path for path in RULES.glob("*.yaml") if path not in DATA and path.name != "calendar.yaml")

RULE = """rule: sample
title: A sample
legal basis: public service
for: {subject}
when:
{when}
to: holder
via: whatsapp
template: sample
steps:
  only: {{send: 7 days after issue}}
"""


def load_text(folder: Path, text: str, name: str = "sample") -> tuple[Rule | None, list[Fault]]:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    rules, faults, _ = check_rules([*DATA, path], known=None)
    return (rules.rules[0] if rules.rules else None), faults


def test_the_rules_that_ship_have_no_fault_and_no_warning() -> None:
    rules, faults, warnings = check_rules([RULES], known=None)
    assert (faults, warnings) == ([], [])
    assert [rule.name for rule in rules.rules] == [path.stem for path in GOOD]
    assert len(GOOD) == 20  # sixteen, and the four optional ones


def test_the_whole_language_is_understood() -> None:
    """The sixteen rules and the four optional ones, as the contract of the language writes them."""
    rules, faults, warnings = check_rules([*DATA, LANGUAGE], known=None)
    assert (faults, warnings) == ([], [])
    by_name = {rule.name: rule for rule in rules.rules}
    assert len(by_name) == 20
    prepare = next(step for step in by_name["itas-extension"].steps if step.name == "prepare")
    assert prepare.digest == Digest(time(8), weekday=0)
    assert by_name["itas-extension"].limit == 5000
    assert by_name["overstay-early"].approval and by_name["overstay-early"].mutes == ("survey",)
    assert by_name["survey"].cap == Cap(1, Length(90, Unit.DAY))


def test_steps_take_the_rule_s_settings_and_give_their_own() -> None:
    rule = load_rules(RULES).rule("itas-extension")
    assert rule is not None
    prepare, opens, *_, last, sooner = rule.steps
    assert (prepare.to, prepare.via) == (("sponsor",), (Rung((Channel.EMAIL,)),))
    assert (opens.to, opens.via) == (
        ("holder", "sponsor", "agent"),
        (Rung((Channel.EMAIL, Channel.WHATSAPP)),),
    )
    assert (last.time, last.urgent, opens.time, opens.urgent) == (time(8, 15), True, None, False)
    assert (sooner.template, opens.template) == ("itas/corrected", "itas/extension")
    assert rule.deadline == Deadline(On(Anchor("window closes"), event=True))
    assert rule.when == (Line("type", OneOf(("ITAS",))), Line("extendable", YesNo(True)))


def test_a_case_rule_keeps_its_states_deadline_and_switches() -> None:
    rules = load_rules(RULES)
    payment, collection, appointment = (
        rules.rule(name) for name in ("payment-due", "ready-for-collection", "appointment")
    )
    assert payment and collection and appointment
    assert (payment.subject, payment.stays, payment.uncapped) == (SubjectKind.CASE, ("awaiting payment",), True)
    assert all(step.urgent for step in payment.steps)
    assert payment.steps[1].when == (Line("payment time", LengthIs(Compare.LESS_THAN, Length(24, Unit.HOUR))),)
    assert collection.deadline == Deadline(On(Anchor("collection deadline")), closing_time=True)
    assert collection.steps[0].send == AtOnce()
    assert [step.enabled for step in appointment.steps] == [True, True, False, True]
    assert appointment.steps[0].late == Late(LatePolicy.SKIP)
    assert appointment.steps[1].closed is Closed.IGNORE


def test_an_office_s_window_takes_what_it_does_not_say_from_the_general_one() -> None:
    rules = load_rules(RULES)
    general, karawang = rules.window("bogor", "ITAS"), rules.window("karawang", "ITAS")
    assert general and karawang
    assert general.opens == Offset(Length(30, Unit.DAY), Side.BEFORE, Anchor("expiry"))
    assert karawang.opens == Offset(Length(3, Unit.MONTH), Side.BEFORE, Anchor("expiry"))
    assert (karawang.recommended, karawang.closes) == (general.recommended, general.closes)


def test_document_types_say_what_is_normal() -> None:
    documents = load_rules(RULES).documents
    assert documents["ITAS"].extendable and documents["ITAS"].successors == ("ITAP",)
    assert documents["ITAS"].labels["en"] == "limited stay permit (ITAS)"
    assert not documents["ITAP"].needs_expiry and documents["passport"].needs_expiry
    assert documents["passport"].services == ("passport",)


def test_settings_of_a_rule_are_read(tmp_path: Path) -> None:
    text = RULE.format(subject="permit", when="  type: ITAS") + (
        "from: 2027-01-01\nuntil: 2027-12-31\noffices: {not: [ambon]}\nenabled: no\ncorrection: 2 weeks\n"
        "late: send within 3 days\nclosed: later\nanniversary: every 5 years after issue\n"
    )
    rule, faults = load_text(tmp_path, text)
    assert rule is not None, faults
    assert (rule.starts, rule.ends) == (date(2027, 1, 1), date(2027, 12, 31))
    assert (rule.excluded_offices, rule.enabled, rule.correction) == (("ambon",), False, Length(2, Unit.WEEK))
    assert rule.anniversary == (Length(5, Unit.YEAR), Anchor("issue"))
    assert (rule.steps[0].late, rule.steps[0].closed, rule.steps[0].enabled) == (
        Late(LatePolicy.SEND, Length(3, Unit.DAY)),
        Closed.LATER,
        True,
    )


TESTS: list[tuple[str, str, Test]] = [
    ("permit", "type: [ITAS, ITAP]", OneOf(("ITAS", "ITAP"))),
    ("permit", "status: {not: [renewed, departed]}", NoneOf(("renewed", "departed"))),
    ("permit", "status: {not: renewed}", NoneOf(("renewed",))),
    ("permit", "extendable: no", YesNo(False)),
    ("permit", "extensions left: 0", Number(Compare.EXACTLY, 0)),
    ("permit", "extensions left: at least 1", Number(Compare.AT_LEAST, 1)),
    ("permit", "holder.age: less than 17", Number(Compare.LESS_THAN, 17)),
    ("permit", "holder.nationality: NO", OneOf(("NO",))),
    ("permit", "expiry: exists", Exists()),
    ("permit", "expiry: missing", Missing()),
    ("permit", "expiry: past", Past()),
    ("permit", "expiry: before 2027-01-31", FixedDay(Side.BEFORE, date(2027, 1, 31))),
    ("permit", "expiry: after 2027-01-31", FixedDay(Side.AFTER, date(2027, 1, 31))),
    ("permit", "expiry: within 9 months", Within(Length(9, Unit.MONTH))),
    ("permit", "issue: within last 30 days", WithinLast(Length(30, Unit.DAY))),
    ("permit", "expiry: beyond 2 weeks", Beyond(Length(2, Unit.WEEK))),
    ("permit", "expiry: more than 4 working days ago", Ago(Length(4, Unit.WORKING_DAY))),
    ("permit", "open case: missing", Missing()),
    ("permit", "sponsor: exists", Exists()),
    ("permit", "attributes.choice: exists", Exists()),
    ("permit", "attributes.registered: no", YesNo(False)),
    ("permit", "attributes.floor: 3", Number(Compare.EXACTLY, 3)),
    ("permit", "attributes.floor: more than 3", Number(Compare.MORE_THAN, 3)),
    ("permit", "attributes.room: north", OneOf(("north",))),
    ("permit", "attributes.room: {not: [north, south]}", NoneOf(("north", "south"))),
    ("case", "appointment: within 3 hours", Within(Length(3, Unit.HOUR))),
    ("case", "service: {not: passport}", NoneOf(("passport",))),
]


@pytest.mark.parametrize(("subject", "line", "expected"), TESTS)
def test_a_line_of_a_condition_becomes_its_test(tmp_path: Path, subject: str, line: str, expected: Test) -> None:
    rule, faults = load_text(tmp_path, RULE.format(subject=subject, when=f"  {line}"))
    assert rule is not None, faults
    assert rule.when == (Line(line.partition(":")[0], expected),)


def test_groups_and_other_permits_of_the_holder_are_read(tmp_path: Path) -> None:
    when = """  any:
    - type: BVK
    - type: ITK
      extensions left: 0
  none: [{status: departed}]
  holder has: {type: passport, issue: within last 30 days}
  holder has no: {type: ITAP}"""
    rule, faults = load_text(tmp_path, RULE.format(subject="permit", when=when))
    assert rule is not None, faults
    bvk, itk = Line("type", OneOf(("BVK",))), Line("type", OneOf(("ITK",)))
    assert rule.when == (
        Group(GroupKind.ANY, ((bvk,), (itk, Line("extensions left", Number(Compare.EXACTLY, 0))))),
        Group(GroupKind.NONE, ((Line("status", OneOf(("departed",))),),)),
        HolderHas((Line("type", OneOf(("passport",))), Line("issue", WithinLast(Length(30, Unit.DAY))))),
        HolderHas((Line("type", OneOf(("ITAP",))),), negated=True),
    )


def test_the_digest_changes_with_what_decides_and_with_nothing_else(tmp_path: Path) -> None:
    text = RULE.format(subject="permit", when="  type: ITAS")
    same = [
        text.replace("A sample", "Another title"),
        f"# a comment\n\n{text}",
        text.replace("template: sample", "template: other"),
        text.replace("via: whatsapp", "via: [whatsapp, sms]"),
    ]
    other = [
        text.replace("7 days", "8 days"),
        text.replace("ITAS", "ITAP"),
        text.replace("only:", "renamed:"),
        text.replace("to: holder", "to: sponsor"),
    ]
    digests = [rule.digest for each in [text, *same, *other] if (rule := load_text(tmp_path, each)[0]) is not None]
    assert len(set(digests[: len(same) + 1])) == 1
    assert len(set(digests)) == len(other) + 1


def test_the_digest_is_the_same_in_any_folder(tmp_path: Path) -> None:
    copy = tmp_path / "itas-extension.yaml"
    copy.write_bytes((RULES / copy.name).read_bytes())
    there, here = load_rules(RULES).rule("itas-extension"), check_rules([*DATA, copy], known=None)[0].rules[0]
    assert there is not None
    assert there.digest == here.digest == rule_digest(here)


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="NOTIFIER_RULES"):
        load_rules(tmp_path / "nowhere")


def test_load_raises_all_faults_of_all_files_together(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(RULE.format(subject="permits", when="  type: ITAS"))
    with pytest.raises(FaultsFound) as found:
        load_rules(tmp_path)
    assert len(found.value.faults) == 4  # in both files the subject and the name


def test_what_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "wrong.yml").write_text("rule: wrong\n")
    (tmp_path / "latin.yaml").write_bytes("title: caf\xe9\n".encode("latin-1"))
    _, faults, _ = check_rules([tmp_path, tmp_path / "missing.yaml"], known=None)
    assert {Path(fault.file).name: fault.message.partition(";")[0] for fault in faults} == {
        "wrong.yml": "files of rules end in .yaml",
        "latin.yaml": "the file is not UTF-8",
        "missing.yaml": "the file cannot be read (No such file or directory)",
    }


def test_every_scalar_is_the_text_that_is_written() -> None:
    tree, faults = parse_source(b"a: NO\nb: 012\nc: 08:15\nd: 2027-01-01\ne: ~\nf: 'x'\n", "f.yaml")
    assert faults == []
    assert tree is not None
    assert [node.value for _, node in tree.entries if isinstance(node, Text)] == [
        *("NO", "012", "08:15", "2027-01-01", "~", "x")
    ]
    assert tree.get("f") == Text("x", 6, 5)


def test_curly_quotes_and_signs_are_welcome_in_texts_for_people_and_comments() -> None:
    text = "# “quoted”\there\ntitle: It’s a “title”\npurpose: |\n  one\ttwo\nlabels: {en: it’s}\n"
    tree, faults = parse_source(text.encode(), "f.yaml")
    assert faults == []
    assert isinstance(tree, Block)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: b\n" * MAX_BYTES, "larger than 256 kB"),
        (b"a: " + b"[" * 50_000, "nested more than"),
        (b"%YAML 1.1\n---\na: b\n", "directives"),
        (b"a: \x00\n", "unprintable"),
        (b'a: "\\UFFFFFFFF"\n', "escape"),
        (b"[a, b]: c\n", "a key must be a word"),
        (b"a: *a\n", "aliases"),
        (b"\t\n", "a tab"),
    ],
)
def test_content_that_is_no_plain_yaml_is_refused_in_a_sentence(content: bytes, message: str) -> None:
    _, faults = parse_source(content, "f.yaml")
    assert any(message in fault.message for fault in faults), faults


def test_an_alias_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    _, faults = parse_source("\n".join(lines).encode(), "bomb.yaml")
    assert len(faults) == 40 + 78


_SIGNS = ["", " ", "\n", "\t", ":", ": ", "- ", "#", " #", "[", "]", "{", "}", "'", '"', "&a ", "*a", "!!x ", "? ", "|"]
_SNIPPETS = [
    *_SIGNS,
    *("---\n", "<<: ", "%", "@", "\u00a0", "“", "0", "-1", "999999999999", "24:00", "yes", "true", "not", "any"),
    *("every", "from", "until", "moves", "holder has", "deadline", "anniversary", "  x:\n    send: at once\n", "\x07"),
]


@st.composite
def _mutated(draw: st.DrawFn) -> tuple[str, str]:
    """The name and text of a good file with some pieces cut out, doubled, exchanged or replaced by a snippet."""
    good = draw(st.sampled_from([*GOOD, *DATA]))
    text = good.read_text()
    for _ in range(draw(st.integers(1, 4))):
        pieces = re.split(r"(\s+|[\[\],:])", text)
        at = draw(st.integers(0, len(pieces) - 1))
        match draw(st.sampled_from(("cut", "double", "exchange", "replace", "insert"))):
            case "cut":
                pieces[at] = ""
            case "double":
                pieces[at] *= 2
            case "exchange":
                other = draw(st.integers(0, len(pieces) - 1))
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case "replace":
                pieces[at] = draw(st.sampled_from(_SNIPPETS))
            case _:
                pieces[at] += draw(st.sampled_from(_SNIPPETS) | st.text(max_size=3))
        text = "".join(pieces)
    return good.name, text


@settings(max_examples=500, deadline=None)
@given(mutated=_mutated())
def test_any_mutation_of_a_good_rule_loads_or_gives_faults_and_never_raises(
    tmp_path_factory: pytest.TempPathFactory, mutated: tuple[str, str]
) -> None:
    name, text = mutated
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    others = [other for other in (*DATA, GOOD[0]) if other.name != name]
    rules, faults, _ = check_rules([*others, path], known=None)
    path.unlink()
    assert faults or path.stem in {"windows", "documents", *(rule.name for rule in rules.rules)}
    faults = [fault for fault in faults if fault.file == str(path)]
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)
    for fault in faults:
        assert 1 <= fault.line <= len(lines) + 1
        assert 1 <= fault.column <= max(map(len, lines)) + 2
