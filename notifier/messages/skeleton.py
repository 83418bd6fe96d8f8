"""Skeletons: the words of an e-mail or SMS rendered once for all whose messages differ in names and numbers only.

On a day, thousands of people of an office get the same letter; rendering it takes 300 us, filling in a name takes ten.
A skeleton comes from renderings with stand-ins for what is personal. It is only used when every stand-in came through
untouched, whatever its length: a template that asks something of a name is rendered in full each time. So is a name
that could mean something in a letter (a stroke, a colon), and now and then any message, to compare the two.
"""

import logging
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any, NoReturn, cast

from markupsafe import escape

from notifier.errors import TemplateError
from notifier.messages.email import LONGEST_SUBJECT, Words
from notifier.messages.facts import (
    CaseFacts,
    DocumentFacts,
    HolderFacts,
    MessageFacts,
    OfficeFacts,
    Persons,
    RecipientFacts,
    with_persons,
)
from notifier.messages.library import Source
from notifier.model import Filled, Form, Part

log = logging.getLogger(__name__)

#: How many skeletons are kept, and how many letters are remembered that were written once.
KEPT, REMEMBERED = 1024, 4096
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
#: Places among the values of a letter: of the first one of the office, after "" and what is the person's own; and of
#: the token of the opt-out link, behind the office.
OFFICE = len(Persons._fields)
TOKEN = OFFICE + len(_OF_OFFICE)
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
#: A name or number that means nothing in a letter: no mark, no row, no link, one line, no blank but single ones.
_VALUE = r"[^\s#>|:<-](?:[^\s|:<>]| (?! |\||$)){0,79}"
_HARMLESS = re.compile(_VALUE)
#: All values of a person, in one look: none of them has the stroke that parts them.
_ALL_HARMLESS = re.compile(rf"(?:{_VALUE})?(?:\|(?:{_VALUE})?){{{len(Persons._fields) - 2}}}")
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


@dataclass(slots=True)
class _Skeleton:
    """A form whose gaps take some of the values of a letter, as they are or escaped."""

    form: Form
    uses: tuple[int, ...]
    calendar: str | None
    used: int = 0

    def fill(self, values: tuple[str, ...]) -> Words:
        self.used += 1
        taken = tuple([values[place] for place in self.uses])
        return Words(*self.form.fill(taken), self.calendar, Filled(self.form, taken))


class Alike:
    """What messages have in common that differ in their persons only: the facts of one of them, looked at once."""

    __slots__ = ("facts", "seen")

    def __init__(self, facts: MessageFacts) -> None:
        self.facts = facts
        #: By letter and by what stands before the token of the link: the common part of the key, the office's values.
        self.seen: dict[tuple[str, str], tuple[Hashable, tuple[str, ...]]] = {}


