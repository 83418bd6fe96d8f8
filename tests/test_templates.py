"""The shipped templates are sound, broken ones are refused with their place, and no secret slips through."""

import re
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
from notifier.messages.translations import fingerprint
from notifier.model import Channel, EmailMessage, SmsMessage, WhatsAppMessage

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
    "leave-by",
    "overstay/early",
)

#: Those that rules use on some channels only, as their rules do.
ON_SOME_CHANNELS = {
    "itap/report": (Channel.EMAIL,),
    "passport/foreign": (Channel.EMAIL, Channel.WHATSAPP),
    "overstay/list": (Channel.EMAIL,),
    "overstay/cliff": (Channel.EMAIL,),
    "citizenship/choice": (Channel.EMAIL, Channel.WHATSAPP),
    "survey/invitation": (Channel.EMAIL, Channel.WHATSAPP),
    "survey/reminder": (Channel.EMAIL, Channel.WHATSAPP),
    "case/collection-list": (Channel.EMAIL,),
    "bridging": (Channel.EMAIL, Channel.WHATSAPP),
    "abtc": (Channel.EMAIL,),
    "officer/sla": (Channel.EMAIL,),
}
LISTS = ("overstay/list", "overstay/cliff", "case/collection-list", "officer/sla")

#: Courtesy translations, and the templates that have them.
COURTESY = ("zh-Hans", "ja", "ko")
TRANSLATED = (
    "itas/extension",
    "itas/corrected",
    "passport/renewal",
    "passport/renewal-minor",
    "passport/foreign",
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
    ("whatsapp-bare-fact/whatsapp.id.yaml", 5, 6, "a fact is written {{ recipient.name }}"),
    ("whatsapp-empty/whatsapp.id.yaml", 1, 1, "variable 1 came out empty"),
    ("whatsapp-hole/whatsapp.id.yaml", 2, 1, "without a hole"),
    ("whatsapp-hole/whatsapp.id.yaml", 2, 1, "they must be the same"),
    ("whatsapp-no-stop/whatsapp.id.yaml", 2, 1, "how to stop"),
    ("whatsapp-not-yaml/whatsapp.id.yaml", 2, 1, "a value is missing here"),
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


@pytest.mark.parametrize("name", ON_SOME_CHANNELS)
def test_every_other_template_speaks_on_the_channels_of_its_rule(templates: Templates, name: str) -> None:
    channels = ON_SOME_CHANNELS[name]

    assert all(templates.has(name, channel, language) for channel in channels for language in ("id", "en"))


def test_no_template_is_left_out_of_these_tests(templates: Templates) -> None:
    assert templates.names() == {*SPOKEN_OF_BY_RULES, *ON_SOME_CHANNELS}


@pytest.mark.parametrize("language", COURTESY)
@pytest.mark.parametrize("name", TRANSLATED)
def test_the_courtesy_languages_are_on_every_channel_of_the_english_text(
    templates: Templates, name: str, language: str
) -> None:
    english = {channel for channel in Channel if templates.has(name, channel, "en")}

    assert {channel for channel in Channel if templates.has(name, channel, language)} == english


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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("day: hari\n week: pekan\n", "2:6: a colon stands where none can; put the text in quotes"),
        ("day: [hari, minggu\nweek: pekan\n", "1:6: a comma or a closing bracket is missing in this list"),
        ("day: 'hari\n", "1:6: a quote is opened and not closed"),
        ("day: \x07hari\n", "1:6: an unprintable sign stands here; take it out"),
    ],
)
@pytest.mark.parametrize("file", ["shared/words.id.yaml", "hello/whatsapp.id.yaml"])
def test_a_file_that_yaml_cannot_read_is_told_in_plain_words_and_at_its_place(
    file: str, text: str, told: str, tmp_path: Path
) -> None:
    faults = read_library(write(tmp_path, {file: text})).faults

    assert [str(one)[: len(f"{tmp_path / file}:{told}")] for one in faults if file in one.file] == [
        f"{tmp_path / file}:{told}"
    ]


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


