"""How the relay offers: what fits into the queues, the nearest deadline first, urgent ones past every bound."""

from collections.abc import Sequence
from datetime import timedelta
from threading import Event

from sqlalchemy import Engine

from notifier.model import NotificationId
from notifier.relay import relay
from notifier.store.engine import writing
from notifier.worker import MOST_WAITING, Queue, embedded_broker, working
from tests.outbox_rows import NOW, a_notification, a_party


def due(engine: Engine, count: int, *, urgent: bool = False) -> list[NotificationId]:
    """So many that are due, each with a nearer deadline than the one before; answers them nearest deadline first."""
    found = []
    with writing(engine) as connection:
        party = a_party(connection)
        for number in range(count):
            ends = NOW + timedelta(days=30 - number)
            found.append(
                a_notification(
                    connection, party, state="scheduled", urgent=urgent, next_attempt_at=NOW, useful_until=ends
                )
            )
    return found[::-1]


#: Longer than any of these tests looks ahead: nothing is offered twice.
PATIENCE = timedelta(hours=1)


class Rung:
    """Remembers what was offered."""

    def __init__(self, engine: Engine, **settings: int) -> None:
        self.engine, self.settings = engine, settings
        self.offered: list[tuple[list[NotificationId], bool]] = []

    def at(self, seconds: float, *, room: int = 1_000) -> list[NotificationId]:
        """What one tick of the relay offers, in order."""
        self.offered.clear()
        left = {True: room, False: room}

        def ring(ids: Sequence[NotificationId], urgent: bool) -> None:
            left[urgent] -= 1
            self.offered.append((list(ids), urgent))

        now = NOW + timedelta(seconds=seconds)
        relay(
            self.engine,
            ring,
            now=now,
            batch_size=4,
            patience=PATIENCE,
            room=lambda urgent: left[urgent],
            **self.settings,
        )
        return [key for ids, _ in self.offered for key in ids]


def test_one_tick_offers_all_that_is_due_however_small_its_parts(engine: Engine) -> None:
    ids = due(engine, 11)
    assert Rung(engine, limit=3).at(0) == ids
    assert Rung(engine).at(1) == []


def test_what_the_queues_have_no_room_for_waits_for_a_later_tick(engine: Engine) -> None:
    ids = due(engine, 11)
    rung = Rung(engine)
    assert rung.at(0, room=2) == ids[:8]
    assert rung.at(2, room=0) == []
    assert rung.at(4, room=2) == ids[8:]


def test_a_full_queue_of_ordinary_ones_holds_up_no_urgent_one(engine: Engine) -> None:
    ordinary, urgent = due(engine, 6), due(engine, 3, urgent=True)
    queue = Queue(embedded_broker(), lambda ids: None)
    for number in range(MOST_WAITING):
        queue.offer([NotificationId(10_000 + number)], urgent=False)
    assert (queue.room(False), queue.room(True)) == (0, MOST_WAITING)
    offered: list[NotificationId] = []
    relay(engine, lambda ids, _: offered.extend(ids), now=NOW, batch_size=4, patience=PATIENCE, room=queue.room)
    assert offered == urgent
    assert ordinary


def test_each_queue_has_threads_of_its_own() -> None:
    """Urgent batches that hang do not keep ordinary ones from leaving, nor the other way round."""
    for hanging in (True, False):
        may_end, other_came = Event(), Event()

        def deliver(ids: Sequence[NotificationId], may_end: Event = may_end, came: Event = other_came) -> None:
            if ids[0] == 1:
                assert may_end.wait(20)
            else:
                came.set()

        queue = Queue(embedded_broker(), deliver)
        for _ in range(20):
            queue.offer([NotificationId(1)], urgent=hanging)
        queue.offer([NotificationId(2)], urgent=not hanging)
        with working(queue, threads=2):
            came = other_came.wait(20)
            may_end.set()
        assert came


def test_ordinary_ones_are_released_at_the_pace_of_the_office_and_urgent_ones_at_once(engine: Engine) -> None:
    """S32: spread over the window, the nearest deadline first."""
    ordinary, urgent = due(engine, 30), due(engine, 5, urgent=True)
    rung = Rung(engine, per_minute=60)
    # Ten seconds' worth may leave at once after a pause; then one a second.
    assert rung.at(0) == [*urgent, *ordinary[:10]]
    assert rung.at(2) == ordinary[10:12]
    assert rung.at(2) == []
    assert rung.at(7) == ordinary[12:17]
    assert rung.at(600) == ordinary[17:27]
    assert rung.at(603) == ordinary[27:]


def test_a_pace_slower_than_one_in_ten_seconds_is_kept_too(engine: Engine) -> None:
    """S32."""
    ids = due(engine, 3)
    rung = Rung(engine, per_minute=2)
    assert [rung.at(second) for second in (0, 10, 29, 30, 59, 60)] == [ids[:1], [], [], ids[1:2], [], ids[2:]]
