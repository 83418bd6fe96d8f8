"""A rule told in plain sentences, in English or Indonesian: everything it says, nothing it does not."""

from dataclasses import dataclass

from notifier.model import SubjectKind
from notifier.rules.rule import (
    Closed,
    Late,
    LatePolicy,
    Rule,
    Rung,
    Step,
    Window,
)
from notifier.rules.speak import say_deadline, say_moment, say_place, say_time
from notifier.rules.telling_words import Tongue
from notifier.rules.translate import spelled
from notifier.rules.vocabulary import Language, Part
from notifier.rules.words import WEEKDAYS

_LATE = {
    LatePolicy.NEWEST: (
        "If several are late, only the newest goes",
        "Bila beberapa terlambat, hanya yang terbaru dikirim",
    ),
    LatePolicy.SEND: ("If it is late, it still goes", "Bila terlambat, tetap dikirim"),
    LatePolicy.SKIP: ("If it is late, it does not go", "Bila terlambat, tidak dikirim"),
    LatePolicy.FOLD: (
        "If it is late, the next message of the rule tells it",
        "Bila terlambat, disampaikan dalam pesan berikutnya dari aturan ini",
    ),
}
_CLOSED = {
    Closed.EARLIER: ("On a closed day it goes earlier", "Pada hari libur dikirim lebih awal"),
    Closed.LATER: ("On a closed day it goes later", "Pada hari libur dikirim lebih lambat"),
    Closed.IGNORE: ("It goes on closed days, too", "Dikirim juga pada hari libur"),
}


@dataclass(frozen=True, slots=True)
class StepTold:
    """A step by its name, and its sentences."""

    name: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """A rule in sentences: what holds for all of it, and each step."""

    title: str
    sentences: tuple[str, ...]
    steps: tuple[StepTold, ...]

    def text(self) -> str:
        """Everything as lines for a terminal."""
        lines = [self.title, "", *self.sentences]
        for step in self.steps:
            lines += ["", f"{step.name}:", *(f"  {sentence}" for sentence in step.sentences)]
        return "\n".join(lines)


def tell(rule: Rule, language: Language, windows: dict[tuple[str, str], Window] | None = None) -> Told:
    """The whole rule in sentences; with `windows` (office or "", type), also when these open and close."""
    tongue = Tongue(language)
    sentences = [
        *_whom(rule, tongue),
        *_bounds(rule, tongue),
        *_restraints(rule, tongue),
        *(_window(tongue, *key, window) for key, window in (windows or {}).items()),
    ]
    steps = tuple(StepTold(step.name, tuple(_step(step, tongue))) for step in rule.steps)
    return Told(f"{rule.name}: {rule.title}", tuple(sentences), steps)


def _whom(rule: Rule, tongue: Tongue) -> list[str]:
    say = tongue.say
    basis = spelled(Part.BASIS, rule.legal_basis, tongue.language)
    what = say("each document", "setiap dokumen")
    if rule.subject is SubjectKind.CASE:
        what = say("each application", "setiap permohonan")
    told = [*([rule.purpose] if rule.purpose else [])]
    told += [say(f"It is about {what}; legal basis: {basis}.", f"Aturan ini tentang {what}; dasar hukum: {basis}.")]
    if not rule.enabled:
        told.append(say("It is switched off and sends nothing.", "Aturan ini tidak aktif dan tidak mengirim apa pun."))
    if rule.stays:
        states = tongue.listed([spelled(Part.STATE, each, tongue.language) for each in rule.stays], ("or", "atau"))
        told.append(say(f"It applies while the application is: {states}.", f"Berlaku selama permohonan: {states}."))
    return [*told, *_conditions(rule, tongue)]


def _conditions(one: Rule | Step, tongue: Tongue) -> list[str]:
    told = []
    if one.when:
        said = tongue.all_of(one.when)
        told.append(tongue.say(f"It concerns only those where {said}.", f"Hanya bila {said}."))
    if one.unless:
        said = tongue.any_of(one.unless)
        told.append(tongue.say(f"Nothing is sent if {said}.", f"Tidak ada yang dikirim bila {said}."))
    return told


def _bounds(rule: Rule, tongue: Tongue) -> list[str]:
    say, told = tongue.say, []
    if rule.deadline:
        said = tongue.phrase("deadline", say_deadline(rule.deadline))
        told.append(say(f"Its messages are useful until: {said}.", f"Pesannya berguna sampai: {said}."))
    if rule.anniversary:
        period, anchor = rule.anniversary
        said = tongue.phrase("anniversary", f"every {period} after {anchor}")
        told.append(say(f"The anniversary falls {said}.", f"Ulang tahun terbit jatuh {said}."))
    if rule.offices:
        told.append(say("Only at: ", "Hanya di: ") + ", ".join(rule.offices) + ".")
    if rule.excluded_offices:
        told.append(say("Everywhere but at: ", "Di semua kantor selain: ") + ", ".join(rule.excluded_offices) + ".")
    if rule.starts:
        told.append(say(f"It sends from {rule.starts} on.", f"Mengirim sejak {rule.starts}."))
    if rule.ends:
        told.append(say(f"It sends until {rule.ends}.", f"Mengirim sampai {rule.ends}."))
    said = tongue.length(rule.correction)
    if rule.subject is SubjectKind.CASE:
        told.append(
            say(
                f"A state that is left and entered again within {said} goes on as if it had not been left.",
                f"Tahap yang ditinggalkan lalu dimasuki lagi dalam {said} dianggap tidak pernah ditinggalkan.",
            )
        )
        return told
    told.append(
        say(
            f"A date that changes by at most {said} is taken for a correction, and nothing is told again.",
            f"Tanggal yang berubah paling banyak {said} dianggap koreksi, dan tidak ada yang diulang.",
        )
    )
    return told


