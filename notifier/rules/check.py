"""The checks beyond the grammar: within one rule, between rules, and against what the house knows (RULES 4.1, 7)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from notifier.calendar.data import CalendarData
from notifier.rules.check_calendar import check_hours, check_last_days
from notifier.rules.check_conditions import ConditionChecker
from notifier.rules.check_ladders import check_waits
from notifier.rules.check_measure import MeasureChecker
from notifier.rules.check_moments import MomentChecker, Surroundings
from notifier.rules.check_reach import ReachChecker
from notifier.rules.check_register import Register
from notifier.rules.check_steps import StepChecker
from notifier.rules.estimate import Estimator
from notifier.rules.read_rule import Draft
from notifier.rules.reading import Reading, Spot
from notifier.rules.rule import Rule, Step
from notifier.rules.tree import Block, Listing, Node, Text
from notifier.rules.words import did_you_mean, nearest


@dataclass(frozen=True, slots=True)
class Known:
    """What there is outside the rules. None: not known here, so nothing is compared with it."""

    templates: Mapping[str, Collection[str]] | None = None  # name -> channels it has a text for
    channels: Collection[str] | None = None
    languages: Collection[str] | None = None
    offices: Collection[str] | None = None  # office codes
    desks: Mapping[str, Collection[str]] | None = None  # office code -> names, "front" or "front desk"
    calendar: CalendarData | None = None  # the sending hours and the holidays that are known
    today: date | None = None  # with the calendar: how far the rules reach into years that nobody knows yet
    register: Register | None = None  # asked whom a rule concerns


def check_rule(faults: Reading, warnings: Reading, draft: Draft, around: Surroundings, known: Known | None) -> None:
    """Everything that can be said of one rule; notes go to `faults` and `warnings`."""
    MomentChecker(faults, draft, around).check()
    StepChecker(faults, warnings, draft, around).check()
    MeasureChecker(faults, warnings, draft, Estimator(draft.rule, around.windows_of(draft.rule))).check()
    ConditionChecker(faults, warnings, draft).check()
    if not faults.faults:  # whether a step can ever leave is asked of whole rules only
        ReachChecker(faults, draft, around).check()
    check_waits(warnings, draft, around)
    check_last_days(warnings, draft, around)
    _check_words(faults, draft, around, known or Known())
    if known is not None and known.calendar is not None:
        check_hours(warnings, draft, known.calendar)
    ends = draft.rule.ends
    if known is not None and known.today is not None and ends is not None and ends < known.today:
        warnings.fault(draft.place("until"), f"until: the rule ended on {ends} and tells nobody; remove the file")
    if known is not None:
        _check_known(faults, draft, known)


def with_replacements(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules, each general one without the offices that have their own version of it."""
    special = {
        rule.name: {office for other in rules if other.name == rule.name for office in other.offices} for rule in rules
    }
    return tuple(
        rule
        if rule.offices
        else replace(rule, excluded_offices=tuple(sorted({*rule.excluded_offices, *special[rule.name]})))
        for rule in rules
    )


def _check_words(faults: Reading, draft: Draft, around: Surroundings, known: Known) -> None:
    """Words under `when` and `unless` whose list is data: document types, services, languages."""
    documents = around.documents
    lists: dict[str, Collection[str] | None] = {"holder.language": known.languages}
    if documents is not None:
        services = [service for document in documents.values() for service in document.services]
        lists |= {"type": tuple(documents), "service": services, "case.service": services}
    for key, text in _words_of_conditions(draft.tree):
        choices = lists.get(key)
        if choices is not None and text.value not in choices:
            faults.fault(text, f'"{key}": "{text.value}" is not known; {did_you_mean(text.value, sorted(choices))}')


def _words_of_conditions(tree: Block) -> Iterator[tuple[str, Text]]:
    for key, node in tree.entries:
        if key.value in ("when", "unless"):
            yield from _words_below(node, "")
        elif key.value == "steps" and isinstance(node, Block):
            for _, step in node.entries:
                yield from _words_of_conditions(step) if isinstance(step, Block) else ()


def _words_below(node: Node, field: str) -> Iterator[tuple[str, Text]]:
    if isinstance(node, Text):
        yield field, node
    elif isinstance(node, Listing):
        for item in node.items:
            yield from _words_below(item, field)
    elif isinstance(node, Block):
        for key, value in node.entries:
            yield from _words_below(value, field if key.value == "not" else key.value)


def _check_known(faults: Reading, draft: Draft, known: Known) -> None:
    for step in draft.rule.steps:
        _check_template(faults, draft, step, known)
        _check_channels(faults, draft, step, known)
        _check_desks(faults, draft, step, known)
    if known.offices is not None:
        for text in _office_words(draft.tree.get("offices")):
            if text.value not in known.offices:
                remedy = did_you_mean(text.value, sorted(known.offices))
                faults.fault(text, f'offices: there is no office "{text.value}"; {remedy}')
        if known.offices and set(draft.rule.excluded_offices) >= set(known.offices):
            faults.fault(draft.place("offices"), "offices: this leaves no office at all; take one of them out")


def _office_words(node: Node | None) -> Iterator[Text]:
    if isinstance(node, Block):
        node = node.get("not")
    if node is not None:
        yield from (text for _, text in _words_below(node, ""))


def _check_template(faults: Reading, draft: Draft, step: Step, known: Known) -> None:
    if known.templates is None or not step.template:
        return
    spot = draft.setting(step.name, "template")
    if step.template not in known.templates:
        _refuse_template(faults, spot, step.template, known.templates)
        return
    for channel in dict.fromkeys(channel for rung in step.via for channel in rung.channels):
        if channel not in known.templates[step.template]:
            faults.fault(
                spot,
                f'template: "{step.template}" has no text for {channel}, or a broken one;'
                f" write or mend it, or leave {channel} out of via",
            )


def check_templates(faults: Reading, tree: Block, known: Known) -> None:
    """Every `template` of a rule that cannot be read as a whole: its name can be wrong all the same."""
    steps = tree.get("steps")
    below = [step for _, step in steps.entries] if isinstance(steps, Block) else []
    for block in (tree, *below):
        text = block.get("template") if isinstance(block, Block) else None
        if isinstance(text, Text) and known.templates is not None and text.value not in known.templates:
            _refuse_template(faults, text, text.value, known.templates)


def _refuse_template(faults: Reading, spot: Spot, name: str, known: Collection[str]) -> None:
    near = nearest(name, known)
    remedy = f'did you mean "{near}"?' if near else "write its texts into a folder of this name among the templates"
    faults.fault(spot, f'template: there is no "{name}"; {remedy}')


def _check_channels(faults: Reading, draft: Draft, step: Step, known: Known) -> None:
    for channel in dict.fromkeys(channel for rung in step.via for channel in rung.channels):
        if known.channels is not None and channel not in known.channels:
            remedy = did_you_mean(channel, sorted(known.channels))
            faults.fault(draft.setting(step.name, "via"), f'via: this house has no channel "{channel}"; {remedy}')


def _check_desks(faults: Reading, draft: Draft, step: Step, known: Known) -> None:
    if known.desks is None:
        return
    offices = [office for office in sorted(known.offices or known.desks) if draft.rule.applies_at(office)]
    for role in step.to:
        if not role.endswith(" desk"):
            continue
        short = role.removesuffix(" desk")
        lacking = [office for office in offices if not {role, short} & set(known.desks.get(office, ()))]
        if lacking:
            faults.fault(
                draft.setting(step.name, "to"),
                f'to: the office "{lacking[0]}" has no {role}; add it to the offices or leave the office out',
            )