@pytest.mark.parametrize("scene", sample_scenes().keys())
@pytest.mark.parametrize("language", COURTESY)
@pytest.mark.parametrize("name", [name for name in TRANSLATED if name not in ON_SOME_CHANNELS])
def test_every_sms_in_hanzi_kana_and_hangul_has_two_parts_at_most(
    templates: Templates, name: str, language: str, scene: str
) -> None:
    facts = sample_scenes()[scene]

    message = templates.compose(name, Channel.SMS, language, facts, sample_envelope(Channel.SMS))

    assert isinstance(message, SmsMessage)
    assert message.encoding == "UCS-2"
    assert message.segments <= 2
    assert message.text.startswith(f"Imigrasi {facts.office.short_name}")


@pytest.mark.parametrize(
    ("language", "name", "organisation"),
    [("id", "Bapak/Ibu PT", "PT"), ("ja", "PT 様", "PT 御中"), ("ko", "PT 님", "PT 귀중"), ("zh-Hans", "PT", "PT")],
)
def test_people_and_companies_are_addressed_as_the_language_does(language: str, name: str, organisation: str) -> None:
    words = localiser(language, read_library(SHIPPED).words[language])

    assert words.addressed(RecipientFacts("PT")) == name
    assert words.addressed(RecipientFacts("PT", "organisation")) == organisation
    with pytest.raises(ValueError, match="stands behind the recipient, not a name"):
        words.addressed("PT")  # type: ignore[arg-type]


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
    """S80: one message for the documents of a family or a sponsor, worded by the most urgent."""
    facts = sample_scenes()["several documents"]

    sms = templates.compose("itas/extension", Channel.SMS, "id", facts, sample_envelope(Channel.SMS))
    mail = templates.compose("itas/extension", Channel.EMAIL, "id", facts, sample_envelope(Channel.EMAIL))

    assert "5 dokumen a.n." in sms.text
    listed = [line for line in mail.text.splitlines() if "Izin Tinggal Terbatas (ITAS) xxxx00" in line]
    assert len(listed) == 5
    assert listed[1] == (
        "- ANAK 1 MUHAMMADFIRDAUS ABDURRAHMAN WAHID HIDAYA: Izin Tinggal Terbatas (ITAS) xxxx001Z, "
        "berlaku sampai dengan 15 Maret 2027, batas waktu 12 Maret 2027"
    )


@pytest.mark.parametrize(
    ("language", "alone", "two", "five"),
    [
        ("id", "KARTAWIJAYA dengan", "(dan 1 dokumen lain) dengan", "(dan 4 dokumen lain) dengan"),
        ("en", "KARTAWIJAYA, number", "(and 1 more document), number", "(and 4 more documents), number"),
        ("zh-Hans", "xxxx000Z）", "xxxx000Z，另有 1 份证件）", "xxxx000Z，另有 4 份证件）"),
        ("ja", "xxxx000Zの", "xxxx000Z（ほか1件の書類）の", "xxxx000Z（ほか4件の書類）の"),
        ("ko", "xxxx000Z)의", "xxxx000Z, 외 서류 1건)의", "xxxx000Z, 외 서류 4건)의"),
    ],
)
def test_whatsapp_says_how_many_documents_more_it_is_about(
    templates: Templates, language: str, alone: str, two: str, five: str
) -> None:
    """S80: the same approved text serves one document and several."""
    told = [
        templates.compose(
            "itas/extension", Channel.WHATSAPP, language, sample_scenes()[scene], sample_envelope(Channel.WHATSAPP)
        ).text
        for scene in ("long names", "two documents", "several documents")
    ]

    assert alone in told[0]
    assert two in told[1]
    assert five in told[2]


