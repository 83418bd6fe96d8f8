"""What a message shares with others is worked out once, and is what it would be by itself."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random

from notifier.messages.facts import persons_of, with_persons
from notifier.messages.templates import Templates
from notifier.model import Subject, SubjectKind
from notifier.render import Renderer, Senders
from tests.oracle.compare import unfiltered
from tests.oracle.stories import BEGIN, END
from tests.test_alike import alike, crowd

TEXTS = Templates.load(Path(__file__).parent.parent / "templates")
DAYS = ("expiry", "issue", "departure deadline", "collection deadline", "documents deadline", "service deadline")
INSTANTS = ("appointment", "payment deadline")


def bent(subject: Subject) -> Iterator[Subject]:
    """The subject, and others that differ from it in one date."""
    bare = {word: value for word, value in subject.facts.items() if word not in ("expiry", "departure deadline")}
    for facts in (subject.facts, bare):
        yield replace(subject, facts=facts)
        for word in DAYS:
            yield replace(subject, facts={**facts, word: date(2027, 3, 4)})
        for word in INSTANTS:
            yield replace(subject, facts={**facts, word: datetime(2027, 3, 4, 5, tzinfo=UTC)})
    yield replace(subject, facts={**subject.facts, "type": "passport"})


def test_what_messages_share_is_true_of_each_of_them() -> None:
    asked = kinds = 0
    for one in [one for seed in range(3, 6) for one in unfiltered(seed, 10)]:
        if one.rule.subject is not SubjectKind.PERMIT:
            continue
        chance = Random(one.text)
        now = BEGIN + (END - BEGIN) * chance.random()
        renderer = Renderer(
            TEXTS, one.rules, Senders("I", "+62215550199", "i@office.example"), "", "", "", lambda *_: ""
        )
        ground_of = alike(one.rules, now, share=False)
        for place, (subject, ledger) in enumerate(crowd(one, chance, now)):
            for decision in ground_of.decide(one.rule, subject, ledger, until=now):
                if decision.recipient is None:
                    continue
                calendar = ground_of.calendar_of(subject.office)
                for told in bent(subject) if place < 3 else [subject]:
                    alone = renderer.facts(one.rule, decision, told, "en", calendar=calendar, now=now, optout_url="")
                    shared = renderer._alike(one.rule, decision, told, "en", calendar, now).facts
                    assert with_persons(shared, persons_of(alone)) == alone, one.text
                    asked += 1
        kinds += len(renderer._kinds)
    assert kinds < asked / 2  # else nothing was proved
