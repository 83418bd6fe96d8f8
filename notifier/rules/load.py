"""A folder of rules loaded whole: all files read, all faults of all files found in one run, nothing half-done kept."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from notifier.calendar.data import CALENDAR_FILE
from notifier.errors import ConfigError, Fault, FaultsFound
from notifier.rules.check import Known, check_names, check_rule, with_replacements
from notifier.rules.check_moments import Surroundings
from notifier.rules.read_data import Windows, read_documents, read_windows
from notifier.rules.read_rule import Draft, read_rule
from notifier.rules.reading import Reading
from notifier.rules.rule import DocumentType, Rule, RuleSet, Window
from notifier.rules.source import read_source
from notifier.rules.tree import Block
from notifier.rules.words import did_you_mean

WINDOWS_FILE = "windows.yaml"
DOCUMENTS_FILE = "documents.yaml"


def load_rules(folder: Path) -> RuleSet:
    """Everything in the folder. Raises FaultsFound with all faults of all files, ConfigError without a folder."""
    if not folder.is_dir():
        raise ConfigError(f"there are no rules at {folder}; set NOTIFIER_RULES, or make a folder with `notifier init`")
    rules, faults, _ = check_rules([folder], known=None)
    if faults:
        raise FaultsFound(faults)
    return rules


def check_rules(folder_or_files: Sequence[Path], *, known: Known | None) -> tuple[RuleSet, list[Fault], list[Fault]]:
    """The rules without a fault, the faults, and the warnings, of folders and single files alike.

    Single files are compared with the data files beside them. Never raises: what cannot be read is a fault.
    """
    run = _Run(is_folder=any(path.is_dir() for path in folder_or_files))
    for path in _files(folder_or_files, run):
        run.read(path)
    run.check(known)
    return run.result()


@dataclass(slots=True)
class _Run:
    """One run over all files."""

    readings: dict[str, Reading] = field(default_factory=dict)
    warnings: dict[str, Reading] = field(default_factory=dict)
    drafts: list[Draft] = field(default_factory=list)
    windows: Windows | None = None
    documents: dict[str, DocumentType] | None = None
    windows_file: str = ""
    is_folder: bool = False

    def reading(self, path: Path) -> Reading:
        """Where the faults of a file are noted."""
        return self.readings.setdefault(str(path), Reading(str(path)))

    def read(self, path: Path) -> None:
        """Reads one file as what its name says it is."""
        if path.name == CALENDAR_FILE:
            return
        reading = self.reading(path)
        tree, faults = read_source(path, str(path))
        reading.faults.extend(faults)
        if tree is None:
            return
        if path.name == WINDOWS_FILE:
            self.windows, self.windows_file = read_windows(reading, tree), reading.file
        elif path.name == DOCUMENTS_FILE:
            self.documents = read_documents(reading, tree)
        else:
            self._read_rule(reading, tree)

    def _read_rule(self, reading: Reading, tree: Block) -> None:
        draft = read_rule(reading, tree)
        if draft is not None:
            self.drafts.append(draft)

    def check(self, known: Known | None) -> None:
        """Compares what was read: rules with data, with each other, and with what is known."""
        # A single file may have its windows elsewhere; a folder without windows has none.
        no_windows: dict[tuple[str, str], Window] | None = {} if self.is_folder else None
        around = Surroundings(self.documents, self.windows.windows if self.windows else no_windows)
        for draft in self.drafts:
            name = draft.rule.file
            warnings = self.warnings.setdefault(name, Reading(name))
            check_rule(self.readings[name], warnings, draft, around, known)
        check_names(self.drafts, self.readings)
        self._check_windows(known)

    def _check_windows(self, known: Known | None) -> None:
        if self.windows is None:
            return
        reading = self.readings[self.windows_file]
        for text in self.windows.types if self.documents is not None else ():
            if text.value not in (self.documents or {}):
                remedy = did_you_mean(text.value, self.documents or {})
                reading.fault(text, f'"{text.value}" is no document type of {DOCUMENTS_FILE}; {remedy}')
        if known is None or known.offices is None:
            return
        for text in self.windows.offices:
            if text.value not in known.offices:
                remedy = did_you_mean(text.value, sorted(known.offices))
                reading.fault(text, f'there is no office "{text.value}"; {remedy}')

    def result(self) -> tuple[RuleSet, list[Fault], list[Fault]]:
        """The rules of files without a fault, and all faults and warnings in the order of files and lines."""
        good = [draft.rule for draft in self.drafts if not self.readings[draft.rule.file].faults]
        windows = self.windows.windows if self.windows else {}
        rules = tuple(
            replace(rule, digest=rule_digest(rule), version=_hash(replace(rule, file="")))
            for rule in with_replacements(good)
        )
        documents = self.documents or {}
        return (
            RuleSet(
                rules, windows, documents, digest=_hash([rules, sorted(windows.items()), sorted(documents.items())])
            ),
            sorted({fault for reading in self.readings.values() for fault in reading.faults}),
            sorted({fault for reading in self.warnings.values() for fault in reading.faults}),
        )


def rule_digest(rule: Rule) -> str:
    """A hash of what decides who is told when: not of titles, texts, channels or where it stands in a file (S29)."""
    steps = tuple(replace(step, template="", via=(), line=0) for step in rule.steps)
    return _hash(replace(rule, steps=steps, title="", purpose="", file="", digest="", version=""))


def _hash(meaning: object) -> str:
    return hashlib.sha256(repr(meaning).encode()).hexdigest()


def _files(paths: Sequence[Path], run: _Run) -> list[Path]:
    """The YAML files, data files included, each once, in the order of their names."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            for file in sorted(path.iterdir()):
                if file.suffix == ".yaml" and file.is_file():
                    found[file] = None
                elif file.suffix == ".yml":
                    run.reading(file).faults.append(
                        Fault(str(file), 1, 1, f'files of rules end in .yaml; rename it to "{file.stem}.yaml"')
                    )
        else:
            beside = [path.parent / name for name in (WINDOWS_FILE, DOCUMENTS_FILE)]
            found |= dict.fromkeys((*(data for data in beside if data.is_file()), path))
    return list(found)
