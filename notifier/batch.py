"""A batch: claimed notifications with everything guard and text need, read a moment ago."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Connection

from notifier.model import (
    Channel,
    DeliveryId,
    Entry,
    Message,
    NotificationId,
    Office,
    OfficeId,
    Outcome,
    Subject,
    SubjectKind,
)
from notifier.rules.rule import Rule, RuleSet
from notifier.store.claims import Claimed, find_companions, lock_open, read_open
from notifier.store.deliveries import Delivery, read_deliveries
from notifier.store.subjects import read_entries, read_in_force, read_offices, read_subjects
from notifier.store.suppressions import Address, suppressed_contacts


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings that dispatch needs, mostly of [sending]; what they mean and their defaults stand there."""

    per_day: int
    per_week: int
    rung_wait: timedelta
    presumed_delivered_after: timedelta
    retries: tuple[timedelta, ...]
    lease: timedelta
    ask_after: timedelta
    adult_age: int
    envelope_tolerance: int  # percent
    envelope_slack: int  # messages


@dataclass(frozen=True, slots=True)
class Bundle:
    """A claimed notification with everything the guard and the text need, read a moment ago."""

    claimed: Claimed
    rule: Rule | None
    subject: Subject | None
    entries: tuple[Entry, ...]
    deliveries: tuple[Delivery, ...]
    suppressed: frozenset[Address]
    in_force: Mapping[tuple[str, str], datetime]
    is_companion: bool = False  # not claimed: it may come along with what was
    died: frozenset[DeliveryId] = frozenset()  # deliveries whose worker died before it could write their outcome
    words_of: str = ""  # the step whose words and channels its message takes; "": its own


@dataclass(frozen=True, slots=True)
class Sending:
    """One message on its way, and the delivery that was written for it.

    `bundle` is the notification that words it; `others` are told in it too.
    """

    bundle: Bundle
    delivery_id: DeliveryId
    channel: Channel
    message: Message
    others: tuple[Bundle, ...] = ()

    @property
    def bundles(self) -> tuple[Bundle, ...]:
        return self.bundle, *self.others


@dataclass(slots=True)
class BatchReport:
    """What became of a batch."""

    claimed: int = 0
    sent: int = 0
    held: int = 0
    ended: int = 0
    failed: int = 0
    stopped: dict[Channel, str] = field(default_factory=dict)


def finished(sendings: Sequence[Sending], outcomes: Mapping[DeliveryId, Outcome | None]) -> list[Sending]:
    """Those whose outcome is known and whose notifications wait for no other outcome: they can be written down."""
    known = [one for one in sendings if one.delivery_id in outcomes]
    waiting = {bundle.claimed.id for one in sendings if one.delivery_id not in outcomes for bundle in one.bundles}
    while True:
        free = [one for one in known if not any(bundle.claimed.id in waiting for bundle in one.bundles)]
        if len(free) == len(known):
            return free
        kept = {one.delivery_id for one in free}
        waiting.update(bundle.claimed.id for one in known if one.delivery_id not in kept for bundle in one.bundles)
        known = free


def gather(connection: Connection, claimed: Sequence[Claimed], rules: RuleSet, *, now: datetime) -> list[Bundle]:
    """Read, in a few statements for the whole batch, what each claimed notification is about.

    What may leave in one message with them is read too: the same persons' of the same rule and day, and those that
    shared earlier deliveries (S73, S80).
    """
    offices, rule_at = read_offices(connection), cache(rules.rule)
    # A first claim has no deliveries yet, and most claims are.
    deliveries = read_deliveries(connection, [one.id for one in claimed if one.attempt > 1])
    companions = _companions(connection, claimed, deliveries, offices, rule_at, now)
    deliveries |= read_deliveries(connection, [one.id for one in companions if one.attempt > 0])
    subjects: dict[tuple[str, int], Subject] = {}
    entries: dict[tuple[str, int], list[Entry]] = {}
    for kind in SubjectKind:
        wanted = {one.subject_id for one in (*claimed, *companions) if one.subject_kind == kind.value}
        if wanted:
            found = read_subjects(connection, kind, wanted, offices)
            subjects |= {(kind.value, key): subject for key, subject in found.items()}
            entries |= {(kind.value, key): rows for key, rows in read_entries(connection, kind, wanted).items()}
    suppressed = suppressed_contacts(connection, subjects.values())
    in_force = read_in_force(connection)

    def bundle(one: Claimed, is_companion: bool) -> Bundle:
        key = (one.subject_kind, one.subject_id)
        subject = subjects.get(key)
        rule = rule_at(one.rule, subject.office.code if subject else None)
        ledger = tuple([entry for entry in entries.get(key, ()) if entry.rule == one.rule])
        theirs = tuple(deliveries.get(one.id, ()))
        return Bundle(one, rule, subject, ledger, theirs, suppressed, in_force, is_companion)

    return [bundle(one, False) for one in claimed] + [bundle(one, True) for one in companions]


def _companions(
    connection: Connection,
    claimed: Sequence[Claimed],
    deliveries: Mapping[NotificationId, Sequence[Delivery]],
    offices: Mapping[OfficeId, Office],
    rule_at: Callable[[str, str | None], Rule | None],
    now: datetime,
) -> list[Claimed]:
    fresh = []
    for one in claimed:
        office = offices.get(OfficeId(one.office_id))
        rule = rule_at(one.rule, office.code if office else None)
        if rule is not None and not rule.separate and not one.forced and one.first_sent_at is None:
            fresh.append(one)
    mine = {one.id for one in claimed}
    fellows = {key for found in deliveries.values() for one in found for key in one.tells} - mine
    new = [one for one in find_companions(connection, fresh, now=now) if one.id not in mine]
    return new + [one for one in read_open(connection, fellows) if one.id not in {other.id for other in new}]


def hold_fast(
    connection: Connection, bundles: Sequence[Bundle], others: Collection[NotificationId] = ()
) -> list[Bundle]:
    """Lock the notifications of a batch (and `others`) until the transaction ends; answers those still to be looked at.

    What was claimed is left out when another worker has claimed or ended it since, and a companion when another
    worker has sent it since.
    """
    attempts = lock_open(connection, {one.claimed.id for one in bundles} | set(others))
    kept: list[Bundle] = []
    changed = [one.claimed.id for one in bundles if one.is_companion and attempts.get(one.claimed.id, 0) > 0]
    now_there = read_deliveries(connection, changed)
    for one in bundles:
        attempt = attempts.get(one.claimed.id)
        if one.is_companion and attempt is not None:
            known = [delivery.id for delivery in one.deliveries]
            if known == [delivery.id for delivery in now_there.get(one.claimed.id, ())]:
                kept.append(replace(one, claimed=replace(one.claimed, attempt=attempt)))
        elif attempt == one.claimed.attempt:
            kept.append(one)
    return kept
