"""Rules told in plain sentences: nothing that a rule says is left out, in neither language."""

import re
import shutil
import tempfile
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from notifier.cli.rules_show import windows_of
from notifier.rules.load import check_rules
from notifier.rules.rule import Rule
from notifier.rules.speak import say_moment, say_time
from notifier.rules.telling import tell
from notifier.rules.telling_words import Tongue
from notifier.rules.translate import spelled, translated_phrase
from notifier.rules.vocabulary import VOCABULARY, Language, Part
from tests import telling
from tests.oracle.compare import drawn

ROOT = Path(__file__).parent.parent
RULES = sorted((ROOT / "tests" / "data" / "language_rules").glob("*.yaml"))


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rule]:
    """The rules of the contract, beside the windows and documents that are shipped."""
    folder = tmp_path_factory.mktemp("rules")
    for file in (*RULES, ROOT / "rules" / "windows.yaml", ROOT / "rules" / "documents.yaml"):
        shutil.copy(file, folder)
    found, faults, _ = check_rules([folder], known=None)
    assert not faults
    return {rule.name: rule for rule in found.rules}


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("name", [file.stem for file in RULES])
def test_no_step_moment_recipient_channel_wait_or_text_is_left_out(
    rules: dict[str, Rule], name: str, language: Language
) -> None:
    rule, tongue = rules[name], Tongue(language)
    told = tell(rule, language)
    assert [step.name for step in told.steps] == [step.name for step in rule.steps]
    for step, said in zip(rule.steps, told.steps, strict=True):
        text = " ".join(said.sentences).casefold()
        assert translated_phrase("moment", say_moment(step.send), language) in text
        assert step.template in text
        for role in step.to:
            assert tongue.recipient(role) in text
        for rung in step.via:
            assert tongue.channels(rung).casefold() in text
            assert rung.after is None or tongue.length(rung.after) in text
        for at in filter(None, (step.time, step.digest and step.digest.at)):
            assert say_time(at) in text


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("name", [file.stem for file in RULES])
def test_the_bounds_of_the_whole_rule_are_told(rules: dict[str, Rule], name: str, language: Language) -> None:
    rule, text = rules[name], " ".join(tell(rules[name], language).sentences)
    tongue = Tongue(language)
    named = [*rule.offices, *rule.excluded_offices, *rule.mutes, *(str(day) for day in (rule.starts, rule.ends) if day)]
    named += [spelled(Part.STATE, state, language) for state in rule.stays]
    named += [tongue.condition(each) for each in (*rule.when, *rule.unless)]
    named += [str(rule.limit)] if rule.limit is not None else []
    for one in named:
        assert one in text


SURVEY_IN_ENGLISH = """\
survey: Nine questions after the service

The law asks every office to measure satisfaction.
It is about each application; legal basis: consent.
It applies while the application is: collected or issued.
Nothing is sent if survey answer is known.
A state that is left and entered again within 1 hour goes on as if it had not been left.
For one person at most 1 time(s) in 90 days.

invitation:
  The holder is told 1 working day after state begins by WhatsApp.
  If it is not proved by then that it arrived, after 24 hours by e-mail.
  The text is survey/invitation.
  If several are late, only the newest goes.

reminder:
  The holder is told 7 days after state begins by WhatsApp.
  If it is not proved by then that it arrived, after 24 hours by e-mail.
  The text is survey/reminder.
  Only if invitation was told before.
  If several are late, only the newest goes.
"""
WEEKLY_IN_INDONESIAN = """\
itap-batam-weekly: Sponsors of ITAP holders in Batam, every week

Aturan ini tentang setiap dokumen; dasar hukum: pelayanan publik.
Hanya bila jenis adalah ITAP.
Tidak ada yang dikirim bila status adalah perpanjangan belum dibayar, perpanjangan terlindungi, diperpanjang, epo terbit atau sudah berangkat.
Pesannya berguna sampai: tanggal berakhir.
Hanya di: batam.
Tanggal yang berubah paling banyak 10 hari dianggap koreksi, dan tidak ada yang diulang.

weekly:
  Penjamin diingatkan setiap 7 hari sejak 90 hari sebelum tanggal berakhir sampai tanggal berakhir lewat WhatsApp.
  Bila sampai saat itu belum terbukti diterima, setelah 24 jam lewat e-mail.
  Teksnya itap/extension.
  Bila beberapa terlambat, hanya yang terbaru dikirim.
"""  # noqa: E501


def test_a_rule_reads_like_this_in_english(rules: dict[str, Rule]) -> None:
    assert tell(rules["survey"], Language.ENGLISH).text() == SURVEY_IN_ENGLISH.rstrip()


def test_a_rule_reads_like_this_in_indonesian(rules: dict[str, Rule]) -> None:
    assert tell(rules["itap-batam-weekly"], Language.INDONESIAN).text() == WEEKLY_IN_INDONESIAN.rstrip()


# ------------------------------------------------------------------------------------------------- kept texts


@pytest.mark.parametrize("language", list(Language))
def test_every_shipped_rule_is_told_in_the_words_that_were_last_looked_at(language: Language) -> None:
    told = {name: text for name, text in telling.told() if name.endswith(f".{language}.txt")}
    kept = {file.name: file.read_text(encoding="utf-8") for file in telling.KEPT.glob(f"*.{language}.txt")}
    assert told == kept, "rules are told in other words than before; look at them, then run `make telling`"


# -------------------------------------------------------------------------------------------- generated rules

#: What is written for the program and for no person: names with underscores, values of the code, signs.
RAW = re.compile(r"\w_\w|\b(?:None|True|False|Line|Group|Length|timedelta)\b|[<>{}\[\]=]|[A-Z]\w+\(")
#: English words that an Indonesian sentence may hold: they are Indonesian as well, or names.
IN_BOTH = {one for rows in VOCABULARY.values() for row in rows for one in row.spellings(Language.INDONESIAN)}


@cache
def english_words() -> re.Pattern[str]:
    """Words of the language that are only English, where they stand in the sentences of `rules show`."""
    parts = (Part.FIELD, Part.ANCHOR, Part.UNIT, Part.STATE, Part.STATUS, Part.TEST, Part.JOIN, Part.RECIPIENT)
    words = {one for part in parts for row in VOCABULARY[part] for one in row.spellings(Language.ENGLISH)} - IN_BOTH
    return re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, words), key=len, reverse=True))})\b")


@given(st.integers(0, 2**32), st.sampled_from(["permit", "case"]))
@settings(max_examples=100, deadline=None)
def test_no_rule_makes_the_telling_fail_or_leaves_a_raw_word_in_it(seed: int, kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one = drawn(Random(seed), "trial", kind, Path(folder))
    assume(one is not None)
    assert one is not None
    for language in Language:
        told = tell(one.rule, language, windows_of(one.rule, one.rules))
        assert [step.name for step in told.steps] == [step.name for step in one.rule.steps]
        for sentence in [*told.sentences, *(each for step in told.steps for each in step.sentences)]:
            assert RAW.search(sentence) is None, sentence
            assert re.search(r"  | ,| \.$|\.\.$", sentence) is None, sentence
            assert sentence.endswith("."), sentence
            assert language is Language.ENGLISH or english_words().search(sentence) is None, sentence
