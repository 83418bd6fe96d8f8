"""A clock that can be moved while a process runs: the place of the machine's clock in a member of the crew.

The engine reads the clock in one place only (`notifier.clock`), so moving it there moves all of the engine. libfaketime
was tried first: under it `time.sleep` of Python 3.11 fails (EINVAL) as soon as monotonic time is left alone.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from notifier.clock import SystemClock

#: What a member runs instead of the plain command; `{file}` holds the seconds by which its clock is off.
COMMAND = (
    "from pathlib import Path; from benchmarks.chaos.shifted import shift; shift(Path({file!r})); "
    "from notifier.cli import main; main()"
)


def shift(file: Path) -> None:
    """From now on `SystemClock` is off by as many seconds as stand in the file, read anew each time."""

    def now(self: SystemClock) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(file.read_text() or 0))

    SystemClock.now = now  # type: ignore[method-assign]
