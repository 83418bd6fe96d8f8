"""Checks bent rules one after the other and keeps what happened."""

import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from notifier.errors import Fault
from notifier.rules.load import check_rules
from notifier.rules.rule import RuleSet
from tests.fuzz.mutations import mutate

HERE = Path(__file__).parent.parent
RULES = (HERE.parent / "rules", HERE / "data" / "language_rules", HERE / "data" / "doubtful_rules")
DATA_FILES = frozenset({"windows.yaml", "documents.yaml", "calendar.yaml"})

#: Small ones, so that a check is about the rule.
WINDOWS = """ITAS: {opens: 30 days before expiry, recommended: 21 days before expiry, closes: 1 day before expiry}
ITK: {opens: 14 days before expiry, recommended: 10 days before expiry, closes: last working day before expiry}
"""
DOCUMENTS = """ITAS: {labels: {id: ITAS, en: ITAS}, extendable: yes, services: [stay permit]}
ITK: {labels: {id: ITK, en: ITK}, extendable: yes}
ITAP: {labels: {id: ITAP, en: ITAP}}
passport: {labels: {id: paspor, en: passport}, services: [passport]}
"""
#: No check may take longer, in seconds; one that takes so long is broken off.
LONGEST = 1.0
HANGS_AFTER = 10.0

_QUOTED = re.compile(r'"(?:[^"]|"(?=\w))*"')


class Hang(Exception):
    """A check that came to no end."""


@dataclass(slots=True)
class Outcome:
    """What a run of many checks has seen."""

    checked: int = 0
    sound: int = 0  # bent, and still a rule without a fault
    worst: float = 0.0
    worst_number: int = -1
    kinds: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str, bytes]] = field(default_factory=list)


def bent_rule(seed: int, number: int, seeds: list[str]) -> bytes:
    """The rule of that number in a run: the same for the same seed."""
    return mutate(random.Random(f"{seed}/{number}"), seeds)


def seeds_of_rules() -> list[str]:
    """The rules that are bent, each under the name of the file it is checked in."""
    files = sorted(file for folder in RULES for file in folder.glob("*.yaml") if file.name not in DATA_FILES)
    return [re.sub(r"(?m)^rule: .*", "rule: bent", file.read_text()) for file in files]


def run(folder: Path, count: int, seed: int, *, seconds: float | None = None) -> Outcome:
    """Checks `count` bent rules in the folder, or as many as the seconds allow."""
    (folder / "windows.yaml").write_text(WINDOWS)
    (folder / "documents.yaml").write_text(DOCUMENTS)
    path, seeds, outcome = folder / "bent.yaml", seeds_of_rules(), Outcome()
    until = time.monotonic() + seconds if seconds is not None else None
    for number in range(count):
        if until is not None and time.monotonic() > until:
            break
        content = bent_rule(seed, number, seeds)
        path.write_bytes(content)
        _check(outcome, number, path, content)
    return outcome


def _check(outcome: Outcome, number: int, path: Path, content: bytes) -> None:
    began = time.process_time()
    try:
        with _alarm():
            found, faults, warnings = check_rules([path], known=None)
    except Exception as error:  # whatever it is, it is what we are looking for
        outcome.failures.append((number, f"{type(error).__name__}: {error}", content))
        return
    took = time.process_time() - began
    outcome.checked += 1
    outcome.sound += not faults
    outcome.kinds.update({kind_of(fault.message) for fault in (*faults, *warnings)})
    if took > outcome.worst:
        outcome.worst, outcome.worst_number = took, number
    complaint = _complaint(found, faults, content) or (f"took {took:.2f} s" if took > LONGEST else "")
    if complaint:
        outcome.failures.append((number, complaint, content))


def _complaint(found: RuleSet, faults: list[Fault], content: bytes) -> str:
    """What is wrong with the answer itself."""
    last = len(re.split(r"\r\n|[\r\n\x85\u2028\u2029]", content.decode("utf-8", "replace"))) + 1
    for fault in faults:
        if not (1 <= fault.line <= last and fault.column >= 1):
            return f"a fault outside the file: {fault}"
        if not fault.message or "\n" in fault.message:
            return f"a fault that is not one sentence: {fault!r}"
    if len(set(faults)) != len(faults) or faults != sorted(faults):
        return "faults that are not in order, or told twice"
    if bool(faults) == bool(found.rules):
        return "a rule with faults was taken, or one without was not"
    return ""


def kind_of(message: str) -> str:
    """A sentence without what is particular to the file."""
    return re.sub(r"\d+", "9", _QUOTED.sub('"…"', message))[:70]


@contextmanager
def _alarm() -> Iterator[None]:
    def stop(_number: int, _frame: object) -> None:
        raise Hang(f"no answer after {HANGS_AFTER:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, HANGS_AFTER)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
