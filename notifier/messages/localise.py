"""Dates, times, money and small words as each language writes them: the filters of the templates."""

from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal

from notifier.messages.facts import RecipientFacts
from notifier.messages.languages import locale_of

#: Words without which the filters cannot speak; the rest of a words file is the template writer's.
NEEDED_WORDS = ("today", "tomorrow", "yesterday", "in days", "days ago", "person")

_SHORT_DAYS = {"id": "dd-MM-yyyy", "en": "d MMM yyyy"}
_CLOCKS = {"id": "%H.%M"}
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Localiser:
    """The filters of one language. `words` is its `shared/words.<language>.yaml`."""

    language: str
    locale: Locale
    words: Mapping[str, str]

    def day(self, value: date | datetime) -> str:
        """15 Maret 2027. An instant is shown on the clock it carries."""
        return format_date(_day_of(value), "long", locale=self.locale)

    def day_full(self, value: date | datetime) -> str:
        """Senin, 15 Maret 2027."""
        return format_date(_day_of(value), "full", locale=self.locale)

    def day_short(self, value: date | datetime) -> str:
        """15-03-2027: as few characters as an SMS allows without leaving doubt which is the month."""
        return format_date(_day_of(value), _SHORT_DAYS.get(self.language, "yyyy-MM-dd"), locale=self.locale)

    def clock(self, value: datetime) -> str:
        """09.00 WIB. Raises ValueError for an instant without a zone."""
        if value.tzinfo is None:
            raise ValueError("an instant needs its zone before it can be shown")
        time = value.strftime(_CLOCKS.get(self.language, "%H:%M"))
        zone = value.tzname() or ""
        return f"{time} {zone if zone.isalpha() else 'UTC' + zone}"

    def moment(self, value: date | datetime) -> str:
        """A day as a day, an instant as 15 Maret 2027, 09.00 WIB."""
        return f"{self.day(value)}, {self.clock(value)}" if isinstance(value, datetime) else self.day(value)

    def money(self, value: int) -> str:
        """Rp1.000.000."""
        return f"Rp{format_decimal(value, locale=self.locale)}"

    def in_days(self, value: date | datetime | int, today: date | None = None) -> str:
        """hari ini, besok, 5 hari lagi, kemarin, 3 hari lalu; counted from `today` unless the value is a number."""
        if isinstance(value, date):
            if today is None:
                raise ValueError("in_days of a date needs the day it is counted from: in_days(today)")
            value = (_day_of(value) - today).days
        near = {0: "today", 1: "tomorrow", -1: "yesterday"}.get(value)
        if near is not None:
            return self.words[near]
        return self.words["in days" if value > 0 else "days ago"].replace("{n}", str(abs(value)))

    def word(self, value: str) -> str:
        """A word of the rule language (service, role, state) in this language; an unknown one as it stands."""
        return self.words.get(value, value)

    def more(self, others: Sized, noun: str) -> str:
        """ " (and 2 more documents)" for the other subjects of a merged message; nothing when there are none.

        The words file has it under "more documents" and, where one is said otherwise, "one more documents". Raises
        ValueError when it has not.
        """
        count = len(others)
        if not count:
            return ""
        phrase = self.words.get(f"more {noun}")
        if phrase is None:
            raise ValueError(f'the words of {self.language!r} have no "more {noun}"; add it to the words file')
        if count == 1:
            phrase = self.words.get(f"one more {noun}", phrase)
        return phrase.replace("{n}", str(count))

    def addressed(self, recipient: RecipientFacts) -> str:
        """Bapak/Ibu SITI for a person; an organisation or a desk by its bare name, unless the language has a form."""
        if not isinstance(recipient, RecipientFacts):
            raise ValueError('"addressed" stands behind the recipient, not a name: {{ recipient | addressed }}')
        if recipient.kind == "person":
            return self.words["person"].replace("{name}", recipient.name)
        return self.words.get("organisation", "{name}").replace("{name}", recipient.name)

    def filters(self) -> dict[str, Callable[..., str]]:
        """By the names under which templates call them.

        Babel is slow at dates, and a batch of messages names few different ones.
        """
        remembered = lru_cache(maxsize=_REMEMBERED)
        return {
            "day": remembered(self.day),
            "day_full": remembered(self.day_full),
            "day_short": remembered(self.day_short),
            "clock": self.clock,
            "moment": self.moment,
            "money": self.money,
            "in_days": self.in_days,
            "word": self.word,
            "more": self.more,
            "addressed": self.addressed,
        }


def localiser(language: str, words: Mapping[str, str]) -> Localiser:
    """Raises ValueError for a language Babel does not know."""
    return Localiser(language, locale_of(language), words)


def _day_of(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value
