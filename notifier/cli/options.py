"""What the commands share: the session, `--on`, `--format`, and the one place that turns faults into words."""

import errno
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime, time
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from notifier.app import App
from notifier.clock import Clock, StandingClock, SystemClock
from notifier.config import Settings, find_file
from notifier.errors import FaultsFound, NotifierError
from notifier.store.engine import first_line

F = TypeVar("F", bound=Callable[..., Any])

log = logging.getLogger(__name__)

#: A bare date means this time of that day: what is due in the morning is due in every zone of the country, and
#: no break at noon (the Friday prayer) holds it.
MORNING = time(10, 0)
#: Years that `--on` may lie in; in others no rule has a date to count from.
YEARS = range(2000, 2101)
#: The number of a row, as far as a database counts.
ROW = click.IntRange(0, 2**63 - 1)


class Moment(click.ParamType[date | datetime]):
    """A day or an instant, as `--on` takes it."""

    name = "DATETIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date | datetime:
        if isinstance(value, date):
            return value
        try:
            short = len(value) <= len("2026-05-02")
            read = date.fromisoformat(value) if short else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither a day (2026-05-02) nor an instant (2026-05-02T09:00)", param, ctx)
        if read.year not in YEARS:
            self.fail(f"{value!r} is in no year from {YEARS.start} to {YEARS.stop - 1}", param, ctx)
        return read


class Day(click.DateTime):
    """A day that rules can have dates around; given to commands as an instant at its beginning."""

    def __init__(self) -> None:
        super().__init__(formats=["%Y-%m-%d"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        read = super().convert(value, param, ctx)
        if read.year not in YEARS:
            self.fail(f"{value!r} is in no year from {YEARS.start} to {YEARS.stop - 1}", param, ctx)
        return read


class LogFile(logging.FileHandler):
    """A log that a full disk cannot turn into tracebacks: what cannot be written there is lost."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing; the command itself will say that the disk is full."""

    def close(self) -> None:
        """Close as far as the disk lets it."""
        with suppress(OSError):
            super().close()


class Session:
    """One run of the command line: where its settings come from, and what it has opened."""

    def __init__(self, environ: Mapping[str, str], told: Path | None, *, debug: bool, clock: Clock) -> None:
        self.environ = environ
        self.told = told
        self.debug = debug
        self.clock = clock
        self._open = ExitStack()

    @cached_property
    def settings(self) -> Settings:
        """The settings; from now on, faults are kept in their log file."""
        settings = Settings.load(self.environ, find_file(self.environ, self.told, Path.cwd()))
        self.keep_log(settings.log_file)
        return settings

    def instant(self, on: date | datetime | None) -> datetime:
        """The instant that `--on` means, in UTC; without it, now."""
        if on is None:
            return self.clock.now()
        if not isinstance(on, datetime):
            on = datetime.combine(on, MORNING)
        return (on if on.tzinfo else on.replace(tzinfo=self.settings.zone)).astimezone(UTC)

    def app(self, on: date | datetime | None = None) -> App:
        """The wired engine; with `--on`, its clock stands there."""
        clock = self.clock if on is None else StandingClock(self.instant(on))
        app = App(self.settings, clock=clock)
        self._open.callback(app.close)
        return app

    def keep_log(self, file: Path) -> None:
        """Warnings and faults go to a file, so that the screen keeps to answers."""
        if file.parent.is_dir():
            handler = LogFile(file, delay=True, encoding="utf-8")
            self.add_log(handler, logging.WARNING)

    def show_log(self) -> None:
        """Everything worth knowing goes to standard error: for processes that run under a supervisor."""
        handler = logging.StreamHandler(sys.stderr)
        handler.addFilter(_is_ours_or_serious)
        self.add_log(handler, logging.INFO)

    def add_log(self, handler: logging.Handler, level: int) -> None:
        """Log to a handler until the command ends."""
        handler.setLevel(level)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root = logging.getLogger()
        before = root.level
        root.setLevel(min(before or level, level))
        root.addHandler(handler)
        self._open.callback(handler.close)
        self._open.callback(root.setLevel, before)
        self._open.callback(root.removeHandler, handler)

    def close(self) -> None:
        """Let go of everything opened."""
        self._open.close()


def _is_ours_or_serious(record: logging.LogRecord) -> bool:
    """Alembic says with each look at the database which dialect it speaks; that helps nobody."""
    return record.levelno >= logging.WARNING or not record.name.startswith("alembic.")


class Said(click.ClickException):
    """A fault in words, with its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance


class ListOfFaults(Said):
    """Faults with their places, one on a line, as editors and other tools read them."""

    def show(self, file: Any = None) -> None:
        click.echo(self.message, err=True, file=file)


class Guarded(click.Group):
    """A group whose commands never show a traceback, unless --debug asks for it."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FaultsFound as found:
            raise ListOfFaults(str(found), found.exit_code) from None
        except NotifierError as error:
            raise Said(str(error), error.exit_code) from None
        except (click.ClickException, click.exceptions.Exit, click.Abort, KeyboardInterrupt, EOFError):
            raise
        except DBAPIError as error:
            self._broke(ctx, error, _words_of_database(error))
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            words = f"{error.strerror or error}: {error.filename}" if error.filename else error.strerror
            self._broke(ctx, error, words)
        except Exception as error:
            self._broke(ctx, error, None)

    def _broke(self, ctx: click.Context, error: Exception, words: str | None) -> NoReturn:
        session = ctx.obj
        if isinstance(session, Session) and session.debug:
            raise error
        if words is not None:
            raise Said(words, 1) from None
        log.error("unforeseen fault", exc_info=error)
        kept = session.__dict__.get("settings") if isinstance(session, Session) else None
        place = f"the details are in {kept.log_file}" if kept else "run it again with --debug to see the details"
        raise Said(f"this is a fault of the program ({type(error).__name__}); {place}", 1) from None


def _words_of_database(error: DBAPIError) -> str | None:
    """What the database says when it cannot work: full disk, no right to write, broken file. None: our own fault."""
    if isinstance(error, OperationalError) or type(error) is DatabaseError:
        return f"the database cannot go on: {first_line(error)}; what was not finished is done again by the next run"
    return None


def processes_option(function: F) -> F:
    """Add `--processes`, for what looks at the whole register."""
    return click.option(
        "--processes",
        type=click.IntRange(1, 64),
        default=os.cpu_count() or 1,
        show_default="one for each core",
        help="How many processes work at it.",
    )(function)


def on_option(function: F) -> F:
    """Add `--on DATETIME`."""
    return click.option(
        "--on",
        type=Moment(),
        help="Act as if it were this day or instant. A bare day means 10:00 of it; without a zone it is in the zone "
        "of the settings (Asia/Jakarta). Default: now.",
    )(function)


def format_option(function: F) -> F:
    """Add `--format table|json`."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="How to answer: for people, or for programs.",
    )(function)


pass_session = click.make_pass_decorator(Session)


def start_session(ctx: click.Context, told: Path | None, *, debug: bool) -> None:
    """Begin the session of a run; it ends with the outermost command."""
    session = Session(os.environ, told, debug=debug, clock=SystemClock())
    ctx.obj = session
    ctx.call_on_close(session.close)
