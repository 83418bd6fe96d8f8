"""The law: what is to be told of one subject under one rule now, to whom, and why not (S33-S65, S93, S94).

Pure: the answer depends on rule, subject, ledger, calendar and `now` alone. The planner, the guard before each
sending, `preview`, `explain` and the tests all ask this function.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from notifier.model import Entry, PartyId, Reason, Subject
from notifier.rules.concern import muted, stopped
from notifier.rules.decision import Decision, Ground, Verdict
from notifier.rules.facts import View
from notifier.rules.judge import Judge
from notifier.rules.moments import deadline_instant
from notifier.rules.occasions import Occasion, occasions_of
from notifier.rules.recipients import PassedOver, Recipient, recipients
from notifier.rules.rule import Rule
from notifier.rules.standing import Standing


def decide(
    rule: Rule,
    subject: Subject,
    entries: Sequence[Entry],
    *,
    now: datetime,
    ground: Ground,
    underway: bool = False,
) -> list[Decision]:
    """Every step of a rule for a subject, for each recipient, with its verdict and reason.

    `underway`: asked for a ladder that already climbs, to which `late: skip` no longer speaks.
    """
    view = View(subject, now, ground.calendar, ground.rules, rule)
    silent = stopped(rule, view)
    if silent is not None:
        return [Decision(rule.name, step, Verdict.NOT, *silent) for step in rule.steps]
    entries = [entry for entry in entries if entry.rule == rule.name]
    decisions: list[Decision] = []
    occasions: list[Occasion] = []
    for order, step in enumerate(rule.steps):
        answer = occasions_of(rule, step, order, view, entries, ground)
        if isinstance(answer, Decision):
            decisions.append(answer)
        else:
            occasions.extend(answer)
    return decisions + _for_each_recipient(rule, occasions, view, entries, ground, underway)


def _for_each_recipient(
    rule: Rule,
    occasions: Sequence[Occasion],
    view: View,
    entries: Sequence[Entry],
    ground: Ground,
    underway: bool,
) -> list[Decision]:
    decisions: list[Decision] = []
    of_party: dict[PartyId, list[tuple[Occasion, Recipient]]] = {}
    asked = {
        to: recipients(to, view.subject, view.today, ground.adult_age) for to in {one.step.to for one in occasions}
    }
    for occasion in occasions:
        chosen, passed = asked[occasion.step.to]
        for recipient in chosen:
            of_party.setdefault(recipient.party.id, []).append((occasion, recipient))
        decisions.extend(_nobody(rule, occasion, chosen, passed))
    deadline = deadline_instant(rule, view.dates, ground.calendar, ground.rules)
    standing = Standing(rule, view, ground, entries, occasions)
    silenced = muted(rule, view, ground) if of_party else {}
    for party_id, theirs in of_party.items():
        if party_id in silenced:
            decisions.extend(_muted(rule, *one, by=silenced[party_id]) for one in theirs)
            continue
        mine = [occasion for occasion, _ in theirs]
        bench = Judge(rule, view, ground, mine, entries, theirs[0][1], standing, deadline, underway)
        decisions.extend(bench.judge(occasion, recipient) for occasion, recipient in theirs)
    return decisions


def _muted(rule: Rule, occasion: Occasion, recipient: Recipient, *, by: str) -> Decision:
    """Another rule speaks to this recipient about the subject, and wants no other word beside it (S85)."""
    return Decision(
        rule.name,
        occasion.step,
        Verdict.NOT,
        Reason.MUTED,
        f"by {by}",
        occasion.occurrence.number,
        occasion.cycle.key,
        recipient,
        occasion.occurrence.at,
        useful_until=occasion.useful_until,
    )


def _nobody(
    rule: Rule, occasion: Occasion, chosen: Sequence[Recipient], passed: Sequence[PassedOver]
) -> list[Decision]:
    answer = Decision(
        rule.name,
        occasion.step,
        Verdict.NOT,
        Reason.NOBODY,
        " or ".join(occasion.step.to),
        occasion.occurrence.number,
        occasion.cycle.key,
        moment=occasion.occurrence.at,
        useful_until=occasion.useful_until,
    )
    over = [
        replace(answer, reason=one.reason, detail=one.role, recipient=Recipient(one.party, one.role)) for one in passed
    ]
    return over if chosen or over else [answer]
