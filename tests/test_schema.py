"""The vocabulary, the grammar and the editor schema: what one takes the others take, and nothing else."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.cli import main
from notifier.model import Channel, SubjectKind
from notifier.rules import phrases as parser
from notifier.rules.conditions_parse import read_conditions
from notifier.rules.cursor import PhraseError
from notifier.rules.fields import FIELDS
from notifier.rules.forms import NAME, RULE_FORM, STEP_FORM, TEMPLATE
from notifier.rules.grammar import EXAMPLES, GRAMMAR, words_of
from notifier.rules.pattern import numbers_until, pattern
from notifier.rules.reading import Reading
from notifier.rules.rule import Closed, Compare, GroupKind, LatePolicy, Unit
from notifier.rules.schema import rule_schema, windows_schema
from notifier.rules.source import parse_source
from notifier.rules.translate import Translator
from notifier.rules.tree import Block, Text
from notifier.rules.vocabulary import VOCABULARY, Language, Part, english, word
from notifier.rules.words import EVENTS, NOUNS, RULE_KEYS, STEP_KEYS
from tests.editor import drive, server
from tests.phrase_makers import near_phrases, phrases
from tests.schema_check import as_editor, complaints

HERE = Path(__file__).parent
RULES = drive.RULES
EN, ID = Language.ENGLISH, Language.INDONESIAN

#: A field of each type, and whose it is: conditions have no parser for the bare phrase.
_FIELDS = {
    "number test": ("extensions left", SubjectKind.PERMIT),
    "length test": ("payment time", SubjectKind.CASE),
    "day test": ("expiry", SubjectKind.PERMIT),
    "instant test": ("submission", SubjectKind.CASE),
}
_PARSERS: dict[str, Callable[[str], object]] = {
    "moment": parser.parse_moment,
    "place": parser.parse_place,
    "deadline": parser.parse_deadline,
    "rung": parser.parse_rung,
    "late": parser.parse_late,
    "anniversary": parser.parse_anniversary,
    "digest": parser.parse_digest,
    "limit": parser.parse_limit,
    "cap": parser.parse_cap,
    "length": parser.parse_length,
    "count": parser.parse_count,
    "time": parser.parse_time,
    "day": parser.parse_day,
}
KINDS = [*_PARSERS, *_FIELDS]


def is_parsed(kind: str, phrase: str) -> bool:
    """Whether the engine's own parser takes the phrase."""
    if kind in _PARSERS:
        try:
            _PARSERS[kind](phrase)
        except PhraseError:
            return False
        return True
    name, subject = _FIELDS[kind]
    reading = Reading("a file")
    read_conditions(reading, Block(((Text(name, 1, 1), Text(phrase, 1, 9)),), 1, 1), subject, "when")
    return not reading.faults


def is_parsed_in_indonesian(kind: str, phrase: str) -> bool:
    """The same for the words of an Indonesian file."""
    translator = Translator(ID, EN)
    translated = translator.phrase(kind, Text(phrase, 1, 1)).value
    return not translator.slips and is_parsed(kind, translated)


# ------------------------------------------------------------------------------------------------ vocabulary


@pytest.mark.parametrize("part", Part)
@pytest.mark.parametrize("language", Language)
def test_no_two_words_of_one_part_are_spelled_alike(part: Part, language: Language) -> None:
    spelled = [one for row in VOCABULARY[part] for one in row.spellings(language)]
    assert len(spelled) == len(set(spelled))
    assert all(row.meaning and row.english and row.indonesian for row in VOCABULARY[part])


@pytest.mark.parametrize("kind", GRAMMAR)
def test_within_one_phrase_every_word_has_one_translation(kind: str) -> None:
    rows = set(words_of(GRAMMAR[kind]))
    for language in Language:
        spelled = [one for row in rows for one in row.spellings(language)]
        assert len(spelled) == len(set(spelled)), kind


