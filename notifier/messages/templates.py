"""The templates of a folder, compiled once, and the messages composed from them."""

import re
import traceback
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Self

from jinja2 import TemplateError as JinjaError
from jinja2 import TemplateSyntaxError
from jinja2.runtime import LoopContext

from notifier.errors import Fault, FaultsFound, TemplateError
from notifier.messages import checking
from notifier.messages.email import Words, build_email, write_words
from notifier.messages.envelope import Envelope
from notifier.messages.facts import (
    NAMES,
    CaseFacts,
    DocumentFacts,
    HolderFacts,
    ItemFacts,
    MessageFacts,
    OfficeFacts,
    Persons,
    RecipientFacts,
    names_for_template,
    persons_of,
    with_persons,
)
from notifier.messages.languages import first_available, preferences
from notifier.messages.letter import Paragraph
from notifier.messages.library import LAYOUT, Library, Source, footer_path, read_library
from notifier.messages.localise import localiser
from notifier.messages.masking import refuse_full_numbers
from notifier.messages.placeholders import missing
from notifier.messages.sandbox import TemplateEnvironment, build_environment, one_line
from notifier.messages.segments import is_plain, plain, segments
from notifier.messages.skeleton import Alike, Skeletons
from notifier.messages.translations import language_faults
from notifier.messages.whatsapp import LONGEST_BODY, Variable, fill
from notifier.model import Channel, EmailMessage, Message, SmsMessage, WhatsAppMessage

_RECORDS = frozenset(
    {OfficeFacts, RecipientFacts, HolderFacts, DocumentFacts, CaseFacts, ItemFacts, Paragraph, LoopContext}
)


