"""CPU per message by stage: each stage's functions are wrapped, and a thread's own CPU clock is read around them.

A profiler that stops the program for each sample costs more than the program; this costs two readings of a clock for
each call of a wrapped function. What one stage spends inside another is the other's.
"""

import importlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

#: Where each stage begins: the module, the function or method as that module calls it, and the stage's name.
STAGES: tuple[tuple[str, str, str], ...] = (
    ("notifier.run", "relay", "relay"),
    ("notifier.dispatch", "claim", "claim"),
    ("notifier.dispatch", "gather", "gather"),
    ("notifier.batch", "read_subjects", "gather: subjects"),
    ("notifier.batch", "read_entries", "gather: ledger"),
    ("notifier.batch", "_companions", "gather: companions"),
    ("notifier.batch", "suppressed_contacts", "gather: suppressions"),
    ("notifier.dispatch", "hold_fast", "lock"),
    ("notifier.prepare", "Preparer.prepare", "prepare"),
    ("notifier.guard", "Guard.ask", "guard"),
    ("notifier.guard", "Guard.passing", "gate and quota"),
    ("notifier.gate", "Passage.finish", "gate and quota"),
    ("notifier.prepare", "parcels", "merge"),
    ("notifier.prepare", "Preparer._within_caps", "caps"),
    ("notifier.drafts", "Writer.write", "write"),
    ("notifier.drafts", "Writer._render", "render: facts"),
    ("notifier.messages.templates", "Templates.compose_alike", "render: texts"),
    ("notifier.dispatch", "record", "record"),
    ("notifier.record", "_write_story", "record: story"),
    ("notifier.record", "older_ladders", "record: older ladders"),
    ("notifier.record", "advance", "record: next rung"),
    ("notifier.record", "settle", "record: settle"),
    ("notifier.store.deliveries", "record", "record: outcomes"),
    ("notifier.channels.email", "to_bytes", "send: MIME"),
)


@dataclass(slots=True)
class Spent:
    """CPU seconds of a stage without those of the stages inside it, and how much of that lay in SQL."""

    cpu: float = 0.0
    sql: float = 0.0
    calls: int = 0
    statements: int = 0


@dataclass(slots=True)
class Profile:
    """What a run spent: by stage, and altogether in the process."""

    stages: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))
    total: float = 0.0
    wall: float = 0.0

    def table(self, messages: int) -> str:
        """Microseconds of CPU per message, the dearest stage first."""
        measured = sum(one.cpu for one in self.stages.values())
        rows = sorted(self.stages.items(), key=lambda pair: -pair[1].cpu)
        lines = [f"{'stage':26} {'us/msg':>8} {'share':>7} {'in SQL':>8} {'statements':>11}"]
        for name, one in rows:
            lines.append(
                f"{name:26} {one.cpu / messages * 1e6:8.1f} {one.cpu / self.total:7.1%} "
                f"{one.sql / messages * 1e6:8.1f} {one.statements:11}"
            )
        rest = self.total - measured
        lines.append(f"{'event loop, SMTP, threads':26} {rest / messages * 1e6:8.1f} {rest / self.total:7.1%}")
        lines.append(
            f"{'in all':26} {self.total / messages * 1e6:8.1f} {1:7.1%} "
            f"{sum(one.sql for one in self.stages.values()) / messages * 1e6:8.1f} "
            f"{sum(one.statements for one in self.stages.values()):11}"
        )
        lines.append(f"{messages} messages in {self.wall:.2f} s: {messages / self.wall:.0f} a second")
        return "\n".join(lines)


class _Clock:
    """The stages that a thread is in now, and since when the innermost one counts."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.local = threading.local()
        self.lock = threading.Lock()

    @property
    def stack(self) -> list[list[Any]]:
        if not hasattr(self.local, "stack"):
            self.local.stack = []
        found: list[list[Any]] = self.local.stack
        return found

    def enter(self, name: str) -> None:
        now, stack = time.thread_time(), self.stack
        if stack:
            self._charge(stack[-1][0], now - stack[-1][1])
        stack.append([name, now])

    def leave(self) -> None:
        now, stack = time.thread_time(), self.stack
        name, since = stack.pop()
        self._charge(name, now - since, calls=1)
        if stack:
            stack[-1][1] = now

    def _charge(self, name: str, cpu: float, calls: int = 0) -> None:
        with self.lock:
            spent = self.profile.stages[name]
            spent.cpu += cpu
            spent.calls += calls

    def sql(self, cpu: float) -> None:
        stack = self.stack
        if stack:
            with self.lock:
                spent = self.profile.stages[stack[-1][0]]
                spent.sql += cpu
                spent.statements += 1


@contextmanager
def profiled() -> Iterator[Profile]:
    """Wraps the stages while the block lasts; the profile is complete when it ends."""
    profile = Profile()
    clock = _Clock(profile)
    undo: list[tuple[Any, str, Any]] = []
    for module, path, name in STAGES:
        owner: Any = importlib.import_module(module)
        *outer, last = path.split(".")
        for part in outer:
            owner = getattr(owner, part)
        undo.append((owner, last, getattr(owner, last)))
        setattr(owner, last, _timed(getattr(owner, last), name, clock))
    connection = importlib.import_module("sqlalchemy").Connection
    undo.append((connection, "execute", connection.execute))
    connection.execute = _counted(connection.execute, clock)
    cpu, wall = time.process_time(), time.perf_counter()
    try:
        yield profile
    finally:
        profile.total, profile.wall = time.process_time() - cpu, time.perf_counter() - wall
        for owner, name, before in reversed(undo):
            setattr(owner, name, before)


def _timed(function: Callable[..., Any], name: str, clock: _Clock) -> Callable[..., Any]:
    @wraps(function)
    def timed(*arguments: Any, **named: Any) -> Any:
        clock.enter(name)
        try:
            return function(*arguments, **named)
        finally:
            clock.leave()

    return timed


def _counted(function: Callable[..., Any], clock: _Clock) -> Callable[..., Any]:
    @wraps(function)
    def counted(*arguments: Any, **named: Any) -> Any:
        since = time.thread_time()
        try:
            return function(*arguments, **named)
        finally:
            clock.sql(time.thread_time() - since)

    return counted
