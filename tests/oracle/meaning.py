"""The walk: day by day through a life, at every instant at which something could leave, with a ledger of its own."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from tests.oracle import asked as ask
from tests.oracle.days import DAY, MINUTE, Days, leaves, turns_of, wall, zone
from tests.oracle.lives import Life, life_of, lives_of_value, stay_of
from tests.oracle.moments import Moments, Occasion
from tests.oracle.reading import Plain

#: Far enough ahead to leave before its moment: a row of silent days and a night (S30).
EARLY = timedelta(days=8)
APART = ("send", "fold")
#: No digest keeps anything longer: a week and a row of closed days.
LONGEST_WAIT = timedelta(days=40)
ADULT = 18
TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Told:
    """A line of the ledger."""

    step: Any
    number: int
    life: Life
    party: int
    in_place_of: int | None
    moment: datetime
    at: datetime


@lru_cache(maxsize=200)
def days_of(office: str, closures: frozenset[date]) -> Days:
    return Days(office, closures)


@lru_cache(maxsize=100_000)
def next_slot(office: str, closures: frozenset[date], weekday: int | None, at: time, now: datetime) -> datetime:
    """S77, S78: the first slot from an instant on; that of a day further back may have been moved over closed days."""
    days, slots = days_of(office, closures), []
    day = days.day_of(now) - LONGEST_WAIT
    while not slots or day <= days.day_of(now) + 8 * DAY:
        if weekday in (None, day.weekday()):
            open_day = day if days.works(day) else days.working(day, 1, 1)
            slot = days.instant(open_day, at)
            slots += [slot] if slot >= now else []
        day += DAY
    return min(slots)


class Walk:
    """One rule and one life story (records with the instant from which each is known)."""

    def __init__(self, rule: Plain, story: list[Plain], until: datetime) -> None:
        self.rule, self.story, self.until = rule, story, until
        self.ledger: list[Told] = []
        self.held: dict[tuple[str, Life], datetime] = {}  # S17: when everything first held
        self.looks: dict[str, list[datetime]] = {}  # every look at which it held, since a value that is asked changed
        self.replaced: set[tuple[int, tuple[str, int, Life]]] = set()  # S36: spent on its own day

    def told(self) -> list[Told]:
        """Everything told, in order."""
        ends = [record["at"] for record in self.story[1:]] + [self.until]
        for record, end in zip(self.story, ends, strict=True):
            Stretch(self, record, end).walk()
        return self.ledger


class Stretch:
    """The time in which the record stands unchanged."""

    def __init__(self, walk: Walk, record: Plain, end: datetime) -> None:
        self.all, self.rule, self.record, self.end = walk, walk.rule, record, end
        self.days = days_of(record["office"], record["closures"])
        self.moments = Moments(self.rule, record, self.days)
        # What lies beyond the end of the story never leaves in it.
        self.occasions = [one for one in self.moments.occasions() if one.at < walk.until + EARLY]
        stay = stay_of(self.rule, record, self.days)
        self.began = stay[1] if stay else None
        recommended = self.moments.anchor(("recommended day", None)) if record["kind"] == "permit" else None
        self.recommended = self.moments.day(recommended) if recommended is not None else None
        self.at_once = [step for step in self.rule["steps"] if step["send"]["kind"] == "at once" and step["enabled"]]
        self.clocks = {zone(party["zone"] or str(self.days.zone.key)) for party in record["parties"].values()}
        self.ordered = tuple(clock.key for clock in self.clocks)
        lines = [line for step in (self.rule, *self.rule["steps"]) for line in (*step["when"], *step["unless"])]
        self.turns = sorted(ask.turns_within_a_day(lines, record))
        self.waits_for_slot = [one for one in self.occasions if one.step["digest"]]
        self.always_looks = any(step["digest"] for step in self.at_once)
        self.living = self.alive()
        self.reached = sorted(one.at for one in self.occasions)
        self.lives = set(self.moments.lives())
        self.digests = [step["digest"]["at"] for step in self.rule["steps"] if step["digest"]]
        self.first = life_of(self.rule, record, self.days, None, None) if self.at_once else None
        self.lives |= {self.first.life} if self.first else set()
        self.firsts = self.lives_now()
        self.forget_changed()
        self.out_of_office = (self.rule["offices"] and record["office"] not in self.rule["offices"]) or (
            record["office"] in self.rule["not offices"]
        )

    def lives_now(self) -> dict[Life, datetime | None]:
        """S17, S47: every life of `at once` that has begun, and when; that of the issue too."""
        facts = self.record["facts"]
        if self.first is None or self.record["kind"] == "case":
            return {self.first.life: self.first.at} if self.first else {}
        dates = [(name, facts[name]) for name in ("expiry", "issue") if facts.get(name) is not None]
        begun = [life_of(self.rule, self.record, self.days, name, value) for name, value in dates]
        return {one.life: one.at for one in begun if one is not None}

    def forget_changed(self) -> None:
        """S17, S34: data are read as they are now, so it holds at the earliest when all asked values are there."""
        place = self.all.story.index(self.record)
        before = self.all.story[place - 1]["facts"] if place else None
        for step in self.at_once:
            lines = [line for one in (self.rule, step) for line in (*one["when"], *one["unless"])]
            if before is not None and any(
                before.get(name) != self.record["facts"].get(name) for name in ask.fields(lines)
            ):
                self.all.looks.pop(step["name"], None)
                told = {(one.step["name"], one.life) for one in self.all.ledger}
                for key in [key for key in self.all.held if key[0] == step["name"] and key not in told]:
                    del self.all.held[key]

    def walk(self) -> None:
        """Midnight to midnight on the office's clock."""
        if not self.rule["enabled"] or self.out_of_office:
            return
        day, last = self.days.day_of(self.record["at"]), self.days.day_of(self.end)
        quiet: tuple[Any, ...] = ()
        while day <= last:
            for now in self.instants(day):
                if quiet and self.standing(now) == quiet:
                    continue
                quiet = self.standing(now)
                for _ in range(100):
                    going = self.going(now)
                    self.all.ledger += going
                    if not going:
                        break
            day += DAY

    def standing(self, now: datetime) -> tuple[Any, ...]:
        """All that an answer can depend on within a record; () when a step may be about to leave early (S30)."""
        place = bisect_right(self.reached, now)
        if self.always_looks or any(one.at <= now <= one.until for one in self.waits_for_slot):
            return ()
        if place < len(self.reached) and self.reached[place] - EARLY <= now:
            return ()
        may = tuple([leaves(self.days.office, now, clock) for clock in self.ordered])
        reached = bisect_right(self.reached, now), bisect_right(self.turns, now)
        return self.days.day_of(now), may, reached, len(self.all.ledger), len(self.all.held)

    def instants(self, day: date) -> list[datetime]:
        """Every instant of a day at which something could begin to leave; none when nothing is alive."""
        alive = self.living.get(day, ())
        if not alive and not self.at_once:
            return []
        found = {self.record["at"], self.days.instant(day, time(0)), *(one.at for one in alive), *self.turns}
        if alive or any(self.waits(step, day) for step in self.at_once):
            found.update(self.days.instant(day, at) for at in self.digests)
            for clock in self.ordered:
                found.update(turns_of(day, clock, self.days.zone.key))
        begins, ends = self.days.instant(day, time(0)), self.days.end(day)
        return sorted(at for at in found if max(begins, self.record["at"]) <= at < min(ends, self.end))

    def alive(self) -> dict[date, list[Occasion]]:
        """For each day the occasions that can leave on it: from before their moment until they are useless."""
        found: dict[date, list[Occasion]] = {}
        for one in self.occasions:
            first = max(one.at - EARLY, self.record["at"])
            day, last = self.days.day_of(first) - DAY, self.days.day_of(min(one.until, self.end))
            while day <= last:
                found.setdefault(day, []).append(one)
                day += DAY
        return found

    def waits(self, step: Plain, day: date) -> bool:
        """Whether an `at once` step may still have to leave on that day."""
        if self.first is None:
            return False
        is_new = (step["name"], self.first.life) not in self.all.held
        return is_new or any(self.days.instant(day, time(0)) <= one.until for one in self.first_instant(step))

    # ------------------------------------------------------------------------------------------ one instant

    def going(self, now: datetime) -> list[Told]:
        """What leaves at this instant."""
        asked = ask.Asked(self.record, now, self.days, self.began, self.recommended)
        if not self.concerned(asked):
            return []
        theirs: dict[int, list[tuple[Occasion, int | None]]] = {}
        for occasion in self.holding(asked):
            for party, in_place_of in self.recipients(occasion.step["to"], asked.today):
                theirs.setdefault(party, []).append((occasion, in_place_of))
        found: list[Told] = []
        for party, occasions in theirs.items():
            found += self.to_one(party, occasions, now)
        return found

    def concerned(self, asked: ask.Asked) -> bool:
        """S33: `while` and the rule's own `when` hold, its `unless` does not."""
        if self.rule["while"] and self.record["facts"]["state"] not in self.rule["while"]:
            return False
        return ask.every_line(self.rule["when"], asked) and not ask.any_line(self.rule["unless"], asked)

    def holding(self, asked: ask.Asked) -> list[Occasion]:
        """The moments of the steps whose own conditions hold; `at once` gets its moment here (S17, S45)."""
        holds = {
            step["name"]
            for step in self.rule["steps"]
            if step["enabled"] and ask.every_line(step["when"], asked) and not ask.any_line(step["unless"], asked)
        }
        found = [one for one in self.occasions if one.step["name"] in holds]
        for step in self.at_once:
            if step["name"] in holds and self.first is not None:
                looks = self.all.looks.setdefault(step["name"], [])
                looks += [asked.now]
                for life, began in self.firsts.items():
                    if (step["name"], life) not in self.all.held:
                        # Another calendar can make a life of a value that has long been held (S47).
                        first = next(look for look in looks if began is None or look >= began)
                        self.all.held[step["name"], life] = first
                found += self.first_instant(step)
        return found

    def first_instant(self, step: Plain) -> Iterator[Occasion]:
        """S17: the first instant at which everything held in this life."""
        at = self.all.held.get((step["name"], self.first.life)) if self.first else None
        if self.first is not None and at is not None:
            yield from self.moments.occasion(step, 0, at, None, self.first, None)

    # ------------------------------------------------------------------------------------------ recipients

    def recipients(self, to: list[str], today: date) -> Iterator[tuple[int, int | None]]:
        """S57-S65: each party once, and whom it stands for."""
        seen: set[int] = set()
        dead = self.record["holder"]["deceased"] is not None
        for word in to:
            for party, role in self.of_role(word, today):
                staff = role == "officer" or role.endswith("desk")
                if party not in seen and not (dead and not staff):
                    seen.add(party)
                    yield party, self.record["holder"]["id"] if role == "guardian" else None

    def of_role(self, word: str, today: date) -> list[tuple[int, str]]:
        """Who a word of `to` means today."""
        holder = self.record["holder"]
        minor = holder["born"] is not None and ask.age(holder["born"], today) < ADULT
        whole = self.held("guardian", today) if minor else [(holder["id"], "holder")]
        match word:
            case "holder":
                return whole  # S59
            case "guardian":
                return self.held("guardian", today) if minor else []
            case "payer":
                return self.held("payer", today) or whole  # S63
            case "officer":
                return self.held("officer", today) or self.held("front desk", today)  # S63
            case _:
                return self.held(word, today)

    def held(self, role: str, today: date) -> list[tuple[int, str]]:
        """S57, S62: only within the validity of the role."""
        return [(one["party"], role) for one in self.record["roles"] if one["role"] == role and ask.counts(one, today)]

    # ------------------------------------------------------------------------------------------ one recipient

    def to_one(self, party: int, theirs: list[tuple[Occasion, int | None]], now: datetime) -> list[Told]:
        """Which of the steps that speak to one recipient leave now."""
        ledger = [told for told in self.all.ledger if party in (told.party, told.in_place_of)]  # S60
        names = {(told.step["name"], told.number, told.life) for told in ledger}
        clock = zone(self.record["parties"][party]["zone"] or self.days.zone.key)
        due = [
            (one, stands_for)
            for one, stands_for in theirs
            if one.name not in names
            and (one.at <= now or self.leaves_early(one, clock, now))
            and self.has_followed(one, ledger)
            and self.has_heard(one, ledger)
        ]
        found = []
        for one, stands_for in due:
            if self.is_spent(party, one, [other for other, _ in due], ledger, now) or not self.is_useful(one, now):
                continue
            early = self.slot(one, now) > now  # else it would not be due, or waits for its digest
            if self.leaves_early(one, clock, now) if early else self.leaves_late(one, clock, now):
                found.append(Told(one.step, one.number, one.life, party, stands_for, one.at, now))
        return found

    def has_followed(self, one: Occasion, ledger: list[Told]) -> bool:
        """S86: `only after` a step told in this life to this recipient."""
        first = one.step["only after"]
        return first is None or any(
            told.step["name"] == first
            and told.life in self.lives
            and (None in (told.life.anniversary, one.life.anniversary) or told.life.anniversary == one.life.anniversary)
            for told in ledger
        )

    def has_heard(self, one: Occasion, ledger: list[Told]) -> bool:
        """S19: a move is told to those who were told something counted from the old value."""
        if one.step["send"]["kind"] != "moves":
            return True
        word = one.step["send"]["anchor"][0]
        history = self.record["history"][word]
        if self.record["kind"] == "permit":
            old: date | datetime = lives_of_value(self.rule, history[:-1], self.days)[-1][0]
        else:
            old = history[-2][0]
        return any(told.life.field == word and told.life.first == old and told.at < one.at for told in ledger)

    def is_spent(self, party: int, one: Occasion, due: list[Occasion], ledger: list[Told], now: datetime) -> bool:
        """S35, S36, S37; `late: send` and what folds neither spend nor are spent."""
        if one.step["late"] in APART:
            return False
        if any(other.step["late"] not in APART and self.age(other) > self.age(one) for other in due):
            return True
        for told in ledger:
            if told.step["late"] in APART:
                continue
            day, today = self.days.day_of(told.at), self.days.day_of(now)
            its = None if one.day is None else self.days.day_of(self.slot(one, one.at))
            if its is not None and day == today:
                self.all.replaced |= {(party, one.name)} if day == its else set()
                return True  # S36
            if day == its and (party, one.name) in self.all.replaced:
                return True  # spent on its own day, it stays so
            if told.life in self.lives and self.age_of(told) > self.age(one):
                return True
        return False

    def age(self, one: Occasion) -> tuple[Any, ...]:
        """S35, S22: by moved day; instants after day steps and among themselves by the clock; then by the file."""
        if one.day is not None:
            return one.day, 0, one.step["order"], one.number
        return self.days.day_of(one.at), 1, one.at, one.step["order"], one.number

    def age_of(self, told: Told) -> tuple[Any, ...]:
        """S37: by its present moment if there is one, else the recorded one."""
        at_once = [one for step in self.at_once for one in self.first_instant(step)]
        for one in (*self.occasions, *at_once):
            if one.name == (told.step["name"], told.number, told.life):
                return self.age(one)
        return self.days.day_of(told.moment), -1

    def is_useful(self, one: Occasion, now: datetime) -> bool:
        """S39-S41. What folds goes alone only while it is not late; then it waits for another message."""
        if one.at > one.until or now > one.until:
            return False
        return one.step["late"] not in ("skip", "fold") or not self.is_late(one, now)

    def is_late(self, one: Occasion, now: datetime) -> bool:
        """S40: the day is over, of a digest that of its slot; or a quarter of an hour after an instant."""
        slot = self.slot(one, one.at)
        if one.day is None and slot == one.at:
            return now > one.at + timedelta(minutes=15)
        return self.days.day_of(now) > self.days.day_of(slot)

    def slot(self, one: Occasion, now: datetime) -> datetime:
        """S77-S79: when the digest leaves that it waits for; its moment when it leaves alone."""
        digest = one.step["digest"]
        if digest is None or one.step["urgent"]:
            return one.at
        slot = self.next_slot(digest, one.at)
        if self.days.day_of(slot) < self.days.day_of(now):
            slot = self.next_slot(digest, now)
        return slot if slot <= one.until else one.at

    def next_slot(self, digest: Plain, at: datetime) -> datetime:
        return next_slot(self.record["office"], self.record["closures"], digest["weekday"], digest["at"], at)

    # ------------------------------------------------------------------------------------------ the minute

    def planned(self, one: Occasion, clock: Any, target: datetime) -> datetime | None:
        """S30, S31: the minute for which it is planned; None: it cannot leave in sending hours."""
        urgent = one.step["urgent"]
        following = self.days.next_minute(target, clock, urgent)
        if following is not None and following > one.until:
            following = None
        if one.day is None:
            return following
        day = self.days.day_of(target)
        if following is not None and self.days.day_of(following) == day:
            return following
        before = self.days.last_minute(target, clock, urgent)
        if before is not None and self.days.day_of(before) == day:
            return before
        return following or before

    def leaves_early(self, one: Occasion, clock: Any, now: datetime) -> bool:
        """S30, S31: a day step whose moment (or slot) cannot be kept leaves before it."""
        target = self.slot(one, now)
        if one.day is None or now < one.at - EARLY or one.at > one.until:
            return False
        planned = self.planned(one, clock, target)
        if planned is None or planned >= target or now < planned:
            return False
        if now < planned + MINUTE:
            return True
        following = self.days.next_minute(target, clock, one.step["urgent"])
        too_late = following is None or following > one.until
        return bool(one.step["urgent"]) and too_late

    def leaves_late(self, one: Occasion, clock: Any, now: datetime) -> bool:
        """S30, S42: from its moment on, in the next sending hours; at once when urgent and those come too late."""
        urgent = one.step["urgent"]
        if self.days.may_leave(now, clock, urgent):
            return True
        following = self.days.next_minute(now, clock, urgent)
        return bool(urgent) and (following is None or following > one.until)


def local(told: Told, office: str) -> str:
    """The minute of leaving on the office's clock."""
    return told.at.astimezone(days_of(office, frozenset()).zone).strftime("%Y-%m-%d %H:%M")


__all__ = ["UTC", "Told", "Walk", "local", "wall"]
