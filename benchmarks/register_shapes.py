"""What a measured register is made of: its day, the sorts of permits that come due on it, and the crowd."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

#: A Wednesday between two working days, far from holidays, silent days and Ramadan.
DAY = date(2026, 9, 16)
JAKARTA = ZoneInfo("Asia/Jakarta")
#: The instant a measured plan is made at: before the first moment of the day, after the cursor of the day before.
MORNING = datetime.combine(DAY, time(6), JAKARTA).astimezone(UTC)
#: When messages of the day may leave: every office is open, no prayer, all moments at 09:00 have passed in all zones.
NOON = datetime.combine(DAY, time(13, 30), JAKARTA).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Shape:
    """A sort of permit that comes due on DAY: its columns, how far its date is from DAY, and its share of all due.

    `days` and `months` after DAY is the expiry (and the departure deadline of one that leaves). `tells` is how many
    parties its rule tells: the holder, and a sponsor where `sponsored`.
    """

    name: str
    share: int
    type: str
    origin: str = ""
    days: int = 0
    months: int = 0
    extendable: bool | None = None
    extensions_left: int | None = None
    leaves: bool = False
    sponsored: bool = False

    @property
    def expiry(self) -> date:
        """The day it ends."""
        month = DAY.month - 1 + self.months
        return date(DAY.year + month // 12, month % 12 + 1, DAY.day) + timedelta(days=self.days)


SHAPES: tuple[Shape, ...] = (
    Shape("itas opens", 12, "ITAS", "limited stay visa", days=30, extendable=True, extensions_left=1, sponsored=True),
    Shape("itas 21", 10, "ITAS", "limited stay visa", days=21, extendable=True, extensions_left=2, sponsored=True),
    Shape("itas 14", 8, "ITAS", "limited stay visa", days=14, extendable=True, extensions_left=1, sponsored=True),
    Shape("itas 7", 5, "ITAS", "limited stay visa", days=7, extendable=True, extensions_left=1, sponsored=True),
    Shape("itas last", 2, "ITAS", "limited stay visa", days=1, extendable=True, extensions_left=1, sponsored=True),
    Shape("itap opens", 4, "ITAP", "change of status", months=3, extendable=True, sponsored=True),
    Shape("itap 60", 3, "ITAP", "change of status", days=60, extendable=True, sponsored=True),
    Shape("itk 21", 3, "ITK", "single entry visa", days=21, extendable=True, extensions_left=1),
    Shape("itk opens", 4, "ITK", "single entry visa", days=14, extendable=True, extensions_left=2),
    Shape("voa 10", 6, "ITK", "visa on arrival", days=10, extendable=True, extensions_left=1),
    Shape("voa 7", 5, "ITK", "visa on arrival", days=7, extendable=True, extensions_left=1),
    Shape("leave 7", 4, "BVK", "visa exemption", days=7, leaves=True, extendable=False),
    Shape("leave 2", 4, "BVK", "visa exemption", days=2, leaves=True, extendable=False),
    Shape("passport 9", 12, "passport", months=9),
    Shape("passport 7", 10, "passport", months=7),
    Shape("passport 3", 8, "passport", months=3),
)
#: Each due permit gives one notification, and one e-mail where `channels` is e-mail alone.
E_MAIL_SHAPES = tuple(shape for shape in SHAPES if shape.type == "ITK" or shape.name == "passport 9")
#: Each due permit gives one notification, and one SMS where `channels` is SMS alone.
SMS_SHAPES = tuple(shape for shape in SHAPES if shape.type == "BVK" or shape.name in ("passport 7", "passport 3"))


@dataclass(frozen=True, slots=True)
class Sort:
    """A sort of permit of the crowd that is not due; `share` of a hundred."""

    share: int
    type: str
    origin: str = ""
    extendable: bool | None = None
    extensions_left: int | None = None


CROWD: tuple[Sort, ...] = (
    Sort(44, "ITAS", "limited stay visa", True, 1),
    Sort(9, "ITK", "visa on arrival", True, 1),
    Sort(7, "ITK", "single entry visa", True, 2),
    Sort(3, "ITK", "multiple entry visa", False, 0),
    Sort(3, "BVK", "visa exemption", False),
    Sort(8, "ITAP", "change of status", True),
    Sort(24, "passport"),
    Sort(2, "ABTC"),
)


@dataclass(frozen=True, slots=True)
class Filled:
    """How many rows there are; `due` permits have a step on DAY, `notifications` is what planning DAY should write."""

    permits: int
    due: int
    notifications: int
    sponsors: int
    cases: int
    open_cases: int
