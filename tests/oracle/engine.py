"""The engine's side: the same rule text and life story, given to the real loader, calendar and `decide`."""

from datetime import datetime, time, timedelta
from functools import cache, lru_cache
from pathlib import Path

from notifier.calendar.data import CalendarData, load_calendar
from notifier.calendar.office import OfficeCalendar, build_calendar
from notifier.model import Entry, Office, OfficeId, Party, PartyId, RoleHeld, Seen, Stay, Subject, SubjectKind
from notifier.rules.decision import Ground
from notifier.rules.load import check_rules
from notifier.rules.rule import Rule, RuleSet
from notifier.rules.timeline import timeline
from tests.oracle.days import DECLARED_OPEN, OFFICES, WEEK
from tests.oracle.reading import Plain

FOLDER = Path(__file__).parent / "folder"
TICK = timedelta(microseconds=1)
#: (step, occurrence, party, local minute on the office's clock)
Message = tuple[str, int, int, str]


def load(text: str, name: str, folder: Path) -> tuple[Rule, RuleSet] | list[str]:
    """The rule as the engine's loader reads it, or why it refuses it. `folder` is a place for the file."""
    for one in ("windows.yaml", "documents.yaml"):
        (folder / one).write_text((FOLDER / one).read_text())
    file = folder / f"{name}.yaml"
    file.write_text(text)
    rules, faults, _ = check_rules([file], known=None)
    return [str(fault) for fault in faults] if faults else (rules.rules[0], rules)


def messages(rule: Rule, rules: RuleSet, story: list[Plain], until: datetime, since: datetime | None) -> list[Message]:
    """Everything the engine tells over the story; `since`: when the rule was first in force."""
    found: list[Message] = []
    entries: tuple[Entry, ...] = ()
    in_force = {(rule.name, step.name): since for step in rule.steps} if since else {}
    ends = [record["at"] - TICK for record in story[1:]] + [until - TICK]
    for record, end in zip(story, ends, strict=True):
        calendar = calendar_of(record["office"], record["closures"])
        ground = Ground(calendar, rules, in_force)
        run = timeline(rule, subject_of(record), entries, since=record["at"], until=end, ground=ground)
        entries = run.entries
        for leaving in run.leavings:
            one = leaving.decision
            assert one.recipient is not None
            minute = leaving.at.astimezone(calendar.zone).strftime("%Y-%m-%d %H:%M")
            found.append((one.step.name, one.occurrence, int(one.recipient.party.id), minute))
    return found


@lru_cache(maxsize=200)
def calendar_of(code: str, closures: frozenset[datetime]) -> OfficeCalendar:
    """The engine's calendar of an office of these tests."""
    return build_calendar(office_of(code, closures), the_calendar())


@cache
def the_calendar() -> CalendarData:
    return load_calendar(FOLDER / "calendar.yaml")


def office_of(code: str, closures: frozenset[datetime]) -> Office:
    row = OFFICES[code]
    closes = row["closes"]
    assert isinstance(closes, time)
    return Office(
        OfficeId(1 + list(OFFICES).index(code)),
        code,
        code.title(),
        str(row["zone"]),
        country=str(row["country"]),
        province=str(row["province"]) if row["province"] else None,
        closes_at=closes,
        weekdays=frozenset(WEEK.get(code, {0, 1, 2, 3, 4})),
        closed_days=closures,
        working_days=frozenset(DECLARED_OPEN.get(code, ())),
    )


def subject_of(record: Plain) -> Subject:
    """A record of a story as the register would give it."""
    holder = record["holder"]
    parties = {
        number: Party(PartyId(number), f"P{number}", "person", "", zone=one["zone"])
        for number, one in record["parties"].items()
    }
    parties[holder["id"]] = Party(
        PartyId(holder["id"]),
        f"P{holder['id']}",
        holder["kind"],
        "",
        language=holder["language"],
        nationality=holder["nationality"],
        birth_date=holder["born"],
        zone=record["parties"][holder["id"]]["zone"],
        deceased_on=holder["deceased"],
    )
    return Subject(
        kind=SubjectKind(record["kind"]),
        id=1,
        number="X",
        office=office_of(record["office"], record["closures"]),
        facts=record["facts"],
        roles=tuple(RoleHeld(one["role"], parties[one["party"]], one["from"], one["until"]) for one in record["roles"]),
        history={name: tuple(Seen(value, at) for value, at in held) for name, held in record["history"].items()},
        stays=tuple(Stay(one["id"], one["state"], one["began"], one["ended"]) for one in record["stays"]),
        others=tuple(record["others"]),
        cases=tuple(record["cases"]),
        changed=record["changed"],
    )
