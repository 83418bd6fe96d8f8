"""The rooms of the house, ground floor first, and whom each room may know."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent / "notifier"
FILES = sorted(HOUSE.rglob("*.py"))

#: A room, and the rooms it may import from, in the order of knowledge. A new file needs a line here.
KNOWS: dict[str, set[str]] = {
    # ground floor
    "errors": set(),
    "clock": set(),
    "casts": set(),
    "model": set(),
    "sections": {"casts"},
    "config": {"casts", "errors", "model", "sections"},
    "tokens": {"model"},
    # pure: values in, values out
    "yaml_faults": {"errors"},
    "calendar": {"errors", "model", "yaml_faults"},
    "rules": {"calendar", "errors", "model", "yaml_faults"},
    "messages": {"errors", "model", "yaml_faults"},
    # the outside world
    "channels": {"errors", "model", "tokens"},
    "store": {"errors", "model", "rules"},
    # use cases
    "rulesets": {"errors", "rules", "store"},
    "intake": {"errors", "model", "rules", "store"},
    "receipts": {"channels", "model", "store"},
    "callbacks": {"channels", "errors", "model", "receipts", "store"},
    "reconcile": {"model", "rules", "store"},
    "findings": {"calendar", "model", "rules", "store"},
    "concerned": {"calendar", "model", "rules", "store"},
    "crowd": {"calendar", "concerned", "model", "reconcile", "rules", "store"},
    "plan": {"calendar", "concerned", "crowd", "findings", "model", "reconcile", "rules", "store"},
    "relay": {"model", "store"},
    "batch": {"model", "rules", "store"},
    "ladder": {"model", "rules", "store"},
    "render": {"calendar", "messages", "model", "rules"},
    "gate": {"batch", "calendar", "model", "rules", "store"},
    "quota": {"batch", "calendar", "model", "rules", "store"},
    "guard": {"batch", "calendar", "gate", "model", "quota", "reconcile", "rules", "store"},
    "merge": {"batch", "calendar", "model", "rules"},
    "record": {"batch", "ladder", "model", "receipts", "store"},
    "drafts": {"batch", "calendar", "channels", "errors", "merge", "model", "render", "rules", "store"},
    "prepare": {
        "batch", "calendar", "channels", "drafts", "gate", "guard", "ladder", "merge", "model", "record", "render",
        "rules", "store",
    },
    "hold": {"batch", "clock", "model", "store"},
    "send": {"batch", "channels", "clock", "hold", "model"},
    "dispatch": {
        "batch", "calendar", "channels", "clock", "errors", "guard", "hold", "ladder", "model", "prepare", "record",
        "render", "rules", "send", "store",
    },
    "retain": {"errors", "rules", "store"},
    "measure": {"calendar", "model", "rules", "store"},
    "explain": {"calendar", "errors", "model", "rules", "store"},
    "caller": {"explain", "model", "rules", "store"},
    "company": {"batch", "calendar", "merge", "model", "rules", "store"},
    "preview": {"calendar", "company", "errors", "ladder", "model", "render", "rules", "store"},
    "officer": {"errors", "model", "store"},
    "simulate": {
        "calendar", "errors", "intake", "messages", "model", "reconcile", "render", "rules", "sections", "store",
    },
    "compare": {"calendar", "errors", "messages", "model", "render", "rules", "rulesets", "simulate", "store"},
    "coverage": {"model", "rules", "simulate", "store"},
    # the composition root, and what runs on it
    "app": {
        "batch", "calendar", "callbacks", "channels", "clock", "config", "dispatch", "errors", "messages", "model",
        "plan", "receipts", "render", "rules", "rulesets", "store", "tokens",
    },
    "processes": {"errors"},
    "worker": {"app", "casts", "channels", "errors", "model"},
    "scheduler": {"clock", "errors"},
    "run": {"app", "model", "reconcile", "relay", "store", "worker"},
    "doctor": {"app", "errors", "model", "rulesets", "store", "worker"},
    # doors
    "web": {"callbacks", "channels", "clock", "errors", "model", "receipts", "store", "tokens"},
    # tests of rules, on the whole engine
    "rehearsal": {
        "app", "calendar", "casts", "channels", "clock", "config", "errors", "explain", "messages", "model", "officer",
        "receipts", "rules", "rulesets", "run", "store", "web",
    },
    "cli": {
        "app", "calendar", "caller", "casts", "clock", "compare", "config", "coverage", "doctor", "errors",
        "explain", "gate", "intake", "measure", "messages", "model", "officer", "preview", "processes", "reconcile",
        "rehearsal", "render", "retain", "rules", "rulesets", "run", "scheduler", "sections", "simulate", "store",
        "web", "worker",
    },
    # twins that ship for tests
    "testing": {"channels", "clock", "errors", "messages", "model"},
}  # fmt: skip

#: Rooms that touch nothing outside: values in, values out (rules and templates are read by path only).
PURE = {"model", "errors", "clock", "tokens", "yaml_faults", "calendar", "rules", "messages"}
OUTSIDE_WORLD = {
    "aiosmtplib", "asyncio", "dramatiq", "httpx", "os", "psycopg", "redis", "requests", "smtplib", "socket",
    "sqlalchemy", "sqlite3", "starlette", "subprocess", "threading", "twilio", "urllib", "uvicorn",
}  # fmt: skip


def room_of(file: Path) -> str:
    first = file.relative_to(HOUSE).parts[0]
    return first.removesuffix(".py")


@cache
def nodes_of(file: Path) -> tuple[ast.AST, ...]:
    """Everything in a file, also what is hidden in functions."""
    return tuple(ast.walk(ast.parse(file.read_text())))


def imports_of(file: Path) -> Iterator[str]:
    for node in nodes_of(file):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: write the import in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_modules(file: Path) -> set[str]:
    """The modules of ours that a file imports: "notifier.store.tables.office" is notifier.store.tables."""
    return {module for name in imports_of(file) if (module := module_of(name)) is not None}


def module_of(name: str) -> str | None:
    parts = name.split(".")
    if parts[0] != "notifier":
        return None
    while parts:
        path = HOUSE.parent.joinpath(*parts)
        if path.with_suffix(".py").exists() or (path / "__init__.py").exists():
            return ".".join(parts)
        parts.pop()
    raise AssertionError(f"{name} is no module of ours")


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(HOUSE.parent).with_suffix("").parts).removesuffix(".__init__")


def test_the_plan_itself_has_no_circle() -> None:
    order = list(KNOWS)
    for room, known in KNOWS.items():
        present = known & {room_of(file) for file in FILES}
        upward = {other for other in present if order.index(other) >= order.index(room)}
        assert not upward, f"{room} stands before {upward}"


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_every_file_is_on_the_plan_and_knows_only_whom_it_may(file: Path) -> None:
    room = room_of(file)
    if room == "__init__":
        assert own_modules(file) == set()
        return
    assert room in KNOWS, f"{room} is on no line of the plan"
    rooms = {module.split(".")[1] for module in own_modules(file) if "." in module}
    assert rooms - {room} <= KNOWS[room]


@pytest.mark.parametrize("file", [file for file in FILES if room_of(file) in PURE], ids=name_of)
def test_a_pure_room_touches_nothing_outside(file: Path) -> None:
    assert {name.split(".")[0] for name in imports_of(file)} & OUTSIDE_WORLD == set()


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {name_of(file): own_modules(file) - {name_of(file)} for file in FILES}
    seen: dict[str, int] = {}  # 1: being looked at, 2: done

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert seen.get(module) != 1, " -> ".join((*trail, module))
        if module in seen:
            return
        seen[module] = 1
        for other in sorted(graph.get(module, ())):
            visit(other, (*trail, module))
        seen[module] = 2

    for module in graph:
        visit(module, ())


CLOCK_READERS = {"now", "today", "utcnow"}


@pytest.mark.parametrize("file", [file for file in FILES if file.name != "clock.py"], ids=name_of)
def test_only_the_clock_reads_the_clock(file: Path) -> None:
    for node in nodes_of(file):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value).split(".")[-1]
            read = (owner in {"datetime", "date", "pendulum", "DateTime"} and node.func.attr in CLOCK_READERS) or (
                owner == "time" and node.func.attr in {"time", "time_ns", "localtime", "gmtime"}
            )
            assert not read, f"{file.name}:{node.lineno}: take `now` as an argument"


WATCH = """
import pkgutil, sys
seen = []
WRITING = {"w", "a", "x", "+"}
def watch(event, args):
    if event in {"socket.connect", "sqlite3.connect", "subprocess.Popen", "os.mkdir", "os.remove"}:
        seen.append((event, args[:1]))
    if event == "open" and isinstance(args[1], str) and WRITING & set(args[1]):
        seen.append((event, args[:1]))
sys.addaudithook(watch)
sys.dont_write_bytecode = True
import os
class Watched(dict):
    def __getitem__(self, key):
        if str(key).startswith("NOTIFIER"):
            seen.append(("environ", key))
        return dict.__getitem__(self, key)
    def get(self, key, default=None):
        if str(key).startswith("NOTIFIER"):
            seen.append(("environ", key))
        return dict.get(self, key, default)
os.environ = Watched(os.environ)
import notifier, importlib, threading
count = 0
for module in pkgutil.walk_packages(notifier.__path__, "notifier."):
    if ".migrations." in module.name or module.name.endswith("__main__"):
        continue
    importlib.import_module(module.name)
    count += 1
assert threading.active_count() == 1, threading.enumerate()
assert not seen, seen
print(count)
"""


def test_nothing_is_built_at_import(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", WATCH],
        env={},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    assert int(child.stdout) > 15
    assert list(tmp_path.iterdir()) == []
