"""The report of a simulation: the counts in names and days, with parts, cost, peaks and what would have to wait."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TypeVar
from zoneinfo import ZoneInfo

from notifier.model import Channel, Office, OfficeId
from notifier.rules.rule import Rule
from notifier.sections import PriceSettings, ThroughputSettings
from notifier.simulate.measuring import Parts
from notifier.simulate.tally import Counts

#: Names of rules, offices, channels.
Word = TypeVar("Word", str, Channel)
#: Hours with the longest queues that are named.
PEAKS = 10

ASSUMPTIONS = (
    "Nobody renews, pays, moves or opts out: the register stays as it is, and new permits and cases are not invented.",
    "Every first message arrives; what follows on other channels is counted apart, if nothing is proved.",
    "Several documents of one person or household in one rule, office and day are one message; a digest is one.",
    "Messages that a personal cap would move to another day are counted on their own day, and named as waiting.",
    "Limits, approvals and caps of a rule hold nothing back here; days over a limit are named.",
    "Parts of an SMS are measured on up to 20 real texts of each step and language. Prices are those of [prices].",
)


@dataclass(frozen=True, slots=True)
class Peak:
    """One hour on one channel: how many messages begin in it, and how long the provider takes for them."""

    at: datetime
    channel: Channel
    messages: int
    takes: timedelta


@dataclass(frozen=True)
class Report:
    """What was counted over a span of days, both included."""

    counts: Counts
    rules: Sequence[Rule]
    offices: Mapping[OfficeId, Office]
    first: date
    last: date
    parts: Parts
    prices: PriceSettings
    throughput: ThroughputSettings
    zone: ZoneInfo
    seconds: float = 0.0
    notes: tuple[str, ...] = field(default_factory=tuple)

    @cached_property
    def messages(self) -> int:
        """Messages as people get them."""
        return sum(self.counts.messages.values())

    @cached_property
    def notifications(self) -> int:
        """Rows of the outbox: one for each document, step and recipient."""
        return sum(self.counts.rows.values())

    @cached_property
    def by_day_rule(self) -> Counter[tuple[date, str]]:
        found: Counter[tuple[date, str]] = Counter()
        for (rule, _, _, day), count in self.counts.messages.items():
            found[date.fromordinal(day), self.rules[rule].name] += count
        return found

    @cached_property
    def by_day(self) -> Counter[date]:
        found: Counter[date] = Counter()
        for (day, _), count in self.by_day_rule.items():
            found[day] += count
        return found

    @cached_property
    def by_day_office(self) -> Counter[tuple[date, str]]:
        found: Counter[tuple[date, str]] = Counter()
        for (_, _, office, day), count in self.counts.messages.items():
            found[date.fromordinal(day), self._office(office)] += count
        return found

    @cached_property
    def by_step(self) -> Counter[tuple[str, str]]:
        found: Counter[tuple[str, str]] = Counter()
        for (rule, step, _, _), count in self.counts.messages.items():
            found[self._step(rule, step)] += count
        return found

    @cached_property
    def by_rule(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for (rule, _), count in self.by_step.items():
            found[rule] += count
        return found

    @cached_property
    def by_office(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for (_, office), count in self.by_day_office.items():
            found[office] += count
        return found

    @cached_property
    def by_channel(self) -> Counter[Channel]:
        found: Counter[Channel] = Counter()
        for (*_, channel, _), count in self.counts.sends.items():
            found[channel] += count
        return found

    @cached_property
    def later_by_channel(self) -> Counter[Channel]:
        """What leaves besides only if nothing of the first rung is proved."""
        found: Counter[Channel] = Counter()
        for (*_, channel, _), count in self.counts.later.items():
            found[channel] += count
        return found

    @cached_property
    def by_language(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for (*_, language), count in self.counts.sends.items():
            found[language] += count
        return found

    @cached_property
    def by_day_channel(self) -> Counter[tuple[date, Channel]]:
        """Days here are those of the settings' zone."""
        found: Counter[tuple[date, Channel]] = Counter()
        for (hour, _, _, channel), count in self.counts.hours.items():
            found[self._hour(hour).date(), channel] += count
        return found

    @cached_property
    def sms_parts(self) -> int:
        return round(_parts_of(self.counts.sends, self.parts))

    @cached_property
    def later_sms_parts(self) -> int:
        return round(_parts_of(self.counts.later, self.parts))

    @cached_property
    def cost(self) -> float:
        return self._cost(self.by_channel, self.sms_parts)

    @cached_property
    def later_cost(self) -> float:
        return self._cost(self.later_by_channel, self.later_sms_parts)

    def cost_of(self, rule: str) -> float:
        """What the first rungs of one rule cost."""
        sends = Counter({key: count for key, count in self.counts.sends.items() if self.rules[key[0]].name == rule})
        channels: Counter[Channel] = Counter()
        for (*_, channel, _), count in sends.items():
            channels[channel] += count
        return self._cost(channels, _parts_of(sends, self.parts))

    @cached_property
    def peaks(self) -> list[Peak]:
        """The hours that take a provider longest, the worst first."""
        loads: Counter[tuple[int, Channel]] = Counter()
        weights: Counter[tuple[int, Channel]] = Counter()
        for (hour, rule, step, channel), count in self.counts.hours.items():
            loads[hour, channel] += count
            weights[hour, channel] += round(count * self._weight(rule, step, channel))
        rates = {Channel.SMS: self.throughput.sms, Channel.WHATSAPP: self.throughput.whatsapp}
        found = [
            Peak(self._hour(hour), channel, loads[hour, channel], timedelta(seconds=weight / rate))
            for (hour, channel), weight in weights.items()
            for rate in [rates.get(channel, self.throughput.email)]
        ]
        return sorted(found, key=lambda one: (-one.takes, one.at, one.channel))[:PEAKS]

    @cached_property
    def over_limit(self) -> list[tuple[date, str, str, int, int]]:
        """Days on which a rule's own limit would hold an office's batch (S83): day, office, rule, rows, limit."""
        found = []
        for (rule, office, day), count in self.counts.rows.items():
            limit = self.rules[rule].limit
            if limit is not None and count > limit:
                found.append((date.fromordinal(day), self._office(office), self.rules[rule].name, count, limit))
        return sorted(found)

    @property
    def waiting(self) -> int:
        """Messages that a personal cap would move to another day (S81)."""
        return sum(self.counts.waiting.values())

    @property
    def unreachable(self) -> Counter[str]:
        """Notifications for which nobody has an address that works, by rule."""
        found: Counter[str] = Counter()
        for (rule, _), count in self.counts.unreachable.items():
            found[self.rules[rule].name] += count
        return found

    def _weight(self, rule: int, step: int, channel: Channel) -> float:
        if channel is not Channel.SMS:
            return 1.0
        few = [parts for (one, place, _), parts in self.parts.items() if (one, place) == (rule, step)]
        return max(few, default=1.0)

    def _cost(self, channels: Mapping[Channel, int], parts: float) -> float:
        prices = self.prices
        whatsapp, email = channels.get(Channel.WHATSAPP, 0), channels.get(Channel.EMAIL, 0)
        return round(prices.sms * parts + prices.whatsapp * whatsapp + prices.email * email, 2)

    def _hour(self, hour: int) -> datetime:
        return datetime.fromtimestamp(hour * 3600, UTC).astimezone(self.zone)

    def _office(self, office: int) -> str:
        return self.offices[OfficeId(office)].code

    def _step(self, rule: int, step: int) -> tuple[str, str]:
        return self.rules[rule].name, self.rules[rule].steps[step].name


