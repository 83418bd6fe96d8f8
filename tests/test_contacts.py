"""Addresses are read by short ways; they must answer as the libraries that know every address of the world."""

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.intake.cells import CellFault
from notifier.intake.contacts import EmailReader, MobileReader, email_of

LARGE = settings(max_examples=500, deadline=None)

#: Around every edge of the numbering plan: all second digits, one digit too few, one too many.
digits = st.text("0123456789", min_size=5, max_size=12)
heads = st.sampled_from(("+62", "+62 ", "+62-", "+62  ", "0", "62", "0062", "+620", "00", "+61", "+6", ""))
gaps = st.sampled_from(("", "", "", " ", "-", ".", "--", " - "))


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """A number that looks Indonesian, its groups divided in good and bad ways."""
    tail = draw(digits)
    cut = sorted((draw(st.integers(0, len(tail))), draw(st.integers(0, len(tail)))))
    gap = draw(gaps)
    eight = draw(st.sampled_from(("8", "8", "8", "9", "2", "")))
    return draw(heads) + eight + gap.join((tail[: cut[0]], tail[cut[0] : cut[1]], tail[cut[1] :])) + draw(gaps)


def answer(reader: MobileReader | EmailReader, text: str) -> str | None:
    """What the reader takes it for; None if it is refused."""
    try:
        return reader.read(text)
    except CellFault:
        return None


def by_library(text: str, country: str) -> str | None:
    """A mobile number in E.164 as phonenumbers alone sees it."""
    text = text.strip()
    if not text or set(text) - set("+0123456789 -.()/"):
        return None
    try:
        number = phonenumbers.parse(f"+{text[2:]}" if text.startswith("00") else text, country)
    except phonenumbers.NumberParseException:
        return None
    mobile = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)
    if phonenumbers.number_type(number) not in mobile:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@LARGE
@given(numbers(), st.sampled_from(("ID", "ID", "MY")))
def test_a_number_read_the_short_way_is_what_phonenumbers_makes_of_it(text: str, country: str) -> None:
    assert answer(MobileReader(country), text) == by_library(text, country)


@pytest.mark.parametrize("second", "0123456789")
@pytest.mark.parametrize("length", range(7, 15))
@pytest.mark.parametrize("head", ["0", "+62", "+62 ", "62", "0062"])
def test_every_beginning_and_length_of_an_indonesian_mobile_number(head: str, second: str, length: int) -> None:
    text = head + f"8{second}234567890123"[:length]
    assert answer(MobileReader("ID"), text) == by_library(text, "ID")


def test_most_numbers_go_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phonenumbers, "parse", lambda *_: pytest.fail("the library was asked"))
    for text in ("081234567890", "+6281234567890", "+62 812-3456-7890", "0812-3456-789"):
        assert answer(MobileReader("ID"), text) == "+62" + text.removeprefix("+62").lstrip("0").replace("-", "").strip()


names = st.text("abzAZ019_+-.'éß \"@", min_size=1, max_size=12) | st.just("a" * 64) | st.just("a" * 65)
domains = st.sampled_from(
    ("mail.example", "Mail.Example", "mail．example", "example", "mail.example.", "mail.test")
) | (st.sampled_from(("münchen.example", "xn--mnchen-3ya.example", "a..b", "[10.0.0.1]", "", "a." * 94 + "example")))
special = st.sampled_from(("info", "Info", "POSTMASTER", "p1", "nama..dobel", ".a", "a.", "<a", '"a"', "a"))


@LARGE
@given(st.lists(st.tuples(names | special, domains), min_size=1, max_size=4))
def test_an_address_at_a_known_domain_is_what_the_validator_makes_of_it(parts: list[tuple[str, str]]) -> None:
    reader = EmailReader()
    for name, domain in parts:
        for known in ("p1", name):
            text = f"{known}@{domain}"
            try:
                expected: str | None = validate_email(text.strip(), check_deliverability=False).normalized
            except EmailNotValidError:
                expected = None
            assert answer(reader, text) == expected


def test_a_single_address_needs_no_reader() -> None:
    assert email_of(" Ani@MAIL.example ") == "Ani@mail.example"
