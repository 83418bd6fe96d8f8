"""What leaves as one message is previewed as one: the preview is held against what is sent (S77, S80)."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine

from notifier.model import EmailMessage, Message
from notifier.preview import Leaf, preview
from tests.test_merging import itas, person, rule, two_permits, world_of
from tests.world import World

DIGEST = """
  month:
    send: 30 days before expiry
    via: email
    digest: daily at 07:45
"""


def leaves(world: World, number: str, now: str) -> list[Leaf]:
    found = preview(world.engine, world.rules, world.calendar_of, world.renderer, "stay", number, now=world.at(now).now)
    return [leaf for one in found for leaf in one.leaves if leaf.message is not None]


def words(message: Message | None) -> tuple[str, str]:
    assert message is not None
    subject = message.subject if isinstance(message, EmailMessage) else ""
    return subject, message.text


@pytest.mark.parametrize("number", ["2D1", "2D2"])
def test_two_documents_of_a_person_are_previewed_as_the_one_message_they_leave_in(
    engine: Engine, tmp_path: Path, number: str
) -> None:
    """S80: whichever of the two the help desk asks about, it sees the same message, and the other's number."""
    world = world_of(engine, tmp_path, rule())
    two_permits(world, second=date(2026, 6, 10))
    shown = leaves(world, number, "2026-05-11 10:00")
    assert [leaf.others for leaf in shown] == [("2D2",)]

    world.run()
    assert [words(message) for message in world.sent] == [words(leaf.message) for leaf in shown]


def test_a_household_is_previewed_as_one(engine: Engine, tmp_path: Path) -> None:
    """S80: three passports behind one telephone are one message to whoever words it."""
    world = world_of(engine, tmp_path, rule())
    for place, name in enumerate(("ani", "budi", "citra")):
        person(world, name, household="KK-1")
        itas(world, f"2D{place}", name, date(2026, 6, 10))
    shown = leaves(world, "2D2", "2026-05-11 10:00")
    assert [leaf.others for leaf in shown] == [("2D1", "2D2")]

    world.run()
    assert [words(message) for message in world.sent] == [words(leaf.message) for leaf in shown]


def test_a_digest_is_previewed_with_all_that_its_slot_lists(engine: Engine, tmp_path: Path) -> None:
    """S77: looked at the evening before, as it will read at its slot."""
    world = world_of(
        engine, tmp_path, rule(steps=DIGEST, more="to: sponsor", to="sponsor").replace("to: sponsor\n", "", 1)
    )
    person(world, "pt", kind="organisation", email="hr@pt.example")
    for place, name in enumerate(("ani", "budi")):
        person(world, name)
        itas(world, f"2D{place}", name, date(2026, 6, 10), roles={"sponsor": ["pt"]})
    shown = leaves(world, "2D1", "2026-05-10 20:00")
    assert [leaf.others for leaf in shown] == [("2D1",)]

    world.days("2026-05-10", "2026-05-12")
    assert [words(message)[0] for message in world.sent] == [words(shown[0].message)[0]]


def test_strangers_and_other_offices_are_no_company(engine: Engine, tmp_path: Path) -> None:
    """S80: the same telephone alone makes nobody a household; another office's document leaves apart."""
    world = world_of(engine, tmp_path, rule())
    world.office("ambon", "Asia/Jayapura")
    person(world, "ani")
    person(world, "budi")
    itas(world, "2D1", "ani", date(2026, 6, 10))
    itas(world, "2D2", "budi", date(2026, 6, 10))
    itas(world, "2D3", "ani", date(2026, 6, 10), office="ambon")

    assert [leaf.others for leaf in leaves(world, "2D1", "2026-05-11 10:00")] == [()]
