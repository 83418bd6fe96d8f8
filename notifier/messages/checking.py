"""What can be wrong with templates, found before anybody is written to: first in the text, then by rendering it."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from jinja2 import Environment, TemplateSyntaxError, nodes

from notifier.errors import Fault, TemplateError
from notifier.messages.email import LAYOUT_NAMES
from notifier.messages.envelope import Envelope
from notifier.messages.facts import SECRET, MessageFacts
from notifier.messages.languages import GSM_LANGUAGES
from notifier.messages.letter import CALENDAR_FACTS
from notifier.messages.library import Library, Source
from notifier.messages.placeholders import Placeholder, nearest, placeholders, unknown
from notifier.messages.samples import sample_envelope, sample_scenes
from notifier.messages.segments import GSM, foreign_characters, plain_character, room
from notifier.messages.whatsapp import Variable
from notifier.model import Channel, Message, SmsMessage

#: The word that ends WhatsApp messages must be in the last line of every WhatsApp text.
STOP_WORD = "BERHENTI"

_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_SUBJECT = re.compile(r"^Subject:[ \t]*\S", re.MULTILINE)
_CALENDAR = re.compile(r"^Calendar:[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_QUOTED = re.compile(r"'([^']+)'")
_PLACED = re.compile(r"(?P<file>.+?):(?P<line>\d+): (?P<message>.*)", re.DOTALL)
_PARTS_OF_OTHER_SCRIPTS = 2


class Composer(Protocol):
    """The part of `Templates` that checking needs."""

    def compose(
        self, name: str, channel: Channel, language: str, facts: MessageFacts, envelope: Envelope
    ) -> Message: ...


def static_faults(library: Library, environments: Mapping[str, Environment]) -> list[Fault]:
    """Faults seen in the texts alone."""
    faults: list[Fault] = []
    for path, (text, file) in library.shared.items():
        language = path.split(".")[-2] if path.count(".") > 1 else ""
        environment = environments.get(language) or next(iter(environments.values()), None)
        if environment is not None and not path.endswith(".yaml"):
            extra = LAYOUT_NAMES if path.endswith(".html") else frozenset[str]()
            tree, found = _parse(environment, text, file)
            faults += found
            faults += _unknown_names(tree, text, file, extra)
    for source in library.sources:
        if (environment := environments.get(source.language)) is not None:
            faults += _static_faults_of(source, environment)
    return faults


def rendering_faults(composer: Composer, sources: Sequence[Source]) -> list[Fault]:
    """Faults seen only once sample facts are in; of each kind and file the first."""
    scenes = sample_scenes()
    return [fault for source in sources for fault in _first_of_kind(_rendered(composer, source, scenes))]


def _static_faults_of(source: Source, environment: Environment) -> list[Fault]:
    if source.channel is Channel.WHATSAPP:
        variables = source.manifest.variables if source.manifest else ()
        faults = [fault for each in variables for fault in _variable_faults(source, each, environment)]
        return faults + _stop_word_faults(source)
    tree, faults = _parse(environment, source.text, source.file)
    faults += _unknown_names(tree, source.text, source.file)
    if source.channel is Channel.SMS:
        faults += _secrets(tree, source) + _costly_characters(source)
    else:
        faults += _header_faults(source)
    return faults


def _parse(environment: Environment, text: str, file: str) -> tuple[nodes.Template | None, list[Fault]]:
    try:
        tree = environment.parse(text)
    except TemplateSyntaxError as error:
        said = (error.message or "not a template").split(". ")[0].rstrip(".")
        named = _QUOTED.search(said)
        column = _column(text, error.lineno, f"{named[1]}" if named else "{")
        return None, [Fault(file, error.lineno, column, f"{said}; check the braces and tags")]
    known = environment.filters
    return tree, [
        Fault(
            file,
            each.lineno,
            _column(text, each.lineno, each.name),
            f"no filter is called {each.name!r}{nearest(each.name, known)}",
        )
        for each in tree.find_all(nodes.Filter)
        if each.name not in known
    ]


def _variable_faults(source: Source, variable: Variable, environment: Environment) -> list[Fault]:
    tree, faults = _parse(environment, variable.template, source.file)
    faults += _unknown_names(tree, variable.template, source.file) + _secrets(tree, source)
    return [replace(fault, line=variable.line, column=variable.column) for fault in faults]


def _unknown_names(
    tree: nodes.Template | None, text: str, file: str, extra: frozenset[str] = frozenset()
) -> list[Fault]:
    return [
        Fault(file, each.line, _column(text, each.line, _spelled(each)), message)
        for each in (placeholders(tree) if tree else [])
        # Of a secret that no fact holds anyway, the more telling fault is that it is secret.
        if _secret_of(each) is None and (message := unknown(each.path, extra)) is not None
    ]


def _secrets(tree: nodes.Template | None, source: Source) -> list[Fault]:
    return [
        Fault(
            source.file,
            each.line,
            _column(source.text, each.line, _spelled(each)),
            f"{secret} is secret and never leaves by {source.channel}; use the masked number or leave it out",
        )
        for each in (placeholders(tree) if tree else [])
        if (secret := _secret_of(each)) is not None
    ]


def _secret_of(placeholder: Placeholder) -> str | None:
    end = ".".join(placeholder.path.replace("[]", "").split(".")[-2:])
    return end if end in SECRET else None


def _costly_characters(source: Source) -> list[Fault]:
    """Signs that a word processor put in, and that make an SMS cost double."""
    if source.language not in GSM_LANGUAGES:
        return []
    text = _COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment[0]), source.text)
    faults = []
    for place in foreign_characters(text.replace("\t", " ")):
        character = text[place]
        line = text.count("\n", 0, place) + 1
        column = place - text.rfind("\n", 0, place)
        name = unicodedata.name(character, f"U+{ord(character):04X}")
        instead = plain_character(character)
        remedy = f"write {instead!r}" if instead else "leave it out"
        faults.append(
            Fault(
                source.file,
                line,
                column,
                f"{character!r} ({name}) turns the SMS into UCS-2, 70 characters a part; {remedy}",
            )
        )
    return faults


def _header_faults(source: Source) -> list[Fault]:
    if not _SUBJECT.search(source.text):
        return [Fault(source.file, 1, 1, "an e-mail begins with a line 'Subject: ...'")]
    calendar = _CALENDAR.search(source.text)
    if calendar is None or calendar[1] in CALENDAR_FACTS:
        return []
    line = source.text.count("\n", 0, calendar.start()) + 1
    return [Fault(source.file, line, 1, f"'Calendar:' names one of {', '.join(CALENDAR_FACTS)}, not {calendar[1]!r}")]


def _stop_word_faults(source: Source) -> list[Fault]:
    if source.manifest is None or STOP_WORD in source.manifest.body.splitlines()[-1]:
        return []
    line = source.text[: source.text.find("body:")].count("\n") + 1
    return [Fault(source.file, line, 1, f"the last line must say how to stop: 'Balas {STOP_WORD} ...'")]


def _rendered(composer: Composer, source: Source, scenes: Mapping[str, MessageFacts]) -> Iterator[tuple[str, Fault]]:
    envelope = sample_envelope(source.channel)
    for scene, facts in scenes.items():
        try:
            message = composer.compose(source.name, source.channel, source.language, _as_asked(source, facts), envelope)
        except TemplateError as error:
            placed = _PLACED.fullmatch(str(error))
            line, text = (int(placed["line"]), placed["message"]) if placed else (1, str(error))
            file = placed["file"] if placed else source.file
            yield (
                f"error {file}:{line}",
                Fault(file, line, 1, f"{text.removeprefix(file + ': ')} (with sample {scene!r})"),
            )
        else:
            if isinstance(message, SmsMessage):
                yield from _too_long(source, message, scene)


def _too_long(source: Source, message: SmsMessage, scene: str) -> Iterator[tuple[str, Fault]]:
    latin = source.language in GSM_LANGUAGES
    if message.segments > (1 if latin else _PARTS_OF_OTHER_SCRIPTS):
        units = sum(2 if character in "^{}\\[~]|€" else 1 for character in message.text)
        over = units - room(GSM if latin else message.encoding)
        text = f"{message.segments} parts ({message.encoding}), {over} characters too long with sample {scene!r}"
        yield "too long", Fault(source.file, 1, 1, f"{text}; shorten the text")


def _as_asked(source: Source, facts: MessageFacts) -> MessageFacts:
    """The facts as such a template gets them: about a permit there is no case, about a case there may be no permit."""
    text = source.text if source.manifest is None else " ".join(each.template for each in source.manifest.variables)
    of_document, of_case = "document." in text, "case." in text
    if of_case and not of_document:
        return replace(facts, document=None)
    if of_document and not of_case:
        return replace(facts, case=None)
    return facts


def _first_of_kind(found: Iterator[tuple[str, Fault]]) -> list[Fault]:
    first: dict[str, Fault] = {}
    for kind, fault in found:
        first.setdefault(kind, fault)
    return list(first.values())


def _spelled(placeholder: Placeholder) -> str:
    return placeholder.path.split("[].")[-1]


def _column(text: str, line: int, part: str) -> int:
    lines = text.splitlines()
    found = lines[line - 1].find(part) if 0 < line <= len(lines) else -1
    return max(found, 0) + 1
