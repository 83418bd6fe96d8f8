"""Makes an office's own folder with a small invented register in it, by the commands an officer would use."""

from pathlib import Path

from click.testing import CliRunner

from notifier.cli import main


def make_office(folder: Path, *, on: str, size: int = 40) -> Path:
    """The folder, with settings, rules, templates, a SQLite database and `register/` imported into it."""
    _run("init", str(folder))
    _run("sample", "--size", str(size), "--on", on, str(folder / "register"))
    import_register(folder, on=on)
    return folder


def import_register(folder: Path, *, on: str) -> None:
    """Import `register/` into the database of the settings (and of the environment)."""
    files = [str(folder / "register" / f"{kind}.csv") for kind in ("offices", "people", "permits", "cases")]
    refused = str(folder / "refused")
    _run("--config", str(folder / "notifier.toml"), "import", "--on", on, "--refusals", refused, *files)


def _run(*arguments: str) -> None:
    answer = CliRunner().invoke(main, arguments)
    assert answer.exit_code == 0, answer.output
