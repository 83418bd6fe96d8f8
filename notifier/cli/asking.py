"""`preview`, `explain`, `trace`: answers about one permit, case or address. None of them can write."""

from datetime import date, datetime
from itertools import groupby
from zoneinfo import ZoneInfo

import click

from notifier.caller.say import Caller, sayings
from notifier.caller.sentences import LANGUAGES
from notifier.cli.addresses import read_address
from notifier.cli.answer import clocked, on_clock, show_json, show_table
from notifier.cli.options import Session, format_option, on_option, pass_session
from notifier.errors import ConfigError
from notifier.explain import Answer, Explanation
from notifier.explain import explain as explain_subject
from notifier.explain import trace as trace_story
from notifier.model import Channel, EmailMessage, Message, SmsMessage, WhatsAppMessage
from notifier.preview import Leaf, Preview
from notifier.preview import preview as preview_rule
from notifier.rules.decision import Decision
from notifier.rules.steps import numbered


@click.command("preview")
@click.argument("rule")
@click.option("--for", "number", required=True, metavar="PERMIT", help="Number of the permit or case.")
@click.option("--step", help="This step, due or not.")
@click.option("--channel", type=click.Choice([channel.value for channel in Channel]), help="Only this channel.")
@click.option("--language", help="In this language instead of the recipient's.")
@on_option
@format_option
@pass_session
def preview(
    session: Session,
    rule: str,
    number: str,
    step: str | None,
    channel: str | None,
    language: str | None,
    on: date | datetime | None,
    form: str,
) -> None:
    """Show exactly what RULE would send about a permit or case, on every channel. Sends nothing."""
    app = session.app(on)
    found = preview_rule(
        app.ready_engine,
        app.rules,
        app.calendar_of,
        app.renderer,
        rule,
        number,
        now=session.instant(on),
        step=step,
        channel=Channel(channel) if channel else None,
        language=language,
        adult_age=app.settings.adult_age,
    )
    if form == "json":
        show_json([_leaf(one, leaf) for one in found for leaf in one.leaves])
        return
    for one in found:
        _show_preview(one)


def _show_preview(found: Preview) -> None:
    click.echo(f"{found.rule.name} ({found.rule.title}) for {found.subject.kind} {found.subject.number}")
    if not found.leaves:
        click.echo("Nobody would be told anything.")
    for leaf in found.leaves:
        decision = leaf.decision
        who = decision.recipient.party.name if decision.recipient else ""
        when = on_clock(decision.leaves_at or decision.moment, found.calendar.zone)
        click.echo()
        why = clocked(_why(leaf), found.calendar.zone)
        click.echo(f"--- {numbered_step(decision)}, to {who}, {leaf.channel} (rung {leaf.rung + 1}), {when}, {why}")
        if leaf.others:
            click.echo(f"In one message with {', '.join(leaf.others)}.")
        if leaf.message is None:
            click.echo(f"passed over: {leaf.passed_over}")
        else:
            click.echo(_text(leaf.message))


def _why(leaf: Leaf) -> str:
    decision = leaf.decision
    return f"{decision.reason}{f': {decision.detail}' if decision.detail else ''}"


def _text(message: Message) -> str:
    match message:
        case SmsMessage():
            many = f"{message.segments} segment{'' if message.segments == 1 else 's'}, {message.encoding}"
            return f"From {message.sender} to {message.to} ({many})\n{message.text}"
        case WhatsAppMessage():
            return f"From {message.sender} to {message.to} ({message.content_sid})\n{message.text}"
        case EmailMessage():
            files = "".join(f"\n[{one.filename}, {len(one.content)} bytes]" for one in message.attachments)
            return f"From {message.sender} to {message.to}\nSubject: {message.subject}\n\n{message.text}{files}"


def _leaf(found: Preview, leaf: Leaf) -> dict[str, object]:
    decision, message = leaf.decision, leaf.message
    answer: dict[str, object] = {
        "rule": found.rule.name,
        "step": decision.step.name,
        "subject": found.subject.number,
        "to": decision.recipient.party.name if decision.recipient else None,
        "role": decision.recipient.role if decision.recipient else None,
        "verdict": decision.verdict,
        "reason": _why(leaf),
        "moment": decision.moment,
        "leaves_at": decision.leaves_at,
        "rung": leaf.rung + 1,
        "channel": leaf.channel,
        "language": leaf.language,
        "passed_over": leaf.passed_over,
        "together_with": list(leaf.others),
    }
    if message is not None:
        answer |= {"address": message.to, "sender": message.sender, "text": message.text}
    if isinstance(message, SmsMessage):
        answer |= {"segments": message.segments, "encoding": message.encoding}
    if isinstance(message, WhatsAppMessage):
        answer |= {"content_sid": message.content_sid, "variables": dict(message.variables)}
    if isinstance(message, EmailMessage):
        answer |= {"subject_line": message.subject, "html": message.html, "headers": dict(message.headers)}
        answer["attachments"] = [one.filename for one in message.attachments]
    return answer


