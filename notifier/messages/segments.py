"""How many parts an SMS needs, what makes it costly, and how to write the same in plain characters."""

import unicodedata
from dataclasses import dataclass

GSM = "GSM-7"
UCS = "UCS-2"

# 3GPP TS 23.038: the default alphabet, and the characters that cost an escape and so count two.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("^{}\\[~]|€\f")
_GSM = _BASIC | _EXTENDED

#: (units in a single part, units in each part of several)
_ROOM = {GSM: (160, 153), UCS: (70, 67)}

_PLAIN = {
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("‘’‚‛ʻʼʽ`´′", "'"),
    **dict.fromkeys("“”„‟«»″", '"'),
    **dict.fromkeys("\u00a0\u2002\u2003\u2009\u200a\u202f\u3000\t", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
    "…": "...", "•": "-", "·": "-", "→": "->", "×": "x", "½": "1/2", "™": "(TM)", "©": "(c)",
    "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ł": "l", "Ł": "L", "ı": "i", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "Th",
}  # fmt: skip

# Names in passports are Latin; a register that holds them in Cyrillic still gets a readable SMS.
_CYRILLIC_PAIRS = (
    "а:a б:b в:v г:g д:d е:e ё:e ж:zh з:z и:i й:i к:k л:l м:m н:n о:o п:p р:r с:s т:t у:u ф:f х:kh ц:ts ч:ch ш:sh "
    "щ:shch ъ:ie ы:y ь: э:e ю:iu я:ia і:i ї:i є:ie ґ:g"
)
_CYRILLIC = dict(pair.split(":") for pair in _CYRILLIC_PAIRS.split())


@dataclass(frozen=True, slots=True)
class Segments:
    """What an SMS costs: its alphabet, its length in that alphabet's units, and the parts it is sent in."""

    encoding: str  # GSM-7 | UCS-2
    units: int
    count: int


def segments(text: str) -> Segments:
    """Counts as the network does: an escaped or astral character is two units and is never cut in half."""
    if is_plain(text) and (units := len(text) + sum(map(text.count, _EXTENDED))) <= _ROOM[GSM][0]:
        return Segments(GSM, units, 1 if text else 0)
    encoding = GSM if is_plain(text) else UCS
    widths = [_width(character, encoding) for character in text]
    units = sum(widths)
    single, several = _ROOM[encoding]
    if units <= single:
        return Segments(encoding, units, 1 if text else 0)
    count, room = 1, several
    for width in widths:
        if width > room:
            count, room = count + 1, several
        room -= width
    return Segments(encoding, units, count)


def room(encoding: str) -> int:
    """The units that fit into one part."""
    return _ROOM[encoding][0]


def is_plain(text: str) -> bool:
    """Does GSM-7 have every character of it?"""
    return _GSM.issuperset(text)


def foreign_characters(text: str) -> tuple[int, ...]:
    """The places of the characters that GSM-7 lacks; one of them makes every character of the text cost double."""
    return tuple(place for place, character in enumerate(text) if character not in _GSM)


def plain_character(character: str) -> str:
    """The nearest GSM-7 writing of a character; "" when there is none (Hanzi, emoji)."""
    if character in _GSM:
        return character
    if character in _PLAIN:
        return _PLAIN[character]
    if (latin := _CYRILLIC.get(character.lower())) is not None:
        return latin if character.islower() else latin.capitalize()
    bare = "".join(each for each in unicodedata.normalize("NFKD", character) if not unicodedata.combining(each))
    return bare if is_plain(bare) else ""


def plain(text: str) -> str:
    """The text in GSM-7, whatever it takes: typographic signs straightened, accents dropped, the rest left out."""
    if is_plain(text):
        return text
    # NFC first: an accent in a character of its own must meet its letter before é becomes a cheap é.
    return " ".join("".join(map(plain_character, unicodedata.normalize("NFC", text))).split())


def _width(character: str, encoding: str) -> int:
    if encoding == GSM:
        return 2 if character in _EXTENDED else 1
    return 2 if ord(character) > 0xFFFF else 1
