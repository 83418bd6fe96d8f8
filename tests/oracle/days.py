"""Office time from plain data: closed and silent days, opening and sending hours. Nothing of the engine's calendar."""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
#: How many days are looked through, ahead and back, for a minute in which something may leave.
REACH = 31

OFFICES = {
    "jakarta": {"zone": "Asia/Jakarta", "country": "ID", "province": "Jakarta", "closes": time(15)},
    "makassar": {"zone": "Asia/Makassar", "country": "ID", "province": "Sulawesi", "closes": time(16)},
    "denpasar": {"zone": "Asia/Makassar", "country": "ID", "province": "Bali", "closes": time(15, 30)},
    "jayapura": {"zone": "Asia/Jayapura", "country": "ID", "province": "Papua", "closes": time(15)},
    "amsterdam": {"zone": "Europe/Amsterdam", "country": "NL", "province": None, "closes": time(16, 30)},
}
WEEK = {"makassar": {0, 1, 2, 3, 4, 5}}  # Saturday too; elsewhere Monday to Friday
DECLARED_OPEN = {"jakarta": {date(2026, 5, 30), date(2027, 12, 18)}}
ADDED = {date(2027, 6, 24), date(2028, 3, 1), date(2028, 12, 26)}
REMOVED = {date(2026, 6, 1), date(2026, 12, 24)}
PRAYER_ZONES = {"Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"}
RAMADAN = [
    (date(2026, 2, 18), date(2026, 3, 20)),
    (date(2027, 2, 8), date(2027, 3, 9)),
    (date(2028, 1, 28), date(2028, 2, 26)),
]


@cache
def closed_days(country: str) -> tuple[frozenset[date], frozenset[date], frozenset[date]]:
    """Every closed day of a country, and of these Idul Fitri and Nyepi."""
    lines = (Path(__file__).parent / "closed_days.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line.startswith(f"{country} ")]
    days = {date.fromisoformat(day): kind for _, day, kind in rows}
    return (
        frozenset(days),
        frozenset(day for day, kind in days.items() if "idul-fitri" in kind),
        frozenset(day for day, kind in days.items() if "nyepi" in kind),
    )


class Days:
    """The calendar of one office as it is known at one time; `closures` were announced late."""

    def __init__(self, office: str, closures: frozenset[date]) -> None:
        row = OFFICES[office]
        self.office, self.closures = office, closures
        self.zone = zone(str(row["zone"]))
        self.at_home, self.closes = row["country"] == "ID", row["closes"]
        closed, self.idul_fitri, self.nyepi = closed_days(str(row["country"]))
        self.closed = ((closed | ADDED) - REMOVED) if self.at_home else closed
        self.keeps_nyepi = row["province"] == "Bali"
        self.known: dict[date, bool] = {}

    def works(self, day: date) -> bool:
        """S10: the weekly pattern without holidays, joint leave and closures, or a day declared open."""
        if day not in self.known:
            opened = day in DECLARED_OPEN.get(self.office, ())
            weekly = day.weekday() in WEEK.get(self.office, {0, 1, 2, 3, 4})
            self.known[day] = opened or (weekly and day not in self.closed and day not in self.closures)
        return self.known[day]

    def silent(self, day: date) -> bool:
        """S28: Idul Fitri, Nyepi where it applies, 17 August."""
        if not self.at_home:
            return False
        return day in self.idul_fitri or (self.keeps_nyepi and day in self.nyepi) or (day.month, day.day) == (8, 17)

    def working(self, day: date, n: int, sign: int) -> date:
        """S10, S11: the n-th working day strictly before (-1) or after (1) a day."""
        while n:
            day += sign * DAY
            n -= self.works(day)
        return day

    def plus(self, day: date, length: tuple[int, str], sign: int) -> date:
        """S6, S7, S10: a length of days or longer counted from a day in one go."""
        count, unit = length
        if unit == "working day":
            return self.working(day, count, sign)
        if unit in ("day", "week"):
            return day + sign * count * (7 if unit == "week" else 1) * DAY
        months = day.year * 12 + day.month - 1 + sign * count * (12 if unit == "year" else 1)
        year, month = divmod(months, 12)
        return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))

    def day_of(self, instant: datetime) -> date:
        """S1: its date on the office's clock."""
        return instant.astimezone(self.zone).date()

    def instant(self, day: date, at: time) -> datetime:
        """S23, S24: that time on the office's clock."""
        return wall(day, at, self.zone)

    def end(self, day: date) -> datetime:
        """24:00 of a day."""
        return wall(day + DAY, time(0), self.zone)

    def closing(self, day: date) -> datetime:
        """S39: the counter's closing time of that day or of the last working day before it."""
        while not self.works(day):
            day -= DAY
        closes = self.closes
        if self.at_home and RAMADAN[0][0] <= day <= RAMADAN[0][1]:
            closes = time(15, 30) if day.weekday() == 4 else time(15)
        if self.office == "makassar" and RAMADAN[1][0] <= day <= RAMADAN[1][1]:
            closes = time(14)
        return self.instant(day, closes)

    def may_leave(self, instant: datetime, clock: ZoneInfo, urgent: bool) -> bool:
        """S28, S30, S31: inside the recipient's sending hours of that day, and no silent day of the office."""
        return may_leave(self.office, instant, clock, urgent)

    def next_minute(self, start: datetime, clock: ZoneInfo, urgent: bool) -> datetime | None:
        """The first instant from `start` on at which it may leave: only an opening or a midnight can begin one."""
        if self.may_leave(start, clock, urgent):
            return start
        day = start.astimezone(UTC).date()
        for ahead in range(-1, REACH):
            # three days at once: on far clocks the next days' first edges may come before this day's last
            near = (edges_of(day + (ahead + more) * DAY, clock.key, self.zone.key)[0] for more in (0, 1, 2))
            found = [edge for edges in near for edge in edges if edge > start]
            leaves = [edge for edge in found if self.may_leave(edge, clock, urgent)]
            if leaves:
                return min(leaves)
        return None

    def last_minute(self, end: datetime, clock: ZoneInfo, urgent: bool) -> datetime | None:
        """The last minute before `end` in which it may leave: a minute before a closing, a midnight or the end."""
        if self.may_leave(end - MINUTE, clock, urgent):
            return end - MINUTE
        day = end.astimezone(UTC).date()
        for back in range(-1, REACH):
            near = (edges_of(day - (back + more) * DAY, clock.key, self.zone.key)[1] for more in (0, 1, 2))
            found = [edge for edges in near for edge in edges if edge < end]
            leaves = [edge for edge in found if self.may_leave(edge, clock, urgent)]
            if leaves:
                return max(leaves)
        return None


