"""The law: what is to be told of one subject under one rule now, to whom, and why not (S33-S65, S93, S94).

Pure: the answer depends on rule, subject, ledger, calendar and `now` alone. The planner, the guard before each
sending, `preview`, `explain` and the tests all ask this function.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from notifier.calendar.office import OfficeCalendar
from notifier.model import Entry, Party, PartyId, Reason, Subject
from notifier.rules.conditions import first_failing, first_holding, words
from notifier.rules.cycles import Cycle, cycle_of
from notifier.rules.facts import View
from notifier.rules.moments import Occurrence, deadline_instant, leaves_at, occurrences, useful_until
from notifier.rules.recipients import PassedOver, Recipient, recipients
from notifier.rules.rule import AtOnce, LatePolicy, Moves, Rule, RuleSet, Step

#: An instant step with `late: skip` is late after this long (S40).
INSTANT_IS_LATE_AFTER = timedelta(minutes=15)


#: Stands where a day step has no instant to be compared by.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: How new a moment is: its day; on one day an instant after a day step; then its place in the file.
Age = tuple[date, bool, datetime, int, int]


class Verdict(StrEnum):
    """What a decision asks for."""

    GOES = "goes"  # now
    LATER = "later"  # its moment or the next allowed minute lies ahead
    NOT = "not"


@dataclass(frozen=True, slots=True)
class Decision:
    """One step (and occurrence) of one rule for one recipient, with the first reason that settles it."""

    rule: str
    step: Step
    verdict: Verdict
    reason: Reason
    detail: str = ""
    occurrence: int = 0
    cycle: str = ""
    recipient: Recipient | None = None
    moment: datetime | None = None
    leaves_at: datetime | None = None
    useful_until: datetime | None = None

    @property
    def key(self) -> tuple[str, int, str, PartyId | None]:
        """Its identity within the rule and subject (S46)."""
        return (
            self.step.name,
            self.occurrence,
            self.cycle,
            self.recipient.party.id if self.recipient else None,
        )


@dataclass(frozen=True, slots=True)
class Ground:
    """What a decision stands on besides rule, subject and ledger."""

    calendar: OfficeCalendar
    rules: RuleSet
    in_force: Mapping[tuple[str, str], datetime]  # (rule, step) -> since; missing: always
    adult_age: int = 18


@dataclass(frozen=True, slots=True)
class _Moment:
    """A step's occurrence in the present cycle."""

    step: Step
    order: int
    occurrence: Occurrence
    cycle: Cycle
    useful_until: datetime

    @property
    def key(self) -> tuple[str, int, str]:
        return self.step.name, self.occurrence.number, self.cycle.key


def decide(
    rule: Rule,
    subject: Subject,
    entries: Sequence[Entry],
    *,
    now: datetime,
    ground: Ground,
    underway: bool = False,
) -> list[Decision]:
    """Every step of a rule for a subject, for each recipient, with its verdict and reason.

    `underway`: asked for a ladder that already climbs, to which `late: skip` no longer speaks.
    """
    view = View(subject, now, ground.calendar, ground.rules, rule)
    stopped = _stopped(rule, view)
    if stopped is not None:
        return [Decision(rule.name, step, Verdict.NOT, *stopped) for step in rule.steps]
    entries = [entry for entry in entries if entry.rule == rule.name]
    decisions: list[Decision] = []
    moments: list[_Moment] = []
    for order, step in enumerate(rule.steps):
        answer = _moments_of(rule, step, order, view, entries, ground)
        if isinstance(answer, Decision):
            decisions.append(answer)
        else:
            moments.extend(answer)
    return decisions + _for_each_recipient(rule, moments, view, entries, ground, underway)


