"""`notifier rules …`: look at the rules of the office. Each command lives in a file of its own."""

import click

from notifier.cli.rules_apply import apply_rules, versions
from notifier.cli.rules_check import check
from notifier.cli.rules_diff import diff
from notifier.cli.rules_format import format_rules
from notifier.cli.rules_language import language
from notifier.cli.rules_list import list_rules
from notifier.cli.rules_new import new
from notifier.cli.rules_schema import schema
from notifier.cli.rules_show import show
from notifier.cli.rules_test import test
from notifier.cli.rules_texts import texts


@click.group("rules")
def rules() -> None:
    """Look at the rules of the office."""


rules.add_command(check)
rules.add_command(diff)
rules.add_command(format_rules)
rules.add_command(language)
rules.add_command(list_rules)
rules.add_command(new)
rules.add_command(schema)
rules.add_command(show)
rules.add_command(test)
rules.add_command(texts)
rules.add_command(apply_rules)
rules.add_command(versions)
