"""What changes for people between two versions: the same message on another day, a new one, one that is gone."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from notifier.messages.masking import mask
from notifier.model import Subject, SubjectKind
from notifier.rules.rule import Rule, RuleSet, Step
from notifier.simulate.reads import Period
from notifier.simulate.walk import Told

#: Rule, step, occurrence and recipient: the same message in both versions (S46).
Same = tuple[str, str, int, int]
#: Where an example stands among all: its kind of subject, its subject, its message.
Place = tuple[SubjectKind, int, Same]


class Kind(StrEnum):
    """What happens to a message."""

    GAINED = "gained"
    LOST = "lost"
    MOVED = "moved"
    REWORDED = "other channels or texts"


@dataclass(frozen=True, slots=True)
class Example:
    """One message that changes, without a name: the number of the document is masked."""

    rule: str
    step: str
    kind: Kind
    subject: str
    office: str
    role: str
    old: date | None
    new: date | None


@dataclass(slots=True)
class Changes:
    """What changes, counted by rule, step and kind, with the first few examples of each rule and kind."""

    rules: tuple[Sequence[Rule], Sequence[Rule]]  # old and new, as the walkers number them
    period: Period
    most: int
    counts: Counter[tuple[str, str, Kind]] = field(default_factory=Counter)
    found: dict[tuple[str, Kind], list[tuple[Place, Example]]] = field(default_factory=dict)

    @property
    def examples(self) -> list[Example]:
        """By rule and kind, the first subjects first: the same ones, whatever the number of processes."""
        return [example for _, few in sorted(self.found.items()) for _, example in few]

    def add(self, subject: Subject, old: Iterable[Told], new: Iterable[Told]) -> None:
        """Compare what both versions tell about one subject."""
        before, after = self._days(old, 0), self._days(new, 1)
        for same in sorted(before.keys() | after.keys()):
            was, will = before.get(same), after.get(same)
            kind = _kind(was, will)
            if kind is not None:
                self._note(kind, subject, same, was, will)

    def take(self, other: "Changes") -> None:
        """Take in what another process found."""
        self.counts.update(other.counts)
        for key, few in other.found.items():
            both = sorted(self.found.get(key, []) + few, key=lambda one: one[0])
            self.found[key] = both[: self.most]

    def _days(self, told: Iterable[Told], version: int) -> dict[Same, tuple[date, Step, str]]:
        found: dict[Same, tuple[date, Step, str]] = {}
        for number, course, parties in told:
            rule = self.rules[version][number]
            for telling in course:
                if self.period.first <= telling.day <= self.period.last:
                    step = rule.steps[telling.step]
                    same = (rule.name, step.name, telling.occurrence, int(parties[telling.slot].id))
                    found[same] = (telling.day, step, telling.role)
        return found

    def _note(
        self,
        kind: Kind,
        subject: Subject,
        same: Same,
        was: tuple[date, Step, str] | None,
        will: tuple[date, Step, str] | None,
    ) -> None:
        rule, step, *_ = same
        self.counts[rule, step, kind] += 1
        few = self.found.setdefault((rule, kind), [])
        if len(few) < self.most:
            role = (will or was or (None, None, ""))[2]
            example = Example(
                rule,
                step,
                kind,
                mask(subject.number),
                subject.office.code,
                role,
                was[0] if was else None,
                will[0] if will else None,
            )
            few.append(((subject.kind, subject.id, same), example))


def _kind(was: tuple[date, Step, str] | None, will: tuple[date, Step, str] | None) -> Kind | None:
    if was is None:
        return Kind.GAINED
    if will is None:
        return Kind.LOST
    if was[0] != will[0]:
        return Kind.MOVED
    is_reworded = was[1].via != will[1].via or was[1].template != will[1].template
    return Kind.REWORDED if is_reworded else None


def changed_rules(old: RuleSet, new: RuleSet) -> frozenset[str]:
    """The rules that may tell something else: their own meaning, their channels, or the data they count from differ."""
    names = {*old.names(), *new.names()}
    if old.windows != new.windows or old.documents != new.documents:
        return frozenset(names)
    muted = _versions(old, mutes=True), _versions(new, mutes=True)
    versions = _versions(old), _versions(new)
    return frozenset(
        name
        for name in names
        if versions[0].get(name) != versions[1].get(name) or muted[0].get(name) != muted[1].get(name)
    )


def _versions(rules: RuleSet, *, mutes: bool = False) -> Mapping[str, frozenset[str]]:
    """The versions of each rule by its name; with `mutes`, those of the rules that silence it."""
    found: dict[str, frozenset[str]] = {}
    for rule in rules.rules:
        for name in rule.mutes if mutes else (rule.name,):
            found[name] = found.get(name, frozenset()) | {rule.version}
    return found
