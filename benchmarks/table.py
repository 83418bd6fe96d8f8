"""The promises: for each row the figure that shows it, the floor that must hold, and the goal."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks import Better, Figure


@dataclass(frozen=True, slots=True)
class Row:
    """One promise. A bar of None is none: the figure is only reported."""

    what: str
    short: str  # for pictures
    figure: str
    better: Better
    floor: float | None
    goal: float | None
    unit: str = "x"

    def reached(self, figure: Figure) -> str:
        """ "goal", "floor" or "no"; "reported" where there is no floor and the goal is not reached."""
        if self.goal is not None and self._meets(figure.value, self.goal):
            return "goal"
        if self.floor is None:
            return "reported"
        return "floor" if self._meets(figure.value, self.floor) else "no"

    def _meets(self, value: float, bar: float) -> bool:
        return value >= bar if self.better == "more" else value <= bar


def _plan(where: str, name: str) -> tuple[Row, ...]:
    return (
        Row(
            f"Planning a day of the largest register on {where}, against a raw INSERT … SELECT of the same rows",
            f"plan a day / raw INSERT, {where}", f"plan.{name}.vs.insert", "less", 8, 4,
        ),
        Row(
            f"Growth of planning from the smallest to the largest register on {where}, the same number due",
            f"planning, large / small register, {where}", f"plan.{name}.growth", "less", 1.5, 1.15,
        ),
        Row(
            f"Planning the same moment again on {where}, against the first time",
            f"plan again / plan, {where}", f"plan.{name}.again", "less", 1, 0.6,
        ),
    )  # fmt: skip


def _email(where: str, name: str) -> tuple[Row, ...]:
    def row(other: str, peer: str, floor: float, goal: float) -> Row:
        what = f"E-mail, due → accepted and recorded, on {where}, against {other}"
        return Row(what, f"e-mail / {other}, {where}", f"{name}.vs.{peer}", "more", floor, goal)

    return (
        row("Alertmanager", "alertmanager", 2.5, 5.5),
        row("Celery and smtplib", "celery", 9, 22),
        row("dramatiq, a message each", "dramatiq", 9, 22),
    )


ROWS: tuple[Row, ...] = (
    *_plan("PostgreSQL", "postgres"),
    *_plan("SQLite", "sqlite"),
    *_email("PostgreSQL", "email"),
    *_email("SQLite", "email.sqlite"),
    Row(
        "E-mail against its own transport alone (same connections, ready bytes), stock aiosmtplib",
        "e-mail / aiosmtplib alone", "email.vs.aiosmtplib", "more", 0.6, 0.75,
    ),
    Row(
        "E-mail against its own transport alone, pipelined",
        "e-mail / pipelined alone", "email.vs.pipelined", "more", 0.25, 0.37,
    ),
    Row(
        "SMS, due → accepted and recorded, against dramatiq, a message each, with twilio's client",
        "SMS / dramatiq, a message each", "sms.vs.dramatiq", "more", 10, 20,
    ),
    Row(
        "A provider that answers in 150 ms, 200 at a time: share of the ideal (200 / 0.15 s)",
        "slow provider: share of the ideal", "slow.share", "more", 0.8, 0.95,
    ),
    Row(
        "A mail server 20 ms away, 16 connections, against aiosmtplib with kept connections",
        "mail server far away / aiosmtplib", "far.vs.aiosmtplib", "more", 1, 3,
    ),
    Row(
        "A burst of callbacks verified and durably recorded, one process, before receipts are made of it; against one "
        "UPDATE and commit each",
        "callbacks / an UPDATE each", "callbacks.vs.update", "more", 3, 8,
    ),
    Row(
        "Memory of a worker: after the last round against after the first",
        "memory, last / first round", "memory.growth", "less", 1.1, None,
    ),
    Row("Memory of a worker at its highest", "memory of a worker", "memory.peak", "less", None, 100, unit="MB"),
    Row(
        "Import of permits from CSV (checked, E.164), rows a second against COPY of the raw file",
        "import / COPY", "import.vs.copy", "more", None, 0.05,
    ),
)  # fmt: skip

#: What each part gives of the table, by the beginning of the figure's name.
PART_OF: Mapping[str, str] = {
    "plan": "plan", "email": "email", "memory": "email", "sms": "sms", "slow": "slow", "far": "far",
    "callbacks": "callbacks", "import": "import",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A row with what was measured; without a figure, `note` says why there is none."""

    row: Row
    figure: Figure | None
    reached: str
    note: str = ""
    by_cpu: Figure | None = None  # the same ratio of the CPU spent: it stands where the machine was busy with others


def lines(figures: Iterable[Figure], missing: Mapping[str, str]) -> list[Line]:
    """The whole table. `missing`: part -> why it was not measured."""
    by_name = {figure.name: figure for figure in figures}
    found = []
    for row in ROWS:
        figure = by_name.get(row.figure)
        if figure is not None:
            found.append(Line(row, figure, row.reached(figure), by_cpu=by_name.get(f"{row.figure}.by_cpu")))
        else:
            part = PART_OF[row.figure.split(".")[0]]
            found.append(Line(row, None, "not measured", missing.get(part, "")))
    return found
