"""`optout`: addresses that may not be written to."""

import click

from notifier.cli.addresses import read_address
from notifier.cli.answer import on_clock, show_json, show_table
from notifier.cli.options import Session, format_option, pass_session
from notifier.model import Channel, Reason
from notifier.store.engine import reading, writing
from notifier.store.suppressions import lift, list_suppressions, suppress

CHANNELS = click.Choice([channel.value for channel in Channel])


@click.group("optout")
def optout() -> None:
    """Addresses that may not be written to."""


@optout.command("add")
@click.argument("address")
@click.option("--channel", "channels", type=CHANNELS, multiple=True, help="Default: every channel it fits.")
@click.option("--note", default="command line", show_default=True, help="How we know; kept with it.")
@pass_session
def add(session: Session, address: str, channels: tuple[str, ...], note: str) -> None:
    """Write no more to ADDRESS (a telephone number or an e-mail address)."""
    app = session.app()
    plain, fitting = _read(address, channels, app.settings.country)
    with writing(app.ready_engine) as connection:
        for channel in fitting:
            now = app.clock.now()
            done = suppress(connection, channel, plain, reason=Reason.OPTED_OUT, source=note, now=now)
            click.echo(f"{channel}: {'opted out' if done else 'was opted out already'}")


@optout.command("remove")
@click.argument("address")
@click.option("--channel", "channels", type=CHANNELS, multiple=True, help="Default: every channel it fits.")
@pass_session
def remove(session: Session, address: str, channels: tuple[str, ...]) -> None:
    """Allow ADDRESS again."""
    app = session.app()
    plain, fitting = _read(address, channels, app.settings.country)
    with writing(app.ready_engine) as connection:
        for channel in fitting:
            done = lift(connection, channel, plain, now=app.clock.now())
            click.echo(f"{channel}: {'may be written to again' if done else 'was not opted out'}")


@optout.command("list")
@click.option("--lifted", is_flag=True, help="Those that no longer hold, too.")
@format_option
@pass_session
def list_(session: Session, lifted: bool, form: str) -> None:
    """List the addresses that may not be written to."""
    app = session.app()
    with reading(app.ready_engine) as connection:
        found = list_suppressions(connection, lifted=lifted)
    if form == "json":
        keys = ("channel", "address", "reason", "source", "created_at", "lifted_at")
        show_json([{key: getattr(one, key) for key in keys} for one in found])
        return
    zone = app.settings.zone
    rows = [
        (
            one.channel,
            one.address,
            one.reason,
            one.source,
            on_clock(one.created_at, zone),
            on_clock(one.lifted_at, zone),
        )
        for one in found
    ]
    headings = ["channel", "address", "reason", "source", "since", "lifted"]
    show_table(headings, rows, empty="Nobody has opted out.")


def _read(address: str, told: tuple[str, ...], country: str) -> tuple[str, list[Channel]]:
    """The address as the register holds it, and the channels it fits."""
    plain, fitting = read_address(address, country)
    return plain, [Channel(channel) for channel in told] or fitting
