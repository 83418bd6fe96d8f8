"""Caps: how many messages a person may get on a day and in a week, over all rules and workers (S81)."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, select

from notifier.model import NotificationId, PartyId
from notifier.store import tables as t
from notifier.store.bulk import one_of
from notifier.store.many import insert_once_each
from notifier.store.subjects import chunks

CAP = t.cap_use.c
#: One use of a cap: person, day, the number of the message on that day, notification.
CAP_USE = ("party_id", "day", "number", "notification_id")
_Number = tuple[PartyId, date, int, NotificationId]
USED = select(*(CAP[name] for name in CAP_USE)).where(
    one_of(CAP.party_id), CAP.day > bindparam("since", type_=CAP.day.type)
)


class CapWish(NamedTuple):
    """A notification that asks for one of its person's messages of a day."""

    party_id: PartyId
    day: date
    notification_id: NotificationId


class Caps:
    """How many messages the people of a batch had on the last seven days; keeps the cap over all workers (S81)."""

    def __init__(
        self, connection: Connection, party_ids: Iterable[int], days: Iterable[date], *, per_day: int, per_week: int
    ) -> None:
        self._connection = connection
        self._per_day, self._per_week = per_day, per_week
        self._used: dict[int, list[tuple[date, int, NotificationId]]] = {}
        self._earliest = min(days, default=None)
        if self._earliest is not None:
            self._read(party_ids)

    def take(self, wishes: Sequence[CapWish]) -> set[NotificationId]:
        """Use one of the person's messages for each wish, while some are left; answers which may leave.

        Wishes come in the order of persons: two workers cannot wait for each other. A second try of what has its
        message costs nothing. All are written by one statement; where another worker was faster, its person's are
        taken back and asked again one by one.
        """
        granted, numbers = self._grant(wishes)
        refused = self._write(numbers)
        if not refused:
            return granted
        again = [wish for wish in wishes if wish.party_id in refused]
        for chunk in chunks(key for party_id, _, _, key in numbers if party_id in refused):
            self._connection.execute(delete(t.cap_use).where(CAP.notification_id.in_(chunk)))
        granted = granted - {wish.notification_id for wish in again}
        for wish in again:
            # Reads anew what the faster one has committed; it may have left room, and may be faster once more.
            for _ in range(self._per_day + 1):
                self._used.pop(wish.party_id, None)
                self._read([wish.party_id])
                allowed, number = self._grant([wish])
                if not self._write(number):
                    granted |= allowed
                    break
        return granted

    def counted(self, party_id: int) -> Collection[NotificationId]:
        """The notifications that have a message of the person already."""
        used = self._used.get(party_id)
        return {key for _, _, key in used} if used else ()

    def _read(self, party_ids: Iterable[int]) -> None:
        assert self._earliest is not None
        since = self._earliest - timedelta(days=7)
        for chunk in chunks(party_ids):
            asked = {"ids": chunk, "since": since}
            for party_id, day, number, key in self._connection.execute(USED, asked).all():
                self._used.setdefault(party_id, []).append((day, number, key))

    def _grant(self, wishes: Sequence[CapWish]) -> tuple[set[NotificationId], list[_Number]]:
        """Whose wish can be met as far as we know, and which message of the person each is to get."""
        granted: set[NotificationId] = set()
        numbers: list[_Number] = []
        for party_id, day, key in wishes:
            used = self._used.setdefault(party_id, [])
            if used and any(which == key for _, _, which in used):
                granted.add(key)
                continue
            free = self._free(used, day)
            if free is not None:
                used.append((day, free, key))
                numbers.append((party_id, day, free, key))
                granted.add(key)
        return granted, numbers

    def _free(self, used: Sequence[tuple[date, int, NotificationId]], day: date) -> int | None:
        """The number of the message that a person may still have on a day."""
        if not used and self._per_day and self._per_week:
            return 0
        since = day - timedelta(days=7)
        if sum(since < used_on <= day for used_on, _, _ in used) >= self._per_week:
            return None
        taken = {number for used_on, number, _ in used if used_on == day}
        return next((number for number in range(self._per_day) if number not in taken), None)

    def _write(self, numbers: Sequence[_Number]) -> set[int]:
        """The persons of whom another worker has just used a message. The unique key decides between the two."""
        rows = [dict(zip(CAP_USE, values, strict=True)) for values in sorted(numbers)]
        added = insert_once_each(self._connection, t.cap_use, rows, CAP.notification_id)
        return {party_id for party_id, _, _, key in numbers if key not in added}


def free_cap(connection: Connection, key: NotificationId) -> None:
    """Give the day back to the person when nothing left after all."""
    connection.execute(delete(t.cap_use).where(CAP.notification_id == key))
