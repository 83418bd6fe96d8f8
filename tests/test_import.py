"""Import of files: what is understood, what is refused and why, and what is left when it went wrong."""

import csv
import gc
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from sqlalchemy import Engine, Table, event, func, select

from notifier.errors import FaultsFound
from notifier.intake import batches, importer
from notifier.intake.columns import Kind, recognise
from notifier.intake.importer import ImportReport, import_files
from notifier.intake.rows import Words
from notifier.store import tables as t
from notifier.store.engine import reading

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
BROKEN = Path(__file__).parent / "data" / "broken_rows"

OFFICES = """code,name,zone,opens_at,closes_at,weekdays,closed_days,front_desk_email
batam,Kantor Imigrasi Batam,WIB,08:00,15.30,mon-fri,2026-12-24|2026-12-31,loket@batam.example
ambon,Kantor Imigrasi Ambon,Asia/Jayapura,,,,,
"""
PEOPLE = """number,kind,name,language,birth_date,nationality,phone,whatsapp,email,zone,household
P1,person,Ani,id,1990-05-06,IDN,0812-0000-0001,whatsapp:+6281200000001,Ani@Mail.Example,,H1
P2,,O'Brien,EN,,ie,6281200000002,,,Europe/Dublin,
S1,Organisation,PT Satu,,,ID,,,hr@satu.example,,
"""
PERMITS = """number,office,type,status,origin,holder,sponsor,agent,agent_from,agent_until,issue,expiry,extendable,\
extensions_left,attributes.Registered
X1,batam,itas,RENEWAL_PROTECTED,limited_stay_visa,P1,S1,P2|S1,2026-01-01,2026-12-31,2026-01-10,2027-01-10,yes,2,no
X2,ambon,Dual_Nationality certificate,,,P2,,,,,,,,,
"""
CASES = """number,office,service,state,state_since,holder,payer,permit,submitted_at,payment_due_at,docs_due_on,issued_on
C1,batam,passport,Awaiting_Payment,2026-11-24 09:00,P1,S1,X1,2026-11-24,2026-11-24 11:00,2026-12-01,
C2,ambon,passport,ready for collection,,P2,,,2026-11-20T08:00:00Z,,,2026-11-23
"""
FILES = {"offices": OFFICES, "people": PEOPLE, "permits": PERMITS, "cases": CASES}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four good files; the cases come first in the alphabet, and last in the import."""
    for name, text in FILES.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path


def take(engine: Engine, *paths: Path, **options: Any) -> ImportReport:
    return import_files(engine, paths, now=options.pop("now", NOW), **options)


def take_all(engine: Engine, folder: Path, **options: Any) -> ImportReport:
    return take(engine, *sorted(folder.glob("*.csv")), **options)


def rows(engine: Engine, table: Table, *columns: str) -> list[tuple[Any, ...]]:
    with reading(engine) as connection:
        return [
            tuple(row) for row in connection.execute(select(*(table.c[name] for name in columns)).order_by(table.c.id))
        ]


def total(engine: Engine) -> int:
    """How many rows there are in the register's tables."""
    with reading(engine) as connection:
        counts = (select(func.count()).select_from(table) for table in t.metadata.sorted_tables)
        return sum(connection.execute(count).scalar_one() for count in counts)


def test_four_files_become_a_register_whatever_their_order(engine: Engine, folder: Path) -> None:
    report = take_all(engine, folder)
    assert report.refusals == ()
    assert list(report.kinds) == [Kind.OFFICES, Kind.PEOPLE, Kind.PERMITS, Kind.CASES]
    assert [one.added for one in report.kinds.values()] == [2, 3, 2, 2]
    assert rows(engine, t.office, "code", "zone", "closes_at", "weekdays", "closed_days")[1] == (
        "batam",
        "Asia/Jakarta",
        time(15, 30),
        [0, 1, 2, 3, 4],
        ["2026-12-24", "2026-12-31"],
    )
    assert rows(engine, t.party, "number", "kind", "language", "nationality", "birth_date")[1:] == [
        ("P1", "person", "id", "ID", date(1990, 5, 6)),
        ("P2", "person", "en", "IE", None),
        ("S1", "organisation", None, "ID", None),
    ]
    assert sorted(rows(engine, t.contact, "channel", "address")) == [
        ("email", "Ani@mail.example"),
        ("email", "hr@satu.example"),
        ("email", "loket@batam.example"),
        ("sms", "+6281200000001"),
        ("sms", "+6281200000002"),
        ("whatsapp", "+6281200000001"),
    ]


