"""One message for several documents or for a household: who is told together, and what becomes of each (S77-S81)."""

import random
import re
import shutil
import threading
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from notifier.batch import BatchReport, Bundle, Sending, gather
from notifier.dispatch import Dispatcher
from notifier.intake.importer import import_files
from notifier.model import (
    Accepted,
    Action,
    Channel,
    DeliveryState,
    EmailMessage,
    Message,
    NotificationId,
    Outcome,
    Reason,
    Rejected,
    Unknown,
)
from notifier.officer import read_story, resend
from notifier.store import tables as t
from notifier.store.claims import claim
from notifier.store.engine import reading, writing
from notifier.store.records import PartyRecord
from notifier.store.register import put_parties
from tests.world import PROJECT, World, wib

PHONE = "+6281234500001"
BASE = """
rule: {name}
title: A permit is extended in time
legal basis: public service
for: permit
when:
  type: ITAS
unless:
  status: [renewal protected, renewed, departed]
to: {to}
via: {via}
template: itas/extension
{more}
steps:
{steps}
"""
STEPS = """
  month:
    send: 30 days before expiry
  three-days:
    send: 3 days before expiry
"""


def rule(name: str = "stay", *, to: str = "holder", via: str = "whatsapp", more: str = "", steps: str = STEPS) -> str:
    return BASE.format(name=name, to=to, via=via, more=more, steps=steps.strip("\n"))


def world_of(engine: Engine, folder: Path, *rules: str, now: str = "2026-03-02 08:00") -> World:
    """A world whose only rules are these."""
    folder = folder / "rules"
    folder.mkdir()
    for name in ("windows.yaml", "documents.yaml", "calendar.yaml"):
        shutil.copy(PROJECT / "rules" / name, folder / name)
    for text in rules:
        (folder / f"{text.split()[1]}.yaml").write_text(text)
    world = World(engine, rules=folder, now=now)
    world.run()
    return world


def person(world: World, number: str, *, phone: str | None = PHONE, email: str | None = None, **values: Any) -> None:
    contacts = {Channel.WHATSAPP: phone, Channel.SMS: phone, Channel.EMAIL: email}
    record = PartyRecord(number, {"kind": "person", "name": number.upper(), "language": "en", **values}, contacts)
    with writing(world.engine) as connection:
        world.must(put_parties(connection, [record], now=world.now))


def itas(world: World, number: str, holder: str, expiry: date, **values: Any) -> None:
    """All issued on one day, else the later one would count as the renewal of the earlier (S56)."""
    world.permit(number, holder, type="ITAS", extendable=True, issue=date(2025, 5, 5), expiry=expiry, **values)


def members(world: World) -> list[tuple[int, list[int]]]:
    """Of each delivery the notification that words it and the others it tells."""
    with reading(world.engine) as connection:
        pairs = connection.execute(select(t.delivery_member)).all()
    return [
        (one.notification_id, sorted(pair.notification_id for pair in pairs if pair.delivery_id == one.id))
        for one in world.deliveries()
    ]


def states(world: World) -> list[tuple[str, str | None]]:
    return [(row.state, row.reason) for row in world.notifications()]


def two_permits(world: World, *, first: date = date(2026, 6, 10), second: date = date(2026, 6, 11)) -> None:
    person(world, "budi", email="budi@mail.example")
    itas(world, "2D1", "budi", first)
    itas(world, "2D2", "budi", second)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


# ------------------------------------------------------------------------------------------ who is told together


def family(world: World, **values: Any) -> None:
    """Father, mother and three children (told through their mother) on one telephone."""
    for number in ("father", "mother"):
        person(world, number, birth_date=date(1985, 1, 5), **values)
    for number in ("child1", "child2", "child3"):
        person(world, number, phone=None, birth_date=date(2015, 1, 5))
    for number in ("father", "mother"):
        itas(world, f"2D-{number}", number, date(2026, 5, 10))
    for number in ("child1", "child2", "child3"):
        itas(world, f"2D-{number}", number, date(2026, 5, 12), roles={"guardian": ["mother"]})


