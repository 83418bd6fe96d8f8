"""Gate: what an office lets out in a day. The limit and approval of a rule, the plan it was applied with, its cap.

Before the first message of a rule and office leaves on a day, the day's messages are counted; when they are more
than may leave, all of them wait for an officer (S83, S84), the urgent ones too: what is wrong with a rule is as often
wrong with its urgent steps. Rules with none of these cost no statement.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from notifier.batch import BatchReport, Bundle
from notifier.calendar.office import OfficeCalendar
from notifier.model import NotificationId, Office, OfficeId, Reason
from notifier.rules.decision import Decision
from notifier.rules.rule import Rule
from notifier.store import daily, verdicts
from notifier.store.daily import BatchState, Count, DailyBatch, Key
from notifier.store.rulesets import Plan, short

#: A batch that fits is counted again after this: an import may have added to the day.
COUNT_AGAIN_AFTER = timedelta(minutes=1)
#: How long what is held sleeps at most before it is looked at again: what an officer lets out is woken at once.
LOOK_AGAIN_AFTER = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Allowance:
    """How far a day may differ from the plan that was approved with the rules: [sending] envelope_…"""

    tolerance: int = 20  # percent
    slack: int = 20  # messages

    def most(self, expected: int) -> int:
        """The most messages that may leave where a plan expects so many."""
        return math.ceil(expected * (100 + self.tolerance) / 100) + self.slack


@dataclass(frozen=True, slots=True)
class Room:
    """How many messages may leave without an officer, and what says so."""

    allowed: int
    reason: Reason


class Place(NamedTuple):
    """The batch that a rule's messages of an office belong to today, and how many of them may leave."""

    key: Key
    room: Room
    ends: datetime  # the end of the office's today


class Candidate(NamedTuple):
    """A notification that would leave now, with the batch of the day it belongs to."""

    bundle: Bundle
    decision: Decision
    key: Key
    room: Room
    ends: datetime


class Gate:
    """What the offices let out, for one process; knows which batches were counted a moment ago."""

    def __init__(
        self, calendar_of: Callable[[Office], OfficeCalendar], plan: Plan | None, allowance: Allowance
    ) -> None:
        self.calendar_of = calendar_of
        self.plan = plan
        self.allowance = allowance
        self._counted: dict[Key, datetime] = {}

    def room(self, rule: Rule, office_code: str, day: date) -> Room | None:
        """How many messages of a rule an office may let out on a day without a word; None: as many as there are."""
        if rule.approval:
            return Room(0, Reason.APPROVAL)
        expected = self.plan.expects(rule.name, office_code, day) if self.plan else None
        planned = self.allowance.most(expected) if expected is not None else None
        if planned is not None and (rule.limit is None or planned < rule.limit):
            return Room(planned, Reason.ENVELOPE)
        return Room(rule.limit, Reason.LIMIT) if rule.limit is not None else None

    def sentence(self, batch: DailyBatch, office_code: str) -> str:
        """Why a batch is held, with its numbers and what lets it out."""
        where = f"{batch.rule} at {office_code}, {batch.day.isoformat()}: {batch.due} messages"
        match batch.reason:
            case Reason.ENVELOPE if self.plan is not None:
                expected = self.plan.expects(batch.rule, office_code, batch.day) or 0
                why = f"where the approved plan {short(self.plan.hash)} expects {expected} (at most {batch.allowed})"
            case Reason.LIMIT:
                why = f"where the rule's limit is {batch.allowed} a day"
            case Reason.APPROVAL:
                why = "that an officer must approve"
            case _:
                why = f"where {batch.allowed} may leave"
        command = f"`notifier batches approve {batch.rule} --office {office_code} --day {batch.day} --by NAME`"
        return f"{where} {why}; look with `notifier batches`, let out with {command}"


