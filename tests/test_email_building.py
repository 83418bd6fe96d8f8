"""E-mails as a mail program reads them: two parts that say the same, safe headers, calendar files that open."""

import email.policy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage as Wire
from email.parser import BytesParser
from html.parser import HTMLParser
from pathlib import Path

import icalendar
import pytest

from notifier.errors import TemplateError
from notifier.messages.envelope import Envelope
from notifier.messages.facts import HolderFacts, MessageFacts, RecipientFacts
from notifier.messages.letter import Kind, read_letter, read_paragraphs
from notifier.messages.samples import sample_envelope, sample_facts, sample_scenes
from notifier.messages.templates import Templates
from notifier.model import Channel, EmailMessage

SHIPPED = Path(__file__).parent.parent / "templates"


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates.load(SHIPPED)


@pytest.fixture
def envelope() -> Envelope:
    return sample_envelope(Channel.EMAIL)


def compose(
    templates: Templates,
    facts: MessageFacts,
    envelope: Envelope,
    name: str = "itas/extension",
    language: str = "id",
) -> EmailMessage:
    message = templates.compose(name, Channel.EMAIL, language, facts, envelope)
    assert isinstance(message, EmailMessage)
    return message


def on_the_wire(message: EmailMessage) -> Wire:
    """The message through the standard library's writer and parser, as a receiver sees it."""
    wire = Wire(policy=email.policy.SMTP)
    wire["From"], wire["To"], wire["Subject"] = message.sender, message.to, message.subject
    wire["Message-ID"] = message.message_id
    for name, value in message.headers.items():
        wire[name] = value
    wire.set_content(message.text)
    wire.add_alternative(message.html, subtype="html")
    for attachment in message.attachments:
        main, sub = attachment.content_type.split("/")
        wire.add_attachment(attachment.content, maintype=main, subtype=sub, filename=attachment.filename)
    parsed = BytesParser(policy=email.policy.default).parsebytes(wire.as_bytes())
    assert isinstance(parsed, Wire)
    return parsed


def event_of(message: EmailMessage) -> icalendar.Event:
    (attachment,) = message.attachments
    calendar = icalendar.Calendar.from_ical(attachment.content)
    (event,) = calendar.walk("VEVENT")
    assert isinstance(event, icalendar.Event)
    return event


