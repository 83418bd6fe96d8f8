"""`retain`: what is written about people is kept as long as it is needed."""

from datetime import date, datetime

import click

from notifier.cli.answer import show_json
from notifier.cli.options import Session, format_option, on_option, pass_session
from notifier.retain import retain as remove_what_is_over


@click.command("retain")
@on_option
@format_option
@pass_session
def retain(session: Session, on: date | datetime | None, form: str) -> None:
    """Remove old texts, and move notifications whose time is over out of the outbox. Run it every night.

    How long both are kept stands in [retention]. What remains of a notification are figures without persons.
    """
    app = session.app(on)
    kept = app.settings.retention
    done = remove_what_is_over(
        app.ready_engine, app.rules, messages_for=kept.messages, log_for=kept.log, now=session.instant(on)
    )
    if form == "json":
        show_json(done.as_json())
        return
    click.echo(f"Texts removed: {done.texts}. Notifications moved out: {done.notifications}.")
    if done.receipts or done.partitions:
        click.echo(f"Receipts of nobody removed: {done.receipts}. Months dropped: {done.partitions}.")
