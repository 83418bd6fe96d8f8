"""Ways to bend the text of a rule: by signs, words, lines, values, shapes."""

import random
import re
from collections.abc import Callable, Sequence

from notifier.rules.fields import FIELDS
from notifier.rules.words import RULE_KEYS, STEP_KEYS

#: Words and phrases of the language, right and nearly right ones.
WORDS = (
    *RULE_KEYS,
    *STEP_KEYS,
    *FIELDS,
    *("any", "all", "none", "not", "holder has", "holder has no", "permit", "case", "yes", "no", "true", "null", "~"),
    *(
        "ITAS",
        "ITAP",
        "passport",
        "renewed",
        "active",
        "exists",
        "missing",
        "past",
        "within 30 days",
        "beyond 2 months",
    ),
    *("7 days before expiry", "1 working day before expiry", "at once", "halfway to appointment", "when window opens"),
    *("every 7 days from 90 days before expiry until expiry", "when expiry moves earlier", "holder turns 17"),
    *("[whatsapp, sms after 6 hours]", "{not: [a, b]}", "deadline", "3 days before deadline", "08:15", "25:99"),
    *("daily at 07:45", "fold within 2 days", "1 in 90 days", "5000 a day", "2027-02-30", "0001-01-01", "9999-12-31"),
    *(
        "[",
        "]",
        "{",
        "}",
        ": ",
        "- ",
        "#",
        "&a",
        "*a",
        "<<",
        "!!x",
        "|",
        ">",
        "? ",
        "%YAML 1.2",
        "---",
        "...",
        "'",
        '"',
    ),
)
SIGNS = "\u00a0\u200b\u202e\ufeff\u2019\u201c\u0301\x00\x07\x1b\u2028\ud7ff\U0001f600ÄßИ漢\t\r\n\"'\\"
NUMBERS = ("0", "-1", "007", "1e9", "٣", "½", "999999999999999999999999", "9" * 400, "2147483648", "0x10", "1_000")

_WORD = re.compile(r"\w+")
_VALUE = re.compile(r"(?m)^(\s*[\w. -]+: )(\S.*)$")


def mutate(chance: random.Random, seeds: Sequence[str]) -> bytes:
    """One of the rules, bent one to four times."""
    text = chance.choice(seeds)
    for _ in range(chance.randint(1, 4)):
        text = chance.choice(WAYS)(chance, text, seeds)
    content = text.encode("utf-8", "surrogatepass")
    return _bytes(chance, content) if chance.random() < 0.1 else content


def _bytes(chance: random.Random, content: bytes) -> bytes:
    bent = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        if bent:
            bent[chance.randrange(len(bent))] = chance.randrange(256)
    return bytes(bent)


def _sign(chance: random.Random, text: str, _: Sequence[str]) -> str:
    place = chance.randint(0, len(text))
    return text[:place] + chance.choice(SIGNS) + text[place + chance.randint(0, 1) :]


def _cut(chance: random.Random, text: str, _: Sequence[str]) -> str:
    first, last = sorted(chance.randint(0, len(text)) for _ in range(2))
    return text[:first] + text[min(last, first + 40) :] if chance.random() < 0.8 else text[:first]


def _word(chance: random.Random, text: str, _: Sequence[str]) -> str:
    found = list(_WORD.finditer(text))
    if not found:
        return chance.choice(WORDS)
    place = chance.choice(found)
    new = chance.choice((chance.choice(WORDS), place[0] * 2, place[0][1:], place[0].upper(), chance.choice(NUMBERS)))
    return text[: place.start()] + new + text[place.end() :]


def _number(chance: random.Random, text: str, _: Sequence[str]) -> str:
    found = list(re.finditer(r"\d+", text))
    place = chance.choice(found) if found else None
    return text if place is None else text[: place.start()] + chance.choice(NUMBERS) + text[place.end() :]


def _value(chance: random.Random, text: str, seeds: Sequence[str]) -> str:
    """The value of a line taken from another line, perhaps of another rule: often a whole and strange rule."""
    found, others = list(_VALUE.finditer(text)), list(_VALUE.finditer(chance.choice((text, *seeds))))
    if not found or not others:
        return text
    place, other = chance.choice(found), chance.choice(others)
    return text[: place.start(2)] + chance.choice((other[2], chance.choice(WORDS))) + text[place.end(2) :]


def _line(chance: random.Random, text: str, seeds: Sequence[str]) -> str:
    lines = text.split("\n")
    place = chance.randrange(len(lines))
    match chance.randrange(6):
        case 0:
            del lines[place]
        case 1:
            lines.insert(chance.randint(0, len(lines)), lines[place])
        case 2:
            other = chance.randrange(len(lines))
            lines[place], lines[other] = lines[other], lines[place]
        case 3:
            lines[place] = " " * chance.randint(0, 6) + lines[place].lstrip()
        case 4:
            lines.insert(place, chance.choice(chance.choice(seeds).split("\n")))
        case _:
            lines.insert(place, f"{' ' * chance.randint(0, 6)}{chance.choice(WORDS)}: {chance.choice(WORDS)}")
    return "\n".join(lines)


def _part(chance: random.Random, text: str, seeds: Sequence[str]) -> str:
    """Lines of another rule in the midst of this one."""
    lines, others = text.split("\n"), chance.choice(seeds).split("\n")
    first = chance.randrange(len(others))
    place = chance.randint(0, len(lines))
    return "\n".join([*lines[:place], *others[first : first + chance.randint(1, 12)], *lines[place:]])


def _deep(chance: random.Random, text: str, _: Sequence[str]) -> str:
    depth = chance.choice((3, 11, 12, 13, 50, 2000))
    shape = chance.choice(
        ("[" * depth + "a" + "]" * depth, "{a: " * depth + "b" + "}" * depth, "[{any: " * depth, "- " * depth + "a")
    )
    found = list(_VALUE.finditer(text))
    place = chance.choice(found) if found else None
    return text + shape if place is None else text[: place.start(2)] + shape + text[place.end(2) :]


def _conditions(chance: random.Random, text: str, _: Sequence[str]) -> str:
    """Lines under `when` and `unless`, so that conditions meet each other."""
    key = chance.choice(("when", "unless"))
    field, test = chance.choice(tuple(FIELDS)), chance.choice(WORDS)
    added = f"{key}:\n  {field}: {test}\n"
    return text.replace(f"{key}:\n", added, 1) if f"{key}:\n" in text else added + text


def _long(chance: random.Random, text: str, _: Sequence[str]) -> str:
    """Much of one thing: a long word, many steps, many words of a list."""
    many = chance.choice((50, 400))
    match chance.randrange(3):
        case 0:
            return text.replace(chance.choice(_WORD.findall(text) or ["a"]), "a" * 100 * many, 1)
        case 1:
            return text + "".join(f"\n  step-{n}:\n    send: {n + 1} days before expiry" for n in range(many // 4))
        case _:
            return text.replace("[", "[" + ", ".join(f"word-{n}" for n in range(many)) + ", ", 1)


WAYS: tuple[Callable[[random.Random, str, Sequence[str]], str], ...] = (
    *(_value, _value, _word, _word, _line, _line, _conditions, _conditions),
    *(_sign, _cut, _number, _part, _deep, _long),
)
