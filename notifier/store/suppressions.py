"""Addresses that may not be written to, and why: opted out, blocked, or not working at all."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, tuple_, update

from notifier.model import CHANNELS, Channel, Reason, Subject
from notifier.store.bulk import TOGETHER, one_of, slices
from notifier.store.changes import touch_parties
from notifier.store.tables import contact, suppression

#: An address on a channel; telephone numbers are E.164, e-mail addresses as the register holds them.
Address = tuple[Channel, str]

#: What the recipient began, the recipient may end; an officer's suppression is an officer's to lift.
LIFTED_BY_RECIPIENT = frozenset({Reason.OPTED_OUT, Reason.BLOCKED_BY_RECIPIENT})
HOLDING = select(suppression.c.channel, suppression.c.address).where(
    one_of(suppression.c.address, "addresses"), suppression.c.lifted_at.is_(None)
)


@dataclass(frozen=True, slots=True)
class Suppression:
    """One suppression as it was made; `lifted_at` is None while it holds."""

    channel: Channel
    address: str
    reason: str
    source: str
    created_at: datetime
    lifted_at: datetime | None


def suppress(
    connection: Connection, channel: Channel, address: str, *, reason: str, source: str, now: datetime
) -> bool:
    """Forbid an address on a channel; False when it was already forbidden. `source` says how we know."""
    holding = select(suppression.c.id).where(
        suppression.c.channel == channel,
        suppression.c.address == address,
        suppression.c.lifted_at.is_(None),
    )
    if connection.scalar(holding.limit(1)) is not None:
        return False
    # Two transactions that pass here together make two rows; both hold, and both are lifted together.
    row = {"channel": channel.value, "address": address, "reason": str(reason), "source": source}
    connection.execute(insert(suppression).values(**row, created_at=now))
    return True


def lift(
    connection: Connection,
    channel: Channel,
    address: str,
    *,
    now: datetime,
    reasons: Collection[str] | None = None,
) -> bool:
    """Allow an address again, all suppressions or those for `reasons`; False when there was none to lift."""
    statement = update(suppression).where(
        suppression.c.channel == channel,
        suppression.c.address == address,
        suppression.c.lifted_at.is_(None),
    )
    if reasons is not None:
        statement = statement.where(suppression.c.reason.in_([str(reason) for reason in reasons]))
    lifted = connection.execute(statement.values(lifted_at=now)).rowcount > 0
    if lifted:  # what was suppressed and is still useful comes back (S43)
        of_address = select(contact.c.party_id).where(contact.c.channel == channel, contact.c.address == address)
        touch_parties(connection, connection.scalars(of_address))
    return lifted


def active(connection: Connection, addresses: Collection[Address]) -> set[Address]:
    """Which of these addresses may not be written to now."""
    return _suppressed(connection, {address for _, address in addresses}).intersection(addresses)


def suppressed_contacts(connection: Connection, subjects: Iterable[Subject]) -> frozenset[Address]:
    """Of everybody with a role in these subjects, the addresses that may not be written to now."""
    contacts = [contact for subject in subjects for held in subject.roles for contact in held.party.contacts]
    found = _suppressed(connection, {contact.address for contact in contacts})
    return frozenset(found.intersection((contact.channel, contact.address) for contact in contacts) if found else ())


def _suppressed(connection: Connection, addresses: Iterable[str]) -> set[Address]:
    """What is suppressed of some addresses, on whatever channel."""
    found: set[Address] = set()
    for part in slices(addresses, TOGETHER):
        found.update(
            (CHANNELS[channel], address) for channel, address in connection.execute(HOLDING, {"addresses": part}).all()
        )
    return found


def list_suppressions(connection: Connection, *, lifted: bool = False) -> list[Suppression]:
    """The suppressions that hold, oldest first; with `lifted`, also those that no longer do."""
    columns = [column for column in suppression.c if column.name != "id"]
    statement = select(*columns).order_by(suppression.c.id)
    if not lifted:
        statement = statement.where(suppression.c.lifted_at.is_(None))
    return [Suppression(Channel(row[0]), *row[1:]) for row in connection.execute(statement)]


def mark_unusable(connection: Connection, reasons: Mapping[Address, Reason]) -> None:
    """Note on every contact with one of these addresses that it does not work; a new address clears it."""
    for reason in sorted(set(reasons.values())):
        addresses = [address for address, why in reasons.items() if why is reason]
        # Locked in id order: two batches that name the same people would wait for each other.
        rows = (
            select(contact.c.id)
            .where(tuple_(contact.c.channel, contact.c.address).in_(addresses))
            .order_by(contact.c.id)
            .with_for_update(key_share=True)
        )
        identities = connection.scalars(rows).all()
        if identities:
            marked = update(contact).where(contact.c.id.in_(identities))
            connection.execute(marked.values(usable=False, reason=reason.value))
