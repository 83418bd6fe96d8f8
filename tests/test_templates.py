"""The shipped templates are sound, broken ones are refused with their place, and no secret slips through."""

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from notifier.errors import FaultsFound, TemplateError
from notifier.messages.facts import DocumentFacts, HolderFacts, OfficeFacts, RecipientFacts
from notifier.messages.languages import direction_of
from notifier.messages.library import read_library
from notifier.messages.localise import Localiser, localiser
from notifier.messages.samples import sample_envelope, sample_facts, sample_scenes
from notifier.messages.templates import Templates
from notifier.model import Channel, SmsMessage, WhatsAppMessage

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "templates"
BROKEN = Path(__file__).parent / "data" / "broken_templates"

SPOKEN_OF_BY_RULES = (
    "passport/renewal",
    "passport/renewal-minor",
    "itk/extension",
    "itas/extension",
    "itas/corrected",
    "itap/extension",
    "case/payment-due",
    "case/appointment",
    "case/appointment-moved",
    "case/documents-missing",
    "case/collection",
    "case/collection-last-call",
)

FAULTS = [
    ("em-dash/sms.id.txt", 1, 34, "EM DASH"),
    ("empty-file/sms.id.txt", 1, 1, "the file is empty"),
    ("forbidden-call/sms.id.txt", 1, 1, "templates call nothing"),
    ("forbidden-operator/sms.id.txt", 1, 1, "the operator * is not for templates"),
    ("missing-language/sms.en.txt", 1, 1, "not in 'en'"),
    ("missing-value/sms.id.txt", 2, 1, "no value for office.phone"),
    ("no-subject/email.en.txt", 2, 1, "not 'birthday'"),
    ("no-subject/email.id.txt", 1, 1, "'Subject: ...'"),
    ("not-utf8/sms.id.txt", 1, 1, "not UTF-8"),
    ("secret-nationality/sms.id.txt", 1, 38, "holder.nationality is secret"),
    ("secret-number/sms.id.txt", 1, 38, "document.number is secret"),
    ("shared/email-footer.en.txt", 1, 20, "did you mean 'name'?"),
    ("shared/logo.png.b64", 1, 1, "shared files are texts"),
    ("shared/words.en.yaml", 1, 1, "the word 'days ago' is missing"),
    ("strange-file/sms.zz.txt", 1, 1, "unknown language 'zz'"),
    ("strange-file/smss.id.txt", 1, 1, "no template is called 'smss.id.txt'"),
    ("syntax-error/sms.id.txt", 2, 1, "Unexpected end of template"),
    ("too-long/sms.id.txt", 1, 1, "31 characters too long"),
    ("unknown-attribute/sms.id.txt", 2, 4, "did you mean 'expires_on'?"),
    ("unknown-filter/sms.id.txt", 1, 46, "did you mean 'day'?"),
    ("unknown-name/sms.id.txt", 1, 13, "did you mean 'office'?"),
    ("whatsapp-empty/whatsapp.id.yaml", 1, 1, "variable 1 came out empty"),
    ("whatsapp-hole/whatsapp.id.yaml", 2, 1, "without a hole"),
    ("whatsapp-hole/whatsapp.id.yaml", 2, 1, "they must be the same"),
    ("whatsapp-no-stop/whatsapp.id.yaml", 2, 1, "how to stop"),
    ("whatsapp-not-yaml/whatsapp.id.yaml", 2, 1, "not YAML"),
    ("whatsapp-secret/whatsapp.id.yaml", 5, 6, "case.number is secret"),
    ("whatsapp-sid/whatsapp.id.yaml", 1, 14, "content_sid must be HX"),
    ("whatsapp-too-long/whatsapp.id.yaml", 1, 1, "the limit is 1024"),
    ("whatsapp-unfilled/whatsapp.id.yaml", 2, 1, "variables: fills [2]"),
]


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates.load(SHIPPED)


@pytest.fixture(scope="module")
def indonesian() -> Localiser:
    return localiser("id", read_library(SHIPPED).words["id"])


def write(folder: Path, files: dict[str, str]) -> Path:
    """A folder of templates with the shared files of the shipped ones."""
    shared = {f"shared/{file.name}": file.read_text(encoding="utf-8") for file in (SHIPPED / "shared").iterdir()}
    for path, text in (shared | files).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def test_the_shipped_templates_have_no_fault(templates: Templates) -> None:
    assert templates.check() == []


