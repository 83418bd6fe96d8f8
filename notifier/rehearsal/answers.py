"""What `explain` says in the middle of a test: why a step is silent for a person (S93)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from notifier.explain import ENDED, HELD, Answer, explain
from notifier.model import Reason
from notifier.rehearsal.script import Scene
from notifier.rehearsal.stage import Stage
from notifier.rehearsal.tally import spoken_name
from notifier.rules.decision import Verdict
from notifier.store import tables as t
from notifier.store.engine import reading


@dataclass(frozen=True, slots=True)
class Asked:
    """Why does this step say nothing to this person at this instant? `who` and `step` of None: any."""

    at: datetime
    rule: str
    step: str | None
    who: str | None
    about: str | None = None
    occurrence: int | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """One answer: about which subject and step, in the words of `explain` and as reason and detail (S93)."""

    subject: str
    step: str
    words: str
    reason: str


def ask(stage: Stage, scene: Scene, questions: Sequence[Asked]) -> dict[Asked, list[Said]]:
    """The answers at the instant at which the clock stands; none where nothing speaks of the step."""
    if not questions:
        return {}
    numbers = _subjects(stage)
    answers: dict[str, list[tuple[str, Answer]]] = {}
    for rule in {one.rule for one in questions}:
        answers[rule] = [
            (explanation.subject.number, answer)
            for number in numbers
            for explanation in explain(
                stage.engine,
                stage.app.rules,
                stage.app.calendar_of,
                number,
                now=stage.now,
                only_rule=rule,
                adult_age=stage.app.settings.adult_age,
            )
            for answer in explanation.answers
        ]
    return {
        one: [
            Said(number, answer.decision.step.name, answer.words, reason_of(answer))
            for number, answer in answers[one.rule]
            if one.about in (None, number) and _is_asked(one, answer, scene)
        ]
        for one in questions
    }


def _subjects(stage: Stage) -> list[str]:
    with reading(stage.engine) as connection:
        return sorted(
            number for table in t.SUBJECTS.values() for number in connection.execute(select(table.c.number)).scalars()
        )


def _is_asked(one: Asked, answer: Answer, scene: Scene) -> bool:
    decision = answer.decision
    if one.step not in (None, decision.step.name):
        return False
    if one.occurrence is not None and decision.occurrence not in (one.occurrence, 0):
        return False
    recipient = decision.recipient
    # Where the whole rule or step is silent, no recipient is named.
    return one.who is None or recipient is None or spoken_name(recipient.party.number, scene) == one.who


def reason_of(answer: Answer) -> str:
    """The reason with its detail as S93 lists them: also of what had been planned and was then cancelled."""
    entry, decision = answer.entry, answer.decision
    if entry is not None and entry.told_at is not None:
        return str(Reason.TOLD)
    if entry is not None and entry.reason in HELD and decision.verdict is not Verdict.NOT:
        return str(entry.reason)
    reason, detail = decision.reason, decision.detail
    if entry is not None and entry.state in ENDED and entry.reason is not None:
        reason = entry.reason
        detail = "" if answer.ended_because in (None, str(reason)) else str(answer.ended_because)
    return f"{reason}: {detail}" if detail else str(reason)
