"""The page of a simulation: one file, without a network, light and dark, for a screen and for a telephone."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from html import escape
from pathlib import Path

from notifier.calendar.office import OfficeCalendar
from notifier.simulate.drawing import bars, heat_map, legend, stacked_days, table
from notifier.simulate.report import ASSUMPTIONS, Report

STYLE = Path(__file__).with_name("page.css")


def write_page(report: Report, calendars: Mapping[str, OfficeCalendar], file: Path) -> None:
    """Write the page; `calendars` are those of the offices by code."""
    file.write_text(page(report, calendars), encoding="utf-8")


def page(report: Report, calendars: Mapping[str, OfficeCalendar]) -> str:
    """The whole page as HTML."""
    title = f"Simulation {report.first} to {report.last}"
    sections = [
        _figures(report),
        _per_day(report),
        _calendar(report, calendars),
        _channels(report),
        _offices(report),
        _peaks(report),
        _cost(report),
        _steps(report),
        _assumed(report),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n"
        f'<header><div class="flag" aria-hidden="true"></div><h1>Renewal reminders</h1>'
        f"<p>{title}. Nothing was sent.</p></header>\n<main>\n{''.join(sections)}</main>\n</body>\n</html>\n"
    )


def _section(title: str, *content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{''.join(content)}\n</section>\n"


def _figures(report: Report) -> str:
    money = report.prices.currency
    busiest = max(report.by_day.items(), key=lambda one: (one[1], one[0]), default=(report.first, 0))
    figures = (
        (f"{report.messages:,}", "messages"),
        (f"{report.counts.subjects:,}", "permits and cases looked at"),
        (f"{busiest[1]:,}", f"on the busiest day, {busiest[0]}"),
        (f"{report.cost:,.0f}", f"{money}, if everything arrives at first"),
        (f"{report.waiting:,}", "would wait for a personal cap"),
    )
    return f'<dl class="figures">{"".join(f"<div><dd>{one}</dd><dt>{name}</dt></div>" for one, name in figures)}</dl>\n'


def _per_day(report: Report) -> str:
    names = [name for name, _ in report.by_rule.most_common()]
    months = _months(report)
    rows = [[month, *(months[month].get(name, 0) for name in names)] for month in sorted(months)]
    return _section(
        "Messages per day, by rule",
        stacked_days(_days(report), names, report.by_day_rule, "Messages per day, stacked by rule"),
        legend(names),
        f"<details><summary>The months as a table</summary>"
        f"{table(['month', *names], rows, 'Messages per month and rule')}</details>",
    )


def _calendar(report: Report, calendars: Mapping[str, OfficeCalendar]) -> str:
    code = max(report.by_office, key=lambda one: (report.by_office[one], one), default=next(iter(calendars), ""))
    calendar = calendars.get(code)
    if calendar is None:
        return ""
    return _section(
        "The year as a calendar",
        heat_map(_days(report), report.by_day, calendar.is_working_day, "Messages per day as a calendar"),
        f"<p>Struck through: days on which {escape(calendar.office.name)} is closed. The stronger the colour, "
        "the more messages.</p>",
    )


def _channels(report: Report) -> str:
    names = [str(channel) for channel, _ in report.by_channel.most_common()]
    counts = {(day, str(channel)): count for (day, channel), count in report.by_day_channel.items()}
    rows = [
        (str(channel), report.by_channel[channel], report.later_by_channel[channel])
        for channel in sorted({*report.by_channel, *report.later_by_channel})
    ]
    return _section(
        "Channels",
        stacked_days(_days(report), names, counts, "Messages per day, stacked by channel"),
        legend(names),
        table(["channel", "sent first", "more if nothing is proved"], rows, "Messages per channel"),
        table(["language", "sent first"], report.by_language.most_common(), "Messages per language"),
    )


def _offices(report: Report) -> str:
    rows = [(office, count, f"{count:,}") for office, count in report.by_office.most_common()]
    return _section("Offices", bars(rows, "Messages per office"))


def _peaks(report: Report) -> str:
    rows = [
        (
            f"{one.at:%a %Y-%m-%d %H:%M} {one.channel}",
            one.takes.total_seconds(),
            f"{one.messages:,} take {_long(one.takes)}",
        )
        for one in report.peaks
    ]
    over = [(str(day), office, rule, count, limit) for day, office, rule, count, limit in report.over_limit[:50]]
    speeds = report.throughput
    return _section(
        "The longest queues",
        f"<p>At {speeds.whatsapp} WhatsApp messages, {speeds.sms} parts of SMS and {speeds.email} e-mails a "
        "second.</p>",
        bars(rows, "Hours that take longest"),
        table(["day", "office", "rule", "due", "limit"], over, "Days over a rule's own limit") if over else "",
    )


def _cost(report: Report) -> str:
    rows = [(rule, report.cost_of(rule), f"{report.cost_of(rule):,.2f}") for rule in report.by_rule]
    rows.sort(key=lambda one: -one[1])
    money = report.prices.currency
    return _section(
        f"Cost in {money}",
        f"<p>{report.cost:,.2f} for {report.messages:,} messages with {report.sms_parts:,} parts of SMS; if nothing is "
        f"proved at all, {report.later_cost:,.2f} more.</p>",
        bars(rows, f"Cost per rule in {money}"),
    )


def _steps(report: Report) -> str:
    rows = [(*key, count) for key, count in sorted(report.by_step.items())]
    unreached = sorted(report.unreachable.items())
    return _section(
        "Rules and steps",
        table(["rule", "step", "messages"], rows, "Messages per step"),
        table(["rule", "without an address"], unreached, "Nobody to reach") if unreached else "",
    )


def _assumed(report: Report) -> str:
    lines = "".join(f"<li>{escape(one)}</li>" for one in (*ASSUMPTIONS, *report.notes))
    return _section("What is assumed", f"<ul>{lines}</ul>")


def _days(report: Report) -> Sequence[date]:
    count = (report.last - report.first).days + 1
    return [report.first + timedelta(days=place) for place in range(count)]


def _months(report: Report) -> Mapping[str, Mapping[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (day, rule), count in report.by_day_rule.items():
        month = found.setdefault(f"{day:%Y-%m}", {})
        month[rule] = month.get(rule, 0) + count
    return found


def _long(length: timedelta) -> str:
    seconds = round(length.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
