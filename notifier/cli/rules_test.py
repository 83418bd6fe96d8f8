"""`rules test`: the tests of the rules, played on the real engine, with what was expected beside what came."""

from dataclasses import replace
from pathlib import Path

import click

from notifier.cli.answer import show_json, show_table
from notifier.cli.options import Session, format_option, pass_session
from notifier.errors import ConfigError
from notifier.rehearsal import recording
from notifier.rehearsal.coverage import Coverage
from notifier.rehearsal.rehearse import Report, Result, find_files, read_scripts, rehearse
from notifier.rules.load import load_rules

#: So many names are listed of what no test has seen.
MOST_NAMES = 40


@click.command("test")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--rules", "folder", type=click.Path(path_type=Path, file_okay=False), help="Folder of rules.")
@click.option("--only", "-k", default="", help="Only tests with these words in their name, file or rule.")
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="How many play at once.")
@click.option("--record", is_flag=True, help="Write what leaves into tests that expect nothing yet.")
@click.option("--again", is_flag=True, help="With --record: also over the expectation of tests that fail.")
@click.option(
    "--cover-at-least",
    "least",
    type=click.IntRange(0, 100),
    default=0,
    help="Fail when fewer of a hundred steps were seen to leave.",
)
@format_option
@pass_session
def test(
    session: Session,
    paths: tuple[Path, ...],
    folder: Path | None,
    only: str,
    processes: int,
    record: bool,
    again: bool,
    least: int,
    form: str,
) -> None:
    """Play the tests of the rules on the real engine. Exit code 1 if one fails.

    PATHS are files or folders of tests; without any, those in the folder `tests` beside the rules are played.
    """
    if again and not record:
        raise ConfigError("--again says what --record may write over; give both")
    settings = session.settings if folder is None else replace(session.settings, rules=folder)
    rules = load_rules(settings.rules)
    scripts = read_scripts(find_files(paths, settings.rules), rules)
    report = rehearse(settings, rules, scripts, only=only, processes=processes)
    written = recording.write(scripts, report.results, again=again) if record else []
    if form == "json":
        show_json(_plain(report, written))
    else:
        _show(report, written)
    if len(written) < report.failed or report.coverage.percent < least:
        raise click.exceptions.Exit(1)


def _show(report: Report, written: list[Result]) -> None:
    for one in report.results:
        if one in written:
            click.echo(f"{one.file}:{one.line}: {one.name}: recorded; look at it")
        elif not one.passed:
            _show_failure(one)
    _show_coverage(report.coverage)
    click.echo(summary(report, len(written)))


def _show_failure(one: Result) -> None:
    click.echo(f"{one.file}:{one.line}: {one.name}")
    if one.trouble is not None:
        click.echo(f"  it cannot be played: {one.trouble}\n")
        return
    if not one.is_written:
        click.echo('  it has no "messages"; write them (or none), or let --record write what leaves\n')
        return
    rows = [("≠" if line.is_fault else "", line.at, line.expected, line.got) for line in one.lines]
    show_table(("", "when", "expected", "got"), rows)
    click.echo("")


def _show_coverage(coverage: Coverage) -> None:
    for title, names in (
        ("steps that no test has seen leave", [f"{rule}/{step}" for rule, step in coverage.unseen_steps]),
        ("lines of `unless` that silenced nothing", [f"{rule}: {line}" for rule, line in coverage.unseen_lines]),
    ):
        if names:
            more = f" … and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
            click.echo(f"{title}: {', '.join(names[:MOST_NAMES])}{more}")


def summary(report: Report, recorded: int) -> str:
    """The last line: "2 rules, 9 tests, 0 failed, steps covered 11 of 11 (100 %)"."""
    coverage = report.coverage
    steps, lines = len(coverage.steps), len(coverage.lines)
    parts = [
        f"{len(coverage.rules)} rule{'' if len(coverage.rules) == 1 else 's'}",
        f"{len(report.results)} test{'' if len(report.results) == 1 else 's'}",
        f"{report.failed - recorded} failed",
        *([f"{recorded} recorded"] if recorded else []),
        f"steps covered {steps - len(coverage.unseen_steps)} of {steps} ({coverage.percent} %)",
        *([f"lines of unless {lines - len(coverage.unseen_lines)} of {lines}"] if lines else []),
    ]
    return ", ".join(parts)


def _plain(report: Report, written: list[Result]) -> dict[str, object]:
    coverage = report.coverage
    return {
        "tests": [
            {
                "file": one.file,
                "line": one.line,
                "name": one.name,
                "passed": one.passed,
                "recorded": one in written,
                "trouble": one.trouble,
                "lines": [
                    {"at": line.at, "expected": line.expected, "got": line.got, "differs": line.is_fault}
                    for line in one.lines
                ],
            }
            for one in report.results
        ],
        "failed": report.failed - len(written),
        "rules": list(coverage.rules),
        "steps": len(coverage.steps),
        "unseen_steps": [f"{rule}/{step}" for rule, step in coverage.unseen_steps],
        "unless_lines": len(coverage.lines),
        "unseen_unless_lines": [f"{rule}: {line}" for rule, line in coverage.unseen_lines],
        "percent": coverage.percent,
    }
