"""`rules check`: every fault of rules, windows, calendar and templates, with its place."""

from pathlib import Path

import click

from notifier.calendar.data import CALENDAR_FILE, load_calendar
from notifier.cli.answer import show_json
from notifier.cli.options import Session, format_option, pass_session
from notifier.errors import Fault, FaultsFound
from notifier.messages.templates import Templates
from notifier.model import Channel
from notifier.rules.check import Known
from notifier.rules.load import check_rules


@click.group("rules")
def rules() -> None:
    """Look at the rules of the office."""


@rules.command("check")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--templates", "folder", type=click.Path(path_type=Path, file_okay=False), help="Folder of templates.")
@format_option
@pass_session
def check(session: Session, paths: tuple[Path, ...], folder: Path | None, form: str) -> None:
    """Check rules and templates, and name every fault as file:line:column. Exit code 1 if there is one.

    PATHS are rule files or folders; without any, the rules and templates of the settings are checked.
    """
    chosen = list(paths) or [session.settings.rules]
    read_texts = folder is not None or not paths
    folder = folder or (session.settings.templates if not paths or session.settings.templates.is_dir() else None)
    templates = Templates.read(folder) if folder is not None and folder.is_dir() else None
    found, faults, warnings = check_rules(chosen, known=_known(templates))
    faults += _calendar_faults(chosen)
    if templates is not None and read_texts:
        faults += templates.check()
    if form == "json":
        show_json({"rules": len(found.rules), "faults": _plain(faults), "warnings": _plain(warnings)})
    else:
        for warning in sorted(warnings):
            click.echo(f"{warning} (warning)")
        for fault in sorted(faults):
            click.echo(str(fault), err=True)
        many = "no fault" if not faults else f"{len(faults)} fault{'' if len(faults) == 1 else 's'}"
        click.echo(f"{len(found.rules)} rules read, {many}")
    if faults:
        raise click.exceptions.Exit(1)


def _plain(faults: list[Fault]) -> list[dict[str, object]]:
    return [
        {"file": one.file, "line": one.line, "column": one.column, "message": one.message} for one in sorted(faults)
    ]


def _known(templates: Templates | None) -> Known | None:
    if templates is None:
        return None
    channels = {
        name: frozenset(channel.value for channel in Channel if templates.languages(name, channel))
        for name in templates.names()
    }
    return Known(templates=channels, channels=frozenset(channel.value for channel in Channel))


def _calendar_faults(paths: list[Path]) -> list[Fault]:
    for path in paths:
        file = path / CALENDAR_FILE if path.is_dir() else path
        if file.name == CALENDAR_FILE and file.is_file():
            try:
                load_calendar(file)
            except FaultsFound as found:
                return list(found.faults)
    return []
