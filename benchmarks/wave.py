"""How long does the 09:00 wave take? A small simulation of machines, database and provider, from measured times.

    python -m benchmarks.wave --messages 200k --channel email --machines 1,2,4 --rate 500

Batches of notifications go through the stations of the engine: a core of a worker's machine, the database, the
provider, the database again. Each station serves in the order of arrival and its service times come from
`benchmarks/results`: what the CPU of a worker and of the database spend on a message. It is a model: a real provider
is slower at some hours, a real disk makes a commit wait, and the machines stand some way from each other.
"""

import argparse
import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.results import RESULTS, read
from notifier.sections import SendingSettings, TwilioSettings
from notifier.worker import THREADS

#: The share of the database's work for a message that comes before it is sent (claim, guard, delivery); the rest is
#: `record`. Guessed, not measured: a wave with 0.3 or 0.9 takes the same time within two in a hundred.
BEFORE_SENDING = 0.6


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of CPU that one message needs: of a worker, and of the database."""

    worker: float
    database: float

    @classmethod
    def measured(cls, channel: str, folder: Path = RESULTS) -> "Costs":
        """From the results of the last `make bench`. Raises LookupError when the channel was not measured."""
        for result in read(folder):
            values = {figure.name: figure.value for figure in result.figures}
            if f"{channel}.database" in values:
                return cls(values[f"{channel}.cpu"] / 1e6, values[f"{channel}.database"] / 1e6)
        raise LookupError(f"{channel} was not measured; run `python -m benchmarks --only {channel}` first")


@dataclass(frozen=True, slots=True)
class Wave:
    """What is asked. `rate`: messages a second that the provider takes, 0 for no bound; `latency` in seconds."""

    messages: int
    machines: int = 1
    workers: int = 2  # processes of a machine
    cores: int = 2  # of a machine
    database_cores: int = 2
    rate: float = 0.0
    latency: float = 0.0
    concurrency: int = TwilioSettings().concurrency  # of a worker process, towards the provider
    batch: int = SendingSettings().batch_size
    threads: int = THREADS  # batches at a time in one process


@dataclass(frozen=True, slots=True)
class Answer:
    """How long it takes, and which share of the time each station was busy."""

    seconds: float
    busy: dict[str, float]

    @property
    def bottleneck(self) -> str:
        """The busiest station."""
        return max(self.busy, key=lambda name: self.busy[name])


@dataclass(slots=True)
class Station:
    """So many servers with one queue; asked in the order of time, it serves in the order of arrival."""

    servers: int
    free: list[float] = field(default_factory=list)
    worked: float = 0.0

    def __post_init__(self) -> None:
        self.free = [0.0] * self.servers

    def serve(self, at: float, seconds: float) -> float:
        """When work that arrives at `at` is done."""
        end = max(at, heapq.heappop(self.free)) + seconds
        heapq.heappush(self.free, end)
        self.worked += seconds
        return end


def simulate(wave: Wave, costs: Costs) -> Answer:
    """Play the wave: every slot of every worker takes a batch, carries it from station to station, takes the next."""
    machines = [Station(wave.cores) for _ in range(wave.machines)]
    database, provider = Station(wave.database_cores), Station(1)
    left, order, last = wave.messages, 0, 0.0
    slots = [place for place in range(wave.machines) for _ in range(wave.workers * wave.threads)]
    events: list[tuple[float, int, int, int, int]] = []  # time, order, machine, size of the batch, station next

    def take(at: float, machine: int) -> None:
        nonlocal left, order
        size = min(wave.batch, left)
        if size:
            left, order = left - size, order + 1
            heapq.heappush(events, (at, order, machine, size, 0))

    for machine in slots:
        take(0.0, machine)
    while events:
        at, _, machine, size, station = heapq.heappop(events)
        if station == 4:
            last = max(last, at)
            take(at, machine)
            continue
        if station == 0:
            end = database.serve(at, size * costs.database * BEFORE_SENDING)
        elif station == 1:
            end = machines[machine].serve(at, size * costs.worker)
        elif station == 2:
            end = _provide(provider, at, size, wave)
        else:
            end = database.serve(at, size * costs.database * (1 - BEFORE_SENDING))
        order += 1
        heapq.heappush(events, (end, order, machine, size, station + 1))
    return Answer(last, _busy(last, machines, database, provider))


def _provide(provider: Station, at: float, size: int, wave: Wave) -> float:
    """The provider takes so many a second over all workers; a worker waits for so many answers at a time."""
    rounds = math.ceil(size / max(wave.concurrency // wave.threads, 1)) * wave.latency
    taken = provider.serve(at, size / wave.rate) + wave.latency if wave.rate else at
    return max(taken, at + rounds)


def _busy(seconds: float, machines: Sequence[Station], database: Station, provider: Station) -> dict[str, float]:
    if not seconds:
        return {"workers": 0.0, "database": 0.0, "provider": 0.0}
    stations = {"workers": machines, "database": [database], "provider": [provider]}
    return {
        name: sum(one.worked for one in found) / seconds / sum(one.servers for one in found)
        for name, found in stations.items()
    }


def table(waves: Sequence[Wave], costs: Costs) -> Iterator[str]:
    """One line for each wave."""
    yield "machines   messages   provider    takes        a second   workers   database   provider   waits for"
    for wave in waves:
        answer = simulate(wave, costs)
        rate = f"{wave.rate:,.0f}/s" if wave.rate else "no bound"
        shares = "".join(f"{answer.busy[name]:>10.0%}" for name in ("workers", "database", "provider"))
        yield (
            f"{wave.machines:>8}{wave.messages:>11,}{rate:>11}{duration(answer.seconds):>9}"
            f"{wave.messages / answer.seconds if answer.seconds else 0:>16,.0f}{shares}   {answer.bottleneck}"
        )


def duration(seconds: float) -> str:
    """1:02:03, or 2:03, or 4.5 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count(text: str) -> int:
    """200k, 1M or a plain number."""
    units = {"k": 1_000, "M": 1_000_000}
    try:
        return int(float(text.rstrip("kM")) * units.get(text[-1:], 1))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is no number; write 200k, 1M or 20000") from error


def answer(arguments: Sequence[str], folder: Path = RESULTS) -> str:
    """What the command prints. Raises LookupError when the channel was not measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.wave", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usual = Wave(0)
    parser.add_argument("--messages", type=count, required=True, help="how many are due at once: 200k, 1M")
    parser.add_argument(
        "--channel", choices=["email", "sms"], default="email", help="whose measured times (default email)"
    )
    parser.add_argument("--machines", default="1", help="with workers; several with commas: 1,10,100")
    parser.add_argument("--workers", type=int, default=2, help="worker processes of a machine (default 2)")
    parser.add_argument("--cores", type=int, default=2, help="cores of a machine (default 2)")
    parser.add_argument("--database-cores", type=int, default=2, help="cores of the database's machine (default 2)")
    parser.add_argument("--rate", type=float, default=0, help="messages a second the provider takes; 0: no bound")
    parser.add_argument("--latency", type=float, default=0, help="seconds until the provider answers (default 0)")
    parser.add_argument(
        "--concurrency", type=int, default=usual.concurrency, help="answers a worker awaits (default %(default)s)"
    )
    parser.add_argument("--batch", type=int, default=usual.batch, help="notifications of a batch (default %(default)s)")
    told = parser.parse_args(arguments)
    waves = [
        Wave(
            told.messages, int(machines), told.workers, told.cores, told.database_cores, told.rate, told.latency,
            told.concurrency, told.batch,
        )
        for machines in told.machines.split(",")
    ]  # fmt: skip
    return "\n".join(table(waves, Costs.measured(told.channel, folder)))


if __name__ == "__main__":
    import sys

    try:
        print(answer(sys.argv[1:]))
    except LookupError as error:
        sys.exit(str(error.args[0]))
