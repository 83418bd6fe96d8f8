"""When each step speaks: S6-S28 and S39, one function per sentence or two, for a record as it is known now."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from tests.oracle.asked import stretch
from tests.oracle.days import DAY, Days
from tests.oracle.lives import Begun, Life, life_of, stay_of
from tests.oracle.reading import Plain, place

Value = date | datetime | None

WINDOWS = {
    "ITK": ("14 days before expiry", "10 days before expiry", "last working day before expiry"),
    "ITAS": ("30 days before expiry", "3 weeks before expiry", "last working day before expiry"),
    "ITAP": ("3 months before expiry", "2 months after issue", "3 working days before expiry"),
}
OWN_WINDOWS = {
    ("makassar", "ITAS"): ("3 months before expiry", "3 weeks before expiry", "last working day before expiry"),
    ("jayapura", "ITK"): ("14 days before expiry", "10 days before expiry", "expiry"),
}
WINDOW_WORDS = ("window opens", "recommended day", "window closes")
SHORT = ("minute", "hour")
DEFAULT_TIME = time(9)
PATIENCE = timedelta(days=7)
YEARS_AHEAD = 70


@dataclass(frozen=True, slots=True)
class Occasion:
    """One moment of a step in its present life."""

    step: Any
    number: int
    at: datetime
    day: date | None  # the moved day; None for an instant
    until: datetime
    begun: Begun

    @property
    def life(self) -> Life:
        return self.begun.life

    @property
    def name(self) -> tuple[str, int, Life]:
        """S46, without the recipient."""
        return self.step["name"], self.number, self.life


class Moments:
    """The moments of one rule for one record on one calendar."""

    def __init__(self, rule: Plain, record: Plain, days: Days) -> None:
        self.rule, self.record, self.days = rule, record, days
        stay = stay_of(rule, record, days)
        self.began = stay[1] if stay else None

    # ------------------------------------------------------------------------------------------ anchors

    def window(self, word: str) -> Plain | None:
        """S13: the office's own entry, then the type's."""
        kind, office = self.record["facts"].get("type"), self.record["office"]
        found = OWN_WINDOWS.get((office, str(kind))) or WINDOWS.get(str(kind))
        return place(found[WINDOW_WORDS.index(word)]) if found else None

    def anchor(self, anchor: tuple[str, int | None], k: int | None = None) -> Value:
        """S2, S13-S15: the day or instant counted from; None when it is missing (S20)."""
        word, n = anchor
        if word == "deadline":
            return self.deadline(k)
        if word in WINDOW_WORDS:
            point = self.window(word)
            return self.point(point, k) if point else None
        if word == "anniversary":
            return self.anniversary(k)
        if word == "holder turns":
            born = self.record["holder"]["born"]
            return self.days.plus(born, (n or 0, "year"), 1) if born else None
        if word == "state begins":
            return self.began
        found: Value = self.record["facts"].get(word)
        return found

    def anniversary(self, k: int | None) -> Value:
        """S15: from issue in one go."""
        own = self.rule["anniversary"]
        start = self.anchor((own["from"], None))
        count, unit = own["length"]
        return self.days.plus(self.day(start), (count * k, unit), 1) if start is not None and k is not None else None

    def day(self, value: date) -> date:
        """S1, S8."""
        return self.days.day_of(value) if isinstance(value, datetime) else value

    def point(self, point: Plain, k: int | None = None) -> Value:
        """S6-S12: a place."""
        value = self.anchor(point["anchor"], k)
        if value is None or point["kind"] == "on":
            return value
        if point["kind"] == "last":
            return self.days.working(self.day(value), 1, -1)
        if point["length"][1] in SHORT:
            return value + point["sign"] * stretch(point["length"]) if isinstance(value, datetime) else None
        return self.days.plus(self.day(value), point["length"], point["sign"])

    def deadline(self, k: int | None = None) -> Value:
        """S39: a day, or the instant when a time or the closing time is written."""
        own = self.rule["deadline"]
        value = self.point(own["place"], k) if own else None
        if value is None:
            return None
        if own["at"]:
            return self.days.instant(self.day(value), own["at"])
        return self.days.closing(self.day(value)) if own["closing"] else value

    def end(self, value: Value) -> datetime | None:
        """An instant itself, of a day its 24:00."""
        if value is None or isinstance(value, datetime):
            return value
        return self.days.end(value)

    def field(self, anchor: tuple[str, int | None]) -> str | None:
        """S47: the date of the register behind an anchor."""
        word = anchor[0]
        if word == "deadline":
            return self.field(self.rule["deadline"]["place"]["anchor"])
        if word in WINDOW_WORDS:
            point = self.window(word)
            return self.field(point["anchor"]) if point else None
        if word == "anniversary":
            return self.field((self.rule["anniversary"]["from"], None))
        return "birth date" if word == "holder turns" else word

    def field_value(self, field: str) -> Value:
        if field == "birth date":
            return self.record["holder"]["born"]  # type: ignore[no-any-return]
        return self.began if field == "state begins" else self.record["facts"].get(field)

    # ------------------------------------------------------------------------------------------ moments

    def occasions(self) -> Iterator[Occasion]:
        """Everything but `at once`, whose moment only the walk can know."""
        for step in self.rule["steps"]:
            if step["send"]["kind"] == "moves":
                yield from self.moves(step)
            elif step["send"]["kind"] != "at once":
                yield from self.counted(step)

    def moves(self, step: Plain) -> Iterator[Occasion]:
        """S19: the instant at which the present value was seen in the place of another."""
        word, earlier = step["send"]["anchor"][0], step["send"]["earlier"]
        history = self.record["history"].get(word, [])
        if len(history) < 2 or self.record["facts"].get(word) != history[-1][0]:
            return
        (old, _), (new, seen) = history[-2:]
        begun = life_of(self.rule, self.record, self.days, word, new)
        if begun is None or new == old or (earlier and new > old) or (begun.at is not None and begun.at > seen):
            return
        yield from self.occasion(step, len(history) - 1, seen, None, begun, None)

    def counted(self, step: Plain) -> Iterator[Occasion]:
        """Each day or instant of a step, for each anniversary when it counts from them."""
        send = step["send"]
        anchor = send["start"]["anchor"] if send["kind"] == "every" else send["anchor"]
        field = self.field(anchor)
        value = self.field_value(field) if field else None
        if field is None or value is None:
            return
        for k in self.anniversaries(anchor):
            begun = life_of(self.rule, self.record, self.days, field, value, k)
            if begun is None:
                continue
            for number, raw in self.raw(step, k):
                if isinstance(raw, datetime):
                    yield from self.occasion(step, number, raw, None, begun, k)
                else:
                    day = self.moved(step, raw, anchor, k)
                    at = self.days.instant(day, step["time"] or DEFAULT_TIME)
                    yield from self.occasion(step, number, at, day, begun, k)

    def lives(self) -> Iterator[Life]:
        """S37, S47: the present life of every date that a step counts from, whether or not the step speaks."""
        for step in self.rule["steps"]:
            send = step["send"]
            if send["kind"] == "at once":
                continue
            anchor = send["start"]["anchor"] if send["kind"] == "every" else send["anchor"]
            field = self.field(anchor)
            value = self.field_value(field) if field else None
            if field is None or value is None:
                continue
            for k in self.anniversaries(anchor):
                begun = life_of(self.rule, self.record, self.days, field, value, k)
                if begun is not None:
                    yield begun.life

    def anniversaries(self, anchor: tuple[str, int | None]) -> list[int | None]:
        word = self.rule["deadline"]["place"]["anchor"][0] if anchor[0] == "deadline" else anchor[0]
        if word != "anniversary":
            return [None]
        count, unit = self.rule["anniversary"]["length"]
        return list(range(1, 1 + YEARS_AHEAD * (1 if unit == "year" else 12) // count))

    def raw(self, step: Plain, k: int | None) -> Iterator[tuple[int, date | datetime]]:
        """Number and day or instant, before closed days."""
        send = step["send"]
        if send["kind"] == "every":
            for place_, value in enumerate(self.every(step, k)):
                yield (k or 0) * 10_000 + place_ + 1, value
            return
        value_ = self.halfway(send["anchor"], k) if send["kind"] == "halfway" else self.point(send, k)
        if value_ is not None:
            yield k or 0, value_

    def halfway(self, anchor: tuple[str, int | None], k: int | None) -> Value:
        """S16."""
        begin: Value = self.began if self.record["kind"] == "case" else self.record["facts"].get("issue")
        end = self.anchor(anchor, k)
        if begin is None or end is None:
            return None
        if isinstance(begin, datetime) and isinstance(end, datetime) and end - begin < timedelta(hours=48):
            return (begin + (end - begin) / 2).replace(second=0, microsecond=0)
        first = self.day(begin)
        return first + (self.day(end) - first).days // 2 * DAY

    def every(self, step: Plain, k: int | None) -> Iterator[date | datetime]:
        """S18: A + k·P in one go, up to and with B; of working days each (or each n-th) from A on."""
        count, unit = step["send"]["period"]
        start, end = self.point(step["send"]["start"], k), self.point(step["send"]["end"], k)
        if start is None or end is None:
            return
        most = step["at most"] or 10_000
        if unit in SHORT:
            if isinstance(start, datetime):
                value, last = start, self.end(end)
                assert last is not None
                while most and (value <= last if isinstance(end, datetime) else value < last):
                    yield value
                    value, most = value + stretch((count, unit)), most - 1
            return
        day, last_day, place_ = self.day(start), self.day(end), 0
        if unit == "working day":
            while day <= last_day and place_ < most * count:
                if self.days.works(day):
                    if place_ % count == 0:
                        yield day
                    place_ += 1
                day += DAY
            return
        while place_ < most and (each := self.days.plus(day, (count * place_, unit), 1)) <= last_day:
            yield each
            place_ += 1

    # ------------------------------------------------------------------------------------------ moving

    def allows(self, step: Plain, day: date) -> bool:
        """S25, S28: an open day, unless closed days are ignored; a silent one only when urgent."""
        if self.days.silent(day) and not step["urgent"]:
            return False
        return step["closed"] == "ignore" or self.days.works(day)

    def direction(self, step: Plain) -> str:
        """S25: where the kind of moment goes; under `ignore` too, off a silent day (S28)."""
        if step["closed"] in ("earlier", "later"):
            return str(step["closed"])
        send = step["send"]
        after = send["kind"] == "offset" and send["sign"] == 1
        event = send["kind"] == "on" and send.get("event") and send["anchor"][0] != "window closes"
        return "later" if after or event else "earlier"

    def moved(self, step: Plain, day: date, anchor: tuple[str, int | None], k: int | None) -> date:
        """S25-S28: off closed and silent days, not across the anchor, not past the deadline."""
        if self.allows(step, day):
            return day
        value = self.anchor(anchor, k)
        its = self.day(value) if value is not None else day
        later = earlier = day
        while not self.allows(step, later):
            later += DAY
        while not self.allows(step, earlier):
            earlier -= DAY
        if self.direction(step) == "later":
            end = self.end(self.deadline(k))
            at = self.days.instant(later, step["time"] or DEFAULT_TIME)
            if not (day < its < later) and (end is None or at <= end):
                return later
        return day if earlier <= its < day else earlier

    # ------------------------------------------------------------------------------------------ usefulness

    def occasion(
        self, step: Plain, number: int, at: datetime, day: date | None, begun: Begun, k: int | None
    ) -> Iterator[Occasion]:
        """S38: minutes and hours from before the life do not exist; S44: nor what is outside `from` and `until`."""
        kind = step["send"]["kind"]
        if day is None and kind not in ("at once", "moves") and begun.at is not None and at < begun.at:
            return
        its = self.days.day_of(at)
        since = self.rule.get("in force")
        starts = [one for one in (self.rule["from"], self.days.day_of(since) if since else None) if one]
        if any(its < start for start in starts) or (self.rule["until"] and its > self.rule["until"]):
            return
        yield Occasion(step, number, at, day, self.until(step, at, k), begun)

    def until(self, step: Plain, at: datetime, k: int | None) -> datetime:
        """S39: useful until."""
        end = self.end(self.deadline(k)) or self.natural_end(step["send"], k) or at + PATIENCE
        if step["within"] is None:
            return end
        if step["within"][1] in SHORT:
            return min(end, at + stretch(step["within"]))
        here = at.astimezone(self.days.zone)
        return min(end, self.days.instant(self.days.plus(here.date(), step["within"], 1), here.time()))

    def natural_end(self, send: Plain, k: int | None) -> datetime | None:
        """S39: without a deadline, before/last/on/halfway end at the anchor, every at its end."""
        if send["kind"] == "every":
            return self.end(self.point(send["end"], k))
        before = send["kind"] == "offset" and send["sign"] == -1
        on = send["kind"] == "on" and not send.get("event")
        if before or on or send["kind"] in ("last", "halfway"):
            return self.end(self.anchor(send["anchor"], k))
        return None
