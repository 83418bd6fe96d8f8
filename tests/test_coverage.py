"""`coverage`: gaps of every kind are found, each under its reason, and nothing else."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from notifier.cli import main
from notifier.coverage import Coverage, Why, coverage
from notifier.model import Channel, Reason
from notifier.simulate.simulate import period_of
from notifier.simulate.walk import Stage
from notifier.store.engine import writing
from notifier.store.records import RoleRecord
from notifier.store.suppressions import suppress
from tests.test_simulate import JAKARTA, STAY, rules_of
from tests.world import PROJECT, World, wib

OTHER = """
rule: permanent
title: Another rule
legal basis: public service
for: permit
when:
  type: ITAP
to: holder
via: email
template: itap/extension
enabled: no
steps:
  month:
    send: 30 days before expiry
"""
AFTER = """
rule: after
title: Only when it is over
legal basis: public service
for: permit
when:
  type: BVK
to: holder
via: email
template: itas/extension
closed: ignore
steps:
  day:
    send: 1 day after expiry
  list:
    send: 3 days before expiry
    to: front desk
"""
PAYMENT = """
rule: payment
title: An application lapses
legal basis: public service
for: case
while: awaiting payment
deadline: payment deadline
to: payer
via: sms
template: case/payment-due
steps:
  half-time:
    send: halfway to payment deadline
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    rules_of(
        tmp_path / "rules",
        STAY.replace("to: [holder, sponsor]", "to: holder").replace(
            "for: permit", "for: permit\noffices: {not: [ambon]}"
        ),
        OTHER,
        AFTER,
        PAYMENT,
    )
    return tmp_path / "rules"


@pytest.fixture
def world(sqlite_engine: Engine, rules: Path) -> World:
    world = World(sqlite_engine, rules=rules, now="2026-03-02 08:00")
    world.office("ambon", "Asia/Jayapura")
    world.person("P-1")
    world.plan()
    return world


def look(world: World, *, listed: Why | None = None, until: str = "2026-12-31") -> Coverage:
    days = period_of(None, date.fromisoformat(until), days=1, now=world.now, zone=JAKARTA)
    url = world.engine.url.render_as_string(hide_password=False)
    return coverage(Stage(url, world.rules, world.calendar_data, days), listed=listed)


@contextmanager
def planted(world: World) -> Iterator[Any]:
    with writing(world.engine) as connection:
        yield connection


def permit(world: World, holder: str = "P-1", **values: Any) -> None:
    world.permit("X-1", holder, **({"type": "ITAS", "issue": date(2025, 1, 1), "expiry": date(2026, 6, 30)} | values))


def covered(world: World) -> None:
    permit(world)


def no_rule(world: World) -> None:
    permit(world, type="ABTC")


def switched_off(world: World) -> None:
    permit(world, type="ITAP")


def other_office(world: World) -> None:
    permit(world, office="ambon")


def without_address(world: World) -> None:
    permit(world, world.person("P-2", phone=False, email=False))


def opted_out(world: World) -> None:
    permit(world, world.person("P-2", phone=False))
    with planted(world) as connection:
        suppress(connection, Channel.EMAIL, "p-2@mail.example", reason=Reason.OPTED_OUT, source="test", now=world.now)


def past(world: World) -> None:
    permit(world, expiry=date(2026, 3, 2))


def minor_without_guardian(world: World) -> None:
    permit(world, world.person("P-2", birth_date=date(2020, 1, 1)))


def guardian_ended(world: World) -> None:
    world.person("G-1")
    ended = RoleRecord("G-1", valid_until=date(2026, 4, 1))
    permit(world, world.person("P-2", birth_date=date(2020, 1, 1)), roles={"guardian": [ended]})


def deceased(world: World) -> None:
    permit(world, world.person("P-2", deceased_on=date(2026, 1, 1)))


def without_date(world: World) -> None:
    permit(world, expiry=None)


def told(world: World) -> None:
    permit(world, expiry=date(2026, 3, 10))
    world.at("2026-03-03 10:00").run()
    world.at("2026-03-09 10:00").run()


def renewed(world: World) -> None:
    permit(world)
    world.permit("X-2", "P-1", type="ITAS", issue=date(2026, 2, 1), expiry=date(2027, 6, 30))


def protected(world: World) -> None:
    permit(world, status="renewal protected")


def only_after(world: World) -> None:
    permit(world, type="BVK")


def case(world: World, **values: Any) -> None:
    world.case("C-1", "P-1", since=world.now - timedelta(hours=1), **values)


def case_without_date(world: World) -> None:
    case(world, service="passport", state="awaiting payment")