def test_a_family_of_five_on_one_telephone_gets_one_message_for_each_day(engine: Engine, folder: Path) -> None:
    """N2, S80: T-30 falls together on 10 April; T-3 on 7 and 8 May: three messages, and every permit has its rows."""
    world = world_of(engine, folder, rule())
    family(world, household="H1")
    days = {}
    for day in ("2026-04-09", "2026-04-10", "2026-04-12", "2026-05-07", "2026-05-08", "2026-05-11"):
        world.forget_sent()
        world.at(f"{day} 10:00").run()
        days[day] = len(world.sent)

    assert days == {
        "2026-04-09": 0,
        "2026-04-10": 1,
        "2026-04-12": 0,
        "2026-05-07": 1,
        "2026-05-08": 1,
        "2026-05-11": 0,
    }
    assert [len(others) for _, others in members(world)] == [4, 1, 2]
    told = [row for row in world.notifications() if row.told_at is not None]
    assert len(told) == len({(row.subject_id, row.step) for row in told}) == 10
    assert {row.state for row in told} == {"delivered"}


def test_strangers_who_share_a_number_are_never_put_into_one_message(engine: Engine, folder: Path) -> None:
    """N2, S80: without a declared household each gets a message of his own, and so do two households."""
    world = world_of(engine, folder, rule())
    for number, household in (("ann", None), ("bob", None), ("cas", "H1"), ("dan", "H2")):
        person(world, number, household=household)
        itas(world, f"2D-{number}", number, date(2026, 6, 10))

    world.at("2026-05-11 10:00").run()

    assert len(world.sent) == 4
    assert all(others == [] for _, others in members(world))


def test_a_household_with_two_numbers_gets_two_messages(engine: Engine, folder: Path) -> None:
    """S80: one message can reach only people who are reached at one address."""
    world = world_of(engine, folder, rule())
    for number, phone in (("ann", PHONE), ("bob", "+6281234500002"), ("cas", PHONE)):
        person(world, number, phone=phone, household="H1")
        itas(world, f"2D-{number}", number, date(2026, 6, 10))

    world.at("2026-05-11 10:00").run()

    assert sorted(message.to for message in world.sent) == [PHONE, "+6281234500002"]


def test_a_household_is_reached_over_the_addresses_of_all_its_members(engine: Engine, folder: Path) -> None:
    """S80: she has the telephone, he the telephone and an address of e-mail: one message on each channel."""
    world = world_of(engine, folder, rule(via="whatsapp and email"))
    person(world, "ann", household="H1")
    person(world, "bob", household="H1", email="bob@mail.example")
    itas(world, "2D-ann", "ann", date(2026, 6, 10))
    itas(world, "2D-bob", "bob", date(2026, 6, 11))

    world.at("2026-05-12 10:00").run()

    assert sorted(message.to for message in world.sent) == [PHONE, "bob@mail.example"]
    assert "2 documents" in world.carriers[Channel.EMAIL].sent[0].subject


def test_what_a_rule_keeps_separate_leaves_separately(engine: Engine, folder: Path) -> None:
    """S80: `separate: yes`."""
    world = world_of(engine, folder, rule(more="separate: yes\nuncapped: yes"))
    two_permits(world, second=date(2026, 6, 10))

    world.at("2026-05-11 10:00").run()

    assert len(world.sent) == 2


def test_offices_and_rules_are_never_merged(engine: Engine, folder: Path) -> None:
    """N4, S80: each office speaks for itself, and so does each rule."""
    free = "uncapped: yes"
    world = world_of(engine, folder, rule("one", more=free), rule("two", more=free))
    world.office("batam")
    person(world, "budi")
    itas(world, "2D1", "budi", date(2026, 6, 10))
    itas(world, "2D2", "budi", date(2026, 6, 10), office="batam")

    world.at("2026-05-11 10:00").run()

    assert len(world.sent) == 4


