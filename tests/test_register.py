"""The writing side of the register: what is written, what is remembered, and whom the planner must look at again."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Table, delete, func, select, update

from notifier.model import Channel, Stay, SubjectKind
from notifier.store import tables as t
from notifier.store.bulk import TOGETHER
from notifier.store.engine import reading, writing
from notifier.store.history import StayChange, stay_change
from notifier.store.records import OfficeRecord, PartyRecord, RoleRecord, SubjectRecord, Written
from notifier.store.register import put_offices, put_parties, put_subjects
from notifier.store.upsert import upsert

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
PERMIT, CASE = SubjectKind.PERMIT, SubjectKind.CASE


def a_permit(number: str = "X1", **values: Any) -> SubjectRecord:
    roles = values.pop("roles", {})
    holder = values.pop("holder", "P1")
    facts = {"type": "ITAS", "status": "active", "issue": date(2026, 1, 10), "expiry": date(2027, 1, 10), **values}
    return SubjectRecord(number, "batam", holder, facts, roles)


def a_case(state: str, number: str = "C1", since: datetime | None = None, **values: Any) -> SubjectRecord:
    return SubjectRecord(number, "batam", "P1", {"service": "passport", "state": state, **values}, state_since=since)


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """A register with one office and a few people."""
    with writing(engine) as connection:
        put_offices(connection, [OfficeRecord("batam", {"name": "Batam", "zone": "Asia/Jakarta"})], now=NOW)
        people = [
            PartyRecord(number, {"name": name}, {Channel.SMS: f"+6281200000{place:03d}"})
            for place, (number, name) in enumerate([("P1", "Ani"), ("P2", "Budi"), ("S1", "PT Satu"), ("S2", "PT Dua")])
        ]
        put_parties(connection, people, now=NOW)
    return engine


def put(engine: Engine, kind: SubjectKind, *records: SubjectRecord, now: datetime = NOW) -> Written:
    with writing(engine) as connection:
        return put_subjects(connection, kind, records, now=now)


def put_people(engine: Engine, *records: PartyRecord) -> Written:
    with writing(engine) as connection:
        return put_parties(connection, records, now=NOW)


def rows(engine: Engine, table: Table, *columns: str) -> list[tuple[Any, ...]]:
    with reading(engine) as connection:
        return [
            tuple(row) for row in connection.execute(select(*(table.c[name] for name in columns)).order_by(table.c.id))
        ]


def touched(engine: Engine) -> set[tuple[str, str]]:
    """(kind, number) of the subjects the planner must look at; forgets them."""
    with writing(engine) as connection:
        found = {
            (kind.value, number)
            for kind, table in ((PERMIT, t.permit), (CASE, t.case))
            for number in connection.execute(
                select(table.c.number)
                .join(t.changed, t.changed.c.subject_id == table.c.id)
                .where(t.changed.c.subject_kind == kind.value)
            ).scalars()
        }
        connection.execute(delete(t.changed))
    return found


def everything(engine: Engine) -> dict[str, int]:
    """How many rows each table has."""

    def count(connection: Connection, table: Table) -> int:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()

    with reading(engine) as connection:
        return {table.name: count(connection, table) for table in t.metadata.sorted_tables}


def test_the_same_again_writes_nothing(filled: Engine) -> None:
    roles = {"sponsor": (RoleRecord("S1"),), "agent": (RoleRecord("P2", date(2026, 1, 1), date(2026, 12, 31)),)}
    records = [a_permit(roles=roles), a_permit("X2", holder="P2")]
    case = a_case("submitted", submitted_at=NOW)
    assert put(filled, PERMIT, *records) == Written(added=2)
    assert put(filled, CASE, case) == Written(added=1)
    before = everything(filled)
    assert put(filled, PERMIT, *records, now=LATER) == Written(unchanged=2)
    assert put(filled, CASE, case, now=LATER) == Written(unchanged=1)
    assert everything(filled) == before


def test_each_new_value_of_a_date_is_remembered_also_an_old_one_that_comes_back(filled: Engine) -> None:
    for day, expiry in enumerate([date(2027, 1, 10), date(2027, 1, 25), None, date(2027, 1, 10)]):
        put(filled, PERMIT, a_permit(expiry=expiry), now=NOW + timedelta(days=day))
    remembered = [row[1:] for row in rows(filled, t.seen, "field", "field", "value", "at")]
    assert [(field, value) for field, value, _ in remembered if field == "expiry"] == [
        ("expiry", "2027-01-10"),
        ("expiry", "2027-01-25"),
        ("expiry", "2027-01-10"),
    ]
    assert remembered[-1][2] == NOW + timedelta(days=3)
    assert [value for field, value, _ in remembered if field == "issue"] == ["2026-01-10"]


def test_instants_are_remembered_in_utc_under_the_word_of_the_rules(filled: Engine) -> None:
    jakarta = datetime.fromisoformat("2026-11-24T16:00:00+07:00")
    put(filled, CASE, a_case("awaiting payment", payment_due_at=jakarta, documents_due_on=date(2026, 12, 1)))
    assert set(rows(filled, t.seen, "field", "value")) == {
        ("payment deadline", "2026-11-24T09:00:00+00:00"),
        ("documents deadline", "2026-12-01"),
    }


def test_a_first_import_opens_the_stay_where_it_began(filled: Engine) -> None:
    submitted, since = NOW - timedelta(days=3), NOW - timedelta(days=2)
    put(
        filled,
        CASE,
        a_case("submitted", "C1", submitted_at=submitted),
        a_case("submitted", "C2", since=since, submitted_at=submitted),
        a_case("paid", "C3", submitted_at=submitted),
    )
    assert rows(filled, t.stay, "state", "began_at", "ended_at") == [
        ("submitted", submitted, None),
        ("submitted", since, None),
        ("paid", NOW, None),
    ]


def test_a_change_of_state_closes_the_old_stay_and_opens_the_new(filled: Engine) -> None:
    put(filled, CASE, a_case("submitted", submitted_at=NOW))
    since = NOW + timedelta(hours=5)
    assert put(filled, CASE, a_case("awaiting payment", since=since), now=LATER) == Written(changed=1)
    put(filled, CASE, a_case("paid"), now=LATER)
    assert rows(filled, t.stay, "state", "began_at", "ended_at") == [
        ("submitted", NOW, since),
        ("awaiting payment", since, LATER),
        ("paid", LATER, None),
    ]


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        pytest.param(None, StayChange(), id="nothing said"),
        pytest.param(NOW, StayChange(), id="the same"),
        pytest.param(LATER, StayChange(close=(2, LATER), opens_at=LATER), id="later: left and entered again"),
        pytest.param(NOW - timedelta(hours=2), StayChange(begins=(2, NOW - timedelta(hours=2))), id="better known"),
        pytest.param(
            NOW - timedelta(days=9), StayChange(begins=(2, NOW - timedelta(days=1))), id="not before the last one ended"
        ),
    ],
)
def test_the_same_state_with_another_beginning(since: datetime | None, expected: StayChange) -> None:
    yesterday = NOW - timedelta(days=1)
    stays = [Stay(1, "submitted", yesterday - timedelta(days=1), yesterday), Stay(2, "paid", NOW)]
    assert stay_change("paid", since, None, stays, now=LATER) == expected


def test_a_stale_beginning_does_not_date_a_new_state_back(filled: Engine) -> None:
    put(filled, CASE, a_case("submitted", since=NOW))
    put(filled, CASE, a_case("paid", since=NOW), now=LATER)
    assert rows(filled, t.stay, "state", "began_at", "ended_at") == [("submitted", NOW, LATER), ("paid", LATER, None)]
    assert put(filled, CASE, a_case("paid", since=NOW), now=LATER + timedelta(days=1)) == Written(unchanged=1)


def test_roles_are_added_moved_and_ended_and_only_those_the_source_speaks_of(filled: Engine) -> None:
    put(filled, PERMIT, a_permit(roles={"sponsor": (RoleRecord("S1"),), "guardian": (RoleRecord("P2"),)}))
    changed = {"sponsor": (RoleRecord("S2", valid_until=date(2027, 1, 1)),)}
    assert put(filled, PERMIT, a_permit(roles=changed)) == Written(changed=1)
    assert sorted(rows(filled, t.role, "role", "valid_until"), key=str) == [
        ("guardian", None),
        ("sponsor", date(2027, 1, 1)),
    ]
    longer = {"sponsor": (RoleRecord("S2", valid_until=date(2028, 1, 1)),)}
    assert put(filled, PERMIT, a_permit(roles=longer)) == Written(changed=1)
    assert put(filled, PERMIT, a_permit(roles=longer)) == Written(unchanged=1)
    assert put(filled, PERMIT, a_permit(roles={"sponsor": ()})) == Written(changed=1)
    assert rows(filled, t.role, "role") == [("guardian",)]


def test_a_changed_permit_touches_the_other_permits_and_cases_of_its_holder(filled: Engine) -> None:
    put(filled, PERMIT, a_permit("X1"), a_permit("X2"), a_permit("X9", holder="P2"))
    put(filled, CASE, a_case("submitted"))
    touched(filled)
    put(filled, PERMIT, a_permit("X1", expiry=date(2028, 1, 10)))
    assert touched(filled) == {("permit", "X1"), ("permit", "X2"), ("case", "C1")}
    put(filled, CASE, a_case("paid"))
    assert touched(filled) == {("permit", "X1"), ("permit", "X2"), ("case", "C1")}


def test_a_new_permit_touches_the_old_one_it_may_have_renewed(filled: Engine) -> None:
    put(filled, PERMIT, a_permit("X1"))
    touched(filled)
    put(filled, PERMIT, a_permit("X2", issue=date(2026, 12, 1), expiry=date(2028, 1, 1)))
    assert touched(filled) == {("permit", "X1"), ("permit", "X2")}


def test_a_permit_that_goes_to_another_holder_touches_both(filled: Engine) -> None:
    put(filled, PERMIT, a_permit("X1"), a_permit("X2"), a_permit("X3", holder="P2"))
    touched(filled)
    put(filled, PERMIT, a_permit("X2", holder="P2"))
    assert touched(filled) == {("permit", "X1"), ("permit", "X2"), ("permit", "X3")}


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(PartyRecord("S1", {"language": "en"}), id="language"),
        pytest.param(PartyRecord("S1", {"birth_date": date(1990, 1, 1)}), id="birth date"),
        pytest.param(PartyRecord("S1", {"deceased_on": date(2026, 1, 1)}), id="death"),
        pytest.param(PartyRecord("S1", {}, {Channel.SMS: "+628120000999"}), id="new number"),
        pytest.param(PartyRecord("S1", {}, {Channel.SMS: None}), id="no number any more"),
        pytest.param(PartyRecord("S1", {}, {Channel.EMAIL: "s1@mail.example"}), id="an e-mail address"),
        pytest.param(PartyRecord("S1", {}, {}, {"household": "H1"}), id="household"),
    ],
)
def test_a_changed_party_touches_what_it_holds_and_has_a_role_in(filled: Engine, record: PartyRecord) -> None:
    sponsored = {"sponsor": (RoleRecord("S1"),)}
    put(filled, PERMIT, a_permit("X1", roles=sponsored), a_permit("X2"), a_permit("X3", holder="S1"))
    put(filled, CASE, SubjectRecord("C1", "batam", "P2", {"service": "passport", "state": "paid"}, sponsored))
    touched(filled)
    assert put_people(filled, record) == Written(changed=1)
    assert touched(filled) == {("permit", "X1"), ("permit", "X3"), ("case", "C1")}
    assert put_people(filled, record) == Written(unchanged=1)
    assert touched(filled) == set()


def test_a_changed_name_touches_nothing(filled: Engine) -> None:
    put(filled, PERMIT, a_permit())
    touched(filled)
    assert put_people(filled, PartyRecord("P1", {"name": "Ani Baru"})) == Written(changed=1)
    assert touched(filled) == set()


def test_a_new_address_is_usable_again_and_the_same_one_stays_as_it_was(filled: Engine) -> None:
    with writing(filled) as connection:
        connection.execute(update(t.contact).values(usable=False, reason="bad address"))
    put_people(filled, PartyRecord("P1", {}, {Channel.SMS: "+6281200000000"}))
    put_people(filled, PartyRecord("P2", {}, {Channel.SMS: "+6281200009999"}))
    assert rows(filled, t.contact, "usable", "reason")[:2] == [(False, "bad address"), (True, None)]


def test_references_to_nobody_refuse_the_record_and_only_that(filled: Engine) -> None:
    nobody = {"sponsor": (RoleRecord("S404"),)}
    written = put(
        filled,
        PERMIT,
        a_permit("X1"),
        a_permit("X2", holder="P404"),
        SubjectRecord("X3", "atlantis", "P1", {"type": "ITAS"}),
        a_permit("X4", roles=nobody),
    )
    assert (written.added, [(one.index, one.column) for one in written.refused]) == (
        1,
        [(1, "holder"), (2, "office"), (3, "sponsor")],
    )
    unknown = SubjectRecord(
        "C1", "batam", "P1", {"service": "passport", "state": "paid"}, names_permit=True, permit="X9"
    )
    assert [one.column for one in put(filled, CASE, unknown).refused] == ["permit"]


def test_a_number_twice_in_one_batch_is_taken_in_order(filled: Engine) -> None:
    written = put(filled, PERMIT, a_permit(), a_permit(expiry=date(2028, 1, 1)), a_permit(expiry=date(2028, 1, 1)))
    assert written == Written(added=1, changed=1, unchanged=1)
    assert ("expiry", "2028-01-01") in rows(filled, t.seen, "field", "value")


def test_columns_a_source_does_not_have_are_left_alone(filled: Engine) -> None:
    put(
        filled, PERMIT, SubjectRecord("X1", "batam", "P1", {"type": "ITAS", "origin": "visa exemption"}, {}, {"a": "1"})
    )
    put(filled, PERMIT, SubjectRecord("X1", None, None, {"status": "renewed"}, {}, {"b": "2"}))
    assert rows(filled, t.permit, "type", "origin", "status", "attributes") == [
        ("ITAS", "visa exemption", "renewed", {"a": "1", "b": "2"})
    ]
    put(filled, PERMIT, SubjectRecord("X1", None, None, {}, {}, {"a": None}))
    assert rows(filled, t.permit, "attributes") == [({"b": "2"},)]


def test_desks_of_an_office_become_parties_and_lose_their_address_with_it(filled: Engine) -> None:
    def put_desk(address: str | None) -> Written:
        record = OfficeRecord("batam", {"name": "Batam", "zone": "Asia/Jakarta"}, {"front": address})
        with writing(filled) as connection:
            return put_offices(connection, [record], now=NOW)

    assert put_desk(None) == Written(unchanged=1)
    assert put_desk("loket@batam.example") == Written(changed=1)
    assert put_desk("loket@batam.example") == Written(unchanged=1)
    assert ("desk:batam:front", "desk") in rows(filled, t.party, "number", "kind")
    assert ("loket@batam.example",) in rows(filled, t.contact, "address")
    assert put_desk(None) == Written(changed=1)
    assert ("loket@batam.example",) not in rows(filled, t.contact, "address")


def test_more_records_than_one_statement_takes_are_all_written(filled: Engine) -> None:
    records = [a_permit(f"X{place}") for place in range(1_203)]
    assert put(filled, PERMIT, *records) == Written(added=1_203)
    assert put(filled, PERMIT, *records) == Written(unchanged=1_203)


def test_more_records_than_are_looked_up_together_are_all_written(sqlite_engine: Engine) -> None:
    people = [PartyRecord(f"P{place}", {"name": "Ani"}) for place in range(TOGETHER + 3)]
    with writing(sqlite_engine) as connection:
        assert put_parties(connection, people, now=NOW) == Written(added=TOGETHER + 3)
        assert put_parties(connection, people, now=NOW) == Written(unchanged=TOGETHER + 3)


def test_a_row_that_another_importer_added_after_the_look_is_replaced_under_its_own_id(filled: Engine) -> None:
    put(filled, PERMIT, a_permit("X1"), a_permit("X2"))
    with writing(filled) as connection:
        held = {row["number"]: dict(row) for row in connection.execute(select(t.permit)).mappings()}
        unseen = {name: value for name, value in held["X1"].items() if name != "id"}
        known = {**held["X2"], "status": "renewed"}
        new = {**unseen, "number": "X3"}
        ids = upsert(connection, t.permit, "number", [known, new, {**unseen, "status": "expired"}])
    assert (ids["X1"], ids["X2"]) == (held["X1"]["id"], held["X2"]["id"])
    assert set(rows(filled, t.permit, "id", "number", "status")) == {
        (ids["X1"], "X1", "expired"),
        (ids["X2"], "X2", "renewed"),
        (ids["X3"], "X3", "active"),
    }


def test_what_is_written_goes_with_its_transaction(filled: Engine) -> None:
    before = everything(filled)
    with pytest.raises(ZeroDivisionError), writing(filled) as connection:
        put_subjects(connection, PERMIT, [a_permit()], now=NOW)
        raise ZeroDivisionError
    assert everything(filled) == before


def test_importers_of_the_same_rows_in_other_orders_neither_wait_for_each_other_nor_lose_a_change(
    postgres_engine: Engine,
) -> None:
    with writing(postgres_engine) as connection:
        put_offices(connection, [OfficeRecord("batam", {"name": "Batam", "zone": "Asia/Jakarta"})], now=NOW)
        put_parties(connection, [PartyRecord("P1", {"name": "Ani"})], now=NOW)
        put_parties(connection, [PartyRecord(f"H{place}", {"name": "Budi"}) for place in range(1_500)], now=NOW)

    def take(importer: int) -> None:
        places = list(range(1_500))
        for turn in range(3):
            expiry = date(2027, 1, 1) + timedelta(days=10 * importer + turn)
            records = [a_permit(f"X{place}", holder=f"H{place}", expiry=expiry) for place in places]
            put(postgres_engine, PERMIT, *(records if importer % 2 else reversed(records)))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(take, importer) for importer in range(4)]:
            done.result(timeout=120)
    numbers = {number for _, number in touched(postgres_engine)}
    assert len(numbers) == 1_500
    assert len(rows(postgres_engine, t.permit, "id")) == 1_500
