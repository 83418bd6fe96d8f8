"""Building the e-mail: a letter in plain text and HTML, headers for machines, a calendar file where one helps."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from notifier.messages.envelope import Envelope
from notifier.messages.facts import MessageFacts
from notifier.messages.invitation import calendar_file
from notifier.messages.languages import direction_of
from notifier.messages.letter import Letter, Paragraph, as_text, read_letter, read_paragraphs
from notifier.model import EmailMessage, Filled

#: Names the HTML layout gets besides the facts.
LAYOUT_NAMES = frozenset({"subject", "paragraphs", "footer", "preheader", "language", "direction", "links"})

LONGEST_SUBJECT = 200
_SAFE_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Words:
    """What an e-mail says, before it is addressed. `calendar` names the fact of its calendar file."""

    subject: str
    text: str
    html: str
    calendar: str | None
    filled: Filled | None = field(default=None, compare=False)


def write_words(
    letter_text: str,
    footer_text: str,
    layout: Callable[[Mapping[str, object]], str],
    facts: MessageFacts,
    language: str,
) -> Words:
    """The words. `letter_text` and `footer_text` are rendered templates; `layout` makes the HTML of them.

    Raises ValueError when the letter has no subject.
    """
    letter = read_letter(letter_text)
    footer = read_paragraphs(footer_text)
    subject = letter.subject[:LONGEST_SUBJECT]
    text = f"{as_text(letter.paragraphs)}\n\n-- \n{as_text(footer)}\n"
    return Words(subject, text, layout(_layout_names(letter, footer, subject, facts, language)), letter.calendar)


def build_email(words: Words, facts: MessageFacts, number: str, envelope: Envelope, language: str) -> EmailMessage:
    """The finished e-mail about the document or case with this number; of persons, only the words speak."""
    attachment = calendar_file(words.calendar, words.subject, facts, number, envelope) if words.calendar else None
    return EmailMessage(
        delivery_id=envelope.delivery_id,
        to=envelope.to,
        sender=envelope.sender,
        subject=words.subject,
        text=words.text,
        html=words.html,
        message_id=message_id(envelope),
        headers=_headers(envelope, language),
        attachments=(attachment,) if attachment else (),
        language=language,
        filled=words.filled,
    )


def message_id(envelope: Envelope) -> str:
    """`<key@domain>`, the same whenever the same message is built; a key with unusual signs is hashed."""
    key = envelope.stable_key
    if not _SAFE_KEY.fullmatch(key) or ".." in key or key.endswith("."):
        key = hashlib.sha256(key.encode()).hexdigest()[:40]
    return f"<{key}@{envelope.message_id_domain}>"


def _layout_names(
    letter: Letter,
    footer: tuple[Paragraph, ...],
    subject: str,
    facts: MessageFacts,
    language: str,
) -> dict[str, object]:
    addresses = (facts.action_url, facts.survey_url, facts.verify_url, facts.optout_url, facts.office.website)
    return {
        "subject": subject,
        "paragraphs": letter.paragraphs,
        "footer": footer,
        "preheader": next((each.lines[0] for each in letter.paragraphs if each.kind == "heading"), subject),
        "language": language,
        "direction": direction_of(language),
        "links": tuple(filter(None, addresses)),
    }


def _headers(envelope: Envelope, language: str) -> dict[str, str]:
    headers = {"Content-Language": language, "Auto-Submitted": "auto-generated"}
    ways = [f"<{envelope.unsubscribe_url}>"] if envelope.unsubscribe_url else []
    if envelope.unsubscribe_mailto:
        ways.append(f"<mailto:{envelope.unsubscribe_mailto.removeprefix('mailto:')}>")
    if ways:
        headers["List-Unsubscribe"] = ", ".join(ways)
    # RFC 8058 asks for an https address; with a mailto alone the second header would promise what nobody does.
    if envelope.unsubscribe_url and envelope.unsubscribe_url.startswith("https://"):
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers
