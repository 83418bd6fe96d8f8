"""Measurements of the engine against what one would build instead and against what the machine can do at all.

    make bench                                          everything, into benchmarks/results and docs/performance.md
    python -m benchmarks --only plan,email --sizes 1M   some rows
    python -m benchmarks --quick                        small sizes, one run each: does it all still work?

How the modules fit together
----------------------------
A *contender* is a context manager that prepares one way of doing the job (servers, rows, a started worker) and yields
a `Sample`: a function that does the job once and answers with numbers by name, such as ``{"per_second": 8900.0}`` or
``{"seconds": 3.1, "again": 0.4, "rows": 20000.0}``. It cleans up after itself, so it can be called again.

`interleave` calls the contenders of one row in turn, round by round, so that whatever else the machine does falls on
all of them alike. A `Figure` is the median of the rounds with the lowest and highest; a ratio is taken within each
round first. The rows of the table are in `benchmarks.table`; each names the figure it shows by `Figure.name`.

Who gives what (each takes a `Bench`):

======================  ==============================================================================================
`ours`                  the engine: contenders `planning`, `sending` (any channel, provider and number of workers)
`peers`, `limits`       contenders of the same shape for what is compared with
`parts`                 puts them together: one function for each part, giving a list of Figures
`callbacks`             `figures(bench)`: "callbacks.vs.update" (a ratio), "callbacks.ours"
`importing`             `figures(bench)`: "import.ours", "import.vs.copy" (a ratio)
`sizing`                `figures(bench)`: bytes of a row and its indexes, for each table
`sending`, `stages`     a command of its own: the CPU of a message by stage
`wave`                  a command of its own: a model of the morning's wave, from what was measured
`chaos`                 a command of its own: `make chaos`, every fault we can make
`table`                 the promises: which figure, the floor, the goal
`report`, `charts`      docs/performance.md from what stands in benchmarks/results
======================  ==============================================================================================

A part that cannot be measured here raises `servers.NotInstalled` with a sentence; the row then says so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal

#: One run: numbers by name.
Sample = Callable[[], Mapping[str, float]]
Better = Literal["more", "less"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number: the median of `runs` runs, with the lowest and the highest."""

    name: str  # "email.vs.celery": part, and what is compared
    value: float
    unit: str  # "messages/s", "s", "x" (a ratio), "MB", "us"
    better: Better
    lo: float
    hi: float
    runs: int

    @classmethod
    def of(cls, name: str, values: Sequence[float], unit: str, better: Better) -> "Figure":
        """From the numbers of all runs."""
        return cls(name, median(values), unit, better, min(values), max(values), len(values))


@dataclass(frozen=True, slots=True)
class Bench:
    """What a measurement is told."""

    folder: Path  # for databases and logs; kept from one run to the next, and may be deleted at any time
    runs: int = 5
    #: Messages of one run of sending; permits of the registers that are planned, and how many notifications come due.
    messages: int = 20_000
    sizes: tuple[int, ...] = (1_000_000, 10_000_000)
    due: int = 20_000
    #: Where the line of progress goes; one sentence.
    say: Callable[[str], None] = field(default=print)
    #: Where filled registers are kept for the next time; None: filled anew. Ten million permits take their time.
    registers: Path | None = None
    #: The quick mode: small, one run, only to see that everything works.
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Rounds:
    """The numbers of every contender, round by round."""

    of: Mapping[str, Sequence[Mapping[str, float]]]

    def values(self, contender: str, measure: str) -> list[float]:
        """One number of one contender over the rounds."""
        return [numbers[measure] for numbers in self.of[contender]]

    def figure(self, name: str, contender: str, measure: str, unit: str, better: Better) -> Figure:
        """That as a figure."""
        return Figure.of(name, self.values(contender, measure), unit, better)

    def ratio(self, name: str, ours: tuple[str, str], theirs: tuple[str, str], better: Better) -> Figure:
        """Ours divided by theirs within each round; (contender, measure) each."""
        pairs = zip(self.values(*ours), self.values(*theirs), strict=True)
        return Figure.of(name, [mine / other for mine, other in pairs], "x", better)


def interleave(
    contenders: Mapping[str, Sample], runs: int, *, warm_up: bool = True, spent: Callable[[], float] | None = None
) -> Rounds:
    """Let each contender run once, in turn, `runs` times; one round before that is not counted.

    `spent` says how many seconds of CPU everything that belongs to the measurement has used so far. With it, each run
    that tells its `messages` also gives `whole_us`, the CPU of all its processes for a message: what a run costs is
    known even where other programs of the machine take a part of its time.
    """
    of: dict[str, list[Mapping[str, float]]] = {name: [] for name in contenders}
    for round_ in range(runs + warm_up):
        for name, sample in contenders.items():
            before = spent() if spent else 0.0
            numbers = dict(sample())
            if spent and "messages" in numbers:
                numbers["whole_us"] = (spent() - before) / numbers["messages"] * 1e6
            if round_ or not warm_up:
                of[name].append(numbers)
    return Rounds(of)
