"""The words of many e-mails are kept once, and every message comes back from the ledger as it left."""

import json
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import Engine, select

from notifier.model import Channel, EmailMessage, NotificationId, Unknown
from notifier.retain import retain
from notifier.store import tables as t
from notifier.store.deliveries import read_deliveries
from notifier.store.engine import reading, writing
from notifier.store.packing import keep_letters, unpack
from tests.test_merging import itas, person, rule, world_of
from tests.world import World, wib

NAMES = ("BUDI SANTOSO", "O'BRIEN & SONS", "SITI", "A | B", "100% %s", "王伟", "SUKARNO")


def several(engine: Engine, folder: Path) -> World:
    """So many have an ITAS that ends on one day that some of their letters are filled in."""
    world = world_of(engine, folder, rule(via="email"))
    for number, name in enumerate(NAMES):
        person(world, f"p{number}", phone=None, email=f"p{number}@mail.example", name=name)
        itas(world, f"2D11AB{number:04}", f"p{number}", date(2026, 6, 10))
    return world.at("2026-05-11 10:00")


def letters(world: World) -> dict[str, date]:
    with reading(world.engine) as connection:
        return {row.key: row.used_on for row in connection.execute(select(t.letter))}


def kept(world: World) -> dict[int, EmailMessage]:
    """Every message as the ledger gives it back."""
    ids = [NotificationId(row.id) for row in world.notifications()]
    with reading(world.engine) as connection:
        found = [one for ones in read_deliveries(connection, ids).values() for one in ones]
    messages = {one.id: unpack(one.message, one.id) for one in found if one.message is not None}
    return {key: message for key, message in messages.items() if isinstance(message, EmailMessage)}


def test_a_message_comes_back_as_it_left_and_the_words_of_many_are_kept_once(engine: Engine, tmp_path: Path) -> None:
    """S66."""
    world = several(engine, tmp_path)
    world.run()

    assert kept(world) == {message.delivery_id: message for message in world.sent}
    filled = [row for row in world.deliveries() if row.letter is not None]
    assert len(filled) >= 2
    assert {row.letter for row in filled} == set(letters(world))
    assert len(letters(world)) == 1
    assert all("html" not in row.message and len(json.dumps(row.message)) < 3000 for row in filled)
    strange = next(row for row in world.deliveries() if "A | B" in json.dumps(row.message))
    assert (strange.letter, "A | B" in strange.message["text"]) == (None, True)


def test_no_person_stands_in_the_words_that_many_share(engine: Engine, tmp_path: Path) -> None:
    world = several(engine, tmp_path)
    world.run()
    with reading(engine) as connection:
        forms = json.dumps([row.form for row in connection.execute(select(t.letter))])
    assert "Dear" in forms
    assert not [word for word in (*NAMES, "BRIEN", "SANTOSO", "2D11AB", "mail.example") if word in forms]


def test_a_lost_mail_is_repeated_from_the_form_with_the_same_bytes(engine: Engine, tmp_path: Path) -> None:
    """S66."""
    world = several(engine, tmp_path)
    world.carriers[Channel.EMAIL].answer = lambda message: Unknown("the connection broke")
    world.run()
    first = [message for message in world.sent if isinstance(message, EmailMessage)]
    world.forget_sent()

    world.at("2026-05-12 10:00").run()

    again = [message for message in world.sent if isinstance(message, EmailMessage)]
    assert len(first) == len(NAMES)
    words = [
        sorted((one.message_id, one.to, one.subject, one.text, one.html) for one in each) for each in (first, again)
    ]
    assert words[0] == words[1]
    assert [row.letter for row in world.deliveries()[: len(NAMES)] if row.letter] == [
        row.letter for row in world.deliveries()[len(NAMES) :] if row.letter
    ]
    assert set(letters(world).values()) == {date(2026, 5, 12)}


def test_the_words_go_when_no_message_that_is_kept_needs_them(engine: Engine, tmp_path: Path) -> None:
    world = several(engine, tmp_path)
    world.carriers[Channel.EMAIL].answer = lambda message: Unknown("the connection broke")
    world.run()

    def retained(at: str) -> None:
        retain(engine, world.rules, messages_for=timedelta(days=90), log_for=timedelta(days=730), now=wib(at))

    retained("2026-08-01 03:00")
    assert len(letters(world)) == 1
    retained("2026-10-01 03:00")  # what became of them is not known: they may have to be repeated
    assert len(letters(world)) == 1
    assert len(kept(world)) == len(NAMES)
    with writing(engine) as connection:
        connection.execute(t.delivery.update().values(state="accepted"))
    retained("2026-10-02 03:00")
    assert (letters(world), kept(world)) == ({}, {})


def test_a_message_whose_form_is_gone_is_as_one_whose_text_is_gone(engine: Engine, tmp_path: Path) -> None:
    world = several(engine, tmp_path)
    world.run()
    with writing(engine) as connection:
        connection.execute(t.letter.delete())
    assert set(kept(world)) == {row.id for row in world.deliveries() if row.letter is None}


def test_the_day_of_last_use_moves_on_and_the_form_stays(engine: Engine, tmp_path: Path) -> None:
    world = several(engine, tmp_path)
    world.run()
    (form,) = {message.filled.form for message in kept(world).values() if message.filled is not None}
    for day in (date(2026, 5, 11), date(2026, 5, 20), date(2026, 5, 15)):
        with writing(engine) as connection:
            keep_letters(connection, [form, form], on=day)
    assert letters(world) == {form.key: date(2026, 5, 20)}
