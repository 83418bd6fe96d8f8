"""A translation knows the text it was made from, and says so when that text has changed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from notifier.cli import main
from notifier.messages.languages import REQUIRED
from notifier.messages.library import read_library
from notifier.messages.templates import Templates
from notifier.messages.translations import State, fingerprint, seal_of, standings, with_seal

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "templates"

ENGLISH = "Imigrasi {{ office.short_name }}: expires {{ document.expires_on | day_short }}.\n"
INDONESIAN = "Imigrasi {{ office.short_name }}: berakhir {{ document.expires_on | day_short }}.\n"
JAPANESE = "Imigrasi {{ office.short_name }}：期限 {{ document.expires_on | day_short }}\n"
CHAT = """content_sid: HX00000000000000000000000000000001
body: |
  Dear {{1}}, come.
  Reply BERHENTI to stop.
variables:
  1: '{{ recipient.name }}'
"""


def sealed(text: str, original: str, name: str = "sms.en.txt") -> str:
    return with_seal(text, name, "en", fingerprint(original, name))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One template in three languages, with the shared files of the shipped ones; everything is current."""
    for file in (SHIPPED / "shared").iterdir():
        write(tmp_path, f"shared/{file.name}", file.read_text(encoding="utf-8"))
    write(tmp_path, "a/sms.id.txt", INDONESIAN)
    write(tmp_path, "a/sms.en.txt", ENGLISH)
    write(tmp_path, "a/sms.ja.txt", sealed(JAPANESE, ENGLISH))
    return tmp_path


def write(folder: Path, path: str, text: str) -> Path:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def faults(folder: Path) -> list[str]:
    return [str(fault).removeprefix(f"{folder.as_posix()}/") for fault in Templates.read(folder).check()]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["rules", "texts", *arguments])
    return result.exit_code, result.output


def test_a_translation_of_the_present_text_is_current(folder: Path) -> None:
    assert faults(folder) == []


def test_a_translation_of_an_older_text_is_named_with_the_remedy(folder: Path) -> None:
    write(folder, "a/sms.en.txt", ENGLISH.replace("expires ", "ends "))

    assert faults(folder) == [
        "a/sms.ja.txt:1:1: translated from an older sms.en.txt; look at it again, "
        "then seal it: notifier rules texts --seal FILE"
    ]


def test_an_older_translation_still_leaves(folder: Path) -> None:
    """An engine that stops for want of a translator would let people miss their day."""
    write(folder, "a/sms.en.txt", ENGLISH.replace("expires ", "ends "))

    assert Templates.load(folder).names() == {"a"}


def test_a_translation_that_says_nothing_of_its_origin_is_named(folder: Path) -> None:
    write(folder, "a/sms.ja.txt", JAPANESE)

    assert faults(folder) == [
        "a/sms.ja.txt:1:1: does not say which text it was translated from; compare it, "
        "then seal it: notifier rules texts --seal FILE"
    ]


@pytest.mark.parametrize("language", ["fr", "ja"])
def test_a_translation_from_a_text_that_is_not_there_or_from_itself_is_named(folder: Path, language: str) -> None:
    write(folder, "a/sms.ja.txt", with_seal(JAPANESE, "sms.ja.txt", language, "00000000"))

    assert faults(folder)[0].startswith(f"a/sms.ja.txt:1:1: translated from sms.{language}.txt, which is not there")


def test_a_channel_that_lacks_the_language_of_its_siblings_is_named(folder: Path) -> None:
    write(folder, "a/whatsapp.id.yaml", CHAT)
    write(folder, "a/whatsapp.en.yaml", CHAT)

    assert faults(folder) == [
        "a/whatsapp.ja.yaml:1:1: a is written in 'ja', but not for whatsapp; "
        "write this file, or its readers get English there"
    ]


def test_a_channel_without_english_is_a_fault_of_the_folder(folder: Path) -> None:
    write(folder, "a/whatsapp.id.yaml", CHAT)

    assert "a/whatsapp.en.yaml:1:1: a has whatsapp but not in 'en'; write this file" in faults(folder)


def test_english_may_say_which_indonesian_it_was_made_from(folder: Path) -> None:
    write(folder, "a/sms.en.txt", with_seal(ENGLISH, "sms.en.txt", "id", fingerprint(INDONESIAN, "sms.id.txt")))
    assert faults(folder) == []

    write(folder, "a/sms.id.txt", INDONESIAN.replace("berakhir", "habis"))

    assert [each.partition(";")[0] for each in faults(folder)] == [
        "a/sms.en.txt:1:1: translated from an older sms.id.txt"
    ]


def test_a_shared_piece_is_a_text_like_any_other(folder: Path) -> None:
    file = folder / "shared" / "expires.en.txt"
    file.write_text(file.read_text(encoding="utf-8").replace("expire from", "end from"), encoding="utf-8")

    assert [each.partition(":")[0] for each in faults(folder)] == [
        "shared/expires.ja.txt",
        "shared/expires.ko.txt",
        "shared/expires.zh-Hans.txt",
    ]


def test_a_word_that_english_has_and_a_translation_lacks_is_named(folder: Path) -> None:
    file = folder / "shared" / "words.ja.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text("".join(line for line in text.splitlines(keepends=True) if not line.startswith("payer:")))

    assert faults(folder) == ["shared/words.ja.yaml:1:1: the word 'payer' is missing; English has it"]


