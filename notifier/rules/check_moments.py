"""What the grammar allows and no calendar can carry out: anchors without a date, hours from a day, circles."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from notifier.model import SubjectKind
from notifier.rules.fields import FIELDS
from notifier.rules.read_rule import Draft
from notifier.rules.reading import Reading, Spot
from notifier.rules.rule import (
    Anchor,
    AtOnce,
    Conditions,
    DocumentType,
    Every,
    Group,
    GroupKind,
    Halfway,
    LastWorkingDayBefore,
    Length,
    Line,
    Moment,
    Moves,
    NoneOf,
    Offset,
    On,
    OneOf,
    Place,
    Rule,
    Side,
    Unit,
    Window,
)
from notifier.rules.tree import Text
from notifier.rules.words import (
    CASE_EVENTS,
    DEADLINE,
    INSTANT_ANCHORS,
    WINDOW_ANCHORS,
    did_you_mean,
    events_of,
    listed,
    nouns_of,
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The data files beside the rules; None when there is no such file to compare with."""

    documents: Mapping[str, DocumentType] | None
    windows: Mapping[tuple[str, str], Window] | None
    offices: tuple[str, ...] = ()  # the codes of all offices, where they are known

    def offices_of(self, rule: Rule) -> tuple[str, ...]:
        """The offices a rule applies at, as far as they are known by name; ("",) stands for all others."""
        return rule.offices or tuple(office for office in self.offices if rule.applies_at(office)) or ("",)

    def windows_of(self, rule: Rule) -> tuple[Window, ...]:
        """The windows of all documents the rule is about: the general ones, or those of the rule's own offices."""
        types, windows = types_of(rule, self.documents or {}), self.windows or {}
        found = [
            windows.get((office, name)) or windows.get(("", name)) for office in rule.offices or ("",) for name in types
        ]
        return tuple(window for window in found if window is not None)


