"""Measures rules against the register: whom a rule concerns, and its worst day of the coming year. Writes nothing."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from notifier.calendar.office import OfficeCalendar
from notifier.model import Office, OfficeId, Subject
from notifier.rules.check_register import Busiest, lasting
from notifier.rules.compile import everything
from notifier.rules.conditions import all_hold, words_asked
from notifier.rules.facts import View
from notifier.rules.moments import Dates, occurrences
from notifier.rules.places import base_field
from notifier.rules.rule import AtOnce, Moves, Rule, RuleSet, Step
from notifier.rules.steps import anchor_of
from notifier.store.candidates import due_subjects
from notifier.store.counts import subjects_by_date
from notifier.store.subjects import chunks, read_subjects

#: After so many subjects of the right type of which none is meant, the question is left open.
MOST_READ = 20_000
#: How far ahead the worst day is looked for, and how far behind and ahead of it a date may lie that counts.
AHEAD = timedelta(days=365)
FAR = timedelta(days=3 * 366)


@dataclass(frozen=True, slots=True)
class RegisterOfTheDay:
    """The register as it is on one day; answers what `rules check` asks of it. Takes a connection that cannot write."""

    connection: Connection
    offices: Mapping[OfficeId, Office]
    calendar_of: Callable[[Office], OfficeCalendar]
    now: datetime

    def concerns_anyone(self, rule: Rule, rules: RuleSet) -> bool:
        """Whether any subject meets the rule's lasting conditions; True when too many would have to be read."""
        wanted = replace(everything(rule), statuses=())
        ids = due_subjects(self.connection, wanted, [office.id for office in self._offices(rule)])
        read = 0
        for chunk in chunks(ids):
            if read >= MOST_READ:
                return True
            read += len(chunk)
            subjects = read_subjects(self.connection, rule.subject, chunk, self.offices)
            if any(self._is_concerned(rule, subject, rules) for subject in subjects.values()):
                return True
        return False

    def _is_concerned(self, rule: Rule, subject: Subject, rules: RuleSet) -> bool:
        view = View(subject, self.now, self.calendar_of(subject.office), rules, rule)
        return all_hold(lasting(rule.when), view)

    def busiest_day(self, rule: Rule, rules: RuleSet) -> Busiest | None:
        """The office and day with the most messages, one counted for each subject; None when nothing can be counted."""
        found = [self._busiest_at(rule, office, rules) for office in self._offices(rule)]
        return max((one for one in found if one is not None), key=lambda one: one.messages, default=None)

    def _busiest_at(self, rule: Rule, office: Office, rules: RuleSet) -> Busiest | None:
        calendar = self.calendar_of(office)
        today = calendar.day_of(self.now)
        days: Counter[date] = Counter()
        for dates, field, subjects in self._dated(rule, office, today, rules):
            spoken = {
                day
                for step in rule.steps
                if step.enabled and _base_of(step, rule, dates, rules) == field
                for one in occurrences(rule, step, dates, calendar, rules)
                if today <= (day := one.day or calendar.day_of(one.at)) < today + AHEAD
            }
            days.update(dict.fromkeys(spoken, subjects))  # of several steps of one day one leaves (S35, S36)
        if not days:
            return None
        day, messages = max(days.items(), key=lambda each: (each[1], -each[0].toordinal()))
        return Busiest(office.code, day, messages)

    def _dated(self, rule: Rule, office: Office, today: date, rules: RuleSet) -> Iterator[tuple[Dates, str, int]]:
        """Each date that steps of the rule count from, as the dates of a subject that has only that one."""
        types = words_asked(rule.when, "type") or ("",)
        statuses = words_asked(rule.when, "status") or ()
        empty = [Dates({}, office_code=office.code, document_type=name or None) for name in types]
        fields = {field for dates in empty for step in rule.steps if (field := _base_of(step, rule, dates, rules))}
        for field in sorted(fields):
            for found in subjects_by_date(
                self.connection,
                rule.subject,
                field,
                office_id=office.id,
                low=today - (100 * AHEAD if field == "birth date" else FAR),
                high=today + FAR,
                types=tuple(filter(None, types)),
                statuses=() if "renewed" in statuses else statuses,  # that one is worked out, not stored
                states=rule.stays,
            ):
                is_birth = field == "birth date"
                dates = Dates(
                    {} if is_birth else {field: found.value},
                    birth_date=found.value if is_birth else None,
                    office_code=office.code,
                    document_type=found.document_type or None,
                )
                yield dates, field, found.subjects

    def _offices(self, rule: Rule) -> Sequence[Office]:
        return [office for office in self.offices.values() if rule.applies_at(office.code)]


def _base_of(step: Step, rule: Rule, dates: Dates, rules: RuleSet) -> str | None:
    """The register's word of the date a step counts from; None for steps without one."""
    if isinstance(step.send, AtOnce | Moves):
        return None
    return base_field(anchor_of(step.send), dates.office_code, dates.document_type, rules, rule)
