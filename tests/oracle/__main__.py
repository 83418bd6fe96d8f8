"""`python -m tests.oracle --subjects 20000 --rules 40 --seed 1` and `python -m tests.oracle hunt --minutes 10`."""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

from tests.oracle.compare import Tally, rules_of, subject
from tests.oracle.productions import PRODUCTIONS, found_in

BATCH = 100
#: So many disagreements are written out; the rest are counted.
SHOWN = 5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("compare", "hunt"), default="compare")
    parser.add_argument("--subjects", type=int, default=20_000)
    parser.add_argument("--rules", type=int, default=40)
    parser.add_argument("--rules-each", type=int, default=1, help="rules that each subject is walked through with")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="walk this one subject of the seed again")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=10, help="how long to hunt")
    options = parser.parse_args()
    if options.what == "hunt":
        from tests.oracle.hunt import hunt

        return hunt(options.minutes, options.seed)
    if options.only is not None:
        tally = subject(options.seed, options.only, rules_of(options.seed, options.rules), options.rules_each)
        print("\n".join(tally.disagreements) or f"both readings agree on {tally.messages} messages")
        return 1 if tally.disagreements else 0
    return compare_all(options)


def compare_all(options: argparse.Namespace) -> int:
    """All subjects of a seed over several processes, with progress and a summary."""
    began = time.monotonic()
    tally = Tally()
    firsts = range(0, options.subjects, BATCH)
    counts = [min(BATCH, options.subjects - first) for first in firsts]
    rules_of(options.seed, options.rules)  # before the fork: each process has them
    with ProcessPoolExecutor(options.processes) as pool:
        parts = pool.map(batch, repeat(options.seed), firsts, counts, repeat(options.rules), repeat(options.rules_each))
        for part in parts:
            tally.add(part)
            if tally.subjects % 1000 < BATCH:
                print(
                    f"{tally.subjects} subjects, {tally.messages} messages, {time.monotonic() - began:.0f} s",
                    flush=True,
                )
    for text in tally.disagreements[:SHOWN]:
        print(f"\nDISAGREEMENT {text}")
    summary(tally, options, time.monotonic() - began)
    return 1 if tally.disagreements else 0


def batch(seed: int, first: int, count: int, rules: int, rules_each: int) -> Tally:
    """Some subjects, in a process of its own."""
    tally = Tally()
    for number in range(first, first + count):
        tally.add(subject(seed, number, rules_of(seed, rules), rules_each))
    return tally


def summary(tally: Tally, options: argparse.Namespace, seconds: float) -> None:
    """The figures, and how often the grammar's productions occurred."""
    texts = [one.text for one in rules_of(options.seed, options.rules)]
    counts = {name: sum(name in found_in(text) for text in texts) for name in PRODUCTIONS}
    for name, count in counts.items():
        print(f"{name:>36} {count:>4}")
    print(
        f"{tally.subjects} subjects with {tally.changes} changes, {len(texts)} rules, {tally.walks} walks over three"
        f" years, productions of the grammar {sum(map(bool, counts.values()))} of {len(counts)},"
        f" {tally.messages} messages compared, {len(tally.disagreements)} disagreements, {seconds:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
