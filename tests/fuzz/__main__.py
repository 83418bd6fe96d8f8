"""`python -m tests.fuzz --count 5000 --seed 1`: checks bent rules; `--only 17` shows one of them and its faults."""

import argparse
import sys
import tempfile
from pathlib import Path

from notifier.rules.load import check_rules
from tests.fuzz.run import DOCUMENTS, WINDOWS, Outcome, bent_rule, run, seeds_of_rules


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="show the bent rule of this number, and what is said of it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.only is not None:
            return _show(Path(folder), options.seed, options.only)
        outcome = run(Path(folder), options.count, options.seed)
    _report(outcome)
    return 1 if outcome.failures else 0


def _show(folder: Path, seed: int, number: int) -> int:
    content = bent_rule(seed, number, seeds_of_rules())
    (folder / "windows.yaml").write_text(WINDOWS)
    (folder / "documents.yaml").write_text(DOCUMENTS)
    (folder / "bent.yaml").write_bytes(content)
    sys.stdout.write(content.decode("utf-8", "backslashreplace") + "\n\n")
    _, faults, warnings = check_rules([folder / "bent.yaml"], known=None)
    for fault in (*faults, *warnings):
        print(f"{fault.line}:{fault.column} {fault.message}")
    return 0


def _report(outcome: Outcome) -> None:
    print(
        f"{outcome.checked} bent rules checked, {outcome.sound} of them still without a fault;"
        f" the slowest took {outcome.worst:.2f} s (number {outcome.worst_number})"
    )
    print(f"{len(outcome.kinds)} kinds of faults and warnings, the most frequent:")
    for kind, times in outcome.kinds.most_common(25):
        print(f"{times:6} {kind}")
    for number, complaint, _ in outcome.failures[:20]:
        print(f"FAILED number {number}: {complaint}")
    print(f"{len(outcome.failures)} failed")


if __name__ == "__main__":
    sys.exit(main())
