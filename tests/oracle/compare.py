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
from tests.oracle.reading import Plain, read_rule
from tests.oracle.stories import END, Teller

#: Of every so many rules one was switched on in the middle of the years (S44).
#: Of these the register does not remember since when they are so, and `at once` counts from the cycle's beginning.
NOT_REMEMBERED = re.compile(
    r"\b(sponsor|agent|holder\.\w+|holder has( no)?|open case|case\.\w+|status|state|extendable|recommended day"
    r"|payment time):|: missing"
)
#: A rule must speak in so many of so many stories, or nothing would be compared.
SPEAKS, TRIED = 3, 8
KINDS = ("permit", "case", "permit", "case", "permit")
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


def written(chance: Random, name: str, kind: str, folder: Path) -> Written:
    """A rule that speaks in enough stories; any other is drawn again."""
    while True:
        one = drawn(chance, name, kind, folder)
        if one is not None and speaks(one, chance) >= SPEAKS:
            return one


def drawn(chance: Random, name: str, kind: str, folder: Path) -> Written | None:
    """A rule, or None when the loader refuses it or its `at once` asks what the register does not remember."""
    text = RuleWriter(chance, name, kind).write()
    if "send: at once" in text and NOT_REMEMBERED.search(text):
        return None
    loaded = engine.load(text, name, folder)
    return Written(text, read_rule(text), *loaded) if isinstance(loaded, tuple) else None


def speaks(one: Written, chance: Random) -> int:
    """In how many of some stories the rule tells anything at all, by its words."""
    stories = (teller(one, chance).tell() for _ in range(TRIED))
    return sum(bool(Walk(one.plain, story, END).told()) for story in stories)


@cache
def rules_of(seed: int, count: int) -> tuple[Written, ...]:
    """The rules of a seed."""
    with tempfile.TemporaryDirectory() as folder:
        found = [written(Random(f"{seed} rule {n}"), f"rule-{n}", KINDS[n % 5], Path(folder)) for n in range(count)]
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


PRODUCTIONS = {
    **{word: rf"send: .*\b{word}\b" for word in ("at once", "halfway to", "every", "moves", "moves earlier")},
    **{f"on/when {word}": rf"send: (on|when) {word}" for word in ("expiry", "window", "holder turns", "state begins")},
    **{
        f"unit {word}": rf"\b\d+ {word}s? (before|after)" for word in ("minute", "hour", "day", "week", "month", "year")
    },
    "unit working day": r"\d+ working days? (before|after)",
    "last working day before": r"last working day before",
    **{f"deadline at {word}": rf"deadline: .* at {word}" for word in ("closing time", r"\d\d:\d\d")},
    **{key: rf"\b{key}:" for key in ("while", "deadline", "anniversary", "correction", "from", "until", "offices")},
    **{key: rf"\b{key}:" for key in ("time", "closed", "late", "urgent", "only after", "at most", "enabled")},
    **{f"late {word}": rf"late: {word}" for word in ("newest", "send", "skip")},
    "late within": r"late: .* within",
    **{f"closed {word}": rf"closed: {word}" for word in ("earlier", "later", "ignore")},
    **{f"group {word}": rf"\b{word}:\n" for word in ("any", "all", "none", "holder has", "holder has no")},
    **{f"test {word}": rf": {word}" for word in ("exists", "missing", "past", "within last", "within \\d", "beyond")},
    **{f"test {word}": rf": {word}" for word in ("more than \\d+ [a-z ]+ ago", "before \\d", "after \\d", "at least")},
    "test not": r"\{not:",
    **{
        f"to {word}": rf"to: .*\b{word}\b"
        for word in ("holder", "sponsor", "guardian", "agent", "payer", "officer", "desk")
    },
}


def productions(texts: list[str]) -> dict[str, int]:
    """In how many rules each production of the grammar stands."""
    return {name: sum(bool(re.search(pattern, text)) for text in texts) for name, pattern in PRODUCTIONS.items()}
