"""The files that `rules new` writes: a rule with comments, and its test."""

from dataclasses import dataclass
from datetime import date, timedelta

from notifier.model import SubjectKind
from notifier.rules.spelling import one_spelling
from notifier.rules.telling_words import Tongue
from notifier.rules.vocabulary import Language

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
    is_weekly: bool
    channels: tuple[str, ...]
    template: str
    offices: tuple[str, ...]
    language: Language = Language.ENGLISH

    @property
    def anchor(self) -> str:
        """The date that the steps count from."""
        return "expiry" if self.subject is SubjectKind.PERMIT else ANCHORS.get(self.value, "service deadline")


def rule_text(answers: Answers) -> str:
    """The rule file, in the words of its language."""
    is_permit = answers.subject is SubjectKind.PERMIT
    say = Tongue(answers.language).say
    lines = [
        say(
            "# Change what you like, then run `notifier rules check` and `notifier rules test`.",
            "# Ubah seperlunya, lalu jalankan `notifier rules check` dan `notifier rules test`.",
        ),
        f"rule: {answers.name}",
        f'title: "{answers.title}"',
        say(
            "# What allows the office to write: public service, legal duty or consent.",
            "# Yang membolehkan kantor menulis: pelayanan publik, kewajiban hukum, atau persetujuan.",
        ),
        "legal basis: public service",
        f"for: {answers.subject}",
        *([f"offices: [{', '.join(answers.offices)}]"] if answers.offices else []),
    ]
    if is_permit:
        lines += [
            say(
                "# Every line of when must hold; if a line of unless holds, nothing is sent.",
                "# Setiap baris bila harus benar; jika satu baris kecuali benar, tidak ada yang dikirim.",
            ),
            f"when:\n  type: {answers.value}",
            "unless:",
            say(
                "  # Who has filed but not paid is still told; to spare them too, add the line `open case: exists`.",
                "  # Yang sudah mengajukan tetapi belum membayar tetap diingatkan; agar tidak, tambahkan "
                "`permohonan berjalan: ada`.",
            ),
            "  status: [renewal protected, renewed, epo issued, departed, cancelled]",
        ]
    else:
        lines += [
            say("# Only as long as the application stands there.", "# Hanya selama permohonan berada di tahap ini."),
            f"while: {answers.value}",
        ]
    lines += [
        say("# Until then the messages are useful.", "# Sampai saat itu pesan berguna."),
        f"deadline: {answers.anchor}",
        f"to: [{', '.join(answers.to)}]",
        say(
            "# These leave together; [email, sms after 24 hours] would be one after the other.",
            "# Dikirim bersamaan; [email, sms setelah 24 jam] berarti satu demi satu.",
        ),
        f"via: {' and '.join(answers.channels)}",
        f"template: {answers.template}",
        say(
            "# The name of a step is its identity: its days and its text may change, its name may not.",
            "# Nama langkah adalah identitasnya: hari dan teksnya boleh berubah, namanya tidak.",
        ),
        "steps:",
        *_steps(answers),
    ]
    english = "\n".join(lines) + "\n"
    if answers.language is Language.ENGLISH:
        return english
    return one_spelling(english.encode(), f"{answers.name}.yaml", answers.language)


def _steps(answers: Answers) -> list[str]:
    before = f"days before {answers.anchor}"
    if answers.is_weekly:
        return [f"  weekly:\n    send: every week from {answers.days[0]} {before} until {answers.anchor}"]
    return [f"  {count}-days:\n    send: {count} {before}" for count in answers.days]


def test_text(answers: Answers) -> str:
    """The test file, its messages still to be recorded."""
    begin = _LAST - timedelta(days=max(answers.days) + 21)
    roles = dict.fromkeys(("holder", *answers.to))
    say = Tongue(answers.language).say
    lines = [
        say(
            "# Its messages were recorded from the rule as it was first written: look at them.",
            "# Pesannya dicatat dari aturan saat pertama kali ditulis: mohon diperiksa.",
        ),
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
    lines += [
        "tests:",
        f"  {say('everybody is told in time', 'semua diingatkan pada waktunya')}:",
        f"    {subject}",
        f"    from: {begin}",
        f"    until: {_LAST}",
    ]
    return "\n".join(lines) + "\n"
