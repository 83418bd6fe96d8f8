"""`import`, `sync`, `sample`: what fills the register."""

from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path

import click
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from notifier.app import App
from notifier.cli.answer import console, show_json, show_table
from notifier.cli.options import Session, format_option, on_option, pass_session
from notifier.errors import ConfigError
from notifier.intake.batches import KindReport
from notifier.intake.columns import Kind
from notifier.intake.importer import ImportReport, import_files
from notifier.intake.refusals import Refusal
from notifier.intake.rows import Words
from notifier.intake.sample import write_sample
from notifier.intake.sync import SyncQuery, SyncReport, sync_queries
from notifier.intake.sync import sync as sync_query

#: Refusals shown on the screen; all of them stand in the refusals file.
SHOWN = 20
HEADINGS = ["", "read", "added", "changed", "unchanged", "refused"]


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--kind", type=click.Choice([kind.value for kind in Kind]), help="What the files are; default: by header."
)
@click.option("--strict", is_flag=True, help="Take everything or, if a row is refused, nothing.")
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would be taken and refused.")
@click.option(
    "--refusals",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("refused"),
    show_default=True,
    help="Folder for the rows that were refused, to be mended and imported again.",
)
@on_option
@format_option
@pass_session
def import_(
    session: Session,
    files: tuple[Path, ...],
    kind: str | None,
    strict: bool,
    dry_run: bool,
    refusals: Path,
    on: date | datetime | None,
    form: str,
) -> None:
    """Take offices, people, permits and cases from CSV, Excel or JSON-lines files into the register.

    What is there is changed, what is new is added, what is the same is left alone. Exit code 1 if a row was refused.
    """
    app = session.app(on)
    with _Bar(shown=form == "table") as bar:
        report = import_files(
            app.ready_engine,
            files,
            kind=Kind(kind) if kind else None,
            strict=strict,
            dry_run=dry_run,
            now=session.instant(on),
            progress=bar.tell,
            refusals_path=refusals,
            words=_words(app),
        )
    if form == "json":
        show_json(_as_json(report))
    else:
        _show_import(report, dry_run=dry_run)
    if report.refused:
        raise click.exceptions.Exit(1)


def _words(app: App) -> Words:
    return Words(country=app.settings.country)


def _show_import(report: ImportReport, *, dry_run: bool) -> None:
    for sentence in report.ignored:
        click.echo(sentence)
    show_table(HEADINGS, [(kind, *_numbers(one)) for kind, one in report.kinds.items()])
    _show_refusals(report.refusals, report.refusal_files)
    if dry_run:
        click.echo("Dry run: nothing was written.")
    elif not report.written:
        click.echo("Nothing was written, because a row was refused and --strict was given.")


def _show_refusals(refusals: tuple[Refusal, ...], files: tuple[Path, ...]) -> None:
    for refusal in refusals[:SHOWN]:
        click.echo(str(refusal), err=True)
    if len(refusals) > SHOWN:
        click.echo(f"... and more; at most {len(refusals)} are kept to be shown", err=True)
    for file in files:
        click.echo(f"Refused rows are in {file}: mend them there and import that file.", err=True)


def _numbers(report: KindReport) -> list[int]:
    return [report.read, report.added, report.changed, report.unchanged, report.refused]


def _counts(report: KindReport) -> dict[str, int]:
    return dict(zip(HEADINGS[1:], _numbers(report), strict=True))


def _refusals(refusals: tuple[Refusal, ...]) -> list[dict[str, object]]:
    return [{"file": r.file, "line": r.line, "column": r.column, "reason": r.reason} for r in refusals]


def _as_json(report: ImportReport) -> dict[str, object]:
    return {
        "kinds": {kind.value: _counts(one) for kind, one in report.kinds.items()},
        "refusals": _refusals(report.refusals),
        "refusal_files": [str(file) for file in report.refusal_files],
        "ignored": list(report.ignored),
        "written": report.written,
    }


class _Bar:
    """How far an import has come, on a terminal; silent elsewhere."""

    def __init__(self, *, shown: bool) -> None:
        screen = console()
        columns = (SpinnerColumn(), TextColumn("{task.description}: {task.completed} rows"), TimeElapsedColumn())
        self._progress = Progress(*columns, console=screen, transient=True, disable=not shown or not screen.is_terminal)
        self._tasks = {kind: self._progress.add_task(kind.value, total=None, visible=False) for kind in Kind}

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, kind: Kind, done: int) -> None:
        self._progress.update(self._tasks[kind], completed=done, visible=True)


@click.command("sync")
@click.argument("names", nargs=-1)
@click.option("--full", is_flag=True, help="Read everything again instead of what changed since the last time.")
@format_option
@pass_session
def sync(session: Session, names: tuple[str, ...], full: bool, form: str) -> None:
    """Read the office's central database with the queries of [sync]; NAMES choose some of them."""
    app = session.app()
    queries = _chosen(sync_queries(app.settings.sync), names)
    reports: dict[str, SyncReport] = {}
    with _Bar(shown=form == "table") as bar:
        for query in queries:
            reports[query.name] = sync_query(
                app.ready_engine,
                query,
                now=app.clock.now(),
                full=full,
                progress=bar.tell,
                refusals_path=app.settings.folder / "refused",
                words=_words(app),
            )
    if form == "json":
        show_json({name: _sync_as_json(report) for name, report in reports.items()})
    else:
        rows = [(name, *_numbers(one.rows), one.vanished, one.note) for name, one in reports.items()]
        show_table([*HEADINGS, "vanished", "note"], rows)
        for report in reports.values():
            _show_refusals(report.refusals, report.refusal_files)
    if any(report.rows.refused for report in reports.values()):
        raise click.exceptions.Exit(1)


def _chosen(queries: list[SyncQuery], names: tuple[str, ...]) -> list[SyncQuery]:
    known = [query.name for query in queries]
    if not queries:
        raise ConfigError("there is no query to run; write them into notifier.toml as [sync.NAME]")
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no query {name}; there are {', '.join(known)}")
    return [query for query in queries if not names or query.name in names]


def _sync_as_json(report: SyncReport) -> dict[str, object]:
    return {
        **_counts(report.rows),
        "full": report.full,
        "vanished": report.vanished,
        "note": report.note,
        "refusals": _refusals(report.refusals),
    }


@click.command("sample")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--size", type=click.IntRange(1, 100_000_000), default=1_000, show_default=True, help="How many permits.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed invents other people.")
@on_option
@format_option
@pass_session
def sample(session: Session, folder: Path, size: int, seed: int, on: date | datetime | None, form: str) -> None:
    """Write an invented register into FOLDER, as CSV files to import; much in it is due on the day of --on."""
    day = session.instant(on).astimezone(session.settings.zone).date()
    report = write_sample(folder, size, seed, on=day)
    if form == "json":
        show_json(asdict(report))
        return
    for name, count in asdict(report).items():
        click.echo(f"{name}: {count}")