def test_what_no_reader_sees_makes_no_translation_stale() -> None:
    manifest = CHAT.replace("HX00000000000000000000000000000001", "HX" + "a" * 32)

    assert fingerprint("{# a note #}\nDear  \n", "sms.en.txt") == fingerprint("Dear\n", "sms.en.txt")
    assert fingerprint(sealed(ENGLISH, INDONESIAN), "sms.en.txt") == fingerprint(ENGLISH, "sms.en.txt")
    assert fingerprint(manifest, "whatsapp.en.yaml") == fingerprint(CHAT, "whatsapp.en.yaml")
    assert fingerprint(CHAT.replace("come", "go"), "whatsapp.en.yaml") != fingerprint(CHAT, "whatsapp.en.yaml")
    assert fingerprint(CHAT.replace(".name", ".role"), "whatsapp.en.yaml") != fingerprint(CHAT, "whatsapp.en.yaml")
    assert fingerprint(ENGLISH.replace("day_short", "day"), "sms.en.txt") != fingerprint(ENGLISH, "sms.en.txt")


@pytest.mark.parametrize("file", ["sms.ja.txt", "whatsapp.ja.yaml"])
def test_a_seal_replaces_the_older_one_and_nothing_else(file: str) -> None:
    once = with_seal("Subject: a\n\nb\n", file, "en", "00000001")
    twice = with_seal(once, file, "id", "0000000f")

    assert seal_of(once) == ("en", "00000001")
    assert seal_of(twice) == ("id", "0000000f")
    assert twice.partition("\n")[2] == "Subject: a\n\nb\n"


def test_every_shipped_text_is_an_original_or_current() -> None:
    found = standings(read_library(SHIPPED))

    assert {each.state for each in found} == {State.ORIGINAL, State.CURRENT}
    assert {each.language for each in found if each.state is State.ORIGINAL} == {"id"}
    assert {each.language for each in found} > set(REQUIRED)


# ------------------------------------------------------------------------------------------------ the command


def test_the_command_shows_every_text_and_answers_zero_when_all_are_current(folder: Path) -> None:
    code, output = run("--templates", str(folder))

    assert code == 0
    assert "every translation is current" in output
    assert "shared/permit-facts" in output


def test_the_command_lists_what_is_to_be_looked_at_and_answers_one(folder: Path) -> None:
    write(folder, "a/sms.en.txt", ENGLISH.replace("expires ", "ends "))
    write(folder, "a/email.id.txt", "Subject: a\n")
    write(folder, "a/email.en.txt", "Subject: a\n")

    code, output = run("--templates", str(folder), "--format", "json")

    states = {(each["channel"], each["language"]): each["state"] for each in json.loads(output) if each["channel"]}
    assert code == 1
    assert states == {
        ("email", "en"): "original",
        ("email", "id"): "original",
        ("email", "ja"): "missing",
        ("sms", "en"): "original",
        ("sms", "id"): "original",
        ("sms", "ja"): "stale",
    }


def test_sealing_says_that_the_translation_agrees_with_the_text_as_it_is(folder: Path) -> None:
    write(folder, "a/sms.en.txt", ENGLISH.replace("expires ", "ends "))
    file = folder / "a" / "sms.ja.txt"

    code, output = run("--templates", str(folder), "--seal", str(file))

    assert (code, "sealed as made from sms.en.txt" in output) == (0, True)
    assert faults(folder) == []
    assert file.read_text(encoding="utf-8").endswith(JAPANESE)


def test_sealing_keeps_the_line_ends_of_the_writer(folder: Path) -> None:
    file = folder / "a" / "sms.ja.txt"
    file.write_bytes(JAPANESE.replace("\n", "\r\n").encode())

    assert run("--templates", str(folder), "--seal", str(file))[0] == 0
    assert file.read_bytes().endswith(JAPANESE.replace("\n", "\r\n").encode())
    assert faults(folder) == []


def test_a_translation_may_be_sealed_from_another_language(folder: Path) -> None:
    file = folder / "a" / "sms.ja.txt"

    assert run("--templates", str(folder), "--seal", str(file), "--from", "id")[0] == 0
    assert seal_of(file.read_text(encoding="utf-8")) == ("id", fingerprint(INDONESIAN, "sms.id.txt"))


def test_nothing_is_written_when_one_of_the_files_cannot_be_sealed(folder: Path) -> None:
    file = write(folder, "a/sms.ja.txt", JAPANESE)

    code, output = run("--templates", str(folder), "--seal", str(file), str(folder / "a" / "sms.id.txt"))

    assert code == 2
    assert "is an original and needs no seal" in output
    assert file.read_text(encoding="utf-8") == JAPANESE


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--seal"], "--seal goes with the files"),
        (["{folder}/a/sms.ja.txt"], "files go with --seal"),
        (["--from", "id"], "--from goes with --seal"),
        (["--seal", "{folder}/shared/words.ja.yaml"], "is no text of the folder"),
        (["--seal", "{folder}/a/sms.ja.txt", "--from", "fr"], "no such text in 'fr'"),
    ],
)
def test_wrong_use_is_said_in_a_sentence(folder: Path, arguments: list[str], told: str) -> None:
    code, output = run("--templates", str(folder), *[each.format(folder=folder) for each in arguments])

    assert code == 2
    assert told in output
