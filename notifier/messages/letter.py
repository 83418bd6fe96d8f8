"""An e-mail as it is written: a subject, then paragraphs of six kinds, from which text and HTML are both made.

Subject: ITAS Anda berakhir 15 Maret 2027
Calendar: act_by

# A heading

A paragraph; line breaks stay as they are.

- an item of a list

| Label | a row of the table of key facts

|| Number | Expiry | Holder
|| the first line of a list in columns has the headings | the next ones | a row each

> The one thing to do: https://portal.example
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from notifier.messages.sandbox import one_line

#: Facts that `Calendar:` may name; the e-mail then carries a calendar file for it, if the fact is there.
CALENDAR_FACTS = ("appointment_at", "payment_due_at", "deadline_at", "act_by", "collect_by", "documents_due_on")


class Kind(StrEnum):
    """What a paragraph is."""

    HEADING = "heading"
    TEXT = "text"
    LIST = "list"
    TABLE = "table"
    COLUMNS = "columns"
    ACTION = "action"


_MARKS = {"# ": Kind.HEADING, "- ": Kind.LIST, "| ": Kind.TABLE, "|| ": Kind.COLUMNS, "> ": Kind.ACTION}


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph, its mark taken off. `rows` pairs label and value, of a table or of the action's one link."""

    kind: Kind
    lines: tuple[str, ...]

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        separator = ": " if self.kind is Kind.ACTION else "|"
        cut = (line.partition(separator) for line in self.lines)
        return tuple((label.strip(), value.strip()) for label, _, value in cut)

    @property
    def cells(self) -> tuple[tuple[str, ...], ...]:
        """The rows of a list in columns, its headings first.

        A row never has more cells than there are headings: a name with a stroke in it stays in its cell if it stands
        in the last column, so that is where names belong.
        """
        cuts = self.lines[0].count("|")
        return tuple(tuple(cell.strip() for cell in line.split("|", cuts)) for line in self.lines)


@dataclass(frozen=True, slots=True)
class Letter:
    """What an e-mail template says once its facts are in."""

    subject: str
    calendar: str | None
    paragraphs: tuple[Paragraph, ...]


def read_letter(text: str) -> Letter:
    """Raises ValueError when the first line is no `Subject:`, or `Calendar:` names no date."""
    first, _, rest = text.lstrip().partition("\n")
    subject = one_line(first.removeprefix("Subject:")) if first.startswith("Subject:") else ""
    if not subject:
        raise ValueError("the first line must be 'Subject: ' and the subject")
    calendar = None
    if rest.startswith("Calendar:"):
        line, _, rest = rest.partition("\n")
        calendar = line.removeprefix("Calendar:").strip()
        if calendar not in CALENDAR_FACTS:
            raise ValueError(f"'Calendar:' must name one of {', '.join(CALENDAR_FACTS)}, not {calendar!r}")
    return Letter(subject, calendar, read_paragraphs(rest))


def read_paragraphs(text: str) -> tuple[Paragraph, ...]:
    """Blank lines part paragraphs; the mark of the first line says what it is."""
    groups: list[list[str]] = [[]]
    for line in text.splitlines():
        if stripped := line.strip():
            groups[-1].append(stripped)
        elif groups[-1]:
            groups.append([])
    paragraphs = (_paragraph(lines) for lines in groups if lines)
    # A matter without a portal (an app, the counter) has an action without an address: nothing to press.
    return tuple(each for each in paragraphs if each.kind is not Kind.ACTION or each.rows[0][1])


def as_text(paragraphs: Sequence[Paragraph]) -> str:
    """The plain part of the e-mail: the same words, marks replaced by what reads well."""
    return "\n\n".join(_as_text(paragraph) for paragraph in paragraphs)


def _paragraph(lines: Sequence[str]) -> Paragraph:
    mark = next((mark for mark in _MARKS if lines[0].startswith(mark)), None)
    if mark is None:
        return Paragraph(Kind.TEXT, tuple(lines))
    return Paragraph(_MARKS[mark], tuple(line.removeprefix(mark) for line in lines))


def _as_text(paragraph: Paragraph) -> str:
    if paragraph.kind is Kind.LIST:
        return "\n".join(f"- {line}" for line in paragraph.lines)
    if paragraph.kind is Kind.TABLE:
        return "\n".join(f"{label}: {value}" for label, value in paragraph.rows)
    if paragraph.kind is Kind.COLUMNS:
        return "\n".join(" | ".join(row) for row in paragraph.cells)
    if paragraph.kind is Kind.ACTION:
        return "\n".join(f"{label}:\n{value}" for label, value in paragraph.rows)
    return "\n".join(paragraph.lines)