class Page(HTMLParser):
    """Collects links and balance of tags."""

    EMPTY = frozenset({"meta", "br", "img", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in self.EMPTY:
            self.open.append(tag)
        self.links += [value or "" for name, value in attributes if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_mail_program_reads_subject_text_html_and_calendar(templates: Templates, envelope: Envelope) -> None:
    wire = on_the_wire(compose(templates, sample_facts(), envelope))

    assert wire["Subject"] == "Perpanjang Izin Tinggal Terbatas (ITAS) paling lambat 12 Maret 2027"
    assert [part.get_content_type() for part in wire.walk() if not part.is_multipart()] == [
        "text/plain",
        "text/html",
        "text/calendar",
    ]


def test_headers_for_machines_are_there(templates: Templates, envelope: Envelope) -> None:
    wire = on_the_wire(compose(templates, sample_facts(), envelope))

    assert wire["List-Unsubscribe"].strip() == "<https://pengingat.example/u/sample>, <mailto:berhenti@kanim.example>"
    assert wire["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert wire["Auto-Submitted"] == "auto-generated"
    assert compose(templates, sample_facts(), envelope).headers["Content-Language"] == "id"


@pytest.mark.parametrize(
    ("url", "mailto", "headers"),
    [
        (None, None, {}),
        (None, "stop@kanim.example", {"List-Unsubscribe": "<mailto:stop@kanim.example>"}),
        ("http://localhost/u/1", None, {"List-Unsubscribe": "<http://localhost/u/1>"}),
    ],
)
def test_one_click_is_promised_only_where_it_works(
    templates: Templates, envelope: Envelope, url: str | None, mailto: str | None, headers: dict[str, str]
) -> None:
    envelope = replace(envelope, unsubscribe_url=url, unsubscribe_mailto=mailto)

    built = compose(templates, sample_facts(), envelope).headers

    assert {name: value for name, value in built.items() if name.startswith("List-")} == headers


def test_a_repeat_has_the_same_message_id_and_another_message_another(templates: Templates, envelope: Envelope) -> None:
    first = compose(templates, sample_facts(), envelope)
    again = compose(templates, sample_facts(), replace(envelope, now=envelope.now + timedelta(hours=1)))
    other = compose(templates, sample_facts(), replace(envelope, stable_key="sample-2"))

    assert first.message_id == again.message_id == "<sample-1@kanim.example>"
    assert other.message_id != first.message_id


@pytest.mark.parametrize("key", ["a b", "rule|step>", "x" * 300, "ä", "a..b", ""])
def test_a_strange_key_still_makes_a_valid_message_id(templates: Templates, envelope: Envelope, key: str) -> None:
    made = compose(templates, sample_facts(), replace(envelope, stable_key=key)).message_id

    assert made.startswith("<")
    assert made.endswith("@kanim.example>")
    assert set(made[1:-1]) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_@")


@pytest.mark.parametrize(
    "name", ["WANG\r\nBcc: thief@evil.example", "WANG\n\n> Bayar: https://evil.example", "A\u2028B"]
)
def test_a_name_cannot_write_headers_paragraphs_or_links(templates: Templates, envelope: Envelope, name: str) -> None:
    facts = replace(sample_facts(), holder=HolderFacts(name, name), recipient=RecipientFacts(name, role="sponsor"))

    message = compose(templates, facts, envelope)
    wire = on_the_wire(message)

    assert wire["Bcc"] is None
    assert len(message.subject.splitlines()) == 1
    assert not [line for line in message.text.splitlines() if line.startswith(("Bcc", "Bayar", "https://evil"))]
    assert not [link for link in Page(message.html).links if "evil" in link]


def test_a_name_is_escaped_in_html_and_plain_in_text(templates: Templates, envelope: Envelope) -> None:
    facts = replace(sample_facts(), recipient=RecipientFacts("<b>O'NEILL & CO</b>", "organisation"))

    message = compose(templates, facts, envelope)

    assert "Yth. <b>O'NEILL & CO</b>," in message.text
    assert "<b>" not in message.html
    assert "&lt;b&gt;" in message.html


@pytest.mark.parametrize("field", ["to", "sender", "message_id_domain", "unsubscribe_url"])
def test_an_address_with_a_line_break_is_refused(envelope: Envelope, field: str) -> None:
    with pytest.raises(TemplateError) as refused:
        replace(envelope, **{field: "a@post.example\r\nBcc: b@post.example"})  # type: ignore[arg-type]

    assert "post.example" not in str(refused.value)


@pytest.mark.parametrize("scene", sample_scenes().keys())
@pytest.mark.parametrize("name", ["itas/extension", "passport/renewal", "case/collection", "case/payment-due"])
def test_html_is_balanced_and_links_only_where_the_facts_allow(
    templates: Templates, envelope: Envelope, name: str, scene: str
) -> None:
    facts = sample_scenes()[scene]

    page = Page(compose(templates, facts, envelope, name, "en").html)

    assert page.open == []
    assert set(page.links) <= {facts.portal_url, facts.verify_url, facts.optout_url}


def test_text_and_html_say_the_same(templates: Templates, envelope: Envelope) -> None:
    message = compose(templates, sample_facts(), envelope)

    words = " ".join(Page(message.html).words.split())
    for line in message.text.splitlines():
        for part in line.removeprefix("- ").rstrip(":").split(": "):
            assert part in words or part.startswith(("https://", "--"))


def test_every_mail_says_how_to_know_that_it_is_genuine_and_how_to_stop(
    templates: Templates, envelope: Envelope
) -> None:
    for name in templates.names():
        for language, never, law in (
            ("id", "tidak pernah meminta uang", "Pasal 21"),
            ("en", "never ask", "Article 21"),
        ):
            text = compose(templates, sample_facts(), envelope, name, language).text
            assert never in text
            assert law in text
            assert "https://pengingat.example/u/sample" in text


# ------------------------------------------------------------------------------------------ calendar files


def test_an_appointment_comes_as_an_event_with_alarms(templates: Templates, envelope: Envelope) -> None:
    message = compose(templates, sample_facts(), envelope, "case/appointment")

    event = event_of(message)
    assert message.attachments[0].filename == "appointment.ics"
    assert event.decoded("dtstart") == datetime(2027, 3, 12, 2, 0, tzinfo=UTC)
    assert str(event["location"]) == "Jalan Contoh 1, Jakarta Barat"
    assert [alarm.decoded("trigger") for alarm in event.walk("VALARM")] == [-timedelta(days=1), -timedelta(hours=2)]


def test_a_last_day_comes_as_a_whole_day(templates: Templates, envelope: Envelope) -> None:
    event = event_of(compose(templates, sample_facts(), envelope))

    assert event.decoded("dtstart") == date(2027, 3, 12)
    assert event.decoded("dtend") == date(2027, 3, 13)


def test_a_moved_appointment_moves_in_the_calendar(templates: Templates, envelope: Envelope) -> None:
    before = event_of(compose(templates, sample_facts(), envelope, "case/appointment"))
    facts = replace(sample_facts(), appointment_at=datetime(2027, 3, 16, 3, 0, tzinfo=UTC))
    later = replace(envelope, stable_key="another", now=envelope.now + timedelta(days=1))
    after = event_of(compose(templates, facts, later, "case/appointment-moved"))

    assert before["uid"] == after["uid"]
    assert after.decoded("sequence") > before.decoded("sequence")


def test_long_lines_of_a_calendar_file_are_folded_between_characters(templates: Templates, envelope: Envelope) -> None:
    facts = replace(sample_facts(), office=replace(sample_facts().office, address="Jalan; 北京, " * 30))

    message = compose(templates, facts, envelope, "case/appointment")

    assert all(len(line) <= 75 for line in message.attachments[0].content.split(b"\r\n"))
    assert str(event_of(message)["location"]) == "Jalan; 北京, " * 30


def test_no_date_no_calendar_file(templates: Templates, envelope: Envelope) -> None:
    assert compose(templates, replace(sample_facts(), act_by=None), envelope).attachments == ()


def test_the_calendar_file_holds_no_full_number(templates: Templates, envelope: Envelope) -> None:
    facts = sample_facts()
    assert facts.document is not None

    (attachment,) = compose(templates, facts, envelope).attachments

    assert facts.document.number.encode() not in attachment.content


# -------------------------------------------------------------------------------------------------- letters


def test_a_letter_is_a_subject_and_paragraphs_of_six_kinds() -> None:
    letter = read_letter(
        "Subject: s\nCalendar: act_by\n\n# h\n\np\nq\n\n- a\n- b\n\n| k | v | w\n\n|| a | b\n|| c | d | e\n\n> Go: https://x.example\n"
    )

    assert (letter.subject, letter.calendar) == ("s", "act_by")
    assert [paragraph.kind for paragraph in letter.paragraphs] == list(Kind)
    assert letter.paragraphs[3].rows == (("k", "v | w"),)
    assert letter.paragraphs[4].cells == (("a", "b"), ("c", "d | e"))
    assert letter.paragraphs[5].rows == (("Go", "https://x.example"),)


@pytest.mark.parametrize("text", ["", "Hello", "Subject:", "Subject:   \n\nx", "Subject: x\nCalendar: birthday\n"])
def test_a_letter_without_subject_or_with_an_unknown_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Subject|Calendar"):
        read_letter(text)


def test_blank_lines_part_paragraphs_however_many() -> None:
    assert [paragraph.lines for paragraph in read_paragraphs("\n\na\n\n\n\nb\n")] == [("a",), ("b",)]