def test_a_step_of_a_day_comes_along_with_an_earlier_one_of_that_day(engine: Engine, folder: Path) -> None:
    """S80: due on the same day is one message, when the first of them leaves; the nearest end words it."""
    steps = """
  month:
    send: 30 days before expiry
    time: 14:00
  week:
    send: 7 days before expiry
"""
    world = world_of(engine, folder, rule(steps=steps))
    two_permits(world, first=date(2026, 6, 12), second=date(2026, 5, 20))

    world.at("2026-05-13 09:00").run()
    world.at("2026-05-13 14:00").run()

    assert len(world.sent) == 1
    assert [row.step for row in world.notifications() if row.told_at is not None] == ["month", "week"]
    (leader, others), *_ = members(world)
    assert [row.step for row in world.notifications(id=leader)] == ["week"] and len(others) == 1


def test_a_step_counted_in_hours_keeps_its_instant(engine: Engine, folder: Path) -> None:
    """S80 (amended): a warning of half an hour is not told at breakfast because another case is due then."""
    text = """
rule: pay
title: Pay in time
legal basis: public service
for: case
while: awaiting payment
deadline: payment deadline
to: holder
via: whatsapp
template: case/payment-due
uncapped: yes
steps:
  hours:
    send: 2 hours before payment deadline
"""
    world = world_of(engine, folder, text)
    person(world, "budi")
    world.at("2026-05-13 08:00")
    for number, hour in (("C1", 11), ("C2", 16)):
        due = world.now.replace(hour=hour - 7)
        world.case(number, "budi", service="passport", state="awaiting payment", payment_due_at=due)

    world.at("2026-05-13 09:00").run()
    assert len(world.sent) == 1
    world.at("2026-05-13 14:00").run()
    assert len(world.sent) == 2


def test_the_urgent_step_words_the_message(engine: Engine, folder: Path) -> None:
    """S80: urgent first, then the nearest end, then the later step."""
    steps = """
  month:
    send: 30 days before expiry
  last:
    send: last working day before expiry
    urgent: yes
"""
    world = world_of(engine, folder, rule(steps=steps))
    two_permits(world, first=date(2026, 6, 12), second=date(2026, 5, 14))

    world.at("2026-05-13 09:00").run()

    (message,) = world.sent
    (leader, _), *_ = members(world)
    assert world.notifications(id=leader)[0].step == "last"
    assert "14 May 2026" in getattr(message, "text", "")


def test_a_merged_message_counts_once_for_the_caps(engine: Engine, folder: Path) -> None:
    """S81: two documents in one message take one place; another rule's message waits a day."""
    world = world_of(engine, folder, rule("first"), rule("other"))
    two_permits(world, second=date(2026, 6, 10))

    world.at("2026-05-11 10:00").run()
    assert len(world.sent) == 1
    with reading(engine) as connection:
        assert len(connection.execute(select(t.cap_use)).all()) == 1
    assert [row.reason for row in world.notifications(rule="other")] == ["cap", "cap"]

    world.at("2026-05-12 10:00").run()
    assert len(world.sent) == 2
    assert [len(others) for _, others in members(world)] == [1, 1]


# ------------------------------------------------------------------------------------- what changes on the way


def test_what_was_renewed_after_planning_drops_out_and_the_rest_goes(engine: Engine, folder: Path) -> None:
    """N2, S34, S80: the guard is asked of each, and the message tells only what is still true."""
    world = world_of(engine, folder, rule(via="email"))
    two_permits(world, second=date(2026, 6, 10))
    itas(world, "2D3", "budi", date(2026, 6, 10))
    world.at("2026-05-11 07:30").plan()
    world.permit("2D2", "budi", status="renewal protected")

    world.at("2026-05-11 10:00").send()

    (message,) = world.sent
    assert isinstance(message, EmailMessage) and "2 documents" in message.subject
    assert sorted(state for state, _ in states(world)) == ["cancelled", "sent", "sent"]
    assert world.work() == []


