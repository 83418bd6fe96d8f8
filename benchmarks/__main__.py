"""`make bench`: measure, keep what was measured, and write docs/performance.md from it."""

import argparse
import resource
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import Bench, report
from benchmarks.machine import describe, load
from benchmarks.parts import PARTS
from benchmarks.results import RESULTS, Result, save
from benchmarks.servers import NotInstalled

PROJECT = Path(__file__).parent.parent
PAGE = PROJECT / "docs" / "performance.md"
SCALING = PROJECT / "docs" / "scaling.md"
FOLDER = PROJECT / ".bench"


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when everything asked for was measured, 1 when a part failed; floors are shown, not judged."""
    told = _parser().parse_args(arguments)
    bench = Bench(
        FOLDER, runs=told.runs, sizes=told.sizes, messages=told.messages, due=told.due, registers=told.registers
    )
    results = RESULTS
    if told.quick:
        bench = replace(bench, runs=1, sizes=(10_000, 100_000), messages=1_000, due=1_000, quick=True)
        results = FOLDER / "quick"  # small runs prove that it works; their figures are not kept with the others
    FOLDER.mkdir(exist_ok=True)
    results.mkdir(parents=True, exist_ok=True)
    _raise_limit()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every server of ours is ended on the way out
    failed = False
    for name in told.only or PARTS:
        failed |= not _measure(name, bench, results)
    print(report.in_words(results))
    if not told.quick:
        report.write(results, PAGE)
        _fill(SCALING, results)
        print(f"wrote {PAGE.relative_to(PROJECT)} and the figures of {SCALING.relative_to(PROJECT)}")
    return int(failed)


def _measure(name: str, bench: Bench, results: Path) -> bool:
    """Run one part and keep its figures. What cannot be measured here is kept with its reason."""
    print(f"{name}: {(PARTS[name].__doc__ or '').splitlines()[0]}", flush=True)
    before, begun = load(), time.perf_counter()
    try:
        figures, missing = PARTS[name](bench), ""
    except (NotInstalled, ModuleNotFoundError) as error:
        figures, missing = [], str(error)
        print(f"{name}: not measured, {error}", flush=True)
    except Exception as error:  # the other parts are worth having all the same
        print(f"{name}: failed, {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return False
    settings = {"runs": bench.runs, "messages": bench.messages, "due": bench.due, "sizes": list(bench.sizes)}
    save(
        results, Result(name, time.strftime("%Y-%m-%d", time.gmtime()), describe(), settings, before, figures, missing)
    )
    print(f"{name}: done in {time.perf_counter() - begun:.0f} s", flush=True)
    return True


def _fill(page: Path, results: Path) -> None:
    """Bring the blocks of a page up to date; not while a part that they need was never measured."""
    try:
        page.write_text(report.fill(page.read_text(encoding="utf-8"), results), encoding="utf-8")
    except LookupError as error:
        print(f"{page.name} stays as it is: {error.args[0]}", file=sys.stderr)


def _raise_limit() -> None:
    """A server of thousands of connections needs as many open files; our children inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure against other tools and the machine's limits."
    )
    parser.add_argument("--only", type=_parts, default=[], help=f"some of {', '.join(PARTS)}, with commas")
    parser.add_argument("--sizes", type=_sizes, default=(1_000_000, 10_000_000), help="registers to plan: 100k,1M,10M")
    parser.add_argument("--runs", type=int, default=5, help="rounds; the median counts (default 5)")
    parser.add_argument("--messages", type=int, default=20_000, help="messages of one run of sending")
    parser.add_argument("--due", type=int, default=20_000, help="notifications that come due in a register")
    parser.add_argument("--registers", type=Path, help="folder that keeps filled registers for the next time")
    parser.add_argument("--quick", action="store_true", help="small sizes, one run: does everything still work?")
    return parser


def _parts(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no part {unknown[0]}; there are {', '.join(PARTS)}")
    return names


def _sizes(text: str) -> tuple[int, ...]:
    """100k, 1M or a plain number, with commas."""
    units = {"k": 1_000, "M": 1_000_000}
    try:
        return tuple(sorted(int(one.rstrip("kM")) * units.get(one[-1:], 1) for one in text.split(",")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is no list of sizes; write 100k,1M,10M") from error


if __name__ == "__main__":
    sys.exit(main())