def test_every_word_the_engine_knows_is_in_the_vocabulary() -> None:
    assert english(Part.UNIT) == tuple(Unit)
    assert set(english(Part.CHANNEL)) == set(Channel)
    assert english(Part.CLOSED) == tuple(Closed)
    assert english(Part.LATE) == tuple(LatePolicy)
    assert set(english(Part.SUBJECT)) == set(SubjectKind)
    assert set(GroupKind) < set(english(Part.GROUP))
    assert {*Compare} - {Compare.EXACTLY} < set(english(Part.TEST))
    assert {*NOUNS, *EVENTS} == set(english(Part.ANCHOR))
    assert set(FIELDS) == set(english(Part.FIELD))
    assert {*RULE_KEYS, *STEP_KEYS} == set(english(Part.KEY)) == {*RULE_FORM, *STEP_FORM}


def test_a_date_is_called_the_same_as_an_anchor_and_as_a_field() -> None:
    for name in set(english(Part.ANCHOR)) & set(english(Part.FIELD)):
        anchor, field = word(Part.ANCHOR, name), word(Part.FIELD, name)
        assert anchor and field and (anchor.indonesian, anchor.meaning) != ("", "")
        assert anchor.indonesian == field.indonesian == FIELDS[name].label(ID)


# --------------------------------------------------------------------------------- schema equals parser


@pytest.mark.parametrize("kind", KINDS)
def test_the_pattern_takes_every_right_phrase_and_so_does_the_parser(kind: str) -> None:
    @settings(max_examples=60, deadline=None)
    @given(phrases(kind))
    def both_take(phrase: str) -> None:
        assert re.search(pattern(kind), phrase), phrase
        assert is_parsed(kind, phrase), phrase

    both_take()


@pytest.mark.parametrize("kind", KINDS)
def test_the_pattern_takes_a_nearly_right_phrase_exactly_if_the_parser_does(kind: str) -> None:
    @settings(max_examples=150, deadline=None)
    @given(near_phrases(kind))
    def agree(phrase: str) -> None:
        assert bool(re.search(pattern(kind), phrase)) == is_parsed(kind, phrase), phrase

    agree()


@pytest.mark.parametrize("kind", KINDS)
def test_the_indonesian_pattern_takes_a_phrase_exactly_if_the_translated_one_is_parsed(kind: str) -> None:
    @settings(max_examples=100, deadline=None)
    @given(phrases(kind, ID) | near_phrases(kind, ID))
    def agree(phrase: str) -> None:
        assert bool(re.search(pattern(kind, ID), phrase)) == is_parsed_in_indonesian(kind, phrase), phrase

    agree()


@given(st.integers(1, 10**9), st.integers(0, 10**10))
def test_a_number_fits_exactly_up_to_its_bound(most: int, number: int) -> None:
    assert bool(re.fullmatch(numbers_until(most), str(number))) == (1 <= number <= most)


def test_every_example_is_a_phrase_of_its_kind() -> None:
    assert set(EXAMPLES) == set(KINDS)
    for kind, examples in EXAMPLES.items():
        assert [phrase for phrase in examples if not is_parsed(kind, phrase)] == []


def test_names_fit_the_schema_exactly_if_they_fit_the_loader() -> None:
    from notifier.rules import read_step

    for name in ("itas-extension", "a", "9-months", "a--b", "-a", "a-", "A", "a_b", "itas/extension", "a//b", ""):
        assert bool(re.fullmatch(NAME, name)) == bool(read_step.NAME.fullmatch(name)), name
        assert bool(re.fullmatch(TEMPLATE, name)) == bool(read_step._TEMPLATE.fullmatch(name)), name


# --------------------------------------------------------------------------------------- schema of files


def editor_sees(text: str) -> Any:
    tree, faults = parse_source(text.encode(), "trial.yaml")
    assert tree is not None and faults == []
    return as_editor(tree)


@pytest.mark.parametrize("rule", RULES, ids=lambda path: path.stem)
def test_every_rule_validates_in_both_languages(rule: Path) -> None:
    from notifier.rules.spelling import one_spelling

    for language in Language:
        seen = editor_sees(one_spelling(rule.read_bytes(), rule.name, language))
        assert complaints(rule_schema(language), seen) == []
        assert complaints(rule_schema(ID if language is EN else EN), seen) != []


