"""Reading a folder of templates: which file is what, and every file that is nothing. The only place that reads."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from notifier.errors import Fault
from notifier.messages.languages import REQUIRED, locale_of
from notifier.messages.localise import NEEDED_WORDS
from notifier.messages.whatsapp import YAML_LOADER, Manifest, read_manifest
from notifier.model import Channel
from notifier.yaml_faults import fault_of_yaml

SHARED = "shared"
LAYOUT = f"{SHARED}/email.html"

_LANGUAGE = r"(?P<language>[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-[A-Z]{2})?)"
_TEMPLATE_FILE = re.compile(
    rf"(?:(?P<text>sms|email)\.{_LANGUAGE}\.txt|whatsapp\.{_LANGUAGE.replace('language', 'other')}\.yaml)"
)
_WORDS_FILE = re.compile(rf"words\.{_LANGUAGE}\.yaml")


@dataclass(frozen=True, slots=True)
class Source:
    """One template in one channel and language. `path` is relative to the folder, `file` is what faults show.

    `manifest` is None except for WhatsApp, and there when its file has faults.
    """

    name: str
    channel: Channel
    language: str
    path: str
    file: str
    text: str
    manifest: Manifest | None = None


@dataclass(frozen=True, slots=True)
class Library:
    """Everything a folder holds, and everything that is wrong with it already."""

    sources: tuple[Source, ...]
    shared: Mapping[str, tuple[str, str]]  # path -> (text, file)
    words: Mapping[str, Mapping[str, str]]  # language -> words
    faults: tuple[Fault, ...]

    def languages(self) -> frozenset[str]:
        return frozenset(source.language for source in self.sources)


def footer_path(language: str) -> str:
    """The shared foot of every e-mail of a language."""
    return f"{SHARED}/email-footer.{language}.txt"


def words_path(language: str) -> str:
    """The small words of a language."""
    return f"{SHARED}/words.{language}.yaml"


def read_library(folder: Path) -> Library:
    """Reads every file once. Faults are collected, not raised."""
    sources: list[Source] = []
    shared: dict[str, tuple[str, str]] = {}
    words: dict[str, Mapping[str, str]] = {}
    faults: list[Fault] = []
    if not folder.is_dir():
        faults.append(Fault(folder.as_posix(), 1, 1, "there is no such folder of templates"))
    found_files = list(_files(folder))
    for file, path in found_files:
        shown = file.as_posix()
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            faults.append(Fault(shown, 1, 1, f"not UTF-8: byte {error.start + 1}; save the file as UTF-8"))
            continue
        if not text.strip():
            faults.append(Fault(shown, 1, 1, "the file is empty"))
        elif path.parts[0] == SHARED:
            found = _read_shared(path, shown, text, words)
            faults += found
            shared[path.as_posix()] = (text, shown)
        else:
            source, found = _read_source(path, shown, text)
            faults += found
            sources += [source] if source else []
    present = frozenset(path.as_posix() for _, path in found_files)
    faults += _gaps(folder, sources, present)
    return Library(tuple(sources), shared, words, tuple(faults))


def _files(folder: Path) -> Iterator[tuple[Path, Path]]:
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        hidden = any(part.startswith(".") for part in path.parts)
        if file.is_file() and not hidden and path.name != "README.md":
            yield file, path


def _read_source(path: Path, shown: str, text: str) -> tuple[Source | None, list[Fault]]:
    named = _TEMPLATE_FILE.fullmatch(path.name)
    if named is None or len(path.parts) < 2:
        known = "sms.<language>.txt, email.<language>.txt or whatsapp.<language>.yaml in a folder of their own"
        return None, [Fault(shown, 1, 1, f"no template is called {path.name!r}; expected {known}")]
    language = named["language"] or named["other"]
    channel = Channel(named["text"] or "whatsapp")
    if fault := _unknown_language(language, shown):
        return None, [fault]
    manifest, faults = read_manifest(text, shown) if channel is Channel.WHATSAPP else (None, [])
    source = Source(path.parent.as_posix(), channel, language, path.as_posix(), shown, text, manifest)
    return source, faults


def _read_shared(path: Path, shown: str, text: str, words: dict[str, Mapping[str, str]]) -> list[Fault]:
    named = _WORDS_FILE.fullmatch(path.name)
    if named is None:
        if path.suffix in (".txt", ".html"):
            return []
        return [Fault(shown, 1, 1, "shared files are texts (.txt, .html) or words.<language>.yaml")]
    if fault := _unknown_language(named["language"], shown):
        return [fault]
    try:
        root = yaml.compose(text, Loader=YAML_LOADER)
    except yaml.YAMLError as error:
        return [fault_of_yaml(shown, text, error)]
    if not isinstance(root, yaml.MappingNode) or not all(isinstance(value, yaml.ScalarNode) for _, value in root.value):
        return [Fault(shown, 1, 1, "words are written one a line, word: translation")]
    # Node values, not constructed ones: YAML would make a boolean of the word `no`.
    table = {str(key.value): str(value.value) for key, value in root.value}
    words[named["language"]] = table
    return [Fault(shown, 1, 1, f"the word {word!r} is missing") for word in NEEDED_WORDS if word not in table]


def _unknown_language(language: str, shown: str) -> Fault | None:
    try:
        locale_of(language)
    except ValueError as error:
        return Fault(shown, 1, 1, str(error))
    return None


def _gaps(folder: Path, sources: list[Source], present: frozenset[str]) -> list[Fault]:
    """Files that others need and that are not there."""
    missing: dict[str, str] = {}
    for source in sources:
        ending = "yaml" if source.channel is Channel.WHATSAPP else "txt"
        for language in REQUIRED:
            path = f"{source.name}/{source.channel}.{language}.{ending}"
            missing[path] = f"{source.name} has {source.channel} but not in {language!r}; write this file"
        missing[words_path(source.language)] = f"the words of {source.language!r}; write this file"
        if source.channel is Channel.EMAIL:
            missing[LAYOUT] = missing[footer_path(source.language)] = "every e-mail needs it; write this file"
    return [
        Fault((folder / path).as_posix(), 1, 1, message) for path, message in missing.items() if path not in present
    ]
