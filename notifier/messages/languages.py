"""Which language a message is written in, and what a language brings with it."""

from collections.abc import Collection, Sequence

from babel import Locale

#: Legal force has the Indonesian text; English serves whoever reads neither. Every template has both.
REQUIRED = ("id", "en")

#: Languages whose SMS must stay in GSM-7. In others a text may be UCS-2, and two parts long.
GSM_LANGUAGES = frozenset({"id", "en", "ms", "jv", "su", "fil", "nl", "de", "fr", "es", "it", "pt"})

# Babel's bare "en" is American; "en" of this house is international, day before month.
_REGIONAL = {"en": "en_GB"}


def locale_of(language: str) -> Locale:
    """Babel's locale of a language tag. Raises ValueError for a tag Babel does not know."""
    try:
        return Locale.parse(_REGIONAL.get(language, language.replace("-", "_")))
    except Exception as error:
        raise ValueError(f"unknown language {language!r}") from error


def direction_of(language: str) -> str:
    """`rtl` for Arabic and its like, else `ltr`."""
    return locale_of(language).text_direction


def preferences(wanted: str | None, nationality: str | None) -> tuple[str, ...]:
    """The languages to try: the recipient's own, then English and Indonesian for foreigners, else Indonesian first."""
    foreign = nationality is not None and nationality.upper() != "ID"
    usual = ("en", "id") if foreign else ("id", "en")
    if not wanted:
        return usual
    return tuple(dict.fromkeys((wanted, wanted.split("-")[0], *usual)))


def first_available(wanted: Sequence[str], available: Collection[str]) -> str | None:
    """The first wanted language that exists; "zh" is content with "zh-Hans"."""
    for language in wanted:
        if language in available:
            return language
        related = sorted(each for each in available if each.startswith(language + "-"))
        if related:
            return related[0]
    return min(available, default=None)
