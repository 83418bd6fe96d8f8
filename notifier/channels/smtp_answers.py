"""What a mail server's refusal means (RFC 5321 replies, RFC 3463 enhanced codes) and what to do about it."""

import re
from dataclasses import dataclass
from enum import StrEnum

from notifier.model import Action, Reason, Rejected

_ENHANCED = re.compile(r"^([245])\.(\d{1,3})\.(\d{1,3})\b")


class Step(StrEnum):
    """The command a reply belongs to. Once the end has been written, silence no longer means "not taken"."""

    CONNECT = "CONNECT"
    RSET = "RSET"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    END = "the end of the mail"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply of a mail server; `text` has its lines joined and may quote an address: never log it."""

    code: int
    text: str

    @property
    def enhanced(self) -> str | None:
        """The enhanced status code at the start of the text, such as 5.1.1."""
        found = _ENHANCED.match(self.text)
        return found.group(0) if found else None


_BAD = (Reason.BAD_ADDRESS, Action.BAD_ADDRESS)
_SETUP = (Reason.CONFIGURATION, Action.STOP_CHANNEL)
_CONTENT = (Reason.CONTENT_REFUSED, Action.NEXT_CHANNEL)
_AWAY = (Reason.NOT_REACHABLE, Action.NEXT_CHANNEL)

#: For permanent refusals (5yz): the enhanced code without its class, most exact first.
_BY_ENHANCED: tuple[tuple[str, tuple[Reason, Action]], ...] = (
    ("1.7", _SETUP),  # our sender address
    ("1.8", _SETUP),
    ("1.", _BAD),
    ("2.2", _AWAY),  # mailbox full
    ("2.3", _CONTENT),  # longer than the mailbox allows
    ("2.4", _AWAY),
    ("2.", _BAD),  # mailbox disabled
    ("3.4", _CONTENT),
    ("3.", _AWAY),
    ("4.", _AWAY),
    ("5.", _SETUP),  # protocol: we said something wrong, or may not say it
    ("6.", _CONTENT),
    ("7.5", _SETUP),  # encryption and credentials
    ("7.8", _SETUP),
    ("7.9", _SETUP),
    ("7.11", _SETUP),
    ("7.20", _SETUP),  # SPF, DKIM, DMARC of our domain
    ("7.21", _SETUP),
    ("7.22", _SETUP),
    ("7.23", _SETUP),
    ("7.24", _SETUP),
    ("7.25", _SETUP),
    ("7.26", _SETUP),
)
#: The same by command, for servers that give no enhanced code or one that says no more than "policy".
_BY_STEP: dict[Step, tuple[Reason, Action]] = {
    Step.CONNECT: _SETUP,
    Step.MAIL: _SETUP,
    Step.RCPT: _BAD,
    Step.DATA: _CONTENT,
    Step.END: _CONTENT,
}


def refusal(step: Step, reply: Reply) -> Rejected:
    """The outcome of a reply that was no success. The text of the server is not repeated in it."""
    enhanced = reply.enhanced
    code = f"{reply.code} {enhanced}" if enhanced else str(reply.code)
    detail = f"the mail server answered {code} to {step}"
    if not 500 <= reply.code < 600:
        return Rejected(Reason.TEMPORARY, Action.RETRY, code, detail)
    reason, action = _permanent(step, reply.code, enhanced)
    return Rejected(reason, action, code, detail)


def _permanent(step: Step, code: int, enhanced: str | None) -> tuple[Reason, Action]:
    if code in (530, 534, 535, 538):
        return _SETUP
    kind = enhanced[2:] if enhanced else ""
    for prefix, meaning in _BY_ENHANCED:
        if kind == prefix or (prefix.endswith(".") and kind.startswith(prefix)):
            return meaning
    if kind.startswith("7."):
        # A policy at RCPT is about this recipient or this relay: the address may well be right.
        return _AWAY if step is Step.RCPT else _BY_STEP.get(step, _CONTENT)
    if code in (500, 501, 502, 503, 504, 555) and step is not Step.RCPT:
        return _SETUP
    if code == 552:
        return _AWAY if step is Step.RCPT else _CONTENT
    return _BY_STEP.get(step, _SETUP)
