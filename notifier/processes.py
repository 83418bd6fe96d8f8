"""Several workers on one machine: one process for each, since Python keeps but one core busy in a process."""

import logging
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from notifier.errors import ConfigError, NotifierError

log = logging.getLogger(__name__)


def in_processes(count: int, work: Callable[[], int]) -> int:
    """Do the work in so many processes at once; answers 0 when all ended well, else 1, or 2 for a wrong setting.

    SIGTERM and SIGINT are passed on, and each finishes what it has in hand. When one ends by itself the others are
    asked to end too, so that whoever watches this process starts all of them anew. Call it before a thread is started
    or a connection opened. Raises ConfigError where processes cannot be forked.
    """
    if not hasattr(os, "fork"):
        raise ConfigError("this system cannot fork; start several workers with --processes 1 instead")
    children = {_start(work) for _ in range(count)}

    def pass_on(number: int, frame: FrameType | None) -> None:
        _stop(children)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        worst, asked_to_end = 0, False
        while children:
            pid, status = os.wait()
            children.discard(pid)
            code = os.waitstatus_to_exitcode(status)
            if asked_to_end and code == -signal.SIGTERM:
                code = 0  # it had not begun yet
            if code:
                log.error("a worker process ended with %s", code)
            worst = max(worst, code if 0 <= code <= ConfigError.exit_code else 1)
            _stop(children)
            asked_to_end = True
        return worst
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(work: Callable[[], int]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = work()
    except NotifierError as error:  # said once for each process, and the exit code is the error's own
        print(f"Error: {error}", file=sys.stderr, flush=True)
        code = error.exit_code
    except BaseException:
        log.exception("a worker process broke")
    finally:
        logging.shutdown()
        os._exit(code)


def _stop(children: set[int]) -> None:
    for pid in children:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            continue
