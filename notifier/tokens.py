"""Signed names that travel outside, the opt-out token and the bounce address: nobody can forge them."""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from notifier.model import LARGEST_ID, Channel, DeliveryId, PartyId

#: Bytes of a token's own signature, and of the fingerprint of an address in it.
SIGNATURE = 16
FINGERPRINT = 8
#: Hexadecimal digits of the signature in a bounce address: mail servers keep 64 characters before the @.
BOUNCE_SIGNATURE = 16
#: One character each, so that a link stays short enough for a text message. Never reuse a letter.
LETTERS = {Channel.WHATSAPP: b"w", Channel.SMS: b"s", Channel.EMAIL: b"e"}

#: channel, party, fingerprint of the address; big-endian, no padding
_FORM = struct.Struct(f">cQ{FINGERPRINT}s")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a genuine opt-out token says: this party, this channel, the address with this fingerprint."""

    party_id: PartyId
    channel: Channel
    address_hash: bytes


def hash_address(key: bytes, channel: Channel, address: str) -> bytes:
    """A fingerprint that only the key's owner can make: phone numbers are few enough to try all of them."""
    return _sign(key, "address", f"{channel}:{address}".encode())[:FINGERPRINT]


def make_token(key: bytes, party_id: PartyId, channel: Channel, address_hash: bytes) -> str:
    """The token of an opt-out link; always the same one, so that a repeated message keeps its bytes."""
    body = _FORM.pack(LETTERS[channel], party_id, address_hash)
    return urlsafe_b64encode(body + _sign(key, "opt-out", body)[:SIGNATURE]).rstrip(b"=").decode()


def read_token(key: bytes, token: str) -> Claim | None:
    """What the token claims, or None when it was not made with this key."""
    try:
        raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError:
        return None
    body, signature = raw[:-SIGNATURE], raw[-SIGNATURE:]
    if len(body) != _FORM.size or not hmac.compare_digest(signature, _sign(key, "opt-out", body)[:SIGNATURE]):
        return None
    letter, party_id, address_hash = _FORM.unpack(body)
    channel = next(channel for channel, known in LETTERS.items() if known == letter)
    return Claim(PartyId(party_id), channel, address_hash)


def make_bounce_name(key: bytes, delivery_id: DeliveryId) -> str:
    """What stands before the @ of an e-mail's return path, so that its bounce names its delivery."""
    return f"bounce+{delivery_id}.{_sign_bounce(key, str(delivery_id))}"


def read_bounce_name(key: bytes, name: str) -> DeliveryId | None:
    """The delivery a bounce address names, or None for any other address, or one made with another key."""
    tag, plus, rest = name.partition("+")
    number, _, signature = rest.partition(".")
    if tag.casefold() != "bounce" or not plus or not (number.isascii() and number.isdigit()):
        return None
    expected = _sign_bounce(key, number)
    if not hmac.compare_digest(signature.casefold().encode(), expected.encode()):
        return None
    return DeliveryId(int(number)) if int(number) <= LARGEST_ID else None


def _sign_bounce(key: bytes, number: str) -> str:
    return _sign(key, "bounce", number.encode()).hex()[:BOUNCE_SIGNATURE]


def _sign(key: bytes, purpose: str, content: bytes) -> bytes:
    if not key:
        raise ValueError("a token needs a signing key; set NOTIFIER_SIGNING_KEY")
    signing = _for_purpose(key, purpose).copy()
    signing.update(content)
    return signing.digest()


@lru_cache(maxsize=16)
def _for_purpose(key: bytes, purpose: str) -> hmac.HMAC:
    # The purpose is signed too, so that a signature made for one use is worth nothing in another. Copying this takes a
    # quarter of making it anew; `hmac.digest` would let go of the interpreter lock each time, and wait for it.
    return hmac.new(key, purpose.encode() + b"\0", sha256)
