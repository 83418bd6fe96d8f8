"""Plan: find the subjects a moment or a change concerns, decide each, and bring the outbox into line.

Planning twice adds nothing; a planner that dies half-way is repeated from its cursor; two planners at once
collide on the unique key of the cycle and nowhere else.
"""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, select, update

from notifier.calendar.office import OfficeCalendar
from notifier.findings import Lapses, note_missing_date, note_undecided, remembered
from notifier.model import (
    Entry,
    NotificationState,
    Office,
    OfficeId,
    Reason,
    Subject,
    SubjectKind,
)
from notifier.reconcile import PlanReport, count, is_pending, reconcile
from notifier.rules.compile import Candidates, candidates, crossings_within, everything, years_before
from notifier.rules.concern import is_in_season
from notifier.rules.decide import decide
from notifier.rules.decision import Decision, Ground
from notifier.rules.rule import AtOnce, Moves, Rule, RuleSet
from notifier.store import outbox
from notifier.store import tables as t
from notifier.store.bulk import slices
from notifier.store.candidates import changed_subjects, due_subjects, forget_changes, roles_turning
from notifier.store.claims import lock
from notifier.store.engine import reading, writing
from notifier.store.rulesets import RuleVersion, known_versions, save_versions
from notifier.store.subjects import chunks, read_entries, read_in_force, read_offices, read_subjects

log = logging.getLogger(__name__)

#: How many changes, and how many subjects, one transaction looks at.
CHANGES_AT_ONCE = 5_000
SUBJECTS_AT_ONCE = 400

Key = tuple[SubjectKind, int]
#: A subject, and which rules it is asked about; None: all of them.
Concerned = dict[Key, set[str] | None]
N = t.notification.c


