"""Ticks: plan what is due, then offer it to the workers. Several schedulers do no more harm than one."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Event

from notifier.clock import Clock
from notifier.errors import NotifierError

log = logging.getLogger(__name__)

#: One part of a tick: plan, relay, or whatever else is to happen regularly.
Part = Callable[[datetime], object]


class Scheduler:
    """Runs its parts one after another, again and again, each with the instant of the tick."""

    def __init__(self, parts: dict[str, Part], *, clock: Clock, every: timedelta) -> None:
        self.parts = parts
        self.clock = clock
        self.every = every

    def tick(self) -> bool:
        """Run every part once; a part that fails does not stop the others. Answers whether all went well."""
        now = self.clock.now()
        outcomes = [self._run(name, part, now) for name, part in self.parts.items()]
        return all(outcomes)

    def run(self, stop: Event) -> None:
        """Tick until `stop` is set; the tick in hand is finished."""
        while not stop.is_set():
            self.tick()
            stop.wait(self.every.total_seconds())

    def _run(self, name: str, part: Part, now: datetime) -> bool:
        try:
            part(now)
        except NotifierError as error:
            log.warning("%s failed, next try at the next tick: %s", name, error)
            return False
        except Exception:
            log.exception("%s failed, next try at the next tick", name)
            return False
        return True
