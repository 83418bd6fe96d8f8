"""What one would build instead, each measured doing the same job: a 4-kB mail or an SMS for each notification.

Every peer is a small program in `programs/`, written as its own documentation teaches, and runs in a virtual
environment of its own (`.bench/venv`): some of them need other versions of libraries than the engine does. Their
workers use both cores. Rule evaluation is not in their time, which is in their favour.
"""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks import Bench, Sample
from benchmarks.servers import NotInstalled

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
REQUIREMENTS = HERE / "requirements.txt"


def environment(bench: Bench) -> Path:
    """The Python of the peers' virtual environment, made on first use with pip (needs the network then)."""
    folder = bench.folder / "venv"
    python, mark = folder / "bin" / "python", folder / "installed"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    if mark.is_file() and mark.read_text(encoding="utf-8") == wanted:
        return python
    bench.say(f"installing what the peers need into {folder.name} (once)")
    venv.create(folder, with_pip=True, clear=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled(f"the peers' libraries cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    mark.write_text(wanted, encoding="utf-8")
    return python


@contextmanager
def program(bench: Bench, name: str, count: int, addresses: Mapping[str, object]) -> Iterator[Sample]:
    """A peer with its workers, started; each run puts `count` messages through it and gives per_second and cpu_us.

    `addresses` reach the program as BENCH_* variables.
    """
    python = environment(bench)
    told = {"PYTHONPATH": str(PROGRAMS), "PYTHONWARNINGS": "ignore"}
    told |= {f"BENCH_{key}": str(value) for key, value in addresses.items()}
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("NOTIFIER_", "PYTHON"))}
    log = (bench.folder / f"{name}.log").open("w", encoding="utf-8")
    process = subprocess.Popen(
        [str(python), str(PROGRAMS / f"{name}.py")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=kept | told, cwd=PROGRAMS,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None

    def answer() -> dict[str, float]:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise RuntimeError(f"the peer {name} has ended; {log.name} says why")
        found: dict[str, float] = json.loads(line)
        return found

    def sample() -> Mapping[str, float]:
        assert process.stdin is not None
        print(count, file=process.stdin, flush=True)
        return {"per_second": count / answer()["seconds"], "messages": count}

    try:
        answer()  # the workers are started
        yield sample
    finally:
        process.stdin.close()
        process.wait(30)
        log.close()


def versions() -> dict[str, str]:
    """Of every peer, as pinned."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line)
    return {name.partition("[")[0]: version for name, version in pairs} | {"python": sys.version.split()[0]}
