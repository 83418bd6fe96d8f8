"""What a plan costs: a few questions however many offices and steps there are, and nearly nothing the second time."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from textwrap import dedent

from sqlalchemy import Engine, event

from notifier.store import migrate
from notifier.store.engine import open_engine
from notifier.store.records import RoleRecord
from tests.world import World

STEPS = "".join(f"\n  step-{days}:\n    send: {days} days before expiry" for days in range(60, 0, -5))


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """Every statement while the block lasts."""
    found: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        found.append(statement)

    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", hear)


def a_folder(folder: Path, steps: str) -> Path:
    """A rule with these steps."""
    folder.mkdir()
    rule = """
        rule: itas
        title: A rule of the tests
        legal basis: public service
        for: permit
        when:
          type: ITAS
        to: [holder, sponsor]
        via: email
        template: itas/extension
        steps:"""
    (folder / "itas.yaml").write_text(dedent(rule).lstrip() + steps + "\n", encoding="utf-8")
    return folder


def register(world: World, offices: Iterable[int]) -> None:
    """Offices in two zones, each with a document that ends on the same day."""
    for number in offices:
        world.office(f"office-{number}", ("Asia/Jakarta", "Asia/Makassar")[number % 2])
        world.person(f"P{number}")
        world.permit(f"A{number}", f"P{number}", office=f"office-{number}", type="ITAS", expiry=date(2026, 3, 10))


def statements_of_a_day(world: World, day: str, planned: int) -> int:
    """How many statements the first plan of a day takes, when the day before was planned."""
    world.at(f"{date.fromisoformat(day) - timedelta(days=1)} 10:00").run()
    world.at(f"{day} 08:00")
    with counted(world.engine) as found:
        assert world.plan().planned == planned
    return len(found)


def test_the_statements_of_a_plan_do_not_grow_with_the_offices(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, rules=a_folder(tmp_path / "rules", STEPS), now="2026-01-20 08:00")
    world.plan()
    register(world, range(3))
    assert statements_of_a_day(world, "2026-02-03", planned=3)  # 35 days before
    register(world, [3])
    few = statements_of_a_day(world, "2026-02-13", planned=4)  # 25 days: some were told before, some nothing yet
    register(world, range(4, 20))
    assert statements_of_a_day(world, "2026-02-23", planned=20) <= few


def test_the_statements_of_a_plan_do_not_grow_with_the_steps(tmp_path: Path) -> None:
    found = []
    for name, steps in (("one", "\n  step:\n    send: 35 days before expiry"), ("many", STEPS)):
        engine = open_engine(f"sqlite:///{tmp_path / name}.db")
        migrate.upgrade(engine)
        world = World(engine, rules=a_folder(tmp_path / name, steps), now="2026-01-20 08:00")
        world.plan()
        register(world, range(3))
        found.append(statements_of_a_day(world, "2026-02-03", planned=3))
        engine.dispose()
    assert found[1] <= found[0] + 1  # one more: what earlier steps have told is read


def test_planning_the_same_moment_again_looks_at_nobody_and_writes_one_cursor(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, rules=a_folder(tmp_path / "rules", STEPS), now="2026-02-02 08:00")
    world.plan()
    world.person("S1")
    world.person("P")
    sponsors = {"sponsor": [RoleRecord("S1", valid_from=date(2026, 2, 3))]}
    world.permit("A", "P", roles=sponsors, type="ITAS", expiry=date(2026, 3, 10))
    assert world.plan().subjects == 1
    assert world.at("2026-02-03 08:00").plan().subjects == 1
    with counted(engine) as found:
        assert world.at("2026-02-03 08:05").plan().subjects == 0
    writes = [one for one in found if one.startswith(("INSERT", "UPDATE", "DELETE", "WITH"))]
    assert [one for one in writes if "in_force" not in one] == [one for one in writes if " cursor " in one]
    assert len(found) <= 15


def test_an_office_that_is_new_has_nobody_of_the_others_looked_at(engine: Engine, tmp_path: Path) -> None:
    world = World(engine, rules=a_folder(tmp_path / "rules", STEPS), now="2026-01-20 08:00")
    register(world, range(4))
    world.plan()
    world.at("2026-02-04 08:00").plan()
    register(world, [4])
    assert world.plan().subjects == 2  # its document, as one that has changed and as one of a new office