class Planner:
    """Plans for every office of the register with the rules it was given."""

    def __init__(
        self,
        engine: Engine,
        rules: RuleSet,
        calendar_of: Callable[[Office], OfficeCalendar],
        *,
        adult_age: int = 18,
        texts: Mapping[str, str] | None = None,
    ) -> None:
        """`texts`: what each rule was read from, by `Rule.file`; kept with the version when it first decides."""
        self.engine = engine
        self.texts = texts or {}
        self.rules = rules
        self.calendar_of = calendar_of
        self.adult_age = adult_age

    def plan(self, *, now: datetime, progress: Callable[[int, int], None] | None = None) -> PlanReport:
        """Bring the outbox up to the end of each office's today. `now` is aware."""
        now = now.astimezone(UTC)
        report = PlanReport()
        with writing(self.engine) as connection:
            self._enter_into_force(connection, now)
            self._keep_versions(connection, now)
        with reading(self.engine) as connection:
            former, days = remembered(connection, read_offices(connection), self.calendar_of, now)
        lapses = Lapses(former)
        while True:
            with writing(self.engine) as connection:
                changes = changed_subjects(connection, CHANGES_AT_ONCE)
                self._settle_subjects(connection, {(kind, key): None for _, kind, key in changes}, now, report, lapses)
                forget_changes(connection, [change for change, _, _ in changes])
            if len(changes) < CHANGES_AT_ONCE:
                break
        with reading(self.engine) as connection:
            concerned, cursors = self._concerned(connection, now)
        done = 0
        for part in _parts(concerned):
            with writing(self.engine) as connection:
                self._settle_subjects(connection, part, now, report, lapses)
            done += len(part)
            if progress is not None:
                progress(done, len(concerned))
        with writing(self.engine) as connection:
            lapses.write(connection, now)
            _advance(connection, cursors | days)
        return report

    def dry_run(self, *, now: datetime) -> PlanReport:
        """The same, on a connection that cannot write: what would be planned, and for whom."""
        now = now.astimezone(UTC)
        report = PlanReport()
        with reading(self.engine) as connection:
            changes = changed_subjects(connection, 2**31)
            concerned, _ = self._concerned(connection, now)
            for _, kind, subject_id in changes:
                concerned[kind, subject_id] = None
            for part in _parts(concerned):
                for subject, found in self._decided(connection, part, now, report):
                    report.subjects += 1
                    for rule, decisions, ledger in found:
                        count(subject, rule, decisions, ledger, self._until(subject.office, now), report)
        return report

    # ------------------------------------------------------------------------------------------ candidates

    def _enter_into_force(self, connection: Connection, now: datetime) -> None:
        rows = [
            {"rule": rule.name, "step": step.name, "since": now}
            for rule in self.rules.rules
            if rule.enabled
            for step in rule.steps
            if step.enabled
        ]
        if rows:
            connection.execute(outbox.insert_once(connection, t.in_force), rows)

    def _keep_versions(self, connection: Connection, now: datetime) -> None:
        """The ledger names the version that decided; its text must not be lost with the next change of the rule."""
        rules = {rule.version: rule for rule in self.rules.rules if rule.file in self.texts}
        if rules:
            fresh = [key for key in rules if key not in known_versions(connection)]
            found = [RuleVersion(key, rules[key].name, now, self.texts[rules[key].file]) for key in fresh]
            save_versions(connection, found)

    def _in_force(self, connection: Connection, now: datetime) -> dict[tuple[str, str], datetime]:
        known = read_in_force(connection)
        wanted = ((rule.name, step.name) for rule in self.rules.rules for step in rule.steps)
        return {key: known.get(key, now) for key in wanted}

    def _until(self, office: Office, now: datetime) -> datetime:
        """The end of the office's today: its day is planned whole, so that a morning can be looked at in advance."""
        calendar = self.calendar_of(office)
        return calendar.instant(calendar.day_of(now) + timedelta(days=1), time(0, 0)) - timedelta(microseconds=1)

    def _concerned(self, connection: Connection, now: datetime) -> tuple[Concerned, dict[str, tuple[datetime, str]]]:
        """Subjects that a moment between the last plan and today's end may concern, and the cursors to set after."""
        concerned: Concerned = defaultdict(set)
        cursors: dict[str, tuple[datetime, str]] = {}
        known = {
            row.name: row for row in connection.execute(select(t.cursor).where(t.cursor.c.name.startswith("plan:")))
        }
        in_force = self._in_force(connection, now)
        last = known.get("plan:roles")
        for group in self._groups(connection).values():
            office, calendar = group[0], self.calendar_of(group[0])
            until = self._until(office, now)
            ids = [one.id for one in group]
            if last is not None and calendar.day_of(last.at) < calendar.day_of(now):
                days = calendar.day_of(last.at), calendar.day_of(now)
                for key in self._coming_of_age(connection, ids, *days):
                    concerned[key] = None
            for rule in self.rules.rules:
                if not rule.enabled or not rule.applies_at(office.code):
                    continue
                for one in group:
                    cursors[f"plan:{rule.name}:{one.code}"] = (until, self._fingerprint(rule, office, now))
                starts = [known.get(f"plan:{rule.name}:{one.code}") for one in group]
                found = self._due_in_span(connection, rule, office, ids, starts, in_force, now, until)
                if last is None or calendar.day_of(last.at) < calendar.day_of(now):
                    found.update(self._muted(connection, rule, ids))
                for subject_id in found:
                    names = concerned[rule.subject, subject_id]
                    if names is not None:
                        names.add(rule.name)
        today = now.date() + timedelta(days=1)
        if last is not None:
            for key in roles_turning(connection, last.at.date() - timedelta(days=1), today):
                concerned[key] = None
        cursors["plan:roles"] = (now, "")
        return concerned, cursors

    def _due_in_span(
        self,
        connection: Connection,
        rule: Rule,
        office: Office,
        office_ids: Sequence[OfficeId],
        starts: Sequence[Any],
        in_force: Mapping[tuple[str, str], datetime],
        now: datetime,
        until: datetime,
    ) -> set[int]:
        calendar = self.calendar_of(office)
        fingerprint = self._fingerprint(rule, office, now)
        found: set[int] = set()
        # A cursor in the future was set by a run with `--on`: where planning had come to before it, nobody knows.
        if any(start is None or start.text != fingerprint or start.at > until for start in starts):
            # S29: after a change of rule, windows or calendar, over the whole useful span. Nothing from before
            # the rule was in force exists (S44), so the span begins there.
            after = min(in_force[rule.name, step.name] for step in rule.steps) - timedelta(days=1)
            if any(start is not None for start in starts):
                found.update(self._pending(connection, rule, office_ids))
                # What holds now, and what has moved, counts from no date.
                if any(isinstance(step.send, AtOnce | Moves) for step in rule.steps):
                    found.update(due_subjects(connection, everything(rule), office_ids))
        else:
            after = min(start.at for start in starts)
        if after < until:
            questions = candidates(rule, calendar, self.rules, after=after, until=until)
        else:
            questions = crossings_within(rule, calendar, now=now)
        for question in questions:
            found.update(due_subjects(connection, question, office_ids))
        return found

    def _coming_of_age(
        self, connection: Connection, office_ids: Sequence[OfficeId], after: date, until: date
    ) -> list[Key]:
        """Subjects whose holder comes of age on a day in (after, until]: from then on told in person, not through
        guardians (S59), and late for what nobody was told (S61)."""
        low, high = (years_before(day, self.adult_age) for day in (after, until + timedelta(days=3)))
        return [
            (kind, key)
            for kind in SubjectKind
            for key in due_subjects(connection, Candidates(kind, "birth date", low, high), office_ids)
        ]

    def _pending(self, connection: Connection, rule: Rule, office_ids: Sequence[OfficeId]) -> list[int]:
        query = select(N.subject_id).where(
            N.rule == rule.name,
            N.office_id.in_(office_ids),
            N.state.in_([NotificationState.SCHEDULED.value, NotificationState.SPENT.value]),
        )
        return list(connection.execute(query.distinct()).scalars())

    def _muted(self, connection: Connection, rule: Rule, office_ids: Sequence[OfficeId]) -> list[int]:
        """What another rule silenced comes back when that one no longer speaks (S43, S85); asked once a day."""
        if not any(rule.name in other.mutes for other in self.rules.rules):
            return []
        silenced = (N.state == NotificationState.SUPPRESSED.value, N.reason == Reason.MUTED.value)
        query = select(N.subject_id).where(N.rule == rule.name, N.office_id.in_(office_ids), *silenced)
        return list(connection.execute(query.distinct()).scalars())

    def _groups(self, connection: Connection) -> dict[tuple[str, ...], list[Office]]:
        """Offices that compute alike (zone, calendar, windows, rules) are asked about together."""
        groups: dict[tuple[str, ...], list[Office]] = defaultdict(list)
        for office in read_offices(connection).values():
            windows = sorted(kind for code, kind in self.rules.windows if code == office.code)
            own = office.code if windows else ""
            applying = "".join("1" if rule.applies_at(office.code) else "0" for rule in self.rules.rules)
            groups[(office.zone, self.calendar_of(office).fingerprint, own, applying)].append(office)
        return groups

    def _fingerprint(self, rule: Rule, office: Office, now: datetime) -> str:
        windows = sorted(
            (code, kind, repr(window))
            for (code, kind), window in self.rules.windows.items()
            if code in ("", office.code)
        )
        documents = [
            (one.name, one.extendable, one.needs_expiry, one.successors, one.services)
            for one in sorted(self.rules.documents.values(), key=lambda one: one.name)
        ]
        calendar = self.calendar_of(office)
        meaning = [rule.digest, calendar.fingerprint, windows, documents, self.adult_age]
        today = calendar.day_of(now)
        silencing = [(one.digest, is_in_season(one, today)) for one in self.rules.rules if rule.name in one.mutes]
        text = repr((*meaning, *silencing))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    # -------------------------------------------------------------------------------------------- decisions

    def _decided(
        self, connection: Connection, keys: Concerned, now: datetime, report: PlanReport
    ) -> list[tuple[Subject, list[tuple[Rule, list[Decision], list[Entry]]]]]:
        offices = read_offices(connection)
        in_force = self._in_force(connection, now)
        answers = []
        for kind in SubjectKind:
            ids = [key for key_kind, key in keys if key_kind is kind]
            if not ids:
                continue
            subjects = read_subjects(connection, kind, ids, offices)
            entries = read_entries(connection, kind, ids)
            rules = [rule for rule in self.rules.rules if rule.subject is kind]
            for key, subject in subjects.items():
                asked = keys[kind, key]
                chosen = [rule for rule in rules if asked is None or rule.name in asked]
                try:
                    answers.append((subject, self._decide(subject, chosen, entries.get(key, ()), in_force, now)))
                except Exception:  # whatever is wrong with one record must not silence all the others
                    log.exception("a subject could not be decided on", extra={"kind": kind, "subject": key})
                    report.undecided.append(subject)
        return answers

    def _decide(
        self,
        subject: Subject,
        rules: Sequence[Rule],
        entries: Sequence[Entry],
        in_force: Mapping[tuple[str, str], datetime],
        now: datetime,
    ) -> list[tuple[Rule, list[Decision], list[Entry]]]:
        ground = Ground(self.calendar_of(subject.office), self.rules, in_force, self.adult_age)
        found = []
        for rule in rules:
            if rule.applies_at(subject.office.code):
                ledger = [entry for entry in entries if entry.rule == rule.name]
                found.append((rule, decide(rule, subject, ledger, now=now, ground=ground), ledger))
        return found

    def _settle_subjects(
        self, connection: Connection, keys: Concerned, now: datetime, report: PlanReport, lapses: Lapses
    ) -> None:
        new: list[dict[str, Any]] = []
        known = len(report.undecided)
        decided = self._decided(connection, keys, now, report)
        for subject in report.undecided[known:]:
            note_undecided(connection, subject, now)
        ledgers = [ledger for _, found in decided for _, _, ledger in found]
        # What may be written is locked in the order of ids, as workers and receipts do.
        lock(connection, [entry.id for ledger in ledgers for entry in ledger if is_pending(entry)])
        for subject, found in decided:
            report.subjects += 1
            until = self._until(subject.office, now)
            if keys[subject.kind, subject.id] is None:
                note_missing_date(connection, subject, self.rules, (one for _, all_, _ in found for one in all_), now)
            for rule, decisions, ledger in found:
                new += reconcile(connection, subject, rule, decisions, ledger, until, now, report)
                if any(one.reason is Reason.AFTER_DEADLINE for one in decisions):
                    lapses.look(rule, subject, self.calendar_of(subject.office), self.rules, now)
        new.sort(key=_identity)  # two planners that add the same rows in different orders would wait for each other
        added = outbox.schedule(connection, new, now=now)
        report.planned += len(added)
        for chunk in chunks(added):
            for name in connection.execute(select(N.rule).where(N.id.in_(chunk))).scalars():
                report.by_rule[name] += 1


def _parts(concerned: Concerned) -> Iterator[Concerned]:
    for keys in slices(sorted(concerned), SUBJECTS_AT_ONCE):
        yield {key: concerned[key] for key in keys}


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("rule", "step", "occurrence", "subject_kind", "subject_id", "cycle", "party_id")
    return tuple(row[name] for name in names)


def _advance(connection: Connection, cursors: Mapping[str, tuple[datetime, str]]) -> None:
    for name, (at, text) in cursors.items():
        done = connection.execute(update(t.cursor).where(t.cursor.c.name == name).values(at=at, text=text)).rowcount
        if not done:
            connection.execute(outbox.insert_once(connection, t.cursor).values(name=name, at=at, text=text))
