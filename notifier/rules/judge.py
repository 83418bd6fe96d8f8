"""Judge: the steps of one rule for one subject and recipient against each other and the ledger (S33-S42, S86)."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from notifier.model import Entry, NotificationState, Party, Reason, Subject
from notifier.rules.cycles import cycle_before_move
from notifier.rules.decision import Decision, Ground, Verdict
from notifier.rules.facts import View
from notifier.rules.hours import REACH
from notifier.rules.moments import leaves_at
from notifier.rules.occasions import Occasion
from notifier.rules.recipients import Recipient
from notifier.rules.rule import LatePolicy, Moves, Rule
from notifier.rules.slots import next_slot, slot_for
from notifier.rules.standing import Standing
from notifier.rules.steps import numbered

#: An instant step with `late: skip` or `late: fold` is late after this long (S40).
INSTANT_IS_LATE_AFTER = timedelta(minutes=15)
#: Steps of these policies neither replace another one nor are replaced (S35, S37, S40).
APART = frozenset({LatePolicy.SEND, LatePolicy.FOLD})
#: No step leaves earlier than so long before its moment: a row of silent days never lasts longer.
EARLIEST = timedelta(days=REACH)
#: Stands where a day step has no instant to be compared by.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: How new a moment is: its day; on one day an instant after a day step; then its place in the file.
Age = tuple[date, bool, datetime, int, int]


class Judge:
    """Judges the steps of one rule for one subject and one recipient against each other."""

    def __init__(
        self,
        rule: Rule,
        view: View,
        ground: Ground,
        occasions: Sequence[Occasion],
        entries: Sequence[Entry],
        recipient: Recipient,
        standing: Standing,
        deadline: datetime | None,
        underway: bool,
    ) -> None:
        self.rule, self.view, self.ground, self.deadline = rule, view, ground, deadline
        self.underway, self.standing = underway, standing
        self.occasions = occasions
        party = recipient.party.id
        # What a guardian was told in the holder's place counts as told to the holder (S60).
        self.told = [
            entry
            for entry in entries
            if entry.told_at is not None and (entry.party_id == party or entry.in_place_of == party)
        ]
        self.known = {
            (entry.step, entry.occurrence, entry.cycle): entry for entry in entries if entry.party_id == party
        }
        self.told_keys = {(entry.step, entry.occurrence, entry.cycle): entry for entry in self.told}
        self.policies = {step.name: step.late.policy for step in rule.steps}
        self.zone = zone_of(recipient.party, view.subject)
        self._known_leaves: dict[tuple[object, ...], datetime | None] = {}  # each is asked for by all the others

    def judge(self, occasion: Occasion, recipient: Recipient) -> Decision:
        verdict, reason, detail, leaves = self._judge(occasion)
        return Decision(
            self.rule.name,
            occasion.step,
            verdict,
            reason,
            detail,
            occasion.occurrence.number,
            occasion.cycle.key,
            recipient,
            occasion.occurrence.at,
            leaves,
            occasion.useful_until,
            occasion.occurrence.is_day,
        )

    def _judge(self, occasion: Occasion) -> tuple[Verdict, Reason, str, datetime | None]:
        now, at = self.view.now, occasion.occurrence.at
        told = self.told_keys.get(occasion.key)
        if told is not None:
            return Verdict.NOT, Reason.TOLD, told.told_at.isoformat() if told.told_at else "", None
        if isinstance(occasion.step.send, Moves) and not self._heard_of_the_old(occasion):
            return Verdict.NOT, Reason.NO_PAST_NEWS, "", None
        if at > occasion.useful_until:
            return Verdict.NOT, self._too_late(at), "", None
        if self._is_due(occasion):
            stopped = self._spent(occasion) or self._late(occasion)
            if stopped is not None:
                return Verdict.NOT, *stopped, None
        missing = self._only_after(occasion)
        if missing is not None:
            return Verdict.NOT, Reason.NOT_CONCERNED, missing, None
        if occasion.step.late.policy is LatePolicy.FOLD and not self.underway and self._is_late(occasion):
            return Verdict.LATER, Reason.FOLD, "", occasion.useful_until
        slot = self._slot(occasion)
        heard = self._waits_for_tomorrow(occasion)
        leaves = self._leaves(occasion, slot, after_today=heard)
        if leaves is None:
            return Verdict.NOT, Reason.TOO_LATE, "no sending hours are left", None
        if heard:
            return Verdict.LATER, Reason.TOLD_TODAY, "", leaves
        if at > now and leaves > now:
            return Verdict.LATER, Reason.NOT_YET, "", leaves
        if slot is not None and slot > now and leaves > now:
            return Verdict.LATER, Reason.DIGEST, "", leaves
        if leaves > now:
            silent = self.ground.calendar.is_silent_day(self.view.today)
            return Verdict.LATER, Reason.SILENT_DAY if silent else Reason.SENDING_HOURS, "", leaves
        return Verdict.GOES, Reason.GOES, "", leaves

    def _leaves(self, occasion: Occasion, slot: datetime | None, *, after_today: bool = False) -> datetime | None:
        """A moment that would fall into the recipient's night may have to leave before it (S30)."""
        key = (occasion.key, slot, after_today)
        if key not in self._known_leaves:
            calendar = self.ground.calendar
            self._known_leaves[key] = leaves_at(
                slot or occasion.occurrence.at,
                useful_until=occasion.useful_until,
                urgent=occasion.step.urgent,
                is_day=occasion.occurrence.is_day,
                calendar=calendar,
                zone=self.zone,
                now=calendar.start_of(self.view.today + timedelta(days=1)) if after_today else self.view.now,
            )
        return self._known_leaves[key]

    @cached_property
    def _due(self) -> list[Occasion]:
        """All of them that are due: each is held against these."""
        return [occasion for occasion in self.occasions if self._is_due(occasion)]

    def _is_due(self, occasion: Occasion) -> bool:
        """Its moment has come, or the minute before it in which it must leave (S30, S31): it is judged then as well."""
        ahead = occasion.occurrence.at - self.view.now
        if ahead <= timedelta(0) or ahead > EARLIEST or not occasion.occurrence.is_day:
            return ahead <= timedelta(0)
        leaves = self._leaves(occasion, self._slot(occasion))
        return leaves is not None and leaves <= self.view.now

    def _slot(self, occasion: Occasion) -> datetime | None:
        """Its slot in the step's digest; None when it leaves alone: urgent, or useless by then (S77, S79)."""
        step, at = occasion.step, occasion.occurrence.at
        # Once it has left, its ladder climbs without waiting for a slot again.
        if step.digest is None or step.urgent or self.underway:
            return None
        slot = slot_for(step.digest, at, self.view.now, self.ground.calendar)
        return slot if slot <= occasion.useful_until else None

    def _heard_of_the_old(self, occasion: Occasion) -> bool:
        """Only who was told something counted from the old value hears that it moved (S19)."""
        old, seen = cycle_before_move(self.rule, self.view, occasion.occurrence.anchor_field), occasion.occurrence.at
        # Within one cycle, what leaves at the very instant of the move already counts from the new value.
        is_correction = old in occasion.cycle.key.split(";")
        return any(
            entry.told_at is not None
            and (entry.told_at < seen or (entry.told_at == seen and not is_correction))
            and old in entry.cycle.split(";")
            for entry in self.told
        )

    def _spent(self, occasion: Occasion) -> tuple[Reason, str] | None:
        """A newer step is due or was told (S35-S37)."""
        if occasion.step.late.policy in APART:
            return None
        mine = self._age(occasion)
        newer = [
            other
            for other in self._due
            if other.key not in self.told_keys
            and other.step.late.policy not in APART
            and self._age(other) > mine
            and not (isinstance(other.step.send, Moves) and not self._heard_of_the_old(other))
            and self._only_after(other) is None
        ]
        if newer:
            newest = max(newer, key=self._age)
            return Reason.SPENT, numbered(newest.step, newest.occurrence.number)
        day_of = self.ground.calendar.day_of
        for entry in self.told:
            if self.policies.get(entry.step) in APART or entry.told_at is None:
                continue
            if day_of(entry.told_at) == self._day_it_is_spent(occasion):
                return Reason.TOLD_TODAY, self._name_of(entry)
            if entry.cycle in self.standing.cycles and self._age_told(entry) > mine:
                return Reason.SPENT, self._name_of(entry)
        return None

    def _name_of(self, entry: Entry) -> str:
        """The step as people write it; one that the rule no longer has, by its name alone."""
        step = next((step for step in self.rule.steps if step.name == entry.step), None)
        return numbered(step, entry.occurrence) if step else entry.step

    def _day_it_is_spent(self, occasion: Occasion) -> date | None:
        """The day of a step that another message of that day replaces: it stays replaced on the next day (S36).

        Of a digest it is the day of its slot, since the step speaks on no other.
        A step whose moment a closure has only now moved to a day gone by was never due on it (S29, V24).
        """
        known, day = self.known.get(occasion.key), occasion.occurrence.day
        if day is not None:
            day = self.ground.calendar.day_of(self._first_slot(occasion) or occasion.occurrence.at)
        was_spent = known is not None and known.state is NotificationState.SPENT
        return day if was_spent or (day is not None and day >= self.view.today) else None

    def _waits_for_tomorrow(self, occasion: Occasion) -> bool:
        """A step that is late already waits when its recipient has heard something today (S36)."""
        if occasion.step.late.policy in APART or not occasion.occurrence.is_day or not self._is_due(occasion):
            return False
        today = self.view.today
        return any(
            entry.told_at is not None
            and self.policies.get(entry.step) not in APART
            and self.ground.calendar.day_of(entry.told_at) == today
            for entry in self.told
        )

    def _age(self, occasion: Occasion) -> Age:
        """Day steps are compared as days (S35): a step of 08:15 is not older than one of 09:00 of the same day."""
        one = occasion.occurrence
        day = one.day or self.ground.calendar.day_of(one.at)
        return day, not one.is_day, one.at if not one.is_day else EPOCH, occasion.order, one.number

    def _age_told(self, entry: Entry) -> Age:
        """By its present moment if the step still exists, else by the recorded one (S37)."""
        present = self.standing.occasion(entry)
        if present is not None:
            return self._age(present)
        return self.ground.calendar.day_of(entry.moment), False, EPOCH, -1, entry.occurrence

    def _late(self, occasion: Occasion) -> tuple[Reason, str] | None:
        """Too late to be useful, or late under `late: skip` (S39-S41)."""
        now, policy = self.view.now, occasion.step.late.policy
        if now > occasion.useful_until:
            return self._too_late(now), ""
        if policy is LatePolicy.SKIP and not self.underway and self._is_late(occasion):
            return Reason.TOO_LATE, "late: skip"
        if policy is LatePolicy.FOLD and now == occasion.useful_until and self._is_late(occasion):
            return self._too_late(now), "no message it could be told in"
        return None

    def _is_late(self, occasion: Occasion) -> bool:
        """The day of its moment, or of its slot in a digest, is over; an instant a quarter of an hour ago (S40)."""
        at, calendar = occasion.occurrence.at, self.ground.calendar
        first = self._first_slot(occasion) or at
        if occasion.occurrence.is_day or first != at:
            return self.view.today > calendar.day_of(first)
        return self.view.now > at + INSTANT_IS_LATE_AFTER

    def _first_slot(self, occasion: Occasion) -> datetime | None:
        """The slot for which it was meant, even when that is long over; None when it leaves alone (S79)."""
        digest = occasion.step.digest
        if digest is None or occasion.step.urgent:
            return None
        slot = next_slot(digest, occasion.occurrence.at, self.ground.calendar)
        return slot if slot <= occasion.useful_until else None

    def _too_late(self, instant: datetime) -> Reason:
        past_deadline = self.deadline is not None and instant > self.deadline
        return Reason.AFTER_DEADLINE if past_deadline else Reason.TOO_LATE

    def _only_after(self, occasion: Occasion) -> str | None:
        """`only after`: the step it follows must have been told in this cycle (S86)."""
        first = occasion.step.only_after
        if first is None or any(entry.step == first and entry.cycle in self.standing.cycles for entry in self.told):
            return None
        return f"only after {first}"


def zone_of(party: Party, subject: Subject) -> ZoneInfo:
    """The recipient's clock: the party's own zone, else the office's (S30)."""
    return ZoneInfo(party.zone or subject.office.zone)
