"""The stage of a test: the whole engine on a database of its own, with a clock that is moved and carriers that obey."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ParamSpec, TypeVar

from sqlalchemy import Engine, select

from notifier.app import App
from notifier.calendar.office import OfficeCalendar
from notifier.casts import Secret
from notifier.clock import StandingClock
from notifier.config import Settings
from notifier.errors import NotifierError
from notifier.messages.templates import Templates
from notifier.model import Channel, NotificationId, Office, SubjectKind
from notifier.rehearsal.carriers import Outcomes, ScriptedCarrier
from notifier.rehearsal.script import Registered, Scene
from notifier.rules.compile import Candidates, candidates
from notifier.rules.load import load_rules
from notifier.rules.rule import Rule, RuleSet
from notifier.rulesets import InForce
from notifier.run import offer_due
from notifier.store import migrate, outbox
from notifier.store import tables as t
from notifier.store.engine import open_engine, reading, writing
from notifier.store.records import Written
from notifier.store.register import put_offices, put_parties, put_subjects

T = TypeVar("T")
P = ParamSpec("P")

#: Rules count as in force since so long before a test, where it does not say since when.
IN_FORCE_FOR = timedelta(days=5 * 366)
#: So often planning and sending may take turns at one instant before the outbox counts as restless.
ROUNDS = 50


class AtOnce(ThreadPoolExecutor):
    """Does what it is given in the thread that gives it: in a test nothing else has work to do meanwhile."""

    def submit(self, work: Callable[P, T], /, *given: P.args, **named: P.kwargs) -> Future[T]:
        """Do it now; what it raises is raised to who awaits the answer."""
        answer: Future[T] = Future()
        try:
            answer.set_result(work(*given, **named))
        except Exception as error:
            answer.set_exception(error)
        return answer


class Theatre:
    """What all tests of one process share: rules, texts, an empty database to copy, one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._folder = TemporaryDirectory(prefix="notifier-rehearsal-")
        self.folder = Path(self._folder.name)
        self.settings = replace(
            settings, public_url="https://imigrasi.example", signing_key=Secret("rehearsal"), redis_url=None
        )
        house = App(settings)
        # Of the folder, whatever was applied last to the office's own database.
        self.rules = load_rules(settings.rules)
        self.templates: Templates = house.templates
        self.calendar_data = house.calendar_data
        self.calendars: dict[Office, OfficeCalendar] = {}
        self._questions: dict[object, list[Candidates]] = {}
        self.loop = asyncio.Runner()
        self.loop.get_loop().set_default_executor(AtOnce())
        self._empty, self._file = self.folder / "empty.db", self.folder / "test.db"
        empty = open_engine(f"sqlite:///{self._empty}")
        migrate.upgrade(empty)
        empty.dispose()
        # One engine for all tests: it remembers how its statements are written in SQL.
        self._engine = open_engine(f"sqlite:///{self._file}")

    def fresh_database(self) -> Engine:
        """An empty database; the one before it is overwritten."""
        self._engine.dispose()
        for end in ("", "-wal", "-shm"):
            Path(f"{self._file}{end}").unlink(missing_ok=True)
        shutil.copyfile(self._empty, self._file)
        return self._engine

    def candidates(
        self, rule: Rule, calendar: OfficeCalendar, rules: RuleSet, *, after: datetime, until: datetime
    ) -> list[Candidates]:
        """What the planner asks of a span, worked out once for all tests: many live through the same days."""
        # Windows differ by office, and so do the answers of rules that count from them.
        steps = tuple(step.enabled for step in rule.steps)
        key = (rule.file, rule.name, steps, calendar.office.code, calendar.fingerprint, after, until)
        if key not in self._questions:
            self._questions[key] = candidates(rule, calendar, rules, after=after, until=until)
        return self._questions[key]

    def close(self) -> None:
        """Let go of loop, database and files."""
        self._engine.dispose()
        self.loop.close()
        self._folder.cleanup()


class Stage:
    """The engine on a fresh database, its clock at the beginning of a test."""

    def __init__(self, theatre: Theatre, rules: RuleSet, scene: Scene) -> None:
        self.theatre = theatre
        self.clock = StandingClock(scene.starts)
        self.outcomes = Outcomes()
        self.carriers = {channel: ScriptedCarrier(channel, self.clock, self.outcomes) for channel in Channel}
        self.app = StageApp(theatre, rules, self.clock, self.carriers)
        self.engine = self.app.engine
        since = scene.starts - IN_FORCE_FOR
        if scene.in_force_since is not None:
            since = datetime.combine(scene.in_force_since, datetime.min.time(), tzinfo=scene.zone)
        self._enter_into_force(rules, since)

    @property
    def now(self) -> datetime:
        """The instant at which the clock stands."""
        return self.clock.now()

    def _enter_into_force(self, rules: RuleSet, since: datetime) -> None:
        rows = [
            {"rule": rule.name, "step": step.name, "since": since}
            for rule in rules.rules
            if rule.enabled
            for step in rule.steps
            if step.enabled
        ]
        with writing(self.engine) as connection:
            if rows:
                connection.execute(outbox.insert_once(connection, t.in_force), rows)

    def register(self, what: Registered) -> None:
        """Write it into the register, as the importer does. Raises NotifierError when it cannot be taken."""
        with writing(self.engine) as connection:
            _taken(put_offices(connection, what.offices, now=self.now), [one.code for one in what.offices])
            _taken(put_parties(connection, what.people, now=self.now), [one.number for one in what.people])
            for kind, records in ((SubjectKind.PERMIT, what.permits), (SubjectKind.CASE, what.cases)):
                written = put_subjects(connection, kind, records, now=self.now)
                _taken(written, [one.number for one in records])

    def work(self, *, plan: bool) -> None:
        """Plan if it is time, send everything due, and look again at what that changed, until all is at rest."""
        for _ in range(ROUNDS):
            if plan or self._has_changes():
                self.app.planner.plan(now=self.now)
            plan = False
            self._send()
            if not self._has_changes():
                return
        raise NotifierError("the outbox does not come to rest")

    def _has_changes(self) -> bool:
        with reading(self.engine) as connection:
            return connection.execute(select(t.changed.c.id).limit(1)).first() is not None

    def _send(self) -> None:
        for _ in range(ROUNDS):
            with reading(self.engine) as connection:
                due = outbox.next_due_at(connection)
            if due is None or due > self.now:
                return
            batches: list[list[NotificationId]] = []

            def ring(ids: Sequence[NotificationId], urgent: bool, into: list[list[NotificationId]] = batches) -> None:
                into.append(list(ids))

            if not offer_due(self.app, ring, now=self.now):
                return
            for ids in batches:
                self.theatre.loop.run(self.app.dispatcher.dispatch(ids))
        raise NotifierError("the outbox does not come to rest")


class StageApp(App):
    """The composition root with the parts of a test in their places; all else is wired as everywhere."""

    def __init__(
        self, theatre: Theatre, rules: RuleSet, clock: StandingClock, carriers: dict[Channel, ScriptedCarrier]
    ) -> None:
        super().__init__(theatre.settings, clock=clock)
        self.in_force = InForce(rules)
        self.templates = theatre.templates
        self.calendar_data = theatre.calendar_data
        self.carriers = carriers
        self.engine = self.ready_engine = theatre.fresh_database()
        self._calendars = theatre.calendars
        self.planner.search.candidates = theatre.candidates


def _taken(written: Written, names: Sequence[str]) -> None:
    for one in written.refused:
        raise NotifierError(f'the register does not take "{names[one.index]}": {one.column}: {one.reason}')