def test_a_noun_that_the_words_do_not_have_is_named(tmp_path: Path) -> None:
    text = "a {{ others | more('boats') }}\n"
    folder = write(tmp_path, {"a/sms.id.txt": text, "a/sms.en.txt": text})

    found = Templates.read(folder).check()

    assert [(fault.line, fault.column) for fault in found] == [(1, 1), (1, 1)]
    assert """the words of 'en' have no "more boats"; add it to the words file""" in found[0].message


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(("language", "days"), [("id", "3 hari lalu"), ("en", "3 days ago")])
def test_a_list_for_the_office_has_a_row_for_each_subject(
    templates: Templates, name: str, language: str, days: str
) -> None:
    """S77: a digest lists everything due, each row with number, type, date, days and whose it is."""
    facts = replace(sample_scenes()["a desk with a list"], today=date(2027, 3, 18), service_due_on=date(2027, 3, 15))
    assert facts.case is not None
    facts = replace(
        facts,
        case=replace(facts.case, state="in process"),
        others=tuple(replace(item, due_at=date(2027, 3, 15)) for item in facts.others),
    )

    mail = templates.compose(name, Channel.EMAIL, language, facts, sample_envelope(Channel.EMAIL))

    assert isinstance(mail, EmailMessage)
    rows = [line.split(" | ") for line in mail.text.splitlines() if " | " in line][1:]
    assert len(rows) == 5
    assert all(len(row) == 5 and row[0].startswith("xxxx") and row[3] == days for row in rows)
    assert [row[4] for row in rows[1:3]] == [item.holder.name for item in facts.others[:2]]
    assert mail.html.count('<th scope="col"') == 5
    assert "5, 18 " in mail.subject


def test_a_stroke_in_a_name_moves_no_column(templates: Templates) -> None:
    facts = replace(sample_facts(), holder=HolderFacts("WANG | LI", "WANG"))

    mail = templates.compose("overstay/list", Channel.EMAIL, "id", facts, sample_envelope(Channel.EMAIL))

    assert isinstance(mail, EmailMessage)
    assert ">WANG | LI</td>" in mail.html


def test_a_letter_to_the_office_neither_thanks_nor_offers_to_stop(templates: Templates) -> None:
    mail = templates.compose(
        "overstay/list", Channel.EMAIL, "id", sample_scenes()["a desk with a list"], sample_envelope(Channel.EMAIL)
    )

    assert "Anda menerima pesan ini sebagai seksi intelijen dan penindakan." in mail.text
    assert "Berhenti menerima" not in mail.text
    assert "Daftar ini memuat data pribadi" in mail.text


@pytest.mark.parametrize("scene", sample_scenes().keys())
@pytest.mark.parametrize("language", ["id", "en"])
def test_no_word_to_an_overstayer_names_an_amount(templates: Templates, language: str, scene: str) -> None:
    """N1: whether the charge runs while the office is shut is open, so no text names it, on no day."""
    for channel in Channel:
        text = templates.compose(
            "overstay/early", channel, language, sample_scenes()[scene], sample_envelope(channel)
        ).text

        assert not re.search(r"\bRp|\bIDR|rupiah|1[.,]000[.,]000|per day|per hari|/hari", text, re.IGNORECASE)


def test_after_the_end_no_last_day_to_act_is_told(templates: Templates) -> None:
    """N1: the 59th day is the office's deadline; a reader must not take it for a time of grace."""
    mail = templates.compose(
        "overstay/early", Channel.EMAIL, "en", sample_scenes()["after the end"], sample_envelope(Channel.EMAIL)
    )

    assert "15 March 2027 (3 days ago)" in mail.text
    assert "May 2027" not in mail.text


