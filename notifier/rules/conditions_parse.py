"""`when` and `unless` read into conditions; the type of a field decides which tests it may have (RULES 4.2)."""

from dataclasses import dataclass

from notifier.model import SubjectKind
from notifier.rules.cursor import Cursor
from notifier.rules.fields import ATTRIBUTE_PREFIX, FIELDS, Field, FieldType, field_named
from notifier.rules.phrases import read_length
from notifier.rules.reading import Reading
from notifier.rules.rule import (
    Ago,
    Beyond,
    Compare,
    Condition,
    Conditions,
    Exists,
    FixedDay,
    Group,
    GroupKind,
    HolderHas,
    Length,
    LengthIs,
    Line,
    Missing,
    NoneOf,
    Number,
    OneOf,
    Past,
    Side,
    Test,
    Within,
    WithinLast,
    YesNo,
)
from notifier.rules.tree import Block, Listing, Node, Text
from notifier.rules.words import A_NUMBER, listed, nearest

_GROUPS = {str(kind): kind for kind in GroupKind}
_HOLDER_HAS = {"holder has": False, "holder has no": True}
_COMPARISONS = (Compare.AT_LEAST, Compare.AT_MOST, Compare.LESS_THAN, Compare.MORE_THAN)


@dataclass(frozen=True, slots=True)
class _About:
    """What the lines are asked of."""

    subject: SubjectKind | None  # None: `for:` is at fault itself, both kinds are taken
    is_other_permit: bool = False


def read_conditions(reading: Reading, node: Node, subject: SubjectKind | None, what: str) -> Conditions:
    """The conditions of a `when` or `unless`; lines at fault are noted and left out."""
    return _conditions(reading, node, _About(subject), what)


def _conditions(reading: Reading, node: Node, about: _About, what: str) -> Conditions:
    block = reading.block(node, what)
    if block is None:
        return ()
    read = [_condition(reading, key, value, about) for key, value in block.entries]
    return tuple(condition for condition in read if condition is not None)


def _condition(reading: Reading, key: Text, node: Node, about: _About) -> Condition | None:
    if key.value in _GROUPS:
        return _group(reading, key, node, about)
    if key.value in _HOLDER_HAS:
        if about.is_other_permit:
            reading.fault(key, f'"{key.value}" cannot stand inside another one; put the lines side by side')
            return None
        inner = _conditions(reading, node, _About(SubjectKind.PERMIT, is_other_permit=True), f'"{key.value}"')
        return HolderHas(inner, negated=_HOLDER_HAS[key.value]) if inner else None
    field = _field(reading, key, about)
    test = _test(reading, field, node) if field is not None else None
    return Line(key.value, test) if test is not None else None


def _group(reading: Reading, key: Text, node: Node, about: _About) -> Group | None:
    if isinstance(node, Block | Text):
        reading.fault(node, f'"{key.value}" takes a list; begin each of its alternatives with a dash')
        return None
    items = node.items if isinstance(node, Listing) else ()
    members = [_conditions(reading, item, about, f'each alternative of "{key.value}"') for item in items]
    full = tuple(member for member in members if member)
    return Group(_GROUPS[key.value], full) if full else None


def _field(reading: Reading, key: Text, about: _About) -> Field | None:
    kinds = [about.subject] if about.subject else list(SubjectKind)
    found = next((field for kind in kinds if (field := field_named(key.value, kind)) is not None), None)
    if found is None:
        reading.fault(key, _unknown_field(key.value, kinds))
    elif about.is_other_permit and not found.is_of_others:
        reading.fault(key, f'"{key.value}" is known of the subject itself only; ask it outside "holder has"')
        return None
    return found


def _unknown_field(word: str, kinds: list[SubjectKind]) -> str:
    elsewhere = FIELDS.get(word)
    if elsewhere is not None:
        theirs, ours = next(iter(elsewhere.subjects)), kinds[0]
        return f'"{word}" is a field of a {theirs}, this rule is for a {ours}; take the line out'
    names = [field.name for field in FIELDS.values() if any(kind in field.subjects for kind in kinds)]
    near = nearest(word, [*names, *_GROUPS, *_HOLDER_HAS])
    if near is not None:
        return f'"{word}" is no field; did you mean "{near}"?'
    return f'"{word}" is no field; a column of your own is written "{ATTRIBUTE_PREFIX}{word}"'


