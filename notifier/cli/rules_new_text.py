"""The files that `rules new` writes: a rule with comments, and its test."""

from dataclasses import dataclass
from datetime import date, timedelta

from notifier.model import SubjectKind

#: The dates that matter in a state of a case.
ANCHORS = {
    "awaiting payment": "payment deadline",
    "documents required": "documents deadline",
    "scheduled": "appointment",
    "ready for collection": "collection deadline",
}
_INSTANTS = frozenset({"payment deadline", "appointment"})
#: The last day in the test: a working day in the middle of a week.
_LAST = date(2026, 6, 10)
_PEOPLE = {"holder": "anna", "sponsor": "pt-maju", "agent": "acme", "payer": "budi"}


@dataclass(frozen=True, slots=True)
class Answers:
    """What was asked; `value` is the type of a permit or the state of a case."""

    name: str
    title: str
    subject: SubjectKind
    value: str
    to: tuple[str, ...]
    days: tuple[int, ...]
    channels: tuple[str, ...]
    template: str
    offices: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """The date that the steps count from."""
        return "expiry" if self.subject is SubjectKind.PERMIT else ANCHORS.get(self.value, "service deadline")


def rule_text(answers: Answers) -> str:
    """The rule file."""
    is_permit = answers.subject is SubjectKind.PERMIT
    lines = [
        "# Change what you like, then run `notifier rules check` and `notifier rules test`.",
        f"rule: {answers.name}",
        f'title: "{answers.title}"',
        "# What allows the office to write: public service, legal duty or consent.",
        "legal basis: public service",
        f"for: {answers.subject}",
        *([f"offices: [{', '.join(answers.offices)}]"] if answers.offices else []),
    ]
    if is_permit:
        lines += [
            "# Every line of when must hold; if a line of unless holds, nothing is sent.",
            f"when:\n  type: {answers.value}",
            "unless:\n  status: [renewal protected, renewed, epo issued, departed, cancelled]",
        ]
    else:
        lines += ["# Only as long as the application stands there.", f"while: {answers.value}"]
    lines += [
        "# Until then the messages are useful.",
        f"deadline: {answers.anchor}",
        f"to: [{', '.join(answers.to)}]",
        "# These leave together; [email, sms after 24 hours] would be one after the other.",
        f"via: {' and '.join(answers.channels)}",
        f"template: {answers.template}",
        "# The name of a step is its identity: its days and its text may change, its name may not.",
        "steps:",
    ]
    lines += [f"  {count}-days:\n    send: {count} days before {answers.anchor}" for count in answers.days]
    return "\n".join(lines) + "\n"


def test_text(answers: Answers) -> str:
    """The test file, its messages still to be recorded."""
    begin = _LAST - timedelta(days=max(answers.days) + 21)
    roles = dict.fromkeys(("holder", *answers.to))
    lines = [
        "# Its messages were recorded from the rule as it was first written: look at them.",
        f"rule: {answers.name}",
    ]
    lines += ["people:"]
    for role in roles:
        kind = "kind: organisation, " if role in ("sponsor", "agent") else ""
        lines.append(f"  {_PEOPLE[role]}: {{{kind}language: en, email: yes, whatsapp: yes, sms: yes}}")
    if answers.offices:
        lines.append(f"offices:\n  {answers.offices[0]}: {{zone: Asia/Jakarta}}")
    held = ", ".join(f"{role}: {_PEOPLE[role]}" for role in roles)
    if answers.subject is SubjectKind.PERMIT:
        issue = begin - timedelta(days=100)
        subject = f"permits:\n      P1: {{type: {answers.value}, {held}, issue: {issue}, expiry: {_LAST}}}"
    else:
        when = f"{_LAST} 15:00" if answers.anchor in _INSTANTS else str(_LAST)
        subject = f"cases:\n      C1: {{service: passport, state: {answers.value}, {held}, {answers.anchor}: {when}}}"
    lines += ["tests:", "  everybody is told in time:", f"    {subject}", f"    from: {begin}", f"    until: {_LAST}"]
    return "\n".join(lines) + "\n"