def _stopped(rule: Rule, view: View) -> tuple[Reason, str] | None:
    """Why the whole rule says nothing about this subject now."""
    if not rule.enabled:
        return Reason.SWITCHED_OFF, ""
    if not rule.applies_at(view.subject.office.code):
        return Reason.OTHER_OFFICE, view.subject.office.code
    failing = first_failing(rule.when, view)
    if failing is not None:
        return Reason.NOT_CONCERNED, words(failing, view)
    if rule.stays and view.subject.facts.get("state") not in rule.stays:
        return Reason.NOT_CONCERNED, f"state: {view.subject.facts.get('state')}"
    holding = first_holding(rule.unless, view)
    if holding is not None:
        return Reason.POINTLESS, words(holding, view)
    return None


def _moments_of(
    rule: Rule, step: Step, order: int, view: View, entries: Sequence[Entry], ground: Ground
) -> list[_Moment] | Decision:
    """The moments of one step, or the reason why it has none."""

    def none(reason: Reason, detail: str = "") -> Decision:
        return Decision(rule.name, step, Verdict.NOT, reason, detail)

    if not step.enabled:
        return none(Reason.SWITCHED_OFF)
    failing = first_failing(step.when, view)
    if failing is not None:
        return none(Reason.NOT_CONCERNED, words(failing, view))
    holding = first_holding(step.unless, view)
    if holding is not None:
        return none(Reason.POINTLESS, words(holding, view))
    found: list[_Moment] = []
    since = ground.in_force.get((rule.name, step.name))
    first_day = ground.calendar.day_of(since) if since else None
    out_of_force = False
    for occurrence, cycle in _occurrences(rule, step, view, entries, ground):
        day = ground.calendar.day_of(occurrence.at)
        bounds = (first_day, rule.starts)
        if any(bound is not None and day < bound for bound in bounds) or (rule.ends is not None and day > rule.ends):
            out_of_force = True
            continue
        short = not occurrence.is_day and not isinstance(step.send, AtOnce | Moves)
        if short and cycle.began_at is not None and occurrence.at < cycle.began_at:
            continue  # S38: a minute or hour step from before its cycle does not exist
        until = useful_until(rule, step, occurrence, view.dates, ground.calendar, ground.rules)
        found.append(_Moment(step, order, occurrence, cycle, until))
    if not found:
        return none(Reason.NOT_IN_FORCE if out_of_force else Reason.NO_DATE)
    return found


def _occurrences(
    rule: Rule, step: Step, view: View, entries: Sequence[Entry], ground: Ground
) -> list[tuple[Occurrence, Cycle]]:
    match step.send:
        case AtOnce():
            cycle = cycle_of(rule, view, "", None)
            if cycle is None:
                return []
            noted = next(
                (entry.moment for entry in entries if (entry.step, entry.cycle) == (step.name, cycle.key)),
                None,
            )
            at = noted or cycle.began_at or view.now
            return [(Occurrence(0, at, None, False, "", None), cycle)]
        case Moves():
            return _moves(rule, step.send, view)
        case _:
            counted = occurrences(rule, step, view.dates, ground.calendar, ground.rules)
            pairs = ((one, cycle_of(rule, view, one.anchor_field, one.anchor_value)) for one in counted)
            return [(occurrence, cycle) for occurrence, cycle in pairs if cycle is not None]


def _moves(rule: Rule, send: Moves, view: View) -> list[tuple[Occurrence, Cycle]]:
    """The instant at which the register saw the present value, if an earlier one was there before it (S19, S50)."""
    field = send.anchor.name
    history = view.subject.history.get(field, ())
    if len(history) < 2:
        return []
    old, new = history[-2], history[-1]
    if view.subject.facts.get(field) != new.value or (send.earlier and not new.value < old.value):
        return []
    cycle = cycle_of(rule, view, field, new.value)
    if cycle is None or (cycle.began_at is not None and cycle.began_at > new.at):
        return []
    return [(Occurrence(len(history) - 1, new.at, None, False, field, new.value), cycle)]


