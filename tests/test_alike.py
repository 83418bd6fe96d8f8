"""Subjects that are alike in what a rule reads are decided on once; each hears what it would hear by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest

from notifier.model import Entry, PartyId, Subject, SubjectKind
from notifier.rules.alike import Alike
from notifier.rules.decision import Decision, Verdict
from notifier.rules.rule import Rule, RuleSet
from notifier.rules.timeline import timeline
from tests.oracle.compare import Written, teller, unfiltered
from tests.oracle.engine import calendar_of, subject_of
from tests.oracle.stories import BEGIN, END

Given = tuple[Subject, Sequence[Entry]]


def alike(rules: RuleSet, now: datetime, *, share: bool) -> Alike:
    return Alike(
        rules,
        lambda office: calendar_of(office.code, office.closed_days),  # type: ignore[arg-type]
        {},
        now=now,
        adult_age=18,
        share=share,
    )


def registered(one: Written, chance: Random, now: datetime, key: int) -> Given:
    """A subject of a story as it is at an instant, with what it was told until then."""
    story = [record for record in teller(one, chance).tell() if record["at"] <= now]
    while not story:
        story = [record for record in teller(one, chance).tell() if record["at"] <= now]
    subject = replace(subject_of(story[-1]), id=key)
    if chance.random() < 0.5:
        return subject, ()
    ground_of = alike(one.rules, now, share=False)
    told = timeline(
        one.rule, subject, (), since=story[-1]["at"], until=now - timedelta(hours=1), ground=ground_of.ground(subject)
    )
    return subject, told.entries


def renumbered(given: Given, key: int, by: int) -> Given:
    """The same, of other persons."""
    subject, entries = given
    roles = tuple(
        replace(held, party=replace(held.party, id=PartyId(held.party.id + by), number=f"P{held.party.id + by}"))
        for held in subject.roles
    )
    theirs = [
        replace(
            entry,
            party_id=PartyId(entry.party_id + by),
            in_place_of=None if entry.in_place_of is None else PartyId(entry.in_place_of + by),
            told_at=None if entry.told_at is None else entry.told_at + timedelta(seconds=by),
        )
        for entry in entries
    ]
    return replace(subject, id=key, roles=roles), theirs


def crossed(given: Given, other: Subject, chance: Random) -> Given:
    """One thing of it as another subject has it: it matters to the rule, or it does not."""
    subject, entries = given
    part = chance.choice(("facts", "facts", "facts", "history", "roles", "others", "cases", "changed", "office"))
    if part in ("facts", "history"):
        mine, theirs = getattr(subject, part), getattr(other, part)
        word = chance.choice(sorted({*mine, *theirs}) or ["expiry"])
        changed = {name: value for name, value in {**mine, word: theirs.get(word)}.items() if value is not None}
        return replace(subject, **{part: changed}), entries
    return replace(subject, **{part: getattr(other, part)}), entries


def crowd(one: Written, chance: Random, now: datetime) -> Iterator[Given]:
    """Subjects, others like them, and others that differ from them in one thing."""
    firsts = [registered(one, chance, now, key) for key in range(1, 7)]
    for key, given in enumerate(firsts, 100):
        yield given
        yield renumbered(given, key * 10, 100)
        for place in range(1, 7):
            yield renumbered(crossed(given, chance.choice(firsts)[0], chance), key * 10 + place, 100 * place)


def wanted(decisions: Sequence[Decision], ledger: Sequence[Entry], until: datetime) -> list[Decision]:
    """What planning needs of all that `decide` says."""
    return [
        one
        for one in decisions
        if ledger
        or one.recipient is None
        or (one.verdict is not Verdict.NOT and one.moment is not None and one.moment <= until)
    ]


@pytest.mark.parametrize("seed", range(6))
def test_who_is_like_another_is_told_the_same_as_alone(seed: int) -> None:
    shared = asked = 0
    for one in unfiltered(seed, 10):
        chance = Random(f"{seed} {one.rule.name}")
        now = BEGIN + (END - BEGIN) * chance.random()
        together, alone = alike(one.rules, now, share=True), alike(one.rules, now, share=False)
        for subject, ledger in crowd(one, chance, now):
            until = now + timedelta(hours=12)
            mine = together.decide(one.rule, subject, ledger, until=until)
            fresh = alone.decide(one.rule, subject, ledger, until=until)
            assert wanted(mine, ledger, until) == wanted(fresh, ledger, until), one.text
            for decision in wanted(fresh, ledger, until):
                if decision.recipient is not None:
                    first = next(each for each in fresh if each.key == decision.key)
                    assert together.decide_about(one.rule, subject, ledger, decision.key, until=until) == first
        if one.rule.subject is SubjectKind.PERMIT:
            asked, shared = asked + alone.kinds, shared + alone.kinds - together.kinds
    assert shared > asked / 4  # else nothing was proved


def test_nothing_is_said_about_a_step_or_a_person_that_a_rule_does_not_speak_of() -> None:
    one = next(each for each in unfiltered(3, 4) if each.rule.subject is SubjectKind.PERMIT)
    law = alike(one.rules, BEGIN + timedelta(days=400), share=True)
    subject, ledger = registered(one, Random(3), law.now, 1)
    for key in (("no such step", 0, "", subject.roles[0].party.id), (one.rule.steps[0].name, 0, "", PartyId(999_999))):
        assert law.decide_about(one.rule, subject, ledger, key, until=law.now) is None


def test_a_rule_that_another_one_silences_is_asked_about_each_subject() -> None:
    one = next(each for each in unfiltered(3, 4) if each.rule.subject is SubjectKind.PERMIT)
    silencing: Rule = replace(one.rule, name="silencing", mutes=(one.rule.name,))
    rules = replace(one.rules, rules=(one.rule, silencing))
    chance, now = Random(3), BEGIN + timedelta(days=400)
    together = alike(rules, now, share=True)
    given = list(crowd(one, chance, now))
    for subject, ledger in given:
        together.decide(one.rule, subject, ledger, until=now)
    assert together.kinds == len(given)
