"""Rules over the whole grammar, from a seed. What the loader refuses is thrown away by the caller and drawn again."""

from random import Random

PERMIT_DAYS = ("expiry", "expiry", "expiry", "issue", "arrival", "departure deadline", "recommended day")
CASE_DAYS = ("documents deadline", "service deadline", "collection deadline", "issue")
CASE_INSTANTS = ("submission", "payment", "payment deadline", "appointment", "closing", "state begins")
STATES = (
    *("submitted", "awaiting payment", "paid", "under verification", "documents required"),
    *("scheduled", "in process", "ready for collection", "collected"),
)
STATUSES = ("active", "renewal filed unpaid", "renewal protected", "epo issued", "departed", "cancelled")
ORIGINS = ("visa on arrival", "single entry visa", "visa exemption", "change of status")
TYPES = ("ITK", "ITAS", "ITAP", "passport")
OFFICES = ("jakarta", "makassar", "denpasar", "jayapura", "amsterdam")
OPERATORS = ("at least", "at most", "less than", "more than")
DAY_UNITS = ("day", "day", "day", "week", "month", "working day", "year")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LADDERS = ("sms", "email and whatsapp", "[whatsapp, sms after 6 hours]", "[email, whatsapp and sms after 2 days]")
TIMES = ("08:15", "07:00", "09:00", "12:00", "16:00", "18:30", "05:00", "21:30", "02:30", "00:00", "23:59")


def indented(text: str, depth: int = 2) -> str:
    return "\n".join(" " * depth + line for line in text.splitlines())


