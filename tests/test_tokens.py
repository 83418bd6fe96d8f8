"""Tokens say who wants no more messages; nobody can read, forge or bend them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.model import Channel, DeliveryId, PartyId
from notifier.tokens import (
    Claim,
    hash_address,
    make_bounce_name,
    make_token,
    read_bounce_name,
    read_token,
)

KEY = b"a long random text"
NUMBER = "+6281234567890"
IDS = st.integers(min_value=0, max_value=2**63 - 1)


@given(IDS, st.sampled_from(Channel), st.text(max_size=60))
def test_a_token_gives_back_what_was_put_in(party: int, channel: Channel, address: str) -> None:
    fingerprint = hash_address(KEY, channel, address)
    token = make_token(KEY, PartyId(party), channel, fingerprint)
    assert read_token(KEY, token) == Claim(PartyId(party), channel, fingerprint)
    assert len(token) < 50
    assert token.replace("-", "").replace("_", "").isalnum()


def test_the_same_message_keeps_its_token() -> None:
    fingerprint = hash_address(KEY, Channel.SMS, NUMBER)
    tokens = {make_token(KEY, PartyId(7), Channel.SMS, fingerprint) for _ in range(3)}
    assert len(tokens) == 1


def test_every_changed_character_makes_a_token_worthless() -> None:
    token = make_token(KEY, PartyId(7), Channel.EMAIL, hash_address(KEY, Channel.EMAIL, "a@b.example"))
    for place in range(len(token) - 1):  # the last one holds padding bits
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert read_token(KEY, changed) is None


def test_a_token_of_another_key_is_not_taken() -> None:
    token = make_token(KEY, PartyId(7), Channel.SMS, hash_address(KEY, Channel.SMS, NUMBER))
    assert read_token(b"another key", token) is None


@given(st.one_of(st.text(max_size=80), st.text("Az09-_=", max_size=80)))
def test_no_text_breaks_the_reader(text: str) -> None:
    assert read_token(KEY, text) is None
    assert read_bounce_name(KEY, text) is None


def test_the_fingerprint_of_an_address_cannot_be_made_without_the_key() -> None:
    assert hash_address(KEY, Channel.SMS, NUMBER) != hash_address(b"guess", Channel.SMS, NUMBER)
    assert hash_address(KEY, Channel.SMS, NUMBER) != hash_address(KEY, Channel.WHATSAPP, NUMBER)


def test_nothing_is_signed_without_a_key() -> None:
    with pytest.raises(ValueError, match="NOTIFIER_SIGNING_KEY"):
        make_bounce_name(b"", DeliveryId(1))


@given(IDS)
def test_a_bounce_address_names_its_delivery_in_any_capitals(delivery: int) -> None:
    name = make_bounce_name(KEY, DeliveryId(delivery))
    assert len(name) <= 64
    assert read_bounce_name(KEY, name) == read_bounce_name(KEY, name.upper()) == delivery


def test_a_bounce_address_cannot_be_turned_to_another_delivery() -> None:
    name = make_bounce_name(KEY, DeliveryId(12))
    assert read_bounce_name(KEY, name.replace("12.", "13.", 1)) is None
    assert read_bounce_name(KEY, name.replace("12.", "012.", 1)) is None
    assert read_bounce_name(KEY, name.replace("bounce", "sales")) is None
