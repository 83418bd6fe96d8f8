"""`status` and `doctor`: how things stand, and what is wrong."""

from dataclasses import asdict
from datetime import date, datetime

import click

from notifier.cli.answer import on_clock, show_json, show_table
from notifier.cli.options import Session, format_option, on_option, pass_session
from notifier.config import Settings
from notifier.doctor import Finding, Health, examine
from notifier.errors import NotifierError
from notifier.rulesets import describe
from notifier.store.engine import reading
from notifier.store.ledger import standing


@click.command("status")
@on_option
@format_option
@pass_session
def status(session: Session, on: date | datetime | None, form: str) -> None:
    """Say how register, outbox and work items stand."""
    app = session.app(on)
    with reading(app.ready_engine) as connection:
        found = standing(connection, now=session.instant(on))
    rules = describe(app.settings.rules, app.in_force)
    if form == "json":
        show_json(asdict(found) | {"rules": rules})
        return
    zone = app.settings.zone
    rows: list[tuple[str, str, object]] = []
    groups = {
        "register": found.register,
        "notifications": found.notifications,
        "deliveries": found.deliveries,
        "work items": found.work_items,
    }
    for group, counts in groups.items():
        rows += [(group, name, count) for name, count in counts.items()]
    show_table(["", "what", "how many"], rows)
    click.echo(f"Rules: {rules}")
    click.echo(f"Due since: {on_clock(found.due_since, zone) or 'nothing is due'}")
    click.echo(f"Next: {on_clock(found.next_at, zone) or 'nothing is waiting'}")


@click.command("doctor")
@format_option
@pass_session
def doctor(session: Session, form: str) -> None:
    """Look at settings, database, Redis, mail relay, Twilio, rules and templates, and say how to mend each."""
    findings: list[Finding] = []
    try:
        findings.append(Finding("settings", Health.WELL, _where(session.settings)))
    except NotifierError as error:
        findings.append(Finding("settings", Health.FAULT, str(error)))
    else:
        findings += examine(session.app())
    if form == "json":
        show_json([asdict(finding) for finding in findings])
    else:
        show_table(["part", "health", "what"], [(one.part, one.health, one.sentence) for one in findings])
    if any(finding.health is Health.FAULT for finding in findings):
        raise click.exceptions.Exit(1)


def _where(settings: Settings) -> str:
    return f"read; relative paths begin at {settings.folder}"