@cache
def usual(office: str) -> Days:
    """The office without any closure."""
    return Days(office, frozenset())


@lru_cache(maxsize=1_000_000)
def may_leave(office: str, instant: datetime, clock: ZoneInfo, urgent: bool) -> bool:
    """No closure changes a silent day or the hours, so the answer is remembered for the office."""
    here, there = instant.astimezone(clock), usual(office)
    if not urgent and there.silent(there.day_of(instant)):
        return False
    return any(opens <= here.time() < closes for opens, closes in sending_hours(here.date(), clock.key))


@cache
def leaves(office: str, instant: datetime, clock: str) -> int:
    """The two answers of `may_leave`, for an ordinary and an urgent message, as two bits."""
    return may_leave(office, instant, zone(clock), False) + 2 * may_leave(office, instant, zone(clock), True)


@cache
def turns_of(day: date, clock: str, office: str) -> tuple[datetime, ...]:
    """The edges on that clock that lie within a day on the office's."""
    begins, ends = wall(day, time(0), zone(office)), wall(day + DAY, time(0), zone(office))
    around = [at for more in (-1, 0, 1) for edges in edges_of(day + more * DAY, clock, office) for at in edges]
    return tuple(at for at in around if begins <= at < ends)


@cache
def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@cache
def wall(day: date, at: time, clock: ZoneInfo) -> datetime:
    """A time on a wall clock as an instant: a missing one moves on by the gap, a doubled one is the first (S24)."""
    return datetime.combine(day, at, tzinfo=clock).astimezone(UTC)


@cache
def sending_hours(day: date, clock: str) -> tuple[tuple[time, time], ...]:
    """S30, S31: half-open, of that very day on that clock."""
    opens, closes = time(7), time(20)
    if clock not in PRAYER_ZONES:
        return ((opens, closes),)
    if any(first <= day <= last for first, last in RAMADAN):
        opens, closes = time(9), time(15)
    return ((opens, time(11, 30)), (time(13), closes)) if day.weekday() == 4 else ((opens, closes),)


@cache
def edges_of(day: date, clock: str, office: str) -> tuple[tuple[datetime, ...], tuple[datetime, ...]]:
    """Instants of about that day at which leaving may begin, and the last minutes before it ends."""
    hours = sending_hours(day, clock)
    midnight = wall(day, time(0), zone(office))
    begins = [wall(day, opens, zone(clock)) for opens, _ in hours]
    ends = [wall(day, closes, zone(clock)) - MINUTE for _, closes in hours]
    return (*begins, midnight), (*ends, midnight - MINUTE)
