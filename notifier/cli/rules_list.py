"""`rules list`: every rule in force in one line, and since when."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from notifier.cli.answer import on_clock, show_json, show_table
from notifier.cli.options import Session, format_option, pass_session
from notifier.cli.rules_check import has_database
from notifier.rules.load import load_rules
from notifier.rules.rule import Rule, RuleSet
from notifier.rules.speak import say_deadline
from notifier.rulesets import load_in_force
from notifier.store.engine import reading
from notifier.store.subjects import read_in_force


@click.command("list")
@click.option("--rules", "folder", type=click.Path(path_type=Path, file_okay=False), help="Folder of rules.")
@format_option
@pass_session
def list_rules(session: Session, folder: Path | None, form: str) -> None:
    """List the rules in force: for what, where, whom they tell over which channels, until when, and since when.

    With --rules, those of a folder, in force or not.
    """
    rules, since = read_rules(session, folder)
    rows = [_row(rule, since) for rule in sorted(rules.rules, key=lambda rule: (rule.name, rule.offices))]
    if form == "json":
        show_json(rows)
        return
    zone = session.settings.zone
    cells = [
        [
            *(row["rule"], row["title"], row["for"], ", ".join(row["offices"]), "yes" if row["enabled"] else "no"),
            *(len(row["steps"]), ", ".join(row["to"]), ", ".join(row["channels"]), row["deadline"]),
            on_clock(row["in_force_since"], zone),
        ]
        for row in rows
    ]
    headings = ["rule", "title", "for", "offices", "enabled", "steps", "to", "channels", "deadline", "in force since"]
    show_table(headings, cells, empty="no rules")


def read_rules(session: Session, folder: Path | None) -> tuple[RuleSet, dict[tuple[str, str], datetime]]:
    """The rules in force, or those of a folder, and since when each step (rule, step) is in force (UTC)."""
    app = session.app()
    is_there = has_database(app, f"these are the rules of the folder {folder or session.settings.rules}")
    since: dict[tuple[str, str], datetime] = {}
    if is_there:
        with reading(app.engine) as connection:
            since = read_in_force(connection)
    if folder is not None or not is_there:
        return load_rules(folder or session.settings.rules), since
    return load_in_force(app.engine, session.settings.rules).rules, since


def _row(rule: Rule, since: dict[tuple[str, str], datetime]) -> dict[str, Any]:
    begun = [since[rule.name, step.name] for step in rule.steps if (rule.name, step.name) in since]
    channels = (channel for step in rule.steps for rung in step.via for channel in rung.channels)
    return {
        "rule": rule.name,
        "title": rule.title,
        "for": rule.subject,
        "offices": list(rule.offices) or [f"not {code}" for code in rule.excluded_offices],
        "enabled": rule.enabled,
        "steps": [step.name for step in rule.steps],
        "to": list(dict.fromkeys(role for step in rule.steps for role in step.to)),
        "channels": list(dict.fromkeys(channels)),
        "deadline": say_deadline(rule.deadline) if rule.deadline else None,
        "in_force_since": min(begun, default=None),
    }
