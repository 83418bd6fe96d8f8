"""`rules texts`: which template is written in which language, and which translation is older than its original."""

from pathlib import Path

import click

from notifier.cli.answer import show_json, show_table
from notifier.cli.options import Session, format_option, pass_session
from notifier.errors import ConfigError
from notifier.messages.languages import REQUIRED
from notifier.messages.library import Library, read_library
from notifier.messages.translations import (
    Standing,
    State,
    Written,
    fingerprint,
    origin_of,
    standings,
    with_seal,
    written,
)

_TO_DO = (State.MISSING, State.STALE, State.UNSEALED)


@click.command("texts")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--seal", is_flag=True, help="Write into FILES that they are translations of the text as it is now.")
@click.option("--from", "origin", metavar="LANGUAGE", help="With --seal: the language they were translated from.")
@click.option("--templates", "folder", type=click.Path(path_type=Path, file_okay=False), help="Folder of templates.")
@format_option
@pass_session
def texts(
    session: Session, files: tuple[Path, ...], seal: bool, origin: str | None, folder: Path | None, form: str
) -> None:
    """Every template by channel and language: current, stale, not sealed or missing. Exit code 1 if one is not current.

    A translation is stale when the text it was made from has changed since. Look at it again, correct it, then seal
    it: its first line then holds the fingerprint of the text it agrees with.

        notifier rules texts --seal templates/itas/extension/sms.ja.txt
    """
    if seal != bool(files):
        raise click.UsageError("--seal goes with the files you have looked at, and files go with --seal")
    if origin and not seal:
        raise click.UsageError("--from goes with --seal")
    library = read_library(folder or session.settings.templates)
    if seal:
        # All are looked at before the first is written.
        for text, source in [_pair(library, file, origin) for file in files]:
            digest = _write_seal(text, source)
            click.echo(f"{text.file}: sealed as made from {Path(source.file).name} ({digest})")
        return
    found = standings(library)
    if form == "json":
        show_json([_plain(each) for each in found])
    else:
        _show(found)
    if any(each.state in _TO_DO for each in found):
        raise click.exceptions.Exit(1)


def _pair(library: Library, file: Path, origin: str | None) -> tuple[Written, Written]:
    """The text in a file, and the text it was made from."""
    known = written(library)
    text = next((each for each in known if Path(each.file).resolve() == file.resolve()), None)
    if text is None:
        raise ConfigError(
            f"{file}: is no text of the folder of templates; name one of its sms, whatsapp or email files"
        )
    language = origin or origin_of(text)
    if language == text.language or (text.language == "id" and origin is None):
        raise ConfigError(f"{file}: is an original and needs no seal; seal what was translated from it")
    place = (text.template, text.channel, language)
    source = next((each for each in known if (each.template, each.channel, each.language) == place), None)
    if source is None:
        raise ConfigError(f"{file}: there is no such text in {language!r} to compare with; say --from LANGUAGE")
    return text, source


def _write_seal(text: Written, source: Written) -> str:
    digest = fingerprint(source.text, source.file)
    file = Path(text.file)
    # The writer's line ends stay as they are.
    with file.open(encoding="utf-8", newline="") as stream:
        before = stream.read()
    with file.open("w", encoding="utf-8", newline="") as stream:
        stream.write(with_seal(before, text.file, source.language, digest))
    return digest


def _plain(standing: Standing) -> dict[str, object]:
    return {
        "template": standing.template,
        "channel": standing.channel,
        "language": standing.language,
        "state": standing.state,
        "from": standing.origin,
        "file": standing.file,
    }


def _show(found: list[Standing]) -> None:
    languages = sorted({each.language for each in found} - set(REQUIRED))
    states = {(each.template, each.channel, each.language): each.state for each in found}
    places = dict.fromkeys((each.template, each.channel) for each in found)
    rows = [
        [
            template,
            channel or "(shared)",
            *(states.get((template, channel, language), "-") for language in (*REQUIRED, *languages)),
        ]
        for template, channel in places
    ]
    show_table(["template", "channel", *REQUIRED, *languages], rows, empty="no texts yet")
    open_ones = [each for each in found if each.state in _TO_DO]
    for each in open_ones:
        click.echo(f"{each.file}: {each.state}")
    count = len(open_ones)
    click.echo("every translation is current" if not count else f"{count} text{'s' if count > 1 else ''} to look at")