class Passage:
    """The gate as one batch of a worker passes it: reads first, writes its sums last."""

    def __init__(self, gate: Gate, now: datetime) -> None:
        self.gate = gate
        self.now = now
        self._counts: dict[Key, Count] = {}
        self._of: dict[NotificationId, Key] = {}
        self._codes: dict[int, str] = {}
        self._places: dict[tuple[str, OfficeId], Place | None] = {}

    def held(
        self, connection: Connection, going: Sequence[tuple[Bundle, Decision]], report: BatchReport
    ) -> set[NotificationId]:
        """Of those that would leave now, the ones that wait for an officer; they are held here."""
        candidates: Sequence[Candidate] = [
            one for bundle, decision in going if (one := self._candidate(bundle, decision)) is not None
        ]
        if not candidates:
            return set()
        candidates, known = self._with_batches(connection, candidates)
        passed: set[NotificationId] = set()
        if any(one.room.reason is Reason.APPROVAL for one in candidates) or any(
            batch.state is not BatchState.OPEN for batch in known.values()
        ):
            passed = daily.already_let_out(connection, [one.bundle.claimed.id for one in candidates])
        asking = [one for one in candidates if one.bundle.claimed.id not in passed]
        self._count(connection, asking, known)
        stays: dict[Key, list[Candidate]] = defaultdict(list)
        for one in asking:
            if self._is_held(one.key, known):
                stays[one.key].append(one)
        for key in sorted(stays):
            self._hold(connection, key, stays[key], report)
        return {one.bundle.claimed.id for held in stays.values() for one in held}

    def finish(self, connection: Connection, leaving: Sequence[Bundle]) -> None:
        """Keep the sums of the batch; `leaving` leads one message each. The last thing before the commit."""
        left: dict[Key, int] = defaultdict(int)
        for number in {one.claimed.id for one in leaving}:
            if number in self._of:
                left[self._of[number]] += 1
        if not self._counts and not left:
            return
        fresh = daily.write_counts(connection, self._counts, left, now=self.now)
        for batch in daily.read_batches(connection, set(fresh)).values() if fresh else ():
            sentence = self.gate.sentence(batch, self._codes[batch.office_id])
            verdicts.ask_for_a_word(connection, batch.key, sentence, now=self.now)

    def _with_batches(
        self, connection: Connection, candidates: Sequence[Candidate]
    ) -> tuple[Sequence[Candidate], dict[Key, DailyBatch]]:
        """Each with the batch it belongs to: today's, or that of an earlier day as long as it waits for an officer."""
        again = [one.bundle.claimed.id for one in candidates if one.bundle.claimed.reason in daily.HOLDS]
        days = daily.days_waited_with(connection, again) if again else {}
        earlier = {
            one.bundle.claimed.id: (*one.key[:2], days[one.bundle.claimed.id])
            for one in candidates
            if one.bundle.claimed.id in days
        }
        known = daily.read_batches(connection, {one.key for one in candidates} | set(earlier.values()))
        waiting = {key: old for key, old in earlier.items() if old in known and known[old].state is BatchState.HELD}
        if waiting:
            candidates = [one._replace(key=waiting.get(one.bundle.claimed.id, one.key)) for one in candidates]
        self._of.update((one.bundle.claimed.id, one.key) for one in candidates)
        return candidates, known

    def _candidate(self, bundle: Bundle, decision: Decision) -> Candidate | None:
        """None when no officer has a word in it: no such rule, an officer's own resend, or told already."""
        claimed, rule, subject = bundle.claimed, bundle.rule, bundle.subject
        if rule is None or subject is None or claimed.forced or claimed.first_sent_at is not None:
            return None
        if any(one.rung >= 0 for one in bundle.deliveries):  # it was let out before, and is tried again
            return None
        where = rule.name, subject.office.id
        if where not in self._places:
            self._places[where] = self._place(rule, subject.office)
        place = self._places[where]
        return None if place is None else Candidate(bundle, decision, *place)

    def _place(self, rule: Rule, office: Office) -> Place | None:
        calendar = self.gate.calendar_of(office)
        day = calendar.day_of(self.now)
        room = self.gate.room(rule, office.code, day)
        if room is None:
            return None
        self._codes[office.id] = office.code
        ends = calendar.start_of(day + timedelta(days=1)) - timedelta(microseconds=1)
        return Place((rule.name, office.id, day), room, ends)

    def _count(self, connection: Connection, asking: Sequence[Candidate], known: Mapping[Key, DailyBatch]) -> None:
        """Count the batches that are not held yet and were not counted a moment ago; all of one day's end at once."""
        wanted: dict[datetime, dict[Key, Candidate]] = defaultdict(dict)
        for one in asking:
            batch = known.get(one.key)
            if batch is not None and batch.state is BatchState.HELD:
                continue
            if one.room.reason is Reason.APPROVAL or self._must_count(one.key, batch):
                wanted[one.ends][one.key] = one
        for ends, found in wanted.items():
            sums = daily.count_waiting(connection, {key[:2] for key in found}, next(iter(found))[2], ends)
            for key, one in found.items():
                batch = known.get(key)
                due = max(sums.get(key[:2], 0), 1) + (batch.let_out if batch else 0)
                self._counts[key] = _verdict(due, one.room, batch)
                self.gate._counted[key] = self.now

    def _must_count(self, key: Key, batch: DailyBatch | None) -> bool:
        if batch is None:
            return True
        is_full = batch.allowed is not None and batch.let_out >= batch.allowed
        counted = self.gate._counted.get(key)
        return is_full or counted is None or self.now - counted >= COUNT_AGAIN_AFTER

    def _is_held(self, key: Key, known: Mapping[Key, DailyBatch]) -> bool:
        if key in self._counts:
            return self._counts[key].state is BatchState.HELD
        return known[key].state is BatchState.HELD

    def _hold(self, connection: Connection, key: Key, stays: Sequence[Candidate], report: BatchReport) -> None:
        reason = stays[0].room.reason
        rows = []
        for one in stays:
            # A moment after it ends, the guard finds it too late and makes it work for the office (S84).
            ends = (one.decision.useful_until or one.bundle.claimed.useful_until or one.ends) + timedelta(seconds=1)
            until = max(min(ends, self.now + LOOK_AGAIN_AFTER), self.now + timedelta(seconds=1))
            rows.append((one.bundle.claimed.id, one.bundle.claimed.attempt, until))
            report.held += not one.bundle.is_companion
        daily.hold_rows(connection, rows, reason, key[2], now=self.now)


def _verdict(due: int, room: Room, batch: DailyBatch | None) -> Count:
    """What is to become of a batch of so many messages."""
    allowed = room.allowed
    if batch is not None and batch.state is BatchState.APPROVED and room.reason is not Reason.APPROVAL:
        allowed = max(allowed, batch.allowed or 0)
    if due <= allowed:
        state = BatchState.APPROVED if batch is not None and batch.state is BatchState.APPROVED else BatchState.OPEN
        return Count(state, None if state is BatchState.OPEN else room.reason, due, allowed)
    return Count(BatchState.HELD, room.reason, due, allowed)
