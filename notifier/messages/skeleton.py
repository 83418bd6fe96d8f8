"""Skeletons: the words of an e-mail rendered once for all whose messages differ in names and numbers only.

On a day, thousands of people of an office get the same letter; rendering it takes 300 us, filling in a name takes ten.
A skeleton comes from renderings with stand-ins for what is personal. It is only used when every stand-in came through
untouched, whatever its length: a template that asks something of a name is rendered in full each time. So is a name
that could mean something in a letter (a stroke, a colon), and now and then any message, to compare the two.
"""

import logging
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from operator import attrgetter
from typing import Any, NoReturn, cast

from markupsafe import escape

from notifier.errors import TemplateError
from notifier.messages.email import LONGEST_SUBJECT, Words
from notifier.messages.facts import CaseFacts, DocumentFacts, HolderFacts, MessageFacts, OfficeFacts, RecipientFacts
from notifier.messages.library import Source

log = logging.getLogger(__name__)

#: How many skeletons are kept, and how many letters are remembered that were written once.
KEPT, REMEMBERED = 256, 1024
#: Every so many fillings of a skeleton one is compared with the message rendered in full.
COMPARED_EACH = 256

#: What is personal, by the record it is in; the last part of the opt-out link besides.
_PERSONAL: Mapping[str, tuple[str, ...]] = {
    "recipient": ("name",),
    "holder": ("name", "name_short"),
    "document": ("number", "number_masked"),
    "case": ("number", "number_masked"),
}
#: What differs from office to office. One of these that could mean something in a letter is part of the key instead.
_OF_OFFICE = ("name", "short_name", "phone", "address", "website")
_office_values = attrgetter(*_OF_OFFICE)
_rest_of_office = attrgetter(*(one.name for one in fields(OfficeFacts) if one.name not in _OF_OFFICE))
#: The rest of the personal records goes into the key of a skeleton.
_IMPERSONAL: Mapping[str, Callable[[Any], Hashable]] = {
    name: attrgetter(*(one.name for one in fields(record) if one.name not in _PERSONAL[name]), "__class__")
    for name, record in (
        ("recipient", RecipientFacts),
        ("holder", HolderFacts),
        ("document", DocumentFacts),
        ("case", CaseFacts),
    )
}
_OTHER_NAMES = tuple(
    one.name for one in fields(MessageFacts) if one.name not in (*_PERSONAL, "office", "optout_url", "others")
)
#: Facts that a text may speak of without naming them, through `portal`, `items` and the links of the layout.
_INDIRECT = frozenset(
    {"today", "act_by", "appointment_at", "payment_due_at", "documents_due_on", "collect_by"}
    | {"service_due_on", "portal_url", "survey_url", "verify_url"}
)
#: A name or number that means nothing in a letter: no mark, no row, no link, one line.
_HARMLESS = re.compile(r"[^\s#>|:<-][^|:<>]{0,79}")
_TO_ESCAPE = re.compile(r"""[&<>'"]""")
_TOKEN = re.compile(r"(https?://[^?#]*/)([A-Za-z0-9_-]{6,})")
_WEBSITE = re.compile(r"https://[A-Za-z0-9./-]{1,70}")

#: Renders in full.
Render = Callable[[MessageFacts], Words]


class _Opaque(str):
    """A stand-in that a template may print and nothing else."""

    __slots__ = ()

    def _asked(self, *_: object, **__: object) -> NoReturn:
        raise TemplateError("a template asks something of a name")

    def __bool__(self) -> bool:
        return True

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _asked
    __len__ = __contains__ = __getitem__ = __iter__ = __mul__ = __mod__ = _asked
    upper = lower = capitalize = title = strip = split = startswith = endswith = _asked


class _StandInOffice:
    """An office with stand-ins for its words, for the short name too, which `OfficeFacts` works out by itself."""

    def __init__(self, office: OfficeFacts, values: Sequence[str | None]) -> None:
        self.hours_today, self.zone_label = office.hours_today, office.zone_label
        self.name, self.short_name, self.phone, self.address, self.website = values


