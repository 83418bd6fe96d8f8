"""What providers say later: every receipt is kept raw, and moves its delivery forward or not at all."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from notifier.channels.bounce import parse_bounce
from notifier.model import (
    DELIVERY_MOVES,
    PROVED,
    Action,
    DeliveryId,
    DeliveryState,
    NotificationId,
    Reason,
    Receipt,
)
from notifier.store import receipts as store
from notifier.store.deliveries import read_members
from notifier.store.receipts import BROUGHT, Found, Kept, Move, Orphan
from notifier.store.settle import settle_late
from notifier.store.suppressions import Address, mark_unusable, suppress

log = logging.getLogger(__name__)

#: Widths of the columns; what a provider says at greater length is cut there, and whole in the raw form.
CODE_LENGTH = 16
REFERENCE_LENGTH = 128

#: Reads a raw form again, when an orphan has found its delivery.
Reader = Callable[[Mapping[str, str]], Receipt | None]


class Settle(Protocol):
    """Derives the states of notifications from their deliveries, in the same transaction."""

    def __call__(self, connection: Connection, ids: Sequence[NotificationId], /, *, now: datetime) -> object: ...


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch: the notifications it moved, and the places of receipts the database refused."""

    notification_ids: tuple[NotificationId, ...]
    refused: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Bounces:
    """What became of mails from the bounce mailbox."""

    mails: int
    recognised: int
    moved: int


def record(
    connection: Connection, receipts: Sequence[Receipt], *, now: datetime, settle: Settle = settle_late
) -> list[NotificationId]:
    """Keep the receipts and move their deliveries; answers the notifications that moved, in order."""
    return list(record_batch(connection, receipts, now=now, settle=settle).notification_ids)


def record_batch(
    connection: Connection, receipts: Sequence[Receipt], *, now: datetime, settle: Settle = settle_late
) -> Recorded:
    """The same, and says which receipts could not be stored: one that cannot costs no other."""
    moved: set[NotificationId] = set()

    def write(batch: Sequence[tuple[int, Receipt]]) -> None:
        moved.update(_write(connection, [one for _, one in batch], now=now, settle=settle))

    numbered = [(place, clean(one)) for place, one in enumerate(receipts)]
    refused = store.in_halves(connection, numbered, write) if numbered else []
    for _, one in refused:
        log.error("a receipt could not be stored", extra={"provider": one.provider, "code": one.code})
    return Recorded(tuple(sorted(moved)), frozenset(place for place, _ in refused))


def adopt_orphans(
    connection: Connection,
    *,
    now: datetime,
    readers: Mapping[str, Reader],
    settle: Settle = settle_late,
    since: datetime | None = None,
) -> list[NotificationId]:
    """Match kept receipts with deliveries whose reference has become known since; answers what moved.

    `since` bounds how old they may be. `readers` read a provider's raw form again.
    """
    orphans = store.find_orphans(connection, since=since)
    if not orphans:
        return []
    found = store.lock(connection, {orphan.delivery_id for orphan in orphans})
    fold = _Fold(found)
    adopted = [(orphan, fold.take(_read(orphan, readers), found.get(orphan.delivery_id))) for orphan in orphans]
    store.adopt(connection, adopted)
    return _finish(connection, fold, now=now, settle=settle)


def record_bounces(
    connection: Connection, mails: Iterable[bytes], *, key: bytes, now: datetime, settle: Settle = settle_late
) -> Bounces:
    """Read mails from the bounce mailbox; what is no bounce of ours is passed over."""
    count, receipts = 0, []
    for mail in mails:
        count += 1
        receipt = parse_bounce(mail, key=key)
        if receipt is not None:
            receipts.append(receipt)
    recorded = record_batch(connection, receipts, now=now, settle=settle)
    return Bounces(count, len(receipts), len(recorded.notification_ids))


def clean(receipt: Receipt) -> Receipt:
    """The receipt without what a database refuses: NUL, half characters, codes wider than their column."""
    words = [*receipt.raw, *receipt.raw.values(), receipt.reference or "", receipt.code or ""]
    if "".join(words).isprintable() and len(words[-2]) <= REFERENCE_LENGTH and len(words[-1]) <= CODE_LENGTH:
        return receipt  # nearly every one, and this costs little
    return replace(
        receipt,
        raw={_clean(name): _clean(value) for name, value in receipt.raw.items()},
        reference=_clean(receipt.reference)[:REFERENCE_LENGTH] if receipt.reference else None,
        code=_clean(receipt.code)[:CODE_LENGTH] if receipt.code else None,
    )


