"""What arrived, as the two servers wrote it down, against what should have."""

from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.chaos.provider import STATUSES
from benchmarks.chaos.told import read_records
from notifier.model import Channel

#: What a fault can hold up: the two channels, and the callbacks that come back.
MAIL, SMS, CALLBACKS = "mail", "sms", "callbacks"
PART_OF = {Channel.EMAIL: MAIL, Channel.SMS: SMS}


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as a server took it."""

    at: float
    key: str  # Message-ID of a mail, sid of an SMS
    port: int = 0  # of the process that sent it


@dataclass(slots=True)
class Arrivals:
    """Everything that arrived so far; `poll` reads what is new."""

    mail: Path
    provider: Path
    by_address: Mapping[str, dict[str, list[Arrival]]] = field(
        default_factory=lambda: {MAIL: defaultdict(list), SMS: defaultdict(list)}
    )
    times: Mapping[str, list[float]] = field(default_factory=lambda: {MAIL: [], SMS: [], CALLBACKS: []})
    refused_callbacks: int = 0
    called_back: set[tuple[str, str]] = field(default_factory=set)  # (sid, status) that the web door has taken
    _read: dict[Path, int] = field(default_factory=dict)
    _latest: deque[Arrival] = field(default_factory=lambda: deque(maxlen=200))

    def poll(self) -> None:
        """Read what the servers have written since."""
        for file in (self.mail, self.provider):
            records, self._read[file] = read_records(file, self._read.get(file, 0))
            for one in records:
                if file == self.mail:
                    self._take(MAIL, one["to"], Arrival(one["at"], one["message_id"], one.get("port", 0)))
                elif one["what"] == "taken":
                    self._take(SMS, one["to"], Arrival(one["at"], one["sid"], one.get("port", 0)))
                elif 200 <= one["answer"] < 300:
                    self.times[CALLBACKS].append(one["at"])
                    self.called_back.add((one["sid"], one["status"]))
                else:
                    self.refused_callbacks += 1

    def _take(self, part: str, address: str, arrival: Arrival) -> None:
        self.by_address[part][address].append(arrival)
        self.times[part].append(arrival.at)
        self._latest.append(arrival)

    def ports_since(self, at: float) -> set[int]:
        """The ports of those who have sent something since an instant, among the latest."""
        return {one.port for one in self._latest if one.at >= at}

    def next_after(self, part: str, at: float) -> float | None:
        """When the next one arrived in that part."""
        times = self.times[part]
        place = bisect_right(times, at)
        return times[place] if place < len(times) else None

    def first(self, part: str, address: str) -> float | None:
        """When somebody was told first."""
        found = self.by_address[part].get(address)
        return found[0].at if found else None

    def have(self, part: str, addresses: Collection[str]) -> bool:
        """Whether everybody at these addresses was told."""
        return all(self.by_address[part].get(one) for one in addresses)

    def count(self, part: str) -> int:
        """How many people were told."""
        return len(self.by_address[part])

    def to_come(self, plan: Mapping[str, tuple[Channel, str]]) -> dict[str, int]:
        """By part, how much of the plan has not arrived yet; each SMS is called back about with every status."""
        planned = Counter(PART_OF[channel] for channel, _ in plan.values())
        left = {part: planned[part] - self.count(part) for part in (MAIL, SMS)}
        return left | {CALLBACKS: planned[SMS] * len(STATUSES) - len(self.called_back)}


@dataclass(frozen=True, slots=True)
class Double:
    """Somebody who was told more than once."""

    part: str
    address: str
    at: tuple[float, ...]
    keys: int  # different Message-IDs or sids


@dataclass(frozen=True, slots=True)
class Comparison:
    """What should have arrived against what did."""

    expected: int
    arrived: int
    lost: tuple[str, ...]
    strangers: tuple[str, ...]  # told, and nobody should have
    doubles: tuple[Double, ...]

    @property
    def copies(self) -> Mapping[str, int]:
        """Messages too many, by channel."""
        found = {MAIL: 0, SMS: 0}
        for one in self.doubles:
            found[one.part] += len(one.at) - 1
        return found

    @property
    def unlike(self) -> int:
        """Doubled mails that do not have the same Message-ID: a mail program shows both."""
        return sum(one.part == MAIL and one.keys > 1 for one in self.doubles)


def compare(arrivals: Arrivals, plan: Mapping[str, tuple[Channel, str]]) -> Comparison:
    """One message for each planned notification; by the numbers of permits, not by what the outbox believes."""
    expected = {(PART_OF[channel], address) for channel, address in plan.values()}
    found = {(part, address) for part, people in arrivals.by_address.items() for address in people}
    doubles = [
        Double(part, address, tuple(one.at for one in those), len({one.key for one in those}))
        for part, people in arrivals.by_address.items()
        for address, those in people.items()
        if len(those) > 1
    ]
    return Comparison(
        expected=len(expected),
        arrived=len(found & expected),
        lost=tuple(sorted(address for _, address in expected - found)),
        strangers=tuple(sorted(address for _, address in found - expected)),
        doubles=tuple(doubles),
    )