@pytest.mark.parametrize("name", SPOKEN_OF_BY_RULES)
def test_every_template_speaks_on_every_channel_in_both_languages(templates: Templates, name: str) -> None:
    assert all(templates.has(name, channel, language) for channel in Channel for language in ("id", "en"))


def test_every_broken_file_is_found_at_its_place_in_one_run() -> None:
    found = Templates.read(BROKEN).check()

    places = [(fault.file.removeprefix(BROKEN.as_posix() + "/"), fault.line, fault.column) for fault in found]
    assert places == [place[:3] for place in FAULTS]
    for fault, (*_, told) in zip(found, FAULTS, strict=True):
        assert told in fault.message


def test_broken_templates_are_not_loaded_and_all_faults_are_told() -> None:
    with pytest.raises(FaultsFound) as refused:
        Templates.load(BROKEN)

    assert len(refused.value.faults) > 12


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    assert "no such folder" in Templates.read(tmp_path / "nowhere").check()[0].message


@pytest.mark.parametrize("scene", sample_scenes().keys())
@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize("name", SPOKEN_OF_BY_RULES)
def test_every_sms_is_one_part_and_begins_with_the_office(
    templates: Templates, name: str, language: str, scene: str
) -> None:
    facts = sample_scenes()[scene]

    message = templates.compose(name, Channel.SMS, language, facts, sample_envelope(Channel.SMS))

    assert isinstance(message, SmsMessage)
    assert (message.segments, message.encoding) == (1, "GSM-7")
    assert message.text.startswith(f"Imigrasi {facts.office.short_name}: ")
    assert "\n" not in message.text
    assert "  " not in message.text


def test_a_text_tells_the_true_days_left_when_it_is_sent(templates: Templates) -> None:
    facts = replace(sample_facts(), today=date(2027, 3, 11))

    message = templates.compose("itas/extension", Channel.SMS, "id", facts, sample_envelope(Channel.SMS))

    assert message.text == (
        "Imigrasi Jakarta Barat: ITAS xxxx000Z a.n. WANG X. berakhir 15-03-2027 (4 hari lagi). "
        "Ajukan dan bayar s.d. 12-03-2027 di evisa.imigrasi.go.id."
    )


def test_on_the_last_day_the_text_says_so(templates: Templates) -> None:
    facts = sample_scenes()["the last day"]

    sms = templates.compose("itas/extension", Channel.SMS, "id", facts, sample_envelope(Channel.SMS))
    mail = templates.compose("itas/extension", Channel.EMAIL, "en", facts, sample_envelope(Channel.EMAIL))

    assert "Hari ini batas ajukan dan bayar" in sms.text
    assert "Today is the last working day" in mail.text


def test_before_the_window_opens_the_text_says_from_when(templates: Templates) -> None:
    facts = replace(sample_facts(), today=date(2027, 1, 14), opens_on=date(2027, 2, 13))

    message = templates.compose("itas/extension", Channel.SMS, "id", facts, sample_envelope(Channel.SMS))

    assert "Ajukan dan bayar 13-02-2027 s.d. 12-03-2027" in message.text


def test_a_sponsor_reads_whose_permit_it_is_and_why_he_is_told(templates: Templates) -> None:
    facts = replace(sample_facts(), recipient=RecipientFacts("PT MAJU", "organisation", "sponsor"))

    mail = templates.compose("itas/extension", Channel.EMAIL, "id", facts, sample_envelope(Channel.EMAIL))

    assert "Izin Tinggal Terbatas (ITAS) atas nama WANG XIAOMING berakhir" in mail.text
    assert "Yth. PT MAJU," in mail.text
    assert "sebagai penjamin untuk WANG XIAOMING" in mail.text


def test_merged_documents_are_counted_in_sms_and_listed_in_mail(templates: Templates) -> None:
    facts = sample_scenes()["several documents"]

    sms = templates.compose("itas/extension", Channel.SMS, "id", facts, sample_envelope(Channel.SMS))
    mail = templates.compose("itas/extension", Channel.EMAIL, "id", facts, sample_envelope(Channel.EMAIL))

    assert "5 dokumen a.n." in sms.text
    assert mail.text.count("- Izin Tinggal Terbatas (ITAS) xxxx00") == 4


def test_a_name_in_other_letters_keeps_the_sms_cheap(templates: Templates) -> None:
    facts = replace(sample_facts(), holder=HolderFacts("Łukasz 王伟", "Łukasz"))

    message = templates.compose("itas/extension", Channel.SMS, "id", facts, sample_envelope(Channel.SMS))

    assert "a.n. Lukasz " in message.text
    assert isinstance(message, SmsMessage)
    assert message.encoding == "GSM-7"


