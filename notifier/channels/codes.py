"""The table of a provider's error codes: what happened, and what to do about it (codes.yaml)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

import yaml

from notifier.errors import ConfigError
from notifier.model import Action, Outcome, Reason, Rejected, Unknown

SHIPPED = Path(__file__).with_name("codes.yaml")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one error code means. `text` is ours: a provider's own sentence may quote an address."""

    reason: Reason
    action: Action
    text: str


class Codes:
    """Error codes and what they ask of us. Made by `load_codes` or `shipped_codes`."""

    def __init__(self, meanings: Mapping[str, Meaning]) -> None:
        self._meanings = dict(meanings)

    def __iter__(self) -> Iterator[tuple[str, Meaning]]:
        return iter(self._meanings.items())

    def __len__(self) -> int:
        return len(self._meanings)

    def meaning(self, code: str | None) -> Meaning | None:
        """What the code means, or None when the table does not have it."""
        return self._meanings.get(code) if code else None

    def outcome(self, code: str | None, *, status: int, retry_after: timedelta | None = None) -> Outcome:
        """The outcome of an HTTP answer that was not a success. Codes win over the status."""
        meaning = self.meaning(code) or _by_status(status)
        detail = f"{code or status}: {meaning.text}"
        if meaning.action is Action.ASK:
            return Unknown(detail)
        return Rejected(meaning.reason, meaning.action, code or str(status), detail, retry_after)


def _by_status(status: int) -> Meaning:
    if status == 429:
        return Meaning(Reason.TEMPORARY, Action.RETRY, "too many requests")
    if status in (401, 403):
        return Meaning(Reason.CONFIGURATION, Action.STOP_CHANNEL, "the provider does not accept our credentials")
    if status == 404:
        return Meaning(Reason.CONFIGURATION, Action.STOP_CHANNEL, "the provider has no such account or address")
    if status >= 500 or status == 408:
        # Creating a message is not idempotent: it may have been taken before the fault.
        return Meaning(Reason.TIMED_OUT, Action.ASK, "the provider failed while it was taking the message")
    return Meaning(Reason.NOT_REACHABLE, Action.NEXT_CHANNEL, "refused with a code that codes.yaml does not list")


def load_codes(path: Path) -> Codes:
    """The table in that file. Raises ConfigError that names every wrong entry."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    meanings: dict[str, Meaning] = {}
    faults: list[str] = []
    if not isinstance(entries, list):
        raise ConfigError(f"{path.name}: write a list of entries with reason, action and codes")
    for number, entry in enumerate(entries, start=1):
        faults.extend(f"{path.name}: entry {number}: {fault}" for fault in _read_entry(entry, meanings))
    if faults:
        raise ConfigError("\n".join(faults))
    return Codes(meanings)


def _read_entry(entry: object, meanings: dict[str, Meaning]) -> list[str]:
    """Add the entry's codes to `meanings`; answers with what is wrong in it."""
    if not isinstance(entry, dict) or set(entry) != {"reason", "action", "codes"}:
        return ["write exactly reason, action and codes"]
    if entry["reason"] not in list(Reason):
        return [f"{entry['reason']!r} is no reason; see Reason in notifier/model.py"]
    if entry["action"] not in list(Action):
        return [f"{entry['action']!r} is no action; write one of {', '.join(Action)}"]
    if not isinstance(entry["codes"], dict) or not entry["codes"]:
        return ["codes is a mapping from code to a few words"]
    faults: list[str] = []
    for code, text in entry["codes"].items():
        if not isinstance(code, int) or not isinstance(text, str) or not text:
            faults.append(f"{code!r}: write a number and a few words")
        elif str(code) in meanings:
            faults.append(f"{code} stands in this file twice")
        else:
            meanings[str(code)] = Meaning(Reason(entry["reason"]), Action(entry["action"]), text)
    return faults


@cache
def shipped_codes() -> Codes:
    """The table that comes with the program; read once, on first use."""
    return load_codes(SHIPPED)
