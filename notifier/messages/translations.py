"""Which text a translation was made from, and whether that text has changed since.

The first line of a translation says so, its seal: `{# from en 3f9a1c2b #}` in a text, `# from en 3f9a1c2b` in a
WhatsApp manifest. The eight digits are the fingerprint of the original as the translator had it. Pure.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from notifier.errors import Fault
from notifier.messages.languages import REQUIRED
from notifier.messages.library import SHARED, Library, words_path
from notifier.messages.whatsapp import read_manifest
from notifier.model import Channel

#: What a text is translated from where its writer says nothing else.
USUAL_ORIGIN = {"en": "id"}
_OTHERWISE = "en"

_REMEDY = "then seal it: notifier rules texts --seal FILE"
_SEAL = re.compile(r"(?:\{# from (\S+) ([0-9a-f]{8}) #\}|# from (\S+) ([0-9a-f]{8}))[ \t]*(?:\r?\n|$)")
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_SHARED_TEXT = re.compile(rf"(?P<name>{SHARED}/[^.]+)\.(?P<language>[A-Za-z-]+)\.txt")


class State(StrEnum):
    """How a text stands to the one it was made from."""

    ORIGINAL = "original"
    CURRENT = "current"
    STALE = "stale"
    UNSEALED = "not sealed"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Written:
    """One file with words in it. `channel` is "" for the pieces that several texts share."""

    template: str
    channel: str
    language: str
    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One template in one channel and language, there or not. `origin` is the language it was made from, if it says."""

    template: str
    channel: str
    language: str
    file: str
    state: State
    origin: str = ""


def fingerprint(text: str, file: str) -> str:
    """Eight digits for the words of a text: comments, seals and the provider's content_sid do not count."""
    if file.endswith(".yaml"):
        manifest, _ = read_manifest(text, file)
        if manifest is not None:
            text = "\n".join([manifest.body, *(f"{each.number} {each.template}" for each in manifest.variables)])
    lines = (line.rstrip() for line in _COMMENT.sub("", text).strip().splitlines())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]


def seal_of(text: str) -> tuple[str, str] | None:
    """The language and fingerprint on the first line, or None."""
    found = _SEAL.match(text)
    return (found[1] or found[3], found[2] or found[4]) if found else None


def with_seal(text: str, file: str, language: str, digest: str) -> str:
    """The text with this seal on its first line, in place of an older one."""
    mark = f"# from {language} {digest}" if file.endswith(".yaml") else f"{{# from {language} {digest} #}}"
    return f"{mark}\n{_SEAL.sub('', text, count=1) if _SEAL.match(text) else text}"


def written(library: Library) -> list[Written]:
    """Every text of a folder, the shared ones too."""
    found = [
        Written(named["name"], "", named["language"], file, text)
        for path, (text, file) in library.shared.items()
        if (named := _SHARED_TEXT.fullmatch(path))
    ]
    return found + [Written(each.name, each.channel, each.language, each.file, each.text) for each in library.sources]


def origin_of(text: Written) -> str:
    """The language a text is to be sealed from: the one it names, else English, and of English the Indonesian."""
    seal = seal_of(text.text)
    return seal[0] if seal else USUAL_ORIGIN.get(text.language, _OTHERWISE)


def standings(library: Library) -> list[Standing]:
    """How every text stands, and which are missing beside their siblings; sorted by template, channel, language."""
    texts = written(library)
    by_place = {(each.template, each.channel, each.language): each for each in texts}
    found = [_standing(each, by_place) for each in texts]
    found += _missing(texts, by_place.keys())
    return sorted(found, key=lambda each: (each.template, each.channel, each.language))


def language_faults(library: Library) -> list[Fault]:
    """A fault for each text that is missing beside its siblings, stale, or does not say what it was made from.

    None of them stops a message: an older translation is better than none. So they are found by `check` alone.
    """
    faults = [fault for each in standings(library) if (fault := _fault(each)) is not None]
    return faults + _words_lacking(library)


def _standing(text: Written, by_place: Mapping[tuple[str, str, str], Written]) -> Standing:
    seal = seal_of(text.text)
    origin = by_place.get((text.template, text.channel, seal[0])) if seal and seal[0] != text.language else None
    if seal is None:
        state = State.ORIGINAL if text.language in REQUIRED else State.UNSEALED
    elif origin is None:
        state = State.UNSEALED
    else:
        state = State.CURRENT if fingerprint(origin.text, origin.file) == seal[1] else State.STALE
    return Standing(text.template, text.channel, text.language, text.file, state, seal[0] if seal else "")


def _missing(texts: list[Written], present: Iterable[tuple[str, str, str]]) -> list[Standing]:
    """Required languages are missed when the folder is read; here the others, channel by channel."""
    present = frozenset(present)
    languages: dict[str, set[str]] = {}
    channels: dict[tuple[str, str], str] = {}
    for each in texts:
        if each.channel:
            languages.setdefault(each.template, set()).add(each.language)
            channels[each.template, each.channel] = each.file
    return [
        Standing(template, channel, language, _named(file, channel, language), State.MISSING)
        for (template, channel), file in channels.items()
        for language in languages[template] - set(REQUIRED)
        if (template, channel, language) not in present
    ]


def _named(file: str, channel: str, language: str) -> str:
    ending = "yaml" if channel == Channel.WHATSAPP else "txt"
    return PurePosixPath(file).with_name(f"{channel}.{language}.{ending}").as_posix()


def _fault(standing: Standing) -> Fault | None:
    name = PurePosixPath(standing.file).name
    made_from = name.replace(f".{standing.language}.", f".{standing.origin}.")
    match standing.state:
        case State.MISSING:
            wanted = f"{standing.template} is written in {standing.language!r}, but not for {standing.channel}"
            return Fault(standing.file, 1, 1, f"{wanted}; write this file, or its readers get English there")
        case State.UNSEALED if standing.origin:
            return Fault(standing.file, 1, 1, f"translated from {made_from}, which is not there; {_REMEDY}")
        case State.UNSEALED:
            return Fault(standing.file, 1, 1, f"does not say which text it was translated from; compare it, {_REMEDY}")
        case State.STALE:
            return Fault(standing.file, 1, 1, f"translated from an older {made_from}; look at it again, {_REMEDY}")
        case _:
            return None


def _words_lacking(library: Library) -> list[Fault]:
    """Words that English has and another language has not: its readers would see English in the middle of a line."""
    english = library.words.get("en", {})
    return [
        Fault(library.shared[words_path(language)][1], 1, 1, f"the word {word!r} is missing; English has it")
        for language, words in library.words.items()
        if language not in REQUIRED and words_path(language) in library.shared
        for word in english
        if word not in words and not word.startswith("one more ")
    ]