def _test(reading: Reading, field: Field, node: Node) -> Test | None:
    what = f'"{field.name}"'
    if isinstance(node, Block):
        return _none_of(reading, field, node)
    if field.type is FieldType.CHOICE or (field.type is FieldType.ANY and isinstance(node, Listing)):
        words = reading.words(node, what, field.choices or None)
        return OneOf(words) if words else None
    if field.type is FieldType.YES_NO:
        answer = reading.yes_no(node, what)
        return None if answer is None else YesNo(answer)
    if field.type is FieldType.PRESENCE:
        word = reading.word(node, what, ("exists", "missing"))
        return None if word is None else _presence(word)
    if field.type is FieldType.ANY and isinstance(node, Text):
        return _any_test(reading, node, what)
    return reading.phrase(node, what, lambda phrase: _phrase_test(phrase, field.type))


def _none_of(reading: Reading, field: Field, block: Block) -> NoneOf | None:
    for key, _ in block.entries:
        if key.value != "not":
            reading.fault(key, f'"{field.name}" takes {{not: …}} at most, not "{key.value}"')
    node = block.get("not")
    if node is None:
        return None
    if field.type not in (FieldType.CHOICE, FieldType.ANY):
        reading.fault(block, f'"{field.name}" has no "not": it is a {field.type}; write the opposite test')
        return None
    words = reading.words(node, f'"{field.name}"', field.choices or None)
    return NoneOf(words) if words else None


def _any_test(reading: Reading, text: Text, what: str) -> Test | None:
    """A column of the register's own: a number or comparison, yes/no, exists/missing, else a word."""
    word = text.value
    if word in ("yes", "no"):
        return YesNo(word == "yes")
    if word in ("exists", "missing"):
        return _presence(word)
    if word.isdecimal() or any(word.startswith(f"{compare} ") for compare in _COMPARISONS):
        return reading.phrase(text, what, lambda phrase: _phrase_test(phrase, FieldType.NUMBER))
    if word in ("true", "false"):
        reading.fault(text, f'{what}: "{word}" is not said here; write "{"yes" if word == "true" else "no"}"')
        return None
    return OneOf((word,))


def _presence(word: str) -> Exists | Missing:
    return Exists() if word == "exists" else Missing()


def _phrase_test(phrase: str, kind: FieldType) -> Test:
    cursor = Cursor(phrase)
    match kind:
        case FieldType.NUMBER:
            test: Test = _number(cursor)
        case FieldType.LENGTH:
            test = LengthIs(Compare(cursor.need_word(*_COMPARISONS)), _fixed_length(cursor))
        case _:
            test = _in_time(cursor, is_day=kind is FieldType.DAY)
    cursor.need_end()
    return test


def _number(cursor: Cursor) -> Number:
    word = cursor.take_word(*_COMPARISONS)
    if cursor.take_word("0"):
        return Number(Compare(word) if word else Compare.EXACTLY, 0)
    cursor.forget_expected()
    if word is None and not cursor.next_word[:1].isdigit():
        return cursor.fail(f'"{cursor.next_word}" is no number; write {listed([A_NUMBER, *_COMPARISONS])}')
    return Number(Compare(word) if word else Compare.EXACTLY, cursor.need_number())


def _fixed_length(cursor: Cursor) -> Length:
    column = cursor.column
    length = read_length(cursor)
    if not length.is_fixed:
        cursor.fail(f'"{length}" has no fixed length; write minutes, hours, days or weeks', column)
    return length


def _in_time(cursor: Cursor, *, is_day: bool) -> Test:
    words = ("exists", "missing", "past", "before", "after", "within", "within last", "beyond", "more than")
    match cursor.need_word(*words):
        case "exists":
            return Exists()
        case "missing":
            return Missing()
        case "past":
            return Past()
        case "before":
            return FixedDay(Side.BEFORE, cursor.need_day())
        case "after":
            return FixedDay(Side.AFTER, cursor.need_day())
        case "within":
            return Within(_length_from(cursor, is_day))
        case "within last":
            return WithinLast(_length_from(cursor, is_day))
        case "beyond":
            return Beyond(_length_from(cursor, is_day))
        case _:
            length = _length_from(cursor, is_day)
            cursor.need_word("ago")
            return Ago(length)


def _length_from(cursor: Cursor, is_day: bool) -> Length:
    column = cursor.column
    length = read_length(cursor)
    if is_day and length.is_short:
        cursor.fail(f'"{length}" cannot be counted from a day; write days or longer', column)
    return length