@dataclass(frozen=True, slots=True)
class _Part:
    """A text with gaps: `form` takes the values at `places`, two for each personal value (as it is, escaped)."""

    form: str
    places: tuple[int, ...]

    def fill(self, values: tuple[str, ...]) -> str:
        return self.form % tuple([values[place] for place in self.places])


@dataclass(slots=True)
class _Skeleton:
    subject: _Part
    text: _Part
    html: _Part
    calendar: str | None
    used: int = 0

    def fill(self, values: tuple[str, ...]) -> Words:
        self.used += 1
        return Words(self.subject.fill(values), self.text.fill(values), self.html.fill(values), self.calendar)


class Skeletons:
    """The skeletons of one set of templates. `shared` are the texts that every letter may include."""

    def __init__(self, shared: str) -> None:
        self._shared = frozenset(re.findall(r"\w+", shared))
        self._kept: dict[Hashable, _Skeleton | None] = {}
        self._once: dict[Hashable, None] = {}
        self._others: dict[str, Callable[[MessageFacts], Hashable]] = {}
        self._given_up: set[str] = set()

    def words(self, source: Source, facts: MessageFacts, render: Render) -> Words:
        """The words of an e-mail: the same as `render` gives, mostly without rendering."""
        values = None if facts.others or source.path in self._given_up else _personal(facts)
        if values is None:
            return render(facts)
        key = self._key(source, facts, values)
        if key not in self._kept:
            return self._first(key, facts, values, render)
        skeleton = self._kept[key]
        if skeleton is None:
            return render(facts)
        words = skeleton.fill(_with_escaped(values))
        if len(words.subject) > LONGEST_SUBJECT:
            return render(facts)
        if skeleton.used % COMPARED_EACH == 1 and (full := render(facts)) != words:
            log.error("the skeleton of %s differs from its text and is given up", source.file)
            self._given_up.add(source.path)
            return full
        return words

    def _first(self, key: Hashable, facts: MessageFacts, values: tuple[str, ...], render: Render) -> Words:
        """A letter that comes but once is rendered once; for the second of its kind a skeleton is made."""
        if key in self._once:
            self._kept[key] = _build(facts, values, render)
            _shorten(self._kept, KEPT)
        else:
            self._once[key] = None
            _shorten(self._once, REMEMBERED)
        return render(facts)

    def _key(self, source: Source, facts: MessageFacts, values: tuple[str, ...]) -> Hashable:
        """Everything the letter may depend on besides the personal values: of these, which are the same."""
        others = self._others.get(source.path)
        if others is None:
            words = self._shared | set(re.findall(r"\w+", source.text))
            names = [name for name in _OTHER_NAMES if name in words or name in _INDIRECT]
            others = self._others[source.path] = attrgetter(*names, "__class__")
        office = facts.office
        return (
            source.path,
            others(facts),
            _rest_of_office(office),
            tuple([value for value, gap in zip(_office_values(office), values[OFFICE:TOKEN], strict=True) if not gap]),
            *(part(getattr(facts, name)) for name, part in _IMPERSONAL.items() if getattr(facts, name) is not None),
            facts.document is None,
            facts.optout_url[: -len(values[TOKEN])] if values[TOKEN] else "",
            tuple([values.index(value) for value in values]),
            tuple(map(bool, values)),
            len(values[TOKEN]),
        )


def _shorten(kept: dict[Hashable, Any], most: int) -> None:
    while len(kept) > most:
        kept.pop(next(iter(kept)), None)


#: Places of the first value of the office and of the token of the opt-out link among the values.
OFFICE, TOKEN = 7, 12


def _personal(facts: MessageFacts) -> tuple[str, ...] | None:
    """What is filled in, "" for what is not there; None when a value of a person could mean something in a letter."""
    document, case = facts.document, facts.case
    values = (
        facts.recipient.name,
        facts.holder.name,
        facts.holder.name_short,
        document.number if document else "",
        document.number_masked if document else "",
        case.number if case else "",
        case.number_masked if case else "",
    )
    for value in values:
        if value and not _is_harmless(value):
            return None
    link = _TOKEN.fullmatch(facts.optout_url) if facts.optout_url else None
    if facts.optout_url and not link:
        return None
    links = (facts.portal_url, facts.survey_url, facts.verify_url, link[1] if link else "")
    return (*values, *_of_office(facts.office, links), link[2] if link else "")


