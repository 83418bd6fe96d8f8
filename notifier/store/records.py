"""What a source says of offices, people, permits and cases, before the register knows their ids."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from notifier.model import Channel


@dataclass(frozen=True, slots=True)
class OfficeRecord:
    """An office by its code; `values` has only the columns of the source. `desks`: name -> e-mail or None."""

    code: str
    values: Mapping[str, object]
    desks: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartyRecord:
    """A party by its number. A channel that is absent is left alone; None takes the address away."""

    number: str
    values: Mapping[str, object]
    contacts: Mapping[Channel, str | None] = field(default_factory=dict)
    attributes: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RoleRecord:
    """A party in a role, and the days between which that counts (both inclusive)."""

    party: str
    valid_from: date | None = None
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class SubjectRecord:
    """A permit or case by its number, with its references still as external numbers.

    `values` has only the columns of the source, `roles` only the roles it speaks of (an empty tuple: nobody
    any more). `office` and `holder` of None leave what the register holds, and refuse a new subject.
    """

    number: str
    office: str | None
    holder: str | None
    values: Mapping[str, object]
    roles: Mapping[str, tuple[RoleRecord, ...]] = field(default_factory=dict)
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    names_permit: bool = False  # the source says which permit the case is about, if any
    permit: str | None = None
    state_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A record the register cannot take: its place in the batch, the column at fault and one sentence."""

    index: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch of records."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: tuple[Refused, ...] = ()

    def plus(self, other: "Written") -> "Written":
        return Written(
            self.added + other.added,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.refused + other.refused,
        )
