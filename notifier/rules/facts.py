"""What a subject is on a day: the derived fields of the language, worked out in this one place (S90)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from notifier.calendar.office import OfficeCalendar
from notifier.model import Party, Subject, SubjectKind, Value
from notifier.rules.fields import FINAL_CASE_STATES, RECIPIENTS
from notifier.rules.moments import Dates, add_length, anchor_value
from notifier.rules.rule import Anchor, Length, Rule, RuleSet, Unit

#: What `View.value` works out; every other field is what the register holds.
DERIVED = frozenset(
    {
        "status",
        "extendable",
        "open case",
        "case.service",
        "case.state",
        "payment time",
        "recommended day",
        "holder.age",
        "holder.nationality",
        "holder.language",
        "holder.kind",
        *RECIPIENTS,
    }
)


@dataclass(frozen=True)
class View:
    """A subject seen at one instant: every question of a rule is asked here, and worked out once."""

    subject: Subject
    now: datetime
    calendar: OfficeCalendar
    rules: RuleSet
    rule: Rule | None = None

    @cached_property
    def today(self) -> date:
        """The date on the clock of the subject's office (S1)."""
        return self.calendar.day_of(self.now)

    @cached_property
    def dates(self) -> Dates:
        """What moments are computed from."""
        holder = self.subject.holder
        return Dates(
            values=self.subject.facts,
            birth_date=holder.birth_date if holder else None,
            began_at=self.stay_began_at,
            office_code=self.subject.office.code,
            document_type=document_type(self.subject),
        )

    @cached_property
    def stay_began_at(self) -> datetime | None:
        """When the present stay began: in the states of the rule's `while`, else in the present state."""
        if self.subject.kind is not SubjectKind.CASE:
            return None
        states = self.rule.stays if self.rule and self.rule.stays else (str(self.subject.facts.get("state")),)
        stay = present_stay(self, states)
        return stay[1] if stay else None

    def value(self, name: str) -> Value:
        """The value of a field, None when it is missing."""
        match name:
            case "status":
                return "renewed" if self._is_renewed() else self.subject.facts.get("status")
            case "extendable":
                return self._extendable()
            case "open case":
                return self._open_case() is not None or None
            case "case.service" | "case.state":
                case = self._open_case()
                return case.get(name.removeprefix("case.")) if case else None
            case "payment time":
                return self._payment_time()
            case "recommended day":
                return anchor_value(Anchor("recommended day"), self.dates, self.calendar, self.rules, self.rule)
            case "holder.age":
                holder = self.subject.holder
                return age_on(holder.birth_date, self.today) if holder and holder.birth_date else None
            case "holder.nationality" | "holder.language" | "holder.kind":
                holder = self.subject.holder
                return getattr(holder, name.removeprefix("holder.")) if holder else None
            case _ if name in RECIPIENTS:
                return any(held.role == name and held.counts_on(self.today) for held in self.subject.roles) or None
            case _:
                return self.subject.facts.get(name)

    def other(self, facts: Mapping[str, Value]) -> "View":
        """The same day, looking at another permit of the holder (S92)."""
        subject = Subject(self.subject.kind, 0, "", self.subject.office, facts, self.subject.roles)
        return View(subject, self.now, self.calendar, self.rules)

    def _is_renewed(self) -> bool:
        """Another permit of the holder, of the same or a successor type, issued later and ending later (S56)."""
        if not self.subject.others:
            return False
        facts = self.subject.facts
        issue, expiry, kind = facts.get("issue"), facts.get("expiry"), facts.get("type")
        if not isinstance(issue, date) or not isinstance(expiry, date):
            return False
        document = self.rules.documents.get(str(kind))
        replacing = {kind, *(document.successors if document else ())}
        return any(
            other.get("type") in replacing
            and other.get("status") != "cancelled"
            and _later(other.get("issue"), issue)
            and _later(other.get("expiry"), expiry)
            for other in self.subject.others
        )

    def _extendable(self) -> bool | None:
        if self.subject.facts.get("extensions left") == 0:
            return False
        stored = self.subject.facts.get("extendable")
        if isinstance(stored, bool):
            return stored
        document = self.rules.documents.get(str(self.subject.facts.get("type")))
        return document.extendable if document else None

    def _open_case(self) -> Mapping[str, Value] | None:
        document = self.rules.documents.get(str(self.subject.facts.get("type")))
        services = document.services if document else ()
        for case in self.subject.cases:
            if case.get("service") in services and case.get("state") not in FINAL_CASE_STATES:
                return case
        return None

    def _payment_time(self) -> timedelta | None:
        deadline, began = self.subject.facts.get("payment deadline"), self.stay_began_at
        if not isinstance(deadline, datetime) or began is None:
            return None
        return deadline - began


def _later(value: Value, than: date) -> bool:
    return isinstance(value, date) and value > than


def document_type(subject: Subject) -> str | None:
    """The type of the document a subject is, None for a case."""
    kind = subject.facts.get("type")
    return str(kind) if kind is not None else None


def age_on(born: date, day: date) -> int:
    """Whole years on a day; who was born on 29 February has the birthday on the 28th in common years (S14)."""
    years = day.year - born.year
    birthday = birthday_in(born, day.year)
    return years if day >= birthday else years - 1


def birthday_in(born: date, year: int) -> date:
    """The birthday in a year, clamped to the month's end."""
    try:
        return born.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def latest_birth(age: int, day: date) -> date:
    """The last date of birth of those who are that old on a day; who was born on it or before is, nobody else (S14)."""
    born = date(max(day.year - age, 1), day.month, min(day.day, 28)) + timedelta(days=4)
    while age_on(born, day) < age and born > date.min:
        born -= timedelta(days=1)
    return born


def is_minor(party: Party | None, day: date, adult_age: int) -> bool:
    """Under age on that day; an unknown birth date means an adult."""
    return party is not None and party.birth_date is not None and age_on(party.birth_date, day) < adult_age


def present_stay(view: View, states: tuple[str, ...]) -> tuple[int, datetime] | None:
    """Identity and beginning of the present stay in any of the states, or None when the case is in none (S54, S55).

    A stay entered again within the rule's `correction` after leaving is the old one going on.
    """
    stays = [
        stay for stay in sorted(view.subject.stays, key=lambda stay: (stay.began_at, stay.id)) if stay.state in states
    ]
    if not stays or stays[-1].ended_at is not None:
        return None
    correction = view.rule.correction if view.rule else Length(1, Unit.HOUR)
    first = stays[-1]
    for earlier in reversed(stays[:-1]):
        ended = earlier.ended_at
        if ended is None or first.began_at > _after(ended, correction, view.calendar):
            break
        first = earlier
    return first.id, first.began_at


def _after(instant: datetime, length: Length, calendar: OfficeCalendar) -> datetime:
    if length.is_short:
        return instant + length.stretch
    day = calendar.day_of(instant)
    return instant + (add_length(day, length, 1, calendar) - day)
