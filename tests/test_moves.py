"""Whatever happens in whatever order: states move only along the two tables, and every receipt is kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, func, select

from notifier.model import (
    DELIVERY_MOVES,
    NOTIFICATION_MOVES,
    PROVED,
    Accepted,
    Action,
    DeliveryId,
    DeliveryState,
    NotificationId,
    NotificationState,
    Outcome,
    Reason,
    Receipt,
    Rejected,
    Unknown,
)
from notifier.receipts import record as record_receipts
from notifier.store import deliveries as store
from notifier.store import outbox
from notifier.store import tables as t
from notifier.store.claims import claim
from notifier.store.engine import open_engine
from notifier.store.settle import settle
from tests.outbox_rows import NOW, a_notification, a_party

RUNGS = 2
CHANNELS = ("whatsapp", "sms")
OUTCOMES: Sequence[Outcome] = (
    Accepted("ref"),
    Accepted(None),
    Rejected(Reason.TEMPORARY, Action.RETRY, "500"),
    Rejected(Reason.BAD_ADDRESS, Action.BAD_ADDRESS, "21211"),
    Unknown("broke"),
)
ENDINGS = (
    NotificationState.UNDELIVERABLE,
    NotificationState.SUPPRESSED,
    NotificationState.CANCELLED,
    NotificationState.SPENT,
    NotificationState.EXPIRED,
)
N, D = t.notification.c, t.delivery.c


@dataclass(frozen=True)
class Happening:
    """One thing that a worker, a provider, a planner or an officer does."""

    what: str
    which: int = 0  # of the deliveries so far
    state: str = ""
    outcome: int = 0
    stale: bool = False  # by a worker whose claim is over


which = st.integers(0, 3)
happenings = st.lists(
    st.one_of(
        st.just(Happening("claim")),
        st.just(Happening("begin")),
        st.just(Happening("settle")),
        st.builds(lambda n, o: Happening("outcome", which=n, outcome=o), which, st.integers(0, len(OUTCOMES) - 1)),
        st.builds(
            lambda n, s: Happening("receipt", which=n, state=s),
            which,
            st.sampled_from(["", *(state.value for state in DeliveryState)]),
        ),
        st.builds(
            lambda s, old: Happening("end", state=s, stale=old),
            st.sampled_from([state.value for state in ENDINGS]),
            st.booleans(),
        ),
        st.builds(lambda old: Happening("hold", stale=old), st.booleans()),
        st.builds(lambda old: Happening("stop", stale=old), st.booleans()),
        st.just(Happening("cancel")),
    ),
    max_size=14,
)


class Ledger:
    """One notification with its deliveries, and what may be done to it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.now = NOW
        party = a_party(connection)
        scheduled = {"state": "scheduled", "rung": 0, "rungs": RUNGS, "attempt": 0, "next_attempt_at": NOW}
        self.key: NotificationId = a_notification(connection, party, **scheduled)
        self.deliveries: list[DeliveryId] = []
        self.receipts = 0

    @property
    def state(self) -> NotificationState:
        return NotificationState(self.connection.execute(select(N.state).where(N.id == self.key)).scalar_one())

    @property
    def states(self) -> dict[DeliveryId, DeliveryState]:
        query = select(D.id, D.state).where(D.notification_id == self.key)
        return {DeliveryId(row.id): DeliveryState(row.state) for row in self.connection.execute(query)}

    def happen(self, one: Happening) -> None:
        self.now += timedelta(minutes=11)
        attempt = self.connection.scalar(select(N.attempt).where(N.id == self.key)) or 0
        mine = attempt - 1 if one.stale else attempt
        match one.what:
            case "claim":
                claim(self.connection, [self.key], now=self.now, lease=timedelta(minutes=10))
            case "begin":
                self._begin(attempt)
            case "settle":
                settle(self.connection, [self.key], now=self.now)
            case "end":
                outbox.end(
                    self.connection,
                    self.key,
                    NotificationState(one.state),
                    Reason.POINTLESS,
                    now=self.now,
                    attempt=mine,
                )
            case "hold":
                outbox.hold(self.connection, self.key, self.now, Reason.CAP, now=self.now, attempt=mine)
            case "stop":
                outbox.stop_ladder(self.connection, self.key, Reason.NEWER_STEP_SENT, now=self.now, attempt=mine)
            case "cancel":
                by_officer = Reason.CANCELLED_BY_OFFICER
                if not outbox.end(self.connection, self.key, NotificationState.CANCELLED, by_officer, now=self.now):
                    outbox.stop_ladder(self.connection, self.key, by_officer, now=self.now, attempt=None)
            case _ if self.deliveries:
                self._hear(one, self.deliveries[one.which % len(self.deliveries)])

    def _begin(self, attempt: int) -> None:
        rung = len(self.deliveries) // 2
        (key,) = store.draw_ids(self.connection, 1)
        row = {
            "id": key,
            "notification_id": self.key,
            "attempt": attempt,
            "rung": rung,
            "channel": CHANNELS[len(self.deliveries) % 2],
            "provider": "memory",
            "address": "+6281200000010",
            "language": "id",
            "template": "t",
            "attempted_at": self.now,
            "updated_at": self.now,
        }
        if rung < RUNGS:
            store.write(self.connection, [row])
            self.deliveries.append(key)
            update = t.notification.update().where(N.id == self.key)
            self.connection.execute(update.values(rung=rung + 1))

    def _hear(self, one: Happening, delivery: DeliveryId) -> None:
        if one.what == "outcome":
            store.record(self.connection, {delivery: OUTCOMES[one.outcome]}, now=self.now)
            return
        state = DeliveryState(one.state) if one.state else None
        record_receipts(self.connection, [Receipt("memory", state, {}, delivery_id=delivery)], now=self.now)
        self.receipts += 1


