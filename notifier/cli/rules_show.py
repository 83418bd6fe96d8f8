"""`rules show`: one rule in plain sentences."""

from pathlib import Path

import click

from notifier.cli.answer import show_json
from notifier.cli.options import Session, pass_session
from notifier.cli.rules_list import read_rules
from notifier.errors import ConfigError
from notifier.rules.check_moments import counts_from_windows
from notifier.rules.rule import Line, OneOf, Rule, RuleSet, Window
from notifier.rules.telling import tell
from notifier.rules.vocabulary import Language
from notifier.rules.words import did_you_mean


@click.command("show")
@click.argument("rule")
@click.option(
    "--language", type=click.Choice(["en", "id"]), default="en", show_default=True, help="English or Indonesian."
)
@click.option("--rules", "folder", type=click.Path(path_type=Path, file_okay=False), help="Folder of rules.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to answer: for people, or for programs.",
)
@pass_session
def show(session: Session, rule: str, language: str, folder: Path | None, form: str) -> None:
    """Tell a rule in plain sentences: whom it concerns, and for each step when, whom, how and with which text.

    It is the rule in force; with --rules, that of a folder. The title and the purpose stand as the file has them.
    """
    rules, _ = read_rules(session, folder)
    found = [one for one in rules.rules if one.name == rule]
    if not found:
        raise ConfigError(f'there is no rule "{rule}"; {did_you_mean(rule, rules.names())}')
    told = [tell(one, Language(language), windows_of(one, rules)) for one in found]
    if form == "json":
        rows = [
            {
                "rule": one.name,
                "title": one.title,
                "sentences": list(said.sentences),
                "steps": [{"step": step.name, "sentences": list(step.sentences)} for step in said.steps],
            }
            for one, said in zip(found, told, strict=True)
        ]
        show_json(rows)
    else:
        click.echo("\n\n".join(said.text() for said in told))


def windows_of(rule: Rule, rules: RuleSet) -> dict[tuple[str, str], Window]:
    """The windows that the rule counts from, by office ("": everywhere) and type; of all types if it names none."""
    if not counts_from_windows(rule):
        return {}
    types = {
        value
        for line in rule.when
        if isinstance(line, Line) and line.field == "type" and isinstance(line.test, OneOf)
        for value in line.test.words
    }
    return {
        (office, document): window
        for (office, document), window in rules.windows.items()
        if (not types or document in types) and (not office or rule.applies_at(office))
    }
