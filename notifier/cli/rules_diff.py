"""`rules diff`: two versions of the rules over the same register and period, and the plan that `rules apply` takes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date, datetime

import click

from notifier.app import App
from notifier.cli.answer import show_json, show_table
from notifier.cli.options import Session, format_option, on_option, pass_session, processes_option
from notifier.cli.simulate import as_day, day_option, rates_of, renderer_of, stage_of
from notifier.compare.changes import Kind
from notifier.compare.compare import Comparison, compare
from notifier.compare.sources import Version, read_version
from notifier.rulesets import load_in_force
from notifier.simulate.simulate import languages_of, period_of
from notifier.store.engine import writing
from notifier.store.rulesets import save_plan, save_rule_set

#: How far ahead two versions are compared when nothing is said.
DAYS = 91


@click.command("diff")
@click.argument("old")
@click.argument("new")
@click.option("--from", "first", type=day_option, metavar="DAY", help="First day. Default: today.")
@click.option("--until", "last", type=day_option, metavar="DAY", help="Last day. Default: 90 days after the first.")
@click.option(
    "--sample",
    type=click.IntRange(0, 1000),
    default=10,
    show_default=True,
    help="So many examples of each rule and kind of change.",
)
@click.option("--no-save", is_flag=True, help="Do not keep the plan: it cannot be applied then.")
@processes_option
@on_option
@format_option
@pass_session
def diff(
    session: Session,
    old: str,
    new: str,
    first: datetime | None,
    last: datetime | None,
    sample: int,
    no_save: bool,
    processes: int,
    on: date | datetime | None,
    form: str,
) -> None:
    """Say what changes for people when the rules NEW come after the rules OLD, and at what cost.

    OLD and NEW are folders, git revisions of the settings' folder of rules (HEAD~1, or v1.2:rules for another
    folder), or the word `active` for what is in force. Sends nothing. The plan is kept for `rules apply`.
    """
    app = session.app(on)
    now = session.instant(on)
    in_force = load_in_force(app.ready_engine, app.settings.rules)
    before, after = (read_version(one, app.settings.rules, in_force) for one in (old, new))
    versions = (before, after)
    period = period_of(as_day(first), as_day(last), days=DAYS, now=now, zone=app.settings.zone)
    renderer = renderer_of(app)
    stage = stage_of(app, after.rules, period, renderer, app.settings.database_url)
    languages = {one: found for version in versions for one, found in languages_of(version.rules, renderer).items()}
    stage = replace(stage, languages=languages)
    found = compare(stage, before, after, renderer, rates_of(app), sample=sample, processes=processes)
    if not no_save:
        _save(app, versions, found, now)
    if form == "json":
        show_json(_as_json(found, versions, is_kept=not no_save))
    else:
        _show(found, versions, is_kept=not no_save)


def _save(app: App, versions: Sequence[Version], found: Comparison, now: datetime) -> None:
    with writing(app.ready_engine) as connection:
        for version in versions:
            save_rule_set(connection, version.rules.digest, version.files, now)
        save_plan(connection, found.plan, now)


def _by_rule(found: Comparison) -> list[tuple[str, Counter[Kind]]]:
    kinds: dict[str, Counter[Kind]] = {name: Counter() for name in sorted(found.changed)}
    for (rule, _, kind), count in found.changes.counts.items():
        kinds[rule][kind] += count
    return list(kinds.items())


def _show(found: Comparison, versions: Sequence[Version], *, is_kept: bool) -> None:
    old, new = found.old, found.new
    click.echo(f"{versions[0].name} -> {versions[1].name}, {new.first} to {new.last}")
    if not found.changed:
        click.echo("No rule differs in what it says, to whom, when or how.")
    money = new.prices.currency
    rows = [
        (
            rule,
            old.by_rule[rule],
            new.by_rule[rule],
            *(kinds[kind] for kind in Kind),
            f"{old.cost_of(rule):,.2f}",
            f"{new.cost_of(rule):,.2f}",
        )
        for rule, kinds in _by_rule(found)
    ]
    headings = ["rule", "messages", "then", *(kind.value for kind in Kind), f"cost ({money})", "then"]
    show_table(headings, rows)
    steps = [(rule, step, kind, count) for (rule, step, kind), count in sorted(found.changes.counts.items())]
    show_table(["rule", "step", "what", "messages"], steps)
    examples = [
        (one.rule, one.step, one.kind, one.subject, one.office, one.role, one.old or "-", one.new or "-")
        for one in found.changes.examples
    ]
    show_table(["rule", "step", "what", "document", "office", "to", "was", "will be"], examples, title="Examples")
    for rule in found.unforeseen:
        click.echo(f"The plan holds no day of {rule}: many it will speak to are not in the register yet.")
    click.echo(f"Plan {found.plan.hash}")
    if is_kept:
        click.echo(f"To make it active: notifier rules apply {found.plan.short} --by NAME")


def _as_json(found: Comparison, versions: Sequence[Version], *, is_kept: bool) -> dict[str, object]:
    old, new = found.old, found.new
    return {
        "plan": found.plan.hash,
        "kept": is_kept,
        "old": {"name": versions[0].name, "digest": found.plan.old},
        "new": {"name": versions[1].name, "digest": found.plan.new},
        "from": new.first,
        "until": new.last,
        "currency": new.prices.currency,
        "rules": {
            rule: {
                "messages": [old.by_rule[rule], new.by_rule[rule]],
                "cost": [old.cost_of(rule), new.cost_of(rule)],
                **{kind.value: kinds[kind] for kind in Kind},
            }
            for rule, kinds in _by_rule(found)
        },
        "steps": [
            {"rule": rule, "step": step, "what": kind, "messages": count}
            for (rule, step, kind), count in sorted(found.changes.counts.items())
        ],
        "examples": [asdict(one) for one in found.changes.examples],
        "not_in_the_plan": list(found.unforeseen),
    }