class Templates:
    """Every template by name, channel and language. Holds no file; what it remembers changes no answer."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._environments = _environments(library)
        self._faults = list(library.faults) + checking.static_faults(library, self._environments)
        self._sources = {
            (source.name, source.channel, source.language): source
            for source in library.sources
            if source.language in self._environments
            and (source.channel is not Channel.WHATSAPP or source.manifest is not None)
        }
        self._plain = frozenset(source.path for source in self._sources.values() if is_plain(source.text))
        self._wanted: dict[str, list[str]] = {}
        self._skeletons = Skeletons("\n".join(text for text, _ in library.shared.values()))
        self._choose_language = lru_cache(maxsize=4096)(self._language_of)
        self._languages: dict[tuple[str, Channel], frozenset[str]] = {}
        for name, channel, language in self._sources:
            known = self._languages.get((name, channel), frozenset())
            self._languages[name, channel] = known | {language}

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads what can be read and keeps the faults for `check`, so that a linter shows all of them at once."""
        return cls(read_library(folder))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises FaultsFound with every fault that can be seen without rendering."""
        templates = cls.read(folder)
        if templates._faults:
            raise FaultsFound(list(dict.fromkeys(templates._faults)))
        return templates

    def names(self) -> frozenset[str]:
        """`itas/extension`, …: the folders that hold a template."""
        return frozenset(source.name for source in self.library.sources)

    def has(self, name: str, channel: Channel, language: str) -> bool:
        return (name, channel, language) in self._sources

    def languages(self, name: str, channel: Channel | None = None) -> frozenset[str]:
        """The languages of a template, in one channel or in any."""
        channels = [channel] if channel else list(Channel)
        return frozenset().union(*(self._languages.get((name, each), frozenset()) for each in channels))

    def choose_language(self, name: str, channel: Channel, wanted: str | None, nationality: str | None) -> str:
        """The recipient's language, else English then Indonesian for foreigners, else Indonesian.

        Raises TemplateError when the template does not exist in this channel at all.
        """
        found = self._choose_language(name, channel, wanted, nationality)
        if found is None:
            raise TemplateError(f"there is no template {name!r} for {channel}")
        return found

    def _language_of(self, name: str, channel: Channel, wanted: str | None, nationality: str | None) -> str | None:
        return first_available(preferences(wanted, nationality), self.languages(name, channel))

    def placeholder_sids(self) -> list[str]:
        """WhatsApp files that still hold the content_sid this product ships with: no provider knows them."""
        manifests = ((source.file, source.manifest) for source in self.library.sources)
        return sorted(file for file, manifest in manifests if manifest is not None and manifest.is_shipped_sid)

    def compose(self, name: str, channel: Channel, language: str, facts: MessageFacts, envelope: Envelope) -> Message:
        """The message, ready to leave.

        Raises TemplateError when there is no such template, a value is missing, or a secret would leave; the text
        names file, line and placeholder, never a value.
        """
        return self.compose_alike(name, channel, language, Alike(facts), persons_of(facts), envelope)

    def compose_alike(
        self, name: str, channel: Channel, language: str, alike: Alike, persons: Persons, envelope: Envelope
    ) -> Message:
        """The same of what one message shares with others and of its own persons; `alike` is kept by the caller."""
        source = self._sources.get((name, channel, language))
        if source is None:
            raise TemplateError(f"there is no template {name!r} for {channel} in {language!r}")
        if channel is Channel.EMAIL:
            return self._compose_email(source, alike, persons, envelope)
        message: SmsMessage | WhatsAppMessage
        if channel is Channel.SMS:
            message = self._compose_sms(source, alike, persons, envelope)
        else:
            message = self._compose_whatsapp(source, with_persons(alike.facts, persons), envelope)
        refuse_full_numbers(message.text, _numbers(alike, persons))
        return message

    def check(self) -> list[Fault]:
        """Every fault of every file: those seen in the text and, where there are none, those seen by rendering it.

        Then the languages: what is missing beside its siblings, and what was translated from an older text.
        """
        broken = {fault.file for fault in self._faults}
        rendered = checking.rendering_faults(self, [each for each in self._sources.values() if each.file not in broken])
        languages = language_faults(self.library)
        return sorted({*self._faults, *(fault for fault in rendered if fault.file not in broken), *languages})

    def _names(self, source: Source, facts: MessageFacts) -> dict[str, object]:
        """The names that its text, or one that it may include, can ask for: a short text asks for a handful."""
        wanted = self._wanted.get(source.file)
        if wanted is None:
            texts = "\n".join(text for text, _ in (*self.library.shared.values(), *_files_of(source).values()))
            words = set(re.findall(r"\w+", texts))
            wanted = self._wanted[source.file] = [name for name in NAMES if name in words]
        return names_for_template(facts, wanted)

    def _compose_sms(self, source: Source, alike: Alike, persons: Persons, envelope: Envelope) -> SmsMessage:
        def render(facts: MessageFacts) -> Words:
            return Words("", self._render(source, source.path, self._names(source, facts)), "", None)

        text = one_line(self._skeletons.words(source, alike, persons, render).text)
        # A text written in GSM-7 stays in it: a name with one foreign letter must not double the price.
        if source.path in self._plain:
            text = plain(text)
        size = segments(text)
        return SmsMessage(envelope.delivery_id, envelope.to, envelope.sender, text, size.count, size.encoding)

    def _compose_whatsapp(self, source: Source, facts: MessageFacts, envelope: Envelope) -> WhatsAppMessage:
        assert source.manifest is not None
        names = self._names(source, facts)
        values = {
            each.number: one_line(self._render(source, _variable_path(source, each), names))
            for each in source.manifest.variables
        }
        empty = [number for number, value in values.items() if not value]
        if empty:
            raise TemplateError(f"{source.file}: variable {empty[0]} came out empty; the provider refuses that")
        text = fill(source.manifest.body, values)
        if len(text) > LONGEST_BODY:
            raise TemplateError(f"{source.file}: {len(text)} characters once filled in; the limit is {LONGEST_BODY}")
        return WhatsAppMessage(
            envelope.delivery_id,
            envelope.to,
            envelope.sender,
            source.manifest.content_sid,
            {str(number): value for number, value in values.items()},
            text,
        )

    def _compose_email(self, source: Source, alike: Alike, persons: Persons, envelope: Envelope) -> EmailMessage:
        def render(facts: MessageFacts) -> Words:
            return self._words(source, facts)

        words = self._skeletons.words(source, alike, persons, render)
        return build_email(words, alike.facts, persons.case or persons.document, envelope, source.language)

    def _words(self, source: Source, facts: MessageFacts) -> Words:
        names = names_for_template(facts)

        def layout(extra: Mapping[str, object]) -> str:
            return self._render(source, LAYOUT, {**names, **extra})

        letter = self._render(source, source.path, names)
        footer = self._render(source, footer_path(source.language), names)
        try:
            return write_words(letter, footer, layout, facts, source.language)
        except ValueError as error:
            raise TemplateError(f"{source.file}: {error}") from error

    def _render(self, source: Source, path: str, names: Mapping[str, object]) -> str:
        try:
            return self._environments[source.language].get_template(path).render(names)
        except (JinjaError, ValueError, TypeError, AttributeError) as error:
            raise TemplateError(self._where(source, error, names)) from error

    def _where(self, source: Source, error: Exception, names: Mapping[str, object]) -> str:
        """`file:line: what is wrong`, in words that hold no value of the register."""
        environment = self._environments[source.language]
        if isinstance(error, TemplateSyntaxError):
            return f"{error.filename or source.file}:{error.lineno}: {error.message}"
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            text = self._texts(source).get(frame.filename)
            if text is not None and frame.lineno is not None:
                absent = missing(environment.parse(text), frame.lineno, names)
                told = f"no value for {', '.join(absent)}" if absent else str(error)
                return f"{frame.filename.partition('#')[0]}:{frame.lineno}: {told}"
        return f"{source.file}: {error}"

    def _texts(self, source: Source) -> dict[str, str]:
        """What a line of an error may lie in, by the name Jinja gives it."""
        files = [*self.library.shared.values(), *_files_of(source).values()]
        return {file: text for text, file in files}


def _numbers(alike: Alike, persons: Persons) -> list[str]:
    """The numbers of everything a message speaks of."""
    others = [subject.number for item in alike.facts.others for subject in (item.document, item.case) if subject]
    return [persons.document, persons.case, *others]


def _environments(library: Library) -> dict[str, TemplateEnvironment]:
    files = dict(library.shared)
    for source in library.sources:
        files.update(_files_of(source))
    return {
        language: build_environment(files, localiser(language, words).filters(), _RECORDS)
        for language, words in library.words.items()
    }


def _files_of(source: Source) -> dict[str, tuple[str, str]]:
    """The small templates of a source by path: itself, or one for each WhatsApp variable."""
    if source.manifest is None:
        return {source.path: (source.text, source.file)}
    return {
        _variable_path(source, each): (each.template, f"{source.file}#{each.number}")
        for each in source.manifest.variables
    }


def _variable_path(source: Source, variable: Variable) -> str:
    return f"{source.path}#{variable.number}"
