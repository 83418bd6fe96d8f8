"""`rules check`: every fault of rules, windows, calendar and templates, with its place."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
from babel.localedata import locale_identifiers
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError

from notifier.app import App
from notifier.calendar.data import CALENDAR_FILE, CalendarData, load_calendar
from notifier.cli.answer import show_json
from notifier.cli.options import Session, pass_session
from notifier.errors import ConfigError, Fault, FaultsFound, StoreError
from notifier.measure import RegisterOfTheDay
from notifier.messages.templates import Templates
from notifier.model import Channel
from notifier.rules.check import Known
from notifier.rules.load import check_rules
from notifier.store.counts import desks_by_office
from notifier.store.engine import first_line, reading
from notifier.store.subjects import read_offices


@click.command("check")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--templates", "folder", type=click.Path(path_type=Path, file_okay=False), help="Folder of templates.")
@click.option(
    "--register/--no-register",
    "asks_register",
    default=None,
    help="Compare with the register of the settings: offices, desks, whom a rule concerns, its worst day. "
    "Default: if there is one.",
)
@click.option("--strict", is_flag=True, help="Take warnings for faults.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "github"]),
    default="table",
    show_default=True,
    help="How to answer: for people, for programs, or as marks in a merge request.",
)
@pass_session
def check(
    session: Session, paths: tuple[Path, ...], folder: Path | None, asks_register: bool | None, strict: bool, form: str
) -> None:
    """Check rules and templates, and name every fault as file:line:column. Exit code 1 if there is one.

    PATHS are rule files or folders; without any, the rules and templates of the settings are checked.
    """
    chosen = list(paths) or [session.settings.rules]
    if not paths and not session.settings.rules.is_dir():
        raise ConfigError(
            f"there are no rules at {session.settings.rules}; set NOTIFIER_RULES, or make a folder with `notifier init`"
        )
    templates = _templates(session, folder, is_settings=not paths)
    calendar, faults = _calendar(chosen)
    known = _known(templates, calendar, session)
    with _register(session.app(), asks_register) as register:
        if register is not None:
            known = replace(
                known,
                offices=[office.code for office in register.offices.values()],
                desks=desks_by_office(register.connection),
                register=register,
            )
        found, more, warnings = check_rules(chosen, known=known)
    faults += more
    if templates is not None and (folder is not None or not paths):
        faults += templates.check()
    if strict:
        faults, warnings = faults + warnings, []
    _show(form, len(found.rules), sorted(set(faults)), sorted(set(warnings)), is_compared=register is not None)
    if faults:
        raise click.exceptions.Exit(1)


def _templates(session: Session, folder: Path | None, *, is_settings: bool) -> Templates | None:
    """The templates to compare with: those named, else those of the settings; a lone file may do without."""
    chosen = folder or session.settings.templates
    if chosen.is_dir():
        return Templates.read(chosen)
    if folder is None and not is_settings and "NOTIFIER_TEMPLATES" not in session.environ:
        return None
    remedy = "name another folder" if folder else "set NOTIFIER_TEMPLATES, or make a folder with `notifier init`"
    raise ConfigError(f"there are no templates at {chosen}; {remedy}")


def _known(templates: Templates | None, calendar: CalendarData | None, session: Session) -> Known:
    today = session.clock.now().astimezone(session.settings.zone).date()
    if templates is None:
        return Known(calendar=calendar, today=today)
    names = {
        name: frozenset(channel.value for channel in Channel if templates.languages(name, channel))
        for name in templates.names()
    }
    return Known(
        templates=names,
        channels=frozenset(channel.value for channel in Channel),
        languages=frozenset(name.replace("_", "-") for name in locale_identifiers()),
        calendar=calendar,
        today=today,
    )


@contextmanager
def _register(app: App, is_wanted: bool | None) -> Iterator[RegisterOfTheDay | None]:
    """The register of the settings; None when it is not wanted, or not there and not asked for."""
    if is_wanted is False or (
        is_wanted is None and not has_database(app, "the rules are not compared with a register")
    ):
        yield None
        return
    with reading(app.ready_engine) as connection:
        offices = read_offices(connection)
        if not offices and is_wanted:
            raise StoreError("the register is empty; fill it with `notifier import` or `notifier sync`")
        yield RegisterOfTheDay(connection, offices, app.calendar_of, app.clock.now()) if offices else None


def has_database(app: App, without: str) -> bool:
    """Whether there is a database at this program's own revision. Never makes one.

    Of one that is there and cannot be asked it says on standard error why, and what goes on `without` it.
    """
    url = make_url(app.settings.database_url)
    if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).is_file()):
        return False
    try:
        return bool(app.ready_engine)
    except (StoreError, DatabaseError) as error:
        why = error if isinstance(error, StoreError) else f"the database cannot be read: {first_line(error)}"
        click.echo(f"{why}; {without}", err=True)
        return False


def _calendar(paths: Sequence[Path]) -> tuple[CalendarData | None, list[Fault]]:
    """The calendar file of the first folder that has one, and its faults; an empty calendar where there is none."""
    for path in paths:
        file = path / CALENDAR_FILE if path.is_dir() else path
        if file.name == CALENDAR_FILE and file.is_file():
            try:
                return load_calendar(file), []
            except FaultsFound as found:
                return None, list(found.faults)
    return (load_calendar(None) if any(path.is_dir() for path in paths) else None), []


def _show(form: str, rules: int, faults: list[Fault], warnings: list[Fault], *, is_compared: bool) -> None:
    match form:
        case "json":
            show_json({"rules": rules, "faults": _plain(faults), "warnings": _plain(warnings), "register": is_compared})
        case "github":
            for kind, found in (("error", faults), ("warning", warnings)):
                for one in found:
                    click.echo(_mark(kind, one))
        case _:
            for warning in warnings:
                click.echo(f"{warning} (warning)")
            for fault in faults:
                click.echo(str(fault), err=True)
            many = "no fault" if not faults else f"{len(faults)} fault{'' if len(faults) == 1 else 's'}"
            click.echo(f"{rules} rules read, {many}{', compared with the register' if is_compared else ''}")


def _plain(faults: list[Fault]) -> list[dict[str, object]]:
    return [{"file": one.file, "line": one.line, "column": one.column, "message": one.message} for one in faults]


def _mark(kind: str, fault: Fault) -> str:
    """A fault as GitHub reads it from a log, to show it beside the line of a merge request."""
    file = _escaped(fault.file).replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} file={file},line={fault.line},col={fault.column}::{_escaped(fault.message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
