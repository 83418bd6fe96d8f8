"""A rule after loading: frozen, with every default filled in. The loader builds these; nothing changes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from datetime import time as TimeOfDay
from enum import StrEnum

from notifier.model import Channel, SubjectKind


class Unit(StrEnum):
    """Units of a length; everything from DAY up is counted in dates of the office (S6-S10)."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WORKING_DAY = "working day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


#: Units that are a stretch of time wherever they are counted from; the others depend on the calendar.
STRETCHES: Mapping[Unit, timedelta] = {
    Unit.MINUTE: timedelta(minutes=1),
    Unit.HOUR: timedelta(hours=1),
    Unit.DAY: timedelta(days=1),
    Unit.WEEK: timedelta(weeks=1),
}


@dataclass(frozen=True, slots=True)
class Length:
    """So many of a unit; `str()` gives the phrase back."""

    count: int
    unit: Unit

    @property
    def is_short(self) -> bool:
        """Minutes and hours: elapsed time between instants, not dates."""
        return self.unit in (Unit.MINUTE, Unit.HOUR)

    @property
    def is_fixed(self) -> bool:
        """Whether it can be measured without a calendar."""
        return self.unit in STRETCHES

    @property
    def stretch(self) -> timedelta:
        """A fixed length as elapsed time; the loader refuses others where one is needed. Raises ValueError for them."""
        if not self.is_fixed:
            raise ValueError(f"{self} has no fixed length")
        return self.count * STRETCHES[self.unit]

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Anchor:
    """The date or instant a step counts from: "expiry", "window opens", "deadline", "holder turns" (with n)."""

    name: str
    n: int | None = None

    def __str__(self) -> str:
        return self.name if self.n is None else f"{self.name} {self.n}"


class Side(StrEnum):
    """Which side of its anchor a step stands on."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class AtOnce:
    """The first instant at which everything holds (S17)."""


@dataclass(frozen=True, slots=True)
class On:
    """The day or instant itself; `event` tells "when X" from "on X" (closed days move them differently, S25)."""

    anchor: Anchor
    event: bool = False


@dataclass(frozen=True, slots=True)
class Offset:
    """So long before or after an anchor."""

    length: Length
    side: Side
    anchor: Anchor


@dataclass(frozen=True, slots=True)
class LastWorkingDayBefore:
    """The first working day strictly before the anchor (S11)."""

    anchor: Anchor


@dataclass(frozen=True, slots=True)
class Halfway:
    """The middle between the beginning (of the stay, else issue) and the anchor (S16)."""

    anchor: Anchor


@dataclass(frozen=True, slots=True)
class Moves:
    """The instant at which the register sees a new value of the anchor (S19)."""

    anchor: Anchor
    earlier: bool = False


Place = On | Offset | LastWorkingDayBefore


@dataclass(frozen=True, slots=True)
class Every:
    """Again and again from one place until another, each computed from the first in one go (S18)."""

    period: Length
    start: Place
    end: Place


Moment = AtOnce | On | Offset | LastWorkingDayBefore | Halfway | Moves | Every


@dataclass(frozen=True, slots=True)
class Deadline:
    """How long a message is useful: a place, perhaps with a time of that day or the counter's closing time (S39)."""

    place: Place
    at: TimeOfDay | None = None
    closing_time: bool = False


@dataclass(frozen=True, slots=True)
class Rung:
    """Channels that leave together, and how long after the first rung (None: the first, or the default, S70)."""

    channels: tuple[Channel, ...]
    after: Length | None = None


class Closed(StrEnum):
    """What a closed day does to a moment (S25)."""

    EARLIER = "earlier"
    LATER = "later"
    IGNORE = "ignore"


class LatePolicy(StrEnum):
    """What becomes of a step that is due late (S40)."""

    NEWEST = "newest"
    SEND = "send"
    SKIP = "skip"
    FOLD = "fold"


@dataclass(frozen=True, slots=True)
class Late:
    """The late policy of a step, and how long after its moment it may still go."""

    policy: LatePolicy = LatePolicy.NEWEST
    within: Length | None = None


@dataclass(frozen=True, slots=True)
class Digest:
    """The slot at which everything due for a recipient leaves as one message (S77): each day, or on one weekday."""

    at: TimeOfDay
    weekday: int | None = None  # Monday is 0; None: daily


@dataclass(frozen=True, slots=True)
class Cap:
    """So many cycles of a rule for one person in so long (S82); `str()` gives the phrase back."""

    cycles: int
    within: Length

    def __str__(self) -> str:
        return f"{self.cycles} in {self.within}"


# ---------------------------------------------------------------------------------------------- conditions


class Compare(StrEnum):
    """Comparisons of numbers and lengths, in the words of the language. EXACTLY is a bare number."""

    EXACTLY = "exactly"
    AT_LEAST = "at least"
    AT_MOST = "at most"
    LESS_THAN = "less than"
    MORE_THAN = "more than"


@dataclass(frozen=True, slots=True)
class OneOf:
    """A word, or one of a list (S89)."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    """Present and none of the list (S88, S89)."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class YesNo:
    """yes / no."""

    value: bool


@dataclass(frozen=True, slots=True)
class Number:
    """A number compared."""

    compare: Compare
    value: int


