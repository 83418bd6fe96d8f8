"""What stands behind each key of a rule file: read by the editor schema, the translation and the formatter."""

from collections.abc import Mapping
from dataclasses import dataclass

from notifier.rules.fields import ATTRIBUTE_PREFIX, FIELDS, Field, FieldType
from notifier.rules.vocabulary import VOCABULARY, Part, Word, english
from notifier.rules.words import RULE_KEYS, STEP_KEYS


@dataclass(frozen=True, slots=True)
class Phrase:
    """One phrase of the grammar, or a list of them."""

    name: str
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """One word, or several where a list is allowed; of a part of the vocabulary, or (None) the office's own."""

    part: Part | None
    is_list: bool = False
    may_exclude: bool = False  # {not: …}
    pattern: str | None = None  # what a word of the office's own looks like
    only: tuple[str, ...] = ()  # those words of the part (in English); all if left out

    @property
    def rows(self) -> tuple[Word, ...]:
        """The words of the vocabulary that may stand here."""
        rows = VOCABULARY[self.part] if self.part is not None else ()
        return tuple(row for row in rows if not self.only or row.english in self.only)


@dataclass(frozen=True, slots=True)
class FreeText:
    """A text for people."""


@dataclass(frozen=True, slots=True)
class Recipients:
    """Roles and desks, one or a list."""


@dataclass(frozen=True, slots=True)
class Lines:
    """`when` and `unless`: a field and its test in each line."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Named steps."""


@dataclass(frozen=True, slots=True)
class Anything:
    """A column of the register's own: a comparison, yes or no, or a word."""


Form = Phrase | Words | FreeText | Recipients | Lines | Steps | Anything

NAME = "[a-z0-9]+(?:-[a-z0-9]+)*"
TEMPLATE = f"{NAME}(?:/{NAME})*"
_YES_NO = Words(Part.ANSWER)
#: The register has it, or has it not.
PRESENCE = Words(Part.TEST, only=("exists", "missing"))

_FORMS: Mapping[str, Form] = {
    "rule": Words(None, pattern=NAME),
    "title": FreeText(),
    "purpose": FreeText(),
    "legal basis": Words(Part.BASIS),
    "for": Words(Part.SUBJECT),
    "enabled": _YES_NO,
    "approval": Words(Part.APPROVER),
    "offices": Words(None, is_list=True, may_exclude=True),
    "from": Phrase("day"),
    "until": Phrase("day"),
    "while": Words(Part.STATE, is_list=True),
    "anniversary": Phrase("anniversary"),
    "when": Lines(),
    "unless": Lines(),
    "deadline": Phrase("deadline"),
    "send": Phrase("moment"),
    "time": Phrase("time"),
    "closed": Words(Part.CLOSED),
    "only after": Words(None, pattern=NAME),
    "to": Recipients(),
    "via": Phrase("rung", is_list=True),
    "template": Words(None, pattern=TEMPLATE),
    "late": Phrase("late"),
    "correction": Phrase("length"),
    "urgent": _YES_NO,
    "uncapped": _YES_NO,
    "limit": Phrase("limit"),
    "cap": Phrase("cap"),
    "mutes": Words(None, is_list=True, pattern=NAME),
    "digest": Phrase("digest"),
    "at most": Phrase("count"),
    "separate": _YES_NO,
    "steps": Steps(),
}
RULE_FORM: Mapping[str, Form] = {key: _FORMS[key] for key in RULE_KEYS}
STEP_FORM: Mapping[str, Form] = {key: _FORMS[key] for key in STEP_KEYS}
WINDOW_FORM: Mapping[str, Form] = dict.fromkeys(("opens", "recommended", "closes"), Phrase("place"))

_CHOICES: Mapping[tuple[str, ...], Part | None] = {
    **{english(part): part for part in (Part.STATUS, Part.STATE, Part.ORIGIN, Part.BEING)},
    (): None,
}


def form_of_test(field: Field) -> Form:
    """What may stand behind a field in a condition."""
    match field.type:
        case FieldType.CHOICE:
            return Words(_CHOICES[field.choices], is_list=True, may_exclude=True)
        case FieldType.YES_NO:
            return _YES_NO
        case FieldType.PRESENCE:
            return PRESENCE
        case FieldType.ANY:
            return Anything()
        case _:
            return Phrase(f"{field.type} test")


def field_form(name: str) -> Form | None:
    """The same by the field's English name; None for what is no field."""
    if name.startswith(ATTRIBUTE_PREFIX):
        return Anything()
    field = FIELDS.get(name)
    return None if field is None else form_of_test(field)
