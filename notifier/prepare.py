"""Prepare: choose the rung, write a delivery for each of its channels, render the messages. Sends nothing."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, update

from notifier.batch import BatchReport, Bundle, Limits, Sending
from notifier.calendar.office import OfficeCalendar
from notifier.channels.base import Carrier
from notifier.errors import TemplateError
from notifier.guard import Guard, end
from notifier.ladder import Way, is_told, lost, open_channels, ways
from notifier.model import (
    Action,
    Channel,
    DeliveryId,
    Message,
    NotificationState,
    Office,
    Outcome,
    Reason,
    Rejected,
)
from notifier.record import advance, conclude
from notifier.render import Renderer
from notifier.rules.decision import Decision
from notifier.store import deliveries as store
from notifier.store import outbox
from notifier.store import tables as t
from notifier.store.claims import Caps, still_mine
from notifier.store.deliveries import Delivery
from notifier.store.settle import settle

log = logging.getLogger(__name__)

#: How often a provider that cannot tell is asked about a lost message before the ladder moves on.
QUESTIONS = 5
N = t.notification.c


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to be: its rung, channel and address; `repeats` is the lost delivery whose bytes it sends again."""

    bundle: Bundle
    decision: Decision
    rung: int
    channel: Channel
    address: str
    repeats: Delivery | None = None


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
        self.renderer = renderer
        self.carriers = carriers
        self.limits = limits

    def prepare(
        self, connection: Connection, bundles: Sequence[Bundle], *, now: datetime, report: BatchReport
    ) -> list[Sending]:
        """The messages of a batch, each with its delivery written; none for what waits or ends."""
        mine = still_mine(connection, [one.claimed for one in bundles])
        bundles = [one for one in bundles if one.claimed.id in mine]
        # Caps are taken in the order of persons, else two workers could wait for each other; for one person the
        # nearest deadline stays first (S81).
        bundles.sort(key=lambda one: one.claimed.party_id)
        caps = self._caps(connection, bundles, now)
        drafts: list[Draft] = []
        done: list[Bundle] = []
        for bundle in bundles:
            drafts += self._draft(connection, bundle, caps, done, now, report)
        sendings, failed = self._write(connection, drafts, now, report)
        reached = {one.bundle.claimed.id for one in sendings}
        done += [bundle for bundle in failed if bundle.claimed.id not in reached]
        if done:
            advance(connection, done, now=now, limits=self.limits)
            settle(connection, [one.claimed.id for one in done], now=now)
        return sendings

    def _caps(self, connection: Connection, bundles: Sequence[Bundle], now: datetime) -> Caps:
        capped = [one for one in bundles if one.claimed.capped and one.subject is not None]
        days = {self.calendar_of(one.subject.office).day_of(now) for one in capped if one.subject is not None}
        return Caps(connection, [one.claimed.party_id for one in capped], days)

    def _draft(
        self,
        connection: Connection,
        bundle: Bundle,
        caps: Caps,
        done: list[Bundle],
        now: datetime,
        report: BatchReport,
    ) -> list[Draft]:
        """What of one notification leaves now. A rung that is over already goes to `done`."""
        claimed = bundle.claimed
        # What an earlier rung lost was asked about to the end; asking again would pass over the rung that is next.
        waiting = [one for one in lost(bundle.deliveries) if one.rung >= claimed.rung]
        if waiting and self._must_wait(connection, bundle, waiting, done, now, report):
            return []
        decision = self.guard.check(connection, bundle, caps, now=now, report=report)
        if decision is None:
            return []
        if waiting:
            return self._chase(connection, bundle, decision, waiting, now, report)
        if claimed.rung >= len(decision.step.via):
            conclude(connection, bundle, now=now)
            report.ended += 1
            return []
        return self._climb(connection, bundle, decision, done, now, report)

    def _must_wait(
        self,
        connection: Connection,
        bundle: Bundle,
        waiting: Sequence[Delivery],
        done: list[Bundle],
        now: datetime,
        report: BatchReport,
    ) -> bool:
        """An outcome is lost: a receipt may still come, and there is an end to asking."""
        claimed = bundle.claimed
        if claimed.tries >= QUESTIONS:
            done.append(bundle)
            return True
        early = [one.attempted_at for one in waiting if now - one.attempted_at < self.limits.ask_after]
        if early:
            until = max(early) + self.limits.ask_after
            outbox.hold(connection, claimed.id, until, Reason.WAITING_FOR_RECEIPT, now=now, attempt=claimed.attempt)
            report.held += 1
        return bool(early)

    def _chase(
        self,
        connection: Connection,
        bundle: Bundle,
        decision: Decision,
        waiting: Sequence[Delivery],
        now: datetime,
        report: BatchReport,
    ) -> list[Draft]:
        """Nobody could tell what became of it: ask again later, or repeat the very same message (S66)."""
        claimed = bundle.claimed
        mine = (N.id == claimed.id, N.attempt == claimed.attempt)
        connection.execute(update(t.notification).where(*mine).values(tries=N.tries + 1))
        # A mail server cannot be asked; the repeat carries the same Message-ID, so that a double is one mail.
        repeated = [one for one in waiting if one.channel is Channel.EMAIL and one.message is not None]
        if len(repeated) < len(waiting):
            until = now + self.limits.ask_after * 2**claimed.tries
            outbox.hold(connection, claimed.id, until, Reason.WAITING_FOR_RECEIPT, now=now, attempt=claimed.attempt)
            report.held += 1
        return [Draft(bundle, decision, one.rung, one.channel, one.address, one) for one in repeated]

    def _climb(
        self,
        connection: Connection,
        bundle: Bundle,
        decision: Decision,
        done: list[Bundle],
        now: datetime,
        report: BatchReport,
    ) -> list[Draft]:
        """The first rung, from the present one on, that has a channel to use."""
        claimed, recipient = bundle.claimed, decision.recipient
        if recipient is None:
            return []
        passed: list[Way] = []
        for rung in range(claimed.rung, len(decision.step.via)):
            found = ways(decision.step.via[rung], recipient.party, bundle.suppressed)
            passed += [way for way in found if way.address is None]
            usable = [
                Draft(bundle, decision, rung, way.channel, way.address)
                for way in open_channels(rung, found, bundle.deliveries)
                if way.address is not None
            ]
            if usable:
                return usable
            if any(one.rung == rung for one in bundle.deliveries):  # sent before its outcome was known; now it is
                done.append(bundle)
                return []
        if is_told(bundle.deliveries):
            done.append(bundle)
        else:
            self._no_way(connection, bundle, passed, now, report)
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

    def _write(
        self, connection: Connection, drafts: Sequence[Draft], now: datetime, report: BatchReport
    ) -> tuple[list[Sending], list[Bundle]]:
        """Write all deliveries of the batch, then render; answers the messages, and whose text could not be made."""
        if not drafts:
            return [], []
        self._note_rungs(connection, drafts)
        ids = store.begin(connection, [self._delivery_row(one, now) for one in drafts])
        sendings: list[Sending] = []
        languages: dict[DeliveryId, str] = {}
        failed: list[Bundle] = []
        outcomes: dict[DeliveryId, Outcome] = {}
        for key, draft in zip(ids, drafts, strict=True):
            try:
                message, languages[key] = self._render(draft, key, now)
            except TemplateError as error:
                log.error("a text could not be made: %s", error, extra={"notification": draft.bundle.claimed.id})
                outcomes[key] = Rejected(Reason.TEMPLATE_FAULT, Action.NEXT_CHANNEL, None, str(error))
                failed.append(draft.bundle)
                report.failed += 1
                continue
            sendings.append(Sending(draft.bundle, key, draft.channel, message))
            if draft.repeats is not None:  # the first try is not lost any more: the repeat stands for it
                outcomes[draft.repeats.id] = Rejected(Reason.TEMPORARY, Action.RETRY, None, "repeated")
        store.record(connection, outcomes, now=now)
        store.keep_messages(connection, {one.delivery_id: one.message for one in sendings}, languages)
        return sendings, failed

    def _note_rungs(self, connection: Connection, drafts: Sequence[Draft]) -> None:
        names = ("rung", "rungs", "moment", "useful_until", "urgent")
        rows = {
            one.bundle.claimed.id: {
                "key": one.bundle.claimed.id,
                "new_rung": one.rung,
                "new_rungs": len(one.decision.step.via),
                "new_moment": one.decision.moment or one.bundle.claimed.moment,
                "new_useful_until": one.decision.useful_until,
                "new_urgent": one.decision.step.urgent,
            }
            for one in drafts
        }
        statement = update(t.notification).where(N.id == bindparam("key"))
        connection.execute(statement.values({name: bindparam(f"new_{name}") for name in names}), list(rows.values()))

    def _delivery_row(self, draft: Draft, now: datetime) -> dict[str, Any]:
        return {
            "notification_id": draft.bundle.claimed.id,
            "attempt": draft.bundle.claimed.attempt,
            "rung": draft.rung,
            "channel": draft.channel.value,
            "provider": self.carriers[draft.channel].provider,
            "address": draft.address,
            "language": "",
            "template": draft.decision.step.template,
            "attempted_at": now,
            "updated_at": now,
        }

    def _render(self, draft: Draft, key: DeliveryId, now: datetime) -> tuple[Message, str]:
        rule, subject = draft.bundle.rule, draft.bundle.subject
        if draft.repeats is not None:
            return store.unpack(draft.repeats.message or {}, key), draft.repeats.language
        if rule is None or subject is None:
            raise TemplateError("the rule or its subject is gone")
        return self.renderer.render(
            rule,
            draft.decision,
            subject,
            draft.channel,
            draft.address,
            calendar=self.calendar_of(subject.office),
            now=now,
            delivery_id=key,
            stable_key=f"{draft.bundle.claimed.id}.{draft.channel}",
        )
