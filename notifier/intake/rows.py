"""One row of a table into one record of the register, or every fault of the row at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from notifier.intake.cells import (
    Cell,
    CellFault,
    Vocabulary,
    count_of,
    day_of,
    instant_of,
    text_of,
    time_of,
    yes_no_of,
)
from notifier.intake.columns import Kind
from notifier.intake.contacts import EmailReader, MobileReader
from notifier.intake.phrases import days_of, language_of, nationality_of, weekdays_of, zone_of
from notifier.intake.row import Reading, Row, RowFaults, holders
from notifier.model import Channel
from notifier.rules.fields import CASE_STATES, ORIGINS, PERMIT_STATUSES
from notifier.store.records import OfficeRecord, PartyRecord, SubjectRecord

Record = OfficeRecord | PartyRecord | SubjectRecord

#: Types and services that the product ships rules for; an installation names its own in rules/documents.yaml.
SHIPPED_TYPES = (
    "passport",
    "foreign passport",
    "ITK",
    "BVK",
    "ITAS",
    "ITAP",
    "dual nationality certificate",
    "ABTC",
)
SHIPPED_SERVICES = (
    "passport",
    "visit permit extension",
    "limited stay permit",
    "limited stay permit extension",
    "permanent stay permit",
    "permanent stay permit extension",
    "change of status",
    "APEC card",
    "dual nationality certificate",
)

#: Columns of a case in the file -> in the register.
CASE_INSTANTS = {
    "submitted_at": True,  # may be a day only: the clock time of a submission decides nothing
    "payment_due_at": False,
    "paid_at": True,
    "appointment_at": False,
    "closed_at": True,
}
CASE_DAYS = {
    "docs_due_on": "documents_due_on",
    "sla_due_on": "service_due_on",
    "issued_on": "issue",
    "collect_by": "collect_by",
}


@dataclass(frozen=True, slots=True)
class Words:
    """The document types and services of an installation. Unless `closed`, others are taken as written.

    `country` (two letters) is whose national form a telephone number without country code has, if the offices
    do not say.
    """

    types: tuple[str, ...] = SHIPPED_TYPES
    services: tuple[str, ...] = SHIPPED_SERVICES
    closed: bool = False
    country: str = "ID"


_number = partial(text_of, limit=128)


class RowReader:
    """Reads rows of every kind. `offices`: code -> zone of each office the register has; `today` in UTC."""

    def __init__(self, words: Words, offices: Mapping[str, ZoneInfo], *, country: str | None, today: date) -> None:
        self.offices = offices
        self.today = today
        self._codes = Vocabulary(offices)
        self._kinds = Vocabulary(("person", "organisation"))
        self._types = Vocabulary(words.types, closed=words.closed)
        self._services = Vocabulary(words.services, closed=words.closed)
        self._statuses, self._origins = Vocabulary(PERMIT_STATUSES), Vocabulary(ORIGINS)
        self._states = Vocabulary(CASE_STATES)
        self._mobile, self._email = MobileReader(country or words.country), EmailReader()
        self._of_person: tuple[Reading[Any], ...] = (
            Reading("kind", self._kinds.read, can_be_empty=False),
            Reading("language", language_of),
            Reading("birth_date", self._past_day),
            Reading("nationality", nationality_of),
            Reading("zone", zone_of),
            Reading("deceased_on", self._past_day),
        )
        self._of_permit: tuple[Reading[Any], ...] = (
            Reading("status", self._statuses.read, can_be_empty=False),
            Reading("origin", self._origins.read),
            *(Reading(column, day_of) for column in ("issue", "expiry", "arrival", "departure_deadline")),
            Reading("extendable", yes_no_of),
            Reading("extensions_left", count_of),
        )
        self._readers: Mapping[Kind, Callable[[Row], Record]] = {
            Kind.OFFICES: self._office,
            Kind.PEOPLE: self._person,
            Kind.PERMITS: self._permit,
            Kind.CASES: self._case,
        }
        zones: dict[str | None, ZoneInfo] = {None: ZoneInfo("UTC")}  # None: the office is at fault
        zones.update(offices)
        self._zoned = {
            (code, enough): partial(instant_of, zone=zone, day_is_enough=enough)
            for code, zone in zones.items()
            for enough in (True, False)
        }

    def read(self, kind: Kind, cells: Mapping[str, Cell]) -> Record:
        """The record of a row. Raises RowFaults with all that is wrong in it."""
        row = Row(cells)
        record = self._readers[kind](row)
        if row.faults:
            raise RowFaults(row.faults)
        return record

    def _office(self, row: Row) -> OfficeRecord:
        values: dict[str, object] = {
            "name": row.needed("name", text_of),
            "zone": row.needed("zone", zone_of),
        }
        row.put(values, "country", nationality_of, can_be_empty=False)
        for column in ("province", "address", "website"):
            row.put(values, column, text_of)
        for column in ("phone", "sms_sender", "whatsapp_sender"):
            row.put(values, column, partial(text_of, limit=32))
        row.put(values, "email_sender", self._email.read)
        row.put(values, "opens_at", time_of, can_be_empty=False)
        row.put(values, "closes_at", time_of, can_be_empty=False)
        row.put(values, "weekdays", weekdays_of, can_be_empty=False)
        for column in ("closed_days", "working_days"):
            if column in row.cells:
                values[column] = row.take(column, days_of) or []
        opens, closes = values.get("opens_at"), values.get("closes_at")
        if opens is not None and closes is not None and str(closes) <= str(opens):
            row.faults.append(("closes_at", "is not after opens_at; check both"))
        desks = {
            name: row.take(f"{name}_desk_email", self._email.read)
            for name in ("front", "enforcement")
            if f"{name}_desk_email" in row.cells
        }
        code = row.needed("code", partial(text_of, limit=64)) or ""
        return OfficeRecord(code, values, desks)

    def _person(self, row: Row) -> PartyRecord:
        values: dict[str, object] = {"name": row.needed("name", text_of)}
        row.put_all(values, self._of_person)
        contacts: dict[Channel, str | None] = {}
        for channel, column, parse in (
            (Channel.SMS, "phone", self._mobile.read),
            (Channel.WHATSAPP, "whatsapp", self._mobile.read),
            (Channel.EMAIL, "email", self._email.read),
        ):
            if column in row.cells:
                contacts[channel] = row.take(column, parse)
        row.put(values, "household", _number)
        number = row.needed("number", _number) or ""
        if number.startswith("desk:"):
            row.faults.append(("number", "begins with desk:, which stands for desks of offices; choose another"))
        return PartyRecord(number, values, contacts, row.attributes())

    def _past_day(self, cell: Cell) -> date | None:
        day = day_of(cell)
        if day is not None and day > self.today:
            raise CellFault("lies in the future; check it")
        return day

    def _permit(self, row: Row) -> SubjectRecord:
        values: dict[str, object] = {"type": row.needed("type", self._types.read)}
        row.put_all(values, self._of_permit)
        issue, expiry = values.get("issue"), values.get("expiry")
        if isinstance(issue, date) and isinstance(expiry, date) and expiry < issue:
            row.faults.append(("expiry", "lies before issue; check both"))
        return self._subject(row, values, ("sponsor", "guardian", "agent"), self._office_code(row))

    def _case(self, row: Row) -> SubjectRecord:
        values: dict[str, object] = {
            "service": row.needed("service", self._services.read),
            "state": row.needed("state", self._states.read),
        }
        office = self._office_code(row)
        for column, day_is_enough in CASE_INSTANTS.items():
            row.put(values, column, self._zoned[office, day_is_enough])
        for column, name in CASE_DAYS.items():
            row.put(values, column, day_of, name=name)
        since = row.take("state_since", self._zoned[office, True])
        roles = ("payer", "sponsor", "guardian", "agent", "officer")
        return self._subject(row, values, roles, office, state_since=since)

    def _office_code(self, row: Row) -> str | None:
        if row.cells.get("office") not in (None, "") and not self.offices:
            row.faults.append(("office", "the register has no offices yet; import offices first"))
            return None
        return row.needed("office", self._codes.read)

    def _subject(
        self,
        row: Row,
        values: Mapping[str, object],
        roles: tuple[str, ...],
        office: str | None,
        *,
        state_since: datetime | None = None,
    ) -> SubjectRecord:
        return SubjectRecord(
            number=row.needed("number", _number) or "",
            office=office,
            holder=row.needed("holder", _number),
            values=values,
            roles={name: holders(row, name) for name in roles if name in row.cells},
            attributes=row.attributes(),
            names_permit="permit" in row.cells,
            permit=row.take("permit", _number),
            state_since=state_since,
        )
