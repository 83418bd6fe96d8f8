"""`rules format`: one spelling for all rule files, and the same rule in English or Indonesian words."""

from pathlib import Path

import click

from notifier.calendar.data import CALENDAR_FILE
from notifier.cli.answer import show_json
from notifier.cli.options import Session, format_option, pass_session
from notifier.errors import ConfigError, Fault, FaultsFound
from notifier.rules.load import DOCUMENTS_FILE, WINDOWS_FILE
from notifier.rules.source import unreadable
from notifier.rules.spelling import one_spelling
from notifier.rules.vocabulary import Language

#: Beside the rules, and none themselves.
DATA_FILES = (CALENDAR_FILE, WINDOWS_FILE, DOCUMENTS_FILE)


@click.command("format")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--check", "is_check", is_flag=True, help="Change nothing; exit code 1 if a file is spelled otherwise.")
@click.option("--write", "is_write", is_flag=True, help="Write the files instead of showing them.")
@click.option(
    "--language",
    type=click.Choice([one.value for one in Language]),
    help="Say the rules in English or Indonesian words. Default: as is.",
)
@format_option
@pass_session
def format_rules(
    session: Session, paths: tuple[Path, ...], is_check: bool, is_write: bool, language: str | None, form: str
) -> None:
    """Bring rule files into one spelling: keys in their order, one list on one line, comments kept.

    PATHS are rule files or folders; without any, the rules of the settings are meant. Without --write the new text is
    shown and nothing changes. Data files (windows, documents, calendar) are left alone.
    """
    if is_check and is_write:
        raise ConfigError("--check changes nothing and --write does; give one of them")
    spellings = _spellings(_files(paths or (session.settings.rules,)), Language(language) if language else None)
    changed = [file for file, (before, after) in spellings.items() if before != after.encode()]
    if is_write:
        for file in changed:
            file.write_bytes(spellings[file][1].encode())
    if form == "json":
        show_json([{"file": str(file), "changed": file in changed, "text": spellings[file][1]} for file in spellings])
    elif is_check or is_write:
        _say(changed, len(spellings), "would be spelled otherwise" if is_check else "written")
    else:
        for file, (_, after) in spellings.items():
            click.echo(f"{f'# {file}{chr(10)}' if len(spellings) > 1 else ''}{after}", nl=False)
    if is_check and changed:
        raise click.exceptions.Exit(1)


def _say(changed: list[Path], total: int, what: str) -> None:
    for file in changed:
        click.echo(f"{file}: {what}")
    click.echo(f"{total} rule files read, {len(changed)} {what}")


def _files(paths: tuple[Path, ...]) -> list[Path]:
    found = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    files = list(dict.fromkeys(file for file in found if file.suffix == ".yaml" and file.name not in DATA_FILES))
    if not files:
        raise ConfigError(
            f"there is no rule file at {', '.join(map(str, paths))}; name a .yaml file or a folder of them"
        )
    return files


def _spellings(files: list[Path], language: Language | None) -> dict[Path, tuple[bytes, str]]:
    """Before and after, of all files or of none: a fault in one of them is told first."""
    spellings: dict[Path, tuple[bytes, str]] = {}
    faults: list[Fault] = []
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as error:
            faults.append(unreadable(str(file), error))
            continue
        try:
            spellings[file] = content, one_spelling(content, str(file), language)
        except FaultsFound as found:
            faults.extend(found.faults)
    if faults:
        raise FaultsFound(faults)
    return spellings
