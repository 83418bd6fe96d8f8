"""`simulate`: what the rules will send over a period, to whom, when and at what cost, before anything is sent."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import click
from rich.markup import escape

from notifier.app import App
from notifier.cli.answer import console, on_clock, show_json, show_table
from notifier.cli.options import Day, Session, format_option, on_option, pass_session, processes_option
from notifier.errors import ConfigError, NotifierError
from notifier.intake.rows import Words
from notifier.render import Renderer
from notifier.rules.load import load_rules
from notifier.rules.rule import RuleSet
from notifier.simulate.files import register_of
from notifier.simulate.page import write_page
from notifier.simulate.reads import Period
from notifier.simulate.report import ASSUMPTIONS, Report, as_json
from notifier.simulate.simulate import Rates, languages_of, period_of
from notifier.simulate.simulate import simulate as play
from notifier.simulate.tally import Caps
from notifier.simulate.walk import Stage

#: How many days are played through when nothing is said.
A_YEAR = 365
#: Characters of the longest bar.
BAR = 60
day_option = Day()


@click.command("simulate")
@click.option("--from", "first", type=day_option, metavar="DAY", help="First day. Default: today.")
@click.option("--until", "last", type=day_option, metavar="DAY", help="Last day. Default: a year after the first.")
@click.option(
    "--rules",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Another folder of rules than those in force.",
)
@click.option(
    "--register",
    "files",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder of CSV files instead of the register.",
)
@click.option("--office", "offices", multiple=True, help="Only this office; may be given again.")
@click.option("--rule", "names", multiple=True, help="Only this rule; may be given again.")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with pictures to this file."
)
@click.option("--plot", is_flag=True, help="Show the weeks as bars.")
@processes_option
@on_option
@format_option
@pass_session
def simulate(
    session: Session,
    first: datetime | None,
    last: datetime | None,
    folder: Path | None,
    files: Path | None,
    offices: tuple[str, ...],
    names: tuple[str, ...],
    html: Path | None,
    plot: bool,
    processes: int,
    on: date | datetime | None,
    form: str,
) -> None:
    """Play the rules through over a period: messages per day, office, rule and channel, cost and peaks.

    Reads the register and what was told already; sends nothing and writes nothing but the page.
    """
    if html is not None and not html.absolute().parent.is_dir():  # said before the work, not after it
        raise ConfigError(f"there is no folder {html.absolute().parent} for the page; make it, or name another file")
    app = session.app(on)
    rules = load_rules(folder) if folder else app.rules
    for name in names:
        if rules.rule(name) is None:
            raise ConfigError(f"there is no rule {name}; there are: {', '.join(rules.names())}")
    period = period_of(as_day(first), as_day(last), days=A_YEAR, now=session.instant(on), zone=app.settings.zone)
    renderer = renderer_of(app)
    with _database(app, files, period) as (url, note):
        stage = replace(
            stage_of(app, rules, period, renderer, url),
            only_rules=frozenset(names) or None,
            only_offices=frozenset(offices),
        )
        report = play(stage, renderer, rates_of(app), processes=processes)
    if note:
        report = replace(report, notes=(*report.notes, note))
    if html is not None:
        write_page(report, {office.code: app.calendar_of(office) for office in report.offices.values()}, html)
    if form == "json":
        show_json(as_json(report))
        return
    _show(report)
    if plot:
        _plot(report)
    if html is not None:
        click.echo(f"The page is {html}.")


def stage_of(app: App, rules: RuleSet, period: Period, renderer: Renderer | None, url: str) -> Stage:
    """What a simulation with these rules stands on."""
    sending = app.settings.sending
    return Stage(
        database_url=url,
        rules=rules,
        calendar_data=app.calendar_data,
        period=period,
        adult_age=app.settings.adult_age,
        languages=languages_of(rules, renderer),
        caps=Caps(sending.per_day, sending.per_week),
    )


def rates_of(app: App) -> Rates:
    """Prices and speeds of the settings."""
    return Rates(app.settings.prices, app.settings.throughput, app.settings.zone)


def renderer_of(app: App) -> Renderer | None:
    """Without its texts a rule can still be counted."""
    try:
        return app.renderer
    except NotifierError:
        return None


@contextmanager
def _database(app: App, files: Path | None, period: Period) -> Iterator[tuple[str, str]]:
    """The register that is played through, and what is to be said about it."""
    if files is None:
        yield app.ready_url, ""
        return
    words = Words(country=app.settings.country)
    with register_of(files, now=period.span.since, words=words) as (url, refused):
        yield url, f"{refused} rows of {files} were refused and are not counted." if refused else ""


def as_day(value: datetime | None) -> date | None:
    """The day that an option gave."""
    return value.date() if value is not None else None


def _show(report: Report) -> None:
    busiest = max(report.by_day.items(), key=lambda one: (one[1], one[0]), default=(report.first, 0))
    click.echo(
        f"{report.first} to {report.last}: {report.messages:,} messages for {report.notifications:,} notifications, "
        f"about {report.counts.subjects:,} permits and cases; busiest day {busiest[0]} with {busiest[1]:,}"
    )
    steps = sorted(report.by_step.items())
    show_table(["rule", "step", "messages"], [(*key, count) for key, count in steps], empty="Nothing would be sent.")
    show_table(["office", "messages"], sorted(report.by_office.items()))
    channels = sorted({*report.by_channel, *report.later_by_channel})
    rows = [(one, report.by_channel[one], report.later_by_channel[one]) for one in channels]
    show_table(["channel", "sent first", "if nothing is proved"], rows)
    show_table(["language", "sent first"], sorted(report.by_language.items()))
    money = report.prices.currency
    click.echo(f"Parts of SMS: {report.sms_parts:,} (if nothing is proved {report.later_sms_parts:,} more)")
    click.echo(f"Cost: {money} {report.cost:,.2f} (if nothing is proved {report.later_cost:,.2f} more)")
    _show_queues(report)
    for sentence in (*ASSUMPTIONS, *report.notes):
        click.echo(f"- {sentence}")


def _show_queues(report: Report) -> None:
    rows = [(on_clock(one.at, report.zone), one.channel, one.messages, _long(one.takes)) for one in report.peaks[:5]]
    show_table(["hour", "channel", "messages", "takes"], rows, title="The longest queues")
    for day, office, rule, count, limit in report.over_limit[:5]:
        click.echo(f"{day} {office}: {count:,} of {rule}, where it may send {limit:,} a day; an officer will be asked")
    if len(report.over_limit) > 5:
        click.echo(f"... and {len(report.over_limit) - 5} more days over a limit")
    click.echo(f"Would wait for a personal cap: {report.waiting:,} messages")
    for rule, count in sorted(report.unreachable.items()):
        click.echo(f"No usable address: {count:,} of {rule}")
    if report.counts.undecided:
        click.echo(f"Could not be decided on: {report.counts.undecided:,} permits or cases; `notifier work` lists them")


def _long(length: timedelta) -> str:
    seconds = round(length.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def _plot(report: Report) -> None:
    weeks: Counter[date] = Counter()
    for day, count in report.by_day.items():
        weeks[day - timedelta(days=day.weekday())] += count
    most = max(weeks.values(), default=1)
    screen = console()
    monday = report.first - timedelta(days=report.first.weekday())
    while monday <= report.last:
        count = weeks[monday]
        bar = "█" * round(BAR * count / most)
        screen.print(f"{escape(str(monday))}  [cyan]{bar}[/cyan] {count:,}")
        monday += timedelta(days=7)