class RuleWriter:
    """Writes one rule; `chance` is the whole of its freedom."""

    def __init__(self, chance: Random, name: str, kind: str) -> None:
        self.chance, self.name, self.kind = chance, name, kind
        self.deadline: str | None = None
        self.has_instant_deadline = False
        self.anniversary = ""

    def maybe(self, likelihood: float) -> bool:
        return self.chance.random() < likelihood

    def write(self) -> str:
        """The YAML text."""
        self.anniversary = self.one_anniversary() if self.kind == "permit" and self.maybe(0.2) else ""
        lines = [f"rule: {self.name}", "title: A rule of the tests", f"for: {self.kind}"]
        lines += [f"legal basis: {self.chance.choice(('public service', 'legal duty'))}"]
        lines += ["template: tests/any", f"via: {self.chance.choice(LADDERS)}", f"to: {self.to()}"]
        lines += self.measures()
        if self.anniversary:
            lines += [f"anniversary: {self.anniversary}"]
        if self.kind == "case" and self.maybe(0.85):
            lines += [f"while: [{', '.join(self.chance.sample(STATES, self.chance.choice((1, 1, 2, 3))))}]"]
        if self.maybe(0.55):
            lines += [f"deadline: {self.one_deadline()}"]
        if self.maybe(0.3):
            units = ("day", "week", "working day", "month") if self.kind == "permit" else ("minute", "hour", "day")
            lines += [f"correction: {self.length(units, 12)}"]
        lines += self.scope()
        lines += self.settings(0.12)
        lines += ["when:", indented(self.conditions(first=True))]
        if self.maybe(0.5):
            lines += ["unless:", indented(self.conditions())]
        lines += ["steps:"]
        names: list[str] = []
        for place in range(self.chance.choice((1, 2, 2, 3, 3, 4, 5, 6))):
            lines += [indented(self.step(f"step-{place + 1}", names))]
            names.append(f"step-{place + 1}")
        return "\n".join(lines) + "\n"

    def scope(self) -> list[str]:
        lines = []
        if self.maybe(0.15):
            lines += [f"from: {self.chance.choice(('2026-03-15', '2026-09-01', '2027-02-28'))}"]
        if self.maybe(0.12):
            lines += [f"until: {self.chance.choice(('2027-06-30', '2028-02-29', '2028-11-30'))}"]
        if self.maybe(0.15):
            some = ", ".join(self.chance.sample(OFFICES, self.chance.randint(1, 3)))
            lines += [f"offices: [{some}]" if self.maybe(0.5) else f"offices: {{not: [{some}]}}"]
        if self.maybe(0.01):
            lines += ["enabled: no"]
        return lines

    def measures(self) -> list[str]:
        """Keys of which no decision about one subject depends: caps and limits count over many."""
        lines = [f"limit: {self.chance.choice((10, 5000))} a day"] if self.maybe(0.1) else []
        lines += [f"cap: {self.chance.randint(1, 3)} in {self.length(('day', 'week', 'month'), 90)}"] * self.maybe(0.1)
        return lines + ["uncapped: yes"] * self.maybe(0.1)

    def settings(self, likelihood: float) -> list[str]:
        """What a rule and a step may both say."""
        lines = []
        if self.maybe(likelihood):
            lines += [f"time: {self.chance.choice(TIMES)}"]
        if self.maybe(likelihood):
            lines += [f"closed: {self.chance.choice(('earlier', 'later', 'ignore', 'ignore'))}"]
        if self.maybe(likelihood):
            policy = self.chance.choice(("newest", "send", "send", "skip", "fold"))
            within = f" within {self.length(('hour', *DAY_UNITS), 9)}" if policy != "skip" and self.maybe(0.6) else ""
            lines += [f"late: {policy}{within}"]
        if self.maybe(likelihood / 2):
            when = self.chance.choice(("daily", "daily", f"weekly on {self.chance.choice(WEEKDAYS)}"))
            lines += [f"digest: {when} at {self.chance.choice(TIMES[:5])}"]
        elif self.maybe(likelihood):
            lines += ["urgent: yes"]
        return lines

    def step(self, name: str, before: list[str]) -> str:
        lines = [f"send: {self.moment()}"]
        settings = self.settings(0.22)
        if self.chance.random() < 0.25:
            settings += [f"to: {self.to()}"]
        if before and self.maybe(0.15):
            settings += [f"only after: {self.chance.choice(before)}"]
        if lines[0].startswith("send: every") and self.maybe(0.5):
            settings += [f"at most: {self.chance.choice((1, 3, 8, 20))}"]
        if self.maybe(0.2):
            settings += ["when:", indented(self.conditions())]
        if self.maybe(0.15):
            settings += ["unless:", indented(self.conditions())]
        if self.maybe(0.03):
            settings += ["enabled: no"]
        return f"{name}:\n" + indented("\n".join(lines + settings))

    # ------------------------------------------------------------------------------------------ moments

    def length(self, units: tuple[str, ...], most: int) -> str:
        unit = self.chance.choice(units)
        most = {"month": min(most, 9), "year": 1, "minute": most * 5, "week": min(most, 9)}.get(unit, most)
        count = self.chance.randint(1, max(1, most))
        return f"{count} {unit}{'' if count == 1 else 's'}"

    def day_anchor(self) -> str:
        if self.kind == "case":
            return self.chance.choice(CASE_DAYS)
        extra = ("anniversary",) * 4 if self.anniversary else ()
        events = ("window opens", "window closes", f"holder turns {self.chance.choice((17, 18, 20, 21))}")
        return self.chance.choice((*PERMIT_DAYS, *extra, *events))

    def instant_anchor(self) -> str | None:
        own = ("deadline",) if self.has_instant_deadline else ()
        if self.kind == "case":
            return self.chance.choice((*CASE_INSTANTS, *own))
        return self.chance.choice(own) if own else None

    def anchor(self) -> str:
        instant = self.instant_anchor()
        if instant and self.maybe(0.5):
            return instant
        return "deadline" if self.deadline and self.maybe(0.2) else self.day_anchor()

    def noun(self) -> str:
        """What `on` may stand before: no event."""
        own = ("deadline",) if self.deadline else ()
        if self.kind == "case":
            return self.chance.choice((*CASE_DAYS, *CASE_INSTANTS[:5], *own))
        return self.chance.choice((*PERMIT_DAYS, *own, *(("anniversary",) if self.anniversary else ())))

    def offset(self) -> str:
        instant = self.instant_anchor()
        side = self.chance.choice(("before", "before", "after"))
        if instant and self.maybe(0.4):
            return f"{self.length(('minute', 'hour', 'hour'), 60)} {side} {instant}"
        if self.maybe(0.12):
            return f"last working day before {self.anchor()}"
        return f"{self.length(DAY_UNITS, self.chance.choice((3, 10, 30, 60)))} {side} {self.anchor()}"

    def place(self) -> str:
        return self.offset() if self.maybe(0.7) else self.anchor()

    def one_deadline(self) -> str:
        anchors = (*CASE_INSTANTS[2:4], *CASE_DAYS[:3]) if self.kind == "case" else ("expiry", "departure deadline")
        anchor = self.chance.choice(anchors)
        if self.kind == "permit" and self.maybe(0.3):
            anchor = self.chance.choice(
                ("window closes", "holder turns 21", "anniversary" if self.anniversary else "expiry")
            )
        text = anchor
        if self.maybe(0.35):
            text = f"{self.length(('day', 'week', 'working day', 'month'), 12)} after {anchor}"
        elif self.maybe(0.15):
            text = self.chance.choice((f"last working day before {anchor}", f"3 days before {anchor}"))
        at = ""
        if self.maybe(0.3):
            at = self.chance.choice((" at closing time", " at closing time", " at 12:00", " at 02:30", " at 21:00"))
        self.deadline = text + at
        self.has_instant_deadline = bool(at) or text in CASE_INSTANTS
        return self.deadline

    def one_anniversary(self) -> str:
        period = self.chance.choice(("1 year", "2 years", "6 months", "3 months", "5 years"))
        return f"every {period} after {self.chance.choice(('issue', 'issue', 'arrival', 'expiry'))}"

    def moment(self) -> str:
        match self.chance.randint(0, 11):
            case 0:
                return "at once"
            case 1:
                return f"on {self.noun()}"
            case 2:
                events = ("window opens", "window closes", f"holder turns {self.chance.choice((17, 18, 21))}")
                of_a_case = ("state begins", "state begins", events[2])
                return f"when {self.chance.choice(events if self.kind == 'permit' else of_a_case)}"
            case 3:
                held = ("expiry", "expiry", "expiry", "issue", "arrival", "departure deadline")
                nouns = held if self.kind == "permit" else ("appointment", "payment deadline", *CASE_DAYS, "closing")
                return f"when {self.chance.choice(nouns)} moves{self.chance.choice(('', ' earlier'))}"
            case 4:
                return f"halfway to {self.anchor()}"
            case 5:
                return self.every()
            case _:
                return self.offset()

    def every(self) -> str:
        instant = self.instant_anchor()
        if instant and self.maybe(0.3):
            period = self.chance.choice(("45 minutes", "2 hours", "6 hours", "30 hours"))
            if period.endswith("minutes") and "deadline" in instant:
                return f"every {period} from 5 hours before {instant} until {instant}"
            return f"every {period} from {instant} until 4 days after {instant}"
        anchor = self.anchor()
        while anchor == "anniversary" and "month" in self.anniversary:  # sixty years of them, several times a month
            anchor = self.anchor()
        period = self.length(("day", "week", "month", "working day"), 9)
        if self.maybe(0.3):
            period = self.chance.choice(("working day", "week", "month"))
        elif period.startswith("1 "):
            period = period[2:]
        start, end = self.chance.choice(
            (
                (f"60 days before {anchor}", anchor),
                (f"3 months before {anchor}", f"2 weeks after {anchor}"),
                (f"1 day after {anchor}", f"30 days after {anchor}"),
                (self.place(), self.place()),
            )
        )
        return f"every {period} from {start} until {end}"

    # ------------------------------------------------------------------------------------------ people

    def to(self) -> str:
        words = ("holder", "holder", "holder", "sponsor", "guardian", "agent", "payer", "officer", "front desk")
        some = list(dict.fromkeys(self.chance.choices(words, k=self.chance.choice((1, 1, 2, 3)))))
        return some[0] if len(some) == 1 else f"[{', '.join(some)}]"

    # ------------------------------------------------------------------------------------------ conditions

    def conditions(self, *, first: bool = False, depth: int = 0) -> str:
        """Lines of a mapping, no field twice. The first ones of a permit rule name types, so that windows are known."""
        lines: dict[str, str] = {}
        if first and self.kind == "permit":
            types = self.chance.sample(TYPES[:3], self.chance.choice((1, 2, 3)))
            lines["type"] = f"type: [{', '.join(types)}]"
        for _ in range(self.chance.choice((0, 1, 1, 2)) if first else 1 if self.maybe(0.8) else 2):
            key, text = self.line(depth)
            lines.setdefault(key, text)
        return "\n".join(lines.values()) or "holder.age: at least 0"

    def line(self, depth: int) -> tuple[str, str]:
        if depth < 2 and self.maybe(0.12):
            word = self.chance.choice(("any", "all", "none"))
            members = [self.conditions(depth=depth + 1) for _ in range(self.chance.choice((1, 2, 3)))]
            return word, f"{word}:\n" + "\n".join("  - " + indented(one, 4).strip() for one in members)
        if depth < 1 and self.maybe(0.08):
            word = self.chance.choice(("holder has", "holder has no"))
            extra = self.chance.choice(
                (f"expiry: {self.day_test()}", "status: active", "extendable: yes", "type: ITAS")
            )
            kinds = "" if extra == "type: ITAS" else "type: [ITAS, ITAP, passport]\n"
            return word, f"{word}:\n" + indented(f"{kinds}{extra}")
        return self.field_line()

    def field_line(self) -> tuple[str, str]:
        tests = {
            "holder.age": lambda: f"{self.chance.choice(OPERATORS)} {self.chance.choice((17, 18, 21, 30))}",
            "holder.nationality": lambda: self.choice_test(("PHL", "NLD", "IND")),
            "holder.language": lambda: self.choice_test(("en", "id")),
            "holder.kind": lambda: self.choice_test(("person", "organisation")),
            self.chance.choice(("sponsor", "guardian", "agent", "payer", "officer")): self.presence,
            "attributes.color": lambda: self.chance.choice(("red", "[red, blue]", "exists", "missing", "{not: red}")),
            "attributes.floor": lambda: f"{self.chance.choice(OPERATORS)} {self.chance.choice((0, 2, 5))}",
            "issue": self.day_test,
        }
        if self.kind == "permit":
            tests |= {
                "status": lambda: self.choice_test((*STATUSES, "renewed")),
                "origin": lambda: self.choice_test(ORIGINS),
                "extendable": lambda: self.chance.choice(("yes", "yes", "no")),
                "extensions left": lambda: self.chance.choice(("0", "at least 1", "1", "less than 2")),
                "stay left": lambda: f"{self.chance.choice(OPERATORS)} {self.chance.choice((10, 60))}",
                "expiry": self.day_test,
                "arrival": self.day_test,
                "departure deadline": self.day_test,
                "recommended day": self.day_test,
                "open case": lambda: self.chance.choice(("exists", "missing")),
                "case.service": lambda: self.choice_test(("change of status", "limited stay permit")),
                "case.state": lambda: self.choice_test(STATES),
            }
        else:
            tests |= {
                "state": lambda: self.choice_test(STATES),
                "service": lambda: self.choice_test(("passport", "change of status", "limited stay permit")),
                "payment deadline": self.instant_test,
                "appointment": self.instant_test,
                self.chance.choice(("submission", "payment", "closing")): self.instant_test,
                self.chance.choice(CASE_DAYS[:3]): self.day_test,
                "survey answer": self.presence,
                "payment time": lambda: f"{self.chance.choice(OPERATORS)} {self.length(('hour', 'day'), 30)}",
            }
        name = self.chance.choice(tuple(tests))
        return name, f"{name}: {tests[name]()}"

    def presence(self) -> str:
        return self.chance.choice(("exists", "exists", "missing"))

    def choice_test(self, words: tuple[str, ...]) -> str:
        some = self.chance.sample(words, self.chance.randint(1, min(4, len(words))))
        listed = some[0] if len(some) == 1 and self.maybe(0.5) else f"[{', '.join(some)}]"
        return f"{{not: {listed}}}" if self.maybe(0.35) else listed

    def day_test(self) -> str:
        return self.time_test(DAY_UNITS)

    def instant_test(self) -> str:
        return self.time_test((*DAY_UNITS, "hour", "hour", "hour", "minute"))

    def time_test(self, units: tuple[str, ...]) -> str:
        size = self.length(units, self.chance.choice((5, 30, 60)))
        fixed = self.chance.choice(("2026-06-30", "2027-03-10", "2028-02-29"))
        return self.chance.choice(
            (
                *("exists", "exists", "missing", "past", f"before {fixed}", f"after {fixed}"),
                *(f"within {size}", f"within last {size}", f"beyond {size}", f"more than {size} ago"),
            )
        )
