"""Invented people for sample data: names, nationalities, languages and addresses that reach nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

#: Foreign holders by nationality, in the proportions of the foreigners who live and work in Indonesia.
FOREIGN: Mapping[str, int] = {
    "CN": 45, "JP": 11, "KR": 10, "IN": 8, "MY": 6, "PH": 5, "AU": 4, "US": 4, "GB": 3, "RU": 2, "EG": 2,
}  # fmt: skip
LANGUAGES: Mapping[str, str] = {"CN": "zh-Hans", "JP": "ja", "KR": "ko", "ID": "id", "MY": "id"}

GIVEN: Mapping[str, tuple[str, ...]] = {
    "CN": ("Wei", "Fang", "Jing", "Lei", "Na", "Qiang", "Xiu Ying", "Jun", "Min", "Hao", "Ting", "Bo"),
    "JP": ("Haruto", "Yui", "Sota", "Hina", "Ren", "Aoi", "Daiki", "Sakura", "Kenta", "Emi"),
    "KR": ("Min Jun", "Seo Yeon", "Ji Ho", "Ha Eun", "Do Yun", "Su Bin", "Hyun Woo", "Ji Min"),
    "IN": ("Aarav", "Diya", "Rohan", "Ananya", "Vikram", "Priya", "Suresh", "Kavya"),
    "MY": ("Aiman", "Nurul", "Hafiz", "Siew Ling", "Kumar", "Aisyah"),
    "PH": ("Jose", "Maria Clara", "Ramon", "Liza", "Andres", "Corazon"),
    "AU": ("Jack", "Charlotte", "Liam", "Matilda", "Noah", "Isla"),
    "US": ("James", "Emily", "Michael", "Olivia", "Robert", "Ava"),
    "GB": ("Oliver", "Amelia", "Harry", "Grace", "George", "Freya"),
    "RU": ("Ivan", "Anna", "Dmitri", "Olga", "Sergei", "Natalia"),
    "EG": ("Omar", "Mariam", "Youssef", "Salma", "Karim", "Nour"),
    "ID": ("Budi", "Siti", "Agus", "Dewi", "Rizky", "Putri", "Wayan", "Made", "Andi", "Ratna", "Joko", "Yohana"),
}
FAMILY: Mapping[str, tuple[str, ...]] = {
    "CN": ("Wang", "Li", "Zhang", "Liu", "Chen", "Yang", "Zhao", "Huang", "Zhou", "Wu"),
    "JP": ("Sato", "Suzuki", "Takahashi", "Tanaka", "Watanabe", "Ito", "Yamamoto"),
    "KR": ("Kim", "Lee", "Park", "Choi", "Jung", "Kang"),
    "IN": ("Sharma", "Patel", "Reddy", "Iyer", "Singh", "Nair"),
    "MY": ("bin Ismail", "binti Rahman", "Tan", "Lim", "a/l Raju"),
    "PH": ("Santos", "Reyes", "Cruz", "Bautista", "Ocampo"),
    "AU": ("Smith", "Brown", "Wilson", "Taylor", "O'Connor"),
    "US": ("Johnson", "Miller", "Davis", "Garcia", "Anderson"),
    "GB": ("Jones", "Evans", "Hughes", "Walker", "Wright"),
    "RU": ("Ivanov", "Petrov", "Smirnov", "Volkov"),
    "EG": ("Hassan", "Ibrahim", "Mahmoud", "Farouk"),
    "ID": ("Santoso", "Wijaya", "Rahayu", "Saputra", "Lestari", "Nugroho", "", "", "Siregar", "Hutapea"),
}
#: In these countries the family name comes first.
FAMILY_FIRST = frozenset({"CN", "KR"})
TRADES = ("Maju", "Sentosa", "Nusantara", "Bahari", "Gemilang", "Lestari", "Mandiri", "Sejahtera")
BRANCHES = ("Tekstil", "Nikel", "Logistik", "Wisata", "Perikanan", "Konstruksi", "Elektronik", "Pangan")


@dataclass(frozen=True, slots=True)
class Invented:
    """A name with where it comes from."""

    name: str
    nationality: str
    language: str


def invent_person(random: Random, nationality: str | None = None) -> Invented:
    """A person nobody is; some Indonesians have one name, and some people's language is unknown."""
    country = nationality or random.choices(list(FOREIGN), weights=list(FOREIGN.values()))[0]
    given, family = random.choice(GIVEN[country]), random.choice(FAMILY[country])
    name = f"{family} {given}" if country in FAMILY_FIRST else f"{given} {family}".strip()
    language = LANGUAGES.get(country, "en") if random.random() < 0.93 else ""
    return Invented(name, country, language)


def invent_company(random: Random) -> str:
    """The name of a sponsor nobody is."""
    return f"PT {random.choice(TRADES)} {random.choice(BRANCHES)} {random.choice(TRADES)}"


def phone(number: int) -> str:
    """The number-th telephone: +62 812-0000-0000 and on; beyond ten thousand with more digits.

    The sandbox lets numbers ending in 0091 to 0095 fail: no mobile, WhatsApp undelivered, temporary fault,
    no receipt, opted out.
    """
    if number < 10_000:
        return f"+62 812-0000-{number:04d}"
    return f"+62 812-0{number // 100_000 % 1000:03d}-{number % 100_000:05d}"
