"""`batches`: the messages of a rule, office and day that wait for an officer, and the officer's word."""

from datetime import date, datetime, timedelta
from typing import Any

import click

from notifier.app import App
from notifier.cli.answer import on_clock, show_json, show_table
from notifier.cli.options import Day, Session, format_option, on_option, pass_session
from notifier.errors import ConfigError
from notifier.model import Office, OfficeId
from notifier.officer import approve, refuse
from notifier.store.daily import BatchState, DailyBatch, count_held, list_batches
from notifier.store.engine import reading
from notifier.store.subjects import read_offices

#: A day as officers write it.
DAY = Day()


@click.group("batches", invoke_without_command=True)
@click.pass_context
def batches(ctx: click.Context) -> None:
    """The messages of a rule, office and day that wait for an officer. Without a command: list them."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@batches.command("list")
@click.option("--held", is_flag=True, help="Only what waits for an officer.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="How many, the newest first."
)
@format_option
@pass_session
def list_(session: Session, held: bool = False, limit: int = 50, form: str = "table") -> None:
    """List what rules with a limit, an approval or an applied plan let out, by rule, office and day."""
    app = session.app()
    with reading(app.ready_engine) as connection:
        offices = read_offices(connection)
        found = list_batches(connection, held=held, limit=limit)
        waiting = {one.id: count_held(connection, one.key) for one in found if one.state is BatchState.HELD}
    if form == "json":
        show_json([_plain(one, offices[OfficeId(one.office_id)], waiting.get(one.id, 0)) for one in found])
        return
    rows = []
    for one in found:
        office = offices[OfficeId(one.office_id)]
        who = f"{one.state} by {one.decided_by}" if one.decided_by else one.state
        since = on_clock(one.decided_at or one.created_at, app.calendar_of(office).zone)
        rows.append(
            (one.rule, office.code, one.day, one.due, one.let_out, waiting.get(one.id, 0), one.allowed, who,
             one.reason, since)
        )  # fmt: skip
    headings = ["rule", "office", "day", "due", "let out", "waiting", "allowed", "state", "why", "since"]
    show_table(headings, rows, empty="Nothing waits for an officer." if held else "Nothing was counted yet.")


def _plain(one: DailyBatch, office: Office, waiting: int) -> dict[str, Any]:
    keys = ("rule", "day", "state", "reason", "due", "let_out", "allowed", "decided_by", "decided_at", "created_at")
    return {"office": office.code, "waiting": waiting, **{key: getattr(one, key) for key in keys}}


def _office(app: App, code: str) -> Office:
    with reading(app.ready_engine) as connection:
        offices = {office.code: office for office in read_offices(connection).values()}
    if code not in offices:
        raise ConfigError(f"there is no office {code}; there are {', '.join(sorted(offices))}")
    return offices[code]


@batches.command("approve")
@click.argument("rule")
@click.option("--office", required=True, help="Code of the office.")
@click.option("--day", type=DAY, required=True, help="The day, as the list shows it.")
@click.option("--by", required=True, metavar="NAME", help="Who says yes; not who applied the rules.")
@on_option
@pass_session
def approve_(session: Session, rule: str, office: str, day: datetime, by: str, on: date | datetime | None) -> None:
    """Let out what waits of a rule at an office for a day. It leaves with the next run, within sending hours."""
    app = session.app(on)
    where = _office(app, office)
    end = app.calendar_of(where).start_of(day.date() + timedelta(days=1)) - timedelta(microseconds=1)
    count = approve(app.ready_engine, where, rule, day.date(), end=end, by=by, now=app.clock.now())
    click.echo(f"Let out: {count} message{'' if count == 1 else 's'} of {rule} at {office}, {day.date()}.")


@batches.command("refuse")
@click.argument("rule")
@click.option("--office", required=True, help="Code of the office.")
@click.option("--day", type=DAY, required=True, help="The day, as the list shows it.")
@click.option("--by", required=True, metavar="NAME", help="Who says no.")
@on_option
@pass_session
def refuse_(session: Session, rule: str, office: str, day: datetime, by: str, on: date | datetime | None) -> None:
    """End what waits of a rule at an office for a day, for good: nobody is told."""
    app = session.app(on)
    count = refuse(app.ready_engine, _office(app, office), rule, day.date(), by=by, now=app.clock.now())
    click.echo(f"Refused: {count} notification{'' if count == 1 else 's'} of {rule} at {office}, {day.date()}.")
