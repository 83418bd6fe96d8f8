"""Calendar files: the appointment or the last day, where a person plans the week (RFC 5545)."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from notifier.messages.envelope import Envelope
from notifier.messages.facts import MessageFacts
from notifier.model import Attachment

_APPOINTMENT_LASTS = timedelta(minutes=30)  # photo and interview; offices name a beginning, not an end
_LONGEST_LINE = 75  # octets, RFC 5545 section 3.1
_ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n", "\r": None})


def calendar_file(fact: str, summary: str, facts: MessageFacts, number: str, envelope: Envelope) -> Attachment | None:
    """The calendar file for one date of the facts, or None when the facts do not have that date.

    `number` is that of the document or case, "" where there is none.

    The same matter keeps its UID over messages, so that a moved appointment moves in the reader's calendar. Written
    out here because the icalendar library took a large part of an e-mail's time for it; tests read it with that one.
    """
    value: date | datetime | None = getattr(facts, fact)
    if value is None:
        return None
    name = "appointment.ics" if isinstance(value, datetime) else "deadline.ics"
    lines = _lines(fact, value, summary, facts, number, envelope)
    return Attachment(name, "text/calendar", b"".join(_folded(line) for line in lines))


def _lines(
    fact: str, value: date | datetime, summary: str, facts: MessageFacts, number: str, envelope: Envelope
) -> Iterator[str]:
    said = summary.translate(_ESCAPES)
    yield "BEGIN:VCALENDAR"
    yield "VERSION:2.0"
    yield "PRODID:-//notifier//renewal reminders//EN"
    yield "METHOD:PUBLISH"
    yield "BEGIN:VEVENT"
    yield f"UID:{_digest(_matter(facts, number, envelope) + fact)}@{envelope.message_id_domain}"
    yield f"SEQUENCE:{int(envelope.now.timestamp()) // 60}"
    yield f"DTSTAMP:{_instant(envelope.now)}"
    yield f"SUMMARY:{said}"
    yield "CLASS:PRIVATE"
    if facts.office.address and fact in ("appointment_at", "collect_by"):
        yield f"LOCATION:{facts.office.address.translate(_ESCAPES)}"
    if isinstance(value, datetime):
        yield f"DTSTART:{_instant(value)}"
        yield f"DTEND:{_instant(value + _APPOINTMENT_LASTS)}"
        alarms = ["-P1D", "-PT2H"]
    else:
        yield f"DTSTART;VALUE=DATE:{value:%Y%m%d}"
        yield f"DTEND;VALUE=DATE:{value + timedelta(days=1):%Y%m%d}"
        yield "TRANSP:TRANSPARENT"
        alarms = ["-PT15H"]  # 09:00 of the day before
    for alarm in alarms:
        yield from ("BEGIN:VALARM", "ACTION:DISPLAY", f"DESCRIPTION:{said}", f"TRIGGER:{alarm}", "END:VALARM")
    yield "END:VEVENT"
    yield "END:VCALENDAR"


@lru_cache(maxsize=2048)
def _folded(line: str) -> bytes:
    """The line with its end, broken where it is longer than 75 octets, never inside a character."""
    if len(line.encode()) <= _LONGEST_LINE:
        return f"{line}\r\n".encode()
    parts, current = [], b""
    for character in line:
        octets = character.encode()
        if len(current) + len(octets) > _LONGEST_LINE:
            parts.append(current)
            current = b" "
        current += octets
    return b"\r\n".join([*parts, current]) + b"\r\n"


def _instant(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _matter(facts: MessageFacts, number: str, envelope: Envelope) -> str:
    return f"{facts.office.name}|{number}|" if number else envelope.stable_key


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
