"""`rules schema`: what an editor needs to complete, explain and underline the files of a rules folder."""

import click

from notifier.cli.answer import show_json
from notifier.rules.schema import SCHEMAS
from notifier.rules.vocabulary import Language


@click.command("schema")
@click.option(
    "--for",
    "kind",
    type=click.Choice(list(SCHEMAS)),
    default="rules",
    show_default=True,
    help="Which files: the rules, or windows.yaml.",
)
@click.option(
    "--language",
    type=click.Choice([one.value for one in Language]),
    default=Language.ENGLISH.value,
    show_default=True,
    help="The language in which the rules are written.",
)
def schema(kind: str, language: str) -> None:
    """Write the JSON Schema of rule files, made from the words and phrases that the engine reads.

    Keep it beside the rules (notifier rules schema > rules/.rule.schema.json) and begin each file with the line
    "# yaml-language-server: $schema=.rule.schema.json"; editors with a YAML language server then complete keys and
    phrases, explain them and underline what is wrong.
    """
    show_json(SCHEMAS[kind](Language(language)))
