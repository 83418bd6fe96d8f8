"""Whether a rule concerns a subject at all, and which other rules keep it silent meanwhile (S85, S93)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from notifier.model import PartyId, Reason, Subject, SubjectKind
from notifier.rules.conditions import first_failing, first_holding, words
from notifier.rules.decision import Ground
from notifier.rules.facts import View
from notifier.rules.recipients import recipients
from notifier.rules.rule import Rule


def stopped(rule: Rule, view: View) -> tuple[Reason, str] | None:
    """Why the whole rule says nothing about this subject now."""
    if not rule.enabled:
        return Reason.SWITCHED_OFF, ""
    if not rule.applies_at(view.subject.office.code):
        return Reason.OTHER_OFFICE, view.subject.office.code
    failing = first_failing(rule.when, view)
    if failing is not None:
        return Reason.NOT_CONCERNED, words(failing, view)
    if rule.stays and view.subject.facts.get("state") not in rule.stays:
        return Reason.NOT_CONCERNED, f"state: {view.subject.facts.get('state')}"
    holding = first_holding(rule.unless, view)
    if holding is not None:
        return Reason.POINTLESS, words(holding, view)
    return None


def muted(rule: Rule, view: View, ground: Ground) -> Mapping[PartyId, str]:
    """Whom the rule tells nothing now, and the name of the rule that silences it.

    A rule silences while it is in force and concerns the subject, or the permit that a case is about; then it does
    so for everybody whom any of its steps names today, whether or not one of them is due. Roles are read from the
    subject that would be told about. A rule that is silenced itself still silences: mutes do not pass on.
    """
    found: dict[PartyId, str] = {}
    for other in ground.rules.rules:
        if rule.name not in other.mutes or not _in_force(other, view, ground):
            continue
        subject = _as_seen_by(other, view.subject)
        if subject is None or stopped(other, View(subject, view.now, ground.calendar, ground.rules, other)) is not None:
            continue
        named = tuple(dict.fromkeys(role for step in other.steps if step.enabled for role in step.to))
        for one in recipients(named, view.subject, view.today, ground.adult_age)[0]:
            found.setdefault(one.party.id, other.name)
    return found


def is_in_season(rule: Rule, day: date) -> bool:
    """Whether the day lies between `from` and `until`, both inclusive."""
    return (rule.starts is None or rule.starts <= day) and (rule.ends is None or day <= rule.ends)


def _in_force(rule: Rule, view: View, ground: Ground) -> bool:
    """It is its season, and one of its steps has come into force (S44)."""
    if not is_in_season(rule, view.today):
        return False
    since = [ground.in_force.get((rule.name, step.name), view.now) for step in rule.steps if step.enabled]
    return any(instant <= view.now for instant in since)


def _as_seen_by(rule: Rule, subject: Subject) -> Subject | None:
    """What the rule is about when this subject is looked at: itself, or the permit of a case. None: neither."""
    if rule.subject is subject.kind:
        return subject
    if rule.subject is not SubjectKind.PERMIT or subject.permit is None:
        return None
    others = tuple(facts for facts in subject.others if facts is not subject.permit)
    return replace(subject, kind=SubjectKind.PERMIT, facts=subject.permit, others=others, stays=())
