"""The questions of `rules new`, in English or Indonesian, and how their answers are read."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import click

from notifier.rules.forms import NAME
from notifier.rules.telling_words import Tongue
from notifier.rules.translate import spelled
from notifier.rules.vocabulary import VOCABULARY, Language, Part
from notifier.rules.words import SYNONYMS, nearest

Read = TypeVar("Read")
MOST_DAYS = 400
#: Shorter, and "every week" would come once.
FEWEST_DAYS_OF_WEEKS = 8

_QUESTIONS: Mapping[str, tuple[str, str]] = {
    "name": ("Name of the rule, like itap-reminder", "Nama aturan, misalnya pengingat-itap"),
    "title": ("What is it for, in one sentence", "Untuk apa aturan ini, dalam satu kalimat"),
    "subject": ("About each permit or each case (an application)", "Tentang setiap dokumen atau setiap permohonan"),
    "document": ("Which type of document", "Jenis dokumen"),
    "state": ("In which state", "Pada tahap apa"),
    "to": ("Who is told, with commas", "Siapa yang diingatkan, pisahkan dengan koma"),
    "days": (
        "How many days before, like 60, 30, 7; or: every week from 90",
        "Berapa hari sebelumnya, misalnya 60, 30, 7; atau: setiap pekan sejak 90",
    ),
    "channels": ("Over which channels, with commas", "Lewat saluran apa, pisahkan dengan koma"),
    "template": ("Which text", "Teks yang mana"),
    "offices": (
        "Only at these offices, with commas (empty: everywhere)",
        "Hanya di kantor ini, pisahkan dengan koma (kosong: semua kantor)",
    ),
}
_EVERY_WEEK = re.compile(
    r"(?:every (?:week|7 days)|weekly|setiap (?:pekan|minggu|7 hari)|mingguan|tiap (?:pekan|minggu))"
    r"(?: (?:from|since|sejak|dari|mulai))? (?P<days>[0-9]{1,3})(?: (?:days?|hari))?(?: (?:before|sebelum).*)?"
)


class Choices:
    """What may be answered: words of the rule language, in either language; or names, which are in none."""

    def __init__(self, words: Iterable[str], tongue: Tongue, part: Part | None = None) -> None:
        self._tongue = tongue
        self.shown = {each: spelled(part, each, tongue.language) if part else each for each in words}
        self._meant = {word.casefold(): each for each, word in self.shown.items()}
        for each in self.shown:
            self._meant.setdefault(each.casefold(), each)
        for row in VOCABULARY[part] if part else ():
            if row.english in self.shown:
                self._meant.setdefault(row.indonesian.casefold(), row.english)

    def one(self, text: str) -> str:
        """The English word that was meant. Raises click.UsageError, with the nearest one or all of them."""
        word = " ".join(text.split()).casefold()
        found = self._meant.get(word) or self._meant.get(SYNONYMS.get(word, ""))
        if found is None:
            near = nearest(word, self._meant)
            near = near and self.shown[self._meant[near]]
            every = ", ".join(self.shown.values())
            say = self._tongue.say
            remedy = (
                say(f'did you mean "{near}"?', f'maksudnya "{near}"?') if near else say("write", "tulis") + " " + every
            )
            raise click.UsageError(f'"{text.strip()}" {say("is not known here", "tidak dikenal di sini")}; {remedy}')
        return found

    def several(self, text: str) -> tuple[str, ...]:
        """The same for words with commas, or with "and" between them; each once."""
        parts = re.split(r",|\band\b|\bdan\b|&", text)
        return tuple(dict.fromkeys(self.one(each) for each in parts if each.strip() or not text.strip()))

    def spelled(self, default: str) -> str:
        """An English default as the language shows it."""
        return self.shown.get(default, default)


class Interview:
    """Takes answers from options, else from the terminal, which asks again until an answer is good."""

    def __init__(self, told: Mapping[str, str | None], tongue: Tongue, *, is_silent: bool) -> None:
        self._told = told
        self._is_silent = is_silent
        self._tongue = tongue

    def ask(
        self,
        option: str,
        read: Callable[[str], Read],
        *,
        default: str | None,
        choices: Choices | None = None,
        offered: bool = True,
    ) -> Read:
        """The answer as `read` takes it. Without `offered` the default is for those who ask for no questions."""
        said = self._told.get(option)
        if said is None and not self._is_silent:
            if choices is not None:
                click.echo(f"  {', '.join(choices.shown.values())}")
            shown = choices.spelled(default) if choices and default else default
            answer: Read = click.prompt(
                self._tongue.say(*_QUESTIONS[option]),
                default=shown if offered else None,
                value_proc=read,
                show_default=bool(shown),
            )
            return answer
        return read((default or "") if said is None else said)

    def free_name(self, text: str, taken: Callable[[str], str | None]) -> str:
        """A name that no rule and no file has; `taken` answers who has it."""
        name, say = text.strip(), self._tongue.say
        if not re.fullmatch(NAME, name):
            like = re.sub("[^a-z0-9]+", "-", name.casefold()).strip("-")
            like = like if re.fullmatch(NAME, like) else say("my-rule", "aturan-saya")
            raise click.UsageError(
                say(
                    f'"{name}" is no name; write small letters, digits and single hyphens, like {like}',
                    f'"{name}" bukan nama; tulis huruf kecil, angka, dan tanda hubung tunggal, misalnya {like}',
                )
            )
        if (file := taken(name)) is not None:
            raise click.UsageError(
                say(
                    f"{file} exists and is not overwritten; choose another name",
                    f"{file} sudah ada dan tidak ditimpa; pilih nama lain",
                )
            )
        return name

    def sentence(self, text: str) -> str:
        """A title."""
        said = " ".join(text.split())
        if not said or '"' in said or "\\" in said or not said.isprintable():
            raise click.UsageError(
                self._tongue.say('write one sentence without " and \\', 'tulis satu kalimat tanpa " dan \\')
            )
        return said

    def days(self, text: str) -> tuple[tuple[int, ...], bool]:
        """The days, the most first; and whether it is every week from the one day named."""
        plain = " ".join(text.split()).casefold()
        if weekly := _EVERY_WEEK.fullmatch(plain):
            found, fewest = {weekly["days"]}, FEWEST_DAYS_OF_WEEKS
        else:
            found, fewest = {each.strip() for each in text.split(",")}, 2
        if not all(re.fullmatch("[0-9]{1,3}", each) and fewest <= int(each) <= MOST_DAYS for each in found):
            raise click.UsageError(
                self._tongue.say(
                    f"write whole numbers from {fewest} to {MOST_DAYS} with commas, like 60, 30, 7; "
                    "or: every week from 90",
                    f"tulis bilangan bulat dari {fewest} sampai {MOST_DAYS} dengan koma, misalnya 60, 30, 7; "
                    "atau: setiap pekan sejak 90",
                )
            )
        return tuple(sorted({int(each) for each in found}, reverse=True)), weekly is not None

    def offices(self, text: str, known: Sequence[str]) -> tuple[str, ...]:
        """Codes of offices; those of the register where there is one."""
        said = [each.strip() for each in text.split(",") if each.strip()]
        if known:
            choices = Choices(known, self._tongue)
            return tuple(dict.fromkeys(choices.one(each) for each in said))
        for code in said:
            if not re.fullmatch(NAME, code):
                raise click.UsageError(
                    self._tongue.say(
                        f'"{code}" is no code of an office; write it in small letters as the register has it, '
                        "like batam or jakarta-barat",
                        f'"{code}" bukan kode kantor; tulis dengan huruf kecil seperti di data kantor, '
                        "misalnya batam atau jakarta-barat",
                    )
                )
        return tuple(dict.fromkeys(said))


def tongue_of(language: str) -> Tongue:
    """Who asks in a language, "en" or "id"."""
    return Tongue(Language(language))
