"""`coverage`: what will end without anybody being told before, and why."""

from dataclasses import replace
from datetime import date, datetime

import click

from notifier.cli.answer import show_json, show_table
from notifier.cli.options import Session, format_option, on_option, pass_session, processes_option
from notifier.cli.simulate import as_day, day_option, stage_of
from notifier.coverage import NO_GAPS, Coverage, Why
from notifier.coverage import coverage as look
from notifier.simulate.simulate import know_offices, period_of

#: How many days ahead are looked at when nothing is said.
A_YEAR = 365


@click.command("coverage")
@click.option("--until", "last", type=day_option, metavar="DAY", help="What ends up to this day. Default: in a year.")
@click.option("--office", "offices", multiple=True, help="Only this office; may be given again.")
@click.option("--list", "listed", type=click.Choice([why.value for why in Why]), help="List the numbers of one reason.")
@click.option("--fail-over", type=click.IntRange(min=0), metavar="N", help="Exit code 1 with more than N gaps.")
@processes_option
@on_option
@format_option
@pass_session
def coverage(
    session: Session,
    last: datetime | None,
    offices: tuple[str, ...],
    listed: str | None,
    fail_over: int | None,
    processes: int,
    on: date | datetime | None,
    form: str,
) -> None:
    """Find the permits that will expire, and the cases that will lapse, with no message ahead to anybody outside the
    office that reaches them before, and say why. Sends and writes nothing.
    """
    app = session.app(on)
    period = period_of(None, as_day(last), days=A_YEAR, now=session.instant(on), zone=app.settings.zone)
    stage = replace(stage_of(app, app.rules, period, None, app.ready_url), only_offices=frozenset(offices))
    know_offices(stage)
    found = look(stage, listed=Why(listed) if listed else None, processes=processes)
    if form == "json":
        show_json(_as_json(found, listed))
    elif listed:
        for number in found.numbers:
            click.echo(number)
    else:
        _show(found)
    if fail_over is not None and found.gaps > fail_over:
        raise click.exceptions.Exit(1)


def _show(found: Coverage) -> None:
    rows = [
        (why, "no" if why in NO_GAPS else "yes", kind, count, ", ".join(found.examples[why, kind]))
        for (why, kind), count in sorted(found.counts.items(), key=lambda one: (one[0][0] in NO_GAPS, one[0]))
    ]
    show_table(["reason", "gap", "type or service", "count", "for instance"], rows)
    click.echo(f"Told in time: {found.covered:,}. Gaps: {found.gaps:,}.")
    if found.undecided:
        click.echo(f"Could not be decided on: {found.undecided:,}")


def _as_json(found: Coverage, listed: str | None) -> dict[str, object]:
    answer: dict[str, object] = {
        "covered": found.covered,
        "gaps": found.gaps,
        "undecided": found.undecided,
        "reasons": [
            {
                "reason": why,
                "gap": why not in NO_GAPS,
                "of": kind,
                "count": count,
                "examples": found.examples[why, kind],
            }
            for (why, kind), count in sorted(found.counts.items())
        ],
    }
    if listed:
        answer["numbers"] = found.numbers
    return answer
