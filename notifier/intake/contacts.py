"""Addresses of people: telephone numbers in E.164 that can get messages, and e-mail addresses of one form."""

import re

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberType

from notifier.intake.cells import Cell, CellFault, text_of

#: Kinds of numbers that can receive a text. In some countries (US) a number does not tell which it is.
MOBILE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE, PhoneNumberType.PERSONAL_NUMBER})
#: What spreadsheets make of long numbers: 6.28123E+12.
DECIMAL = re.compile(r"(?i)\d[.,]?\d*e\+?\d+$")
ALLOWED = re.compile(r"\+?[\d\s().\-/]+")
#: Most numbers here: Indonesian mobiles, which need no look into the numbering plans of the world.
INDONESIAN = re.compile(r"(\+62[ -]?|0)(8[1-35-9](?:[ -]?[0-9]){7,10})")
#: Most addresses: such a name needs no look at each of its letters, if the domain has been looked at before.
#: Small letters only, for the normal form makes Info@ and Postmaster@ small.
PLAIN_NAME = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*")
LONGEST_NAME, LONGEST_EMAIL = 64, 254
#: Domains that are remembered: the large providers come again and again.
DOMAINS = 10_000


class MobileReader:
    """Reads mobile numbers into E.164; one without a country code is of `country` (two letters)."""

    def __init__(self, country: str) -> None:
        self.country = country
        self._last: tuple[str, str] = ("", "")  # most people write one number in two columns

    def read(self, cell: Cell) -> str | None:
        """The number in E.164. Raises CellFault for what can get no message."""
        text = text_of(cell, 64)
        if text is None:
            return None
        if text == self._last[0]:
            return self._last[1]
        self._last = text, self._indonesian(text) or self._of_the_world(text)
        return self._last[1]

    def _indonesian(self, text: str) -> str | None:
        """The same as below for a plain Indonesian mobile number; None for any other."""
        found = INDONESIAN.fullmatch(text)
        if found is None or (found[1] == "0" and self.country != "ID"):
            return None
        return "+62" + found[2].replace(" ", "").replace("-", "")

    def _of_the_world(self, text: str) -> str:
        number = _parsed(text.removeprefix("whatsapp:").strip(), self.country)
        kind = phonenumbers.number_type(number)
        if kind == PhoneNumberType.FIXED_LINE:
            raise CellFault("is a fixed line, which gets no messages; give a mobile number or leave it empty")
        if kind == PhoneNumberType.UNKNOWN:
            raise CellFault("is not a number in use (too short, too long, or no such prefix); check the digits")
        if kind not in MOBILE:
            raise CellFault("is not a mobile number; give a mobile number or leave it empty")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _parsed(text: str, country: str) -> phonenumbers.PhoneNumber:
    if DECIMAL.search(text):
        raise CellFault("was turned into a decimal by a spreadsheet; format the column as text, enter it again")
    if not ALLOWED.fullmatch(text):
        raise CellFault("has letters or an extension; write one number, as in +62 812-3456-7890")
    try:
        return phonenumbers.parse(f"+{text[2:]}" if text.startswith("00") else text, country)
    except NumberParseException as error:
        raise CellFault("is no telephone number; write it as in +62 812-3456-7890") from error


class EmailReader:
    """Reads e-mail addresses into their normal form. Nobody is asked whether they exist."""

    def __init__(self) -> None:
        self._domains: dict[str, str] = {}  # as written -> normal form

    def read(self, cell: Cell) -> str | None:
        """The address. Raises CellFault for what is none."""
        text = text_of(cell, 320)
        if text is None:
            return None
        name, _, domain = text.partition("@")
        if (known := self._domains.get(domain)) and _is_plain(name) and len(name) + 1 + len(known) <= LONGEST_EMAIL:
            return f"{name}@{known}"
        try:
            found = validate_email(text, check_deliverability=False)
        except EmailNotValidError as error:
            raise CellFault("is no e-mail address; write it as in name@office.example") from error
        if _is_plain(name) and domain.isascii() and found.domain.isascii() and len(self._domains) < DOMAINS:
            self._domains[domain] = found.domain
        return found.normalized


def _is_plain(name: str) -> bool:
    return len(name) <= LONGEST_NAME and PLAIN_NAME.fullmatch(name) is not None


def email_of(cell: Cell) -> str | None:
    """One e-mail address in its normal form. Raises CellFault."""
    return EmailReader().read(cell)


def is_country(code: str) -> bool:
    """Is this a country's two-letter code (ISO 3166), as far as the telephone world knows it?"""
    return code in phonenumbers.SUPPORTED_REGIONS