def _for_each_recipient(
    rule: Rule,
    moments: Sequence[_Moment],
    view: View,
    entries: Sequence[Entry],
    ground: Ground,
    underway: bool,
) -> list[Decision]:
    decisions: list[Decision] = []
    of_party: dict[PartyId, list[tuple[_Moment, Recipient]]] = {}
    for moment in moments:
        chosen, passed = recipients(moment.step.to, view.subject, view.today, ground.adult_age)
        for recipient in chosen:
            of_party.setdefault(recipient.party.id, []).append((moment, recipient))
        decisions.extend(_nobody(rule, moment, chosen, passed))
    deadline = deadline_instant(rule, view.dates, ground.calendar, ground.rules)
    for theirs in of_party.values():
        bench = _Bench(rule, view, ground, [moment for moment, _ in theirs], entries, theirs[0][1], deadline, underway)
        decisions.extend(bench.judge(moment, recipient) for moment, recipient in theirs)
    return decisions


def _nobody(rule: Rule, moment: _Moment, chosen: Sequence[Recipient], passed: Sequence[PassedOver]) -> list[Decision]:
    answer = Decision(
        rule.name,
        moment.step,
        Verdict.NOT,
        Reason.NOBODY,
        " or ".join(moment.step.to),
        moment.occurrence.number,
        moment.cycle.key,
        moment=moment.occurrence.at,
        useful_until=moment.useful_until,
    )
    over = [
        replace(answer, reason=one.reason, detail=one.role, recipient=Recipient(one.party, one.role)) for one in passed
    ]
    return over if chosen or over else [answer]


