"""The command line: `notifier`. One file for each family of commands; all of them only call the use cases."""

import importlib
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import click

from notifier import __version__
from notifier.cli.options import Guarded, start_session

#: Every command, and the file it is in. A worker that runs for months need not carry the readers of Excel files.
FILES = {
    "init": "folder",
    "import": "register",
    "sync": "register",
    "sample": "register",
    "plan": "sending",
    "run": "sending",
    "worker": "processes",
    "scheduler": "processes",
    "web": "processes",
    "rules": "rules",
    "simulate": "simulate",
    "coverage": "coverage",
    "preview": "asking",
    "explain": "asking",
    "notifications": "notifications",
    "batches": "batches",
    "trace": "asking",
    "optout": "optout",
    "work": "work",
    "receipts": "receipts",
    "retain": "retain",
    "status": "health",
    "doctor": "health",
    "demo": "demo",
}


class _Commands(MutableMapping[str, click.Command]):
    """The commands by name, each imported when it is first asked for."""

    def __init__(self) -> None:
        self._found: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._found:
            module = importlib.import_module(f"notifier.cli.{FILES[name]}")
            self._found[name] = getattr(module, "import_" if name == "import" else name)
        return self._found[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._found[name] = command

    def __delitem__(self, name: str) -> None:
        del self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(FILES)

    def __len__(self) -> int:
        return len(FILES)


@click.group(cls=Guarded, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings file. Default: NOTIFIER_CONFIG, else ./notifier.toml.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of a fault of the program.")
@click.version_option(__version__, prog_name="notifier")
@click.pass_context
def main(ctx: click.Context, config: Path | None, debug: bool) -> None:
    """Renewal reminders for immigration offices, from a register of permits to a provider's receipt."""
    start_session(ctx, config, debug=debug)


main.commands = _Commands()
