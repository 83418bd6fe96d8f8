"""Courses: what a rule tells about a subject over a span, worked out once for all subjects that are alike."""

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from notifier.calendar.office import OfficeCalendar
from notifier.model import Entry, Office, Party, Subject, SubjectKind
from notifier.reconcile import is_pending
from notifier.rules.decision import Ground
from notifier.rules.reads import Reads, Span, office_class_of
from notifier.rules.rule import Rule, RuleSet
from notifier.rules.timeline import timeline

log = logging.getLogger(__name__)

#: So many kinds of subjects are remembered; then all of them are forgotten. Cases count from instants, and hardly two
#: are alike.
REMEMBERED: Mapping[SubjectKind, int] = {SubjectKind.PERMIT: 400_000, SubjectKind.CASE: 5_000}


@dataclass(frozen=True, slots=True)
class Telling:
    """One message of a course: which step (its place in the rule), when, and to which of the subject's parties."""

    step: int
    occurrence: int
    at: datetime
    day: date  # on the office's clock
    slot: int
    role: str
    useful_until: datetime
    is_day: bool  # planned for a day, not for an instant


Course = tuple[Telling, ...]


class Courses:
    """The courses of all rules of one set; `share` off works every subject out by itself (for proof)."""

    def __init__(
        self,
        rules: RuleSet,
        span: Span,
        calendar_of: Callable[[Office], OfficeCalendar],
        in_force: Mapping[tuple[str, str], datetime],
        *,
        adult_age: int,
        share: bool = True,
    ) -> None:
        self.rules, self.span, self.calendar_of, self.in_force = rules, span, calendar_of, in_force
        self.adult_age, self.share = adult_age, share
        self.undecided = 0
        self._reads: dict[int, Reads] = {}
        self._known: dict[SubjectKind, dict[Hashable, Course]] = {kind: {} for kind in SubjectKind}
        self.kinds = 0  # how many were worked out
        self._classes: dict[int, int] = {}
        self._numbers: dict[Hashable, int] = {}

    def of(self, rule: Rule, subject: Subject, entries: Sequence[Entry]) -> tuple[Course, tuple[Party, ...]]:
        """What the rule tells, and the parties that its slots name. What cannot be decided on tells nothing."""
        entries = [entry for entry in entries if entry.rule == rule.name]
        calendar = self.calendar_of(subject.office)
        reads = self._reads.get(id(rule)) or self._reads.setdefault(
            id(rule), Reads(rule, self.rules, self.span, self.adult_age)
        )
        key, parties = reads.kind_of(subject, entries, calendar, self._class_of(subject.office))
        known = self._known[subject.kind]
        course = known.get((id(rule), key)) if self.share else None
        if course is None:
            course = self._work_out(rule, subject, entries, calendar, parties)
            self.kinds += 1
            if len(known) >= REMEMBERED[subject.kind]:
                known.clear()
            if self.share:
                known[id(rule), key] = course
        return course, parties

    def _class_of(self, office: Office) -> Hashable:
        """The class itself is long; a number of it keeps the keys short."""
        if office.id not in self._classes:
            value = office_class_of(office, self.calendar_of(office), self.rules)
            self._classes[office.id] = self._numbers.setdefault(value, len(self._numbers))
        return self._classes[office.id]

    def _work_out(
        self,
        rule: Rule,
        subject: Subject,
        entries: Sequence[Entry],
        calendar: OfficeCalendar,
        parties: Sequence[Party],
    ) -> Course:
        ground = Ground(calendar, self.rules, self.in_force, self.adult_age)
        try:
            found = timeline(rule, subject, entries, since=self.span.since, until=self.span.until, ground=ground)
        except Exception:  # whatever is wrong with one record must not silence all the others
            log.exception("a subject could not be played through", extra={"kind": subject.kind, "subject": subject.id})
            self.undecided += 1
            return ()
        over = {entry.key for entry in entries if not is_pending(entry)}  # told, or ended for good
        places = {step.name: place for place, step in enumerate(rule.steps)}
        slots = {party.id: slot for slot, party in enumerate(parties)}
        tellings = []
        for leaving in found.leavings:
            decision = leaving.decision
            if decision.recipient is None or decision.useful_until is None or decision.key in over:
                continue
            tellings.append(
                Telling(
                    places[decision.step.name],
                    decision.occurrence,
                    leaving.at,
                    calendar.day_of(leaving.at),
                    slots[decision.recipient.party.id],
                    decision.recipient.role,
                    decision.useful_until,
                    decision.is_day,
                )
            )
        return tuple(tellings)
