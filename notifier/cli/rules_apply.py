"""`rules apply` and `rules versions`: put into force what `rules diff` worked out; which versions ever decided."""

from datetime import date, datetime

import click

from notifier.cli.answer import on_clock, show_json, show_table
from notifier.cli.options import Session, format_option, on_option, pass_session
from notifier.errors import ConfigError
from notifier.rulesets import apply
from notifier.store.engine import reading
from notifier.store.rulesets import list_versions, short


@click.command("apply")
@click.argument("plan", metavar="HASH")
@click.option("--by", required=True, metavar="NAME", help="Who puts the rules into force.")
@on_option
@format_option
@pass_session
def apply_rules(session: Session, plan: str, by: str, on: date | datetime | None, form: str) -> None:
    """Put into force the rules whose plan `rules diff` worked out. HASH is the plan's, six letters of it at least.

    From then on the rules come from the database; every process takes them up by itself, and the folder only counts
    for `rules check`, `rules test` and `rules diff`. A day with clearly more messages than the plan expects is held
    until an officer lets it out (`notifier batches`).
    """
    app = session.app(on)
    done = apply(app.ready_engine, app.settings.rules, plan, by=by, now=app.clock.now())
    if form == "json":
        found = done.plan
        show_json(
            {
                "plan": found.hash,
                "old": found.old,
                "new": found.new,
                "starts": found.starts,
                "ends": found.ends,
                "applied_at": found.applied_at,
                "applied_by": found.applied_by,
                "is_new": done.is_new,
            }
        )
    elif done.is_new:
        click.echo(f"In force: rule set {short(done.plan.new)}, plan {done.plan.short}, by {done.plan.applied_by}.")
    else:
        since = on_clock(done.plan.applied_at, app.settings.zone)
        click.echo(f"It is in force already, since {since}, by {done.plan.applied_by}; nothing was changed.")


@click.command("versions")
@click.argument("rule", required=False)
@click.option("--text", is_flag=True, help="Show the text of each version, too.")
@format_option
@pass_session
def versions(session: Session, rule: str | None, text: bool, form: str) -> None:
    """List every version of every rule that ever decided, and since when; `explain` and `trace` name them."""
    app = session.app()
    with reading(app.ready_engine) as connection:
        found = list_versions(connection, rule)
        if rule is not None and not found and list_versions(connection, None):
            raise ConfigError(f"no rule {rule} has decided yet; `notifier rules versions` lists those that have")
    if form == "json":
        rows = [{"rule": one.rule, "version": one.digest, "since": one.since} for one in found]
        texts = [{"text": one.text} if text else {} for one in found]
        show_json([row | words for row, words in zip(rows, texts, strict=True)])
        return
    if not text:
        lines = [(one.rule, one.digest[:12], on_clock(one.since, app.settings.zone)) for one in found]
        show_table(["rule", "version", "since"], lines, empty="No rule has decided yet; `notifier plan` is the first.")
        return
    for one in found:
        click.echo(f"# {one.rule}, version {one.digest[:12]}, since {on_clock(one.since, app.settings.zone)}")
        click.echo(one.text)
