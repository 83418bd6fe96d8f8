"""Whom planning looks at: subjects that a moment since the last plan, a change of the rules or a new day concerns.

The questions of all rules and offices are gathered first and asked in a few statements: what offices that compute
alike ask is the same, and on most days so is what all of them ask.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from sqlalchemy import Connection

from notifier.calendar.office import OfficeCalendar
from notifier.model import NotificationState, Office, OfficeId, Reason, SubjectKind
from notifier.rules.compile import Candidates, candidates, crossings_within, everything, years_before
from notifier.rules.concern import is_in_season
from notifier.rules.reads import office_class_of
from notifier.rules.rule import AtOnce, Moves, Rule, RuleSet
from notifier.store.candidates import due_among, roles_turning, subjects_in_outbox
from notifier.store.cursors import Place, read_cursors

#: Name of the cursor that knows until which day roles and ages were looked at.
ROLES = "plan:roles"

Key = tuple[SubjectKind, int]
#: A subject, and which rules it is asked about; None: all of them.
Concerned = dict[Key, set[str] | None]


@dataclass(slots=True)
class Asked:
    """What one plan asks: each question once, with the rules that ask it for an office (None: every rule)."""

    questions: dict[Candidates, dict[OfficeId, set[str | None]]] = field(default_factory=dict)
    pending: dict[str, set[OfficeId]] = field(default_factory=lambda: defaultdict(set))
    muted: dict[str, set[OfficeId]] = field(default_factory=lambda: defaultdict(set))

    def ask(self, questions: Iterable[Candidates], offices: Iterable[Office], rule: str | None) -> None:
        """A rule asks some questions for some offices."""
        ids = [office.id for office in offices]
        for question in questions:
            asking = self.questions.setdefault(question, {})
            for key in ids:
                asking.setdefault(key, set()).add(rule)


class Search:
    """Finds the subjects that the rules may have something to say about, for all offices of the register."""

    def __init__(self, rules: RuleSet, calendar_of: Callable[[Office], OfficeCalendar], adult_age: int) -> None:
        self.rules, self.calendar_of, self.adult_age = rules, calendar_of, adult_age
        self.candidates = candidates  # the tests of rules put one here that remembers its answers
        self._windows: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for (code, kind), window in sorted(rules.windows.items(), key=lambda pair: pair[0]):
            self._windows[code].append((kind, repr(window)))
        self._silencing: dict[str, list[Rule]] = defaultdict(list)
        for rule in rules.rules:
            for name in rule.mutes:
                self._silencing[name].append(rule)
        self._everywhere = self._common()

    def concerned(
        self,
        connection: Connection,
        offices: Mapping[OfficeId, Office],
        in_force: Mapping[tuple[str, str], datetime],
        now: datetime,
    ) -> tuple[Concerned, dict[str, Place]]:
        """Subjects that a moment between the last plan and today's end may concern, and the cursors to set after."""
        known = read_cursors(connection, "plan:")
        asked = Asked()
        cursors: dict[str, Place] = {}
        last = known[ROLES][0] if ROLES in known else None
        turned: list[date] = []
        for group in self._groups(offices.values()):
            calendar = self.calendar_of(group[0])
            today = calendar.day_of(now)
            since = calendar.day_of(last) if last is not None else None
            if since is not None and since < today:
                turned += [since, today]
                asked.ask(self._coming_of_age(since, today), group, None)
            is_new_day = since is None or since < today
            for rule in self.rules.rules:
                if rule.enabled and rule.applies_at(group[0].code):
                    cursors |= self._ask_of(asked, rule, group, known, in_force, now)
                    if is_new_day and rule.name in self._silencing:
                        asked.muted[rule.name].update(one.id for one in group)
        cursors[ROLES] = (now, "")
        concerned = self._answers(connection, asked, offices)
        if turned:
            for key in roles_turning(connection, min(turned), max(turned)):
                concerned[key] = None
        return concerned, {name: place for name, place in cursors.items() if known.get(name) != place}

    def until(self, office: Office, now: datetime) -> datetime:
        """The end of the office's today: its day is planned whole, so that a morning can be looked at in advance."""
        calendar = self.calendar_of(office)
        return calendar.instant(calendar.day_of(now) + timedelta(days=1), time(0, 0)) - timedelta(microseconds=1)

    def _ask_of(
        self,
        asked: Asked,
        rule: Rule,
        group: Sequence[Office],
        known: Mapping[str, Place],
        in_force: Mapping[tuple[str, str], datetime],
        now: datetime,
    ) -> dict[str, Place]:
        """What a rule asks for offices that compute alike; answers the cursors to set after."""
        until = self.until(group[0], now)
        cursors: dict[str, Place] = {}
        since: dict[tuple[datetime | None, bool], list[Office]] = defaultdict(list)
        for office in group:
            name, mark = f"plan:{rule.name}:{office.code}", self._fingerprint(rule, office, now)
            start = known.get(name)
            # A cursor in the future was set by a run with `--on`: where planning had come to before it, nobody knows.
            goes_on = start is not None and start[1] == mark and start[0] <= until
            since[start[0] if start is not None and goes_on else None, start is not None].append(office)
            cursors[name] = (until, mark)
        for (after, is_known), few in since.items():
            if after is not None:
                self._ask_since(asked, rule, few, after, until, now)
                continue
            # S29: after a change of rule, windows or calendar, over the whole useful span. Nothing from before
            # the rule was in force exists (S44), so the span begins there.
            begins = min(in_force[rule.name, step.name] for step in rule.steps) - timedelta(days=1)
            self._ask_since(asked, rule, few, begins, until, now)
            if is_known:
                asked.pending[rule.name].update(one.id for one in few)
                # What holds now, and what has moved, counts from no date.
                if any(isinstance(step.send, AtOnce | Moves) for step in rule.steps):
                    asked.ask([everything(rule)], few, rule.name)
        return cursors

    def _ask_since(
        self, asked: Asked, rule: Rule, offices: Sequence[Office], after: datetime, until: datetime, now: datetime
    ) -> None:
        calendar = self.calendar_of(offices[0])
        if after < until:
            asked.ask(self.candidates(rule, calendar, self.rules, after=after, until=until), offices, rule.name)
        else:
            asked.ask(crossings_within(rule, calendar, now=now), offices, rule.name)

    def _answers(self, connection: Connection, asked: Asked, offices: Mapping[OfficeId, Office]) -> Concerned:
        concerned: Concerned = {}
        where = {
            question: None if len(asking) == len(offices) else list(asking)
            for question, asking in asked.questions.items()
        }
        for question, subject_id, office_id in due_among(connection, where):
            for name in asked.questions[question].get(OfficeId(office_id), ()):
                _add(concerned, (question.subject, subject_id), name)
        kinds = {rule.name: rule.subject for rule in self.rules.rules}
        waiting = [NotificationState.SCHEDULED, NotificationState.SPENT]
        for name, subject_id in subjects_in_outbox(connection, asked.pending, waiting):
            _add(concerned, (kinds[name], subject_id), name)
        # What another rule silenced comes back when that one no longer speaks (S43, S85); asked once a day.
        silenced = [NotificationState.SUPPRESSED]
        for name, subject_id in subjects_in_outbox(connection, asked.muted, silenced, Reason.MUTED):
            _add(concerned, (kinds[name], subject_id), name)
        return concerned

    def _coming_of_age(self, after: date, until: date) -> list[Candidates]:
        """Subjects whose holder comes of age on a day in (after, until]: from then on told in person, not through
        guardians (S59), and late for what nobody was told (S61)."""
        low, high = (years_before(day, self.adult_age) for day in (after, until + timedelta(days=3)))
        return [Candidates(kind, "birth date", low, high) for kind in SubjectKind]

    def _groups(self, offices: Iterable[Office]) -> list[list[Office]]:
        """Offices that compute alike (zone, calendar, windows, rules) are asked about together."""
        groups: dict[object, list[Office]] = defaultdict(list)
        for office in offices:
            applying = tuple(rule.applies_at(office.code) for rule in self.rules.rules)
            groups[office_class_of(office, self.calendar_of(office), self.rules), applying].append(office)
        return list(groups.values())

    def _common(self) -> str:
        """What every rule and office counts with besides its own."""
        documents = [
            (one.name, one.extendable, one.needs_expiry, one.successors, one.services)
            for one in sorted(self.rules.documents.values(), key=lambda one: one.name)
        ]
        return _hash(repr((self._windows.get(""), documents, self.adult_age)))

    def _fingerprint(self, rule: Rule, office: Office, now: datetime) -> str:
        """Changes when, and only when, something else may be due than what was asked for before (S29)."""
        calendar = self.calendar_of(office)
        silencing = self._silencing.get(rule.name, ())
        seasons = [(one.digest, is_in_season(one, calendar.day_of(now))) for one in silencing]
        own = self._windows.get(office.code)
        return _hash(repr((rule.digest, self._everywhere, calendar.fingerprint, own, seasons)))


def _add(concerned: Concerned, key: Key, rule: str | None) -> None:
    if rule is None:
        concerned[key] = None
        return
    names = concerned.setdefault(key, set())
    if names is not None:
        names.add(rule)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