def test_a_language_that_needs_it_gets_ucs2(tmp_path: Path) -> None:
    sms = "移民局 {{ office.short_name }}: {{ document.type }} {{ document.expires_on | day }}\n"
    latin = "Imigrasi {{ office.short_name }}: {{ document.label }}\n"
    words = (SHIPPED / "shared" / "words.en.yaml").read_text(encoding="utf-8")
    files = {"a/sms.id.txt": latin, "a/sms.en.txt": latin, "a/sms.zh-Hans.txt": sms, "shared/words.zh-Hans.yaml": words}

    templates = Templates.load(write(tmp_path, files))
    message = templates.compose("a", Channel.SMS, "zh-Hans", sample_facts(), sample_envelope(Channel.SMS))

    assert templates.check() == []
    assert message.text == "移民局 Jakarta Barat: ITAS 2027年3月15日"
    assert isinstance(message, SmsMessage)
    assert message.encoding == "UCS-2"


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.WHATSAPP])
@pytest.mark.parametrize("name", SPOKEN_OF_BY_RULES)
def test_no_full_number_leaves_by_telephone(templates: Templates, name: str, channel: Channel) -> None:
    facts = sample_facts()
    assert facts.document is not None
    assert facts.case is not None

    message = templates.compose(name, channel, "id", facts, sample_envelope(channel))

    assert facts.document.number not in message.text
    assert facts.case.number not in message.text


def test_a_full_number_is_stopped_even_when_it_comes_in_a_name(templates: Templates) -> None:
    facts = replace(sample_facts(), holder=HolderFacts("WANG", "2d21xx0000-z"))

    with pytest.raises(TemplateError) as refused:
        templates.compose("itas/extension", Channel.SMS, "id", facts, sample_envelope(Channel.SMS))

    assert "2d21xx0000" not in str(refused.value).lower()


def test_a_missing_value_is_an_error_that_names_the_placeholder_and_no_person(templates: Templates) -> None:
    facts = replace(sample_facts(), payment_due_at=None)

    with pytest.raises(TemplateError) as refused:
        templates.compose("case/payment-due", Channel.SMS, "id", facts, sample_envelope(Channel.SMS))

    assert "case/payment-due/sms.id.txt:3: no value for payment_due_at" in str(refused.value)
    assert "WANG" not in str(refused.value)


def test_a_template_that_does_not_exist_is_named(templates: Templates) -> None:
    with pytest.raises(TemplateError, match="'no/such' for sms in 'id'"):
        templates.compose("no/such", Channel.SMS, "id", sample_facts(), sample_envelope(Channel.SMS))


# ------------------------------------------------------------------------------------------------ WhatsApp


@pytest.mark.parametrize("scene", sample_scenes().keys())
@pytest.mark.parametrize("name", SPOKEN_OF_BY_RULES)
def test_every_whatsapp_message_is_what_the_provider_takes(templates: Templates, name: str, scene: str) -> None:
    for language in ("id", "en"):
        message = templates.compose(
            name, Channel.WHATSAPP, language, sample_scenes()[scene], sample_envelope(Channel.WHATSAPP)
        )

        assert isinstance(message, WhatsAppMessage)
        assert len(message.text) <= 1024
        assert list(message.variables) == [str(number) for number in range(1, len(message.variables) + 1)]
        assert all(value == " ".join(value.split()) != "" for value in message.variables.values())
        assert "BERHENTI" in message.text.splitlines()[-1]


def test_line_breaks_in_a_name_do_not_reach_a_variable(templates: Templates) -> None:
    facts = replace(sample_facts(), recipient=RecipientFacts("WANG\n\n\tXIAO\u202eMING     III"))

    message = templates.compose("itas/extension", Channel.WHATSAPP, "id", facts, sample_envelope(Channel.WHATSAPP))

    assert isinstance(message, WhatsAppMessage)
    assert message.variables["1"] == "Bapak/Ibu WANG XIAOMING III"


def test_shipped_content_sids_are_recognised_as_placeholders(templates: Templates) -> None:
    assert len(templates.placeholder_sids()) == 2 * len(SPOKEN_OF_BY_RULES)


def test_content_sids_are_all_different() -> None:
    sids = [source.manifest.content_sid for source in read_library(SHIPPED).sources if source.manifest]

    assert len(sids) == len(set(sids))


# ------------------------------------------------------------------------------------------------ languages


