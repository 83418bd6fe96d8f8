"""`work`: what a person at the office must look at."""

from zoneinfo import ZoneInfo

import click

from notifier.cli.answer import on_clock, show_json, show_table
from notifier.cli.options import ROW, Session, format_option, pass_session
from notifier.errors import NotifierError
from notifier.store.engine import reading, writing
from notifier.store.work import close_work, list_work

KEYS = ("id", "office", "kind", "subject", "notification_id", "note", "created_at", "closed_at")


@click.group("work")
def work() -> None:
    """What a person at the office must look at: nothing ends in silence."""


@work.command("list")
@click.option("--office", help="Only of the office with this code.")
@click.option("--kind", "kinds", multiple=True, help="Only of this kind (may be repeated).")
@click.option("--closed", is_flag=True, help="Also what is done.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="How many, the oldest first."
)
@format_option
@pass_session
def list_(session: Session, office: str | None, kinds: tuple[str, ...], closed: bool, limit: int, form: str) -> None:
    """List what is open, the oldest first."""
    app = session.app()
    with reading(app.ready_engine) as connection:
        found = list_work(connection, office=office, kinds=kinds, closed=closed, limit=limit)
    if form == "json":
        show_json([{key: getattr(one, key) for key in KEYS} for one in found])
        return
    rows = []
    for one in found:
        since = on_clock(one.created_at, ZoneInfo(one.zone))
        rows.append((one.id, one.office, one.kind, one.subject, one.notification_id, one.note, since))
    headings = ["id", "office", "kind", "permit or case", "notification", "what", "since"]
    show_table(headings, rows, empty="Nothing is waiting for anybody.")


@work.command("close")
@click.argument("numbers", metavar="ID...", type=ROW, nargs=-1, required=True)
@pass_session
def close(session: Session, numbers: tuple[int, ...]) -> None:
    """Take what is done off the list."""
    app = session.app()
    with writing(app.ready_engine) as connection:
        closed = close_work(connection, numbers, now=app.clock.now())
    if closed:
        click.echo(f"Closed {', '.join(map(str, closed))}.")
    missing = sorted(set(numbers) - set(closed))
    if missing:
        raise NotifierError(f"not open: {', '.join(map(str, missing))}; `notifier work list` shows what is")
