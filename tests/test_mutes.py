"""`mutes`: while one rule concerns a person's permit, another keeps silent to its recipients (S85)."""

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine

from notifier.model import NotificationState, Reason, SubjectKind
from notifier.rules.decision import Decision
from notifier.store.engine import writing
from notifier.store.records import SubjectRecord
from notifier.store.register import put_subjects
from tests.world import PROJECT, World, wib

OVERSTAY = """
rule: overstay
title: A permit has ended and nothing was filed
legal basis: legal duty
for: permit
{more}
when:
  type: ITAS
  expiry: past
unless:
  status: [renewed, departed]
to: [{to}]
via: whatsapp
template: itas/extension
deadline: 59 days after expiry
mutes: [survey]
steps:
  sixth-week:
    send: 40 days after expiry
"""
SURVEY = """
rule: survey
title: Nine questions after the service
legal basis: public service
for: case
while: [collected, issued]
to: [holder, sponsor]
via: email
template: survey/invitation
{more}
steps:
  invitation:
    send: 1 working day after state begins
"""
CLERK = """
rule: clerk
title: Who mutes the one that mutes
legal basis: legal duty
for: permit
when:
  type: ITAS
to: holder
via: email
template: itas/extension
mutes: [overstay]
steps:
  month:
    send: 30 days before expiry
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    for name in ("windows.yaml", "documents.yaml", "calendar.yaml"):
        shutil.copy(PROJECT / "rules" / name, folder)
    write(folder)
    return folder


def write(folder: Path, *, to: str = "holder", more: str = "", survey: str = "") -> Path:
    (folder / "overstay.yaml").write_text(OVERSTAY.format(to=to, more=more))
    (folder / "survey.yaml").write_text(SURVEY.format(more=survey))
    return folder


def office(engine: Engine, folder: Path, *, expiry: date = date(2026, 5, 1), about: str | None = "2D-A") -> World:
    """On 11 May a permit of the holder has ended, and an application (about it, or about none) is collected."""
    world = World(engine, rules=folder, now="2026-01-05")
    world.plan()
    world.person("H", "HOLDER")
    world.person("S", "SPONSOR")
    world.at("2026-05-11 09:00")
    permit(world, expiry=expiry)
    case(world, about)
    return world


def permit(world: World, *, expiry: date = date(2026, 5, 1), status: str = "active") -> None:
    world.permit("2D-A", "H", type="ITAS", issue=date(2025, 5, 1), expiry=expiry, status=status, roles={"sponsor": "S"})


def case(world: World, about: str | None) -> None:
    record = SubjectRecord(
        "C-1",
        "jakarta-barat",
        "H",
        {"service": "passport", "state": "collected"},
        roles={},
        names_permit=True,
        permit=about,
        state_since=wib("2026-05-11 08:00"),
    )
    with writing(world.engine) as connection:
        world.must(put_subjects(connection, SubjectKind.CASE, [record], now=world.now))


def survey(world: World) -> list[Decision]:
    return [one.decision for one in world.explain("C-1").answers if one.rule.name == "survey"]


def test_a_rule_that_concerns_the_permit_of_a_case_mutes_the_survey(engine: Engine, folder: Path) -> None:
    """S85, S93: the survey keeps silent to a holder whose permit has run out, and says by whom it is muted."""
    world = office(engine, folder)
    world.days("2026-05-11", "2026-05-14")

    assert world.sent == []
    assert [(one.reason, one.detail) for one in survey(world)] == [(Reason.MUTED, "by overstay")]


def test_a_case_about_no_permit_or_a_permit_in_order_is_not_muted(engine: Engine, folder: Path) -> None:
    """S85: what is muted is what is about the permit, not everything about the person."""
    world = office(engine, folder, about=None)
    world.days("2026-05-11", "2026-05-14")
    assert len(world.sent) == 1

    case(world, "2D-A")
    permit(world, expiry=date(2027, 5, 1))
    assert Reason.MUTED not in {one.reason for one in survey(world)}


def test_only_the_recipients_of_the_muting_rule_are_spared(sqlite_engine: Engine, folder: Path) -> None:
    """S85: for the recipients of A, over all its steps; others are told."""
    world = office(sqlite_engine, write(folder, to="sponsor"))
    world.days("2026-05-11", "2026-05-14")

    assert len(world.sent) == 1  # the holder: the permit's sponsor has no part in the case


@pytest.mark.parametrize("more", ["enabled: no", "from: 2026-06-01", "until: 2026-05-01", "offices: [makassar]"])
def test_a_rule_that_does_not_speak_mutes_nobody(sqlite_engine: Engine, folder: Path, more: str) -> None:
    """S44, S85: switched off, out of season or for another office."""
    world = office(sqlite_engine, write(folder, more=more))
    world.days("2026-05-11", "2026-05-14")

    assert len(world.sent) == 1


def test_what_waits_is_suppressed_and_comes_back_when_the_permit_is_mended(engine: Engine, folder: Path) -> None:
    """S43, S85: suppressed "muted", and revived with the change of the permit."""
    world = office(engine, folder, expiry=date(2026, 5, 12))
    world.at("2026-05-12 06:00").plan()
    permit(world)  # the date is corrected: it ended on 1 May
    world.at("2026-05-12 07:00").run()
    row = world.notifications(rule="survey")[0]
    assert (row.state, row.reason, row.detail) == (NotificationState.SUPPRESSED, Reason.MUTED, "by overstay")
    assert world.sent == []

    permit(world, status="departed")
    world.at("2026-05-13 10:00").run()
    assert len(world.sent) == 1


def test_the_guard_mutes_what_was_planned_before_the_permit_ended(engine: Engine, folder: Path) -> None:
    """S73, S85: the muting begins with a midnight, without any change of the register."""
    write(folder, survey="separate: yes")
    world = office(engine, folder, expiry=date(2026, 5, 11))
    world.at("2026-05-11 23:00").plan()
    planned = world.notifications(rule="survey")
    world.at("2026-05-12 10:00").run()

    assert world.sent == []
    assert not planned or world.notifications(rule="survey")[0].reason == Reason.MUTED
    assert {one.reason for one in survey(world)} == {Reason.MUTED}


def test_the_end_of_a_season_gives_the_word_back(engine: Engine, folder: Path) -> None:
    """S29, S44, S85: on the day after `until` of the muting rule the other one speaks again."""
    world = office(engine, write(folder, more="until: 2026-05-14"))
    world.days("2026-05-11", "2026-05-14")
    assert world.sent == []
    world.at("2026-05-15 10:00").run()
    assert len(world.sent) == 1


def test_a_rule_switched_off_gives_the_word_back(engine: Engine, folder: Path) -> None:
    """S29, S85: a change of the muting rule plans the muted one anew."""
    office(engine, folder).days("2026-05-11", "2026-05-13")
    again = World(engine, rules=write(folder, more="enabled: no"))
    again.at("2026-05-14 10:00").run()
    assert len(again.sent) == 1


def test_mutes_do_not_pass_on(sqlite_engine: Engine, folder: Path) -> None:
    """S85: no chains: a rule that is muted itself still mutes."""
    muted = office(sqlite_engine, folder)
    overstay, other = (next(rule for rule in muted.rules.rules if rule.name == name) for name in ("overstay", "survey"))
    (folder / "overstay.yaml").unlink()
    (folder / "clerk.yaml").write_text(CLERK.replace("mutes: [overstay]\n", ""))
    clerk = next(rule for rule in World(sqlite_engine, rules=folder).rules.rules if rule.name == "clerk")
    # The check refuses such a folder; the law must hold even so.
    muted.rules = replace(muted.rules, rules=(replace(clerk, mutes=("overstay",)), overstay, other))
    muted.days("2026-05-11", "2026-05-14")

    assert muted.sent == []
    assert {one.reason for one in survey(muted)} == {Reason.MUTED}
    answers = muted.explain("2D-A").answers
    assert {one.decision.reason for one in answers if one.rule.name == "overstay"} == {Reason.MUTED}
