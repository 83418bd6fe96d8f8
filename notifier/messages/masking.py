"""What may be seen of numbers and names where anyone might read along."""

import re
from collections.abc import Iterable
from functools import lru_cache

from notifier.errors import TemplateError

_SHOWN = 4
_LONGEST_WORD = 15


def mask(number: str) -> str:
    """The number as a person can recognise and nobody can use it: `xxxx` and the last four letters or digits.

    Of a very short number at most half is shown. The mark is `xxxx` because an asterisk means bold in WhatsApp and
    a dot or bullet is no part of GSM-7.
    """
    plain = number if number.isalnum() else "".join(filter(str.isalnum, number))
    shown = min(_SHOWN, len(plain) // 2)
    return "xxxx" + plain[len(plain) - shown :].upper()


@lru_cache(maxsize=4096)
def short_name(name: str) -> str:
    """A name for SMS: its first word and the next one's initial ("SITI N."); one word stays, long ones are cut."""
    words = name.split()
    if not words:
        return name
    first = words[0] if len(words[0]) <= _LONGEST_WORD else words[0][: _LONGEST_WORD - 1] + "."
    initial = next((word[0] for word in words[1:] if word[0].isalnum()), "")
    return f"{first} {initial}." if initial else first


def refuse_full_numbers(text: str, numbers: Iterable[str]) -> None:
    """The last look before an SMS or WhatsApp message leaves: no full number, wherever it came from.

    Raises TemplateError, without the number.
    """
    for number in numbers:
        if len(number) > _SHOWN and _stands_in(number, text):
            raise TemplateError(
                "a full document or case number would leave in an SMS or WhatsApp text; use number_masked"
            )


def _stands_in(number: str, text: str) -> bool:
    # The pattern is worth building only when the characters are there at all.
    return (
        number.lower() in text.lower()
        and re.search(rf"(?<!\w){re.escape(number)}(?!\w)", text, re.IGNORECASE) is not None
    )