def _clean(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


class _Fold:
    """Applies receipts one after the other to locked deliveries, and remembers what must be written."""

    def __init__(self, found: Mapping[DeliveryId, Found]) -> None:
        self.found = found
        self.moves: dict[DeliveryId, Move] = {}
        self.moved: set[NotificationId] = set()
        self.unsettled: set[DeliveryId] = set()
        self.opted_out: dict[Address, str] = {}
        self.bad: dict[Address, Reason] = {}

    def take(self, receipt: Receipt, owner: Found | None) -> bool:
        """Whether the receipt moves its delivery."""
        if owner is None:
            return False
        last = self.moves.get(owner.id, Move(owner.id, owner.state, None, None, None))
        applied = receipt.state in BROUGHT and receipt.state in DELIVERY_MOVES[last.state]
        reference = last.reference or receipt.reference
        if applied and receipt.state is not None:
            reason, code = _why(receipt)
            self.moves[owner.id] = Move(owner.id, receipt.state, reason, code, reference)
            self.moved.add(owner.notification_id)
            if last.state not in PROVED:  # from delivered to read is no news for the notification
                self.unsettled.add(owner.id)
        elif reference and not owner.reference:
            self.moves[owner.id] = replace(last, reference=reference)
        # A receipt that claims no state (a complaint) is acted on too; a late or repeated one is not.
        if applied or receipt.state is None:
            self._act(receipt, owner)
        return applied

    def _act(self, receipt: Receipt, owner: Found) -> None:
        address = (owner.channel, owner.address)
        if receipt.action is Action.SUPPRESS:
            self.opted_out[address] = f"receipt of {receipt.provider}, code {receipt.code or 'none'}"
        elif receipt.action is Action.BAD_ADDRESS:
            self.bad[address] = receipt.reason or Reason.BAD_ADDRESS


def _why(receipt: Receipt) -> tuple[str | None, str | None]:
    """A proof of delivery clears what an earlier failure said."""
    if receipt.state is not DeliveryState.FAILED:
        return None, None
    return receipt.reason, receipt.code


def _write(
    connection: Connection, receipts: Sequence[Receipt], *, now: datetime, settle: Settle = settle_late
) -> list[NotificationId]:
    owners = _owners(connection, receipts)
    found = store.lock(connection, {owner for owner in owners if owner is not None})
    fold = _Fold(found)
    kept = []
    for receipt, owner in zip(receipts, owners, strict=True):
        applied = fold.take(receipt, found.get(owner) if owner is not None else None)
        kept.append(Kept(receipt, owner if owner in found else None, applied))
    store.keep(connection, kept, now=now)
    return _finish(connection, fold, now=now, settle=settle)


def _owners(connection: Connection, receipts: Sequence[Receipt]) -> list[DeliveryId | None]:
    """Whose each receipt is: the delivery it names itself, else the one with its reference."""
    references = {(one.provider, one.reference) for one in receipts if one.delivery_id is None and one.reference}
    by_reference = store.find_by_reference(connection, references)
    return [
        one.delivery_id or (by_reference.get((one.provider, one.reference)) if one.reference else None)
        for one in receipts
    ]


def _finish(connection: Connection, fold: _Fold, *, now: datetime, settle: Settle) -> list[NotificationId]:
    moves = [fold.moves[identity] for identity in sorted(fold.moves)]
    store.move(connection, moves, now=now)
    for (channel, address), source in sorted(fold.opted_out.items()):
        suppress(connection, channel, address, reason=Reason.BLOCKED_BY_RECIPIENT, source=source, now=now)
    mark_unusable(connection, fold.bad)
    if fold.unsettled:
        settle(connection, sorted(read_members(connection, fold.unsettled)), now=now)
    return sorted(fold.moved)


def _read(orphan: Orphan, readers: Mapping[str, Reader]) -> Receipt:
    reader = readers.get(orphan.provider)
    read = reader(orphan.raw) if reader else None
    return read or Receipt(orphan.provider, orphan.state, orphan.raw, code=orphan.code)
