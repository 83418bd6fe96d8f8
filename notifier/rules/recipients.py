"""Who is to be told: roles as they count on the sending day, guardians for minors, desks for officers (S57-S65)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from notifier.model import Party, PartyId, Reason, RoleHeld, Subject
from notifier.rules.facts import is_minor

FRONT_DESK = "front desk"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A party in the role it is told in; `in_place_of` is the minor a guardian stands for (S59)."""

    party: Party
    role: str
    in_place_of: PartyId | None = None


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Somebody who would be told but does not count today."""

    party: Party
    role: str
    reason: Reason


def recipients(
    to: tuple[str, ...], subject: Subject, today: date, adult_age: int
) -> tuple[list[Recipient], list[PassedOver]]:
    """Everybody named by `to`, each once, in the first role that names them (S58)."""
    chosen: dict[PartyId, Recipient] = {}
    passed: list[PassedOver] = []
    for word in to:
        for answer in _of_role(word, subject, today, adult_age):
            if isinstance(answer, PassedOver):
                passed.append(answer)
            else:
                chosen.setdefault(answer.party.id, answer)
    return list(chosen.values()), passed


def _of_role(word: str, subject: Subject, today: date, adult_age: int) -> Iterator[Recipient | PassedOver]:
    holder = subject.holder
    minor = is_minor(holder, today, adult_age)
    found: Iterator[Recipient | PassedOver]
    match word:
        case "holder":
            found = _holder(subject, today, minor)
        case "guardian":
            found = _guardians(subject, today) if minor else iter(())
        case "payer":
            found = _or_else(_held(subject, "payer", today), _holder(subject, today, minor))
        case "officer":
            found = _or_else(_held(subject, "officer", today), _held(subject, FRONT_DESK, today))
        case _:
            found = _held(subject, word, today)
    for answer in found:
        if holder is not None and holder.deceased_on is not None and not _is_staff(answer.role):
            yield PassedOver(answer.party, answer.role, Reason.HOLDER_DECEASED)
        else:
            yield answer


def _or_else(
    found: Iterator[Recipient | PassedOver], substitute: Iterator[Recipient | PassedOver]
) -> Iterator[Recipient | PassedOver]:
    """Who holds a role, and the substitute when nobody of them counts today (S57, S63)."""
    holding = list(found)
    yield from holding
    if not any(isinstance(one, Recipient) for one in holding):
        yield from substitute


def _is_staff(role: str) -> bool:
    return role == "officer" or role.endswith("desk")


def _holder(subject: Subject, today: date, minor: bool) -> Iterator[Recipient | PassedOver]:
    if minor:
        yield from _guardians(subject, today)
    elif subject.holder is not None:
        yield Recipient(subject.holder, "holder")


def _guardians(subject: Subject, today: date) -> Iterator[Recipient | PassedOver]:
    for answer in _held(subject, "guardian", today):
        if isinstance(answer, Recipient) and subject.holder is not None:
            yield Recipient(answer.party, "guardian", in_place_of=subject.holder.id)
        else:
            yield answer


def _held(subject: Subject, role: str, today: date) -> Iterator[Recipient | PassedOver]:
    for held in subject.roles:
        if held.role == role:
            yield Recipient(held.party, role) if held.counts_on(today) else _not_counting(held)


def _not_counting(held: RoleHeld) -> PassedOver:
    return PassedOver(held.party, held.role, Reason.AUTHORITY_ENDED)