def test_the_windows_file_validates() -> None:
    seen = editor_sees((HERE.parent / "rules" / "windows.yaml").read_text())
    assert complaints(windows_schema(), seen) == []
    seen["ITK"]["opens"] = "14 days befor expiry"
    del seen["ITAS"]["closes"]
    seen["offices"]["karawang"]["ITAS"]["open"] = "expiry"
    assert len(complaints(windows_schema(), seen)) == 3


GOOD = """rule: trial
title: A trial
legal basis: public service
for: permit
when:
  type: ITAS
  {line}
to: [holder, front desk]
via: [whatsapp, sms after 6 hours]
template: itas/extension
steps:
  one-week:
    send: 7 days before expiry
"""


@pytest.mark.parametrize(
    "line",
    [
        "extensions left: 0",
        "extensions left: at least 1",
        "extendable: yes",
        "status: {not: [renewed, departed]}",
        "attributes.choice: exists",
        "attributes.age: 17",
        "attributes.kind: {not: secret}",
        "holder has: {type: ITAP, any: [{status: active}, {expiry: missing}]}",
        "none: [{open case: exists, case.service: change of status}]",
    ],
)
def test_a_line_of_conditions_is_taken_by_schema_and_loader_alike(line: str) -> None:
    assert verdicts(line) == (True, True)


@pytest.mark.parametrize(
    "line",
    [
        "extensions left: -1",
        "extensions left: 01 or so",
        "extendable: true",
        "extendable: maybe",
        "status: {nott: renewed}",
        "status: gone",
        "state: paid",
        "attributes.choice: true",
        "attributes.age: at least some",
        "holder has: {open case: exists}",
        "holder has: {holder has: {type: ITAP}}",
        "any: {type: ITAP}",
        "expiry: within 3 hours",
        "stay left: []",
    ],
)
def test_a_line_of_conditions_is_refused_by_schema_and_loader_alike(line: str) -> None:
    assert verdicts(line) == (False, False)


def verdicts(line: str) -> tuple[bool, bool]:
    """Whether the schema takes a rule with that line, and whether the loader does."""
    from notifier.rules.read_rule import read_rule

    tree, faults = parse_source(GOOD.format(line=line).encode(), "trial.yaml")
    assert tree is not None
    reading = Reading("trial.yaml", faults=list(faults))
    read_rule(reading, tree)
    return complaints(rule_schema(), as_editor(tree)) == [], reading.faults == []


@pytest.mark.parametrize("key", ["rule", "title", "legal basis", "for", "to", "via", "template", "steps"])
def test_a_required_key_is_missed_by_the_schema(key: str) -> None:
    seen = editor_sees(GOOD.format(line="status: active"))
    assert complaints(rule_schema(), seen) == []
    del seen[key]
    assert f"{key} is missing" in complaints(rule_schema(), seen)


def test_unknown_keys_and_recipients_are_refused_by_the_schema() -> None:
    seen = editor_sees(GOOD.format(line="status: active"))
    seen["steps"]["one-week"]["urgnt"] = "yes"
    seen["to"] = ["holder", "holder"]
    seen["via"] = ["e-mail"]
    assert len(complaints(rule_schema(), seen)) == 3


def test_the_command_writes_the_schema_for_each_kind_of_file_and_language() -> None:
    def written(*arguments: str) -> Any:
        answer = CliRunner().invoke(main, ["rules", "schema", *arguments])
        assert answer.exit_code == 0, answer.output
        return json.loads(answer.stdout)

    assert written() == json.loads(json.dumps(rule_schema()))
    assert "langkah" in written("--language", "id")["properties"]
    assert "offices" in written("--for", "windows")["properties"]
    assert CliRunner().invoke(main, ["rules", "schema", "--for", "poems"]).exit_code == 2


# -------------------------------------------------------------------------------------------- real editor


@pytest.mark.skipif(
    not server.program().is_file(),
    reason="it asks yaml-language-server, which is no Python package: `make editor` installs it and asks the same",
)
def test_a_real_editor_completes_explains_and_underlines() -> None:
    assert [sight for sight in drive.look(server.FOLDER, RULES[:2]) if not sight.is_right] == []
