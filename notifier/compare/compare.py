"""Compare: play both versions through, say what changes, and make of it the plan that an officer may apply."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

from notifier.compare.changes import Changes, Kind, changed_rules
from notifier.compare.sources import Version
from notifier.model import OfficeId, Subject, SubjectKind
from notifier.render import Renderer
from notifier.rules.rule import RuleSet
from notifier.simulate.register import Stretch, subjects_of
from notifier.simulate.report import Report
from notifier.simulate.simulate import Rates, report_of
from notifier.simulate.tally import Tally
from notifier.simulate.walk import Stage, Told, Walker, connected, in_processes, parts_of, tally_of, together
from notifier.store.rulesets import Envelope, Plan

#: Of so many messages in a hundred, the document may be younger than the plan before the plan says nothing of the rule.
YOUNG_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Pair:
    """Both stages; the old one plays only what differs, the new one also what the plan has to say."""

    old: Stage
    new: Stage
    changed: frozenset[str]
    most: int


@dataclass(slots=True)
class Found:
    """What one process found in its part of the register."""

    old: Tally
    new: Tally
    changes: Changes
    young: Counter[str] = field(default_factory=Counter)  # messages about documents that are younger than the plan
    all: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a change of the rules does, and its plan."""

    old: Report
    new: Report
    changed: frozenset[str]
    changes: Changes
    plan: Plan
    unforeseen: tuple[str, ...]  # rules of which the plan expects nothing


def compare(
    stage: Stage,
    old: Version,
    new: Version,
    renderer: Renderer | None,
    rates: Rates,
    *,
    sample: int = 10,
    processes: int = 1,
) -> Comparison:
    """Play both versions through over the period of the stage. Writes nothing; the plan is the caller's to keep."""
    changed = changed_rules(old.rules, new.rules)
    pair = Pair(
        replace(stage, rules=old.rules, only_rules=changed),
        replace(stage, rules=new.rules, only_rules=changed | _foreseen(new.rules)),
        changed,
        sample,
    )
    found = _together(in_processes(partial(compare_part, pair), parts_of(pair.new, processes)))
    reports = [
        report_of(one, tally.finish(), renderer, rates, seconds=0.0)
        for one, tally in ((pair.old, found.old), (pair.new, found.new))
    ]
    expected, unforeseen = _envelope(reports[1], found)
    plan = _plan(old, new, stage, expected, _summary(reports, changed, found.changes))
    return Comparison(reports[0], reports[1], changed, found.changes, plan, unforeseen)


def _foreseen(rules: RuleSet) -> frozenset[str]:
    """The rules a plan can say anything about: cases come and go within days."""
    return frozenset(rule.name for rule in rules.rules if rule.subject is SubjectKind.PERMIT)


def compare_part(pair: Pair, parts: Sequence[Stretch]) -> Found:
    """Both versions over some stretches of the register."""
    with connected(pair.new) as connection:
        old, new = Walker(pair.old, connection), Walker(pair.new, connection)
        changes = Changes((pair.old.rules.rules, pair.new.rules.rules), pair.new.period, pair.most)
        found = Found(tally_of(pair.old, connection), tally_of(pair.new, connection), changes)
        asked = [*new.questions, *(old.questions if pair.changed else ())]
        for stretch in parts:
            for subject, entries, among in subjects_of(
                connection, stretch, asked, new.offices, with_ledger=not pair.new.period.is_past
            ):
                before, after = old.told(subject, entries, among), new.told(subject, entries, among)
                found.old.add(subject, before)
                found.new.add(subject, after)
                changes.add(subject, before, [one for one in after if _name(pair.new, one) in pair.changed])
                _note_age(found, pair.new, subject, after)
        found.old.close()
        found.new.close()
        found.new.counts.undecided = new.courses.undecided
        return found


def _name(stage: Stage, told: Told) -> str:
    return stage.rules.rules[told[0]].name


def _note_age(found: Found, stage: Stage, subject: Subject, told: Sequence[Told]) -> None:
    """Whether a document like this one, issued tomorrow, would get its messages within the plan, too."""
    issue = subject.facts.get("issue")
    days = (stage.period.last - stage.period.first).days
    for number, course, _ in told:
        name = stage.rules.rules[number].name
        found.all[name] += len(course)
        if subject.kind is SubjectKind.PERMIT and isinstance(issue, date):
            found.young[name] += sum((telling.day - issue).days < days for telling in course)


def _together(parts: Sequence[Found]) -> Found:
    first, *others = parts
    old, new = together([one.old for one in parts]), together([one.new for one in parts])
    for other in others:
        first.changes.take(other.changes)
        first.young.update(other.young)
        first.all.update(other.all)
    return Found(old, new, first.changes, first.young, first.all)


def _envelope(report: Report, found: Found) -> tuple[Envelope, tuple[str, ...]]:
    """Rows of the outbox per rule, office and day, of the rules whose messages can be foreseen."""
    unforeseen = {
        rule.name
        for rule in report.rules
        if rule.enabled
        and (rule.subject is SubjectKind.CASE or found.young[rule.name] > YOUNG_SHARE * found.all[rule.name])
    }
    expected: dict[str, dict[str, dict[str, int]]] = {
        rule.name: {} for rule in report.rules if rule.enabled and rule.name not in unforeseen
    }
    for (number, office, day), count in report.counts.rows.items():
        name = report.rules[number].name
        if name in expected:
            days = expected[name].setdefault(report.offices[OfficeId(office)].code, {})
            written = date.fromordinal(day).isoformat()
            days[written] = days.get(written, 0) + count
    return expected, tuple(sorted(unforeseen))


def _plan(old: Version, new: Version, stage: Stage, envelope: Envelope, summary: Mapping[str, Any]) -> Plan:
    period = stage.period
    meaning = json.dumps(
        [old.rules.digest, new.rules.digest, str(period.first), str(period.last), envelope], sort_keys=True
    )
    return Plan(
        hash=hashlib.sha256(meaning.encode()).hexdigest(),
        old=old.rules.digest,
        new=new.rules.digest,
        starts=period.first,
        ends=period.last,
        envelope=envelope,
        summary=summary,
    )


def _summary(reports: Sequence[Report], changed: frozenset[str], changes: Changes) -> dict[str, Any]:
    old, new = reports
    kinds: Counter[Kind] = Counter()
    for (_, _, kind), count in changes.counts.items():
        kinds[kind] += count
    return {
        "changed_rules": sorted(changed),
        "changes": {kind.value: kinds[kind] for kind in Kind},
        "messages": {name: [old.by_rule[name], new.by_rule[name]] for name in sorted(changed)},
    }
