"""`rules new`: a few questions, and a commented rule with its test."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from notifier.cli.options import Session, pass_session
from notifier.cli.rules_check import has_database
from notifier.cli.rules_new_answers import Choices, Interview, tongue_of
from notifier.cli.rules_new_text import Answers, rule_text, test_text
from notifier.errors import ConfigError
from notifier.messages.templates import Templates
from notifier.model import Channel, SubjectKind
from notifier.rehearsal import recording
from notifier.rehearsal.rehearse import read_scripts, rehearse
from notifier.rules.fields import CASE_STATES, FINAL_CASE_STATES
from notifier.rules.load import load_rules, load_rules_from_texts, rule_files
from notifier.rules.rule import RuleSet
from notifier.rules.telling_words import Tongue
from notifier.rules.vocabulary import Language, Part
from notifier.store.engine import reading
from notifier.store.subjects import read_offices

ROLES = {SubjectKind.PERMIT: ("holder", "sponsor", "agent"), SubjectKind.CASE: ("holder", "sponsor", "agent", "payer")}

_TEXT_OF_STATE = {
    "awaiting payment": "case/payment-due",
    "documents required": "case/documents-missing",
    "scheduled": "case/appointment",
    "ready for collection": "case/collection",
}


@click.command("new")
@click.option("--name", help="Name of the rule and its file, like work-permit-renewal.")
@click.option("--title", help="One sentence: what the rule is for.")
@click.option("--for", "subject", help="permit or case.")
@click.option("--type", "document", help="Type of document, for a permit.")
@click.option("--state", help="State, for a case.")
@click.option("--to", help="Who is told, with commas: holder, sponsor, agent, payer.")
@click.option("--days", help="How many days before, with commas: 60, 30, 7; or: every week from 90.")
@click.option("--channels", help="With commas: email, whatsapp, sms.")
@click.option("--template", help="The text, one of the folder of templates.")
@click.option("--offices", help="Codes of offices, with commas; without it everywhere.")
@click.option("--yes", is_flag=True, help="Ask nothing: take the default of what no option says.")
@click.option(
    "--language",
    type=click.Choice([one.value for one in Language]),
    default=Language.ENGLISH.value,
    show_default=True,
    help="Ask, and write the rule, in English or Indonesian words.",
)
@pass_session
def new(session: Session, /, yes: bool, language: str, **told: str | None) -> None:
    """Ask a few questions and write a commented rule, and its test into the folder `tests` beside the rules.

    The test is played once, and the messages that left are written into it: look at them. Nothing is overwritten.
    """
    folder, tongue = session.settings.rules, tongue_of(language)
    try:
        answers = _answers(session, folder, Interview(told, tongue, is_silent=yes), tongue)
    except click.Abort:  # click itself would say so in English
        click.echo(tongue.say("\nNothing was written.", "\nTidak ada yang ditulis."))
        raise click.exceptions.Exit(1) from None
    for file in _write(session, folder, answers):
        click.echo(f"{tongue.say('written', 'ditulis')}: {file}")
    click.echo(
        f"{tongue.say('Look at both, then', 'Periksa keduanya, lalu')}: "
        f"notifier rules check, notifier rules test, notifier rules show {answers.name}"
    )


def _answers(session: Session, folder: Path, interview: Interview, tongue: Tongue) -> Answers:
    known, ask = load_rules(folder), interview.ask
    templates = Templates.read(session.settings.templates)
    name = ask(
        "name",
        lambda text: interview.free_name(text, lambda name: _taken(name, folder, known)),
        default="my-rule",
        offered=False,
    )
    title = ask("title", interview.sentence, default="A date is not forgotten", offered=False)
    kinds = Choices(SubjectKind, tongue, Part.SUBJECT)
    subject = SubjectKind(ask("subject", kinds.one, default="permit", choices=kinds))
    if subject is SubjectKind.PERMIT:
        choices = Choices(sorted(known.documents), tongue)
        value = ask("document", choices.one, default="ITAS", choices=choices)
    else:
        choices = Choices([state for state in CASE_STATES if state not in FINAL_CASE_STATES], tongue, Part.STATE)
        value = ask("state", choices.one, default="awaiting payment", choices=choices)
    roles = Choices(ROLES[subject], tongue, Part.RECIPIENT)
    to = ask("to", roles.several, default="holder", choices=roles)
    days, is_weekly = ask("days", interview.days, default="30, 7")
    ways = Choices(Channel, tongue)
    channels = ask("channels", ways.several, default="email", choices=ways)
    texts = Choices(_texts(templates, channels), tongue)
    template = ask("template", texts.one, default=_usual(tuple(texts.shown), subject, value), choices=texts)
    codes = _offices(session)
    places = Choices(codes, tongue) if codes else None
    offices = ask("offices", lambda text: interview.offices(text, codes), default="", choices=places)
    return Answers(
        name, title, subject, value, to, days, is_weekly, channels, template, offices, language=tongue.language
    )


def _taken(name: str, folder: Path, known: RuleSet) -> str | None:
    """The file that has this name, or the rule of this name in any file."""
    files = (folder / f"{name}.yaml", folder / "tests" / f"{name}.yaml")
    here = [str(file) for file in files if file.exists()] + [rule.file for rule in known.rules if rule.name == name]
    return here[0] if here else None


def _texts(templates: Templates, channels: Sequence[str]) -> list[str]:
    """The templates that have a text for each of the channels."""
    found = [
        name for name in sorted(templates.names()) if all(templates.languages(name, Channel(one)) for one in channels)
    ]
    if not found:
        raise ConfigError("no template has a text for all these channels; write one first, or choose fewer channels")
    return found


def _usual(texts: Sequence[str], subject: SubjectKind, value: str) -> str:
    """The text that is called after the type of document, or is about the state of the case; else the first."""
    if subject is SubjectKind.CASE:
        fitting = [text for text in texts if text == _TEXT_OF_STATE.get(value)]
    else:
        fitting = [text for text in texts if text.startswith(f"{value.casefold()}/")]
    return (fitting or list(texts))[0]


def _offices(session: Session) -> tuple[str, ...]:
    """The codes of the register's offices; none where there is no register yet."""
    app = session.app()
    if not has_database(app, "its offices are not known here"):
        return ()
    with reading(app.ready_engine) as connection:
        return tuple(sorted(office.code for office in read_offices(connection).values()))


