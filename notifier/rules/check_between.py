"""What rules say of each other: names given twice, and rules that silence rules (S85)."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import PurePath

from notifier.rules.read_rule import Draft
from notifier.rules.reading import Reading
from notifier.rules.rule import Rule
from notifier.rules.tree import Listing, Text
from notifier.rules.words import did_you_mean


def check_names(drafts: Sequence[Draft], readings: Mapping[str, Reading]) -> None:
    """Two files may carry one rule only when they are for different offices; the special one replaces the general."""
    for first, second in combinations(drafts, 2):
        if first.rule.name != second.rule.name or not first.rule.name:
            continue
        shared = set(first.rule.offices) & set(second.rule.offices)
        is_twice_general = not first.rule.offices and not second.rule.offices
        if not shared and not is_twice_general:
            continue
        where = f"for {sorted(shared)[0]}" if shared else "for every office"
        readings[second.rule.file].fault(
            second.place("rule"),
            f'the rule "{second.rule.name}" is already given {where} in {first.rule.file};'
            ' rename one, or give them different "offices"',
        )


def check_mutes(
    drafts: Sequence[Draft], readings: Mapping[str, Reading], warnings: Mapping[str, Reading], *, is_whole: bool
) -> None:
    """No chains, no circles, and nothing muted that is not there; `is_whole`: the rules are all there are."""
    rules = {draft.rule.name: draft.rule for draft in drafts}
    names = {*rules, *(PurePath(file).stem.partition(".")[0] for file in readings)}  # those that could not be read too
    for draft in drafts:
        for text in _muted(draft):
            name, own, muted = text.value, draft.rule, rules.get(text.value)
            reading = readings[own.file]
            if name == own.name:
                reading.fault(text, "mutes: a rule cannot mute itself; take the word out")
            elif muted is None:
                if is_whole and name not in names:
                    remedy = did_you_mean(name, sorted(set(rules) - {own.name}))
                    reading.fault(text, f'mutes: there is no rule "{name}"; {remedy}')
            elif own.name in muted.mutes:
                if own.name > name:  # one cause, one fault: told at the second of the two
                    reading.fault(text, f'mutes: "{name}" and "{own.name}" mute each other; take one of them out')
            elif muted.mutes:
                reading.fault(
                    text,
                    f'mutes: "{name}" mutes "{muted.mutes[0]}" itself, and mutes do not pass on;'
                    f' write both here, or take "mutes" out of "{name}"',
                )
            else:
                _check_worth(warnings[own.file], text, own, muted)


def _check_worth(warnings: Reading, text: Text, own: Rule, muted: Rule) -> None:
    """A rule is silenced only for our own recipients, at our own offices."""
    told = {role for step in own.steps for role in step.to}
    theirs = {role for step in muted.steps for role in step.to}
    if told and theirs and not told & theirs:
        warnings.fault(text, f'mutes: "{muted.name}" tells none of the recipients of this rule; take the word out')
    elif own.offices and muted.offices and not set(own.offices) & set(muted.offices):
        warnings.fault(text, f'mutes: "{muted.name}" is for other offices than this rule; take the word out')


def _muted(draft: Draft) -> Iterator[Text]:
    node = draft.tree.get("mutes")
    for item in node.items if isinstance(node, Listing) else (node,):
        if isinstance(item, Text):
            yield item
