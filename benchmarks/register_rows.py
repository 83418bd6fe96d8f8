"""The rows of a measured register, written in SQL: people, contacts, permits, their history, sponsors and cases."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from benchmarks.register_shapes import CROWD, DAY, Filled, Shape, Sort
from benchmarks.register_sql import Sql
from notifier.model import Channel, SubjectKind
from notifier.store.history import ANCHORS


def write_portion(
    run: Sql, low: int, high: int, made: Filled, shapes: Sequence[Shape], channels: Sequence[Channel]
) -> None:
    """Permits low..high-1 with everything that belongs to them; permit n has holder n."""
    rows = run.series(low, high)
    run(
        "INSERT INTO party (id, number, kind, name, language, nationality, birth_date, attributes) "
        f"SELECT n, {run.padded('P', 'n')}, 'person', {run.padded('PERSON ', 'n')}, "
        "CASE WHEN n % 10 < 4 THEN 'id' WHEN n % 10 < 9 THEN 'en' ELSE 'ja' END, "
        f"CASE WHEN n % 10 < 4 THEN 'ID' ELSE 'JP' END, {run.day('-(9125 + n % 14000)')}, {run.json} FROM {rows}"
    )
    _write_contacts(run, rows, channels)
    _write_permits(run, rows, made, shapes)
    mine = f"id >= {low} AND id < {high}"
    for column in ("issue", "expiry", "arrival", "departure_deadline"):
        run(
            "INSERT INTO seen (subject_kind, subject_id, field, value, at) "
            f"SELECT 'permit', id, '{column.replace('_', ' ')}', {run.as_text(column)}, {run.instant(-366)} "
            f"FROM permit WHERE {mine} AND {column} IS NOT NULL"
        )
    run(
        "INSERT INTO role (subject_kind, subject_id, role, party_id) "
        f"SELECT 'permit', id, 'sponsor', {made.permits} + 1 + id % {made.sponsors} FROM permit "
        f"WHERE {mine} AND type IN ('ITAS', 'ITAP')"
    )
    closed = (low + 9) // 10, (high + 9) // 10
    _write_cases(run, *closed, "passport", "closed", "n * 10", submitted_at=-500, paid_at=-499, closed_at=-480)


def _write_permits(run: Sql, rows: str, made: Filled, shapes: Sequence[Shape]) -> None:
    """Those that are due by their place in `shapes`; of the crowd three in five are valid, the rest is history."""

    def column(of_shape: Callable[[Shape], str], otherwise: str) -> str:
        steps, taken, total = [], 0, sum(shape.share for shape in shapes)
        for shape in shapes:
            taken += shape.share
            steps.append(f"WHEN n <= {made.due * taken // total} THEN {of_shape(shape)}")
        return f"CASE {' '.join(steps)} {otherwise} END"

    def of_crowd(of_sort: Callable[[Sort], str]) -> str:
        steps, taken = [], 0
        for sort in CROWD:
            taken += sort.share
            steps.append(f"WHEN n % 100 < {taken} THEN {of_sort(sort)}")
        return " ".join(steps)

    ahead, past = run.day("420 + (n / 100) % 1500"), run.day("-(120 + (n / 100) % 1000)")
    expiry = f"WHEN n % 5 < 3 THEN {ahead} ELSE {past}"
    leaving = " OR ".join(f"n % 100 BETWEEN {low} AND {high}" for low, high in _places_of_leaving())
    run(
        "INSERT INTO permit (id, number, office_id, type, status, origin, holder_id, issue, expiry, arrival, "
        "departure_deadline, extendable, extensions_left, attributes) "
        f"SELECT n, {run.padded('D', 'n')}, 1 + n % (SELECT count(*) FROM office), "
        f"{column(lambda one: run.word(one.type), of_crowd(lambda one: run.word(one.type)))}, "
        f"CASE WHEN n <= {made.due} OR n % 5 < 3 THEN 'active' WHEN n % 5 = 3 THEN 'renewed' ELSE 'departed' END, "
        f"{column(lambda one: run.word(one.origin), of_crowd(lambda one: run.word(one.origin)))}, n, "
        + column(
            lambda one: run.date(one.expiry - timedelta(days=365)),
            f"WHEN n % 5 < 3 THEN {run.day('-(30 + (n / 100) % 300)')} ELSE {run.day('-(1500 + (n / 100) % 1000)')}",
        )
        + f", {column(lambda one: run.date(one.expiry), expiry)}, {run.nothing('date')}, "
        + column(
            lambda one: run.date(one.expiry) if one.leaves else run.nothing("date"),
            f"WHEN {leaving} THEN CASE {expiry} END ELSE {run.nothing('date')}",
        )
        + f", {column(lambda one: run.flag(one.extendable), of_crowd(lambda one: run.flag(one.extendable)))}, "
        + column(lambda one: run.count(one.extensions_left), of_crowd(lambda one: run.count(one.extensions_left)))
        + f", {run.json} FROM {rows}"
    )


def _places_of_leaving() -> Iterator[tuple[int, int]]:
    taken = 0
    for sort in CROWD:
        if sort.extendable is False:
            yield taken, taken + sort.share - 1
        taken += sort.share


def _write_contacts(run: Sql, rows: str, channels: Sequence[Channel]) -> None:
    for channel in channels:
        mail = run.padded("p", "n") + " || '@mail.example'"
        address = mail if channel is Channel.EMAIL else run.padded("+628", "n")
        run(
            "INSERT INTO contact (party_id, channel, address, usable) "
            f"SELECT n, '{channel.value}', {address}, {run.flag(True)} FROM {rows}"
        )


def write_sponsors(run: Sql, made: Filled, channels: Sequence[Channel]) -> None:
    rows = run.series(made.permits + 1, made.permits + made.sponsors + 1)
    run(
        "INSERT INTO party (id, number, kind, name, language, nationality, attributes) "
        f"SELECT n, {run.padded('S', 'n')}, 'organisation', {run.padded('PT MAJU ', 'n')}, 'id', 'ID', {run.json} "
        f"FROM {rows}"
    )
    _write_contacts(run, rows, channels)


def write_open_cases(run: Sql, made: Filled) -> None:
    """One third each: payment due tomorrow noon, appointment in three days, a passport waiting for a week."""
    third, low = made.open_cases // 3, made.cases + 1
    first, second, last = low + third, low + 2 * third, low + made.open_cases
    holder = f"{made.due} + n - {made.cases}"  # of the crowd, with nothing else due
    _write_cases(run, low, first, "passport", "awaiting payment", holder, submitted_at=-0.5, payment_due_at=1.25)
    _write_cases(run, first, second, "passport", "scheduled", holder, submitted_at=-9, paid_at=-8, appointment_at=3.125)
    _write_cases(
        run, second, last, "passport", "ready for collection", holder,
        submitted_at=-20, paid_at=-19, issue=-7, collect_by=23,
    )  # fmt: skip


def _write_cases(run: Sql, low: int, high: int, service: str, state: str, holder: str, **days: float) -> None:
    """Cases low..high-1; each date or instant is so many days from DAY, 06:00. The state begins with the last past."""
    dates = {"issue": run.date, "collect_by": run.date}
    values = {
        name: dates[name](DAY + timedelta(days=days_)) if name in dates else run.instant(days_)
        for name, days_ in days.items()
    }
    since = run.instant(max(days_ for days_ in days.values() if days_ < 0))
    run(
        f"INSERT INTO application (id, number, office_id, service, state, holder_id, attributes, {', '.join(values)}) "
        f"SELECT n, {run.padded('C', 'n')}, 1 + n % (SELECT count(*) FROM office), '{service}', '{state}', {holder}, "
        f"{run.json}, {', '.join(values.values())} FROM {run.series(low, high)}"
    )
    mine = f"FROM application WHERE id >= {low} AND id < {high}"
    for column, word in ANCHORS[SubjectKind.CASE].items():
        if column in values:
            run(
                "INSERT INTO seen (subject_kind, subject_id, field, value, at) "
                f"SELECT 'case', id, '{word}', {run.as_text(column, is_day=column in dates)}, {since} {mine}"
            )
    run(f"INSERT INTO stay (case_id, state, began_at) SELECT id, '{state}', {since} {mine}")
