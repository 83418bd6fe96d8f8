"""Both readings over the same rules and stories; a disagreement is written so that a newcomer can replay it."""

import re
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random

from notifier.rules.rule import Rule, RuleSet
from tests.oracle import engine
from tests.oracle.generate import STATES, TYPES, RuleWriter
from tests.oracle.meaning import Walk, days_of
from tests.oracle.productions import PRODUCTIONS, found_in
from tests.oracle.reading import Plain, read_rule
from tests.oracle.stories import END, Teller

#: Of these the register does not remember since when they are so, and `at once` counts from the cycle's beginning.
NOT_REMEMBERED = re.compile(
    r"\b(sponsor|guardian|agent|payer|officer|holder\.\w+|holder has( no)?|open case|case\.\w+|status|state"
    r"|extendable|recommended day|payment time):|: missing"
)
#: A rule must speak in so many of so many stories, or nothing would be compared.
SPEAKS, TRIED = 3, 8
#: Of so many drafts the one is kept in which most of the grammar stands that no rule before it had.
DRAFTS = 6
#: And not more than so many times the rules that were asked for.
MOST = 3
KINDS = ("permit", "case", "permit", "case", "permit")
#: Of every nine rules one was switched on in the middle of the years (S44).
SWITCHED_ON = datetime(2026, 9, 15, 4, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Written:
    """A generated rule in both readings."""

    text: str
    plain: Plain
    rule: Rule
    rules: RuleSet


@dataclass(slots=True)
class Tally:
    """What was compared, and what did not agree."""

    subjects: int = 0
    walks: int = 0
    messages: int = 0
    changes: int = 0
    disagreements: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.subjects += other.subjects
        self.walks += other.walks
        self.messages += other.messages
        self.changes += other.changes
        self.disagreements += other.disagreements


def unfiltered(seed: int, count: int) -> tuple[Written, ...]:
    """Rules as they are drawn, silent ones too: much quicker."""
    chance = Random(seed)
    found: list[Written] = []
    with tempfile.TemporaryDirectory() as folder:
        while len(found) < count:
            kind = KINDS[len(found) % len(KINDS)]
            one = drawn(chance, f"rule-{len(found)}", kind, Path(folder))
            found += [one] if one is not None else []
    return tuple(found)


def written(chance: Random, name: str, kind: str, folder: Path, wanted: set[str]) -> Written:
    """A rule that speaks in enough stories and has the most of what is still wanted of the grammar."""
    while True:
        drafts = [RuleWriter(chance, name, kind).write() for _ in range(DRAFTS)]
        for text in sorted(drafts, key=lambda text: -len(wanted & found_in(text)))[: DRAFTS // 2]:
            one = read(text, name, folder)
            if one is not None and speaks(one, chance):
                return one


def drawn(chance: Random, name: str, kind: str, folder: Path) -> Written | None:
    """A rule, or None when it is one that cannot be compared."""
    return read(RuleWriter(chance, name, kind).write(), name, folder)


def read(text: str, name: str, folder: Path) -> Written | None:
    """Both readings of a rule; None: the loader refuses it, or its `at once` asks what the register forgets."""
    if "send: at once" in text and NOT_REMEMBERED.search(text):
        return None
    loaded = engine.load(text, name, folder)
    return Written(text, read_rule(text), *loaded) if isinstance(loaded, tuple) else None


def speaks(one: Written, chance: Random) -> bool:
    """Whether the rule tells anything, by its words, in enough of some stories."""
    spoken = 0
    for tried in range(TRIED):
        spoken += bool(Walk(one.plain, teller(one, chance).tell(), END).told())
        if spoken == SPEAKS or spoken + TRIED - tried - 1 < SPEAKS:
            break
    return spoken == SPEAKS


@cache
def rules_of(seed: int, count: int) -> tuple[Written, ...]:
    """The rules of a seed: so many, and more until the whole grammar stands in them."""
    found: list[Written] = []
    wanted = set(PRODUCTIONS)
    with tempfile.TemporaryDirectory() as folder:
        while len(found) < count or (len(found) < MOST * count and wanted):
            n = len(found)
            found.append(written(Random(f"{seed} rule {n}"), f"rule-{n}", KINDS[n % 5], Path(folder), wanted))
            wanted -= found_in(found[-1].text)
    for one in found[::9]:
        one.plain["in force"] = SWITCHED_ON
    return tuple(found)


def compare(one: Written, story: list[Plain]) -> tuple[list[engine.Message], list[engine.Message]]:
    """What the words of the language expect, and what the engine tells; both sorted."""
    expected: list[engine.Message] = []
    for told in Walk(one.plain, story, END).told():
        record = [record for record in story if record["at"] <= told.at][-1]
        minute = told.at.astimezone(days_of(record["office"], frozenset()).zone).strftime("%Y-%m-%d %H:%M")
        expected.append((told.step["name"], told.number, told.party, minute))
    got = engine.messages(one.rule, one.rules, story, END, one.plain.get("in force"))
    return sorted(expected), sorted(got)


def subject(seed: int, number: int, rules: tuple[Written, ...], rules_each: int) -> Tally:
    """One subject of a seed against some rules of its kind."""
    chance = Random(f"{seed} subject {number}")
    mine = [chance.choice(rules)]
    kind = mine[0].plain["for"]
    mine += (
        chance.sample([one for one in rules if one.plain["for"] == kind], k=rules_each - 1) if rules_each > 1 else []
    )
    its = teller(mine[0], chance)
    story = its.tell()
    tally = Tally(subjects=1, changes=len(story) - 1)
    for one in mine:
        expected, got = compare(one, story)
        tally.walks += 1
        tally.messages += len(expected)
        if expected != got:
            tally.disagreements.append(
                f"--seed {seed} --only {number}\n" + disagreement(one, story, its.events, expected, got)
            )
    return tally


def teller(one: Written, chance: Random) -> Teller:
    """Tells mostly of document types and states that a rule is about, so that it has something to say."""
    named = next((test for key, test in one.plain["when"] if key == "type" and isinstance(test, list)), [])
    return Teller(chance, one.plain["for"], (*named * 3, *TYPES), (*one.plain["while"] * 5, *STATES))


def disagreement(
    one: Written,
    story: list[Plain],
    events: list[str],
    expected: list[engine.Message],
    got: list[engine.Message],
) -> str:
    """Rule, story, expected and got, in text."""
    first = story[0]
    told = {key: first[key] for key in ("at", "office", "facts", "holder", "others", "cases")}
    lines = ["", one.text]
    if "in force" in one.plain:
        lines.append(f"in force since {one.plain['in force']}")
    lines += [f"  {key}: {value}" for key, value in told.items()]
    lines += [f"  zones: { {number: party['zone'] for number, party in first['parties'].items() if party['zone']} }"]
    lines += [f"  {role['role']} {role['party']} {role['from'] or ''} {role['until'] or ''}" for role in first["roles"]]
    lines += ["then", *(f"  {event}" for event in events)]
    for name, these in (
        ("only the words", Counter(expected) - Counter(got)),
        ("only the engine", Counter(got) - Counter(expected)),
    ):
        lines += [name, *(f"  {message}" for message in sorted(these.elements()))]
    lines += ["both", *(f"  {message}" for message in sorted((Counter(got) & Counter(expected)).elements()))]
    return "\n".join(lines) + "\n"
