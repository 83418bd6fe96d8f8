"""The nouns of the house: closed lists of words, frozen records, and the one table of state moves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from hashlib import sha256
from operator import itemgetter
from typing import NewType, TypeVar

PartyId = NewType("PartyId", int)
OfficeId = NewType("OfficeId", int)
NotificationId = NewType("NotificationId", int)
DeliveryId = NewType("DeliveryId", int)
#: The widest identity column there is: no id from outside can be larger.
LARGEST_ID = 2**63 - 1
#: Step, occurrence, cycle and party: which notification of a rule and subject is meant (S46).
StepKey = tuple[str, int, str, PartyId | None]

#: A value a rule may ask about. Instants are aware UTC, days are local dates of the office.
Value = str | bool | int | date | datetime | timedelta | None


class Channel(StrEnum):
    """A way to reach a person."""

    WHATSAPP = "whatsapp"
    SMS = "sms"
    EMAIL = "email"


class SubjectKind(StrEnum):
    """What a notification is about."""

    PERMIT = "permit"
    CASE = "case"


class NotificationState(StrEnum):
    """Where one thing that one party is to be told stands."""

    SCHEDULED = "scheduled"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    SPENT = "spent"
    EXPIRED = "expired"


class DeliveryState(StrEnum):
    """Where one try over one channel stands."""

    ATTEMPTING = "attempting"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNKNOWN = "unknown"


#: From each state of a notification, the states it may move to. Every UPDATE carries the states it allows.
NOTIFICATION_MOVES: Mapping[NotificationState, frozenset[NotificationState]] = {
    NotificationState.SCHEDULED: frozenset(set(NotificationState) - {NotificationState.SCHEDULED}),
    # Back to the beginning only by an officer's `resend`.
    NotificationState.SENT: frozenset(
        {NotificationState.DELIVERED, NotificationState.UNDELIVERABLE, NotificationState.SCHEDULED}
    ),
    NotificationState.DELIVERED: frozenset({NotificationState.SCHEDULED}),
    # A late proof of delivery is believed; so is the end of a ladder that was first thought to be over.
    NotificationState.UNDELIVERABLE: frozenset({NotificationState.DELIVERED, NotificationState.SCHEDULED}),
    # What was ended without being told may come back when the facts turn back (S43, S52).
    NotificationState.SUPPRESSED: frozenset({NotificationState.SCHEDULED}),
    NotificationState.CANCELLED: frozenset({NotificationState.SCHEDULED}),
    NotificationState.SPENT: frozenset({NotificationState.SCHEDULED}),
    NotificationState.EXPIRED: frozenset({NotificationState.SCHEDULED}),
}

#: The same for a delivery. Receipts come late, twice and out of order; what is not here changes nothing.
DELIVERY_MOVES: Mapping[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.ATTEMPTING: frozenset(set(DeliveryState) - {DeliveryState.ATTEMPTING}),
    DeliveryState.UNKNOWN: frozenset(
        {DeliveryState.ACCEPTED, DeliveryState.DELIVERED, DeliveryState.READ, DeliveryState.FAILED}
    ),
    DeliveryState.ACCEPTED: frozenset({DeliveryState.DELIVERED, DeliveryState.READ, DeliveryState.FAILED}),
    DeliveryState.FAILED: frozenset({DeliveryState.DELIVERED, DeliveryState.READ}),
    DeliveryState.DELIVERED: frozenset({DeliveryState.READ}),
    DeliveryState.READ: frozenset(),
}

State = TypeVar("State", NotificationState, DeliveryState)


def origins(moves: Mapping[State, frozenset[State]], state: State) -> list[State]:
    """The states from which a table of moves lets something come to this one."""
    return [origin for origin, targets in moves.items() if state in targets]


#: A delivery in one of these states counts as "told" (RULES: told).
TOLD: frozenset[DeliveryState] = frozenset(
    {DeliveryState.ACCEPTED, DeliveryState.DELIVERED, DeliveryState.READ, DeliveryState.UNKNOWN}
)
PROVED: frozenset[DeliveryState] = frozenset({DeliveryState.DELIVERED, DeliveryState.READ})


class Reason(StrEnum):
    """Why something was sent, held or not sent: the closed list that `explain`, ledger and docs share."""

    # decisions (S93), in the order in which they are asked
    SWITCHED_OFF = "switched off"
    NOT_IN_FORCE = "not in force"
    OTHER_OFFICE = "other office"
    NOT_CONCERNED = "not concerned"
    POINTLESS = "pointless"
    MUTED = "muted"
    HOLDER_DECEASED = "holder deceased"
    NO_DATE = "no date"
    NO_PAST_NEWS = "nothing told that changed"
    NOT_YET = "not yet"
    TOLD = "told"
    SPENT = "newer step due"
    TOLD_TODAY = "told earlier today"
    AFTER_DEADLINE = "after the deadline"
    TOO_LATE = "too late"
    NOBODY = "nobody to tell"
    AUTHORITY_ENDED = "authority ended"
    NO_ADDRESS = "no usable address"
    DATE_MOVED = "date moved"
    GOES = "goes"
    # holding
    SENDING_HOURS = "sending hours"
    SILENT_DAY = "silent day"
    CAP = "cap"
    DIGEST = "digest"
    FOLD = "waits for the next message"
    APPROVAL = "waits for approval"
    LIMIT = "more than the limit of the day"
    ENVELOPE = "outside the approved plan"
    RETRY = "will be tried again"
    WAITING_FOR_RECEIPT = "waiting for a receipt"
    CHANNEL_STOPPED = "channel stopped"
    # endings
    RULE_GONE = "rule gone"
    NEWER_STEP_SENT = "newer step sent"
    CANCELLED_BY_OFFICER = "cancelled by an officer"
    REFUSED_BY_OFFICER = "refused by an officer"
    RULE_CAP = "cap of the rule"
    OPTED_OUT = "opted out"
    PRESUMED_DELIVERED = "presumed delivered"
    PROVED_DELIVERED = "delivered"
    LADDER_ENDED = "every channel failed"
    # why a delivery failed
    BAD_ADDRESS = "bad address"
    BLOCKED_BY_RECIPIENT = "blocked by recipient"
    NOT_REACHABLE = "not reachable on this channel"
    TEMPORARY = "temporary provider fault"
    CONFIGURATION = "configuration fault"
    CONTENT_REFUSED = "content refused"
    TEMPLATE_FAULT = "template fault"
    TIMED_OUT = "no answer"


class Action(StrEnum):
    """What a provider's error code asks us to do next."""

    RETRY = "retry"
    NEXT_CHANNEL = "next channel"
    BAD_ADDRESS = "bad address"
    SUPPRESS = "suppress"
    STOP_CHANNEL = "stop channel"
    ASK = "ask"  # the outcome is unknown: ask the provider before any resend


