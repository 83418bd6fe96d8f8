"""What a text may speak of: the frozen facts of one message, and nothing of the register besides."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

#: Never shown on channels that anyone near the telephone can read.
SECRET = frozenset({"document.number", "case.number", "holder.nationality", "recipient.nationality"})

_OFFICE_TITLES = ("Kantor Imigrasi", "Kelas I", "Kelas II", "Kelas III", "Khusus", "Non TPI", "TPI", "Imigrasi")


@dataclass(frozen=True, slots=True)
class OfficeFacts:
    """The sender. `hours_today` is ready to print ("08.00-15.00"); `zone_label` is WIB, WITA, WIT or the like."""

    name: str
    phone: str | None = None
    address: str | None = None
    website: str | None = None
    hours_today: str | None = None
    zone_label: str = ""

    @property
    def short_name(self) -> str:
        """The name without its official titles, so that "Imigrasi {short_name}" never says it twice."""
        return _without_titles(self.name)


@lru_cache(maxsize=1024)
def _without_titles(name: str) -> str:
    rest = name.strip()
    while title := next((each for each in _OFFICE_TITLES if rest.lower().startswith(each.lower() + " ")), ""):
        rest = rest[len(title) :].strip()
    return rest


@dataclass(frozen=True, slots=True)
class RecipientFacts:
    """Who reads it. `kind` is person, organisation or desk; `role` is the word of the rule: holder, sponsor, …"""

    name: str
    kind: str = "person"
    role: str = "holder"

    @property
    def is_staff(self) -> bool:
        """Somebody of the office: no thanks for data, no opting out, no tale of whose document it is."""
        return self.kind == "desk" or self.role == "officer" or self.role.endswith(" desk")


@dataclass(frozen=True, slots=True)
class HolderFacts:
    """Whose document or case it is. `name_short` comes from `masking.short_name` and is meant for SMS."""

    name: str
    name_short: str


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """The permit. `number_masked` comes from `masking.mask`; `label` is what people call it ("ITAS")."""

    type: str
    label: str
    number: str
    number_masked: str
    expires_on: date | None = None
    issued_on: date | None = None


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """The application. `service` and `state` are words of the rule language; texts put them through `| word`."""

    number: str
    number_masked: str
    service: str
    state: str


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """One permit or case of a message that speaks of several (S80, digests).

    `due_at` is the date this item is about: its appointment, payment deadline, last day of collection.
    """

    holder: HolderFacts
    document: DocumentFacts | None = None
    case: CaseFacts | None = None
    act_by: date | None = None
    due_at: date | datetime | None = None


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """Everything a template sees, under these names.

    Days are days of the office, instants are aware and already on the office's clock. `today` is the day of sending, so
    that every "in 5 days" is true when it is read. `days_left` counts from `today` to the date the rule is about (S5).
    `act_by` is the last day on which acting still helps (S39), `opens_on` the first day on which filing is possible.
    `anniversary_on` is the yearly date a step counts from, `service_due_on` the day an application was promised for.
    `others` are what was merged into this message; the most urgent is the message itself.
    """

    office: OfficeFacts
    recipient: RecipientFacts
    holder: HolderFacts
    today: date
    document: DocumentFacts | None = None
    case: CaseFacts | None = None
    act_by: date | None = None
    days_left: int | None = None
    opens_on: date | None = None
    deadline_at: datetime | None = None
    appointment_at: datetime | None = None
    payment_due_at: datetime | None = None
    collect_by: date | None = None
    documents_due_on: date | None = None
    service_due_on: date | None = None
    anniversary_on: date | None = None
    portal_url: str = ""
    verify_url: str = ""
    optout_url: str = ""
    survey_url: str = ""
    step: str = ""
    rule: str = ""
    urgent: bool = False
    legal_basis: str = ""
    others: tuple[ItemFacts, ...] = ()

    @property
    def portal(self) -> str:
        """Where the person acts: passports only in the M-Paspor app, everything else in the portal of the settings."""
        for_passport = (self.document is not None and self.document.type == "passport") or (
            self.case is not None and self.case.service == "passport"
        )
        return "M-Paspor" if for_passport else self.portal_url.split("//")[-1].strip("/")

    @property
    def action_url(self) -> str:
        """The portal's address where there is one to open; M-Paspor is an app and has none."""
        return "" if self.portal == "M-Paspor" else self.portal_url

    @property
    def items(self) -> tuple[ItemFacts, ...]:
        """This message's own subject and the merged ones, in that order: what a list in an e-mail shows."""
        return (ItemFacts(self.holder, self.document, self.case, self.act_by, self._due_at()), *self.others)

    def _due_at(self) -> date | datetime | None:
        """The date the application in hand is about, by the state it is in."""
        if self.case is None:
            return None
        match self.case.state:
            case "scheduled":
                return self.appointment_at
            case "awaiting payment":
                return self.payment_due_at
            case "documents required":
                return self.documents_due_on
            case "ready for collection":
                return self.collect_by
            case _:
                return self.service_due_on


class Persons(NamedTuple):
    """What of the facts is one person's alone; "" for what is not there."""

    recipient: str
    holder: str
    holder_short: str
    document: str = ""
    document_masked: str = ""
    case: str = ""
    case_masked: str = ""
    optout_url: str = ""


def persons_of(facts: MessageFacts) -> Persons:
    """What stands in the facts now."""
    document, case = facts.document, facts.case
    return Persons(
        facts.recipient.name,
        facts.holder.name,
        facts.holder.name_short,
        document.number if document else "",
        document.number_masked if document else "",
        case.number if case else "",
        case.number_masked if case else "",
        facts.optout_url,
    )


def with_persons(facts: MessageFacts, persons: Persons) -> MessageFacts:
    """The same facts about somebody else."""
    document, case = facts.document, facts.case
    return replace(
        facts,
        recipient=replace(facts.recipient, name=persons.recipient),
        holder=HolderFacts(persons.holder, persons.holder_short),
        document=replace(document, number=persons.document, number_masked=persons.document_masked)
        if document
        else None,
        case=replace(case, number=persons.case, number_masked=persons.case_masked) if case else None,
        optout_url=persons.optout_url,
    )


#: Names a template may use, properties included.
NAMES = (*(each.name for each in fields(MessageFacts)), "portal", "action_url", "items")


def names_for_template(facts: MessageFacts, names: Iterable[str] = NAMES) -> dict[str, object]:
    """The facts as the top-level names of a template: `office.name`, `act_by`, …; all of them, or these."""
    return {name: getattr(facts, name) for name in names}
