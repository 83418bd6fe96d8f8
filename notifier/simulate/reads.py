"""The period of a simulation."""

from dataclasses import dataclass
from datetime import date

from notifier.rules.reads import Span


@dataclass(frozen=True, slots=True)
class Period:
    """The days that are counted, both included, and the span that is played through for their sake.

    `is_past`: it began before now, and the ledger of today says nothing about it.
    """

    first: date
    last: date
    span: Span
    is_past: bool = False
