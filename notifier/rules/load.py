"""A folder of rules loaded whole: all files read, all faults of all files found in one run, nothing half-done kept."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from notifier.calendar.data import CALENDAR_FILE
from notifier.errors import ConfigError, Fault, FaultsFound
from notifier.rules.check import Known, check_rule, check_templates, with_replacements
from notifier.rules.check_between import check_mutes, check_names
from notifier.rules.check_calendar import check_years
from notifier.rules.check_ladders import check_ladders
from notifier.rules.check_moments import Surroundings, counts_from_windows
from notifier.rules.check_register import check_register
from notifier.rules.read_data import Windows, read_documents, read_windows
from notifier.rules.read_rule import Draft, read_rule
from notifier.rules.reading import Reading
from notifier.rules.rule import DocumentType, Rule, RuleSet
from notifier.rules.source import parse_source, read_source
from notifier.rules.translate import in_english
from notifier.rules.tree import Block, Text
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


def rule_files(folder: Path) -> dict[str, str]:
    """The rules, windows and documents of a folder as texts by file name: what a set of rules consists of.

    The calendar is not among them: a day on which an office is shut counts from when it is written down. Raises
    FaultsFound for a file that is not UTF-8.
    """
    found: dict[str, str] = {}
    for file in _files([folder], _Run(is_folder=True)):
        if file.name == CALENDAR_FILE:
            continue
        try:
            found[file.name] = file.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise FaultsFound([Fault(str(file), 1, 1, "the file is not UTF-8; save it in that encoding")]) from None
    return found


def load_rules_from_texts(files: Mapping[str, str], *, place: str = "") -> RuleSet:
    """A set of rules from the texts of its files; faults name them as files of `place`. Raises FaultsFound."""
    run = _Run(is_folder=True)
    for name, text in sorted(files.items()):
        run.read_text(f"{place}/{name}" if place else name, text)
    run.check(None)
    rules, faults, _ = run.result()
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
    run.refuse_empty_folders(folder_or_files)
    run.check(known)
    return run.result()


@dataclass(slots=True)
class _Run:
    """One run over all files."""

    readings: dict[str, Reading] = field(default_factory=dict)
    warnings: dict[str, Reading] = field(default_factory=dict)
    drafts: list[Draft] = field(default_factory=list)
    broken: list[tuple[Reading, Block]] = field(default_factory=list)  # files that are no whole rule
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
        if tree is not None:
            self._read_tree(reading, tree, path.name)

    def read_text(self, file: str, text: str) -> None:
        """Reads the text of a file that is kept elsewhere."""
        reading = self.reading(Path(file))
        tree, faults = parse_source(text.encode(), file)
        reading.faults.extend(faults)
        if tree is not None:
            self._read_tree(reading, tree, Path(file).name)

    def _read_tree(self, reading: Reading, tree: Block, name: str) -> None:
        if name == WINDOWS_FILE:
            self.windows, self.windows_file = read_windows(reading, tree), reading.file
        elif name == DOCUMENTS_FILE:
            self.documents = read_documents(reading, tree)
        else:
            self._read_rule(reading, tree)

    def _read_rule(self, reading: Reading, tree: Block) -> None:
        tree, language, slips = in_english(tree)
        for slip in slips:
            reading.fault(slip.place, slip.message, slip.offset)
        reading.language = language
        draft = read_rule(reading, tree)
        check_ladders(reading, tree)
        if draft is not None:
            self.drafts.append(draft)
        else:
            self.broken.append((reading, tree))

    def refuse_empty_folders(self, paths: Sequence[Path]) -> None:
        """A folder in which no file is a rule: most likely another one was meant."""
        data = {CALENDAR_FILE, WINDOWS_FILE, DOCUMENTS_FILE}
        for folder in (path for path in paths if path.is_dir()):
            if not any(file.suffix in (".yaml", ".yml") and file.name not in data for file in folder.iterdir()):
                self.reading(folder).fault(
                    Text("", 1, 1),
                    "there is no rule in this folder; name another one, or make rules with `notifier init`",
                )

    def check(self, known: Known | None) -> None:
        """Compares what was read: rules with data, with each other, and with what is known."""
        self._refuse_missing_windows()
        around = Surroundings(
            self.documents,
            self.windows.windows if self.windows else None,
            tuple(sorted((known and known.offices) or ())),
        )
        for draft in self.drafts:
            name = draft.rule.file
            warnings = self.warnings.setdefault(name, Reading(name, self.readings[name].language))
            check_rule(self.readings[name], warnings, draft, around, known)
        for reading, tree in self.broken:
            check_templates(reading, tree, known or Known())
        check_names(self.drafts, self.readings)
        check_mutes(self.drafts, self.readings, self.warnings, is_whole=self.is_folder)
        self._check_windows(known)
        if known is not None:
            self._check_years(known, around)
            self._check_register(known)

    def _refuse_missing_windows(self) -> None:
        """A single file may have its windows elsewhere; a folder without windows has none. Told once, not per rule."""
        users = [draft for draft in self.drafts if counts_from_windows(draft.rule)]
        if self.is_folder and self.windows_file == "" and users:
            file = str(Path(users[0].rule.file).parent / WINDOWS_FILE)
            self.readings.setdefault(file, Reading(file)).fault(
                Text("", 1, 1),
                f'there is no such file, and the rule "{users[0].rule.name}" counts from a window; write the windows of'
                " its documents into it",
            )

    def _check_years(self, known: Known, around: Surroundings) -> None:
        if known.calendar is None or known.today is None:
            return
        folders = sorted({str(Path(draft.rule.file).parent) for draft in self.drafts})
        file = str(Path(folders[0]) / CALENDAR_FILE) if folders else CALENDAR_FILE
        warnings = self.warnings.setdefault(file, Reading(file))
        check_years(warnings, self.drafts, around, known.calendar, known.today)

    def _check_register(self, known: Known) -> None:
        if known.register is None:
            return
        windows = self.windows.windows if self.windows else {}
        rules = RuleSet((), windows, self.documents or {})
        for draft in self.drafts:
            if not self.readings[draft.rule.file].faults:
                check_register(self.warnings[draft.rule.file], draft, known.register, rules)

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
            replace(rule, digest=rule_digest(rule), version=rule_version(rule)) for rule in with_replacements(good)
        )
        documents = self.documents or {}
        # Where the files lie does not count: the same set in another folder, or kept in a table, is the same set.
        meaning = [sorted(rule.version for rule in rules), sorted(windows.items()), sorted(documents.items())]
        return (
            RuleSet(rules, windows, documents, digest=_hash(meaning)),
            sorted({fault for reading in self.readings.values() for fault in reading.faults}),
            sorted({fault for reading in self.warnings.values() for fault in reading.faults}),
        )


def rule_digest(rule: Rule) -> str:
    """A hash of what decides who is told when: not of titles, texts, channels or where it stands in a file (S29)."""
    steps = tuple(replace(step, template="", via=(), line=0) for step in rule.steps)
    return _hash(replace(rule, steps=steps, title="", purpose="", file="", digest="", version=""))


def rule_version(rule: Rule) -> str:
    """A hash of the whole rule, wording and channels included, but not of where it stands in a file."""
    steps = tuple(replace(step, line=0) for step in rule.steps)
    return _hash(replace(rule, steps=steps, file="", digest="", version=""))


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
                elif file.suffix == ".yaml":  # a folder, a link that leads nowhere: a rule that somebody misses
                    run.reading(file).faults.append(
                        Fault(str(file), 1, 1, "this is no file that can be read; mend it or take it out of the folder")
                    )
                elif file.suffix == ".yml":
                    run.reading(file).faults.append(
                        Fault(str(file), 1, 1, f'files of rules end in .yaml; rename it to "{file.stem}.yaml"')
                    )
        else:
            beside = [path.parent / name for name in (WINDOWS_FILE, DOCUMENTS_FILE)]
            found |= dict.fromkeys((*(data for data in beside if data.is_file()), path))
    return list(found)