def climbing(engine: Engine, folder: Path) -> World:
    """Two permits told in one WhatsApp that nobody proves; SMS would follow in six hours."""
    world = world_of(engine, folder, rule(via="[whatsapp, sms after 6 hours]"))
    world.carriers[Channel.WHATSAPP].proves = False
    two_permits(world, first=date(2026, 6, 10), second=date(2026, 6, 11))
    world.at("2026-05-12 10:00").run()
    assert [(leader, others) for leader, others in members(world)] == [(1, [2])]
    return world


def test_a_shared_ladder_climbs_as_one_message(engine: Engine, folder: Path) -> None:
    """S67, S68, S80: the second rung is one message too, and settles both."""
    world = climbing(engine, folder)

    world.at("2026-05-12 16:00").run()

    assert [message.to for message in world.carriers[Channel.SMS].sent] == [PHONE]
    assert members(world) == [(1, [2]), (1, [2])]
    assert states(world) == [("delivered", "delivered")] * 2


def test_when_the_leader_drops_out_another_one_words_the_next_rung(engine: Engine, folder: Path) -> None:
    """S73, S80: what was renewed is told no more; its ladder ends, the other's climbs on alone."""
    world = climbing(engine, folder)
    world.permit("2D1", "budi", status="renewal protected")

    world.at("2026-05-12 16:00").run()

    assert members(world) == [(1, [2]), (2, [])]
    first, second = world.notifications()
    assert (first.state, first.next_attempt_at) == ("sent", None)
    assert second.state == "delivered"
    with reading(engine) as connection:
        assert connection.execute(select(t.cap_use.c.notification_id)).scalars().all() == [1]


def test_a_receipt_settles_every_member(engine: Engine, folder: Path) -> None:
    """S72, S80: one proof of delivery is a proof for all that the message told."""
    world = climbing(engine, folder)

    world.receipt(world.deliveries()[0].id, DeliveryState.DELIVERED)

    assert states(world) == [("delivered", "delivered")] * 2
    world.at("2026-05-12 16:00").run()
    assert world.carriers[Channel.SMS].sent == []


def test_a_failure_of_all_channels_is_work_for_each_member(engine: Engine, folder: Path) -> None:
    """S69, S76, S80: nobody was told of either document, and the office hears of both."""
    world = world_of(engine, folder, rule(via="[whatsapp, sms after 6 hours]"))
    for channel in (Channel.WHATSAPP, Channel.SMS):
        world.carriers[channel].answer = lambda _: Rejected(Reason.NOT_REACHABLE, Action.NEXT_CHANNEL, "63003")
    two_permits(world, second=date(2026, 6, 10))

    world.at("2026-05-11 10:00").run()

    assert members(world) == [(1, [2]), (1, [2])]
    assert {state for state, _ in states(world)} == {"undeliverable"}
    assert world.work() == ["undeliverable"] * 2
    with reading(engine) as connection:
        assert connection.execute(select(t.cap_use)).all() == []


def test_a_temporary_fault_is_tried_again_together(engine: Engine, folder: Path) -> None:
    """S80: a retry is the same message for the same documents, and still counts once."""
    world = world_of(engine, folder, rule())
    carrier = world.carriers[Channel.WHATSAPP]
    carrier.answer = lambda _: Rejected(Reason.TEMPORARY, Action.RETRY, "20503")
    two_permits(world, second=date(2026, 6, 10))
    world.at("2026-05-11 10:00").run()
    carrier.answer = lambda message: Accepted(f"ref-{message.delivery_id}")

    world.at("2026-05-11 10:02").run()

    assert members(world) == [(1, [2]), (1, [2])]
    assert {state for state, _ in states(world)} == {"delivered"}


