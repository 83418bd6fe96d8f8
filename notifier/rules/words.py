"""What the parser takes from the vocabulary, and the nearest right word for a wrong one."""

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher

from notifier.model import Channel, SubjectKind
from notifier.rules.rule import Unit
from notifier.rules.vocabulary import VOCABULARY, Language, Part, english

#: Singular and plural; both are accepted after any number.
UNIT_WORDS: Mapping[str, Unit] = {
    spelled: Unit(word.english) for word in VOCABULARY[Part.UNIT] for spelled in word.spellings(Language.ENGLISH)
}
CHANNEL_WORDS: Mapping[str, Channel] = {word: Channel(word) for word in english(Part.CHANNEL)}
WEEKDAYS = english(Part.WEEKDAY)
LEGAL_BASES = english(Part.BASIS)
#: No permit lasts longer than a century; a larger number is a slip, and dates would run out of the calendar.
LARGEST_COUNT: Mapping[Unit, int] = {
    Unit.MINUTE: 52_560_000,
    Unit.HOUR: 876_000,
    Unit.DAY: 36_500,
    Unit.WORKING_DAY: 25_000,
    Unit.WEEK: 5_200,
    Unit.MONTH: 1_200,
    Unit.YEAR: 100,
}

#: Dates of a subject that a phrase may count from, and whose they are.
PERMIT_NOUNS = ("expiry", "issue", "arrival", "departure deadline", "recommended day", "anniversary")
CASE_NOUNS = (
    "submission",
    "payment",
    "payment deadline",
    "documents deadline",
    "appointment",
    "service deadline",
    "collection deadline",
    "issue",
    "closing",
)
DEADLINE = "deadline"
NOUNS = tuple(dict.fromkeys((*PERMIT_NOUNS, *CASE_NOUNS, DEADLINE)))
PERMIT_EVENTS = ("window opens", "window closes")
CASE_EVENTS = ("state begins",)
HOLDER_TURNS = "holder turns"
EVENTS = (*PERMIT_EVENTS, *CASE_EVENTS, HOLDER_TURNS)
#: Anchors that are a point in time; every other one is a day of the office (S2). `deadline` depends on the rule.
INSTANT_ANCHORS = frozenset({"submission", "payment", "payment deadline", "appointment", "state begins", "closing"})
#: Anchors that are looked up in the windows file.
WINDOW_ANCHORS = frozenset({"window opens", "window closes", "recommended day"})

REQUIRED_KEYS = ("rule", "title", "legal basis", "for", "to", "via", "template", "steps")
#: What a step may say, in the order in which it is written.
STEP_KEYS = (
    *("send", "time", "closed", "enabled", "only after", "when", "unless", "to", "via", "template"),
    *("late", "urgent", "digest", "at most"),
)
_STEPS_ONLY = ("send", "only after", "at most")
#: What a rule may say, in the order in which it is written.
RULE_KEYS = tuple(key for key in english(Part.KEY) if key not in _STEPS_ONLY)

#: What may stand in a phrase and is no fixed word; shown to people as it is.
A_NUMBER = "a number"
A_TIME = "a time like 08:15"
A_DAY = "a day like 2026-01-31"
KINDS = frozenset({A_NUMBER, A_TIME, A_DAY})

#: From this likeness on a wrong word counts as a misspelling of a right one.
LIKE_ENOUGH = 0.6

#: What people write for a word of the language. Used only where the word on the right may stand.
SYNONYMS: Mapping[str, str] = {
    "at": "on",
    "in": "within",
    "fortnight": "weeks",
    "fortnights": "weeks",
    "hr": "hours",
    "hrs": "hours",
    "min": "minutes",
    "mins": "minutes",
    "till": "until",
    "to": "until",
    "starting": "from",
    "since": "from",
    "expires": "expiry",
    "expiration": "expiry",
    "issued": "issue",
    "e-mail": "email",
    "mail": "email",
    "wa": "whatsapp",
    "text": "sms",
    "prior": "before",
    "immediately": "at once",
    "now": "at once",
    "turns": "holder turns",
    "business day": "working day",
    "business days": "working days",
    "true": "yes",
    "on": "yes",
    "false": "no",
    "off": "no",
    "none": "no",
    "null": "missing",
    "empty": "missing",
    "filed": "open case",
    "applied": "open case",
    "weekly": "every",
    "daily": "every",
    "present": "exists",
    "recipients": "to",
    "channels": "via",
    "condition": "when",
    "if": "when",
    "except": "unless",
    "name": "rule",
    "description": "purpose",
    "about": "for",
    "subject": "for",
}


def nouns_of(subject: SubjectKind) -> tuple[str, ...]:
    """The dates that a subject of that kind has; `deadline` is every rule's own."""
    return (*(PERMIT_NOUNS if subject is SubjectKind.PERMIT else CASE_NOUNS), DEADLINE)


def events_of(subject: SubjectKind) -> tuple[str, ...]:
    """The events that happen to a subject of that kind."""
    return (*(PERMIT_EVENTS if subject is SubjectKind.PERMIT else CASE_EVENTS), HOLDER_TURNS)


def likeness(word: str, choice: str) -> float:
    """How like the two words are, from 0 to 1; case, `_` and `-` do not count as differences."""
    plain = _plain(word)
    if SYNONYMS.get(plain) == choice:
        return 1.0
    return SequenceMatcher(None, plain[:60], _plain(choice)).ratio()


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that was most likely meant, or None if none is like enough."""
    best = max(choices, key=lambda choice: likeness(word, choice), default=None)
    return best if best is not None and likeness(word, best) >= LIKE_ENOUGH else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: the nearest right one, else what may stand there."""
    known = tuple(dict.fromkeys(choices))
    near = nearest(word, known)
    if near is not None:
        return f'did you mean "{near}"?'
    return f"write {listed(known)}" if known else "take it out"


def listed(words: Iterable[str], most: int = 6) -> str:
    """The words quoted, with "or" before the last; long lists are cut, a singular beside its plural is left out."""
    given = tuple(words)
    quoted = [word if word in KINDS else f'"{word}"' for word in given if f"{word}s" not in given]
    if len(quoted) > most:
        return ", ".join(quoted[:most]) + " …"
    return " or ".join(filter(None, [", ".join(quoted[:-1]), *quoted[-1:]]))


def _plain(word: str) -> str:
    return " ".join(word.casefold().replace("_", " ").replace("-", " ").split())
