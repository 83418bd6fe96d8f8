"""A decision: one step for one recipient, with its verdict and the first reason that settles it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from notifier.calendar.office import OfficeCalendar
from notifier.model import Reason, StepKey
from notifier.rules.recipients import Recipient
from notifier.rules.rule import RuleSet, Step


class Verdict(StrEnum):
    """What a decision asks for."""

    GOES = "goes"  # now
    LATER = "later"  # its moment or the next allowed minute lies ahead
    NOT = "not"


@dataclass(frozen=True, slots=True)
class Decision:
    """One step (and occurrence) of one rule for one recipient, with the first reason that settles it."""

    rule: str
    step: Step
    verdict: Verdict
    reason: Reason
    detail: str = ""
    occurrence: int = 0
    cycle: str = ""
    recipient: Recipient | None = None
    moment: datetime | None = None
    leaves_at: datetime | None = None
    useful_until: datetime | None = None
    is_day: bool = True  # it belongs to a day of the office; False: to an instant

    @property
    def key(self) -> StepKey:
        """Its identity within the rule and subject (S46)."""
        party_id = self.recipient.party.id if self.recipient else None
        return self.step.name, self.occurrence, self.cycle, party_id


@dataclass(frozen=True, slots=True)
class Ground:
    """What a decision stands on besides rule, subject and ledger."""

    calendar: OfficeCalendar
    rules: RuleSet
    in_force: Mapping[tuple[str, str], datetime]  # (rule, step) -> since; missing: always
    adult_age: int = 18
