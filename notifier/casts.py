"""Reads one setting from a TOML value or a text of the environment; each failure is a sentence."""

import re
from collections.abc import Callable, Sequence
from dataclasses import field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

#: What a cast takes: a TOML value or a text of the environment. It raises ValueError "must be ...".
Cast = Callable[[object], object]

DAY = 86_400  # seconds
_LENGTH = re.compile(r"(\d+) *(second|minute|hour|day)s?")


T = TypeVar("T")


def setting(cast: Cast, default: T, about: str) -> T:
    """Declare a setting: how it is read, what holds when nothing is said, and one sentence about it."""
    declared: T = field(default=default, metadata={"cast": cast, "about": about})
    return declared


class Secret:
    """A text that is never printed by accident; `reveal()` says it on purpose."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that needs it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('********')" if self._text else "Secret('')"

    def __str__(self) -> str:
        return "********" if self._text else ""


def text(value: object) -> str:
    """Any text, blanks at its ends removed."""
    if not isinstance(value, str):
        raise ValueError("must be a text in quotes")
    return value.strip()


def maybe(cast: Callable[[object], object]) -> Cast:
    """The same cast, or None when the text is empty."""
    return lambda value: None if value == "" else cast(value)


def secret(value: object) -> Secret:
    """A text that is never printed."""
    return Secret(text(value))


def web_address(value: object) -> str | None:
    """An http or https address without a slash at its end; None when empty."""
    address = text(value).rstrip("/")
    if address and not re.fullmatch(r"https?://[^\s/?#]+\S*", address):
        raise ValueError("must be a web address that begins with https:// (or http://)")
    return address or None


def whole(least: int, most: int | None = None) -> Cast:
    """A whole number within its bounds."""

    def cast(value: object) -> int:
        try:
            if isinstance(value, bool) or not isinstance(value, int | str):
                raise ValueError
            number = int(value)
        except ValueError:
            raise ValueError("must be a whole number") from None
        if number < least or (most is not None and number > most):
            bounds = f"at least {least}" if most is None else f"between {least} and {most}"
            raise ValueError(f"must be {bounds}")
        return number

    return cast


def amount(value: object) -> float:
    """A price: a number that is not negative; in the environment as text."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        number = float(value)
    except ValueError:
        raise ValueError("must be a price such as 0.02") from None
    if not 0 <= number < 1e9:
        raise ValueError("must be a price that is not negative")
    return number


def choice(*words: str) -> Cast:
    """One of a few words."""

    def cast(value: object) -> str:
        word = text(value).lower()
        if word not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return word

    return cast


def zone(value: object) -> ZoneInfo:
    """A time zone by its name."""
    try:
        return ZoneInfo(text(value))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be the name of a time zone, such as Asia/Jakarta") from None


def length(value: object) -> timedelta:
    """A length of time in words: "30 seconds", "10 minutes", "24 hours", "2 days"."""
    match = _LENGTH.fullmatch(text(value).lower())
    if match is None:
        raise ValueError('must be a length of time such as "30 seconds", "10 minutes" or "24 hours"')
    return timedelta(**{f"{match[2]}s": int(match[1])})


def some_time(value: object) -> timedelta:
    """A length of time that is not zero."""
    long = length(value)
    if not long:
        raise ValueError("must be longer than nothing")
    return long


def lengths(value: object) -> tuple[timedelta, ...]:
    """Several lengths of time; in the environment with commas between them."""
    parts: Sequence[object] = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else ()
    if not parts:
        raise ValueError('must be a list such as ["2 minutes", "10 minutes", "1 hour"]')
    return tuple(length(part) for part in parts)


def path(value: object) -> Path:
    """A file or folder; a relative one is found beside the settings file."""
    return Path(text(value))


def database(value: object) -> str:
    """A database URL; a relative SQLite file is found beside the settings file."""
    url = text(value)
    if not url.startswith(("sqlite:", "postgresql:", "postgresql+", "postgres:")):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    return "postgresql:" + url.removeprefix("postgres:") if url.startswith("postgres:") else url


def in_words(value: object) -> str:
    """A value as it would stand in the settings file or a variable; the other way round of the casts."""
    match value:
        case None | Secret():
            return ""
        case ZoneInfo():
            return value.key
        case timedelta():
            return _length_in_words(value)
        case tuple():
            return ", ".join(in_words(part) for part in value)
        case _:
            return str(value)


def _length_in_words(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    if seconds > DAY and seconds % DAY == 0:  # one day is 24 hours, whatever the clocks do meanwhile
        return f"{seconds // DAY} days"
    for unit, size in (("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds % size == 0:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    raise AssertionError("every whole number is a multiple of one")
