"""A test played: the clock jumps from one instant at which something may happen to the next, until the test ends."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from sqlalchemy import select

from notifier.channels.base import Inbound
from notifier.errors import NotifierError
from notifier.model import Channel, DeliveryId, DeliveryState, NotificationId, OfficeId, Receipt
from notifier.officer import approve, cancel, read_story, refuse, resend
from notifier.receipts import record
from notifier.rehearsal.answers import Asked, Said, ask
from notifier.rehearsal.carriers import receipt_of
from notifier.rehearsal.days import known_turns, next_planning
from notifier.rehearsal.script import (
    Approval,
    Asleep,
    ByOfficer,
    Happening,
    Outlook,
    Registered,
    Reply,
    Scene,
)
from notifier.rehearsal.stage import Stage
from notifier.rehearsal.tally import Left, what_left
from notifier.store import outbox
from notifier.store import tables as t
from notifier.store.daily import BatchState
from notifier.store.engine import reading, writing
from notifier.store.subjects import read_offices
from notifier.web.optout import load_words, take_reply

#: The clock never stands still: what is due "now" and was not taken is looked at again after this.
SHORTEST_JUMP = timedelta(minutes=1)
#: More instants than any sensible test has.
MOST_INSTANTS = 20_000
#: Who says yes or no in a test.
OFFICER = "the officer of the test"
#: A delivery of which nothing more was heard than that it left.
WAITING = (DeliveryState.ACCEPTED.value, DeliveryState.UNKNOWN.value)


@dataclass(slots=True)
class Played:
    """What came of a test."""

    left: list[Left] = field(default_factory=list)
    said: dict[Asked, list[Said]] = field(default_factory=dict)
    work_items: list[str] = field(default_factory=list)


class Play:
    """One test under way on its stage."""

    def __init__(self, stage: Stage, scene: Scene, questions: Sequence[Asked]) -> None:
        self.stage, self.scene = stage, scene
        self.played = Played()
        self.script: list[Happening] = list(scene.happens)
        self.turns = known_turns(stage, scene)
        self.questions = sorted(questions, key=lambda one: one.at)
        self.asleep_until = scene.starts
        self.planning_at: datetime | None = scene.starts

    def run(self) -> Played:
        """Play from the beginning to the end. Raises NotifierError when the test cannot be played."""
        self.stage.register(self.scene.given)
        now: datetime | None = self.scene.starts
        for _ in range(MOST_INSTANTS):
            if now is None or now > self.scene.ends:
                break
            self.stage.clock.at = now
            self._visit(now)
            now = self._next(now)
        else:
            raise NotifierError("the test does not come to an end")
        self.stage.clock.at = self.scene.ends
        self._ask(self.scene.ends)
        self.played.left = what_left(self.stage, self.scene)
        with reading(self.stage.engine) as connection:
            self.played.work_items = sorted(connection.execute(select(t.work_item.c.kind)).scalars())
        return self.played

    # ---------------------------------------------------------------------------------------------- one instant

    def _visit(self, now: datetime) -> None:
        happened = False
        while self.script and self.script[0].at <= now:
            happened = True
            self._happen(self.script.pop(0))
        self._receive(now)
        if now >= self.asleep_until:
            is_time = self.planning_at is not None and self.planning_at <= now
            is_turn = bool(self.turns) and self.turns[0] <= now
            while self.turns and self.turns[0] <= now:
                self.turns.pop(0)
            self.stage.work(plan=happened or is_time or is_turn)
            if happened or is_time:
                self.planning_at = next_planning(self.stage, now, self.scene.ends)
        self._ask(now)

    def _receive(self, now: datetime) -> None:
        receipts: list[Receipt] = []
        for carrier in self.stage.carriers.values():
            receipts += [receipt for at, receipt in carrier.receipts_due if at <= now]
            carrier.receipts_due = [one for one in carrier.receipts_due if one[0] > now]
        self._record(receipts)

    def _record(self, receipts: Sequence[Receipt]) -> None:
        if receipts:
            with writing(self.stage.engine) as connection:
                record(connection, receipts, now=self.stage.now)

    def _ask(self, now: datetime) -> None:
        """Ask `explain` what a test, or its report, wants to know at this instant."""
        due = [one for one in self.questions if one.at <= now]
        self.questions = [one for one in self.questions if one.at > now]
        self.played.said |= ask(self.stage, self.scene, due)

    def _next(self, now: datetime) -> datetime | None:
        """The next instant at which something may happen."""
        with reading(self.stage.engine) as connection:
            due = outbox.next_due_at(connection)
        engine = [due, self.planning_at, *self.turns[:1]]
        wanted = [max(at, self.asleep_until) for at in engine if at is not None]
        wanted += [one.at for one in self.script[:1]] + [one.at for one in self.questions[:1]]
        wanted += [at for carrier in self.stage.carriers.values() for at, _ in carrier.receipts_due]
        if self.asleep_until > now:
            wanted.append(self.asleep_until)
        return max(min(wanted), now + SHORTEST_JUMP) if wanted else None

    # ------------------------------------------------------------------------------------------- what happens

    def _happen(self, happening: Happening) -> None:
        match happening.event:
            case Registered() as change:
                self.stage.register(change)
            case Reply() as reply:
                self._reply(reply)
            case Outlook() as outlook:
                self._outlook(outlook)
            case Asleep(until):
                self.asleep_until = until
            case ByOfficer() as act:
                self._by_hand(act)
            case Approval() as approval:
                self._decide(approval)
            case other:
                assert_never(other)

    def _addresses(self, who: str, channel: Channel) -> list[str]:
        c = t.contact.c
        query = select(c.address).join(t.party, t.party.c.id == c.party_id)
        with reading(self.stage.engine) as connection:
            numbers = (t.party.c.number == who) | (t.party.c.number == desk_number(who, self.scene))
            return list(connection.execute(query.where(numbers, c.channel == channel.value)).scalars())

    def _reply(self, reply: Reply) -> None:
        for address in self._addresses(reply.who, reply.channel):
            with writing(self.stage.engine) as connection:
                inbound = Inbound(reply.channel, address, reply.text)
                take_reply(connection, inbound, load_words(), now=self.stage.now)

    def _outlook(self, outlook: Outlook) -> None:
        addresses = [None] if outlook.who is None else self._addresses(outlook.who, outlook.channel)
        if not addresses:
            raise NotifierError(f'"{outlook.who}" has no {outlook.channel}; nothing can be answered there')
        for address in addresses:
            self.stage.outcomes.by_address[outlook.channel, address] = (outlook.fate, outlook.code)
            self._record(list(self._late_receipts(outlook, address)))

    def _late_receipts(self, outlook: Outlook, address: str | None) -> Iterable[Receipt]:
        """What waits for its receipt gets it now."""
        d = t.delivery.c
        query = select(d.id).where(d.channel == outlook.channel.value, d.state.in_(WAITING))
        if address is not None:
            query = query.where(d.address == address)
        with reading(self.stage.engine) as connection:
            waiting = list(connection.execute(query).scalars())
        for key in waiting:
            receipt = receipt_of(outlook.channel, outlook.fate, outlook.code, DeliveryId(key))
            if receipt is not None:
                yield replace(receipt, delivery_id=DeliveryId(key))

    def _decide(self, approval: Approval) -> None:
        """An officer's word on everything that waits of a rule, at all offices."""
        b = t.daily_batch.c
        held = select(b.office_id, b.day).where(b.rule == approval.rule, b.state == BatchState.HELD.value)
        with reading(self.stage.engine) as connection:
            offices = read_offices(connection)
            waiting = connection.execute(held.order_by(b.day, b.office_id)).all()
        if not waiting:
            raise NotifierError(f"nothing of {approval.rule} waits for an officer")
        engine, now = self.stage.engine, self.stage.now
        for row in waiting:
            office = offices[OfficeId(row.office_id)]
            if approval.is_refusal:
                refuse(engine, office, approval.rule, row.day, by=OFFICER, now=now)
            else:
                calendar = self.stage.app.calendar_of(office)
                end = calendar.start_of(calendar.day_of(now) + timedelta(days=1)) - timedelta(microseconds=1)
                approve(engine, office, approval.rule, row.day, end=end, by=OFFICER, now=now)

    def _by_hand(self, act: ByOfficer) -> None:
        n = t.notification.c
        query = select(n.id).join(t.party, t.party.c.id == n.party_id).where(n.step == act.step)
        with writing(self.stage.engine) as connection:
            key = connection.execute(query.where(t.party.c.number == act.who).order_by(n.id.desc()).limit(1)).scalar()
            if key is None:
                raise NotifierError(f"there is no {act.step} to {act.who} that an officer could take in hand")
            story = read_story(connection, NotificationId(key))
            do = cancel if act.verb == "cancels" else resend
            refusal = do(connection, story, now=self.stage.now)
        if refusal is not None:
            raise NotifierError(f"{act.step} to {act.who}: {refusal.sentence}")


def desk_number(who: str, scene: Scene) -> str:
    """The party number of a desk as a test names it: "front desk", "front desk of ambon"."""
    name, _, code = who.partition(" desk")
    code = code.removeprefix(" of ") or scene.given.offices[0].code
    return f"desk:{code}:{name}"
