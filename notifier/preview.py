"""Preview: exactly what would leave, on every channel, made by the same code that sends. It has no way to write."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine

from notifier.calendar.office import OfficeCalendar
from notifier.company import Company, Together
from notifier.errors import ConfigError, NotifierError
from notifier.ladder import ways
from notifier.model import Channel, Entry, Message, Office, Reason, Subject
from notifier.render import Renderer
from notifier.rules.decide import decide
from notifier.rules.decision import Decision, Ground, Verdict
from notifier.rules.recipients import recipients
from notifier.rules.rule import Rule, RuleSet, Step
from notifier.store.engine import reading
from notifier.store.subjects import find_subjects, read_entries, read_in_force, read_offices, read_subjects
from notifier.store.suppressions import Address, suppressed_contacts


@dataclass(frozen=True, slots=True)
class Leaf:
    """One message of a preview; `message` is None where the channel would be passed over, for that reason."""

    decision: Decision
    rung: int
    channel: Channel
    language: str | None
    message: Message | None
    passed_over: Reason | None
    others: tuple[str, ...] = ()  # numbers of the other documents or cases that the message speaks of


@dataclass(frozen=True, slots=True)
class Preview:
    """What would leave for one rule and subject."""

    rule: Rule
    subject: Subject
    calendar: OfficeCalendar
    leaves: tuple[Leaf, ...]


def preview(
    engine: Engine,
    rules: RuleSet,
    calendar_of: Callable[[Office], OfficeCalendar],
    renderer: Renderer,
    rule_name: str,
    number: str,
    *,
    now: datetime,
    step: str | None = None,
    channel: Channel | None = None,
    language: str | None = None,
    adult_age: int = 18,
) -> list[Preview]:
    """Render what a rule would send about a subject: the steps that go now, or else the next one, or the one named.

    Raises ConfigError for a rule or step that does not exist, NotifierError for an unknown number.
    """
    if rules.rule(rule_name) is None:
        raise ConfigError(f"there is no rule {rule_name}; there are: {', '.join(rules.names())}")
    with reading(engine) as connection:
        offices, in_force = read_offices(connection), read_in_force(connection)
        previews = []
        for kind, key in find_subjects(connection, number):
            subject = read_subjects(connection, kind, [key], offices)[key]
            rule = rules.rule(rule_name, subject.office.code) or rules.rule(rule_name)
            if rule is None or rule.subject is not kind:
                continue
            calendar = calendar_of(subject.office)
            ground = Ground(calendar, rules, in_force, adult_age)
            entries = read_entries(connection, kind, [key]).get(key, [])
            chosen = _choose(rule, subject, entries, step, now, ground)
            suppressed = suppressed_contacts(connection, [subject])
            company = Company(connection, rule, calendar, ground)
            messages = _once(company.of(decision, subject, entries, now=now) for decision in chosen)
            leaves = [
                leaf
                for message in messages
                for leaf in _leaves(renderer, rule, message, calendar, suppressed, now, channel, language)
            ]
            previews.append(Preview(rule, subject, calendar, tuple(leaves)))
    if not previews:
        raise NotifierError(f"the register holds no permit or case {number} that rule {rule_name} is for")
    return previews


def _choose(
    rule: Rule, subject: Subject, entries: Sequence[Entry], step: str | None, now: datetime, ground: Ground
) -> list[Decision]:
    """The step that was named; else what goes now, what goes next, or the last one as it would read."""
    found = decide(rule, subject, entries, now=now, ground=ground)
    if step is not None:
        named = next((one for one in rule.steps if one.name == step), None)
        if named is None:
            raise ConfigError(f"rule {rule.name} has no step {step}; it has: {', '.join(s.name for s in rule.steps)}")
        mine = [one for one in found if one.step.name == step and one.recipient is not None]
        return mine or _as_if(rule, named, subject, now, ground)
    going = [one for one in found if one.verdict is Verdict.GOES]
    later = sorted(
        (one for one in found if one.verdict is Verdict.LATER and one.moment),
        key=lambda one: one.moment or now,
    )
    if going or later:
        return going or [one for one in later if one.moment == later[0].moment]
    told = [one for one in found if one.recipient is not None]
    return told[-1:] or _as_if(rule, rule.steps[-1], subject, now, ground)


def _as_if(rule: Rule, step: Step, subject: Subject, now: datetime, ground: Ground) -> list[Decision]:
    """The step as it would read although nothing would be sent now: a preview is also for the curious."""
    chosen, _ = recipients(step.to, subject, ground.calendar.day_of(now), ground.adult_age)
    return [Decision(rule.name, step, Verdict.NOT, Reason.NOT_CONCERNED, recipient=one, moment=now) for one in chosen]


def _once(found: Iterable[Together]) -> list[Together]:
    """Two decisions that leave in one message are one message."""
    messages: list[Together] = []
    for one in found:
        if one not in messages:
            messages.append(one)
    return messages


def _leaves(
    renderer: Renderer,
    rule: Rule,
    together: Together,
    calendar: OfficeCalendar,
    suppressed: frozenset[Address],
    now: datetime,
    channel: Channel | None,
    language: str | None,
) -> list[Leaf]:
    decision = together.decision
    if decision.recipient is None:
        return []
    at = max(now, decision.leaves_at or now)
    leaves = []
    for number, rung in enumerate(decision.step.via):
        if channel is not None:
            rung = replace(rung, channels=tuple(one for one in rung.channels if one is channel))
        for way in ways(rung, decision.recipient.party, suppressed):
            if way.address is None:
                leaves.append(Leaf(decision, number, way.channel, None, None, way.passed_over))
                continue
            message, chosen = renderer.render(
                rule,
                decision,
                together.subject,
                way.channel,
                way.address,
                calendar=calendar,
                now=at,
                language=language,
                others=together.others,
            )
            others = tuple(one.number for one in together.others)
            leaves.append(Leaf(decision, number, way.channel, chosen, message, None, others))
    return leaves