class _Bench:
    """Judges the steps of one rule for one subject and one recipient against each other."""

    def __init__(
        self,
        rule: Rule,
        view: View,
        ground: Ground,
        moments: Sequence[_Moment],
        entries: Sequence[Entry],
        recipient: Recipient,
        deadline: datetime | None,
        underway: bool,
    ) -> None:
        self.rule, self.view, self.ground, self.deadline = rule, view, ground, deadline
        self.underway = underway
        self.moments = moments
        party = recipient.party.id
        # What a guardian was told in the holder's place counts as told to the holder (S60).
        self.told = [
            entry
            for entry in entries
            if entry.told_at is not None and (entry.party_id == party or entry.in_place_of == party)
        ]
        self.told_keys = {(entry.step, entry.occurrence, entry.cycle): entry for entry in self.told}
        self.present = {moment.key: moment for moment in moments}
        self.cycles = {moment.cycle.key for moment in moments}
        self.policies = {step.name: step.late.policy for step in rule.steps}
        self.zone = zone_of(recipient.party, view.subject)

    def judge(self, moment: _Moment, recipient: Recipient) -> Decision:
        verdict, reason, detail, leaves = self._judge(moment)
        return Decision(
            self.rule.name,
            moment.step,
            verdict,
            reason,
            detail,
            moment.occurrence.number,
            moment.cycle.key,
            recipient,
            moment.occurrence.at,
            leaves,
            moment.useful_until,
        )

    def _judge(self, moment: _Moment) -> tuple[Verdict, Reason, str, datetime | None]:
        now, at = self.view.now, moment.occurrence.at
        told = self.told_keys.get(moment.key)
        if told is not None:
            return Verdict.NOT, Reason.TOLD, told.told_at.isoformat() if told.told_at else "", None
        if isinstance(moment.step.send, Moves) and not self._heard_of_the_old(moment):
            return Verdict.NOT, Reason.NO_PAST_NEWS, "", None
        if at > moment.useful_until:
            return Verdict.NOT, self._too_late(at), "", None
        if at <= now:
            stopped = self._spent(moment) or self._late(moment)
            if stopped is not None:
                return Verdict.NOT, *stopped, None
        missing = self._only_after(moment)
        if missing is not None:
            return Verdict.NOT, Reason.NOT_CONCERNED, missing, None
        # A moment that would fall into the recipient's night may have to leave before it (S30).
        leaves = leaves_at(
            at,
            useful_until=moment.useful_until,
            urgent=moment.step.urgent,
            is_day=moment.occurrence.is_day,
            calendar=self.ground.calendar,
            zone=self.zone,
            now=now,
        )
        if leaves is None:
            return Verdict.NOT, Reason.TOO_LATE, "no sending hours are left", None
        if at > now and leaves > now:
            return Verdict.LATER, Reason.NOT_YET, "", leaves
        if leaves > now:
            silent = self.ground.calendar.is_silent_day(self.view.today)
            return Verdict.LATER, Reason.SILENT_DAY if silent else Reason.SENDING_HOURS, "", leaves
        return Verdict.GOES, Reason.GOES, "", leaves

    def _heard_of_the_old(self, moment: _Moment) -> bool:
        """Only who was told something counted from the old value hears that it moved (S19)."""
        field = moment.occurrence.anchor_field
        history = self.view.subject.history[field]
        old = f"{field}={history[-2].value.isoformat()}"
        return any(
            entry.told_at is not None
            and entry.told_at < moment.occurrence.at
            and (old in entry.cycle or entry.cycle == moment.cycle.key)
            for entry in self.told
        )

    def _spent(self, moment: _Moment) -> tuple[Reason, str] | None:
        """A newer step is due or was told (S35-S37)."""
        if moment.step.late.policy is LatePolicy.SEND:
            return None
        mine = self._age(moment)
        newer = [
            other
            for other in self.moments
            if other.occurrence.at <= self.view.now
            and other.key not in self.told_keys
            and other.step.late.policy is not LatePolicy.SEND
            and self._age(other) > mine
            and not (isinstance(other.step.send, Moves) and not self._heard_of_the_old(other))
            and self._only_after(other) is None
        ]
        if newer:
            return Reason.SPENT, max(newer, key=self._age).step.name
        day_of = self.ground.calendar.day_of
        for entry in self.told:
            if self.policies.get(entry.step) is LatePolicy.SEND or entry.told_at is None:
                continue
            told_day = day_of(entry.told_at)
            if moment.occurrence.is_day and told_day in (moment.occurrence.day, self.view.today):
                return Reason.TOLD_TODAY, entry.step
            if entry.cycle in self.cycles and self._age_told(entry) > mine:
                return Reason.SPENT, entry.step
        return None

    def _age(self, moment: _Moment) -> Age:
        """Day steps are compared as days (S35): a step of 08:15 is not older than one of 09:00 of the same day."""
        one = moment.occurrence
        day = one.day or self.ground.calendar.day_of(one.at)
        return day, not one.is_day, one.at if not one.is_day else EPOCH, moment.order, one.number

    def _age_told(self, entry: Entry) -> Age:
        """By its present moment if the step still exists, else by the recorded one (S37)."""
        present = self.present.get((entry.step, entry.occurrence, entry.cycle))
        if present is not None:
            return self._age(present)
        return self.ground.calendar.day_of(entry.moment), False, EPOCH, -1, entry.occurrence

    def _late(self, moment: _Moment) -> tuple[Reason, str] | None:
        """Too late to be useful, or late under `late: skip` (S39-S41)."""
        now, at = self.view.now, moment.occurrence.at
        if now > moment.useful_until:
            return self._too_late(now), ""
        if moment.step.late.policy is LatePolicy.SKIP and not self.underway:
            late = (
                self.view.today > self.ground.calendar.day_of(at)
                if moment.occurrence.is_day
                else now > at + INSTANT_IS_LATE_AFTER
            )
            if late:
                return Reason.TOO_LATE, "late: skip"
        return None

    def _too_late(self, instant: datetime) -> Reason:
        past_deadline = self.deadline is not None and instant > self.deadline
        return Reason.AFTER_DEADLINE if past_deadline else Reason.TOO_LATE

    def _only_after(self, moment: _Moment) -> str | None:
        """`only after`: the step it follows must have been told in this cycle (S86)."""
        first = moment.step.only_after
        if first is None or any(entry.step == first and entry.cycle in self.cycles for entry in self.told):
            return None
        return f"only after {first}"


def zone_of(party: Party, subject: Subject) -> ZoneInfo:
    """The recipient's clock: the party's own zone, else the office's (S30)."""
    return ZoneInfo(party.zone or subject.office.zone)