def test_a_newer_step_ends_the_older_ladders_of_each_document(engine: Engine, folder: Path) -> None:
    """S74: the ladders of both documents end when the next step, again one message, leaves."""
    steps = """
  week:
    send: 7 days before expiry
  three-days:
    send: 3 days before expiry
"""
    world = world_of(engine, folder, rule(via="[whatsapp, sms after 240 hours]", steps=steps))
    world.carriers[Channel.WHATSAPP].proves = False
    two_permits(world, second=date(2026, 6, 10))
    world.at("2026-06-03 10:00").run()

    world.at("2026-06-05 10:00").run()
    world.at("2026-06-07 10:00").run()

    older = world.notifications(step="week")
    assert [row.reason for row in older] == ["newer step sent"] * 2
    assert [len(others) for _, others in members(world)][:2] == [1, 1]


def test_a_step_told_only_by_a_late_receipt_lets_its_follow_up_be_planned(engine: Engine, folder: Path) -> None:
    """S86: the first step failed, and a receipt said days later that it had arrived after all."""
    steps = """
  first:
    send: 30 days before expiry
  reminder:
    send: 27 days before expiry
    only after: first
"""
    world = world_of(engine, folder, rule(steps=steps))
    world.carriers[Channel.WHATSAPP].answer = lambda _: Rejected(Reason.NOT_REACHABLE, Action.NEXT_CHANNEL, "63003")
    person(world, "budi")
    itas(world, "2D1", "budi", date(2026, 6, 10))
    world.at("2026-05-11 10:00").run()
    world.at("2026-05-15 10:00").run()
    assert [row.step for row in world.notifications()] == ["first"]

    world.receipt(world.deliveries()[0].id, DeliveryState.DELIVERED)
    world.carriers[Channel.WHATSAPP].answer = lambda message: Accepted(f"ref-{message.delivery_id}")
    world.at("2026-05-15 11:00").run()

    assert [(row.step, row.state) for row in world.notifications()] == [
        ("first", "delivered"),
        ("reminder", "delivered"),
    ]


# ---------------------------------------------------------------------------------------------- crashes and races


def prepared(world: World, ids: list[int]) -> list[Sending]:
    """What a worker that took these ids in hand would send now."""
    dispatcher = world.dispatcher
    _, sendings = dispatcher._take([NotificationId(key) for key in ids], world.now, BatchReport())
    assert sendings is not None
    return sendings


def claimed_by(dispatcher: Dispatcher, ids: list[int], world: World) -> list[Bundle]:
    """What a worker has claimed and read, and has not made ready: others may come along, or one was lost."""
    bundles, sendings = dispatcher._take([NotificationId(key) for key in ids], world.now, BatchReport())
    assert sendings is None
    return bundles


def test_a_merged_mail_whose_outcome_is_unknown_is_repeated_byte_for_byte(engine: Engine, folder: Path) -> None:
    """S66, S80: the connection broke after DATA; the repeat has the same Message-ID and tells the same documents."""
    world = world_of(engine, folder, rule(via="email"))
    world.carriers[Channel.EMAIL].answer = lambda _: Unknown("the connection broke after DATA")
    two_permits(world, second=date(2026, 6, 10))
    world.at("2026-05-11 10:00").run()
    assert [row.told_at is not None for row in world.notifications()] == [True, True]
    world.carriers[Channel.EMAIL].answer = lambda message: Accepted(f"ref-{message.delivery_id}")

    world.at("2026-05-11 10:05").run()
    world.at("2026-05-12 11:00").run()

    first, second = (message for message in world.sent if isinstance(message, EmailMessage))
    assert (first.message_id, first.text, first.html) == (second.message_id, second.text, second.html)
    assert members(world) == [(1, [2]), (1, [2])]
    assert states(world) == [("delivered", "presumed delivered")] * 2


