"""Plan: find the subjects a moment or a change concerns, decide each, and bring the outbox into line.

Planning twice adds nothing; a planner that dies half-way is repeated from its cursor; two planners at once
collide on the unique key of the cycle and nowhere else.
"""

import gc
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from notifier.calendar.office import OfficeCalendar
from notifier.concerned import Concerned, Search
from notifier.crowd import Crowd, Settled
from notifier.findings import Lapses, note_missing_date, note_undecided, remembered
from notifier.model import Entry, Office, OfficeId, Reason, Subject, SubjectKind
from notifier.reconcile import PlanReport, count, is_pending, reconcile
from notifier.rules.alike import Alike
from notifier.rules.decision import Decision
from notifier.rules.rule import Rule, RuleSet
from notifier.store import outbox
from notifier.store import tables as t
from notifier.store.bulk import slices
from notifier.store.candidates import changed_subjects, forget_changes
from notifier.store.claims import lock
from notifier.store.cursors import Place, advance
from notifier.store.engine import analyse, reading, writing
from notifier.store.outlines import snapshot
from notifier.store.planned import Planned, planned, schedule
from notifier.store.rulesets import RuleVersion, known_versions, save_versions
from notifier.store.subjects import read_entries, read_in_force, read_offices, read_subjects

log = logging.getLogger(__name__)

#: How many changes, and how many subjects, one transaction looks at.
CHANGES_AT_ONCE = 5_000
SUBJECTS_AT_ONCE = 2_500
#: Fewer subjects are looked at one by one: reading them as a crowd has a price of its own.
WORTH_A_CROWD = 50
#: From so many added rows on the database looks at the outbox anew: with old statistics it reads the whole of it.
WORTH_ANALYSING = 2_000