class MomentChecker:
    """Checks the phrases of one rule that say when."""

    def __init__(self, reading: Reading, draft: Draft, around: Surroundings) -> None:
        self._reading = reading
        self._draft = draft
        self._rule = draft.rule
        self._around = around
        self._without_window: set[str] = set()

    def check(self) -> None:
        """Notes every fault of the deadline, the anniversary and the steps' moments."""
        if self._rule.deadline is not None:
            spot = self._draft.place("deadline")
            if self._rule.deadline.place.anchor.name == DEADLINE:
                self._fault(spot, DEADLINE, 'a deadline cannot be counted from "deadline"; name the date itself')
            else:
                self._place(self._rule.deadline.place, spot)
        self._anniversary()
        for step in self._rule.steps:
            self._moment(step.send, self._draft.place("steps", step.name, "send"))

    def _anniversary(self) -> None:
        if self._rule.anniversary is None:
            return
        length, anchor = self._rule.anniversary
        spot = self._draft.place("anniversary")
        if self._rule.subject is SubjectKind.CASE:
            self._reading.fault(self._draft.key("anniversary"), "a case has no anniversary; take the line out")
        elif anchor.name in ("anniversary", DEADLINE) or anchor.name in WINDOW_ANCHORS:
            self._fault(spot, anchor.name, f'anniversaries cannot be counted from "{anchor}"; write "issue"')
        else:
            self._anchor(anchor, spot)
        if length.unit not in (Unit.MONTH, Unit.YEAR):
            self._fault(spot, str(length.unit), f'anniversaries come every so many months or years, not "{length}"')

    def _moment(self, moment: Moment, spot: Spot) -> None:
        match moment:
            case AtOnce():
                self._needs_stay("at once", spot)
            case Halfway(anchor):
                self._halfway(anchor, spot)
            case Moves(anchor):
                self._moves(anchor, spot)
            case Every():
                self._every(moment, spot)
            case On() | Offset() | LastWorkingDayBefore():
                self._place(moment, spot)

    def _place(self, place: Place, spot: Spot) -> None:
        self._anchor(place.anchor, spot)
        if not isinstance(place, Offset):
            return
        if place.length.is_short and not self._is_instant(place.anchor):
            self._fault(
                spot,
                str(place.length.count),
                f'"{place.length}" cannot be counted from "{place.anchor}", which is a day; write days or longer',
            )
        if place.length == Length(1, Unit.WORKING_DAY) and place.side is Side.BEFORE:
            self._fault(spot, "1 working", f'write "last working day before {place.anchor}"')

    def _every(self, every: Every, spot: Spot) -> None:
        self._place(every.start, spot)
        self._place(every.end, spot)
        if every.period.is_short and not self._is_instant_place(every.start):
            self._fault(spot, str(every.period.count), f'"{every.period}" cannot be counted from a day; write days')

    def _halfway(self, anchor: Anchor, spot: Spot) -> None:
        self._anchor(anchor, spot)
        if self._needs_stay("halfway", spot) and anchor.name in ("issue", *CASE_EVENTS):
            is_beginning = anchor.name in CASE_EVENTS or self._rule.subject is SubjectKind.PERMIT
            if is_beginning:
                self._fault(spot, anchor.name, f'"{anchor}" is the beginning itself; write the date it leads to')

    def _moves(self, anchor: Anchor, spot: Spot) -> None:
        self._anchor(anchor, spot)
        field = FIELDS.get(anchor.name)
        if field is None or field.column is None:
            self._fault(
                spot, str(anchor), f'"{anchor}" is worked out, the register never sees it move; name a date it holds'
            )

    def _anchor(self, anchor: Anchor, spot: Spot) -> None:
        subject, name = self._rule.subject, anchor.name
        own = (*nouns_of(subject), *events_of(subject))
        if name not in own:
            other = "case" if subject is SubjectKind.PERMIT else "permit"
            remedy = did_you_mean(name, nouns_of(subject))
            self._fault(spot, name, f'"{name}" belongs to a {other}, this rule is for a {subject}; {remedy}')
        elif name == DEADLINE and not self._draft.has("deadline"):
            self._fault(spot, name, 'this rule has no "deadline"; add the line, or count from another date')
        elif name == "anniversary" and not self._draft.has("anniversary"):
            self._fault(spot, name, 'this rule has no "anniversary"; add a line like: every 5 years after issue')
        elif name in WINDOW_ANCHORS:
            self._window(anchor, spot)
        elif name in CASE_EVENTS:
            self._needs_stay(name, spot)

    def _needs_stay(self, what: str, spot: Spot) -> bool:
        if self._rule.subject is SubjectKind.PERMIT or self._draft.has("while"):
            return True
        self._fault(spot, what, f'"{what}" needs a beginning; add "while:" with the states it is about')
        return False

    def _window(self, anchor: Anchor, spot: Spot) -> None:
        if self._around.windows is None:
            return
        types = types_of(self._rule, self._around.documents or {})
        if not types:
            self._fault(spot, anchor.name, f'"{anchor}" depends on the document; add "type:" under "when"')
        documents = self._around.documents
        for name in types if documents is None else [name for name in types if name in documents]:
            offices = self._around.offices_of(self._rule)
            lacking = [office for office in offices if not self._has_window(office, name)]
            if lacking and name not in self._without_window:
                self._without_window.add(name)  # one cause, one fault, however often the rule counts from windows
                where = f" at {listed(lacking)}" if lacking != [""] else ""
                self._fault(
                    spot, anchor.name, f'"{name}" has no window{where}; add it to windows.yaml or leave "{name}" out'
                )

    def _has_window(self, office: str, name: str) -> bool:
        windows = self._around.windows or {}
        return (office, name) in windows or ("", name) in windows

    def _is_instant(self, anchor: Anchor) -> bool:
        deadline = self._rule.deadline
        if anchor.name != DEADLINE or deadline is None:
            return anchor.name in INSTANT_ANCHORS or anchor.name == DEADLINE  # a missing deadline is told elsewhere
        return deadline.at is not None or deadline.closing_time or self._is_instant_place(deadline.place)

    def _is_instant_place(self, place: Place) -> bool:
        if place.anchor.name == DEADLINE and self._rule.deadline is not None:
            is_circle = self._rule.deadline.place.anchor.name == DEADLINE
            base = is_circle or self._is_instant(place.anchor)
        else:
            base = place.anchor.name in INSTANT_ANCHORS
        match place:
            case On():
                return base
            case Offset(length):
                return base and length.is_short
            case _:
                return False

    def _fault(self, spot: Spot, word: str, message: str) -> None:
        """A fault at the word inside the phrase, where it can be found there."""
        at = spot.value.rfind(word) if isinstance(spot, Text) else -1
        self._reading.fault(spot, message, max(at, 0))


def counts_from_windows(rule: Rule) -> bool:
    """Whether a step or the deadline counts from a date of the windows file."""
    moments = [step.send for step in rule.steps]
    anchors = [rule.deadline.place.anchor] if rule.deadline is not None else []
    for moment in moments:
        match moment:
            case Every(_, start, end):
                anchors += [start.anchor, end.anchor]
            case On(anchor) | Offset(_, _, anchor) | LastWorkingDayBefore(anchor) | Halfway(anchor):
                anchors.append(anchor)
    return any(anchor.name in WINDOW_ANCHORS for anchor in anchors)


def types_of(rule: Rule, documents: Mapping[str, DocumentType]) -> tuple[str, ...]:
    """The document types a permit rule can be about, as far as its `when` says so."""
    words = list(_type_words(rule.when))
    if words:
        return tuple(dict.fromkeys(words))
    excluded = {word for line in _lines(rule.when, "type") if isinstance(line.test, NoneOf) for word in line.test.words}
    return tuple(name for name in documents if name not in excluded) if excluded else ()


def _type_words(conditions: Conditions) -> Iterator[str]:
    for line in _lines(conditions, "type"):
        if isinstance(line.test, OneOf):
            yield from line.test.words


def _lines(conditions: Conditions, field: str) -> Iterator[Line]:
    for condition in conditions:
        if isinstance(condition, Line) and condition.field == field:
            yield condition
        elif isinstance(condition, Group) and condition.kind is not GroupKind.NONE:
            for member in condition.members:
                yield from _lines(member, field)
