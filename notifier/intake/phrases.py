"""Cells with a grammar of their own: time zones, languages, countries, weekdays, lists of days."""

import re
from collections.abc import Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.core import get_global

from notifier.intake.cells import Cell, CellFault, day_of, text_of
from notifier.intake.contacts import is_country

#: What Indonesian offices call their zones.
ZONES: Mapping[str, str] = {"WIB": "Asia/Jakarta", "WITA": "Asia/Makassar", "WIT": "Asia/Jayapura"}
#: Chinese of the People's Republic is written Hans; a bare "zh" is taken as that.
LANGUAGES: Mapping[str, str] = {
    "zh": "zh-Hans",
    "zh-CN": "zh-Hans",
    "zh-SG": "zh-Hans",
    "zh-TW": "zh-Hant",
    "in": "id",
}
LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}))?")
WEEKDAYS: Mapping[str, int] = {
    name: number
    for number, names in enumerate(
        ("mon senin", "tue selasa", "wed rabu", "thu kamis", "fri jumat", "sat sabtu", "sun minggu")
    )
    for name in names.split()
}


def zone_of(cell: Cell) -> str | None:
    """An IANA time zone; also WIB, WITA and WIT."""
    text = text_of(cell, 64)
    if text is None:
        return None
    name = ZONES.get(text.upper(), text)
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CellFault("is no time zone; write it as in Asia/Jakarta, or WIB, WITA, WIT") from error
    return name


def language_of(cell: Cell) -> str | None:
    """A language tag: id, en, zh-Hans."""
    text = text_of(cell, 16)
    if text is None:
        return None
    found = LANGUAGE.fullmatch(text)
    if not found:
        raise CellFault("is no language tag; write it as in id, en, ja or zh-Hans")
    parts = (found[1].lower(), (found[2] or "").title(), (found[3] or "").upper())
    tag = "-".join(part for part in parts if part)
    return LANGUAGES.get(tag, tag)


def nationality_of(cell: Cell) -> str | None:
    """A country as two letters; the three letters of a passport are understood."""
    text = text_of(cell, 64)
    if text is None:
        return None
    code = text.upper()
    if len(code) == 3:
        code = next(iter(get_global("territory_aliases").get(code, [code])))
    if not is_country(code):
        raise CellFault("is no country code; write two letters as in ID, CN or JP")
    return code


def weekdays_of(cell: Cell) -> list[int] | None:
    """Days of a working week, Monday is 0: "mon-fri", "mon tue thu", "senin-jumat"."""
    text = text_of(cell)
    if text is None:
        return None
    days: set[int] = set()
    for part in re.split(r"[\s,;|]+", text.casefold()):
        ends = [_weekday(name) for name in part.split("-")]
        if len(ends) > 2 or ends[0] > ends[-1]:
            raise CellFault("is no span of weekdays; write it as in mon-fri, or mon tue wed")
        days.update(range(ends[0], ends[-1] + 1))
    return sorted(days)


def _weekday(name: str) -> int:
    number = WEEKDAYS.get(name, WEEKDAYS.get(name[:3] if name.endswith("day") else name))
    if number is None:
        raise CellFault("has a word that is no weekday; write it as in mon-fri, or mon tue wed")
    return number


def days_of(cell: Cell) -> list[str]:
    """ISO days, divided by spaces, commas or "|"; sorted, each once."""
    if cell is None or not isinstance(cell, str):
        day = day_of(cell)
        return [day.isoformat()] if day else []
    days = [day_of(part) for part in re.split(r"[\s,;|]+", cell.strip()) if part]
    return sorted({day.isoformat() for day in days if day})
