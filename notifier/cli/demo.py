"""`demo`: an invented register, planned and sent day by day, into an inbox page."""

import shutil
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import click

from notifier.app import App
from notifier.cli.folder import make_folder
from notifier.cli.options import Session, on_option, pass_session
from notifier.cli.sending import show_run
from notifier.clock import StandingClock
from notifier.config import FILE_NAME, Settings
from notifier.errors import ConfigError
from notifier.intake.importer import import_files
from notifier.intake.sample import write_sample
from notifier.run import RunReport, run
from notifier.store import migrate
from notifier.store.engine import reading
from notifier.store.ledger import mark, tally

#: Marks a folder as ours to clear; nothing else is ever cleared.
MARKER = ".notifier-demo"
#: The days that are played, the last one being that of `--on`.
DAYS = 5


@click.command("demo")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("demo"))
@click.option(
    "--size", type=click.IntRange(1, 100_000_000), default=400, show_default=True, help="Permits in the register."
)
@click.option("--seed", type=int, default=7, show_default=True, help="Another seed invents other people.")
@on_option
@pass_session
def demo(session: Session, folder: Path, size: int, seed: int, on: date | datetime | None) -> None:
    """Invent a register in FOLDER, and play the last five days on it: import, plan, send, receive.

    Nobody is reached: messages land in an inbox page. Run again, it starts afresh.
    """
    clear(folder)
    make_folder(folder)
    (folder / MARKER).touch()
    settings = Settings.load({}, folder / FILE_NAME)
    last = _last_instant(session, settings, on)
    click.echo(f"Inventing {size} permits, as of {last.astimezone(settings.zone):%d %B %Y}")
    write_sample(folder / "register", size=size, seed=seed, on=last.astimezone(settings.zone).date())
    report = play(settings, folder / "register", last)
    show_run(report)
    click.echo(f"Inbox: {settings.inbox / 'inbox.html'}")
    click.echo(f"Ask more: notifier --config {folder / FILE_NAME} notifications list")


def _last_instant(session: Session, settings: Settings, on: date | datetime | None) -> datetime:
    if on is not None and isinstance(on, datetime):
        return session.instant(on)
    day = on or session.clock.now().astimezone(settings.zone).date()
    return datetime(day.year, day.month, day.day, 10, tzinfo=settings.zone)


def clear(folder: Path) -> None:
    """Remove what an earlier demo left. Raises ConfigError for a folder that is not a demo's."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / MARKER).is_file():
        raise ConfigError(f"{folder} is no folder of a demo and is not touched; name another one")
    shutil.rmtree(folder)


def play(settings: Settings, register: Path, last: datetime) -> RunReport:
    """Import on the first day, then run on each; answers what happened over all of them."""
    first = last - timedelta(days=DAYS - 1)
    clock = StandingClock(first)
    app = App(settings, clock=clock)
    try:
        migrate.upgrade(app.engine)
        with reading(app.engine) as connection:
            before = mark(connection)
        files = sorted(register.iterdir())
        taken = import_files(app.engine, files, now=first, refusals_path=settings.folder / "refused")
        click.echo(f"Imported {taken.read - taken.refused} rows; {taken.refused} broken ones were refused")
        report = run(app)
        for _ in range(1, DAYS):
            clock.at = clock.at + timedelta(days=1)
            report = _plus(report, run(app))
        with reading(app.engine) as connection:
            return replace(report, tally=tally(connection, before))
    finally:
        app.close()


def _plus(so_far: RunReport, today: RunReport) -> RunReport:
    today.plan.moved += so_far.plan.moved
    today.plan.cancelled += so_far.plan.cancelled
    return today
