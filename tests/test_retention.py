"""What is written about people is kept as long as it is needed; nothing that still counts goes away."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text, update

from notifier.errors import ConfigError
from notifier.model import DeliveryState
from notifier.retain import Retained, retain
from notifier.store import partitions
from notifier.store import tables as t
from notifier.store.engine import reading, writing
from tests.outbox_rows import a_delivery
from tests.test_merging import itas, person, rule, two_permits, world_of
from tests.world import World, wib

LONG_AFTER = "2028-07-01 03:00"


def told(engine: Engine, folder: Path, **values: object) -> World:
    """Somebody was reminded in May 2026, and proved to have been."""
    world = world_of(engine, folder, rule(**values))  # type: ignore[arg-type]
    person(world, "budi", email="budi@mail.example")
    itas(world, "2D1", "budi", date(2026, 6, 10))
    world.at("2026-05-11 10:00").run()
    world.receipt(world.deliveries()[0].id, DeliveryState.DELIVERED)
    world.at("2026-06-09 10:00").run()
    world.receipt(world.deliveries()[1].id, DeliveryState.DELIVERED)
    return world


def rows(engine: Engine, *tables: str) -> list[int]:
    with reading(engine) as connection:
        return [connection.scalar(select(func.count()).select_from(t.metadata.tables[name])) or 0 for name in tables]


def retain_at(world: World, at: str, *, log: timedelta = timedelta(days=730)) -> Retained:
    return retain(world.engine, world.rules, messages_for=timedelta(days=90), log_for=log, now=wib(at))


def test_texts_go_after_three_months_and_the_story_stays(engine: Engine, tmp_path: Path) -> None:
    world = told(engine, tmp_path)
    assert retain_at(world, "2026-08-01 03:00") == Retained()
    assert retain_at(world, "2026-10-01 03:00") == Retained(texts=2)
    assert [row.message for row in world.deliveries()] == [None, None]
    assert world.explain("2D1").answers[0].words == "told, delivered"
    assert retain_at(world, "2026-10-02 03:00") == Retained()


def test_a_message_whose_outcome_is_open_keeps_its_text(engine: Engine, tmp_path: Path) -> None:
    world = told(engine, tmp_path)
    first = world.deliveries()[0].id
    with writing(engine) as connection:
        connection.execute(update(t.delivery).where(t.delivery.c.id == first).values(state="unknown"))
    assert retain_at(world, "2026-10-01 03:00") == Retained(texts=1)
    assert [row.message is None for row in world.deliveries()] == [False, True]


def test_after_two_years_only_figures_are_left(engine: Engine, tmp_path: Path) -> None:
    world = told(engine, tmp_path)
    done = retain_at(world, LONG_AFTER)

    assert done.notifications == 2
    assert rows(engine, "notification", "delivery", "delivery_member", "event", "receipt", "cap_use") == [0] * 6
    with reading(engine) as connection:
        past = connection.execute(select(t.past_notification).order_by(t.past_notification.c.id)).all()
    assert [(one.rule, one.step, one.state, one.messages) for one in past] == [
        ("stay", "month", "delivered", 1),
        ("stay", "three-days", "delivered", 1),
    ]
    assert {"party_id", "subject_id", "cycle", "address"}.isdisjoint(past[0]._mapping)


def test_what_is_gone_is_not_told_again(engine: Engine, tmp_path: Path) -> None:
    world = told(engine, tmp_path)
    retain_at(world, LONG_AFTER)
    world.forget_sent()
    world.at(LONG_AFTER)
    itas(world, "2D1", "budi", date(2026, 6, 10), status="active", origin="corrected")  # the record is touched
    world.run()
    assert world.sent == []
    assert world.notifications() == []


def test_what_is_open_or_young_keeps_all_of_its_rule_and_subject(engine: Engine, tmp_path: Path) -> None:
    world = told(engine, tmp_path)
    last = world.notifications()[1].id
    with writing(engine) as connection:
        connection.execute(update(t.notification).where(t.notification.c.id == last).values(next_attempt_at=world.now))
    assert retain_at(world, LONG_AFTER).notifications == 0


def test_those_told_in_one_message_go_together(engine: Engine, tmp_path: Path) -> None:
    world = world_of(engine, tmp_path, rule())
    two_permits(world, second=date(2026, 6, 10))
    world.at("2026-05-11 10:00").run()
    world.receipt(world.deliveries()[0].id, DeliveryState.DELIVERED)
    young = world.notifications()[0].id
    with writing(engine) as connection:
        connection.execute(
            update(t.notification).where(t.notification.c.id == young).values(settled_at=wib("2028-06-01 10:00"))
        )
    assert retain_at(world, LONG_AFTER).notifications == 0
    assert retain_at(world, "2030-07-01 03:00").notifications == 2


def test_work_that_nobody_has_looked_at_stays_on_the_list(engine: Engine, tmp_path: Path) -> None:
    world = world_of(engine, tmp_path, rule(via="email"))
    person(world, "budi", phone=None)
    itas(world, "2D1", "budi", date(2026, 6, 10))
    world.at("2026-05-11 10:00").run()
    assert world.work() == ["undeliverable"]
    retain_at(world, LONG_AFTER)
    assert world.work() == ["undeliverable"]


def test_a_rule_that_counts_further_back_than_the_log_is_refused(engine: Engine, tmp_path: Path) -> None:
    world = told(engine, tmp_path, more="cap: 1 in 3 years")
    with pytest.raises(ConfigError, match=r"rule stay counts .* set \[retention\] log to 1129 days"):
        retain_at(world, LONG_AFTER)


def test_the_next_months_stand_ready_and_take_over_what_came_early(postgres_engine: Engine) -> None:
    with writing(postgres_engine) as connection:
        delivery = a_delivery(connection)
        note = {"notification_id": 1, "what": "planned"}
        for at in ("2031-03-31 23:59", "2031-04-01 08:00", "2031-08-01 08:00"):
            connection.execute(t.event.insert().values(at=wib(at), **note))
        assert partitions.prepare(connection, now=wib("2031-03-15"))[:4] == [
            f"event_2031_0{month}" for month in (3, 4, 5, 6)
        ]
        assert partitions.prepare(connection, now=wib("2031-03-16")) == []
        where = connection.execute(text("SELECT tableoid::regclass::text FROM event ORDER BY at")).scalars()
        # 2031-04-01 08:00 in Jakarta is 01:00 in UTC, and months are UTC's.
        assert [one for one in where if one != "event_before"] == ["event_2031_03", "event_2031_04", "event_default"]
    assert delivery


def test_months_are_made_beside_a_writer_and_by_two_schedulers_at_once(postgres_engine: Engine) -> None:
    """Who is in the middle of writing is waited for, and its row moves too; the second finds nothing to do."""
    with writing(postgres_engine) as connection:
        a_delivery(connection)

    def make() -> list[str]:
        with writing(postgres_engine) as connection:
            return partitions.prepare(connection, now=wib("2031-03-15"))

    with ThreadPoolExecutor(2) as pool:
        with writing(postgres_engine) as connection:
            early = {"notification_id": 1, "what": "planned", "at": wib("2031-03-20 08:00")}
            connection.execute(t.event.insert().values(**early))
            made = [pool.submit(make) for _ in range(2)]
            with pytest.raises(TimeoutError):
                made[0].result(timeout=0.5)
        assert sorted(len(one.result(timeout=20)) for one in made) == [0, 8]
    with reading(postgres_engine) as connection:
        where = (
            connection.execute(text("SELECT tableoid::regclass::text FROM event ORDER BY at DESC")).scalars().first()
        )
    assert where == "event_2031_03"


def test_months_that_are_over_are_dropped(postgres_engine: Engine) -> None:
    with writing(postgres_engine) as connection:
        partitions.prepare(connection, now=wib("2031-03-15"))
        assert partitions.drop_before(connection, date(2031, 4, 1)) == ["event_2031_03", "receipt_2031_03"]
        assert partitions.drop_before(connection, date(2031, 4, 30)) == []


def test_sqlite_has_no_months(sqlite_engine: Engine) -> None:
    with writing(sqlite_engine) as connection:
        assert partitions.prepare(connection, now=wib("2031-03-15")) == []
        assert partitions.drop_before(connection, date(2031, 4, 1)) == []