@pytest.fixture(scope="module")
def memory() -> Iterator[Engine]:
    engine = open_engine("sqlite://")
    t.metadata.create_all(engine)
    yield engine
    engine.dispose()


@settings(
    max_examples=250,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(story=happenings)
def test_states_move_only_along_the_tables(memory: Engine, story: list[Happening]) -> None:
    """Promise 9; protocol 7: whoever comes second changes nothing."""
    with memory.connect() as connection:
        ledger = Ledger(connection)
        for one in story:
            before, deliveries = ledger.state, ledger.states
            ledger.happen(one)
            after = ledger.state
            assert after is before or after in NOTIFICATION_MOVES[before], one
            assert not (after is NotificationState.SCHEDULED and after is not before), one
            for key, state in ledger.states.items():
                old = deliveries.get(key, DeliveryState.ATTEMPTING)
                assert state is old or state in DELIVERY_MOVES[old], one
        kept = connection.scalar(select(func.count()).select_from(t.receipt))
        assert kept == ledger.receipts
        connection.rollback()


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(story=happenings)
def test_what_was_settled_says_what_its_deliveries_prove(memory: Engine, story: list[Happening]) -> None:
    """S72: after settling, a proof of delivery is believed unless it had ended untold; nothing settled is due again."""
    with memory.connect() as connection:
        ledger = Ledger(connection)
        for one in story:
            ledger.happen(one)
        before = ledger.state
        settle(connection, [ledger.key], now=ledger.now)
        row = connection.execute(select(t.notification).where(N.id == ledger.key)).one()
        states = set(ledger.states.values())
        if states & PROVED and NotificationState.DELIVERED in {before, *NOTIFICATION_MOVES[before]}:
            assert row.state == NotificationState.DELIVERED
        if row.state not in (NotificationState.SCHEDULED, NotificationState.SENT):
            assert row.next_attempt_at is None
        if row.state == NotificationState.UNDELIVERABLE:
            assert not states & PROVED
        again = connection.execute(select(t.notification).where(N.id == ledger.key)).one()
        settle(connection, [ledger.key], now=ledger.now)
        once_more = connection.execute(select(t.notification).where(N.id == ledger.key)).one()
        assert (again.state, again.told_at, again.next_attempt_at) == (
            once_more.state,
            once_more.told_at,
            once_more.next_attempt_at,
        )
        connection.rollback()