@click.command("explain")
@click.argument("number", metavar="PERMIT|CASE", required=False)
@click.option("--permit", "--case", "named", help="The number, as an option.")
@click.option("--rule", help="Only this rule.")
@click.option(
    "--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Of what to say to a caller."
)
@on_option
@format_option
@pass_session
def explain(
    session: Session,
    number: str | None,
    named: str | None,
    rule: str | None,
    language: str,
    on: date | datetime | None,
    form: str,
) -> None:
    """Say of every rule and step why it goes, went or does not go for a permit or case.

    Below the table stand the sentences to say to a caller who asks why.
    """
    wanted = number or named
    if wanted is None:
        raise ConfigError("say which permit or case: `notifier explain NUMBER`")
    app = session.app(on)
    if rule is not None and app.rules.rule(rule) is None:
        raise ConfigError(f"there is no rule {rule}; there are: {', '.join(app.rules.names())}")
    found = explain_subject(
        app.ready_engine,
        app.rules,
        app.calendar_of,
        wanted,
        now=session.instant(on),
        only_rule=rule,
        adult_age=app.settings.adult_age,
    )
    if form == "json":
        show_json([_answer(one, answer, language) for one in found for answer in one.answers])
        return
    for one in found:
        rows = _rows(one)
        title = f"{one.subject.kind} {one.subject.number}, {one.subject.office.name}"
        show_table(["rule", "step", "to", "answer", "when"], rows, title=title, empty="No rule is about it.")
        for where, sentence in sayings(one, language):
            click.echo(f"- {sentence} [{where}]")


def _rows(found: Explanation) -> list[tuple[str, str, str, str, str]]:
    """A row for each step and recipient; a rule that is not concerned at all takes one row, after the others."""
    concerned: list[tuple[str, str, str, str, str]] = []
    silent: list[tuple[str, str, str, str, str]] = []
    for name, group in groupby(found.answers, key=lambda answer: answer.rule.name):
        answers = list(group)
        if len({answer.words for answer in answers}) == 1 and not any(map(_recipient, answers)):
            silent.append((name, "all", "", answers[0].words, ""))
            continue
        for answer in answers:
            when = on_clock(answer.decision.leaves_at or answer.decision.moment, found.calendar.zone)
            concerned.append((name, numbered_step(answer.decision), _recipient(answer), answer.words, when))
    return concerned + silent


def numbered_step(decision: Decision) -> str:
    """Its name; of a series with the number of the time, as tests of rules write it."""
    return numbered(decision.step, decision.occurrence)


def _recipient(answer: Answer) -> str:
    recipient = answer.decision.recipient
    return f"{recipient.party.name} ({recipient.role})" if recipient else ""


def _answer(found: Explanation, answer: Answer, language: str) -> dict[str, object]:
    decision, entry = answer.decision, answer.entry
    return {
        "subject": found.subject.number,
        "rule": answer.rule.name,
        "step": decision.step.name,
        "to": decision.recipient.party.name if decision.recipient else None,
        "role": decision.recipient.role if decision.recipient else None,
        "verdict": decision.verdict,
        "reason": decision.reason,
        "detail": decision.detail,
        "answer": answer.words,
        "say": Caller(language, found.calendar.zone).say(answer),
        "moment": decision.moment,
        "leaves_at": decision.leaves_at,
        "useful_until": decision.useful_until,
        "cycle": decision.cycle,
        "version": (entry.version if entry else answer.rule.version)[:12],
        "notification": entry.id if entry else None,
        "state": entry.state if entry else None,
    }


@click.command("trace")
@click.argument("what", metavar="PERMIT|CASE|PHONE|EMAIL")
@format_option
@pass_session
def trace(session: Session, what: str, form: str) -> None:
    """Tell the whole story of a permit, case, telephone number or e-mail address, in the office's zone."""
    app = session.app()
    lines = trace_story(app.ready_engine, _as_held(what, app.settings.country))
    if form == "json":
        show_json([{name: getattr(line, name) for name in type(line).__slots__} for line in lines])
        return
    rows = [
        (
            on_clock(line.at, ZoneInfo(line.zone)),
            line.notification_id,
            f"{line.rule}, {line.step}",
            line.version[:6],
            line.subject,
            line.recipient,
            line.what,
            line.reason,
            clocked(line.detail, ZoneInfo(line.zone)),
        )
        for line in lines
    ]
    headings = ["when", "id", "rule, step", "version", "permit or case", "to", "what", "why", "more"]
    show_table(headings, rows, empty="Nothing was ever planned or sent.")


def _as_held(what: str, country: str) -> str:
    """A telephone number as people write it becomes E.164; everything else stays."""
    try:
        return read_address(what, country)[0]
    except ConfigError:
        return what
