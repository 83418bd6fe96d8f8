"""`init`: an office's own folder, made from the rules and templates that came with the program."""

import shutil
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import click

import notifier
from notifier.casts import in_words
from notifier.cli.options import Session, pass_session
from notifier.config import FILE_NAME, Setting, list_settings
from notifier.errors import ConfigError
from notifier.store import migrate

#: What an office gets a copy of.
SHIPPED = ("rules", "templates")


def shipped(name: str) -> Path:
    """A folder that came with the program: inside the installed package, else beside it in a working copy."""
    package = Path(notifier.__file__).parent
    for place in (package / "shipped" / name, package.parent / name):
        if place.is_dir():
            return place
    raise ConfigError(f"this installation has no {name}; install the notifier again")


def make_folder(folder: Path) -> list[str]:
    """Write what is missing of settings file, rules and templates; never over what is there. Answers what was made."""
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE_NAME
    if not file.exists():
        file.write_text(settings_file(), encoding="utf-8")
        made.append(FILE_NAME)
    for name in SHIPPED:
        if not (folder / name).exists():
            shutil.copytree(shipped(name), folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            made.append(f"{name}/")
    return made


def settings_file() -> str:
    """A settings file that says every setting with its default, switched off, and what it means."""
    lines = [
        "# Settings of the notifier. Every line is switched off and shows what holds without it.",
        "# Each can also be a variable of the environment, which wins: smtp.host is NOTIFIER_SMTP_HOST.",
        "# Secrets belong into the environment. Relative paths begin beside this file.",
    ]
    for section, settings in groupby(list_settings(), key=lambda one: one.name.rpartition(".")[0]):
        lines += ["", f"[{section}]"] if section else [""]
        lines += [line for setting in settings for line in _lines(setting)]
    lines += [
        "",
        "# The office's central database, read by `notifier sync`; the url may be NOTIFIER_SYNC_URL.",
        "# [sync]",
    ]
    return "\n".join(lines) + "\n"


def _lines(setting: Setting) -> Iterator[str]:
    yield f"# {setting.about}"
    yield f"# {setting.name.rpartition('.')[2]} = {_toml(setting)}"


def _toml(setting: Setting) -> str:
    value = in_words(setting.default)
    if isinstance(setting.default, int | float):
        return value
    if isinstance(setting.default, tuple):
        return "[" + ", ".join(f'"{part}"' for part in value.split(", ")) + "]"
    return f'"{value}"'


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--database", "database_only", is_flag=True, help="Only bring the database of the settings up to date.")
@pass_session
def init(session: Session, folder: Path, database_only: bool) -> None:
    """Make an office's own FOLDER: settings file, rules, templates, database.

    What is there already is kept. Run it again after an update of the program: it brings the database up to date.
    """
    if not database_only:
        made = make_folder(folder)
        click.echo(
            f"{folder}: made {', '.join(made)}" if made else f"{folder}: settings, rules and templates are there"
        )
        session.told = session.told or folder / FILE_NAME
    app = session.app()
    before, after = migrate.upgrade(app.engine)
    done = "is up to date" if before == after else "was brought up to date" if before else "was made"
    click.echo(f"{app.engine.url.render_as_string(hide_password=True)}: the database {done} ({after})")
    if not database_only:
        click.echo(f"Next: cd {folder} && notifier doctor")
