"""`rules new`: a few questions, and a commented rule with its test."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import click

from notifier.cli.options import Session, pass_session
from notifier.cli.rules_new_text import Answers, rule_text, test_text
from notifier.errors import ConfigError
from notifier.messages.templates import Templates
from notifier.model import Channel, SubjectKind
from notifier.rehearsal import recording
from notifier.rehearsal.rehearse import read_scripts, rehearse
from notifier.rules.fields import CASE_STATES, FINAL_CASE_STATES
from notifier.rules.forms import NAME
from notifier.rules.load import load_rules, load_rules_from_texts, rule_files
from notifier.rules.words import did_you_mean

Read = TypeVar("Read")
MOST_DAYS = 400
ROLES = {SubjectKind.PERMIT: ("holder", "sponsor", "agent"), SubjectKind.CASE: ("holder", "sponsor", "agent", "payer")}


@click.command("new")
@click.option("--name", help="Name of the rule and its file, like work-permit-renewal.")
@click.option("--title", help="One sentence: what the rule is for.")
@click.option("--for", "subject", help="permit or case.")
@click.option("--type", "document", help="Type of document, for a permit.")
@click.option("--state", help="State, for a case.")
@click.option("--to", help="Who is told, with commas: holder, sponsor, agent, payer.")
@click.option("--days", help="How many days before, with commas: 60, 30, 7.")
@click.option("--channels", help="With commas: email, whatsapp, sms.")
@click.option("--template", help="The text, one of the folder of templates.")
@click.option("--offices", help="Codes of offices, with commas; without it everywhere.")
@click.option("--yes", is_flag=True, help="Ask nothing: take the default of what no option says.")
@pass_session
def new(session: Session, /, yes: bool, **told: str | None) -> None:
    """Ask a few questions and write a commented rule, and its test into the folder `tests` beside the rules.

    The test is played once, and the messages that left are written into it: look at them. Nothing is overwritten.
    """
    ask = _Interview(told, yes=yes)
    folder = session.settings.rules
    known = load_rules(folder)
    templates = Templates.read(session.settings.templates)
    name = ask("name", "Name of the rule", "my-rule", lambda text: _free_name(text, folder))
    title = ask("title", "What is it for, in one sentence", "A date is not forgotten", _sentence)
    subject = ask("subject", "About each permit or each case", "permit", lambda text: _kind(text))
    if subject is SubjectKind.PERMIT:
        types = sorted(known.documents)
        value = ask("document", "Which type of document", "ITAS", lambda text: _one(text, types))
    else:
        states = [state for state in CASE_STATES if state not in FINAL_CASE_STATES]
        value = ask("state", "In which state", "awaiting payment", lambda text: _one(text, states))
    to = ask("to", "Who is told", "holder", lambda text: _several(text, ROLES[subject]))
    days = ask("days", "How many days before", "30, 7", _days)
    channels = ask("channels", "Over which channels", "email", lambda text: _several(text, tuple(Channel)))
    texts = [
        each for each in sorted(templates.names()) if all(templates.languages(each, Channel(one)) for one in channels)
    ]
    if not texts:
        raise ConfigError("no template has a text for all these channels; write one first, or choose fewer channels")
    usual = "itas/extension" if subject is SubjectKind.PERMIT else "case/payment-due"
    template = ask("template", "Which text", usual if usual in texts else texts[0], lambda text: _one(text, texts))
    offices = ask("offices", "Only at these offices (empty: everywhere)", "", _codes)
    answers = Answers(name, title, subject, value, to, days, channels, template, offices)
    for file in _write(session, folder, answers):
        click.echo(f"written: {file}")
    click.echo(f"Look at both, then: notifier rules check, notifier rules test, notifier rules show {name}")


class _Interview:
    """Takes answers from options, else from the terminal, which asks again until an answer is good."""

    def __init__(self, told: dict[str, str | None], *, yes: bool) -> None:
        self._told = told
        self._is_silent = yes

    def __call__(self, option: str, question: str, default: str, read: Callable[[str], Read]) -> Read:
        said = self._told.get(option)
        if said is None and not self._is_silent:
            answer: Read = click.prompt(question, default=default, value_proc=read, show_default=bool(default))
            return answer
        return read(default if said is None else said)


def _free_name(text: str, folder: Path) -> str:
    name = text.strip()
    if not re.fullmatch(NAME, name):
        raise click.UsageError(f'"{name}" is no name; write small letters, digits and single hyphens, like my-rule')
    for file in (folder / f"{name}.yaml", folder / "tests" / f"{name}.yaml"):
        if file.exists():
            raise click.UsageError(f"{file} exists and is not overwritten; choose another name")
    return name


def _sentence(text: str) -> str:
    said = " ".join(text.split())
    if not said or '"' in said or "\\" in said:
        raise click.UsageError('write one sentence without " and \\')
    return said


def _kind(text: str) -> SubjectKind:
    return SubjectKind(_one(text, tuple(SubjectKind)))


def _one(text: str, choices: Sequence[str]) -> str:
    word = text.strip()
    if word not in choices:
        raise click.UsageError(f'"{word}" is not known here; {did_you_mean(word, choices)}')
    return word


def _several(text: str, choices: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_one(each, choices) for each in text.split(",")))


def _codes(text: str) -> tuple[str, ...]:
    codes = tuple(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
    for code in codes:
        if not re.fullmatch(NAME, code):
            raise click.UsageError(f'"{code}" is no code of an office; write it as the register has it')
    return codes


def _days(text: str) -> tuple[int, ...]:
    found = {each.strip() for each in text.split(",")}
    if not all(re.fullmatch("[0-9]{1,3}", each) and 2 <= int(each) <= MOST_DAYS for each in found):
        raise click.UsageError(f"write whole numbers from 2 to {MOST_DAYS} with commas, like 60, 30, 7")
    return tuple(sorted({int(each) for each in found}, reverse=True))


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
            f"the new rule does not send what it should ({trouble or steps or 'its test fails'}); nothing was written; "
            "choose days that are farther apart"
        )
