"""Callbacks are safe as they came, and become receipts afterwards: each once, whoever does it."""

import logging
import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest
from outbox_rows import NOW, a_delivery
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.exc import OperationalError

from notifier import callbacks
from notifier.model import DeliveryState
from notifier.store import callbacks as store
from notifier.store import tables
from notifier.store.engine import open_engine, writing


def keep(engine: Engine, *raws: store.Raw, at: timedelta = timedelta()) -> None:
    with writing(engine) as connection:
        store.keep(connection, raws, now=NOW + at)


def count(engine: Engine, name: str) -> int:
    with writing(engine) as connection:
        return connection.scalar(select(func.count()).select_from(tables.metadata.tables[name])) or 0


def some_deliveries(engine: Engine, number: int) -> list[int]:
    with writing(engine) as connection:
        return [a_delivery(connection, state=DeliveryState.ACCEPTED) for _ in range(number)]


def states(engine: Engine) -> list[str]:
    with writing(engine) as connection:
        return list(connection.scalars(select(tables.delivery.c.state).order_by(tables.delivery.c.id)))


def test_callbacks_become_receipts_and_leave_nothing_behind(engine: Engine) -> None:
    one, other = some_deliveries(engine, 2)
    keep(engine, (one, "MessageSid=SM1&MessageStatus=delivered&To=%2B62"), (None, "MessageSid=SM9"))
    keep(engine, (other, "MessageStatus=undelivered&ErrorCode=30008"), at=timedelta(seconds=3))

    assert (callbacks.apply(engine), callbacks.apply(engine)) == (3, 0)

    assert states(engine) == ["delivered", "failed"]
    with writing(engine) as connection:
        raw = connection.scalar(select(tables.receipt.c.raw).where(tables.receipt.c.delivery_id == one))
    assert raw == {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "+62"}
    assert (count(engine, "receipt"), count(engine, "callback")) == (3, 0)


def test_what_waited_for_hours_happened_when_it_came(engine: Engine) -> None:
    (one,) = some_deliveries(engine, 1)
    keep(engine, (one, "MessageStatus=delivered"))
    callbacks.apply_all(engine)
    with writing(engine) as connection:
        assert connection.scalar(select(tables.delivery.c.outcome_at)) == NOW
        assert connection.scalar(select(tables.receipt.c.received_at)) == NOW


def test_whatever_is_posted_costs_no_other(engine: Engine) -> None:
    (one,) = some_deliveries(engine, 1)
    keep(engine, (None, ""), (None, "=&%&%00=%ff"), (one, "MessageStatus=read"), (one, "MessageStatus=\ufffd%00"))
    callbacks.apply_all(engine)
    assert (states(engine), count(engine, "receipt"), count(engine, "callback")) == (["read"], 4, 0)