@pytest.mark.parametrize(
    ("act_by", "told"),
    [(date(2031, 2, 14), "register the dual nationality"), (date(2030, 2, 13), "declare the choice of nationality")],
)
def test_a_child_registers_before_eighteen_and_chooses_after(templates: Templates, act_by: date, told: str) -> None:
    """S14: `act_by` is the day the child turns 21; three years before that it turns 18."""
    facts = replace(sample_facts(), act_by=act_by, case=None)

    message = templates.compose("citizenship/choice", Channel.WHATSAPP, "en", facts, sample_envelope(Channel.WHATSAPP))

    assert told in message.text


def test_an_unlimited_permit_is_reported_by_its_anniversary(templates: Templates) -> None:
    """S15, N3: the permit has no expiry, and the text does not ask for one."""
    facts = sample_facts()
    assert facts.document is not None
    unlimited = replace(
        facts, document=replace(facts.document, expires_on=None), act_by=None, days_left=None, case=None
    )

    mail = templates.compose("itap/report", Channel.EMAIL, "id", unlimited, sample_envelope(Channel.EMAIL))

    assert "Lapor paling lambat: Senin, 15 Maret 2027" in mail.text
    assert "Berlaku sampai dengan" not in mail.text


def test_a_survey_is_asked_with_consent_and_can_be_refused(templates: Templates) -> None:
    facts = sample_scenes()["with consent"]

    mail = templates.compose("survey/invitation", Channel.EMAIL, "en", facts, sample_envelope(Channel.EMAIL))
    chat = templates.compose("survey/reminder", Channel.WHATSAPP, "id", facts, sample_envelope(Channel.WHATSAPP))

    assert isinstance(mail, EmailMessage)
    assert "https://survei.example/jakartabarat" in mail.text
    assert '<a href="https://survei.example/jakartabarat"' in mail.html
    assert "Withdraw your consent: https://pengingat.example/u/sample" in mail.text
    assert chat.text.endswith("dengan persetujuan Anda; balas BERHENTI untuk mencabutnya.")


def test_a_survey_without_an_address_points_to_the_website(templates: Templates) -> None:
    facts = replace(sample_facts(), survey_url="")

    mail = templates.compose("survey/invitation", Channel.EMAIL, "id", facts, sample_envelope(Channel.EMAIL))

    assert "Survei ada di situs kantor kami, https://jakartabarat.imigrasi.go.id." in mail.text


def test_a_name_in_other_letters_keeps_the_sms_cheap(templates: Templates) -> None:
    facts = replace(sample_facts(), holder=HolderFacts("Łukasz 王伟", "Łukasz"))

    message = templates.compose("itas/extension", Channel.SMS, "id", facts, sample_envelope(Channel.SMS))

    assert "a.n. Lukasz " in message.text
    assert isinstance(message, SmsMessage)
    assert message.encoding == "GSM-7"


def test_a_language_that_needs_it_gets_ucs2(tmp_path: Path) -> None:
    sms = "移民局 {{ office.short_name }}: {{ document.type }} {{ document.expires_on | day }}\n"
    latin = "Imigrasi {{ office.short_name }}: {{ document.label }}\n"
    sms = f"{{# from en {fingerprint(latin, 'sms.en.txt')} #}}\n{sms}"
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
    spoken = [name for name in templates.names() if templates.languages(name, Channel.WHATSAPP)]
    files = sum(len(templates.languages(name, Channel.WHATSAPP)) for name in spoken)

    assert len(templates.placeholder_sids()) == files == 2 * len(spoken) + 3 * len(TRANSLATED)


def test_content_sids_are_all_different() -> None:
    sids = [source.manifest.content_sid for source in read_library(SHIPPED).sources if source.manifest]

    assert len(sids) == len(set(sids))


# ------------------------------------------------------------------------------------------------ languages


@pytest.mark.parametrize(
    ("wanted", "nationality", "expected"),
    [
        ("en", "ID", "en"),
        ("zh-Hans", "CN", "zh-Hans"),
        ("zh", "CN", "zh-Hans"),
        ("ja", None, "ja"),
        ("ru", "RU", "en"),
        ("ru", "ID", "id"),
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