def case_without_rule(world: World) -> None:
    case(world, service="passport", state="scheduled", appointment_at=wib("2026-03-20 10:00"))


def case_covered(world: World) -> None:
    case(world, service="passport", state="awaiting payment", payment_due_at=wib("2026-03-04 10:00"))


PLANTED = [
    (covered, None),
    (case_covered, None),
    (no_rule, Why.NO_RULE),
    (switched_off, Why.DISABLED),
    (other_office, Why.OFFICE),
    (without_address, Why.NO_ADDRESS),
    (opted_out, Why.OPTED_OUT),
    (past, Why.PAST),
    (minor_without_guardian, Why.NOBODY),
    (guardian_ended, Why.NOBODY),
    (deceased, Why.DECEASED),
    (without_date, Why.MISSING_DATE),
    (told, Why.TOLD),
    (renewed, Why.POINTLESS),
    (protected, Why.POINTLESS),
    (only_after, Why.ONLY_AFTER),
    (case_without_date, Why.MISSING_DATE),
    (case_without_rule, Why.NO_RULE),
]


@pytest.mark.parametrize(("plant", "why"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_each_gap_is_found_under_its_reason(world: World, plant: Any, why: Why | None) -> None:
    """S20, S44, S56, S59, S62-S65, S75, S93: the planted subject, and nothing else."""
    plant(world)
    found = look(world)

    assert [(reason, count) for (reason, _), count in found.counts.items()] == ([(why, 1)] if why else [])
    assert found.covered == (0 if why else 1)
    assert found.gaps == (0 if why in (None, Why.TOLD, Why.POINTLESS) else 1)


def test_every_reason_is_planted() -> None:
    """A reason that no test can bring about would be a word without a meaning."""
    assert {why for _, why in PLANTED if why} == set(Why)


def test_what_ends_outside_the_period_is_not_looked_at(engine: Engine, rules: Path) -> None:
    """Only what ends up to the last day, and what should have an end and has none; on each kind of database."""
    world = World(engine, rules=rules, now="2026-03-02 08:00")
    world.person("P-1")
    permit(world, type="ABTC")
    world.permit("X-2", "P-1", type="ABTC", expiry=date(2026, 2, 1))
    case_covered(world)

    assert look(world, until="2026-06-29").counts == {}
    found = look(world, until="2026-06-30", listed=Why.NO_RULE)
    assert (found.covered, found.numbers) == (1, ["X-1"])


# ------------------------------------------------------------------------------------------------- the command


def run(world: World, rules: Path, *words: str) -> Result:
    variables = {
        "NOTIFIER_DATABASE_URL": f"sqlite:///{world.engine.url.database}",
        "NOTIFIER_RULES": str(rules),
        "NOTIFIER_TEMPLATES": str(PROJECT / "templates"),
    }
    command = ["coverage", "--on", "2026-03-02T08:00", "--processes", "1", *words]
    return CliRunner().invoke(main, command, env=variables)


def test_the_table_counts_and_the_list_names(world: World, rules: Path) -> None:
    """A line for each reason and type, examples, and all numbers of one reason."""
    no_rule(world)
    table, listed = run(world, rules), run(world, rules, "--list", "no rule for it")
    answer = json.loads(run(world, rules, "--format", "json").output)

    assert "no rule for it" in table.output
    assert "Told in time: 0. Gaps: 1." in table.output
    assert listed.output == "X-1\n"
    assert answer["reasons"] == [
        {"reason": "no rule for it", "gap": True, "of": "ABTC", "count": 1, "examples": ["X-1"]}
    ]


@pytest.mark.parametrize(("most", "code"), [("0", 1), ("1", 0)])
def test_it_fails_only_over_the_number_that_was_given(world: World, rules: Path, most: str, code: int) -> None:
    """Exit code 1 with more gaps than that; without the option never."""
    no_rule(world)
    assert run(world, rules, "--fail-over", most).exit_code == code
    assert run(world, rules).exit_code == 0


def test_an_unknown_office_is_wrong_use(world: World, rules: Path) -> None:
    """Exit code 2, with the offices there are."""
    done = run(world, rules, "--office", "nowhere")
    assert done.exit_code == 2
    assert "there is no office nowhere; there are: ambon, jakarta-barat" in done.output


def test_one_office_is_looked_at_alone(world: World, rules: Path) -> None:
    """`--office` leaves the others out."""
    no_rule(world)
    assert "Gaps: 0." in run(world, rules, "--office", "ambon").output
    assert "Gaps: 1." in run(world, rules, "--office", "jakarta-barat").output
