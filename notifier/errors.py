"""The errors a person may see; each knows its exit code and says how to mend what is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass


class NotifierError(Exception):
    """Something went wrong that the user can understand. Exit code 1."""

    exit_code = 1


class ConfigError(NotifierError):
    """Wrong use or configuration; the text names the setting and the remedy. Exit code 2."""

    exit_code = 2


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault in a file, at a place (line and column count from 1), in one sentence with its remedy."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class FaultsFound(NotifierError):
    """Rules, templates or import rows that cannot be taken; carries every fault found in the run."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))


class TemplateError(NotifierError):
    """A template is missing, broken, or asks for a value that the message does not have."""


class StoreError(NotifierError):
    """The database cannot be reached, or is of another version than this program."""
