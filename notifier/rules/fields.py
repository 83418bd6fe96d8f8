"""Every field a rule may ask about: its word, its type, whose it is and where it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from notifier.model import SubjectKind
from notifier.rules.vocabulary import ATTRIBUTES, Language, Part, english, word


class FieldType(StrEnum):
    """Decides which tests may stand behind a field (RULES 4.2)."""

    YES_NO = "yes/no"
    CHOICE = "choice"
    NUMBER = "number"
    LENGTH = "length"
    DAY = "day"
    INSTANT = "instant"
    PRESENCE = "presence"  # roles, cases: exists or missing
    ANY = "any"  # attributes.*: taken as text, yes/no or number


@dataclass(frozen=True, slots=True)
class Field:
    """One row of the table. `column` is None for what is derived in `notifier/rules/facts.py`."""

    name: str
    type: FieldType
    subjects: frozenset[SubjectKind]
    column: str | None = None
    choices: tuple[str, ...] = ()
    anchor: bool = False  # may a step count from it?

    @property
    def is_of_others(self) -> bool:
        """Whether "holder has" may ask it of another permit of the holder, too."""
        return self.column is not None or self.name in _DERIVED_OF_OTHERS

    def label(self, language: Language) -> str:
        """The field as a rule in that language writes it; a column of the register's own is written alike in all."""
        found = word(Part.FIELD, self.name)
        return self.name if found is None else found.spelling(language)


#: Derived fields that another permit of the holder has too; the others belong to the subject in hand alone.
_DERIVED_OF_OTHERS = frozenset({"extendable", "recommended day"})


PERMIT_STATUSES = english(Part.STATUS)
CASE_STATES = english(Part.STATE)
FINAL_CASE_STATES = frozenset(
    {"collected", "issued", "uncollected cancelled", "rejected", "lapsed", "cancelled", "abandoned", "closed"}
)
ORIGINS = english(Part.ORIGIN)
RECIPIENTS = english(Part.RECIPIENT)  # and "<name> desk"

_P, _C = SubjectKind.PERMIT, SubjectKind.CASE
_BOTH = frozenset({_P, _C})
_PERMIT, _CASE = frozenset({_P}), frozenset({_C})

_TABLE = (
    # permits
    Field("type", FieldType.CHOICE, _PERMIT, "type"),
    Field("status", FieldType.CHOICE, _PERMIT, "status", choices=PERMIT_STATUSES),
    Field("origin", FieldType.CHOICE, _PERMIT, "origin", choices=ORIGINS),
    Field("extendable", FieldType.YES_NO, _PERMIT, None),
    Field("extensions left", FieldType.NUMBER, _PERMIT, "extensions_left"),
    Field("stay left", FieldType.NUMBER, _PERMIT, None),
    Field("expiry", FieldType.DAY, _PERMIT, "expiry", anchor=True),
    Field("arrival", FieldType.DAY, _PERMIT, "arrival", anchor=True),
    Field("departure deadline", FieldType.DAY, _PERMIT, "departure_deadline", anchor=True),
    Field("recommended day", FieldType.DAY, _PERMIT, None, anchor=True),
    Field("anniversary", FieldType.DAY, _PERMIT, None, anchor=True),
    Field("open case", FieldType.PRESENCE, _PERMIT, None),
    Field("case.service", FieldType.CHOICE, _PERMIT, None),
    Field("case.state", FieldType.CHOICE, _PERMIT, None, choices=CASE_STATES),
    # cases
    Field("state", FieldType.CHOICE, _CASE, "state", choices=CASE_STATES),
    Field("service", FieldType.CHOICE, _CASE, "service"),
    Field("submission", FieldType.INSTANT, _CASE, "submitted_at", anchor=True),
    Field("payment", FieldType.INSTANT, _CASE, "paid_at", anchor=True),
    Field("payment deadline", FieldType.INSTANT, _CASE, "payment_due_at", anchor=True),
    Field("appointment", FieldType.INSTANT, _CASE, "appointment_at", anchor=True),
    Field("documents deadline", FieldType.DAY, _CASE, "documents_due_on", anchor=True),
    Field("service deadline", FieldType.DAY, _CASE, "service_due_on", anchor=True),
    Field("collection deadline", FieldType.DAY, _CASE, "collect_by", anchor=True),
    Field("closing", FieldType.INSTANT, _CASE, "closed_at", anchor=True),
    Field("payment time", FieldType.LENGTH, _CASE, None),
    Field("survey answer", FieldType.PRESENCE, _CASE, None),
    # both
    Field("issue", FieldType.DAY, _BOTH, "issue", anchor=True),
    Field("holder.age", FieldType.NUMBER, _BOTH, None),
    Field("holder.nationality", FieldType.CHOICE, _BOTH, None),
    Field("holder.language", FieldType.CHOICE, _BOTH, None),
    Field("holder.kind", FieldType.CHOICE, _BOTH, None, choices=english(Part.BEING)),
    Field("sponsor", FieldType.PRESENCE, _BOTH, None),
    Field("guardian", FieldType.PRESENCE, _BOTH, None),
    Field("agent", FieldType.PRESENCE, _BOTH, None),
    Field("payer", FieldType.PRESENCE, _BOTH, None),
    Field("officer", FieldType.PRESENCE, _BOTH, None),
)

FIELDS: Mapping[str, Field] = {field.name: field for field in _TABLE}

#: What is asked with `attributes.NAME`: the register's own extra columns.
ATTRIBUTE_PREFIX = ATTRIBUTES[Language.ENGLISH]


def field_named(name: str, subject: SubjectKind) -> Field | None:
    """The field of that word for that kind of subject, or None."""
    if name.startswith(ATTRIBUTE_PREFIX) and len(name) > len(ATTRIBUTE_PREFIX):
        return Field(name, FieldType.ANY, _BOTH, "attributes")
    found = FIELDS.get(name)
    return found if found is not None and subject in found.subjects else None
