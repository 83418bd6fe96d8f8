"""Standing: the cycles and moments that all steps of a rule have now, also of those that do not speak (S37, S86).

What was told is held against these. A condition that no longer holds takes a step's voice, not what it has said.
"""

from collections.abc import Sequence
from functools import cached_property

from notifier.model import Entry
from notifier.rules.cycles import cycle_of
from notifier.rules.decision import Ground
from notifier.rules.facts import View
from notifier.rules.occasions import Occasion, moments_of
from notifier.rules.places import base_field, base_value
from notifier.rules.rule import AtOnce, Moves, Rule, Step
from notifier.rules.steps import anchor_of


class Standing:
    """Worked out when first asked for: most records have been told nothing yet."""

    def __init__(
        self, rule: Rule, view: View, ground: Ground, entries: Sequence[Entry], speaking: Sequence[Occasion]
    ) -> None:
        self.rule, self.view, self.ground, self.entries = rule, view, ground, entries
        self._known = {occasion.key: occasion for occasion in speaking}
        self._looked_at = {occasion.step.name for occasion in speaking}

    @cached_property
    def cycles(self) -> frozenset[str]:
        """The cycles of the dates that the rule's steps count from (S47)."""
        return frozenset(key for step in self.rule.steps if (key := self._cycle(step)) is not None)

    def occasion(self, entry: Entry) -> Occasion | None:
        """The present moment of what an entry tells of; None when its step has no such moment any more."""
        if entry.step not in self._looked_at:
            self._looked_at.add(entry.step)
            for order, step in enumerate(self.rule.steps):
                if step.name == entry.step:
                    found, _ = moments_of(self.rule, step, order, self.view, self.entries, self.ground)
                    self._known |= {occasion.key: occasion for occasion in found}
        return self._known.get((entry.step, entry.occurrence, entry.cycle))

    def _cycle(self, step: Step) -> str | None:
        view, dates = self.view, self.view.dates
        if isinstance(step.send, AtOnce):
            cycle = cycle_of(self.rule, view, "", None)
            return cycle.key if cycle else None
        anchor = step.send.anchor if isinstance(step.send, Moves) else anchor_of(step.send)
        field = base_field(anchor, dates.office_code, dates.document_type, self.ground.rules, self.rule)
        value = base_value(field, dates) if field else None
        cycle = cycle_of(self.rule, view, field, value) if field and value is not None else None
        return cycle.key if cycle else None
