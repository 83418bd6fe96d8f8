"""Where a version of the rules comes from: a folder, a git revision, or what is in force."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from notifier.calendar.data import CALENDAR_FILE
from notifier.errors import ConfigError
from notifier.rules.load import load_rules_from_texts, rule_files
from notifier.rules.rule import RuleSet
from notifier.rulesets import InForce

ACTIVE = "active"
#: A repository on a slow disk may need so many seconds.
PATIENCE = 60


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the rules: how it was named, its files by name, and what they mean."""

    name: str
    files: Mapping[str, str] = field(repr=False)
    rules: RuleSet = field(repr=False)


def read_version(what: str, folder: Path, in_force: InForce) -> Version:
    """`active`, a folder, or a git revision (`HEAD~1`, `v1.2:rules`) of the settings' folder of rules.

    Raises FaultsFound for rules with faults, ConfigError when it is none of the three.
    """
    if what == ACTIVE:
        files: Mapping[str, str] = {Path(file).name: text for file, text in in_force.texts.items()}
        return Version(what, files, in_force.rules)
    if not what.strip():  # as a path it would be the folder we stand in
        raise _no_version("an empty word")
    files = rule_files(Path(what)) if Path(what).is_dir() else _from_git(what, folder)
    if not files:
        raise ConfigError(f"{what} holds no rules; name the folder with the files of the rules")
    return Version(what, files, load_rules_from_texts(files, place=what))


def _from_git(what: str, folder: Path) -> dict[str, str]:
    """The YAML files of a folder as they were in a revision."""
    revision, _, path = what.partition(":")
    if not revision or what.startswith("-"):
        raise _no_version(what)
    # Where the folder is gone today, its revisions are looked for from where we stand.
    place = folder if folder.is_dir() else Path.cwd()
    try:
        top = Path(_git(place, what, "rev-parse", "--show-toplevel").strip())
    except _GitRefuses:
        raise ConfigError(
            f"there is no folder {what}, and at {place} git finds no repository, or none whose owner it trusts, "
            "to look for a revision of that name; name a folder"
        ) from None
    try:
        _git(top, what, "rev-parse", "--verify", "--quiet", f"{revision}^{{tree}}")
    except _GitRefuses:
        raise _no_version(what) from None
    inside = PurePosixPath(path) if path else _below(folder, top, what)
    tree = f"{revision}:{'' if str(inside) == '.' else inside}"
    try:
        names = _git(top, what, "ls-tree", "--name-only", "-z", tree).split("\0")
    except _GitRefuses:
        raise ConfigError(
            f"{what}: in the revision {revision} there is no folder {inside}; write it as {revision}:FOLDER"
        ) from None
    wanted = [name for name in names if name.endswith(".yaml") and name != CALENDAR_FILE]
    return {name: _git(top, what, "show", f"{revision}:{inside / name}") for name in wanted}


def _no_version(what: str) -> ConfigError:
    return ConfigError(
        f"{what} is neither {ACTIVE}, nor a folder, nor a revision that git knows; write one like HEAD~1 or v1.2:rules"
    )


def _below(folder: Path, top: Path, what: str) -> PurePosixPath:
    try:
        return PurePosixPath(folder.resolve().relative_to(top.resolve()).as_posix())
    except ValueError:
        raise ConfigError(f"{what}: the folder of the rules is in no repository; write it as {what}:FOLDER") from None


class _GitRefuses(ConfigError):
    """Git knows no such thing; its own words are for those who know git."""


def _git(place: Path, what: str, *words: str) -> str:
    """What git answers. Raises ConfigError when it cannot be asked, or refuses."""
    try:
        # A fixed program without a shell; the revision cannot be an option, it is looked at before.
        done = subprocess.run(
            ["git", "-C", str(place), *words], capture_output=True, timeout=PATIENCE, check=False, text=True
        )
    except FileNotFoundError:
        raise ConfigError(f"there is no folder {what}, and no git here to look for a revision of that name") from None
    except (subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        raise ConfigError(f"{what}: git gives no answer ({type(error).__name__}); compare folders instead") from None
    if done.returncode:
        raise _GitRefuses(f"{what}: git cannot read it; compare folders instead")
    return done.stdout