def test_permits_and_cases_hold_words_dates_and_instants_of_their_office(engine: Engine, folder: Path) -> None:
    take_all(engine, folder)
    assert rows(engine, t.permit, "type", "status", "origin", "extendable", "extensions_left", "attributes") == [
        ("ITAS", "renewal protected", "limited stay visa", True, 2, {"registered": "no"}),
        ("dual nationality certificate", "active", None, None, None, {}),
    ]
    assert rows(engine, t.case, "state", "submitted_at", "payment_due_at", "documents_due_on", "issue") == [
        (
            "awaiting payment",
            datetime(2026, 11, 23, 17, tzinfo=UTC),
            datetime(2026, 11, 24, 4, tzinfo=UTC),
            date(2026, 12, 1),
            None,
        ),
        ("ready for collection", datetime(2026, 11, 20, 8, tzinfo=UTC), None, None, date(2026, 11, 23)),
    ]
    assert rows(engine, t.stay, "state", "began_at") == [("awaiting payment", NOW), ("ready for collection", NOW)]
    assert sorted(rows(engine, t.role, "subject_kind", "role", "valid_until"), key=str) == [
        ("case", "payer", None),
        ("permit", "agent", date(2026, 12, 31)),
        ("permit", "agent", date(2026, 12, 31)),
        ("permit", "sponsor", None),
    ]


def test_the_same_files_again_change_nothing(engine: Engine, folder: Path) -> None:
    take_all(engine, folder)
    before = total(engine)
    report = take_all(engine, folder, now=datetime(2026, 11, 25, tzinfo=UTC))
    assert [(one.added, one.changed, one.refused) for one in report.kinds.values()] == [(0, 0, 0)] * 4
    assert total(engine) == before


# ----------------------------------------------------------------------------------------------- refusals

#: The file, the column at fault, and words of the reason.
REFUSED = [
    ("people-fixed-line.csv", "phone", "fixed line"),
    ("people-extension.csv", "whatsapp", "extension"),
    ("people-short-phone.csv", "phone", "not a number in use"),
    ("people-phone-became-decimal.csv", "phone", "decimal by a spreadsheet"),
    ("people-two-phones.csv", "phone", "no telephone number"),
    ("people-email.csv", "email", "no e-mail address"),
    ("people-day-first.csv", "birth_date", "write year-month-day"),
    ("people-no-such-day.csv", "birth_date", "no day of the calendar"),
    ("people-born-in-the-future.csv", "birth_date", "in the future"),
    ("people-year-mistyped.csv", "birth_date", "year outside"),
    ("people-language.csv", "language", "no language tag"),
    ("people-nationality.csv", "nationality", "two letters"),
    ("people-no-name.csv", "name", "is empty"),
    ("people-no-number.csv", "number", "is empty"),
    ("people-desk-number.csv", "number", "desks of offices"),
    ("people-too-many-cells.csv", "", "has 9 cells, the header 8"),
    ("people-control-character.csv", "name", "line break"),
    ("people-not-utf8.csv", "", "not UTF-8"),
    ("people-never-closed-quote.csv", "", "never closed"),
    ("permits-unknown-office.csv", "office", 'did you mean "batam"'),
    ("permits-unknown-holder.csv", "holder", "no person of this number"),
    ("permits-unknown-agent.csv", "agent", "no person of this number"),
    ("permits-status.csv", "status", 'did you mean "active"'),
    ("permits-ends-before-it-begins.csv", "expiry", "lies before issue"),
    ("permits-agent-days-crossed.csv", "agent_until", "lies before agent_from"),
    ("permits-extendable.csv", "extendable", "yes or no"),
    ("permits-extensions-left.csv", "extensions_left", "no whole number"),
    ("permits-expiry-with-time.csv", "expiry", "no date"),
    ("permits-not-an-object.jsonl", "", "one object"),
    ("permits-mistyped-key.jsonl", "expirey", 'did you mean "expiry"'),
    ("cases-unknown-permit.csv", "permit", "no permit of this number"),
    ("cases-state.csv", "state", 'did you mean "awaiting payment"'),
    ("cases-deadline-without-time.csv", "payment_due_at", "needs a time"),
    ("cases-appointment-no-instant.csv", "appointment_at", "no point in time"),
    ("offices-zone.csv", "zone", "no time zone"),
    ("offices-weekdays.csv", "weekdays", "no weekday"),
    ("offices-closes-before-it-opens.csv", "closes_at", "not after opens_at"),
]