def _restraints(rule: Rule, tongue: Tongue) -> list[str]:
    say, told = tongue.say, []
    if rule.approval:
        told.append(say("Each day's messages wait for an officer.", "Pesan setiap hari menunggu persetujuan petugas."))
    if rule.limit is not None:
        told.append(
            say(
                f"More than {rule.limit} messages a day wait for an officer.",
                f"Lebih dari {rule.limit} pesan per hari menunggu petugas.",
            )
        )
    if rule.cap:
        within, count = tongue.length(rule.cap.within), rule.cap.cycles
        told.append(
            say(
                f"For one person at most {count} time(s) in {within}.",
                f"Per orang paling banyak {count} kali tiap {within}.",
            )
        )
    if rule.uncapped:
        told.append(say("The caps of a person do not count.", "Batas per orang tidak berlaku."))
    if rule.mutes:
        named = ", ".join(rule.mutes)
        told.append(say(f"Meanwhile these rules keep silent: {named}.", f"Sementara itu aturan ini diam: {named}."))
    if rule.separate:
        told.append(say("Its messages are never joined.", "Pesannya tidak pernah digabung."))
    return told


def _window(tongue: Tongue, office: str, document: str, window: Window) -> str:
    opens, better, closes = (
        tongue.phrase("place", say_place(place)) for place in (window.opens, window.recommended, window.closes)
    )
    where = f" ({office})" if office else ""
    return tongue.say(
        f"Window of {document}{where}: opens {opens}; recommended {better}; closes {closes}.",
        f"Masa pengajuan {document}{where}: dibuka {opens}; disarankan {better}; ditutup {closes}.",
    )


def _step(step: Step, tongue: Tongue) -> list[str]:
    say = tongue.say
    moment = tongue.phrase("moment", say_moment(step.send))
    clock = "" if step.time is None else say(f" at {say_time(step.time)}", f" pukul {say_time(step.time)}")
    whom = tongue.listed([tongue.recipient(role) for role in step.to])
    is_one = len(step.to) == 1
    first = tongue.channels(step.via[0])
    told = [
        say(
            f"{_capital(whom)} {'is' if is_one else 'are'} told {moment}{clock} by {first}.",
            f"{_capital(whom)} diingatkan {moment}{clock} lewat {first}.",
        )
    ]
    if not step.enabled:
        told.insert(
            0, say("Switched off: this step sends nothing.", "Tidak aktif: langkah ini tidak mengirim apa pun.")
        )
    told += [_next_rung(rung, tongue) for rung in step.via[1:]]
    told.append(say(f"The text is {step.template}.", f"Teksnya {step.template}."))
    return [*told, *_conditions(step, tongue), *_manner(step, tongue)]


def _next_rung(rung: Rung, tongue: Tongue) -> str:
    wait = tongue.say("after the usual wait", "setelah jeda biasa")
    if rung.after is not None:
        wait = tongue.say(f"after {rung.after}", f"setelah {tongue.length(rung.after)}")
    named = tongue.channels(rung)
    return tongue.say(
        f"If it is not proved by then that it arrived, {wait} by {named}.",
        f"Bila sampai saat itu belum terbukti diterima, {wait} lewat {named}.",
    )


def _manner(step: Step, tongue: Tongue) -> list[str]:
    say, told = tongue.say, []
    if step.only_after:
        told.append(say(f"Only if {step.only_after} was told before.", f"Hanya setelah {step.only_after} disampaikan."))
    if step.closed:
        told.append(f"{say(*_CLOSED[step.closed])}.")
    if step.urgent:
        told.append(
            say(
                "It is urgent: it leaves on silent days, too, and no cap counts it.",
                "Mendesak: dikirim juga pada hari tenang, dan tidak dihitung oleh batas mana pun.",
            )
        )
    if step.digest:
        slot = say_time(step.digest.at)
        day = say("each day", "setiap hari")
        if step.digest.weekday is not None:
            name = WEEKDAYS[step.digest.weekday]
            day = say(f"each {name.capitalize()}", f"setiap {spelled(Part.WEEKDAY, name, tongue.language)}")
        told.append(
            say(
                f"Everything due for one recipient leaves as one list, {day} at {slot}.",
                f"Semua yang jatuh waktu bagi satu penerima dikirim sebagai satu daftar, {day} pukul {slot}.",
            )
        )
    if step.at_most is not None:
        told.append(say(f"At most {step.at_most} times.", f"Paling banyak {step.at_most} kali."))
    return [*told, _late(step.late, tongue)]


def _late(late: Late, tongue: Tongue) -> str:
    within = ""
    if late.within is not None:
        said = tongue.length(late.within)
        within = tongue.say(f", not later than {said} after its moment", f", paling lambat {said} setelah waktunya")
    return f"{tongue.say(*_LATE[late.policy])}{within}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
