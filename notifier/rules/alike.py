"""Decides once for all subjects that are alike in what a rule reads: on one day thousands differ in their persons only.

`decide` stays the law: it answers for the first of a kind, and the answer is addressed to the persons of the others.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from notifier.calendar.office import OfficeCalendar
from notifier.model import Entry, Office, OfficeId, Party, PartyId, Reason, StepKey, Subject, SubjectKind
from notifier.rules.decide import decide
from notifier.rules.decision import Decision, Ground, Verdict
from notifier.rules.judge import EPOCH
from notifier.rules.reads import Reads, Span, office_class_of
from notifier.rules.recipients import Recipient
from notifier.rules.rule import Rule, RuleSet

#: So many kinds of subjects are remembered; then all of them are forgotten.
REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class _Answer:
    """The decisions about the first of a kind, and the places of its parties among its recipients.

    `about` has the decisions that have a recipient, by step, occurrence, cycle and the place of the recipient.
    """

    decisions: Sequence[Decision]
    places: Mapping[PartyId, int]
    about: Mapping[tuple[str, int, str, int], Decision]


class Alike:
    """What the rules of one set say at one instant. Lives as long as one plan, or the batches of one second.

    Several threads may ask.
    """

    def __init__(
        self,
        rules: RuleSet,
        calendar_of: Callable[[Office], OfficeCalendar],
        in_force: Mapping[tuple[str, str], datetime],
        *,
        now: datetime,
        adult_age: int,
        share: bool = True,
        lasting: "Lasting | None" = None,
    ) -> None:
        """`share` off asks `decide` about every subject (for proof). `lasting` may outlive an instant."""
        self.rules, self.calendar_of, self.in_force = rules, calendar_of, in_force
        self.now, self.adult_age, self.share = now, adult_age, share
        self.kinds = 0  # how many were decided on
        self._reads: dict[int, Reads] = {}
        self._known: dict[Hashable, _Answer] = {}
        self._offices: dict[OfficeId, tuple[Office, OfficeCalendar, int]] = {}
        self._lasting = lasting or Lasting(rules, adult_age)

    def decide(self, rule: Rule, subject: Subject, ledger: Sequence[Entry], *, until: datetime) -> Sequence[Decision]:
        """What `decide` says of a subject, given the rows of the ledger that are this rule's.

        Where there are none, decisions with a recipient are left out that say no or have a moment after `until`, the
        end of the office's today: nothing is planned for them.
        """
        shared = self._shared(rule, subject, ledger, until)
        if shared is None:
            return self._ask(rule, subject, ledger)
        known, parties = shared
        return [_addressed(one, known.places, parties, ledger) for one in known.decisions]

    def decide_about(
        self, rule: Rule, subject: Subject, ledger: Sequence[Entry], key: StepKey, *, until: datetime
    ) -> Decision | None:
        """Of what `decide` says, the decision with this key, which has a recipient; only this one is addressed."""
        shared = self._shared(rule, subject, ledger, until)
        if shared is None:
            return next((one for one in self._ask(rule, subject, ledger) if one.key == key), None)
        known, parties = shared
        step, occurrence, cycle, party_id = key
        for place, party in enumerate(parties):
            if party.id == party_id:
                found = known.about.get((step, occurrence, cycle, place))
                return None if found is None else _addressed(found, known.places, parties, ledger)
        return None

    def _shared(
        self, rule: Rule, subject: Subject, ledger: Sequence[Entry], until: datetime
    ) -> tuple[_Answer, tuple[Party, ...]] | None:
        """What is known of the kind of a subject, and its own parties in the order of their places.

        None for what is of no kind: a case is in a stay of its own, and what a silenced rule says depends on what
        another one reads (S85).
        """
        reads = self._reads.get(id(rule)) or self.reads_of(rule)
        if not self.share or subject.kind is SubjectKind.CASE or reads.is_alone:
            return None
        office, calendar, office_class = self._offices.get(subject.office.id) or self._office(subject.office)
        if office is not subject.office:  # it has changed since
            office, calendar, office_class = self._office(subject.office)
        key, parties = reads.kind_of(subject, ledger, calendar, office_class)
        known = self._known.get((id(rule), key))
        if known is None:
            places = {party.id: place for place, party in enumerate(parties)}
            decisions = self._ask(rule, subject, ledger)
            near = [one for one in decisions if ledger or one.recipient is None or _is_near(one, until)]
            about = {
                (one.step.name, one.occurrence, one.cycle, places[one.recipient.party.id]): one
                for one in reversed(near)
                if one.recipient is not None
            }
            known = _Answer(near, places, about)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[id(rule), key] = known
        return known, parties

    def _ask(self, rule: Rule, subject: Subject, ledger: Sequence[Entry]) -> list[Decision]:
        self.kinds += 1
        return decide(rule, subject, ledger, now=self.now, ground=self.ground(subject))

    def ground(self, subject: Subject) -> Ground:
        """What a decision about this subject stands on."""
        return Ground(self.calendar_of(subject.office), self.rules, self.in_force, self.adult_age)

    def reads_of(self, rule: Rule) -> Reads:
        """What the rule can see of a subject at this instant."""
        reads = self._reads.get(id(rule))
        if reads is None:
            reads = self._reads[id(rule)] = self._lasting.reads(rule).at(Span(self.now, self.now))
        return reads

    def class_of(self, office: Office) -> tuple[OfficeCalendar, int]:
        """The calendar of an office, and the number of those that compute alike."""
        _, calendar, number = self._office(office)
        return calendar, number

    def _office(self, office: Office) -> tuple[Office, OfficeCalendar, int]:
        calendar = self.calendar_of(office)
        self._offices[office.id] = found = office, calendar, self._lasting.number(office, calendar)
        return found


class Lasting:
    """What is true at every instant: what each rule reads, and a number for each class of offices.

    A class itself is long, and a number of it keeps the keys short. Several threads may ask.
    """

    def __init__(self, rules: RuleSet, adult_age: int) -> None:
        self._rules, self._adult_age = rules, adult_age
        self._of: dict[OfficeCalendar, int] = {}  # a calendar is of one office as it is, and never changes
        self._numbers: dict[Hashable, int] = {}
        self._next = count()
        self._reads: dict[int, Reads] = {}

    def reads(self, rule: Rule) -> Reads:
        """What a rule of the set can see of a subject; the caller says when."""
        if id(rule) not in self._reads:
            self._reads[id(rule)] = Reads(rule, self._rules, Span(EPOCH, EPOCH), self._adult_age)
        return self._reads[id(rule)]

    def number(self, office: Office, calendar: OfficeCalendar) -> int:
        if calendar not in self._of:
            applying = tuple(rule.applies_at(office.code) for rule in self._rules.rules)
            value = office_class_of(office, calendar, self._rules), applying
            self._of[calendar] = self._numbers.setdefault(value, next(self._next))
        return self._of[calendar]


def _is_near(decision: Decision, until: datetime) -> bool:
    return decision.verdict is not Verdict.NOT and decision.moment is not None and decision.moment <= until


def _addressed(
    decision: Decision, places: Mapping[PartyId, int], parties: Sequence[Party], ledger: Sequence[Entry]
) -> Decision:
    """The same decision for other persons; that they were told is shared to the day, and said to the second."""
    if decision.recipient is None:
        return decision
    first = decision.recipient
    for_whom = first.in_place_of
    recipient = Recipient(
        parties[places[first.party.id]], first.role, None if for_whom is None else parties[places[for_whom]].id
    )
    detail = decision.detail if decision.reason is not Reason.TOLD else _when_told(decision, recipient, ledger)
    return Decision(
        decision.rule,
        decision.step,
        decision.verdict,
        decision.reason,
        detail,
        decision.occurrence,
        decision.cycle,
        recipient,
        decision.moment,
        decision.leaves_at,
        decision.useful_until,
        decision.is_day,
    )


def _when_told(decision: Decision, recipient: Recipient, ledger: Sequence[Entry]) -> str:
    mine = (
        entry.told_at.isoformat()
        for entry in reversed(ledger)
        if entry.told_at is not None
        and (entry.step, entry.occurrence, entry.cycle) == (decision.step.name, decision.occurrence, decision.cycle)
        and recipient.party.id in (entry.party_id, entry.in_place_of)
    )
    return next(mine, decision.detail)