def test_a_worker_that_died_with_a_merged_message_is_succeeded_once(engine: Engine, folder: Path) -> None:
    """S66, S80: two workers find one half each after the lease; one of them repeats the message for both."""
    world = world_of(engine, folder, rule(via="email"))
    two_permits(world, second=date(2026, 6, 10))
    world.at("2026-05-11 10:00").plan()
    (lost,) = prepared(world, [1, 2])  # and here it dies

    world.at("2026-05-11 10:11")
    one, other = world.dispatcher, world.dispatcher
    halves = [claimed_by(one, [1], world), claimed_by(other, [2], world)]
    sent = [
        worker._prepare(half, {}, world.now, BatchReport()) for worker, half in zip((one, other), halves, strict=True)
    ]

    assert [len(each) for each in sent] == [1, 0]
    (repeat,) = sent[0]
    assert isinstance(repeat.message, EmailMessage) and isinstance(lost.message, EmailMessage)
    assert (repeat.message.message_id, repeat.message.text) == (lost.message.message_id, lost.message.text)
    assert members(world) == [(1, [2]), (1, [2])]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_workers_with_half_a_family_each_send_one_message(
    engine: Engine, folder: Path, order: tuple[int, int]
) -> None:
    """S80: who prepares first takes the other's half over; the other one's claim does not count any more."""
    world = world_of(engine, folder, rule())
    family(world, household="H1")
    world.at("2026-04-10 10:00").plan()
    workers = [world.dispatcher, world.dispatcher]
    halves = [[1, 2], [3, 4, 5]]
    claimed = [claimed_by(worker, half, world) for worker, half in zip(workers, halves, strict=True)]

    sendings = [workers[place]._prepare(claimed[place], {}, world.now, BatchReport()) for place in order]

    assert [len(each) for each in sendings] == [1, 0]
    assert [len(others) for _, others in members(world)] == [4]


@pytest.mark.parametrize("first", ["the earlier claim", "the later claim"])
def test_a_row_planned_between_claim_and_sending_doubles_nothing(engine: Engine, folder: Path, first: str) -> None:
    """S80: who has not seen it sends without it. That is the one way to two messages, and each tells its own."""
    world = world_of(engine, folder, rule(more="uncapped: yes"))
    person(world, "budi")
    itas(world, "2D1", "budi", date(2026, 6, 10))
    world.at("2026-05-11 10:00").plan()
    early, late = world.dispatcher, world.dispatcher
    with writing(engine) as connection:  # as in a batch of which another message has to be asked about first
        mine = claim(connection, [NotificationId(1)], now=world.now, lease=early.limits.lease)
        claimed = gather(connection, mine, early.rules, now=world.now)
    itas(world, "2D2", "budi", date(2026, 6, 10))
    world.plan()
    following = claimed_by(late, [2], world)  # knows of the first one, in the other worker's hand

    pairs = [(early, claimed), (late, following)]
    for worker, bundles in pairs if first == "the earlier claim" else reversed(pairs):
        worker._prepare(bundles, {}, world.now, BatchReport())

    expected = [(1, []), (2, [])] if first == "the earlier claim" else [(1, [2])]
    assert members(world) == expected


def test_many_workers_at_once_send_each_family_one_message(postgres_engine: Engine, folder: Path) -> None:
    """S80: real threads, each with one person's rows of eight families; nothing is lost, nothing doubled."""
    world = world_of(postgres_engine, folder, rule())
    for place in range(8):
        for number in ("a", "b", "c"):
            person(world, f"{number}{place}", phone=f"+62812345001{place:02d}", household=f"H{place}")
            itas(world, f"2D-{number}{place}", f"{number}{place}", date(2026, 6, 10))
    world.at("2026-05-11 10:00").plan()
    ids = [row.id for row in world.notifications()]
    barrier = threading.Barrier(3)
    faults: list[Exception] = []

    def work(mine: list[int]) -> None:
        barrier.wait()
        try:
            world.wait_for(world.dispatcher.dispatch([NotificationId(key) for key in mine]))
        except Exception as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(ids[place::3],)) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert len(world.sent) == 8
    assert {row.state for row in world.notifications()} == {"delivered"}


# ---------------------------------------------------------------------------------------------------- by hand