#: Members by their words; to ask the class takes several times as long.
CHANNELS = {one.value: one for one in Channel}
NOTIFICATION_STATES = {one.value: one for one in NotificationState}
DELIVERY_STATES = {one.value: one for one in DeliveryState}
REASONS = {one.value: one for one in Reason}


# ---------------------------------------------------------------------------------------------- register


@dataclass(frozen=True, slots=True)
class Office:
    """An office: whose clock, calendar, hours, sender names and windows count."""

    id: OfficeId
    code: str
    name: str
    zone: str
    country: str = "ID"
    province: str | None = None
    phone: str | None = None
    address: str | None = None
    website: str | None = None
    sms_sender: str | None = None
    whatsapp_sender: str | None = None
    email_sender: str | None = None
    opens_at: time = time(8, 0)
    closes_at: time = time(15, 0)
    weekdays: frozenset[int] = frozenset({0, 1, 2, 3, 4})  # Monday is 0
    closed_days: frozenset[date] = frozenset()
    working_days: frozenset[date] = frozenset()  # declared open although the calendar says closed

    def __hash__(self) -> int:
        """Offices are looked up with every message; those that are equal have one id."""
        return hash(self.id)


@dataclass(frozen=True, slots=True)
class Contact:
    """One address of a party on one channel."""

    channel: Channel
    address: str
    usable: bool = True
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Party:
    """A person, organisation or office desk that can be told something."""

    id: PartyId
    number: str
    kind: str  # person | organisation | desk
    name: str
    language: str | None = None
    nationality: str | None = None
    birth_date: date | None = None
    zone: str | None = None
    deceased_on: date | None = None
    household: str | None = None  # parties declared to share a telephone (S80)
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class RoleHeld:
    """What a party is to a subject, and the days between which it counts (both inclusive)."""

    role: str
    party: Party
    valid_from: date | None = None
    valid_until: date | None = None

    def counts_on(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_until is None or day <= self.valid_until
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """A value of a date field, and when the register first held it (append-only history)."""

    value: date | datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay of a case in a state; `ended_at` is None while it lasts."""

    id: int
    state: str
    began_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """A permit or case with everything a decision may look at, as the register holds it now.

    `facts` has the stored fields under the words rules use ("payment deadline", "holder.age" excluded: fields
    that depend on the day are derived when asked). `others` are the facts of the holder's other permits, `cases`
    those of the holder's cases, `permit` those of the permit a case is about. `numbers` in texts come from `number`.
    """

    kind: SubjectKind
    id: int
    number: str
    office: Office
    facts: Mapping[str, Value]
    roles: tuple[RoleHeld, ...] = ()
    history: Mapping[str, tuple[Seen, ...]] = field(default_factory=dict)
    stays: tuple[Stay, ...] = ()
    others: tuple[Mapping[str, Value], ...] = ()
    cases: tuple[Mapping[str, Value], ...] = ()
    permit: Mapping[str, Value] | None = None  # the facts of the permit a case is about
    changed: Mapping[str, datetime] = field(default_factory=dict)  # when a plain field got its present value (S17)

    @property
    def holder(self) -> Party | None:
        for held in self.roles:  # asked for ten times in each decision, and nearly always the first
            if held.role == "holder":
                return held.party
        return None


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the ledger as a decision sees it: what one party was, or is to be, told of one subject."""

    id: NotificationId
    rule: str
    step: str
    occurrence: int
    cycle: str
    party_id: PartyId
    role: str
    state: NotificationState
    moment: datetime
    told_at: datetime | None
    in_place_of: PartyId | None = None
    useful_until: datetime | None = None
    first_sent_at: datetime | None = None
    reason: Reason | None = None
    forced: bool = False  # an officer asked for it: the guard ends it where it must, planning does not
    version: str = ""  # of the rule that decided it: `Rule.version` at that time

    @property
    def key(self) -> StepKey:
        """Its identity within the rule and subject; a decision about it has the same."""
        return self.step, self.occurrence, self.cycle, self.party_id


# ----------------------------------------------------------------------------------------------- messages


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with an e-mail."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class SmsMessage:
    """A text message, ready to leave. `to` is E.164."""

    delivery_id: DeliveryId
    to: str
    sender: str
    text: str
    segments: int
    encoding: str  # GSM-7 | UCS-2


@dataclass(frozen=True, slots=True)
class WhatsAppMessage:
    """A WhatsApp template message; `text` is what the recipient will read once the provider fills it in."""

    delivery_id: DeliveryId
    to: str
    sender: str
    content_sid: str
    variables: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """A text with gaps: before each of them a piece of text, and one after the last; `places` are of the values."""

    pieces: tuple[str, ...]
    places: tuple[int, ...]
    _take: "itemgetter[str]" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # A piece, a value, a piece, a value, a piece: joined, that is four times as fast as formatting.
        count = len(self.pieces)
        order = [count + self.places[at // 2] if at % 2 else at // 2 for at in range(count + len(self.places))]
        object.__setattr__(self, "_take", itemgetter(*order))

    def fill(self, values: tuple[str, ...]) -> str:
        return "".join(self._take(self.pieces + values))


@dataclass(frozen=True, slots=True)
class Form:
    """The words of an e-mail with gaps where they speak of one person or office. `key` is a digest of them."""

    subject: Part
    text: Part
    html: Part
    key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        said = [(one.pieces, one.places) for one in (self.subject, self.text, self.html)]
        object.__setattr__(self, "key", sha256(repr(said).encode()).hexdigest()[:32])

    def fill(self, values: tuple[str, ...]) -> tuple[str, str, str]:
        """Subject, text and HTML."""
        return self.subject.fill(values), self.text.fill(values), self.html.fill(values)


@dataclass(frozen=True, slots=True)
class Filled:
    """Which form the words of an e-mail come from, and what stands in its gaps."""

    form: Form
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EmailMessage:
    """An e-mail, ready to be put on the wire. `message_id` stays the same over repeats."""

    delivery_id: DeliveryId
    to: str
    sender: str
    subject: str
    text: str
    html: str
    message_id: str
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    language: str = "id"
    filled: Filled | None = field(default=None, repr=False, compare=False)  # so it is kept in the ledger (S66)


Message = SmsMessage | WhatsAppMessage | EmailMessage


# ------------------------------------------------------------------------------------ outcomes and receipts


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the message; `reference` is its name for it."""

    reference: str | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider refused; trying again may or may not help, as `action` says."""

    reason: Reason
    action: Action
    code: str | None = None
    detail: str = ""
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The connection broke after the provider may have accepted; never guessed, always asked."""

    detail: str = ""


Outcome = Accepted | Rejected | Unknown


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider later says of a delivery. `raw` is kept as it came."""

    provider: str
    state: DeliveryState | None  # None: a status we keep but that moves nothing
    raw: Mapping[str, str]
    reference: str | None = None
    delivery_id: DeliveryId | None = None
    code: str | None = None
    reason: Reason | None = None
    action: Action | None = None