@pytest.mark.parametrize(("file", "column", "words"), REFUSED, ids=[file for file, _, _ in REFUSED])
def test_a_broken_row_is_refused_with_its_place_and_a_reason(
    sqlite_engine: Engine, folder: Path, file: str, column: str, words: str
) -> None:
    take_all(sqlite_engine, folder)
    report = take(sqlite_engine, BROKEN / file)
    assert report.refused >= 1
    refusal = report.refusals[0]
    assert (refusal.file, refusal.column) == (file, column)
    assert words in refusal.reason
    assert refusal.line == (3 if "never-closed" in file else 2)


def test_every_file_of_broken_rows_is_tried() -> None:
    assert {file.name for file in BROKEN.iterdir()} == {file for file, _, _ in REFUSED}


def test_reasons_never_repeat_what_is_personal(sqlite_engine: Engine, folder: Path) -> None:
    take_all(sqlite_engine, folder)
    for file in sorted(BROKEN.glob("people-*.csv")):
        for refusal in take(sqlite_engine, file).refusals:
            assert not any(secret in refusal.reason for secret in ("Ani", "8321234", "1990", "0000-0001", "ani..b"))


def test_refused_rows_can_be_mended_and_imported_again(engine: Engine, folder: Path) -> None:
    text = PEOPLE.replace("0812-0000-0001", "0251-8321234").replace("1990-05-06", "06-05-1990")
    (folder / "people.csv").write_text(text, encoding="utf-8")
    refused = folder / "refused"
    report = take(engine, folder / "offices.csv", folder / "people.csv", refusals_path=refused)
    assert (report.kinds[Kind.PEOPLE].added, report.refused, len(report.refusals)) == (2, 1, 2)
    file = refused / "people-refused.csv"
    assert report.refusal_files == (file,)
    (row,) = csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines())
    assert row["name"] == "Ani"
    assert "phone: is a fixed line" in row["refused_because"] and "birth_date: " in row["refused_because"]
    mended = file.read_text(encoding="utf-8-sig").replace("0251-8321234", "0812-0000-0001")
    file.write_text(mended.replace("06-05-1990", "1990-05-06"), encoding="utf-8-sig")
    again = take(engine, file, refusals_path=refused)
    assert (again.kinds[Kind.PEOPLE].added, again.refused) == (1, 0)


