"""Hypothesis looks for a rule and a life story on which the two readings differ, and makes the story small."""

import tempfile
import time
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st

from tests.oracle.compare import compare, disagreement, drawn, teller

#: Examples between two looks at the clock.
ROUND = 50


def hunt(minutes: float) -> int:
    """Tries until the time is over; 0 without a counterexample, 1 with the smallest one found printed."""
    began, rounds = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() - began < minutes * 60:
            try:
                one_round(rounds, Path(folder))
            except AssertionError as found:
                print(found)
                return 1
            rounds += 1
            print(f"{rounds * ROUND} examples, {time.monotonic() - began:.0f} s, no counterexample", flush=True)
    return 0


def one_round(number: int, folder: Path) -> None:
    """A round of examples; AssertionError with the disagreement in words."""

    @seed(number)
    @settings(
        max_examples=ROUND,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
        print_blob=False,
    )
    @given(st.randoms(use_true_random=False), st.sampled_from(("permit", "case")))
    def readings_agree(chance: Random, kind: str) -> None:
        one = drawn(chance, "hunted", kind, folder)
        assume(one is not None)
        assert one is not None
        its = teller(one, chance)
        story = its.tell()
        expected, got = compare(one, story)
        assert expected == got, disagreement(one, story, its.events, expected, got)

    readings_agree()