def test_a_group_that_cannot_be_applied_is_set_aside_and_tried_again_later(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    deliveries = some_deliveries(engine, 5)
    with writing(engine) as connection:
        bad = connection.scalar(select(tables.delivery.c.notification_id).where(tables.delivery.c.id == deliveries[1]))
    for delivery in deliveries:
        keep(engine, (delivery, "MessageStatus=read"))

    def settle(_connection: object, ids: Sequence[int], /, *, now: object) -> None:
        if bad in ids:
            raise RuntimeError

    with caplog.at_level(logging.ERROR):
        while callbacks.apply(engine, settle=settle):
            pass
    assert states(engine) == ["read", "accepted", "read", "read", "read"]
    assert (count(engine, "receipt"), count(engine, "callback")) == (4, 1)
    assert "RuntimeError" in caplog.text

    callbacks.take_up_again(engine)
    callbacks.apply_all(engine)
    assert states(engine) == ["read"] * 5


def test_a_callback_that_cannot_be_applied_holds_back_none_that_came_with_it(engine: Engine) -> None:
    deliveries = some_deliveries(engine, 5)
    with writing(engine) as connection:
        bad = connection.scalar(select(tables.delivery.c.notification_id).where(tables.delivery.c.id == deliveries[1]))
    keep(engine, *((delivery, "MessageStatus=read") for delivery in deliveries))

    def settle(_connection: object, ids: Sequence[int], /, *, now: object) -> None:
        if bad in ids:
            raise RuntimeError

    while callbacks.apply(engine, settle=settle):
        pass
    assert states(engine) == ["read", "accepted", "read", "read", "read"]
    with writing(engine) as connection:
        row = connection.execute(select(tables.callback)).one()
    assert (row.set_aside, row.received_at) == (True, NOW)
    assert row.forms == f'[[{deliveries[1]}, "MessageStatus=read"]]'


def test_a_callback_that_the_database_refuses_is_kept_as_it_came(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = some_deliveries(engine, 2)
    keep(engine, (one, "MessageStatus=read"), (2**80, "MessageStatus=read"), (other, "MessageStatus=read"))
    callbacks.apply_all(engine)
    assert states(engine) == ["read", "read"]
    with writing(engine) as connection:
        row = connection.execute(select(tables.callback)).one()
    assert (row.set_aside, row.forms) == (True, f'[[{2**80}, "MessageStatus=read"]]')


def test_a_database_that_is_away_loses_nothing(engine: Engine) -> None:
    (one,) = some_deliveries(engine, 1)
    keep(engine, (one, "MessageStatus=read"))

    def settle(_connection: object, _ids: object, /, *, now: object) -> None:
        raise OperationalError("", {}, Exception())

    with pytest.raises(OperationalError):
        callbacks.apply(engine, settle=settle)
    assert (states(engine), count(engine, "receipt"), count(engine, "callback")) == (["accepted"], 0, 1)


def test_several_apply_at_once_and_each_callback_becomes_one_receipt(postgres_engine: Engine) -> None:
    deliveries = some_deliveries(postgres_engine, 60)
    for delivery in deliveries:
        keep(postgres_engine, (delivery, "MessageStatus=delivered"), (delivery, "MessageStatus=read"))
    applied: list[int] = []

    def work() -> None:
        while done := callbacks.apply(postgres_engine, most=7):
            applied.append(done)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    callbacks.apply_all(postgres_engine)
    assert states(postgres_engine) == ["read"] * 60
    assert (count(postgres_engine, "receipt"), count(postgres_engine, "callback")) == (120, 0)


def test_a_keeper_commits_each_group(engine: Engine) -> None:
    keeper = store.Keeper(engine)
    for number in range(3):
        keeper.keep([(number, "MessageStatus=sent")], now=NOW)
        assert count(engine, "callback") == number + 1
    keeper.close()
    keeper.keep([(7, "")], now=NOW)
    keeper.close()
    assert count(engine, "callback") == 4


def test_a_keeper_whose_connection_was_cut_takes_another_one(postgres_engine: Engine) -> None:
    keeper = store.Keeper(postgres_engine)
    keeper.keep([(1, "")], now=NOW)
    with writing(postgres_engine) as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()"
        connection.execute(text(f"{others} AND datname = current_database()"))
    keeper.keep([(2, "")], now=NOW)
    keeper.close()
    assert count(postgres_engine, "callback") == 2


def test_a_keeper_without_a_database_says_so(postgres_engine: Engine) -> None:
    gone = open_engine("postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")
    keeper = store.Keeper(gone)
    for _ in range(2):
        with pytest.raises(Exception, match="cannot be reached"):
            keeper.keep([(1, "")], now=NOW)
    keeper.close()
    gone.dispose()


def test_what_was_set_aside_is_not_kept_for_ever(engine: Engine) -> None:
    keep(engine, (1, "old"))
    keep(engine, (1, "new"), at=timedelta(days=2))
    keep(engine, (1, "waits"))
    with writing(engine) as connection:
        connection.execute(update(tables.callback).where(tables.callback.c.id < 3).values(set_aside=True))
        store.forget_before(connection, NOW + timedelta(days=1))
    assert count(engine, "callback") == 2
