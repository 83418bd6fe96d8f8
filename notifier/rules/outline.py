"""A permit as one row of plain values: most of what rules read of most permits, compared without being understood.

`Reads` says what of a subject one rule can see. For the many that are ordinary (no date was ever corrected, no other
document or case of the holder has a say) that is a few columns, the roles and an age. Rows with equal values of these
are of one sort, and `decide` is asked once for each. What an outline cannot tell is no outline's: None.
"""

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from typing import Any

from notifier.model import SubjectKind
from notifier.rules.facts import latest_birth
from notifier.rules.reads import BEHIND, BIRTH, Reads

#: The values of a row, under the words of rules; a store may give them in any form that is equal where they are.
WORDS = (
    "type",
    "status",
    "origin",
    "issue",
    "expiry",
    "arrival",
    "departure deadline",
    "extendable",
    "extensions left",
    "holder.nationality",
    "holder.language",
    "holder.kind",
)
CASE_FIELDS = frozenset({"open case", "case.service", "case.state"})

Stored = Callable[[date], Any]


@dataclass(frozen=True, slots=True)
class Outline:
    """How one rule looks at permits of one type at offices of one class."""

    values: Callable[[Sequence[Any]], Hashable]  # of a row of WORDS
    comes_of_age: tuple[Any, ...] | None  # the latest births of each age that matters; None: the birth itself does
    replacing: frozenset[str]  # another document of such a type may have renewed it (S56)
    services: frozenset[str]  # an open case of these is asked about
    is_alone: bool  # any other document of the holder has a say

    def birth(self, born: Any) -> Any:
        """What of a birth date matters today: the number of birthdays that are past."""
        if born is None or self.comes_of_age is None:
            return born
        return sum([born <= latest for latest in self.comes_of_age])

    def refuses(self, types: Collection[str], services: Collection[str]) -> bool:
        """Whether the holder's other documents, or the services of the open cases, have a say in it."""
        if types and (self.is_alone or not self.replacing.isdisjoint(types)):
            return True
        return bool(services) and not self.services.isdisjoint(services)


def outline_of(reads: Reads, office: str, kind: str, today: date, stored: Stored) -> Outline | None:
    """The outline for a type of document at an office, on a day of its clock; None: the subject itself is asked.

    `stored` gives a day in the form the rows have.
    """
    if not is_possible(reads):
        return None
    bases = set(reads.bases_at(office, kind))
    words = {"type", *reads.fields, *(bases - {BIRTH})}
    words.update(word for name in reads.derived for word in BEHIND[name])
    if not words.issubset(WORDS):
        return None
    documents = reads.rules.documents
    document = documents.get(kind)
    successors = document.successors if document else ()
    services = document.services if document else ()
    ages = None if BIRTH in bases else reads.ages
    return Outline(
        values=itemgetter(*[WORDS.index(word) for word in sorted(words)]),
        comes_of_age=None if ages is None else tuple(stored(latest_birth(age, today)) for age in ages),
        replacing=frozenset((kind, *successors)) if "status" in reads.derived else frozenset(),
        services=frozenset(services) if not CASE_FIELDS.isdisjoint(reads.derived) else frozenset(),
        is_alone=bool(reads.fields_of_others),
    )


def is_possible(reads: Reads) -> bool:
    """Whether a rule reads nothing of a permit but what an outline has."""
    asks_instants = reads.asks_changes or reads.asks_beginnings
    is_ours = reads.rule.subject is SubjectKind.PERMIT and not reads.is_alone
    asks_desks = any(role == "officer" or role.endswith("desk") for role in reads.roles)
    return is_ours and not asks_instants and not asks_desks and BEHIND.keys() >= set(reads.derived)
