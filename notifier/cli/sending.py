"""`plan` and `run`: what is due becomes notifications, and notifications become messages."""

from datetime import date, datetime, timedelta

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from notifier.app import App
from notifier.cli.answer import console, on_clock, show_json, show_table
from notifier.cli.options import Session, format_option, on_option, pass_session
from notifier.gate import Allowance, Gate
from notifier.model import OfficeId
from notifier.reconcile import PlanReport
from notifier.rules.decision import Verdict
from notifier.run import RunReport
from notifier.run import run as run_everything
from notifier.store.daily import list_batches
from notifier.store.engine import reading
from notifier.store.ledger import Sums
from notifier.store.subjects import read_offices


@click.command("plan")
@click.option("--dry-run", is_flag=True, help="Write nothing; show who would be told what.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="Rows of a dry run to show."
)
@on_option
@format_option
@pass_session
def plan(session: Session, dry_run: bool, limit: int, on: date | datetime | None, form: str) -> None:
    """Find what is due, and bring the outbox into line with the register. Sends nothing."""
    app = session.app(on)
    now = session.instant(on)
    report = app.planner.dry_run(now=now) if dry_run else app.planner.plan(now=now)
    if form == "json":
        show_json(report.as_json())
        return
    would = "would be " if dry_run else ""
    click.echo(f"{report.planned} {would}planned, {report.moved} {would}moved, {report.cancelled} {would}cancelled")
    show_table(["rule", "planned"], sorted(report.by_rule.items()))
    if dry_run:
        _show_decisions(report, session, limit)


def _show_decisions(report: PlanReport, session: Session, limit: int) -> None:
    going = [
        (subject, decision)
        for subject, decision in report.decisions
        if decision.verdict is not Verdict.NOT and decision.recipient is not None
    ]
    rows = [
        (
            subject.number,
            decision.rule,
            decision.step.name,
            decision.recipient.party.name if decision.recipient else "",
            on_clock(decision.leaves_at or decision.moment, session.settings.zone),
        )
        for subject, decision in going[:limit]
    ]
    show_table(["permit or case", "rule", "step", "to", "leaves"], rows)
    if len(going) > limit:
        click.echo(f"... and {len(going) - limit} more; --limit shows them")


@click.command("run")
@on_option
@format_option
@pass_session
def run(session: Session, on: date | datetime | None, form: str) -> None:
    """Plan, and send everything due, in this process, until nothing is due."""
    report = run_with_bar(session, on, shown=form == "table")
    if form == "json":
        show_json(report.as_json())
    else:
        show_run(report)
        _show_held(session.app(on))


def _show_held(app: App) -> None:
    """What waits for an officer since this day, and how to let it out."""
    today = app.clock.now().date() - timedelta(days=1)  # the day of an office in the west may still be that one
    with reading(app.ready_engine) as connection:
        offices = read_offices(connection)
        found = list_batches(connection, held=True, since=today, limit=20)
    gate = Gate(app.calendar_of, app.in_force.plan, Allowance(app.limits.envelope_tolerance, app.limits.envelope_slack))
    for one in found:
        click.echo(f"Held: {gate.sentence(one, offices[OfficeId(one.office_id)].code)}")


def run_with_bar(session: Session, on: date | datetime | None, *, shown: bool) -> RunReport:
    """Run everything, with a progress bar on a terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    app = session.app(on)
    screen = console()
    with Progress(*columns, console=screen, transient=True, disable=not shown or not screen.is_terminal) as bar:
        task = bar.add_task("planning", total=None)

        def tell(what: str, done: int, of: int) -> None:
            bar.update(task, description=what, completed=done, total=of)

        return run_everything(app, progress=tell)


def show_run(report: RunReport) -> None:
    """The summary of a run: by rule, by channel, and why not."""
    sums = report.tally
    keys = list(Sums.__slots__)
    by_rule = [(name, *_numbers(one)) for name, one in sorted(sums.by_rule.items())]
    show_table(["rule", *keys], [*by_rule, ("in all", *_numbers(sums.total))], title="By rule")
    channels = [(name, one.sent, one.delivered, one.refused) for name, one in sorted(sums.by_channel.items())]
    show_table(["channel", "sent", "delivered", "refused"], channels, title="By channel (messages)")
    reasons = [("held", *pair) for pair in sums.held_because.most_common()]
    reasons += [("refused", *pair) for pair in sums.refused_because.most_common()]
    reasons += [("ended", *pair) for pair in sums.ended.most_common()]
    show_table(["what", "why", "how many"], reasons, title="Why not")
    total = sums.total
    click.echo(
        f"{total.planned} planned, {total.sent} sent, {total.delivered} delivered, {total.held} held, "
        f"{total.undeliverable} undeliverable, {total.refused} refused"
    )


def _numbers(sums: Sums) -> list[int]:
    return [getattr(sums, key) for key in Sums.__slots__]
