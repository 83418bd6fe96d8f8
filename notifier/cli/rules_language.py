"""`rules language`: every word and phrase of the rule language, in English and Indonesian."""

import click

from notifier.cli.answer import show_json, show_table
from notifier.rules.grammar import EXAMPLES
from notifier.rules.reference import phrases_section, words_section
from notifier.rules.translate import translated_phrase
from notifier.rules.vocabulary import VOCABULARY, Language


@click.command("language")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "markdown"]),
    default="table",
    show_default=True,
    help="How to answer: for people, for programs, or as the pages of the documentation.",
)
def language(form: str) -> None:
    """Show every word of the rule language with its Indonesian spelling and its meaning, and phrases to copy."""
    words = [word for part in VOCABULARY.values() for word in part]
    phrases = [
        (name, phrase, translated_phrase(name, phrase, Language.INDONESIAN))
        for name, examples in EXAMPLES.items()
        for phrase in examples
    ]
    if form == "markdown":
        click.echo(f"{words_section()}\n{phrases_section()}", nl=False)
    elif form == "json":
        rows = [
            {"part": word.part, "en": word.english, "id": word.indonesian, "meaning": word.meaning} for word in words
        ]
        show_json({"words": rows, "phrases": [dict(zip(("kind", "en", "id"), row, strict=True)) for row in phrases]})
    else:
        show_table(
            ["where", "English", "Indonesian", "meaning"],
            [(word.part, word.english, word.indonesian, word.meaning) for word in words],
            title="Words",
        )
        show_table(["phrase", "English", "Indonesian"], phrases, title="Phrases")
