"""Sample registers: repeatable, importable without one refusal, full of edge cases, and true to no one."""

import csv
import re
import tracemalloc
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import phonenumbers
import pytest
from sqlalchemy import Engine

from notifier.intake.columns import Kind
from notifier.intake.importer import import_files
from notifier.intake.sample import OFFICES, write_sample
from notifier.rules.fields import CASE_STATES

ON = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
GOOD = ("offices.csv", "people.csv", "permits.csv", "cases.csv")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, 3_000, 7, on=ON)
    return folder


def read(folder: Path, kind: str) -> list[dict[str, str]]:
    with (folder / f"{kind}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_row_of_a_sample_is_taken(engine: Engine, sample: Path) -> None:
    report = import_files(engine, [sample / name for name in GOOD], now=NOW)
    assert [str(refusal) for refusal in report.refusals] == []
    assert report.ignored == ()
    again = import_files(engine, [sample / name for name in GOOD], now=NOW + timedelta(days=1))
    assert sum(one.added + one.changed for one in again.kinds.values()) == 0


@pytest.mark.parametrize("on", [date(2026, 2, 28), date(2027, 3, 9), date(2028, 2, 29), date(2029, 12, 31)])
def test_a_sample_can_be_laid_around_any_day(sqlite_engine: Engine, tmp_path: Path, on: date) -> None:
    write_sample(tmp_path, 50, 1, on=on)
    now = datetime(on.year, on.month, on.day, 1, tzinfo=UTC)
    report = import_files(sqlite_engine, [tmp_path / name for name in GOOD], now=now)
    assert [str(refusal) for refusal in report.refusals] == []


def test_the_broken_people_are_all_refused_each_for_its_own_reason(sqlite_engine: Engine, sample: Path) -> None:
    report = import_files(sqlite_engine, [sample / "people-broken.csv"], now=NOW)
    people = report.kinds[Kind.PEOPLE]
    assert people.refused == people.read == len({refusal.reason for refusal in report.refusals}) >= 5


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path, sample: Path) -> None:
    write_sample(tmp_path / "again", 3_000, 7, on=ON)
    write_sample(tmp_path / "other", 3_000, 8, on=ON)
    for name in (*GOOD, "people-broken.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (sample / name).read_bytes()
    assert (tmp_path / "other" / "people.csv").read_bytes() != (sample / "people.csv").read_bytes()


def test_much_is_due_on_the_day_and_just_before(sample: Path) -> None:
    ends = Counter(row["expiry"] for row in read(sample, "permits") if row["type"] == "ITAS")
    for days in (60, 30, 21, 14, 7):
        assert ends[(ON + timedelta(days=days)).isoformat()] > 10


def test_cases_are_in_every_state_with_payments_in_hours_and_appointments_tomorrow(sample: Path) -> None:
    cases = read(sample, "cases")
    assert {row["state"] for row in cases} == set(CASE_STATES)
    assert any(row["payment_due_at"].startswith(ON.isoformat()) for row in cases)
    assert any(row["appointment_at"].startswith("2026-11-25") for row in cases)
    assert any(row["docs_due_on"] for row in cases)
    assert any(row["collect_by"] for row in cases)


def test_offices_have_their_true_zones(sample: Path) -> None:
    zones = {row["code"]: row["zone"] for row in read(sample, "offices")}
    assert set(zones) == set(OFFICES)
    assert (zones["palangka-raya"], zones["balikpapan"]) == ("Asia/Pontianak", "Asia/Makassar")
    assert (zones["ambon"], zones["padang"]) == ("Asia/Jayapura", "Asia/Jakarta")


def test_no_address_of_a_sample_reaches_anybody(sample: Path) -> None:
    for row in [*read(sample, "people"), *read(sample, "offices")]:
        for cell in row.values():
            assert "@" not in cell or cell.endswith(".example")
        for column in ("phone", "whatsapp"):
            if row.get(column):
                number = phonenumbers.parse(row[column])
                assert phonenumbers.is_valid_number(number)
                assert re.match(r"\+62 812-0|\+61 491 570 ", row[column])


def test_some_numbers_meet_each_failure_of_the_sandbox(sample: Path) -> None:
    endings = Counter(row["phone"][-4:] for row in read(sample, "people"))
    assert all(endings[ending] > 1 for ending in ("0091", "0092", "0093", "0094", "0095"))


def test_nationalities_are_in_proportion(sample: Path) -> None:
    foreign = Counter(row["nationality"] for row in read(sample, "people") if row["number"].startswith("P0"))
    del foreign["ID"]
    assert 0.40 < foreign["CN"] / foreign.total() < 0.50
    assert {"JP", "KR", "IN", "MY", "PH", "AU", "US", "GB", "RU", "EG"} < set(foreign)


@pytest.mark.parametrize(
    "number",
    [
        "EDGE-LEBARAN",
        "EDGE-SUNDAY",
        "EDGE-TODAY-WIT",
        "EDGE-LEAP-DAY",
        "EDGE-NO-SPONSOR",
        "EDGE-WORKER-40",
        "EDGE-FAMILY-5",
        "EDGE-FOREIGN-PHONE",
        "EDGE-RENEWED-OLD",
        "EDGE-EIGHTEEN",
        "EDGE-UNLIMITED",
        "EDGE-BACKLOG",
        "EDGE-NO-EXPIRY",
        "EDGE-OVERSTAY-60",
        "EDGE-NO-ADDRESS",
    ],
)
def test_edge_cases_are_planted_under_their_names(sample: Path, number: str) -> None:
    assert [row["number"] for row in read(sample, "permits")].count(number) == 1


def test_edge_cases_are_what_their_names_say(sample: Path) -> None:
    permits = {row["number"]: row for row in read(sample, "permits")}
    people = {row["number"]: row for row in read(sample, "people")}
    cases = {row["number"]: row for row in read(sample, "cases")}
    assert permits["EDGE-LEBARAN"]["expiry"] == "2027-03-10"
    assert date.fromisoformat(permits["EDGE-SUNDAY"]["expiry"]).weekday() == 6
    assert permits["EDGE-LEAP-DAY"]["expiry"] == "2028-02-29"
    assert people["P-EDGE-EIGHTEEN"]["birth_date"] == "2008-12-24"
    assert (permits["EDGE-UNLIMITED"]["expiry"], permits["EDGE-UNLIMITED"]["issue"]) == ("", "2021-12-24")
    assert len({people[f"P-EDGE-FAMILY-{place}"]["phone"] for place in range(1, 6)}) == 1
    assert len(people["P-EDGE-LONG-NAME"]["name"]) == 60
    assert cases["EDGE-COLLECT-HOLIDAY"]["collect_by"] == "2026-12-24"
    assert cases["EDGE-OPTED-OUT-APPOINTMENT"]["appointment_at"].startswith("2026-11-25")
    assert cases["EDGE-PAID-LAGGING"]["paid_at"]


def test_memory_does_not_grow_with_the_size(tmp_path: Path) -> None:
    def peak(size: int) -> int:
        tracemalloc.start()
        write_sample(tmp_path, size, 1, on=ON)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(200)  # whatever is loaded once
    assert peak(6_000) < 1.3 * peak(600) + 200_000