def _is_harmless(value: str) -> bool:
    return bool(_HARMLESS.fullmatch(value)) and value.isprintable() and " ".join(value.split()) == value


@lru_cache(maxsize=4096)
def _of_office(office: OfficeFacts, links: tuple[str, ...]) -> tuple[str, ...]:
    """What is filled in of an office; "" for what stays in its skeleton."""
    *words, website = _office_values(office)
    found = [value if value and _is_harmless(value) else "" for value in words]
    is_apart = not any(website and link and (website in link or link in website) for link in links)
    is_link = bool(website and _WEBSITE.fullmatch(website)) and is_apart
    return (*found, website if is_link or (website and _is_harmless(website)) else "")


def _with_escaped(values: tuple[str, ...]) -> tuple[str, ...]:
    return values + tuple([str(escape(value)) if _TO_ESCAPE.search(value) else value for value in values])


def _build(facts: MessageFacts, values: tuple[str, ...], render: Render) -> _Skeleton | None:
    """The skeleton, from three renderings with stand-ins of three lengths; None when they do not agree."""
    try:
        made = [_dissected(facts, values, render, length) for length in (0, 9, 40)]
    except TemplateError:
        return None
    first = made[0]
    if any(one != first for one in made):
        return None
    return first


def _dissected(facts: MessageFacts, values: tuple[str, ...], render: Render, length: int) -> _Skeleton:
    stand_ins = [_stand_in(values.index(value), value, length, place == TOKEN) for place, value in enumerate(values)]
    words = render(_with(facts, values, stand_ins))
    gaps: dict[str, int] = {}
    for place, stand_in in enumerate(stand_ins):
        if stand_in and place == values.index(values[place]):
            gaps[stand_in] = place
            gaps.setdefault(str(escape(stand_in)), place + len(values))
    pattern = re.compile("|".join(map(re.escape, sorted(gaps, key=len, reverse=True))) or r"(?!)")
    subject, text, html = (_part(each, pattern, gaps) for each in (words.subject, words.text, words.html))
    return _Skeleton(subject, text, html, words.calendar)


def _stand_in(number: int, value: str, length: int, is_token: bool) -> str:
    if not value:
        return ""
    if is_token:  # tokens have one length, and it must stay the same
        return f"Qz{length}".ljust(len(value), "q")
    if value.startswith("https://"):
        return f"https://q{number}z{'w' * length}.example"
    return f"Q{number}&" + ("x" + "wq zx"[: length % 5] + "w" * length if length else "z")


def _part(text: str, pattern: re.Pattern[str], gaps: Mapping[str, int]) -> _Part:
    places = tuple(gaps[found] for found in pattern.findall(text))
    return _Part(pattern.sub("\0", text).replace("%", "%%").replace("\0", "%s"), places)


def _with(facts: MessageFacts, values: tuple[str, ...], stand_ins: list[str]) -> MessageFacts:
    """The facts with opaque stand-ins for what is personal."""
    opaque: list[str] = [_Opaque(one) if one else one for one in stand_ins]
    to, name, short, number, masked, case_number, case_masked = opaque[:OFFICE]
    case, document = facts.case, facts.document
    # Links are looked for in the text, and must be plain strings.
    links = [str.__str__(one) if one[:8] == "https://" else None for one in stand_ins]
    office = [
        links[place] or opaque[place] or value
        for place, value in zip(range(OFFICE, TOKEN), _office_values(facts.office), strict=True)
    ]
    return replace(
        facts,
        office=cast(OfficeFacts, _StandInOffice(facts.office, office)),
        recipient=replace(facts.recipient, name=to),
        holder=HolderFacts(name, short),
        document=replace(document, number=number, number_masked=masked) if document else None,
        case=replace(case, number=case_number, number_masked=case_masked) if case else None,
        optout_url=facts.optout_url[: -len(values[TOKEN])] + stand_ins[TOKEN] if values[TOKEN] else "",
    )