def test_a_file_half_mended_may_be_read_and_written_in_one_run(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "people-refused.csv"
    file.write_text("number,name,phone,refused_because\nP1,Ani,0812-0000-0001,old\nP2,Budi,123,old\n")
    report = take(engine, file, refusals_path=tmp_path)
    assert (report.kinds[Kind.PEOPLE].added, report.refused) == (1, 1)
    assert file.read_text(encoding="utf-8-sig").splitlines()[0] == "number,name,phone,refused_because"
    assert "Ani" not in file.read_text() and "Budi" in file.read_text()
    assert list(tmp_path.glob("*.part")) == []


def test_strict_keeps_all_or_nothing(engine: Engine, folder: Path) -> None:
    before = total(engine)
    files = [*folder.glob("*.csv"), BROKEN / "people-email.csv"]
    report = take(engine, *files, strict=True)
    assert (report.written, report.refused) == (False, 1)
    assert total(engine) == before
    assert take_all(engine, folder, strict=True).written
    assert total(engine) > before


def test_a_dry_run_writes_nothing_and_says_what_would_be(engine: Engine, folder: Path) -> None:
    before = total(engine)
    report = take_all(engine, folder, dry_run=True, refusals_path=folder / "refused")
    assert not report.written
    assert [one.added for one in report.kinds.values()] == [2, 3, 2, 2]
    assert total(engine) == before
    take(engine, BROKEN / "people-email.csv", dry_run=True, refusals_path=folder / "refused")
    assert not (folder / "refused").exists()


# ---------------------------------------------------------------------------------------- files and headers


def test_files_that_cannot_be_read_are_all_named_before_anything_is_written(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "people.csv").write_text("number,name,birthdate\nP1,Ani,1990-01-01\n")
    (folder / "empty.csv").write_text("")
    (folder / "strange.csv").write_text("colour,size\nred,1\n")
    (folder / "people.pdf").write_text("")
    (folder / "damaged.xlsx").write_text("no zip")
    (folder / "utf16.csv").write_text("number,name\nP1,Ani\n", encoding="utf-16")
    (folder / "offices.csv").write_text(OFFICES)
    before = total(engine)
    with pytest.raises(FaultsFound) as raised:
        take(engine, *folder.iterdir(), folder / "missing.csv")
    faults = {fault.file: fault for fault in raised.value.faults}
    assert sorted(faults) == [
        "damaged.xlsx",
        "empty.csv",
        "missing.csv",
        "people.csv",
        "people.pdf",
        "strange.csv",
        "utf16.csv",
    ]
    assert (faults["people.csv"].column, faults["people.csv"].message) == (
        3,
        'unknown column "birthdate"; did you mean "birth_date"?',
    )
    assert "damaged" in faults["damaged.xlsx"].message and "UTF-8" in faults["utf16.csv"].message
    assert total(engine) == before


def test_missing_columns_are_named_when_the_kind_is_given(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("number,holder\nX1,P1\n")
    with pytest.raises(FaultsFound, match="permits need a column office"):
        take(engine, file, kind=Kind.PERMITS)


def test_columns_nobody_knows_are_reported_and_left(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("number,name,shoe size\nP1,Ani,38\n")
    assert take(engine, file).ignored == ("people.csv: column shoe size is not used",)


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("Nomor;Nama;Tanggal Lahir;HP", Kind.PEOPLE),
        ("nomor;kantor;jenis;pemegang;berlaku sampai", Kind.PERMITS),
        ("nomor permohonan;kantor;layanan;status;pemohon", Kind.CASES),
        ("kode;nama;zona waktu", Kind.OFFICES),
        ("number;colour", None),
    ],
)
def test_a_header_tells_the_kind_also_in_indonesian(header: str, kind: Kind | None) -> None:
    assert recognise(header.split(";")) is kind


def test_semicolons_a_byte_order_mark_and_quotes_are_understood(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "orang.csv"
    file.write_text('Nomor;Nama;HP\r\nP1;"Ani; Budi ""AB""";0812-0000-0001\r\n\r\n;;\r\n', encoding="utf-8-sig")
    assert take(engine, file).kinds[Kind.PEOPLE].added == 1
    assert rows(engine, t.party, "name") == [('Ani; Budi "AB"',)]


def a_cell(*parts: int) -> datetime:
    """A date cell of a workbook, which knows no zone."""
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)  # type: ignore[misc, arg-type]


def test_a_workbook_brings_its_sheets_with_real_dates_and_numbers(engine: Engine, tmp_path: Path) -> None:
    book = Workbook()
    book.remove(book.worksheets[0])
    sheets: dict[str, list[list[object]]] = {
        "permits": [
            ["number", "office", "type", "holder", "expiry", "extensions_left", None],
            [20260001, "batam", "ITAS", "P1", a_cell(2027, 1, 10), 2.0, None],
            [None, None],
            ["X2", "batam", "ITAS", "P1", a_cell(2027, 1, 10, 8, 30), "", None],
        ],
        "people": [["number", "name", "phone", "birth_date"], ["P1", "Ani", 81200000001, date(1990, 5, 6)]],
        "cases": [
            ["number", "office", "service", "state", "holder", "appointment_at"],
            ["C1", "batam", "passport", "scheduled", "P1", a_cell(2026, 11, 25, 9, 0)],
        ],
        "offices": [["code", "name", "zone", "opens_at"], ["batam", "Batam", "WIB", time(7, 30)]],
        "notes": [],
    }
    for name, lines in sheets.items():
        sheet = book.create_sheet(name)
        for line in lines:
            sheet.append(line)
    file = tmp_path / "register.xlsx"
    book.save(file)
    report = take(engine, file)
    assert [(one.file, one.line, one.column) for one in report.refusals] == [("register.xlsx[permits]", 4, "expiry")]
    assert rows(engine, t.permit, "number", "expiry", "extensions_left") == [("20260001", date(2027, 1, 10), 2)]
    assert rows(engine, t.contact, "address") == [("+6281200000001",)]
    assert rows(engine, t.case, "appointment_at") == [(datetime(2026, 11, 25, 2, tzinfo=UTC),)]
    assert rows(engine, t.office, "opens_at") == [(time(7, 30),)]


def test_json_lines_may_nest_attributes_and_list_agents(engine: Engine, folder: Path) -> None:
    take(engine, folder / "offices.csv", folder / "people.csv")
    permit = {"number": "X1", "office": "batam", "type": "ITAS", "holder": "P1", "extendable": True}
    more = {"number": "X2", "agent": ["P2", "S1"], "attributes": {"registered": False, "rank": 3}}
    file = folder / "permits.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in (permit, {**permit, **more})))
    assert take(engine, file).kinds[Kind.PERMITS].added == 2
    assert rows(engine, t.permit, "extendable", "attributes") == [
        (True, {}),
        (True, {"registered": "no", "rank": "3"}),
    ]
    assert rows(engine, t.role, "role") == [("agent",), ("agent",)]


def test_phones_without_a_country_are_of_the_offices_country(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "offices.csv").write_text("code,name,zone,country\nkl,Kuala Lumpur,Asia/Kuala_Lumpur,MY\n")
    (tmp_path / "people.csv").write_text("number,name,phone\nP1,Aiman,012-345 6789\n")
    take(engine, *tmp_path.glob("*.csv"))
    assert rows(engine, t.contact, "address") == [("+60123456789",)]


def test_types_are_a_closed_list_when_the_installation_names_them(engine: Engine, folder: Path) -> None:
    take(engine, folder / "offices.csv", folder / "people.csv")
    words = Words(types=("ITAS", "ITAP"), closed=True)
    report = take(engine, folder / "permits.csv", words=words)
    assert (report.kinds[Kind.PERMITS].added, report.refusals[0].column) == (1, "type")


# --------------------------------------------------------------------------------------------- many rows


@pytest.fixture
def commits(sqlite_engine: Engine) -> Iterator[list[int]]:
    """Counts the commits of an engine."""
    counted: list[int] = []

    def count(_connection: object) -> None:
        counted.append(1)

    event.listen(sqlite_engine, "commit", count)
    yield counted
    event.remove(sqlite_engine, "commit", count)


def test_each_batch_is_a_transaction_and_progress_is_told(
    sqlite_engine: Engine, tmp_path: Path, commits: list[int]
) -> None:
    file = tmp_path / "people.csv"
    lines = (f"P{place},Ani {place}" for place in range(2 * batches.BATCH + 1))
    file.write_text("number,name\n" + "\n".join(lines))
    told: list[tuple[Kind, int]] = []
    report = take(sqlite_engine, file, progress=lambda kind, count: told.append((kind, count)))
    assert report.kinds[Kind.PEOPLE].added == 2 * batches.BATCH + 1
    assert [count for _, count in told] == [batches.BATCH, 2 * batches.BATCH, 2 * batches.BATCH + 1]
    assert len(commits) == 3


def test_what_was_committed_before_an_interruption_stays_and_the_rest_comes_with_the_next_run(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("number,name\n" + "\n".join(f"P{place},Ani" for place in range(batches.BATCH + 1)))

    def interrupt(_kind: Kind, _count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(sqlite_engine, file, progress=interrupt)
    report = take(sqlite_engine, file).kinds[Kind.PEOPLE]
    assert (report.added, report.unchanged) == (1, batches.BATCH)


def test_refusals_stand_in_the_order_of_their_batches_though_the_next_one_is_read_ahead(
    sqlite_engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_all(sqlite_engine, folder)
    monkeypatch.setattr(batches, "BATCH", 2)
    file = folder / "permits.csv"
    lines = ["X1,batam,ITAS,P1", "X2,batam,ITAS,P404", "X3,batam,ITAS,", "X4,batam,ITAS,P404", "X5,batam,,P1"]
    file.write_text("number,office,type,holder\n" + "\n".join(lines))
    found = take(sqlite_engine, file, refusals_path=folder / "refused")
    assert [(one.line, one.column) for one in found.refusals] == [
        (3, "holder"),
        (4, "holder"),
        (5, "holder"),
        (6, "type"),
    ]
    with found.refusal_files[0].open(encoding="utf-8-sig", newline="") as stream:
        assert [row["number"] for row in csv.DictReader(stream)] == ["X2", "X3", "X4", "X5"]
    assert gc.isenabled()


def test_a_source_that_breaks_while_it_is_read_ahead_ends_the_import(
    sqlite_engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(batches.RowReader, "read", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        take_all(sqlite_engine, folder)
    assert gc.isenabled()


def test_texts_are_remembered_and_other_cells_are_not_taken_for_them(engine: Engine, folder: Path) -> None:
    take_all(engine, folder)
    cells = ["1", True, 1, "1", 1.0, "1"]
    whole = {"office": "batam", "type": "ITAS", "holder": "P1", "extensions_left": "1"}
    file = folder / "permits.jsonl"
    lines = [json.dumps(whole | {"number": f"J{place}", "extendable": cell}) for place, cell in enumerate(cells)]
    lines.append(json.dumps(whole | {"number": "J6", "extendable": "1", "extensions_left": True}))
    file.write_text("\n".join(lines))
    report = take(engine, file)
    assert [(one.line, one.column) for one in report.refusals] == [(7, "extensions_left")]
    found = [row for row in rows(engine, t.permit, "number", "extendable", "extensions_left") if row[0][0] == "J"]
    assert found == [(f"J{place}", True, 1) for place in range(6)]


def test_after_a_large_import_the_database_knows_the_size_of_its_tables(
    postgres_engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "MANY", 3)
    take_all(postgres_engine, folder)
    with reading(postgres_engine) as connection:
        sizes = dict(connection.exec_driver_sql("SELECT relname, reltuples FROM pg_class").all())
    assert (sizes["party"], sizes["contact"]) == (4, 6)
    assert sizes["permit"] == -1  # two are not many


def test_only_the_first_thousand_refusals_are_kept_and_all_are_counted(sqlite_engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("number,name\n" + "P1,\n" * 1_500)
    report = take(sqlite_engine, file)
    assert (report.refused, len(report.refusals)) == (1_500, 1_000)
