"""Hypothesis looks for a rule and a life story on which the two readings differ, and makes the story small."""

import re
import tempfile
import time
from itertools import zip_longest
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st

from tests.oracle.compare import KINDS, compare, disagreement, read, teller
from tests.oracle.generate import RuleWriter

#: Examples between two looks at the clock.
ROUND = 50
#: Seeds of rules and stories. A Random whose every number is drawn by hypothesis is used up before a rule is written.
ANY = st.integers(0, 2**32)
#: No story has more records.
LONGEST = 10


def hunt(minutes: float, first: int) -> int:
    """Tries until the time is over; 0 without a counterexample, 1 with the smallest one found printed.

    `first` is the seed of the first round: another one looks elsewhere.
    """
    began, rounds, messages = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() - began < minutes * 60:
            try:
                messages += one_round(first * 10_000 + rounds, Path(folder))
            except AssertionError as found:
                print(found)
                return 1
            rounds += 1
            print(
                f"{rounds * ROUND} examples, {messages} messages, {time.monotonic() - began:.0f} s, no counterexample",
                flush=True,
            )
    return 0


def one_round(number: int, folder: Path) -> int:
    """A round of examples: how many messages were compared. AssertionError with the disagreement in words."""
    messages = 0

    @seed(number)
    @settings(
        max_examples=ROUND,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
        print_blob=False,
    )
    @given(st.sampled_from(KINDS), ANY, ANY, st.integers(1, LONGEST), st.lists(st.booleans(), max_size=6))
    def readings_agree(kind: str, rule_seed: int, story_seed: int, records: int, keeps: list[bool]) -> None:
        nonlocal messages
        one = read(some_steps(RuleWriter(Random(rule_seed), "hunted", kind).write(), keeps), "hunted", folder)
        assume(one is not None)
        assert one is not None
        its = teller(one, Random(story_seed))
        story = its.tell()[:records]
        expected, got = compare(one, story)
        messages += len(expected)
        assert expected == got, disagreement(one, story, its.events[: records - 1], expected, got)

    readings_agree()
    return messages


def some_steps(text: str, keeps: list[bool]) -> str:
    """The rule with the steps that are kept, so that a counterexample grows small; one of them stays in any case."""
    head, body = text.split("\nsteps:\n")
    steps = re.split(r"\n(?=  step-)", body)
    kept = [step for step, keep in zip_longest(steps, keeps[: len(steps)], fillvalue=True) if keep]
    return f"{head}\nsteps:\n" + "\n".join(kept or steps[:1]).rstrip() + "\n"