@pytest.mark.parametrize(
    ("wanted", "nationality", "expected"),
    [
        ("en", "ID", "en"),
        ("zh-Hans", "CN", "en"),
        ("zh-Hans", "ID", "id"),
        ("en-GB", None, "en"),
        (None, "CN", "en"),
        (None, "ID", "id"),
        (None, None, "id"),
    ],
)
def test_the_language_is_the_recipients_else_english_for_foreigners(
    templates: Templates, wanted: str | None, nationality: str | None, expected: str
) -> None:
    assert templates.choose_language("itas/extension", Channel.SMS, wanted, nationality) == expected


def test_arabic_is_written_from_right_to_left() -> None:
    assert (direction_of("ar"), direction_of("id")) == ("rtl", "ltr")


def test_dates_times_and_money_are_written_as_in_indonesia(indonesian: Localiser) -> None:
    makassar = datetime(2027, 3, 15, 9, 0, tzinfo=ZoneInfo("Asia/Makassar"))

    assert indonesian.day(makassar) == "15 Maret 2027"
    assert indonesian.day_full(date(2027, 3, 15)) == "Senin, 15 Maret 2027"
    assert indonesian.day_short(date(2027, 3, 5)) == "05-03-2027"
    assert indonesian.clock(makassar) == "09.00 WITA"
    assert indonesian.moment(makassar) == "15 Maret 2027, 09.00 WITA"
    assert indonesian.money(1_000_000) == "Rp1.000.000"


@pytest.mark.parametrize(
    ("days", "told"), [(0, "hari ini"), (1, "besok"), (5, "5 hari lagi"), (-1, "kemarin"), (-3, "3 hari lalu")]
)
def test_days_are_counted_as_people_count_them(indonesian: Localiser, days: int, told: str) -> None:
    assert indonesian.in_days(days) == told
    assert indonesian.in_days(date.fromordinal(date(2027, 3, 1).toordinal() + days), date(2027, 3, 1)) == told


def test_an_instant_without_a_zone_is_refused(indonesian: Localiser) -> None:
    with pytest.raises(ValueError, match="zone"):
        indonesian.clock(datetime(2027, 3, 15, 9, 0))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Kantor Imigrasi Kelas I Khusus Non TPI Jakarta Barat", "Jakarta Barat"),
        ("Kantor Imigrasi Kelas II TPI Ambon", "Ambon"),
        ("Imigrasi Batam", "Batam"),
        ("Batam", "Batam"),
    ],
)
def test_an_office_is_called_by_its_place(name: str, short: str) -> None:
    assert OfficeFacts(name).short_name == short


# -------------------------------------------------------------------------------------------------- sandbox


@pytest.mark.parametrize(
    "attack",
    [
        "{{ office.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{{ 'a' * 1000000000 }}",
        "{{ 9 ** 999999999 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 'a'.ljust(1000000000) }}",
        "{{ range(10) }}",
        "{{ self.__init__.__globals__ }}",
        "{% set office.name = 'x' %}{{ office.name }}",
    ],
)
def test_a_template_can_do_nothing_but_print_facts(tmp_path: Path, attack: str) -> None:
    folder = write(tmp_path, {"a/sms.id.txt": f"x {attack}\n", "a/sms.en.txt": "x\n"})

    assert [fault for fault in Templates.read(folder).check() if fault.file.endswith("a/sms.id.txt")]


def test_a_line_of_text_that_ends_in_a_tag_keeps_its_line_break(tmp_path: Path) -> None:
    letter = "Subject: a\n\n# head {% if urgent %}x{% endif %}\n\n{% if today %}\ntext\n{% endif %}\nmore\n"
    folder = write(tmp_path, {"a/email.id.txt": letter, "a/email.en.txt": letter})

    mail = Templates.load(folder).compose("a", Channel.EMAIL, "id", sample_facts(), sample_envelope(Channel.EMAIL))

    assert mail.text.startswith("head\n\ntext\nmore\n")


def test_a_case_text_does_not_need_a_permit(templates: Templates) -> None:
    facts = replace(sample_facts(), document=None)

    assert templates.compose("case/appointment", Channel.SMS, "en", facts, sample_envelope(Channel.SMS)).text


def test_a_passport_is_renewed_in_the_app_and_has_no_portal_to_open() -> None:
    passport = DocumentFacts("passport", "paspor", "X0000123", "xxxx0123", date(2027, 3, 15))
    facts = replace(sample_facts(), document=passport, case=None)

    assert (facts.portal, facts.action_url) == ("M-Paspor", "")
