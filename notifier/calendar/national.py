"""Public holidays and joint leave of a country, a year at a time, as the `holidays` library knows them.

Pure functions of country and year; each year is worked out once and remembered.
"""

from datetime import date
from functools import cache

import holidays

PUBLIC = "public"
JOINT_LEAVE = "government"  # the library's word for cuti bersama

#: The search for the last year with joint leave begins here: the library has known every year since.
FIRST_YEAR_ASKED = 2024


@cache
def public_holidays(country: str, year: int) -> frozenset[date]:
    """The public holidays of that year; empty for a year the library does not cover."""
    return frozenset(_days(country, year, PUBLIC))


@cache
def joint_leave(country: str, year: int) -> frozenset[date]:
    """The joint-leave days that the government declared; empty where there is no such thing."""
    return frozenset(_days(country, year, JOINT_LEAVE))


@cache
def named_days(country: str, year: int, names: frozenset[str]) -> frozenset[date]:
    """The days of the holidays of those names, in the country's own language."""
    return frozenset(
        day
        for day, written in _days(country, year, PUBLIC).items()
        if any(_plain(name) in names for name in written.split("; "))
    )


@cache
def last_known_year(country: str) -> int:
    """The last year whose closed days are decided, not guessed: joint leave is declared year by year."""
    known = holidays.country_holidays(country)
    if JOINT_LEAVE not in known.supported_categories:
        return known.end_year
    year = FIRST_YEAR_ASKED
    while year < known.end_year and joint_leave(country, year + 1):
        year += 1
    return year


@cache
def is_known(country: str) -> bool:
    """Whether the library has a calendar for that ISO code."""
    # Asking for the list of countries would import every one of them.
    try:
        return bool(holidays.country_holidays(country).country == country)
    except NotImplementedError:
        return False


@cache
def closed_days(country: str, years: tuple[int, ...]) -> tuple[date, ...]:
    """Every public holiday and joint-leave day of those years, in order."""
    return tuple(sorted(day for year in years for day in public_holidays(country, year) | joint_leave(country, year)))


def _days(country: str, year: int, category: str) -> dict[date, str]:
    known = holidays.country_holidays(country)
    if category not in known.supported_categories:
        return {}
    # Without a language the library takes the machine's.
    language = known.default_language
    found = holidays.country_holidays(country, years=year, categories=(category,), language=language)
    return dict(found.items())


def _plain(name: str) -> str:
    """Without a remark such as "(perkiraan)", which the library adds while a date is an estimate."""
    return name.partition(" (")[0].strip()
