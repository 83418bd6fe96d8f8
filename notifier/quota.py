"""Quota: `cap: N in L`, so many cycles of a rule for one person in so long (S82)."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from notifier.batch import Bundle
from notifier.calendar.office import OfficeCalendar
from notifier.model import NotificationId, Office, PartyId
from notifier.rules.decision import Decision
from notifier.rules.places import add_length
from notifier.rules.rule import Cap
from notifier.store.cycles import Cycle, Telling, lock_persons, read_tellings

#: What is under way when a place is asked for is known after this at the earliest.
NOT_SOONER_THAN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Asking:
    """A notification that needs a place, with what counts for it."""

    bundle: Bundle
    decision: Decision
    cap: Cap
    calendar: OfficeCalendar

    @property
    def cycle(self) -> Cycle:
        claimed = self.bundle.claimed
        return claimed.subject_kind, claimed.subject_id, claimed.cycle


def places(
    connection: Connection,
    going: Sequence[tuple[Bundle, Decision]],
    calendar_of: Callable[[Office], OfficeCalendar],
    *,
    now: datetime,
) -> dict[NotificationId, datetime]:
    """Of those that would leave now, the ones their persons have no place for, and when there will be one.

    Two workers cannot take one place: the persons are locked until the transaction ends, and what is on its way
    counts as told. The nearest end goes first. A rule without a cap costs no statement.
    """
    capped = [one for one in going if one[0].rule is not None and one[0].rule.cap is not None]
    asking = [one for bundle, decision in capped if (one := _asking(bundle, decision, calendar_of)) is not None]
    if not asking:
        return {}
    persons = {one.bundle.claimed.party_id for one in asking}
    lock_persons(connection, persons)
    told: dict[tuple[str, PartyId], list[Telling]] = defaultdict(list)
    for telling in read_tellings(connection, {one.bundle.claimed.rule for one in asking}, persons):
        told[telling.rule, telling.party_id].append(telling)
    later: dict[NotificationId, datetime] = {}
    for one in sorted(asking, key=lambda one: (one.decision.useful_until or now, one.bundle.claimed.id)):
        claimed = one.bundle.claimed
        theirs = told[claimed.rule, claimed.party_id]
        until = _until(one, theirs, now)
        if until is None:
            theirs.append(Telling(claimed.rule, claimed.party_id, one.cycle, now, None))
        else:
            later[claimed.id] = until
    return later


def _asking(bundle: Bundle, decision: Decision, calendar_of: Callable[[Office], OfficeCalendar]) -> _Asking | None:
    """None for what has its place already, for what an officer sends again, and for desks: a cap is a person's."""
    rule, subject, recipient = bundle.rule, bundle.subject, decision.recipient
    if rule is None or rule.cap is None or subject is None or recipient is None:
        return None
    is_tried_again = any(one.rung >= 0 for one in bundle.deliveries)
    if bundle.claimed.forced or bundle.claimed.first_sent_at is not None or is_tried_again:
        return None
    if recipient.party.kind == "desk":
        return None
    return _Asking(bundle, decision, rule.cap, calendar_of(subject.office))


def _until(one: _Asking, theirs: Sequence[Telling], now: datetime) -> datetime | None:
    """When a place becomes free; None: there is one, or the cycle has its place already (a follow-up)."""
    if any(telling.cycle == one.cycle for telling in theirs):
        return None
    free: dict[Cycle, datetime] = {}  # when each cycle stops counting
    for telling in theirs:
        if telling.told_at is not None:
            ends = _stops_counting(one, telling.told_at, now)
        else:  # soon known; if it was told it counts from then on
            ends = max(telling.known_at or now, now + NOT_SOONER_THAN)
        free[telling.cycle] = max(ends, free.get(telling.cycle, ends))
    counting = sorted(ends for ends in free.values() if ends > now)
    return counting[len(counting) - one.cap.cycles] if len(counting) >= one.cap.cycles else None


def _stops_counting(one: _Asking, told_at: datetime, now: datetime) -> datetime:
    within = one.cap.within
    if within.is_short:
        return told_at + within.stretch
    free_from: date = add_length(one.calendar.day_of(told_at), within, 1, one.calendar)
    today = one.calendar.day_of(now)
    if free_from <= today:
        return now
    time_of_day = one.decision.step.time or one.bundle.claimed.moment.astimezone(one.calendar.zone).time()
    return one.calendar.instant(free_from, time_of_day)