#: A subject with each rule that was asked, its decisions, and its rows of the ledger.
Decided = tuple[Subject, Sequence[tuple[Rule, Sequence[Decision], Sequence[Entry]]]]
#: A part without a crowd.
NOBODY = Settled((), 0, {})


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
        self.search = Search(rules, calendar_of, adult_age)

    def plan(self, *, now: datetime, progress: Callable[[int, int], None] | None = None) -> PlanReport:
        """Bring the outbox up to the end of each office's today. `now` is aware."""
        now = now.astimezone(UTC)
        with writing(self.engine) as connection:
            self._enter_into_force(connection, now)
            self._keep_versions(connection, now)
        with reading(self.engine) as connection:
            former, days = remembered(connection, read_offices(connection), self.calendar_of, now)
            run = self._begin(connection, now, Lapses(former))
        while True:
            with writing(self.engine) as connection, _uncollected():
                changes = changed_subjects(connection, CHANGES_AT_ONCE)
                self._settle_subjects(connection, {(kind, key): None for _, kind, key in changes}, run)
                forget_changes(connection, [change for change, _, _ in changes])
            if len(changes) < CHANGES_AT_ONCE:
                break
        with reading(self.engine) as connection, _uncollected():
            concerned, cursors = self._concerned(connection, run)
        done = 0
        for part, settled in self._ahead(list(_parts(concerned)), run):
            with writing(self.engine) as connection, _uncollected():
                self._settle_subjects(connection, settled.rest, run, settled)
            done += len(part)
            if progress is not None:
                progress(done, len(concerned))
        with writing(self.engine) as connection:
            run.lapses.write(connection, now)
            advance(connection, cursors | days)
        if run.report.planned >= WORTH_ANALYSING:
            analyse(self.engine, [t.notification])
        return run.report

    def dry_run(self, *, now: datetime) -> PlanReport:
        """The same, on a connection that cannot write: what would be planned, and for whom."""
        now = now.astimezone(UTC)
        with reading(self.engine) as connection:
            run = self._begin(connection, now, Lapses({}))
            concerned, _ = self._concerned(connection, run)
            for _, kind, subject_id in changed_subjects(connection, 2**31):
                concerned[kind, subject_id] = None
            for part in _parts(concerned):
                for subject, found in self._decided(connection, part, run):
                    run.report.subjects += 1
                    for rule, decisions, ledger in found:
                        count(subject, rule, decisions, ledger, run.ends[subject.office.id], run.report)
        return run.report

    def _begin(self, connection: Connection, now: datetime, lapses: Lapses) -> "_Run":
        in_force = self._in_force(connection, now)
        # Where a closure has just moved deadlines, it matters of each subject why it is told nothing.
        share = not lapses.former
        alike = Alike(self.rules, self.calendar_of, in_force, now=now, adult_age=self.adult_age, share=share)
        return _Run(now, in_force, alike, lapses)

    def _concerned(self, connection: Connection, run: "_Run") -> tuple[Concerned, dict[str, Place]]:
        return self.search.concerned(connection, read_offices(connection), run.in_force, run.now)

    def _ahead(self, parts: Sequence[Concerned], run: "_Run") -> Iterator[tuple[Concerned, Settled]]:
        """Each part with what its crowd is told; on PostgreSQL the next part is read while this one is written."""
        if sum(map(len, parts)) < WORTH_A_CROWD:
            yield from ((part, Settled((), 0, part)) for part in parts)
            return
        crowd = Crowd(self.rules, run.alike, lambda office: self.search.until(office, run.now))

        def settle(part: Concerned) -> Settled:
            with snapshot(self.engine) as connection, _uncollected():
                return crowd.settle(connection, part)

        if self.engine.dialect.name == "sqlite":  # gives way to other threads at each row, and waits for each of them
            yield from ((part, settle(part)) for part in parts)
            return
        with ThreadPoolExecutor(1) as pool:
            ahead = [pool.submit(settle, part) for part in parts[:1]]
            for place, part in enumerate(parts, 1):
                settled = ahead.pop().result()
                ahead += [pool.submit(settle, following) for following in parts[place : place + 1]]
                yield part, settled

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

    def _decided(self, connection: Connection, keys: Concerned, run: "_Run") -> list[Decided]:
        offices = read_offices(connection)
        run.ends.update((key, self.search.until(office, run.now)) for key, office in offices.items())
        answers: list[Decided] = []
        for kind in SubjectKind:
            ids = [key for key_kind, key in keys if key_kind is kind]
            subjects = read_subjects(connection, kind, ids, offices, with_contacts=False)
            entries = read_entries(connection, kind, subjects)
            rules = [rule for rule in self.rules.rules if rule.subject is kind]
            for key, subject in subjects.items():
                asked, ledger = keys[kind, key], entries.get(key, ())
                chosen = [rule for rule in rules if asked is None or rule.name in asked]
                try:
                    answers.append((subject, _decide(run.alike, subject, chosen, ledger, run.ends[subject.office.id])))
                except Exception:  # whatever is wrong with one record must not silence all the others
                    log.exception("a subject could not be decided on", extra={"kind": kind, "subject": key})
                    run.report.undecided.append(subject)
        return answers

    def _settle_subjects(self, connection: Connection, keys: Concerned, run: "_Run", settled: Settled = NOBODY) -> None:
        now, report = run.now, run.report
        report.subjects += settled.subjects
        new: list[Planned] = [*settled.rows]
        known = len(report.undecided)
        decided = self._decided(connection, keys, run) if keys else []
        for subject in report.undecided[known:]:
            note_undecided(connection, subject, now)
        # What may be written is locked in the order of ids, as workers and receipts do.
        ledgers = [ledger for _, found in decided for _, _, ledger in found if ledger]
        lock(connection, [entry.id for ledger in ledgers for entry in ledger if is_pending(entry)])
        for subject, found in decided:
            report.subjects += 1
            until = run.ends[subject.office.id]
            if keys[subject.kind, subject.id] is None:
                note_missing_date(connection, subject, self.rules, (one for _, all_, _ in found for one in all_), now)
            for rule, decisions, ledger in found:
                new += map(planned, reconcile(connection, subject, rule, decisions, ledger, until, now, report))
                if run.lapses.former and any(one.reason is Reason.AFTER_DEADLINE for one in decisions):
                    run.lapses.look(rule, subject, self.calendar_of(subject.office), self.rules, now)
        added = schedule(connection, new, now=now)
        report.planned += added.total()
        for name, number in added.items():
            report.by_rule[name] += number


@dataclass(frozen=True, slots=True)
class _Run:
    """One plan: its instant, what the rules say then, and what came of it."""

    now: datetime
    in_force: Mapping[tuple[str, str], datetime]
    alike: Alike
    lapses: Lapses
    report: PlanReport = field(default_factory=PlanReport)
    ends: dict[OfficeId, datetime] = field(default_factory=dict)  # of each office's today


def _decide(
    alike: Alike, subject: Subject, rules: Sequence[Rule], entries: Sequence[Entry], until: datetime
) -> list[tuple[Rule, Sequence[Decision], list[Entry]]]:
    found = []
    for rule in rules:
        if rule.applies_at(subject.office.code):
            ledger = [entry for entry in entries if entry.rule == rule.name]
            found.append((rule, alike.decide(rule, subject, ledger, until=until), ledger))
    return found


@contextmanager
def _uncollected() -> Iterator[None]:
    """Python does not look for circles of dead objects while a part is planned: there are none, only tens of thousands
    of living objects, and looking at them again and again takes a quarter of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _parts(concerned: Concerned) -> Iterator[Concerned]:
    for keys in slices(sorted(concerned), SUBJECTS_AT_ONCE):
        yield {key: concerned[key] for key in keys}
