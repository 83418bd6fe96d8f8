"""The command line: `notifier`. One file for each family of commands; all of them only call the use cases."""

from pathlib import Path

import click

from notifier import __version__
from notifier.cli.asking import explain, preview, trace
from notifier.cli.batches import batches
from notifier.cli.coverage import coverage
from notifier.cli.demo import demo
from notifier.cli.folder import init
from notifier.cli.health import doctor, status
from notifier.cli.notifications import notifications
from notifier.cli.options import Guarded, start_session
from notifier.cli.optout import optout
from notifier.cli.processes import scheduler, web, worker
from notifier.cli.receipts import receipts
from notifier.cli.register import import_, sample, sync
from notifier.cli.retain import retain
from notifier.cli.rules import rules
from notifier.cli.sending import plan, run
from notifier.cli.simulate import simulate
from notifier.cli.work import work


@click.group(cls=Guarded, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings file. Default: NOTIFIER_CONFIG, else ./notifier.toml.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of a fault of the program.")
@click.version_option(__version__, prog_name="notifier")
@click.pass_context
def main(ctx: click.Context, config: Path | None, debug: bool) -> None:
    """Renewal reminders for immigration offices, from a register of permits to a provider's receipt."""
    start_session(ctx, config, debug=debug)


for command in (
    init,
    import_,
    sync,
    sample,
    plan,
    run,
    worker,
    scheduler,
    web,
    rules,
    simulate,
    coverage,
    preview,
    explain,
    notifications,
    batches,
    trace,
    optout,
    work,
    receipts,
    retain,
    status,
    doctor,
    demo,
):
    main.add_command(command)
