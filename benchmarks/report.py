"""docs/performance.md and its pictures, from what stands in benchmarks/results: nothing on the page is written by hand
but the sentences of this file."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import Figure, charts, sizing, table, wave
from benchmarks.chaos import report as chaos
from benchmarks.charts import LIMIT, OTHERS, OURS, Bar
from benchmarks.results import Result, read

#: What a figure is called in a picture or list, and its colour.
NAMES: Mapping[str, tuple[str, str]] = {
    "ours": ("notifier, PostgreSQL and Redis", OURS),
    "sqlite": ("notifier, SQLite, one process", OURS),
    "shipped": ("notifier, the office's texts (9.6 kB)", OURS),
    "alertmanager": ("Alertmanager", OTHERS),
    "celery": ("Celery and smtplib", OTHERS),
    "dramatiq": ("dramatiq, a message each", OTHERS),
    "procrastinate": ("procrastinate and smtplib", OTHERS),
    "aiosmtplib": ("transport alone: aiosmtplib", LIMIT),
    "pipelined": ("transport alone: pipelined", LIMIT),
    "smtp-source": ("smtp-source (C), 16 connections", LIMIT),
    "wrk": ("wrk (C), static answer", LIMIT),
    "cpu": ("planner's CPU, largest register", OURS),
    "insert": ("raw INSERT … SELECT of the rows", LIMIT),
    "per_second": ("notifier web, one process", OURS),
    "applied.per_second": ("the same, made into receipts", OURS),
    "update.per_second": ("one UPDATE and commit each", OTHERS),
    "copy": ("COPY of the raw file", LIMIT),
}
#: Picture -> title, beginning of the figures' names, unit.
PICTURES: Mapping[str, tuple[str, str, str]] = {
    "email": ("E-mail: due → accepted and recorded", "email.", "messages/s"),
    "sms": ("SMS: due → accepted and recorded", "sms.", "messages/s"),
    "plan-postgres": ("Planning a day, PostgreSQL", "plan.postgres.", "s"),
    "plan-sqlite": ("Planning a day, SQLite", "plan.sqlite.", "s"),
    "callbacks": ("Callbacks verified and recorded, one process", "callbacks.", "callbacks/s"),
}
BLOCK = re.compile(r"<!-- bench: (.+?) -->\n.*?<!-- end -->", re.DOTALL)
#: Units that stand in one picture with another.
ALIKE: Mapping[str, tuple[str, ...]] = {"callbacks/s": ("updates/s",)}
REACHED: Mapping[str, str] = {
    "goal": "goal reached",
    "floor": "floor reached",
    "no": "**floor missed**",
    "reported": "reported",
    "not measured": "not measured",
}


def write(results: Path, page: Path) -> None:
    """Write the page, and its pictures into a folder of the same name beside it."""
    found = read(results)
    folder = page.with_suffix("")
    folder.mkdir(exist_ok=True)
    for name, picture in pictures(found).items():
        (folder / f"{name}.svg").write_text(picture, encoding="utf-8")
    page.write_text(text(found, folder.name), encoding="utf-8")


def fill(page: str, results: Path) -> str:
    """A page whose blocks `<!-- bench: ... -->` hold what the results say now; the rest of it stays as it is.

    `sizes COUNT ...` is the table of a database for so many documents, `wave ARGUMENTS` what that command prints,
    `faults` what the last `make chaos` found.
    """

    def block(found: re.Match[str]) -> str:
        word, *told = found[1].split()
        if word == "sizes":
            measured = [one for one in _of(read(results))[0] if one.name.startswith("size.")]
            inner = sizing.table(measured, [wave.count(one) for one in told])
        elif word == "faults":
            inner = chaos.page(json.loads((results / "chaos.json").read_text(encoding="utf-8")))
        else:
            inner = f"```\n$ python -m benchmarks.wave {' '.join(told)}\n{wave.answer(told, results)}\n```"
        return f"<!-- bench: {found[1]} -->\n{inner}\n<!-- end -->"

    return BLOCK.sub(block, page)


def pictures(results: Sequence[Result]) -> dict[str, str]:
    """The SVG of each picture there are figures for."""
    figures, missing = _of(results)
    drawn = {"promises": charts.board(table.lines(figures, missing))}
    for name, (title, begin, unit) in PICTURES.items():
        bars = [
            _bar(one, begin)
            for one in figures
            if one.name.startswith(begin) and one.unit in (unit, *ALIKE.get(unit, ()))
        ]
        if bars:
            drawn[name] = charts.speeds(title, bars, unit)
    return drawn


def _bar(figure: Figure, begin: str) -> Bar:
    name, colour = _called(figure.name.removeprefix(begin))
    return Bar(name, figure, colour)


def _called(word: str) -> tuple[str, str]:
    if re.fullmatch(r"\d+[kM]", word):
        return f"notifier, {word} permits", OURS
    return NAMES.get(word, (word, OURS))


def text(results: Sequence[Result], folder: str) -> str:
    """The page itself."""
    figures, missing = _of(results)
    lines = table.lines(figures, missing)
    drawn = [name for name in ("promises", *PICTURES) if name in pictures(results)]
    parts = [HEAD, _verdict(lines), _promises(lines)]
    parts += [f"![{name}]({folder}/{name}.svg)" for name in drawn]
    parts += ["## All figures", ALL, _all(figures), "## How it was measured", HOW, _machine(results), _parts(results)]
    return "\n\n".join(parts) + "\n"


def in_words(results: Path) -> str:
    """The table of promises for a terminal."""
    figures, missing = _of(read(results))
    rows = []
    for line in table.lines(figures, missing):
        got = _value(line.figure, line.row.unit) if line.figure else f"- {line.note}"
        rows.append(f"{line.reached:13} {got:28} floor {_bar_text(line.row.floor):6} goal {_bar_text(line.row.goal):6} "
                    f"{line.row.what}")  # fmt: skip
    return "\n".join(rows)


def _of(results: Sequence[Result]) -> tuple[list[Figure], dict[str, str]]:
    figures = [figure for result in results for figure in result.figures]
    return figures, {result.part: result.missing for result in results if result.missing}


def _verdict(lines: Sequence[table.Line]) -> str:
    missed = [line for line in lines if line.reached == "no"]
    unknown = [line for line in lines if line.reached == "not measured"]
    judged = [line for line in lines if line.reached in ("goal", "floor", "no") and line.row.floor is not None]
    goals = sum(line.reached == "goal" for line in judged)
    sentence = f"Of {len(judged)} floors {len(judged) - len(missed)} were reached, {goals} of them with their goal."
    if missed:
        sentence += f" {len(missed)} were missed; they stand in the table as they are."
    if unknown:
        sentence += f" {len(unknown)} rows were not measured."
    return sentence


def _promises(lines: Sequence[table.Line]) -> str:
    rows = ["| what | floor | goal | measured (lowest..highest) | | by CPU time |", "|---|---|---|---|---|---|"]
    for line in lines:
        row, sign = line.row, "≥" if line.row.better == "more" else "≤"
        bars = [f"{sign} {_bar_text(bar)} {row.unit}" if bar is not None else "–" for bar in (row.floor, row.goal)]
        got = _value(line.figure, row.unit) if line.figure else line.note or "–"
        cpu = f"{_number(line.by_cpu.value)} x, {REACHED[row.reached(line.by_cpu)]}" if line.by_cpu else ""
        rows.append(f"| {row.what} | {bars[0]} | {bars[1]} | {got} | {REACHED[line.reached]} | {cpu} |")
    return "\n".join(rows)


def _all(figures: Sequence[Figure]) -> str:
    rows = ["| figure | median | lowest..highest | rounds |", "|---|---|---|---|"]
    for figure in figures:
        spread = f"{_number(figure.lo)}..{_number(figure.hi)}"
        rows.append(f"| {figure.name} | {_number(figure.value)} {figure.unit} | {spread} | {figure.runs} |")
    return "\n".join(rows)


def _machine(results: Sequence[Result]) -> str:
    newest = max(results, key=lambda result: result.day, default=None)
    if newest is None:
        return "Nothing has been measured yet."
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in newest.machine.items())])


def _parts(results: Sequence[Result]) -> str:
    rows = ["| part | day | rounds | messages | due | permits | load before |", "|---|---|---|---|---|---|---|"]
    for one in results:
        sizes = ", ".join(f"{size:,}" for size in one.settings["sizes"])
        told = one.settings
        rows.append(f"| {one.part} | {one.day} | {told['runs']} | {told['messages']:,} | {told['due']:,} | {sizes} | "
                    f"{one.load:.1f} |")  # fmt: skip
    busy = [one.part for one in results if one.load > float(one.machine["cores"])]
    note = (
        f"\n\nWhile {', '.join(busy)} began, more processes wanted to run than there are cores: those figures are "
        "lower than the machine's own, and their spread is wide. The ratios were taken within each round."
        if busy
        else ""
    )
    return "\n".join(rows) + note


def _value(figure: Figure | None, unit: str) -> str:
    if figure is None:
        return ""
    return f"{_number(figure.value)} {unit} ({_number(figure.lo)}..{_number(figure.hi)})"


def _bar_text(bar: float | None) -> str:
    return "–" if bar is None else f"{bar:g}"


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


HEAD = """# Performance

