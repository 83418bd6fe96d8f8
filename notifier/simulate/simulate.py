"""Simulate: all messages of a period, counted over a whole register without sending or writing any."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from time import perf_counter
from zoneinfo import ZoneInfo

from notifier.errors import ConfigError
from notifier.model import Channel, Office, OfficeId
from notifier.render import Renderer
from notifier.rules.reads import Span
from notifier.rules.rule import RuleSet
from notifier.sections import PriceSettings, ThroughputSettings
from notifier.simulate.measuring import Parts, sms_parts
from notifier.simulate.reads import Period
from notifier.simulate.report import Report
from notifier.simulate.tally import Counts
from notifier.simulate.walk import Stage, Walker, connected, count, in_processes, parts_of, together
from notifier.simulate.ways import Languages
from notifier.store.subjects import read_offices

#: Longer than this nobody plans ahead, and the calendar does not know the days.
LONGEST = timedelta(days=5 * 366)


@dataclass(frozen=True, slots=True)
class Rates:
    """What messages cost, how fast providers take them, and the clock of the report."""

    prices: PriceSettings
    throughput: ThroughputSettings
    zone: ZoneInfo


def period_of(first: date | None, last: date | None, *, days: int, now: datetime, zone: ZoneInfo) -> Period:
    """A period of days, from today when nothing is said. Raises ConfigError for one that is none.

    What lies ahead is played through from now on, also the days before the first one that counts: what is told on
    them is not told again. A period that began before today is played as if the engine had begun with it.
    """
    today = now.astimezone(zone).date()
    first = first or today
    last = last or first + timedelta(days=days - 1)
    if not first <= last <= first + LONGEST:
        raise ConfigError(f"--until {last} must not lie before --from {first}, nor more than five years after it")
    since = now if first >= today else datetime.combine(first, time(), zone)
    end = datetime.combine(last + timedelta(days=1), time(), zone) - timedelta(microseconds=1)
    return Period(first, last, Span(since.astimezone(UTC), end.astimezone(UTC)), is_past=first < today)


def simulate(stage: Stage, renderer: Renderer | None, rates: Rates, *, processes: int = 1) -> Report:
    """Play the whole period of a stage through and report it. Without a renderer every SMS counts as one part."""
    began = perf_counter()
    know_offices(stage)
    tallies = in_processes(partial(count, stage), parts_of(stage, processes))
    return report_of(stage, together(tallies).finish(), renderer, rates, seconds=perf_counter() - began)


def report_of(stage: Stage, counts: Counts, renderer: Renderer | None, rates: Rates, *, seconds: float) -> Report:
    """The report of what was counted on a stage."""
    offices, parts = _parts(stage, counts, renderer)
    notes = () if renderer else ("No templates could be read: every SMS counts as one part.",)
    return Report(
        counts=counts,
        rules=stage.rules.rules,
        offices=offices,
        first=stage.period.first,
        last=stage.period.last,
        parts=parts,
        prices=rates.prices,
        throughput=rates.throughput,
        zone=rates.zone,
        seconds=seconds,
        notes=notes,
    )


def languages_of(rules: RuleSet, renderer: Renderer | None) -> Languages:
    """In which languages the texts of the rules are written."""
    if renderer is None:
        return {}
    wanted = {(step.template, channel) for rule in rules.rules for step in rule.steps for channel in Channel}
    return {one: renderer.templates.languages(*one) for one in wanted}


def know_offices(stage: Stage) -> None:
    """Raises ConfigError for an office that the register does not hold."""
    with connected(stage) as connection:
        known = {office.code for office in read_offices(connection).values()}
    unknown = sorted(stage.only_offices - known)
    if unknown:
        raise ConfigError(f"there is no office {unknown[0]}; there are: {', '.join(sorted(known)) or 'none'}")


def _parts(stage: Stage, counts: Counts, renderer: Renderer | None) -> tuple[Mapping[OfficeId, Office], Parts]:
    with connected(stage) as connection:
        offices = read_offices(connection)
        if renderer is None:
            return offices, {}
        walker = Walker(stage, connection)
        own = replace(renderer, rules=stage.rules)
        return offices, sms_parts(connection, stage.rules.rules, counts.samples, own, walker.calendar_of)
