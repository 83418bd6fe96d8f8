"""Rules bent at random are answered with sentences, soon, and never with a traceback; see `python -m tests.fuzz`."""

import random
from pathlib import Path

from tests.fuzz.mutations import WAYS
from tests.fuzz.run import kind_of, run, seeds_of_rules


def test_bent_rules_are_told_their_faults_and_never_break_the_check(tmp_path: Path) -> None:
    outcome = run(tmp_path, 400, seed=2026, seconds=6)
    assert [(number, complaint) for number, complaint, _ in outcome.failures] == []
    assert outcome.checked > 20
    assert len(outcome.kinds) > 15


def test_the_same_seed_bends_the_same_way() -> None:
    seeds = seeds_of_rules()
    for way in WAYS:
        assert way(random.Random(7), seeds[3], seeds) == way(random.Random(7), seeds[3], seeds)


def test_a_kind_of_fault_has_nothing_of_its_file() -> None:
    assert kind_of('"to" is already in line 12; keep one') == kind_of('"via" is already in line 7; keep one')
