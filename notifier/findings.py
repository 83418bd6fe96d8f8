"""What planning finds that a person at the office must look at: work items, never silence."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, select

from notifier.calendar.office import OfficeCalendar
from notifier.model import Office, OfficeId, Reason, Subject
from notifier.rules.decision import Decision
from notifier.rules.facts import View
from notifier.rules.moments import deadline_instant
from notifier.rules.rule import Rule, RuleSet
from notifier.store import outbox
from notifier.store import tables as t

#: The days around today whose working days are remembered: those that a pending deadline can stand on.
BEFORE, AFTER = timedelta(days=60), timedelta(days=500)
#: Numbers of documents that one work item names; the rest is counted.
NAMED = 100
#: Begins the name of the cursor that keeps an office's working days as the last plan knew them.
CURSOR = "days:"


def note_missing_date(
    connection: Connection, subject: Subject, rules: RuleSet, decisions: Iterable[Decision], now: datetime
) -> None:
    """A document that must have an expiry and has none is work for the office (S20)."""
    document = rules.documents.get(str(subject.facts.get("type")))
    if document is None or not document.needs_expiry or subject.facts.get("expiry") is not None:
        return
    if any(decision.reason is Reason.NO_DATE for decision in decisions):
        note = f"a document of type {document.name} has no expiry date"
        _write(connection, subject, "missing date", note, now)


def note_undecided(connection: Connection, subject: Subject, now: datetime) -> None:
    """A record that the rules cannot be asked about; the log has the details."""
    note = "this record could not be decided on; look at its dates and time zones, or into the log"
    _write(connection, subject, "cannot be decided", note, now)


def _write(connection: Connection, subject: Subject, kind: str, note: str, now: datetime) -> None:
    item = {
        "office_id": subject.office.id,
        "kind": kind,
        "key": f"{kind}:{subject.kind}:{subject.id}",
        "subject_kind": subject.kind.value,
        "subject_id": subject.id,
        "note": note,
        "created_at": now,
    }
    connection.execute(outbox.insert_once(connection, t.work_item).values(item))


@dataclass(slots=True)
class Lapses:
    """Deadlines that a change of the calendar has moved into the past: nothing is sent, the office gets the list (S29).

    `former` has the calendars of the offices whose days have changed, as they were before.
    """

    former: Mapping[OfficeId, OfficeCalendar]
    found: dict[OfficeId, dict[str, list[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def look(self, rule: Rule, subject: Subject, calendar: OfficeCalendar, rules: RuleSet, now: datetime) -> None:
        """Note the subject if its deadline lay ahead before the change and now lies behind."""
        former = self.former.get(subject.office.id)
        if former is None or rule.deadline is None:
            return
        before = deadline_instant(rule, View(subject, now, former, rules, rule).dates, former, rules)
        after = deadline_instant(rule, View(subject, now, calendar, rules, rule).dates, calendar, rules)
        if before is not None and after is not None and after < now <= before:
            self.found[subject.office.id][rule.name].append(subject.number)

    def write(self, connection: Connection, now: datetime) -> None:
        """One work item for each office, with the list."""
        for office_id, by_rule in self.found.items():
            item = {
                "office_id": office_id,
                "kind": "deadline passed",
                "key": f"deadline passed:{office_id}:{now.isoformat()}",
                "note": _sentence(by_rule),
                "created_at": now,
            }
            connection.execute(outbox.insert_once(connection, t.work_item).values(item))


def _sentence(by_rule: Mapping[str, list[str]]) -> str:
    numbers = [(rule, sorted(set(found))) for rule, found in sorted(by_rule.items())]
    total = len({number for _, found in numbers for number in found})
    listed = "; ".join(f"{rule}: {', '.join(found[:NAMED])}{_rest(found)}" for rule, found in numbers)
    return f"the days of the office have changed, and the last day to act is gone for {total}: {listed}"


def _rest(found: list[str]) -> str:
    return f" and {len(found) - NAMED} more" if len(found) > NAMED else ""


def remembered(
    connection: Connection,
    offices: Mapping[OfficeId, Office],
    calendar_of: Callable[[Office], OfficeCalendar],
    now: datetime,
) -> tuple[dict[OfficeId, OfficeCalendar], dict[str, tuple[datetime, str]]]:
    """The former calendars of offices whose calendar has changed since the last plan, and the cursors to set after."""
    c = t.cursor.c
    known = {row.name: row.text for row in connection.execute(select(c.name, c.text).where(c.name.startswith(CURSOR)))}
    former: dict[OfficeId, OfficeCalendar] = {}
    cursors: dict[str, tuple[datetime, str]] = {}
    for key, office in offices.items():
        calendar = calendar_of(office)
        name = CURSOR + office.code
        kept = json.loads(known[name]) if known.get(name) else None
        if kept is not None and kept["calendar"] == calendar.fingerprint:
            continue
        cursors[name] = (now, _working_days(calendar, calendar.day_of(now)))
        if kept is not None:
            former[key] = calendar_of(_with_days(office, kept))
    return former, cursors


def _working_days(calendar: OfficeCalendar, today: date) -> str:
    first = today - BEFORE
    days = [first + timedelta(days=number) for number in range((BEFORE + AFTER).days)]
    marks = "".join("1" if calendar.is_working_day(day) else "0" for day in days)
    return json.dumps({"calendar": calendar.fingerprint, "first": first.isoformat(), "days": marks})


def _with_days(office: Office, kept: Mapping[str, str]) -> Office:
    """The office with each day open or closed as it was remembered."""
    first = date.fromisoformat(kept["first"])
    days = {first + timedelta(days=place): mark == "1" for place, mark in enumerate(kept["days"])}
    opened = frozenset(day for day, is_open in days.items() if is_open)
    return replace(office, working_days=opened, closed_days=frozenset(days) - opened)
