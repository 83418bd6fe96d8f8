"""A small world for tests of the whole engine: a real database, the shipped rules and texts, carriers that remember."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, select

from notifier.batch import BatchReport, Limits
from notifier.calendar.data import CalendarData, load_calendar
from notifier.calendar.office import OfficeCalendar, build_calendar
from notifier.clock import StandingClock
from notifier.dispatch import Dispatcher
from notifier.explain import Explanation, Line, explain, trace
from notifier.messages.templates import Templates
from notifier.model import Accepted, Channel, DeliveryId, DeliveryState, Message, Office, Outcome, Receipt, SubjectKind
from notifier.plan import Planner
from notifier.receipts import record
from notifier.reconcile import PlanReport
from notifier.relay import relay
from notifier.render import Renderer, Senders
from notifier.rules.load import load_rules
from notifier.rules.rule import RuleSet
from notifier.store import tables as t
from notifier.store.engine import reading, writing
from notifier.store.records import OfficeRecord, PartyRecord, RoleRecord, SubjectRecord
from notifier.store.register import put_offices, put_parties, put_subjects

PROJECT = Path(__file__).parent.parent
JAKARTA = ZoneInfo("Asia/Jakarta")
SHIPPED = PROJECT / "rules"


@cache
def shipped() -> tuple[RuleSet, CalendarData, Templates]:
    """Rules, calendar and texts as they ship: nothing in them changes, so all worlds of a process share them."""
    return load_rules(SHIPPED), load_calendar(SHIPPED / "calendar.yaml"), Templates.load(PROJECT / "templates")


def wib(text: str) -> datetime:
    """An instant on Jakarta's clock: "2026-03-17 08:15"; a bare day is its noon."""
    text = text if " " in text else f"{text} 12:00"
    return datetime.fromisoformat(text).replace(tzinfo=JAKARTA).astimezone(UTC)


#: What dispatch keeps to in a world. Lease and questions are slower than the shipped ones: the clock of a test goes in
#: minutes, and what dies is succeeded when the test says so.
LIMITS = Limits(
    per_day=1,
    per_week=3,
    rung_wait=timedelta(hours=24),
    presumed_delivered_after=timedelta(hours=24),
    retries=(timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1)),
    lease=timedelta(minutes=10),
    ask_after=timedelta(minutes=2),
    adult_age=18,
    envelope_tolerance=20,
    envelope_slack=20,
)
#: After so long the relay of a world offers anew what no worker took.
PATIENCE = timedelta(minutes=2)


@dataclass(slots=True)
class Remembering:
    """A carrier that remembers what it was given and answers as told."""

    channel: Channel
    answer: Callable[[Message], Outcome] = lambda message: Accepted(f"ref-{message.delivery_id}")
    proves: bool = True
    provider: str = "memory"
    concurrency: int = 10
    longest: timedelta = timedelta(seconds=1)
    sent: list[Message] = field(default_factory=list)
    asked: list[Message] = field(default_factory=list)
    replies: list[Outcome | None] = field(default_factory=list)
    waiting: list[Receipt] = field(default_factory=list)

    async def send(self, message: Message, *, callback_url: str | None) -> Outcome:
        self.sent.append(message)
        outcome = self.answer(message)
        if isinstance(outcome, Accepted) and self.proves and self.channel is not Channel.EMAIL:
            state = DeliveryState.DELIVERED
            self.waiting.append(Receipt(self.provider, state, {}, delivery_id=message.delivery_id))
        return outcome

    async def ask(self, message: Message, *, since: datetime) -> Outcome | None:
        self.asked.append(message)
        return self.replies.pop(0) if self.replies else None

    def receipts(self) -> list[Receipt]:
        found, self.waiting = self.waiting, []
        return found

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def check(self) -> str | None:
        return None