How fast the engine is, against what one would build instead and against what the machine can do at all. Everything
on this page was measured and written by `make bench`; do not edit it."""

ALL = """The median of all rounds, with the lowest and the highest. Ratios (x) are taken within each round first: ours
divided by the other's."""

HOW = """- Everything runs on one machine: load, servers, database and workers share its cores. PostgreSQL has fsync,
  synchronous_commit and full_page_writes on and 1 GB of shared buffers.
- The contenders of a row run in turn, round after round, so that a disturbance falls on all of them; a first round is
  not counted.
- E-mail and SMS count from the moment at which the due rows are offered until the database says that every message was
  accepted: delivery row, event and state of the notification committed, all guards on. Two `notifier worker`
  processes over Redis, or one process with SQLite. A run in which a message is missing is thrown away as a fault.
- "By CPU time" is the same ratio of what all processes of a contender, its servers among them, spend on a message: what
  the clock would show on a machine that does nothing else. The verdict goes by the clock.
- Memory is the most that a worker has held through all rounds of e-mail; with the usual settings that is 120,000 mails.
- The other tools send a mail of the same 4 kB in two parts, rendered with jinja2, to the same `smtp-sink`. They keep
  less: Celery and Alertmanager no record of a delivery, dramatiq one UPDATE. They know no rules, consent, hours, caps.
- Mails go over loopback without TLS to a server that does nothing: these figures bound the engine, not a provider.
- Planning is measured over invented registers in which the same number of notifications comes due, whatever their size
  (`benchmarks/register.py`), with a warm cache, all shipped rules in force; on SQLite over a tenth of the permits.
- An invented register is not a real one: measure with yours (`notifier plan --dry-run` writes nothing)."""