class Skeletons:
    """The skeletons of one set of templates. `shared` are the texts that every letter may include."""

    def __init__(self, shared: str) -> None:
        self._shared = frozenset(re.findall(r"\w+", shared))
        self._kept: dict[Hashable, _Skeleton | None] = {}
        self._once: dict[Hashable, None] = {}
        self._others: dict[str, Callable[[MessageFacts], Hashable]] = {}
        self._given_up: set[str] = set()

    def words(self, source: Source, alike: Alike, persons: Persons, render: Render) -> Words:
        """The words of a message: the same as `render` gives, mostly without rendering."""
        found = None if alike.facts.others or source.path in self._given_up else self._look(source, alike, persons)
        if found is None:
            return render(with_persons(alike.facts, persons))
        key, values = found
        if key not in self._kept:
            return self._first(key, with_persons(alike.facts, persons), values, render)
        skeleton = self._kept[key]
        if skeleton is None:
            return render(with_persons(alike.facts, persons))
        words = skeleton.fill(_with_escaped(values))
        if len(words.subject) > LONGEST_SUBJECT:
            return render(with_persons(alike.facts, persons))
        if skeleton.used % COMPARED_EACH == 1 and (full := render(with_persons(alike.facts, persons))) != words:
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

    def _look(self, source: Source, alike: Alike, persons: Persons) -> tuple[Hashable, tuple[str, ...]] | None:
        """The key of a letter and what is filled in, "" for what is not there.

        None when a value of a person could mean something in a letter.
        """
        *own, link = persons
        joined = "|".join(own)
        if not _ALL_HARMLESS.fullmatch(joined) or not joined.isprintable():
            return None
        front = token = ""
        if link:
            parts = _TOKEN.fullmatch(link)
            if parts is None:
                return None
            front, token = parts.groups()
        known = alike.seen.get((source.path, front))
        if known is None:
            known = alike.seen[source.path, front] = self._common(source, alike.facts, front)
        common, of_office = known
        values = ("", *own, *of_office, token)
        # Which of the values are the same, and which are not there: then they are the same as the first.
        return (common, tuple(map(values.index, values)), len(token)), values

    def _common(self, source: Source, facts: MessageFacts, front: str) -> tuple[Hashable, tuple[str, ...]]:
        """Everything the letter may depend on besides the values that are filled in, and those of the office."""
        others = self._others.get(source.path)
        if others is None:
            words = self._shared | set(re.findall(r"\w+", source.text))
            names = [name for name in _OTHER_NAMES if name in words or name in _INDIRECT]
            others = self._others[source.path] = attrgetter(*names, "__class__")
        office = facts.office
        gaps = _of_office(office, (facts.portal_url, facts.survey_url, facts.verify_url, front))
        key = (
            source.path,
            others(facts),
            _rest_of_office(office),
            tuple([value for value, gap in zip(_office_values(office), gaps, strict=True) if not gap]),
            *(part(getattr(facts, name)) for name, part in _IMPERSONAL.items() if getattr(facts, name) is not None),
            facts.document is None,
            front,
        )
        return key, gaps


def _shorten(kept: dict[Hashable, Any], most: int) -> None:
    while len(kept) > most:
        kept.pop(next(iter(kept)), None)


def _is_harmless(value: str) -> bool:
    return bool(_HARMLESS.fullmatch(value)) and value.isprintable()


def _of_office(office: OfficeFacts, links: tuple[str, ...]) -> tuple[str, ...]:
    """What is filled in of an office; "" for what stays in its skeleton."""
    *words, website = _office_values(office)
    found = [value if value and _is_harmless(value) else "" for value in words]
    is_apart = not any(website and link and (website in link or link in website) for link in links)
    is_link = bool(website and _WEBSITE.fullmatch(website)) and is_apart
    return (*found, website if is_link or (website and _is_harmless(website)) else "")


def _with_escaped(values: tuple[str, ...]) -> tuple[str, ...]:
    if not _TO_ESCAPE.search("\n".join(values)):
        return values + values
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
    whole = (words.subject, words.text, words.html)
    uses = tuple(sorted({gaps[found] for each in whole for found in pattern.findall(each)}))
    places = {found: uses.index(place) for found, place in gaps.items() if place in uses}
    return _Skeleton(Form(*(_part(each, pattern, places) for each in whole)), uses, words.calendar)


def _part(text: str, pattern: re.Pattern[str], gaps: Mapping[str, int]) -> Part:
    return Part(tuple(pattern.split(text)), tuple([gaps[found] for found in pattern.findall(text)]))


def _stand_in(number: int, value: str, length: int, is_token: bool) -> str:
    if not value:
        return ""
    if is_token:  # tokens have one length, and it must stay the same
        return f"Qz{length}".ljust(len(value), "q")
    if value.startswith("https://"):
        return f"https://q{number}z{'w' * length}.example"
    return f"Q{number}&" + ("x" + "wq zx"[: length % 5] + "w" * length if length else "z")


def _with(facts: MessageFacts, values: tuple[str, ...], stand_ins: list[str]) -> MessageFacts:
    """The facts with opaque stand-ins for what is personal."""
    opaque: list[str] = [_Opaque(one) if one else one for one in stand_ins]
    link = facts.optout_url[: -len(values[TOKEN])] + stand_ins[TOKEN] if values[TOKEN] else ""
    # Links are looked for in the text, and must be plain strings.
    links = [str.__str__(one) if one[:8] == "https://" else None for one in stand_ins]
    office = [
        links[place] or opaque[place] or value
        for place, value in zip(range(OFFICE, TOKEN), _office_values(facts.office), strict=True)
    ]
    return replace(
        with_persons(facts, Persons._make([*opaque[1:OFFICE], link])),
        office=cast(OfficeFacts, _StandInOffice(facts.office, office)),
    )