@pytest.mark.parametrize("which", [1, 2])
def test_sending_one_document_again_leaves_the_others_as_they_were(engine: Engine, folder: Path, which: int) -> None:
    """S80: whether it worded the message or was told in it, only its own story begins anew."""
    world = climbing(engine, folder)
    world.receipt(world.deliveries()[0].id, DeliveryState.DELIVERED)
    with writing(engine) as connection:
        assert resend(connection, read_story(connection, NotificationId(which)), now=world.now) is None
    world.at("2026-05-13 10:00").run()

    other = world.notifications(id=3 - which)[0]
    assert (other.state, other.told_at is not None) == ("delivered", True)
    assert len(world.carriers[Channel.WHATSAPP].sent) == 2
    assert members(world)[-1] == (which, [])
    with reading(engine) as connection:
        stories = [read_story(connection, NotificationId(key)) for key in (1, 2)]
    assert sorted(len(story.deliveries) for story in stories) == [1, 2]


def test_the_story_of_each_document_names_the_shared_message(engine: Engine, folder: Path) -> None:
    """S77, S80: each row keeps its story: the acceptance, and the receipt that came for all."""
    world = climbing(engine, folder)
    world.receipt(world.deliveries()[0].id, DeliveryState.DELIVERED)

    for number in ("2D1", "2D2"):
        told = [(line.what, line.detail) for line in world.trace(number)]
        assert ("accepted", "whatsapp, one message for 2") in told
        assert ("receipt", "whatsapp delivered") in told


# ------------------------------------------------------------------------------------------------------- fold

FOLD = """
  month:
    send: 30 days before expiry
    late: fold
  week:
    send: 7 days before expiry
"""


def test_what_is_late_and_folds_is_told_in_the_next_message_of_its_rule(engine: Engine, folder: Path) -> None:
    """S40: late, it waits; the next message to the same person tells it too."""
    world = world_of(engine, folder, rule(steps=FOLD))
    person(world, "budi")
    world.at("2026-05-20 08:00")
    itas(world, "2D1", "budi", date(2026, 6, 12))  # its month was on 13 May

    world.run()
    assert world.sent == []
    assert states(world) == [("scheduled", None)]
    (answer,) = (one for one in world.explain("2D1").answers if one.decision.step.name == "month")
    assert answer.decision.reason is Reason.FOLD

    itas(world, "2D2", "budi", date(2026, 6, 1))
    world.at("2026-05-25 10:00").run()

    assert [len(others) for _, others in members(world)] == [2]  # and the month of 2D2, which was late as well
    told = [(row.step, row.state) for row in world.notifications() if row.told_at is not None]
    assert sorted(told) == [("month", "delivered"), ("month", "delivered"), ("week", "delivered")]
    assert "(and 1 more document)" in getattr(world.sent[0], "text", "")


def test_what_folds_and_finds_no_message_expires_with_work_for_the_office(engine: Engine, folder: Path) -> None:
    """S40: nobody was told, and the office hears of it."""
    steps = FOLD.split("  week:")[0]
    world = world_of(engine, folder, rule(steps=steps))
    person(world, "budi")
    world.at("2026-05-20 08:00")
    itas(world, "2D1", "budi", date(2026, 6, 12))
    world.run()

    world.at("2026-06-13 00:01").run()

    assert world.sent == []
    assert [state for state, _ in states(world)] == ["expired"]
    assert world.work() == ["expired"]


def test_what_folds_goes_by_itself_while_it_is_not_late(engine: Engine, folder: Path) -> None:
    """S40: on its own day it is a message like any other."""
    world = world_of(engine, folder, rule(steps=FOLD))
    person(world, "budi")
    itas(world, "2D1", "budi", date(2026, 6, 12))

    world.at("2026-05-13 10:00").run()

    assert [row.step for row in world.notifications() if row.told_at is not None] == ["month"]