@dataclass(frozen=True, slots=True)
class LengthIs:
    """A stretch of time compared with a length ("payment time: less than 24 hours")."""

    compare: Compare
    length: Length


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has a value."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The field has no value; the only test that a missing value satisfies (S88)."""


@dataclass(frozen=True, slots=True)
class Past:
    """The day is over (S4); an instant is behind us."""


@dataclass(frozen=True, slots=True)
class FixedDay:
    """Before or after a written day."""

    side: Side
    day: date


@dataclass(frozen=True, slots=True)
class Within:
    """X - D <= today <= X (S91)."""

    length: Length


@dataclass(frozen=True, slots=True)
class WithinLast:
    """X <= today <= X + D."""

    length: Length


@dataclass(frozen=True, slots=True)
class Beyond:
    """today < X - D."""

    length: Length


@dataclass(frozen=True, slots=True)
class Ago:
    """today > X + D ("more than D ago")."""

    length: Length


Test = (
    OneOf | NoneOf | YesNo | Number | LengthIs | Exists | Missing | Past | FixedDay | Within | WithinLast | Beyond | Ago
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a condition: a field and its test."""

    field: str
    test: Test


class GroupKind(StrEnum):
    """How the members of a group count (S87)."""

    ANY = "any"
    ALL = "all"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Group:
    """`any:`, `all:` or `none:` over mappings; within a mapping every line holds."""

    kind: GroupKind
    members: "tuple[Conditions, ...]"


@dataclass(frozen=True, slots=True)
class HolderHas:
    """The holder has (or has no) other permit for which every line holds (S92)."""

    conditions: "Conditions"
    negated: bool = False


Condition = Line | Group | HolderHas
Conditions = tuple[Condition, ...]


# ------------------------------------------------------------------------------------------ rule and step


@dataclass(frozen=True, slots=True)
class Step:
    """One named moment of a rule, with the rule's defaults already filled in."""

    name: str
    send: Moment
    to: tuple[str, ...]
    via: tuple[Rung, ...]
    template: str
    time: TimeOfDay | None = None
    closed: Closed | None = None  # None: the default of the moment's kind (S25)
    urgent: bool = False
    enabled: bool = True
    late: Late = field(default_factory=Late)
    when: Conditions = ()  # the step's own lines; the rule's are asked as well
    unless: Conditions = ()
    only_after: str | None = None
    at_most: int | None = None
    digest: Digest | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """A declaration: about which subjects, who is told what, when and over which channels."""

    name: str
    title: str
    legal_basis: str  # public service | legal duty | consent
    subject: SubjectKind
    steps: tuple[Step, ...]
    purpose: str = ""
    when: Conditions = ()
    unless: Conditions = ()
    stays: tuple[str, ...] = ()  # the states of `while:`
    deadline: Deadline | None = None
    anniversary: tuple[Length, Anchor] | None = None
    correction: Length = field(default_factory=lambda: Length(10, Unit.DAY))
    uncapped: bool = False
    cap: Cap | None = None  # per person (S82)
    limit: int | None = None  # messages a day and office (S83)
    approval: bool = False  # each day's batch waits for an officer (S84)
    mutes: tuple[str, ...] = ()  # rules that keep silent to our recipients while we concern the subject (S85)
    separate: bool = False  # never merged with other messages of the rule (S80)
    enabled: bool = True
    starts: date | None = None  # `from:`
    ends: date | None = None  # `until:`
    offices: tuple[str, ...] = ()  # office codes; empty: everywhere
    excluded_offices: tuple[str, ...] = ()
    file: str = ""
    digest: str = ""  # hash of what decides (not of titles or comments): a change re-plans the rule (S29)
    version: str = ""  # hash of the whole rule, wording and channels included: each notification names it

    def applies_at(self, office_code: str) -> bool:
        """Whether the rule speaks for that office."""
        return office_code not in self.excluded_offices and (not self.offices or office_code in self.offices)


@dataclass(frozen=True, slots=True)
class Window:
    """When a document may be extended; each place counts from the subject's own dates (S13)."""

    opens: Place
    recommended: Place
    closes: Place


@dataclass(frozen=True, slots=True)
class DocumentType:
    """What is normal for a type of document (rules/documents.yaml)."""

    name: str
    labels: Mapping[str, str]  # language -> label in texts
    extendable: bool = False
    needs_expiry: bool = True
    successors: tuple[str, ...] = ()  # types that replace it (S56)
    services: tuple[str, ...] = ()  # case services that issue it (S92)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Everything loaded from a rules folder."""

    rules: tuple[Rule, ...]
    windows: Mapping[tuple[str, str], Window]  # (office code or "", document type) -> window
    documents: Mapping[str, DocumentType]
    digest: str = ""

    def window(self, office_code: str, document_type: str) -> Window | None:
        """An office's own window for a type of document, else the general one."""
        return self.windows.get((office_code, document_type)) or self.windows.get(("", document_type))

    def names(self) -> list[str]:
        """Every name of a rule, once, in order."""
        return sorted({rule.name for rule in self.rules})

    def rule(self, name: str, office_code: str | None = None) -> Rule | None:
        """The rule of that name, at an office the one that applies there."""
        named = [rule for rule in self.rules if rule.name == name]
        if office_code is not None:
            named = [rule for rule in named if rule.applies_at(office_code)]
        return named[0] if named else None
