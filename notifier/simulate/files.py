"""A register in files: imported into a database of its own, which is gone when the simulation is over."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from notifier.errors import ConfigError
from notifier.intake.columns import Kind
from notifier.intake.importer import import_files
from notifier.intake.rows import Words
from notifier.store import migrate
from notifier.store.engine import open_engine

ENDINGS = (".csv", ".xlsx", ".jsonl")


@contextmanager
def register_of(folder: Path, *, now: datetime, words: Words) -> Iterator[tuple[str, int]]:
    """The URL of a database with the files of a folder, and how many rows were refused.

    Files are named after what they hold: offices.csv, people.csv, permits.csv, cases.csv. Raises ConfigError when
    there is none of them.
    """
    files = [folder / f"{kind}{ending}" for kind in Kind for ending in ENDINGS]
    files = [file for file in files if file.is_file()]
    if not files:
        raise ConfigError(
            f"{folder} holds no register; put offices.csv, people.csv, permits.csv and cases.csv there, "
            "as `notifier sample` writes them"
        )
    with TemporaryDirectory(prefix="notifier-register-") as place:
        url = f"sqlite:///{place}/register.db"
        engine = open_engine(url)
        try:
            migrate.upgrade(engine)
            report = import_files(
                engine, files, kind=None, strict=False, dry_run=False, now=now, refusals_path=None, words=words
            )
        finally:
            engine.dispose()
        yield url, report.refused