def test_the_list_of_a_merged_mail_names_each_document_once(engine: Engine, folder: Path) -> None:
    """S80: the text follows the most urgent; the list has every document, its numbers masked as in any text."""
    world = world_of(engine, folder, rule(via="email"))
    two_permits(world, first=date(2026, 6, 10), second=date(2026, 6, 11))

    world.at("2026-05-12 10:00").run()

    (message,) = world.sent
    assert isinstance(message, EmailMessage)
    assert re.search("10 June 2026", message.text) and re.search("11 June 2026", message.text)


# --------------------------------------------------------------------------------------------------- the promise


def test_the_register_learns_households_from_a_column(sqlite_engine: Engine, folder: Path) -> None:
    """S80: people with the same word in `household` are declared to share a telephone; an empty cell takes it away."""
    people = folder / "people.csv"
    for word in ("H1", ""):
        people.write_text(f"number,name,phone,household\nP1,ANN,0812 3450 0001,{word}\n")
        import_files(sqlite_engine, [people], now=wib("2026-03-02"))
        with reading(sqlite_engine) as connection:
            assert connection.execute(select(t.party.c.household)).scalar_one() == (word or None)


@pytest.mark.parametrize("seed", range(4))
def test_with_providers_that_fail_at_random_nothing_is_lost_and_nothing_told_twice(
    sqlite_engine: Engine, folder: Path, seed: int
) -> None:
    """S52, S66, S69, S80: families, retries, lost outcomes and renewals on the way; every row comes to its end."""
    dice = random.Random(seed)
    world = world_of(sqlite_engine, folder, rule(via="[email, sms after 6 hours]", more="uncapped: yes"))
    taken: dict[str, int] = {}

    def answer(message: Message) -> Outcome:
        chance = dice.random()
        if chance < 0.2:
            return Rejected(Reason.TEMPORARY, Action.RETRY, "451")
        taken[name_of(message)] = taken.get(name_of(message), 0) + 1
        if chance < 0.35:
            return Unknown("the connection broke after DATA")
        if chance < 0.45:
            del taken[name_of(message)]
            return Rejected(Reason.NOT_REACHABLE, Action.NEXT_CHANNEL, "550")
        return Accepted(f"ref-{message.delivery_id}")

    for channel in (Channel.EMAIL, Channel.SMS):
        world.carriers[channel].answer = answer
    for place in range(12):
        house = f"H{place % 4}"
        person(world, f"p{place}", phone=f"+6281234500{place % 4:03d}", email=f"{house}@mail.example", household=house)
        for number in range(dice.randint(1, 2)):
            itas(world, f"2D{place}-{number}", f"p{place}", date(2026, 6, 10) + timedelta(days=dice.randint(0, 2)))
    world.at("2026-05-11 09:00")
    for turn in range(60):
        world.run()
        if turn == 10:
            world.permit("2D3-0", "p3", status="renewal protected")
        world.clock.at += timedelta(hours=2) if turn > 3 else timedelta(minutes=7)

    rows = world.notifications()
    assert {row.next_attempt_at for row in rows} == {None}, "something still waits"
    assert {row.state for row in rows} <= {"delivered", "undeliverable", "cancelled", "sent"}
    told: dict[int, list[Any]] = {}
    for one, others in zip(world.deliveries(), members(world), strict=True):
        for key in (others[0], *others[1]):
            told.setdefault(key, []).append(one)
    for row in rows:
        mine = told.get(row.id, [])
        for rung in (0, 1):  # of one rung at most one try was taken for certain
            assert sum(one.rung == rung and one.state in ("accepted", "delivered") for one in mine) <= 1
        assert (row.told_at is not None) == any(one.state in ("accepted", "delivered", "unknown") for one in mine)
    # A provider that takes one mail twice was given the same Message-ID, so that a double is one mail.
    assert all(count == 1 for name, count in taken.items() if not name.startswith("<"))


def name_of(message: Message) -> str:
    return message.message_id if isinstance(message, EmailMessage) else f"delivery {message.delivery_id}"
