"""From an answer of `explain` to the sentence for the caller. Addresses are masked."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from notifier.caller.sentences import SENTENCES, STATES, STORY
from notifier.explain import ENDED, HELD, Answer, Explanation
from notifier.model import Channel, Reason
from notifier.rules.decision import Verdict
from notifier.store.deliveries import Delivery


@dataclass(frozen=True, slots=True)
class Caller:
    """Answers one caller in one language, on the clock of the office."""

    language: str
    zone: ZoneInfo

    def say(self, answer: Answer) -> str:
        """The sentence for one step and recipient."""
        if answer.deliveries and answer.entry is not None and answer.entry.told_at is not None:
            return self._told(answer)
        entry = answer.entry
        if entry is not None and entry.state in ENDED and entry.reason is not None:
            return self._sentence(entry.reason, answer, answer.ended_because or "")
        if entry is not None and entry.reason in HELD and answer.decision.verdict is not Verdict.NOT:
            return self._sentence(entry.reason, answer, "")
        return self._sentence(answer.decision.reason, answer, answer.decision.detail)

    def _sentence(self, reason: Reason, answer: Answer, why: str) -> str:
        template = SENTENCES[self.language].get(reason, str(reason))
        decision = answer.decision
        moment = decision.moment or (answer.entry.moment if answer.entry else None)
        until = decision.useful_until or (answer.entry.useful_until if answer.entry else None)
        why = "" if why == str(reason) else why
        said = template.format(
            when=self._clock(moment), leaves=self._clock(decision.leaves_at), until=self._clock(until), why=why
        )
        return said.replace(" ()", "")

    def _told(self, answer: Answer) -> str:
        story, entry, deliveries = STORY[self.language], answer.entry, answer.deliveries
        if entry is None:
            raise ValueError("what was told is in the ledger")
        who = _who(answer)
        ways = "; ".join(self._way(one) for one in deliveries)
        said = story["told"].format(who=who, when=self._clock(entry.first_sent_at or entry.told_at), ways=ways)
        told = max(len(one.tells) for one in deliveries)
        said += story["together"].format(count=told) if told > 1 else ""
        channels = [(one.rung, one.channel) for one in deliveries]
        if len({channel for _, channel in channels}) > 1:
            said += story["next way" if len({rung for rung, _ in channels}) > 1 else "two ways"]
        if len(set(channels)) < len(channels):
            said += story["again"]
        if entry.in_place_of is not None:
            said += story["in place of"].format(who=who)
        return said

    def _way(self, delivery: Delivery) -> str:
        state = STATES[self.language][delivery.state]
        return f"{delivery.channel} {_masked(delivery)}, {self._clock(delivery.attempted_at)}, {state}"

    def _clock(self, instant: datetime | None) -> str:
        return "" if instant is None else instant.astimezone(self.zone).strftime("%Y-%m-%d %H:%M %Z")


def sayings(found: Explanation, language: str) -> list[tuple[str, str]]:
    """What to say, most telling first: what was told, what is to come, and each other reason once."""
    caller = Caller(language, found.calendar.zone)
    kinds: list[Callable[[Answer], bool]] = [
        lambda one: bool(one.deliveries),
        lambda one: one.decision.verdict is not Verdict.NOT,
        lambda one: one.decision.recipient is not None or one.entry is not None,
    ]
    said: dict[str, str] = {}
    for kind in kinds:
        for one in filter(kind, found.answers):
            said.setdefault(caller.say(one), f"{one.rule.name}, {one.decision.step.name}")
    if not said:
        for one in found.answers:
            said.setdefault(caller.say(one), one.rule.name)
    return [(where, sentence) for sentence, where in said.items()]


def _who(answer: Answer) -> str:
    if answer.told_to is not None:
        return answer.told_to
    recipient = answer.decision.recipient
    return recipient.party.name if recipient else ""


def _masked(delivery: Delivery) -> str:
    address = delivery.address
    if delivery.channel is Channel.EMAIL:
        name, _, domain = address.partition("@")
        return f"{name[:1]}…@{domain}"
    return f"…{address[-4:]}"
