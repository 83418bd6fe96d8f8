"""A batch: claimed notifications with everything guard and text need, read a moment ago."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from notifier.model import Channel, DeliveryId, Entry, Message, Subject, SubjectKind
from notifier.rules.rule import Rule, RuleSet
from notifier.store.claims import Claimed
from notifier.store.deliveries import Delivery, read_deliveries
from notifier.store.subjects import read_entries, read_in_force, read_offices, read_subjects
from notifier.store.suppressions import Address, suppressed_contacts


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings of [sending] that dispatch needs."""

    per_day: int = 1
    per_week: int = 3
    rung_wait: timedelta = timedelta(hours=24)
    presumed_delivered_after: timedelta = timedelta(hours=24)
    retries: tuple[timedelta, ...] = (timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))
    lease: timedelta = timedelta(minutes=10)
    ask_after: timedelta = timedelta(minutes=2)
    adult_age: int = 18


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


@dataclass(frozen=True, slots=True)
class Sending:
    """One message on its way, and the delivery that was written for it."""

    bundle: Bundle
    delivery_id: DeliveryId
    channel: Channel
    message: Message


@dataclass(slots=True)
class BatchReport:
    """What became of a batch."""

    claimed: int = 0
    sent: int = 0
    held: int = 0
    ended: int = 0
    failed: int = 0
    stopped: dict[Channel, str] = field(default_factory=dict)


def gather(connection: Connection, claimed: Sequence[Claimed], rules: RuleSet) -> list[Bundle]:
    """Read, in a few statements for the whole batch, what each claimed notification is about."""
    offices = read_offices(connection)
    subjects: dict[tuple[str, int], Subject] = {}
    entries: dict[tuple[str, int], list[Entry]] = {}
    for kind in SubjectKind:
        wanted = {one.subject_id for one in claimed if one.subject_kind == kind.value}
        if wanted:
            found = read_subjects(connection, kind, wanted, offices)
            subjects |= {(kind.value, key): subject for key, subject in found.items()}
            entries |= {(kind.value, key): rows for key, rows in read_entries(connection, kind, wanted).items()}
    deliveries = read_deliveries(connection, [one.id for one in claimed])
    suppressed = suppressed_contacts(connection, subjects.values())
    in_force = read_in_force(connection)
    bundles = []
    for one in claimed:
        key = (one.subject_kind, one.subject_id)
        subject = subjects.get(key)
        code = subject.office.code if subject else None
        ledger = tuple(entry for entry in entries.get(key, ()) if entry.rule == one.rule)
        rule = rules.rule(one.rule, code)
        theirs = tuple(deliveries.get(one.id, ()))
        bundles.append(Bundle(one, rule, subject, ledger, theirs, suppressed, in_force))
    return bundles
