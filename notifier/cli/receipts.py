"""`receipts`: what came back by other ways than a callback."""

import sys
from pathlib import Path

import click

from notifier.cli.options import Session, pass_session


@click.group("receipts")
def receipts() -> None:
    """Take receipts that did not come by callback."""


@receipts.command("bounces")
@click.argument("sources", nargs=-1, type=click.Path(path_type=Path, exists=True))
@pass_session
def bounces(session: Session, sources: tuple[Path, ...]) -> None:
    """Read returned mails from SOURCES: files, mbox files or Maildir folders; without any, one mail from the input.

    A returned mail names its delivery when [smtp] bounce_address and the signing key were set as it left.
    """
    mails = [] if sources else [sys.stdin.buffer.read()]
    found = session.app().take_bounces(sources, mails)
    click.echo(f"{found.mails} mails read, {found.recognised} were bounces of ours, {found.moved} notifications moved")
