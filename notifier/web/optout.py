"""Wishes to be left alone, or to be reminded again: replies, and the link in a message."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import Connection, select, union

from notifier.channels.base import Inbound
from notifier.errors import ConfigError
from notifier.model import Channel, Reason
from notifier.store.outbox import add_work_item
from notifier.store.suppressions import LIFTED_BY_RECIPIENT, lift, suppress
from notifier.store.tables import contact, delivery, notification
from notifier.tokens import Claim, hash_address

SHIPPED = Path(__file__).with_name("words.yaml")


class Wish(StrEnum):
    """What a reply asks of us."""

    STOP = "stop"
    START = "start"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Words:
    """The words of each wish, and what is answered. Made by `load_words`."""

    wishes: Mapping[str, Wish]
    replies: Mapping[Wish, str]

    def wish(self, inbound: Inbound) -> Wish | None:
        """What this message wishes; None for everything that is not exactly one of the words."""
        told = (inbound.opt_out or "").strip().casefold()
        if told in (Wish.STOP, Wish.START):
            return Wish(told)
        return self.wishes.get(_bare(inbound.text))


def load_words(path: Path = SHIPPED) -> Words:
    """The words of that file. Raises ConfigError that names every wrong entry."""
    content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or set(content) != {*Wish, "replies"}:
        raise ConfigError(f"{path.name}: write exactly the entries {', '.join(Wish)} and replies")
    faults: list[str] = []
    wishes: dict[str, Wish] = {}
    for wish in Wish:
        for word in content[wish] or ():
            bare = _bare(word) if isinstance(word, str) else ""
            if not bare:
                faults.append(f"{path.name}: {wish}: {word!r} is no word; write it in quotes")
            elif bare in wishes:
                faults.append(f"{path.name}: {wish}: {word} stands in this file twice")
            wishes[bare] = wish
    replies = content["replies"] or {}
    if not isinstance(replies, dict) or not set(replies) <= set(Wish):
        faults.append(f"{path.name}: replies: write a text for {', '.join(Wish)}, or leave it out")
    if faults:
        raise ConfigError("\n".join(faults))
    return Words(wishes, {Wish(name): str(text) for name, text in replies.items()})


def take_reply(connection: Connection, inbound: Inbound, words: Words, *, now: datetime) -> str | None:
    """Do what a reply asks for; answers the text to send back, the same whether we know the sender or not."""
    wish = words.wish(inbound)
    channel, address = inbound.channel, inbound.address
    match wish:
        case None:
            return None
        case Wish.STOP:
            suppress(connection, channel, address, reason=Reason.OPTED_OUT, source="reply", now=now)
        case Wish.START:
            lift(connection, channel, address, now=now, reasons=LIFTED_BY_RECIPIENT)
        case Wish.UNCLEAR:
            _ask_office(connection, channel, address, now=now)
    # Where the provider recognised the word it has answered already; an answer by SMS would cost.
    is_ours = inbound.opt_out is None and channel is Channel.WHATSAPP
    return words.replies.get(wish) if is_ours else None


def unsubscribe(connection: Connection, claim: Claim, *, key: bytes, now: datetime) -> bool:
    """Suppress the address an opt-out link was made for, also when the party has another by now.

    False when no address of the party fits the link any more: there is nobody left to be written to.
    """
    addresses = union(
        select(contact.c.address).where(contact.c.party_id == claim.party_id, contact.c.channel == claim.channel.value),
        select(delivery.c.address)
        .join(notification, notification.c.id == delivery.c.notification_id)
        .where(notification.c.party_id == claim.party_id, delivery.c.channel == claim.channel.value),
    )
    for address in connection.scalars(addresses).all():
        if hash_address(key, claim.channel, address) == claim.address_hash:
            suppress(connection, claim.channel, address, reason=Reason.OPTED_OUT, source="link", now=now)
            return True
    return False


def _ask_office(connection: Connection, channel: Channel, address: str, *, now: datetime) -> None:
    """A work item for the office that wrote last to this address; a stranger's word concerns nobody."""
    last = (
        select(notification)
        .join(delivery, delivery.c.notification_id == notification.c.id)
        .where(delivery.c.address == address, delivery.c.channel == channel.value)
        .order_by(delivery.c.id.desc())
        .limit(1)
    )
    row = connection.execute(last).first()
    if row is not None:
        note = "the recipient replied with a word that may cancel the reminders or the booking: ask which"
        add_work_item(connection, row, "unclear reply", note, now=now)


def _bare(text: str) -> str:
    """The text as words are compared: one form of each letter, no capitals, nothing around it."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = " ".join(folded.split())
    start, end = 0, len(words)
    while start < end and not words[start].isalnum():
        start += 1
    while end > start and not words[end - 1].isalnum():
        end -= 1
    return words[start:end]
