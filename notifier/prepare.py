"""Prepare: ask the guard, put together what leaves as one message, choose its rung. Sends nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import Connection, update

from notifier.batch import BatchReport, Bundle, Limits, Sending
from notifier.calendar.office import OfficeCalendar
from notifier.channels.base import Carrier
from notifier.drafts import Draft, Writer
from notifier.gate import Passage
from notifier.guard import Guard, end, hold
from notifier.ladder import Way, is_told, lost, open_channels, ways
from notifier.merge import Going, Parcel, may_travel, parcels
from notifier.model import Channel, NotificationId, NotificationState, Office, OfficeId, Reason
from notifier.record import advance, conclude
from notifier.render import Renderer
from notifier.store import tables as t
from notifier.store.caps import Caps, CapWish
from notifier.store.claims import take_over
from notifier.store.deliveries import Delivery

#: How often a provider that cannot tell is asked about a lost message before the ladder moves on.
QUESTIONS = 5
N = t.notification.c


class Preparer:
    """Makes the messages of one batch ready to leave."""

    def __init__(
        self,
        guard: Guard,
        calendar_of: Callable[[Office], OfficeCalendar],
        renderer: Renderer,
        carriers: Mapping[Channel, Carrier],
        limits: Limits,
    ) -> None:
        self.guard = guard
        self.calendar_of = calendar_of
        self.writer = Writer(calendar_of, renderer, carriers)
        self.limits = limits

    def prepare(
        self, connection: Connection, bundles: Sequence[Bundle], *, now: datetime, report: BatchReport
    ) -> list[Sending]:
        """The messages of a batch, each with its delivery written; none for what waits or ends.

        The caller has locked the notifications (`hold_fast`). The guard is asked of all of them before any are put
        together, so that nobody is told what is not true any more.
        """
        done: list[Bundle] = []
        passage = self.guard.passage(now)
        found = self._messages(connection, bundles, passage, done, now, report)
        found = self._within_caps(connection, found, now, report)
        drafts = [draft for parcel in found for draft in self._draft(connection, parcel, done, now, report)]
        sendings, failed = self.writer.write(connection, drafts, now, report)
        reached = {one.bundle.claimed.id for one in sendings}
        done += [one for parcel in failed if parcel.leader.bundle.claimed.id not in reached for one in parcel.bundles]
        if done:
            advance(connection, done, now=now, limits=self.limits)
        passage.finish(connection, [one.bundle for one in sendings])
        return sendings

    def _messages(
        self,
        connection: Connection,
        bundles: Sequence[Bundle],
        passage: Passage,
        done: list[Bundle],
        now: datetime,
        report: BatchReport,
    ) -> list[Parcel]:
        """What leaves now, with what comes along with it. The rest is held, or ended, or left where it was."""
        willing: list[Going] = []
        law = self.guard.law(bundles, now=now)
        for bundle in bundles:
            if self._must_wait(connection, bundle, done, now, report):
                continue
            decision = self.guard.ask(bundle, law, now=now)
            going = Going(bundle, decision) if decision is not None else None
            if going is not None and self._may_travel(going, now):
                willing.append(going)
            elif not bundle.is_companion:
                self.guard.turn_away(connection, bundle, decision, law, now=now, report=report)
        found = parcels(willing)
        together = [one for parcel in found for one in parcel.members]
        asking = [(one.bundle, one.decision) for one in together]
        allowed = self.guard.passing(connection, asking, passage, now=now, report=report)
        passing = [one for one in together if one.bundle.claimed.id in allowed]
        if len(passing) < len(together):
            found = parcels(passing)
        # Who may only come along, and has nobody to come along with, waits for a moment of its own.
        stopped = _ids(together) - allowed
        leaving = _ids(one for parcel in found for one in parcel.members)
        settled = stopped | leaving
        for one in willing:
            if one.bundle.claimed.id not in settled and not one.bundle.is_companion:
                self.guard.turn_away(connection, one.bundle, one.decision, law, now=now, report=report)
        return found

    def _may_travel(self, one: Going, now: datetime) -> bool:
        if one.starts:
            return True
        if one.bundle.subject is None:
            return False
        calendar = self.calendar_of(one.bundle.subject.office)
        return may_travel(one, calendar, calendar.day_of(now))

    def _within_caps(
        self, connection: Connection, found: Sequence[Parcel], now: datetime, report: BatchReport
    ) -> list[Parcel]:
        """The messages that their recipients may have today; a message counts once, whatever it tells (S81).

        Caps are taken in the order of persons, else two workers could wait for each other; for one person the
        nearest deadline stays first. What comes along is claimed here, in the lock that `hold_fast` took.
        """
        found = _by_persons(found)
        capped = self._capped(found, now)
        persons, days = [one.leader.bundle.claimed.party_id for one, _ in capped], {day for _, day in capped}
        caps = Caps(connection, persons, days, per_day=self.limits.per_day, per_week=self.limits.per_week)
        wishes = []
        for parcel, day in capped:
            claimed = parcel.leader.bundle.claimed
            counted = caps.counted(claimed.party_id)
            if not (counted and any(one.bundle.claimed.id in counted for one in parcel.members)):
                wishes.append(CapWish(claimed.party_id, day, claimed.id))
        granted = caps.take(wishes)
        refused = {key: day for _, day, key in wishes if key not in granted}
        passing: list[Parcel] = []
        for parcel in found:
            leader = parcel.leader
            wished = refused.get(leader.bundle.claimed.id)
            until = self.guard.after_cap(leader.bundle, leader.decision, wished) if wished is not None else None
            if until is None:
                passing.append(parcel)
                continue
            for one in parcel.members:
                if not one.bundle.is_companion:
                    hold(connection, one.bundle.claimed, until, Reason.CAP, now=now, report=report)
        return self._take_along(connection, passing, now)

    def _capped(self, found: Sequence[Parcel], now: datetime) -> list[tuple[Parcel, date]]:
        """The messages that ask for one of their person's, each with its office's today.

        A cap counts messages, not rungs: what was told already climbs on.
        """
        days: dict[OfficeId, date] = {}
        capped = []
        for parcel in found:
            bundle = parcel.leader.bundle
            if bundle.subject is None or not self.guard.is_capped(bundle, parcel.leader.decision):
                continue
            if is_told(bundle.deliveries):
                continue
            office = bundle.subject.office
            if office.id not in days:
                days[office.id] = self.calendar_of(office).day_of(now)
            capped.append((parcel, days[office.id]))
        return capped

    def _take_along(self, connection: Connection, found: list[Parcel], now: datetime) -> list[Parcel]:
        ids = [one.bundle.claimed.id for parcel in found for one in parcel.members if one.bundle.is_companion]
        if not ids:
            return found
        take_over(connection, ids, now=now, lease=self.limits.lease)
        return [Parcel(_taken(one.leader), tuple(_taken(other) for other in one.others)) for one in found]

    def _must_wait(
        self,
        connection: Connection,
        bundle: Bundle,
        done: list[Bundle],
        now: datetime,
        report: BatchReport,
    ) -> bool:
        """An outcome is lost: a receipt may still come, and there is an end to asking."""
        claimed, waiting = bundle.claimed, _waiting(bundle)
        if not waiting:
            return False
        # Of a mail whose worker died nobody will tell more: waiting brings nothing.
        early = [
            one.attempted_at
            for one in waiting
            if now - one.attempted_at < self.limits.ask_after
            and not (one.channel is Channel.EMAIL and one.id in bundle.died)
        ]
        is_over = claimed.tries >= QUESTIONS
        if bundle.is_companion:
            return is_over or bool(early)
        if is_over:
            done.append(bundle)
        elif early:
            until = max(early) + self.limits.ask_after
            hold(connection, claimed, until, Reason.WAITING_FOR_RECEIPT, now=now, report=report)
        return is_over or bool(early)

    def _draft(
        self, connection: Connection, parcel: Parcel, done: list[Bundle], now: datetime, report: BatchReport
    ) -> list[Draft]:
        """What of one message leaves now. A rung that is over already goes to `done`."""
        leader = parcel.leader
        waiting = _waiting(leader.bundle)
        if waiting:
            return self._chase(connection, parcel, waiting, now, report)
        if leader.bundle.claimed.rung >= len(leader.decision.step.via):
            for bundle in parcel.bundles:
                conclude(connection, bundle, now=now)
                report.ended += 1
            return []
        return self._climb(connection, parcel, done, now, report)

    def _chase(
        self, connection: Connection, parcel: Parcel, waiting: Sequence[Delivery], now: datetime, report: BatchReport
    ) -> list[Draft]:
        """Nobody could tell what became of it: ask again later, or repeat the very same message (S66)."""
        ids = [one.bundle.claimed.id for one in parcel.members]
        connection.execute(update(t.notification).where(N.id.in_(ids)).values(tries=N.tries + 1))
        # A mail server cannot be asked; the repeat carries the same Message-ID, so that a double is one mail.
        repeated = [one for one in waiting if one.channel is Channel.EMAIL and one.message is not None]
        if len(repeated) < len(waiting):
            for bundle in parcel.bundles:
                until = now + self.limits.ask_after * 2**bundle.claimed.tries
                hold(connection, bundle.claimed, until, Reason.WAITING_FOR_RECEIPT, now=now, report=report)
        return [Draft(parcel, one.rung, one.channel, one.address, one) for one in repeated]

    def _climb(
        self, connection: Connection, parcel: Parcel, done: list[Bundle], now: datetime, report: BatchReport
    ) -> list[Draft]:
        """The first rung, from the present one on, that has a channel to use."""
        bundle, rungs, party = parcel.leader.bundle, parcel.leader.decision.step.via, parcel.party
        passed: list[Way] = []
        for rung in range(bundle.claimed.rung, len(rungs)):
            found = ways(rungs[rung], party, bundle.suppressed)
            usable = [
                Draft(parcel, rung, way.channel, way.address)
                for way in open_channels(rung, found, bundle.deliveries)
                if way.address is not None
            ]
            if usable:
                return usable
            passed += [way for way in found if way.address is None]
            if any(one.rung == rung for one in bundle.deliveries):  # sent before its outcome was known; now it is
                done += parcel.bundles
                return []
        if is_told(bundle.deliveries):
            done += parcel.bundles
        else:
            for one in parcel.bundles:
                self._no_way(connection, one, passed, now, report)
        return []

    def _no_way(
        self, connection: Connection, bundle: Bundle, passed: Sequence[Way], now: datetime, report: BatchReport
    ) -> None:
        """No channel is left: the recipient wants none, or there is no address that works (S64, S75)."""
        opted_out = any(way.passed_over is Reason.OPTED_OUT for way in passed)
        state, reason = NotificationState.UNDELIVERABLE, Reason.NO_ADDRESS
        if bundle.deliveries:
            reason = Reason.LADDER_ENDED
        elif opted_out:
            state, reason = NotificationState.SUPPRESSED, Reason.OPTED_OUT
        channels = ", ".join(way.channel for way in passed)
        end(connection, bundle.claimed, state, reason, channels, now=now, report=report)


def _by_persons(found: Sequence[Parcel]) -> list[Parcel]:
    """In the order of persons; of one person's, what has the nearest deadline first."""
    persons = [one.leader.bundle.claimed.party_id for one in found]
    if len(set(persons)) == len(persons):
        return sorted(found, key=lambda one: one.leader.bundle.claimed.party_id)
    return sorted(found, key=lambda one: (one.leader.bundle.claimed.party_id, one.leader.rank))


def _waiting(bundle: Bundle) -> list[Delivery]:
    """The lost deliveries of the present rung. What an earlier one lost was asked about to the end; asking again
    would pass over the rung that is next."""
    if not bundle.deliveries:
        return []
    return [one for one in lost(bundle.deliveries) if one.rung >= bundle.claimed.rung]


def _taken(one: Going) -> Going:
    """What comes along is in our hand now, at the attempt that taking it over has counted."""
    if not one.bundle.is_companion:
        return one
    claimed = replace(one.bundle.claimed, attempt=one.bundle.claimed.attempt + 1)
    return replace(one, bundle=replace(one.bundle, claimed=claimed, is_companion=False))


def _ids(those: Iterable[Going]) -> set[NotificationId]:
    return {one.bundle.claimed.id for one in those}
