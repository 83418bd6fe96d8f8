"""What was expected beside what came, in order of time, each difference with its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from notifier.rehearsal.answers import Asked, Said
from notifier.rehearsal.script import Expected, Scene, Silence, channels_in_words
from notifier.rehearsal.tally import Left

NOTHING = "—"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the comparison: when, what was expected, what came; `is_fault` where the two differ."""

    at: str
    expected: str
    got: str
    is_fault: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """An expected message and the one that stands for it; one of the two may be missing. `at`: when."""

    at: datetime
    expected: Expected | None
    got: Left | None


def pair(expected: Sequence[Expected], left: Sequence[Left]) -> list[Pair]:
    """Each expected message with the one that left then for the same step and person."""
    open_ones = list(left)
    pairs = []
    for one in expected:
        found = next((got for got in open_ones if _stands_for(one, got)), None)
        if found is not None:
            open_ones.remove(found)
        pairs.append(Pair(one.at, one, found))
    pairs += [Pair(got.at, None, got) for got in open_ones]
    return sorted(pairs, key=lambda one: one.at)


def _stands_for(one: Expected, got: Left) -> bool:
    return (
        (one.at, one.rule, one.step, one.who) == (got.at, got.rule, got.step, got.who)
        and one.occurrence in (None, got.occurrence)
        and (not one.about or set(one.about) == set(got.about))
    )


def question_about(one: Expected) -> Asked:
    """What to ask `explain` about an expected message that did not leave."""
    about = one.about[0] if one.about else None
    return Asked(one.at, one.rule, one.step, one.who, about, one.occurrence)


def question_of(one: Silence, ends: datetime) -> Asked:
    """What to ask `explain` about an expected silence."""
    return Asked(one.at or ends, one.rule, one.step, one.who, one.about, one.occurrence)


def lines(scene: Scene, pairs: Sequence[Pair], said: Mapping[Asked, Sequence[Said]], *, many: bool) -> list[Line]:
    """The comparison for people. `many`: several rules are under test, so that each line names its own."""
    found = []
    for one in pairs:
        expected, got = one.expected, one.got
        at = on_clock(one.at, scene.zone)
        if expected is None and got is not None:
            found.append(Line(at, NOTHING, spoken(got, many=True, about=True), True))
        elif expected is not None and got is None:
            found.append(Line(at, _spoken(expected, many), _why_not(scene, expected, pairs, said), True))
        elif expected is not None and got is not None:
            differing = differences(expected, got)
            mine = spoken(got, many=many, about=bool(expected.about))
            found.append(Line(at, _spoken(expected, many), "; ".join([mine, *differing]), bool(differing)))
    return found


def differences(expected: Expected, got: Left) -> list[str]:
    """What is not as expected about a message that left at its time."""
    found = []
    if expected.channels != got.channels:
        found.append(f"expected by {channels_in_words(expected.channels)}")
    if expected.language not in (None, got.language):
        found.append(f"in {got.language}, not {expected.language}")
    for text in expected.says:
        silent = [one for one in got.texts if text not in one]
        if silent:
            found.append(f'does not say "{text}" but: {_shortened(silent[0])}')
    return found


def _why_not(scene: Scene, expected: Expected, pairs: Sequence[Pair], said: Mapping[Asked, Sequence[Said]]) -> str:
    """Why an expected message did not leave at its time: it left at another, or what `explain` said then."""
    others = [one.got for one in pairs if one.expected is None and one.got is not None]
    same = (expected.rule, expected.step, expected.who)
    elsewhere = [got for got in others if (got.rule, got.step, got.who) == same]
    if elsewhere:
        return f"{NOTHING} (it left at {on_clock(elsewhere[0].at, scene.zone)})"
    answers = dict.fromkeys(f"{one.subject}: {one.reason}" for one in said.get(question_about(expected), ()))
    reason = "; ".join(answers) or "the rule has no such step for this person; look at its `to`"
    return f"{NOTHING} ({reason})"


def silence_line(scene: Scene, one: Silence, left: Sequence[Left], said: Mapping[Asked, Sequence[Said]]) -> Line:
    """An expected silence beside what `explain` said, or the message that broke it."""
    told = [
        got
        for got in left
        if (got.rule, got.step, got.who) == (one.rule, one.step, one.who)
        and one.occurrence in (None, got.occurrence)
        and (one.about is None or one.about in got.about)
    ]
    expected = f"silent: {one.step} to {one.who}: {one.reason}"
    at = "" if one.at is None else on_clock(one.at, scene.zone)
    if told and one.at is None:
        return Line(at, expected, f"it left at {on_clock(told[0].at, scene.zone)}", True)
    answers = said.get(question_of(one, scene.ends), ())
    for answer in answers:
        if _is_reason(one.reason, answer.reason) or _is_reason(one.reason, answer.words):
            return Line(at, expected, answer.reason, False)
    got = "; ".join(dict.fromkeys(answer.reason for answer in answers))
    return Line(at, expected, got or f"{NOTHING} (nothing speaks of it)", True)


def _is_reason(expected: str, got: str) -> bool:
    """The whole reason, or its beginning up to a colon: "pointless" for "pointless: status: renewed"."""
    mine, theirs = expected.casefold(), got.casefold()
    return mine == theirs or theirs.startswith(f"{mine}:")


def spoken(got: Left, *, many: bool, about: bool) -> str:
    """A message that left, in the form in which tests are written."""
    step = got.step if got.occurrence is None else f"{got.step}#{got.occurrence}"
    name = f"{got.rule}/{step}" if many else step
    tail = f" about {', '.join(got.about)}" if about else ""
    return f"{name} to {got.who} by {channels_in_words(got.channels)}{tail}"


def _spoken(one: Expected, many: bool) -> str:
    step = one.step if one.occurrence is None else f"{one.step}#{one.occurrence}"
    name = f"{one.rule}/{step}" if many else step
    tail = f" in {one.language}" if one.language else ""
    tail += f" about {', '.join(one.about)}" if one.about else ""
    tail += " saying " + " and ".join(f'"{text}"' for text in one.says) if one.says else ""
    return f"{name} to {one.who} by {channels_in_words(one.channels)}{tail}"


def on_clock(at: datetime, zone: ZoneInfo) -> str:
    """An instant as tests write it."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _shortened(text: str, most: int = 160) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[:most]} …"