class World:
    """An office (or several) with its register, on a clock that stands where the test puts it."""

    def __init__(self, engine: Engine, *, rules: Path = SHIPPED, now: str = "2026-01-05") -> None:
        self.engine = engine
        self.clock = StandingClock(wib(now))
        self.rules, self.calendar_data, self.templates = shipped()
        if rules != SHIPPED:
            self.rules = load_rules(rules)
            own = rules / "calendar.yaml"
            self.calendar_data = load_calendar(own if own.exists() else None)
        self.carriers = {channel: Remembering(channel) for channel in Channel}
        self.limits = LIMITS
        self._calendars: dict[Office, OfficeCalendar] = {}
        self.office("jakarta-barat", name="Kantor Imigrasi Jakarta Barat")

    # register -------------------------------------------------------------------------------------------

    def office(self, code: str, zone: str = "Asia/Jakarta", **values: object) -> None:
        record_ = OfficeRecord(code, {"name": code, "zone": zone, "phone": "+62215550100", **values})
        with writing(self.engine) as connection:
            self.must(put_offices(connection, [record_], now=self.now))

    def person(
        self, number: str, name: str = "BUDI", *, email: bool = True, phone: bool = True, **values: object
    ) -> str:
        contacts: dict[Channel, str | None] = {}
        tail = f"{sum(number.encode()) % 90 + 1:02d}{len(number) % 10}0"
        if phone:
            contacts |= {Channel.WHATSAPP: f"+6281200{tail}11", Channel.SMS: f"+6281200{tail}11"}
        if email:
            contacts[Channel.EMAIL] = f"{number.lower()}@mail.example"
        record_ = PartyRecord(number, {"kind": "person", "name": name, "language": "en", **values}, contacts)
        with writing(self.engine) as connection:
            self.must(put_parties(connection, [record_], now=self.now))
        return number

    def permit(
        self,
        number: str,
        holder: str,
        *,
        office: str = "jakarta-barat",
        roles: Mapping[str, Any] | None = None,
        **values: object,
    ) -> None:
        values = {"status": "active", **values}
        self._subject(SubjectKind.PERMIT, number, holder, office, roles, values, None)

    def case(
        self,
        number: str,
        holder: str,
        *,
        office: str = "jakarta-barat",
        roles: Mapping[str, Any] | None = None,
        since: datetime | None = None,
        **values: object,
    ) -> None:
        self._subject(SubjectKind.CASE, number, holder, office, roles, values, since)

    def _subject(
        self,
        kind: SubjectKind,
        number: str,
        holder: str,
        office: str,
        roles: Mapping[str, Any] | None,
        values: Mapping[str, object],
        since: datetime | None,
    ) -> None:
        held = {
            role: tuple(one if isinstance(one, RoleRecord) else RoleRecord(one) for one in who)
            for role, who in (roles or {}).items()
        }
        record_ = SubjectRecord(number, office, holder, values, held, state_since=since)
        with writing(self.engine) as connection:
            self.must(put_subjects(connection, kind, [record_], now=self.now))

    @staticmethod
    def must(written: Any) -> None:
        assert not written.refused, written.refused

    # engine ---------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def at(self, text: str) -> "World":
        """Move the clock."""
        self.clock.at = wib(text)
        return self

    def calendar_of(self, office: Office) -> OfficeCalendar:
        if office not in self._calendars:
            self._calendars[office] = build_calendar(office, self.calendar_data)
        return self._calendars[office]

    @property
    def renderer(self) -> Renderer:
        return Renderer(
            self.templates,
            self.rules,
            Senders("IMIGRASI", "+62215550199", "Imigrasi <noreply@imigrasi.example>"),
            "https://evisa.imigrasi.go.id",
            "https://imigrasi.example/cek",
            "imigrasi.example",
            lambda party, channel, address: "https://imigrasi.example/u/optout-x",
        )

    @property
    def planner(self) -> Planner:
        return Planner(self.engine, self.rules, self.calendar_of)

    @property
    def dispatcher(self) -> Dispatcher:
        return Dispatcher(
            self.engine,
            self.rules,
            self.calendar_of,
            self.renderer,
            self.carriers,
            self.clock,
            self.limits,
            callback_url=self.callback_url,
        )

    def callback_url(self, delivery_id: DeliveryId) -> str | None:
        return None

    def plan(self) -> PlanReport:
        return self.planner.plan(now=self.now)

    def send(self) -> list[BatchReport]:
        """Relay and dispatch until nothing is due."""
        reports = []
        for _ in range(20):
            offered: list[Any] = []
            relay(
                self.engine,
                lambda ids, urgent, into=offered: into.append(ids),
                now=self.now,
                batch_size=100,
                patience=PATIENCE,
            )
            if not offered:
                return reports
            reports += [self.wait_for(self.dispatcher.dispatch(ids)) for ids in offered]
        raise AssertionError("the outbox does not come to rest")

    def wait_for(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run one piece of asynchronous work; a world with kept connections puts its own loop here."""
        return asyncio.run(work)

    def run(self) -> PlanReport:
        report = self.plan()
        self.send()
        return report

    def days(self, first: str, last: str, time: str = "10:00") -> None:
        """Run once a day."""
        day = date.fromisoformat(first)
        while day <= date.fromisoformat(last):
            self.at(f"{day} {time}").run()
            day += timedelta(days=1)

    def receipt(self, delivery_id: int, state: DeliveryState, **values: Any) -> None:
        with writing(self.engine) as connection:
            record(
                connection, [Receipt("memory", state, {}, delivery_id=DeliveryId(delivery_id), **values)], now=self.now
            )

    # looking --------------------------------------------------------------------------------------------

    @property
    def sent(self) -> list[Message]:
        return [message for carrier in self.carriers.values() for message in carrier.sent]

    def forget_sent(self) -> None:
        for carrier in self.carriers.values():
            carrier.sent.clear()

    def notifications(self, **where: object) -> list[Any]:
        query = select(t.notification).order_by(t.notification.c.id)
        for name, value in where.items():
            query = query.where(t.notification.c[name] == value)
        with reading(self.engine) as connection:
            return list(connection.execute(query))

    def deliveries(self) -> list[Any]:
        with reading(self.engine) as connection:
            return list(connection.execute(select(t.delivery).order_by(t.delivery.c.id)))

    def told(self) -> list[tuple[str, str]]:
        """(step, day of sending in Jakarta) of everything told, in order."""
        rows = [row for row in self.notifications() if row.told_at is not None]
        rows.sort(key=lambda row: (row.first_sent_at, row.id))
        return [(row.step, row.first_sent_at.astimezone(JAKARTA).date().isoformat()) for row in rows]

    def explain(self, number: str) -> Explanation:
        return explain(self.engine, self.rules, self.calendar_of, number, now=self.now)[0]

    def trace(self, what: str) -> list[Line]:
        return trace(self.engine, what)

    def work(self) -> list[str]:
        with reading(self.engine) as connection:
            return list(connection.execute(select(t.work_item.c.kind)).scalars())
