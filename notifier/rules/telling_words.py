"""Conditions, channels and people in plain English or Indonesian, for people who do not read rule files."""

from collections.abc import Sequence

from notifier.model import Channel
from notifier.rules.forms import Words, field_form
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
    Rung,
    Side,
    Test,
    Within,
    WithinLast,
    YesNo,
)
from notifier.rules.translate import spelled, translated_phrase
from notifier.rules.vocabulary import DESK, VOCABULARY, Language, Part, word

_CHANNELS = {
    Channel.EMAIL: ("e-mail", "e-mail"),
    Channel.WHATSAPP: ("WhatsApp", "WhatsApp"),
    Channel.SMS: ("SMS", "SMS"),
}
_COMPARED = {
    Compare.EXACTLY: ("", ""),
    Compare.AT_LEAST: ("at least ", "sedikitnya "),
    Compare.AT_MOST: ("at most ", "paling banyak "),
    Compare.LESS_THAN: ("less than ", "kurang dari "),
    Compare.MORE_THAN: ("more than ", "lebih dari "),
}


class Tongue:
    """Says the parts of a sentence in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def say(self, english: str, indonesian: str) -> str:
        """The one of the two that is of this language."""
        return indonesian if self.language is Language.INDONESIAN else english

    def phrase(self, kind: str, english: str) -> str:
        """A phrase of the rule language, word by word."""
        return translated_phrase(kind, english, self.language)

    def length(self, length: Length) -> str:
        """So many days."""
        return self.phrase("length", str(length))

    def listed(self, parts: Sequence[str], joint: tuple[str, str] = ("and", "dan")) -> str:
        """ "a, b and c"."""
        return f" {self.say(*joint)} ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))

    def channels(self, rung: Rung) -> str:
        """The channels that leave together."""
        return self.listed([self.say(*_CHANNELS[channel]) for channel in rung.channels])

    def recipient(self, role: str) -> str:
        """A role, or a desk of the office."""
        if word(Part.RECIPIENT, role):
            return self.say(f"the {role}", spelled(Part.RECIPIENT, role, self.language))
        name = role.removesuffix(f" {DESK[Language.ENGLISH]}")
        return self.say(f"the {role}", f"{DESK[Language.INDONESIAN]} {name}")

    def all_of(self, conditions: Conditions) -> str:
        """Every line holds."""
        return self.listed([self.condition(each) for each in conditions])

    def any_of(self, conditions: Conditions) -> str:
        """One of the lines holds."""
        return self.listed([self.condition(each) for each in conditions], ("or", "atau"))

    def condition(self, condition: Condition) -> str:
        """One line or group."""
        match condition:
            case Line(field, test):
                known = word(Part.FIELD, field)
                return f"{known.spelling(self.language) if known else field} {self._test(field, test)}"
            case Group(kind, members):
                inner = [f"({self.all_of(member)})" for member in members]
                if kind is GroupKind.NONE:
                    return self.say("none of these: ", "tidak satu pun dari: ") + ", ".join(inner)
                return self.listed(inner, ("or", "atau") if kind is GroupKind.ANY else ("and", "dan"))
            case HolderHas(conditions, negated):
                begin = (
                    self.say("the holder has no other document whose", "pemegang tidak memiliki dokumen lain yang")
                    if negated
                    else self.say("the holder has another document whose", "pemegang memiliki dokumen lain yang")
                )
                return f"{begin} {self.all_of(conditions)}"

    def _test(self, field: str, test: Test) -> str:
        match test:
            case OneOf(words):
                return f"{self.say('is', 'adalah')} {self.listed(self._values(field, words), ('or', 'atau'))}"
            case NoneOf(words):
                named = self.listed(self._values(field, words), ("or", "atau"))
                return self.say(f"is known and not {named}", f"ada dan bukan {named}")
            case YesNo(value):
                return self.say("is yes" if value else "is no", "adalah ya" if value else "adalah tidak")
            case Number(compare, value):
                return f"{self.say('is', 'adalah')} {self.say(*_COMPARED[compare])}{value}"
            case LengthIs(compare, length):
                return f"{self.say('is', 'adalah')} {self.say(*_COMPARED[compare])}{self.length(length)}"
            case Exists():
                return self.say("is known", "ada")
            case Missing():
                return self.say("is missing", "tidak ada")
            case Past():
                return self.say("is over", "sudah lewat")
            case FixedDay(side, day):
                return self.say(f"is {side} {day}", f"{'sebelum' if side is Side.BEFORE else 'setelah'} {day}")
            case Within(length):
                said = self.length(length)
                return self.say(f"comes within {said}", f"tiba dalam {said}")
            case WithinLast(length):
                said = self.length(length)
                return self.say(f"was within the last {said}", f"belum lewat {said}")
            case Beyond(length):
                said = self.length(length)
                return self.say(f"is more than {said} away", f"masih lebih dari {said} lagi")
            case Ago(length):
                said = self.length(length)
                return self.say(f"was more than {said} ago", f"lebih dari {said} yang lalu")

    def _values(self, field: str, values: Sequence[str]) -> list[str]:
        form = field_form(field)
        part = form.part if isinstance(form, Words) else None
        known = {row.english: row.spelling(self.language) for row in VOCABULARY[part]} if part else {}
        return [known.get(value, value) for value in values]
