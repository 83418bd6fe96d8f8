"""The nouns of a file of tests: what is given, what happens, and what must leave or stay silent. Instants are UTC."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from notifier.model import Channel
from notifier.store.records import OfficeRecord, PartyRecord, SubjectRecord

#: The office of a test that names none, and its clock.
OFFICE = "kantor"
OFFICE_ZONE = "Asia/Jakarta"


class Fate(StrEnum):
    """What becomes of the messages to an address from some instant on."""

    DELIVERED = "delivered"  # taken; a receipt proves it within a minute (an e-mail has no such receipt)
    READ = "read"  # the same, and opened
    UNANSWERED = "unanswered"  # taken, and never a word of it
    FAILED = "failed"  # taken; a receipt says within a minute that it did not arrive
    REFUSED = "refused"  # not even taken
    UNKNOWN = "unknown"  # the connection broke: nobody knows whether it was taken


@dataclass(frozen=True, slots=True)
class Registered:
    """What the register is to hold, in the order in which it must be written."""

    offices: tuple[OfficeRecord, ...] = ()
    people: tuple[PartyRecord, ...] = ()
    permits: tuple[SubjectRecord, ...] = ()
    cases: tuple[SubjectRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """A person writes back on a channel."""

    who: str
    channel: Channel
    text: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """From now on messages to a person on a channel fare so; what waits for its receipt gets it now.

    `who` of None means everybody. `code` is the provider's error code, None the usual one.
    """

    who: str | None
    channel: Channel
    fate: Fate
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Asleep:
    """Neither scheduler nor workers run until then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class ByOfficer:
    """An officer acts on a notification by hand: cancels it, or has it sent again."""

    verb: str  # cancels | sends again
    step: str
    who: str


@dataclass(frozen=True, slots=True)
class Approval:
    """An officer lets everything go that waits of a rule, or refuses it (S83, S84)."""

    rule: str
    is_refusal: bool = False


Event = Registered | Reply | Outlook | Asleep | ByOfficer | Approval


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens at an instant."""

    at: datetime
    event: Event


@dataclass(frozen=True, slots=True)
class Expected:
    """One message that must leave: all channels that leave together are one line. None: anything will do."""

    at: datetime
    rule: str
    step: str
    who: str
    channels: frozenset[Channel]
    occurrence: int | None = None
    language: str | None = None
    says: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class Silence:
    """A step that never leaves for a person, and why: the words that `explain` has for it then (S93)."""

    rule: str
    step: str
    who: str
    reason: str
    occurrence: int | None = None
    about: str | None = None
    at: datetime | None = None  # when to ask; None: at the end of the test
    line: int = 0


@dataclass(frozen=True, slots=True)
class Scene:
    """One test of the file: a register, a stretch of time, what happens in it, and what must leave."""

    name: str
    file: str
    line: int
    zone: ZoneInfo  # the clock of the test: that of its first office
    starts: datetime
    ends: datetime  # the last instant that is played
    given: Registered
    in_force_since: date | None = None
    happens: tuple[Happening, ...] = ()
    messages: tuple[Expected, ...] | None = None  # None: not written yet, `--record` writes it
    silences: tuple[Silence, ...] = ()
    work_items: tuple[str, ...] | None = None  # what the office must look at in the end; None: not asked
    proves: tuple[str, ...] = ()
    indentation: int | None = None  # of the lines of the test; None: in braces, so that nothing can be written there
    messages_line: int | None = None  # where `messages:` stands

    @property
    def registered(self) -> list[Registered]:
        """Everything the register ever holds in it."""
        return [self.given, *(one.event for one in self.happens if isinstance(one.event, Registered))]

    @property
    def subjects(self) -> list[str]:
        """The permits and cases of the test."""
        return sorted({one.number for what in self.registered for one in (*what.permits, *what.cases)})


@dataclass(frozen=True, slots=True)
class Script:
    """A file of tests: the rules under test, and whether they are switched on for it."""

    path: str
    rules: tuple[str, ...]
    switched_on: bool = False
    steps_on: tuple[str, ...] = ()
    scenes: tuple[Scene, ...] = ()


def channels_in_words(channels: frozenset[Channel]) -> str:
    """ "email and whatsapp", always in the same order."""
    return " and ".join(sorted(channel.value for channel in channels))