def _write(session: Session, folder: Path, answers: Answers) -> tuple[Path, Path]:
    """Both files, checked and played; neither is left behind if a fault is found."""
    rule, test = folder / f"{answers.name}.yaml", folder / "tests" / f"{answers.name}.yaml"
    load_rules_from_texts({**rule_files(folder), rule.name: rule_text(answers)}, place=str(folder))
    test.parent.mkdir(exist_ok=True)
    written: list[Path] = []
    is_done = False
    try:
        for file, text in ((rule, rule_text(answers)), (test, test_text(answers))):
            with file.open("x", encoding="utf-8") as stream:
                written.append(file)
                stream.write(text)
        _play(session, folder, test)
        is_done = True
    except FileExistsError as error:
        raise ConfigError(f"{error.filename} exists and is not overwritten; choose another name") from None
    finally:
        for file in written if not is_done else ():
            file.unlink(missing_ok=True)
    return rule, test


def _play(session: Session, folder: Path, test: Path) -> None:
    """Write what leaves into the test, then play it as anybody would."""
    settings = replace(session.settings, rules=folder)
    rules = load_rules(folder)
    scripts = read_scripts([test], rules)
    report = rehearse(settings, rules, scripts, only="", processes=1)
    recording.write(scripts, report.results, again=False)
    again = rehearse(settings, rules, read_scripts([test], rules), only="", processes=1)
    if again.failed or again.coverage.unseen_steps:
        steps = ", ".join(step for _, step in again.coverage.unseen_steps)
        trouble = "; ".join(one.trouble for one in again.results if one.trouble)
        raise ConfigError(
            f"played once, the new rule does not send what it should ({trouble or steps or 'its test fails'}); "
            "nothing was written; choose a text that fits, or days that are farther apart"
        )
