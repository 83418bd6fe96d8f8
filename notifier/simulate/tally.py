"""Tally: messages counted as people get them, in numbers that several processes can add up."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from notifier.model import Channel, Party, Subject, SubjectKind
from notifier.rules.rule import Moves, Rule
from notifier.simulate.courses import Course, Telling
from notifier.simulate.reads import Period
from notifier.simulate.ways import Door, Ways
from notifier.store.suppressions import Address

#: Real texts of a step and language that are measured for the parts of its SMS.
SAMPLES = 20
#: The messages of people who may get several at once are packed into two numbers each: a million fit into memory.
RULE_BITS, OFFICE_BITS, DAY_BITS, APART_BITS = 12, 24, 22, 12
STEP_BITS, WAY_BITS, HOUR_BITS, MINUTE_BITS = 10, 20, 24, 34
MOST_STEPS = (1 << STEP_BITS) - 1
A_MINUTE, AN_HOUR = 60, 3600
#: Numbers above this tell messages of an instant from those of a digest.
INSTANTS = 2000


@dataclass(frozen=True, slots=True)
class SmsSample:
    """Whose SMS to measure."""

    kind: SubjectKind
    subject_id: int
    party_id: int
    role: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Caps:
    """How many messages one person may get (S81)."""

    per_day: int = 1
    per_week: int = 3


@dataclass(slots=True)
class Counts:
    """What adds up. Rules and steps are numbered as in their set, days are ordinals, hours are those of the epoch."""

    rows: Counter[tuple[int, int, int]] = field(default_factory=Counter)  # rule, office, day: rows of the outbox
    messages: Counter[tuple[int, int, int, int]] = field(default_factory=Counter)  # rule, step, office, day
    sends: Counter[tuple[int, int, int, Channel, str]] = field(default_factory=Counter)  # rule, step, office, ...
    later: Counter[tuple[int, int, int, Channel, str]] = field(default_factory=Counter)  # only if nothing is proved
    hours: Counter[tuple[int, int, int, Channel]] = field(default_factory=Counter)  # hour, rule, step, channel
    unreachable: Counter[tuple[int, int]] = field(default_factory=Counter)  # rule, office
    samples: dict[tuple[int, int, str], list[SmsSample]] = field(default_factory=dict)  # rule, step, language
    waiting: Counter[int] = field(default_factory=Counter)  # office -> messages that would wait for a cap
    subjects: int = 0
    kinds: int = 0
    undecided: int = 0

    def add(self, other: "Counts") -> None:
        """Take in what another process counted."""
        for name in ("rows", "messages", "sends", "later", "hours", "unreachable", "waiting"):
            getattr(self, name).update(getattr(other, name))
        for key, found in other.samples.items():
            # The first ones of the register, whatever the number of processes.
            both = sorted(self.samples.get(key, []) + found, key=lambda one: (one.kind, one.subject_id))
            self.samples[key] = both[:SAMPLES]
        self.subjects += other.subjects
        self.kinds += other.kinds
        self.undecided += other.undecided


@dataclass(slots=True)
class Tally:
    """The counts of one set of rules, and the messages that others of the same recipient may still join."""

    rules: Sequence[Rule]
    ways: Ways
    several: Collection[int]  # who may be told of more than one subject
    refused: Collection[Address]
    caps: Caps
    period: Period
    counts: Counts = field(default_factory=Counts)
    shared: dict[int, int] = field(default_factory=dict)  # who, rule, office, day -> the message that leads

    def add(self, subject: Subject, found: Iterable[tuple[int, Course, Sequence[Party]]]) -> None:
        """Count what the rules (by number) tell about one subject."""
        self.counts.subjects += 1
        capped: dict[int, list[int]] = defaultdict(list)
        doors: dict[int, Door] = {}
        for number, course, parties in found:
            rule = self.rules[number]
            for telling in course:
                if not self.period.first <= telling.day <= self.period.last:
                    continue
                party = parties[telling.slot]
                door = doors.get(party.id)
                if door is None:
                    door = doors[party.id] = self.ways.door(party, self.refused)
                self.counts.rows[number, subject.office.id, telling.day.toordinal()] += 1
                way = self.ways.way(number, rule, telling.step, door)
                if way is None:
                    self.counts.unreachable[number, subject.office.id] += 1
                    continue
                self._sample(number, rule, subject, telling, party, way)
                if party.id in self.several and not rule.separate:
                    self._share(number, rule, subject, telling, door, way)
                    continue
                self._count(number, telling.step, subject.office.id, telling.day.toordinal(), _hour(telling.at), way)
                if not rule.uncapped and not rule.steps[telling.step].urgent and party.kind != "desk":
                    capped[party.id].append(telling.day.toordinal())
        for days in capped.values():
            if len(days) > 1:
                self.counts.waiting[subject.office.id] += clashes(days, self.caps)

    def _count(self, rule: int, step: int, office: int, day: int, hour: int, way: int) -> None:
        counts, travels = self.counts, self.ways.all[way]
        counts.messages[rule, step, office, day] += 1
        for channel, language in travels.first:
            counts.sends[rule, step, office, channel, language] += 1
            counts.hours[hour, rule, step, channel] += 1
        for channel, language in travels.later:
            counts.later[rule, step, office, channel, language] += 1

    def _share(self, number: int, rule: Rule, subject: Subject, telling: Telling, door: Door, way: int) -> None:
        """Of the messages of one rule to one recipient on one day the most urgent speaks for all (S80)."""
        step = rule.steps[telling.step]
        if step.digest is not None or isinstance(step.send, Moves):
            same = next(place for place, one in enumerate(rule.steps) if one.template == step.template)
            apart = 1 + same
        elif telling.is_day:
            apart = 0
        else:  # what has an instant keeps it
            apart = INSTANTS + int(telling.at.timestamp()) // A_MINUTE % (24 * 60)
        key = door.who
        for value, bits in (
            (number, RULE_BITS),
            (subject.office.id, OFFICE_BITS),
            (telling.day.toordinal(), DAY_BITS),
            (apart, APART_BITS),
        ):
            key = key << bits | value
        lead = 0 if step.urgent else 1
        for value, bits in (
            (int(telling.useful_until.timestamp()) // A_MINUTE, MINUTE_BITS),
            (MOST_STEPS - telling.step, STEP_BITS),
            (way, WAY_BITS),
            (_hour(telling.at), HOUR_BITS),
        ):
            lead = lead << bits | value
        known = self.shared.get(key)
        self.shared[key] = lead if known is None else min(known, lead)

    def _sample(self, number: int, rule: Rule, subject: Subject, telling: Telling, party: Party, way: int) -> None:
        travels = self.ways.all[way]
        language = travels.sms_language
        if language is None:
            return
        found = self.counts.samples.setdefault((number, telling.step, language), [])
        if len(found) < SAMPLES:
            found.append(SmsSample(subject.kind, subject.id, party.id, telling.role, telling.at))

    def close(self) -> None:
        """Let go of what only counting needs: another process is not to be sent it."""
        self.several, self.refused = frozenset(), frozenset()

    def take(self, other: "Tally") -> None:
        """Take in what another process found; its ways of travelling are numbered anew."""
        self.counts.add(other.counts)
        self.ways.desks |= other.ways.desks
        numbers = [self.ways.number(way) for way in other.ways.all]
        while other.shared:  # taken out one by one, so that both need not fit into memory
            key, lead = other.shared.popitem()
            way = numbers[lead >> HOUR_BITS & ((1 << WAY_BITS) - 1)]
            lead = lead & ~(((1 << WAY_BITS) - 1) << HOUR_BITS) | way << HOUR_BITS
            known = self.shared.get(key)
            self.shared[key] = lead if known is None else min(known, lead)

    def finish(self) -> Counts:
        """Count the shared messages, each once, and those for which a person would have to wait."""
        capped: dict[int, list[int]] = defaultdict(list)
        offices: dict[int, int] = {}
        while self.shared:
            key, lead = self.shared.popitem()
            rest, _ = _split(key, APART_BITS)
            rest, day = _split(rest, DAY_BITS)
            rest, office = _split(rest, OFFICE_BITS)
            who, number = _split(rest, RULE_BITS)
            rest, hour = _split(lead, HOUR_BITS)
            rest, way = _split(rest, WAY_BITS)
            rest, place = _split(rest, STEP_BITS)
            step, rule = MOST_STEPS - place, self.rules[number]
            self._count(number, step, office, day, hour, way)
            if not rule.uncapped and not rule.steps[step].urgent:
                capped[who].append(day)
                offices[who] = min(office, offices.get(who, office))  # in whatever order they come
        for who, days in capped.items():
            if len(days) > 1 and who not in self.ways.desks:
                self.counts.waiting[offices[who]] += clashes(days, self.caps)
        return self.counts


def clashes(days: Iterable[int], caps: Caps) -> int:
    """How many of a person's messages find no room on their own day: a day's, or three a week (S81)."""
    told: list[int] = []
    waiting = 0
    for day in sorted(days):
        if sum(day - one < 7 for one in told) >= caps.per_week or told.count(day) >= caps.per_day:
            waiting += 1
        else:
            told.append(day)
    return waiting


def _hour(instant: datetime) -> int:
    return int(instant.timestamp()) // AN_HOUR


def _split(number: int, bits: int) -> tuple[int, int]:
    return number >> bits, number & ((1 << bits) - 1)
