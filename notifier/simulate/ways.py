"""How a message travels: the first rung that reaches the recipient, and what follows if nothing is proved (S67-S75)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256

from notifier.messages.languages import first_available, preferences
from notifier.model import Channel, Party
from notifier.rules.rule import Rule
from notifier.store.suppressions import Address

#: (template, channel) -> the languages it is written in.
Languages = Mapping[tuple[str, Channel], frozenset[str]]
Send = tuple[Channel, str]


@dataclass(frozen=True, slots=True)
class Way:
    """What leaves first, and what follows only if nothing is proved; each a channel and a language."""

    first: tuple[Send, ...]
    later: tuple[Send, ...]

    @property
    def sms_language(self) -> str | None:
        """The language of its SMS, if it has one."""
        return next((language for channel, language in (*self.first, *self.later) if channel is Channel.SMS), None)


@dataclass(frozen=True, slots=True)
class Door:
    """Where a person is reached: `who` is the same for people of a household at one address (S80)."""

    who: int
    channels: frozenset[Channel]
    language: str | None
    nationality: str | None


class Ways:
    """The ways of travelling that were met, numbered; each worked out once."""

    def __init__(self, languages: Languages) -> None:
        self.languages = languages
        self.all: list[Way] = []
        self.desks: set[int] = set()
        self._numbers: dict[Way, int] = {}
        self._known: dict[tuple[int, int, frozenset[Channel], str | None, str | None], int | None] = {}

    def door(self, party: Party, refused: Collection[Address]) -> Door:
        """Where a party can be written to now."""
        addresses = {
            one.channel: one.address
            for one in party.contacts
            if one.usable and (one.channel, one.address) not in refused
        }
        who = int(party.id)
        if party.household is not None and addresses:
            # Two processes must give the same number to the same household; a hash of Python's does not.
            text = f"{party.household}\0{next(addresses[one] for one in Channel if one in addresses)}"
            who = (1 << 64) + int.from_bytes(sha256(text.encode()).digest()[:8])
        if party.kind == "desk":
            self.desks.add(who)
        return Door(who, frozenset(addresses), party.language, party.nationality)

    def way(self, number: int, rule: Rule, step: int, door: Door) -> int | None:
        """The number of the way of a step to somebody; None when nothing of its ladder reaches them."""
        key = (number, step, door.channels, door.language, door.nationality)
        if key not in self._known:
            rungs = [
                tuple(
                    (channel, self._language(rule.steps[step].template, channel, door))
                    for channel in rung.channels
                    if channel in door.channels
                )
                for rung in rule.steps[step].via
            ]
            open_rungs = [rung for rung in rungs if rung]
            later = tuple(send for rung in open_rungs[1:] for send in rung)
            self._known[key] = self.number(Way(open_rungs[0], later)) if open_rungs else None
        return self._known[key]

    def number(self, way: Way) -> int:
        """Its number, a new one where it was not met before."""
        if way not in self._numbers:
            self._numbers[way] = len(self.all)
            self.all.append(way)
        return self._numbers[way]

    def _language(self, template: str, channel: Channel, door: Door) -> str:
        written = self.languages.get((template, channel), frozenset())
        return first_available(preferences(door.language, door.nationality), written) or "no text"