def _parts_of(sends: Mapping[tuple[int, int, int, Channel, str], int], parts: Parts) -> float:
    return sum(
        count * parts.get((rule, step, language), 1.0)
        for (rule, step, _, channel, language), count in sends.items()
        if channel is Channel.SMS
    )


def as_json(report: Report) -> dict[str, object]:
    """The documented keys of `simulate --format json`."""
    return {
        "from": report.first,
        "until": report.last,
        "subjects": report.counts.subjects,
        "messages": report.messages,
        "notifications": report.notifications,
        "by_day": _words({day.isoformat(): count for day, count in report.by_day.items()}),
        "by_office": _words(report.by_office),
        "by_rule": _words(report.by_rule),
        "by_step": _words({f"{rule}, {step}": count for (rule, step), count in report.by_step.items()}),
        "by_channel": _words(report.by_channel),
        "by_language": _words(report.by_language),
        "if_nothing_is_proved": _words(report.later_by_channel),
        "sms_parts": report.sms_parts,
        "sms_parts_if_nothing_is_proved": report.later_sms_parts,
        "currency": report.prices.currency,
        "cost": report.cost,
        "cost_if_nothing_is_proved": report.later_cost,
        "peaks": [
            {"at": one.at, "channel": one.channel, "messages": one.messages, "takes": one.takes} for one in report.peaks
        ],
        "over_limit": [
            {"day": day, "office": office, "rule": rule, "notifications": count, "limit": limit}
            for day, office, rule, count, limit in report.over_limit
        ],
        "waiting_for_a_cap": report.waiting,
        "no_usable_address": _words(report.unreachable),
        "undecided": report.counts.undecided,
        "assumptions": [*ASSUMPTIONS, *report.notes],
    }


def _words(counts: Mapping[Word, int]) -> dict[str, int]:
    return {str(key): counts[key] for key in sorted(counts)}
