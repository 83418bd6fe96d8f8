"""Permits decided on as rows of the register are told what each would be told by itself, and nobody else is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Engine, select

from notifier.crowd import Crowd
from notifier.model import Entry, Subject, SubjectKind
from notifier.plan import Planner
from notifier.reconcile import Add, changes, notification_row
from notifier.rules.alike import Alike
from notifier.rules.facts import age_on, latest_birth
from notifier.rules.rule import Rule, RuleSet
from notifier.store import tables as t
from notifier.store.engine import reading, writing
from notifier.store.outlines import snapshot
from notifier.store.planned import Planned, planned
from notifier.store.records import PartyRecord, RoleRecord, SubjectRecord
from notifier.store.register import put_parties
from notifier.store.subjects import read_entries, read_offices, read_subjects
from tests.test_candidates import Register, write_rules

PERMIT = SubjectKind.PERMIT
#: In what a permit may differ from the one it is like otherwise; "same": in nothing but its number and holder.
TWISTS = ("same", "twin", "young", "guarded", "dead", "corrected", "renewed", "rich", "case")


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    return write_rules(tmp_path_factory.mktemp("rules") / "before", edited=False)


@pytest.fixture(autouse=True)
def even_a_few_are_a_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifier.plan.WORTH_A_CROWD", 0)


class Looked:
    """What the crowd says of everybody at one moment, and what each is told by itself."""

    def __init__(self, register: Register, rules: RuleSet) -> None:
        self.register, self.rules = register, rules
        self.alike = Alike(rules, register.calendar_of, {}, now=register.now, adult_age=18)
        self.search = Planner(register.engine, rules, register.calendar_of).search
        self.names = {rule.name for rule in rules.rules if rule.subject is PERMIT}
        crowd = Crowd(rules, self.alike, lambda office: self.search.until(office, register.now))
        with snapshot(register.engine) as connection:
            ids = connection.execute(select(t.permit.c.id).order_by(t.permit.c.id)).scalars().all()
            self.settled = crowd.settle(connection, {(PERMIT, key): set(self.names) for key in ids})
            offices = read_offices(connection)
            self.subjects: Mapping[int, Subject] = read_subjects(connection, PERMIT, ids, offices)
            self.entries: Mapping[int, Sequence[Entry]] = read_entries(connection, PERMIT, ids)

    def mine(self, key: int, rule: Rule) -> list[Planned]:
        """The rows of one permit and rule that the crowd gives."""
        return sorted((row for row in self.settled.rows if row[1] == key and row[0][0] == rule.name), key=repr)

    def is_in_crowd(self, key: int, rule: Rule) -> bool:
        left = self.settled.rest.get((PERMIT, key), set())
        assert left is not None
        return rule.name not in left

    def alone(self, key: int, rule: Rule) -> list[Planned]:
        """The rows that planning it by itself adds; it may want nothing else of the outbox."""
        subject, now = self.subjects[key], self.register.now
        if not rule.applies_at(subject.office.code):
            return []
        ledger = [entry for entry in self.entries.get(key, ()) if entry.rule == rule.name]
        until = self.search.until(subject.office, now)
        fresh = Alike(self.rules, self.register.calendar_of, {}, now=now, adult_age=18, share=False)
        wanted = changes(fresh.decide(rule, subject, ledger, until=until), ledger, until)
        assert all(isinstance(change, Add) for change in wanted), wanted
        return sorted((planned(notification_row(subject, rule, one.decision, now)) for one in wanted), key=repr)


def twins(register: Register, count: int) -> None:
    """Permits with others like them, of other holders, that differ from them in one thing that may matter."""
    chance = register.chance
    for number in range(count):
        first = chance.permit(1000 + number, 1)
        born = chance.one(None, date(1990, 5, 17), chance.day(-3, 3).replace(year=2008))
        values = {**first.values, "type": chance.one("ITAS", "ITK", "passport", "ITAP"), "expiry": chance.day(-5, 60)}
        values["issue"] = values["expiry"] - timedelta(days=365)
        for twist in TWISTS:
            key = f"{number}-{twist}"
            party: dict[str, object] = {"kind": "person", "name": "N", "birth_date": born}
            party |= {"birth_date": date(2015, 1, 1)} if twist == "young" else {}
            party |= {"deceased_on": date(2026, 1, 1)} if twist == "dead" else {}
            with writing(register.engine) as connection:
                assert not put_parties(connection, [PartyRecord(f"Q{key}", party)], now=register.now).refused
            one = replace(first, number=f"T{key}", holder=f"Q{key}", values=values)
            one = replace(
                one, roles={"guardian": (RoleRecord("P4"),)} if twist in ("guarded", "young") else first.roles
            )
            if twist == "corrected":
                former = values["expiry"] + timedelta(days=chance.one(1, 40))
                register.put(PERMIT, replace(one, values={**values, "expiry": former}))
            register.put(PERMIT, one)
            later = {name: values[name] + timedelta(days=300) for name in ("issue", "expiry")}
            if twist == "renewed":
                register.put(PERMIT, replace(one, number=f"R{key}", values={**values, **later}))
            if twist == "rich":
                register.put(PERMIT, replace(one, number=f"R{key}", values={**values, **later, "type": "ITAP"}))
            if twist == "case":
                service = "passport" if values["type"] == "passport" else "limited stay permit extension"
                opened = {"service": service, "state": "submitted"}
                register.put(SubjectKind.CASE, SubjectRecord(f"O{key}", one.office, f"Q{key}", opened, {}))


def held_against_each_other(register: Register, rules: RuleSet) -> Counter[str]:
    looked, found = Looked(register, rules), Counter[str]()
    for key in looked.subjects:
        for rule in rules.rules:
            if rule.subject is not PERMIT:
                continue
            if looked.is_in_crowd(key, rule):
                mine = looked.mine(key, rule)
                assert mine == looked.alone(key, rule), (rule.name, looked.subjects[key])
                found.update(crowd=1, rows=len(mine), told=bool(looked.entries.get(key)))
            else:
                assert not looked.mine(key, rule)
                found["rest"] += 1
    found["sorts"] = looked.alike.kinds
    return found


def lived(register: Register, rules: RuleSet, turns: int) -> Counter[str]:
    """Plans over days and gaps with corrected dates in between; before each, everybody is looked at."""
    found = Counter[str]()
    for _ in range(turns):
        found += held_against_each_other(register, rules)
        register.correct()
        Planner(register.engine, rules, register.calendar_of).plan(now=register.now)
        register.send()
        register.now += timedelta(
            days=register.chance.one(0, 1, 2, 9, 30), minutes=register.chance.random.randint(1, 600)
        )
    return found


def outbox(engine: Engine) -> list[tuple[object, ...]]:
    """Every row with the numbers of subject and person; ids have gaps of their own on each database."""
    n = t.notification.c
    told = (n.rule, n.step, n.occurrence, n.cycle, n.role, n.moment, n.useful_until, n.next_attempt_at, n.urgent)
    told += (n.capped, n.rungs, n.state, n.reason, n.office_id)
    instead = t.party.alias("instead")
    found: list[tuple[object, ...]] = []
    with reading(engine) as connection:
        for kind, table in t.SUBJECTS.items():
            query = (
                select(*told, table.c.number, t.party.c.number, instead.c.number)
                .join(table, table.c.id == n.subject_id)
                .join(t.party, t.party.c.id == n.party_id)
                .outerjoin(instead, instead.c.id == n.in_place_of)
                .where(n.subject_kind == kind.value)
            )
            found += [tuple(row) for row in connection.execute(query)]
    return sorted(found, key=repr)


@pytest.mark.parametrize("seed", range(2))
def test_each_of_a_crowd_is_told_what_it_would_be_told_alone(rules: RuleSet, seed: int) -> None:
    register = Register(seed, people=40, permits=40, cases=10)
    twins(register, 14)
    try:
        found = lived(register, rules, turns=3)
    finally:
        register.engine.dispose()
    assert found["crowd"] > found["rest"] / 4
    assert found["rows"] > 100
    assert found["told"] > 100
    assert found["sorts"] < found["crowd"]


def test_the_same_on_each_database(engine: Engine, rules: RuleSet) -> None:
    register = Register(7, people=20, permits=10, cases=10, engine=engine)
    twins(register, 4)
    found = lived(register, rules, turns=2)
    assert found["rows"] > 20


def test_a_plan_with_a_crowd_is_the_plan_without(
    engine: Engine, rules: RuleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts small enough that the next one is read while this one is written."""
    monkeypatch.setattr("notifier.plan.SUBJECTS_AT_ONCE", 7)
    found = []
    for share in (True, False):
        register = Register(5, people=20, permits=20, cases=5, engine=engine if share else None)
        twins(register, 6)
        planner = Planner(register.engine, rules, register.calendar_of)
        begin = planner._begin

        def shared(*given: object, begin: object = begin, share: bool = share) -> object:
            run = begin(*given)  # type: ignore[operator]
            run.alike.share = share
            return run

        monkeypatch.setattr(planner, "_begin", shared)
        planner.plan(now=register.now)
        # Once more without the changes that the import has noted: by the questions alone.
        planner.plan(now=register.now + timedelta(days=20))
        found.append(outbox(register.engine))
    assert found[0] == found[1]
    assert len(found[0]) > 50


@pytest.mark.parametrize("age", [0, 1, 17, 18, 21, 60])
def test_the_latest_birth_of_an_age_parts_those_who_have_it_from_those_who_have_not(age: int) -> None:
    """S14: also for who was born on 29 February, and on that day."""
    chance = Random(age)
    days = [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2026, 2, 28), date(2026, 3, 1)]
    days += [date(2026, 1, 1) + timedelta(days=chance.randrange(1500)) for _ in range(40)]
    for day in days:
        latest = latest_birth(age, day)
        for by in range(-400, 400):
            born = latest + timedelta(days=by)
            assert (age_on(born, day) >= age) == (born <= latest), (born, day)
