"""What one rule will tell about one subject over a span, if nobody touches the record: `decide`, from wake to wake.

Pure. The clock jumps to the next instant at which a decision can change: a message leaves, a condition turns by the
passing of time, a role begins or ends. Simulation, comparison of rules, coverage and the tests stand on it.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from notifier.model import Entry, NotificationId, NotificationState, Reason, Subject
from notifier.rules.decide import decide
from notifier.rules.decision import Decision, Ground, Verdict
from notifier.rules.facts import View
from notifier.rules.rule import Rule
from notifier.rules.turning import conditions_of, recipients_turning, turnings

#: One message can let a follow-up go at the same instant, and that one another; no rule has more steps than this.
AT_ONE_INSTANT = 100


@dataclass(frozen=True, slots=True)
class Leaving:
    """A message that leaves: when, and the decision that lets it go. Merging, caps and limits are not looked at."""

    at: datetime
    decision: Decision


@dataclass(frozen=True, slots=True)
class Timeline:
    """What leaves in a span, the ledger as it stands at the end, and every step's last word."""

    leavings: tuple[Leaving, ...]
    entries: tuple[Entry, ...]
    decisions: tuple[Decision, ...]


def timeline(
    rule: Rule, subject: Subject, entries: Sequence[Entry], *, since: datetime, until: datetime, ground: Ground
) -> Timeline:
    """Everything the rule tells from `since` to `until`, both included; instants are aware.

    What leaves counts as told at once; receipts that fail are not foreseen.
    """
    ledger = list(entries)
    leavings: list[Leaving] = []
    wakes = _turning(rule, subject, since, until, ground)
    now = since
    while True:
        decisions = _let_go(rule, subject, ledger, leavings, now, ground)
        ahead = [one.leaves_at for one in decisions if one.leaves_at is not None and one.leaves_at > now]
        ahead += wakes[(place := bisect_right(wakes, now)) : place + 1]
        now = min(ahead, default=until)
        if not ahead or now > until:
            return Timeline(tuple(leavings), tuple(ledger), tuple(decisions))


def _let_go(
    rule: Rule, subject: Subject, ledger: list[Entry], leavings: list[Leaving], now: datetime, ground: Ground
) -> list[Decision]:
    """Decide, tell what goes, and decide again, until nothing more goes at this instant."""
    for _ in range(AT_ONE_INSTANT):
        decisions = decide(rule, subject, ledger, now=now, ground=ground)
        going = [one for one in decisions if one.verdict is Verdict.GOES]
        if not going:
            break
        leavings.extend(Leaving(now, one) for one in going)
        ledger.extend(_row(one, len(ledger) + place, now) for place, one in enumerate(going))
    known = {entry.key for entry in ledger}
    # What only waits for tomorrow (S36: late already when another was told) is not spent.
    replaced = [one for one in decisions if one.reason is Reason.TOLD_TODAY and one.verdict is Verdict.NOT]
    spent = [one for one in replaced if one.key not in known]
    ledger.extend(_row(one, len(ledger) + place, None) for place, one in enumerate(spent))
    return decisions


def _row(decision: Decision, number: int, told_at: datetime | None) -> Entry:
    """What the ledger holds of a message that left, or (not told) of one that the day's other message replaced."""
    if decision.recipient is None or decision.moment is None:
        raise ValueError("what goes has a recipient and a moment")
    return Entry(
        id=NotificationId(-1 - number),
        rule=decision.rule,
        step=decision.step.name,
        occurrence=decision.occurrence,
        cycle=decision.cycle,
        party_id=decision.recipient.party.id,
        role=decision.recipient.role,
        state=NotificationState.SPENT if told_at is None else NotificationState.SENT,
        moment=decision.moment,
        told_at=told_at,
        in_place_of=decision.recipient.in_place_of,
        useful_until=decision.useful_until,
        first_sent_at=told_at,
    )


def _turning(rule: Rule, subject: Subject, since: datetime, until: datetime, ground: Ground) -> list[datetime]:
    view = View(subject, since, ground.calendar, ground.rules, rule)
    found = {*turnings(conditions_of(rule, rule.steps), view), *recipients_turning(subject, view, ground.adult_age)}
    return sorted(instant for instant in found if since < instant <= until)
