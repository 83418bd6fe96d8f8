"""`notifications`: look at single notifications, send one again, cancel one."""

from collections.abc import Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

import click

from notifier.cli.answer import clocked, on_clock, show_json, show_table
from notifier.cli.options import ROW, Session, format_option, on_option, pass_session
from notifier.errors import ConfigError, NotifierError
from notifier.model import NotificationId, NotificationState
from notifier.officer import Refusal, cancel, read_story, resend
from notifier.store.engine import reading, writing
from notifier.store.ledger import Line, Story, list_notifications
from notifier.store.subjects import read_offices

STATES = click.Choice([state.value for state in NotificationState])
KEYS = (
    "id", "rule", "step", "subject", "subject_kind", "party", "role", "office", "state", "reason", "detail", "moment",
    "useful_until", "next_attempt_at", "told_at", "urgent",
)  # fmt: skip


@click.group("notifications")
def notifications() -> None:
    """Look at notifications, and act on single ones."""


@notifications.command("list")
@click.option("--state", "states", type=STATES, multiple=True, help="Only in this state (may be repeated).")
@click.option("--rule", help="Only of this rule.")
@click.option("--office", help="Only of the office with this code.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="How many, the newest first."
)
@format_option
@pass_session
def list_(
    session: Session, states: tuple[str, ...], rule: str | None, office: str | None, limit: int, form: str
) -> None:
    """List notifications, the newest first."""
    app = session.app()
    if rule is not None and app.rules.rule(rule) is None:
        raise ConfigError(f"there is no rule {rule}; there are {', '.join(sorted({r.name for r in app.rules.rules}))}")
    with reading(app.ready_engine) as connection:
        codes = {known.code for known in read_offices(connection).values()}
        if office is not None and office not in codes:
            raise ConfigError(f"there is no office {office}; there are {', '.join(sorted(codes))}")
        wanted = [NotificationState(state) for state in states]
        found = list_notifications(connection, states=wanted, rule=rule, office=office, limit=limit)
    if form == "json":
        show_json([_plain(line) for line in found])
        return
    rows = [
        (
            line.id,
            line.rule,
            line.step,
            line.subject,
            line.party,
            f"{line.state}: {line.reason}" if line.reason and line.reason != line.state else line.state,
            on_clock(line.moment, ZoneInfo(line.zone)),
        )
        for line in found
    ]
    headings = ["id", "rule", "step", "permit or case", "to", "state", "moment"]
    show_table(headings, rows, empty="There are no such notifications.")


@notifications.command("show")
@click.argument("number", metavar="ID", type=ROW)
@format_option
@pass_session
def show(session: Session, number: int, form: str) -> None:
    """Show one notification and everything that happened to it."""
    app = session.app()
    with reading(app.ready_engine) as connection:
        story = read_story(connection, NotificationId(number))
    if form == "json":
        show_json(_story(story))
    else:
        show_story(story)


@notifications.command("resend")
@click.argument("number", metavar="ID", type=ROW)
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_option
@pass_session
def resend_(session: Session, number: int, yes: bool, on: date | datetime | None) -> None:
    """Send a notification again from its first channel. Says what was sent before, and asks."""
    _act(session, number, resend, on=on, yes=yes, question="Send it again?", done="It will leave with the next run.")


@notifications.command("cancel")
@click.argument("number", metavar="ID", type=ROW)
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_option
@pass_session
def cancel_(session: Session, number: int, yes: bool, on: date | datetime | None) -> None:
    """Cancel what has not been sent yet; of what was sent, stop the further channels."""
    _act(session, number, cancel, on=on, yes=yes, question="Cancel it?", done="It is cancelled.")


Act = Callable[..., Refusal | None]


def _act(
    session: Session, number: int, act: Act, *, on: date | datetime | None, yes: bool, question: str, done: str
) -> None:
    app = session.app(on)
    with reading(app.ready_engine) as connection:
        story = read_story(connection, NotificationId(number))
    show_story(story)
    if not yes and not click.confirm(question, default=False):
        click.echo("Nothing was changed.")
        return
    with writing(app.engine) as connection:  # read again: it may have moved while the question stood
        refusal = act(connection, read_story(connection, NotificationId(number)), now=app.clock.now())
    if refusal is not None:
        raise NotifierError(f"notification {number}: {refusal.sentence}")
    click.echo(done)


def show_story(story: Story) -> None:
    """A notification, its story and its deliveries, in the office's zone."""
    line, zone = story.line, ZoneInfo(story.line.zone)
    reason = f": {line.detail or line.reason}" if line.reason else ""
    click.echo(f"Notification {line.id}: {line.rule}, {line.step}, about {line.subject_kind} {line.subject}")
    click.echo(f"To {line.party} ({line.role}), {line.office}; {line.state}{reason}")
    click.echo(f"Moment {on_clock(line.moment, zone)}, useful until {on_clock(line.useful_until, zone) or 'always'}")
    if line.next_attempt_at is not None:
        click.echo(f"Looked at again {on_clock(line.next_attempt_at, zone)}")
    events = [(on_clock(one.at, zone), one.what, one.reason, clocked(one.detail, zone)) for one in story.events]
    show_table(["when", "what", "why", "more"], events)
    sent = [
        (on_clock(one.attempted_at, zone), one.channel, one.address, one.language, one.state, one.reason, one.code)
        for one in story.deliveries
    ]
    headings = ["sent", "channel", "to", "language", "state", "why", "code"]
    show_table(headings, sent, empty="Nothing was sent.")


def _plain(line: Line) -> dict[str, object]:
    return {key: getattr(line, key) for key in KEYS}


def _story(story: Story) -> dict[str, object]:
    deliveries = ("id", "channel", "provider", "address", "language", "template", "segments", "state", "reason", "code",
                  "reference", "attempted_at", "outcome_at")  # fmt: skip
    return {
        **_plain(story.line),
        "cycle": story.cycle,
        "created_at": story.created_at,
        "events": [{key: getattr(one, key) for key in ("at", "what", "reason", "detail")} for one in story.events],
        "deliveries": [{key: getattr(one, key) for key in deliveries} for one in story.deliveries],
        "receipts": [
            {key: getattr(one, key) for key in ("provider", "channel", "state", "code", "applied", "received_at")}
            for one in story.receipts
        ],
    }
