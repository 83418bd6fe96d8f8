"""What left in a test: from the carriers' notes and the ledger, one entry for all channels that left together."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from notifier.model import Channel, DeliveryId, EmailMessage, Message, NotificationId, SubjectKind
from notifier.rehearsal.carriers import Departure
from notifier.rehearsal.script import Scene
from notifier.rehearsal.stage import Stage
from notifier.rules.rule import Every
from notifier.store import tables as t
from notifier.store.engine import reading


@dataclass(frozen=True, slots=True)
class Left:
    """A message as it left: over these channels at one instant. `texts` are what the recipient reads."""

    at: datetime
    rule: str
    step: str
    occurrence: int | None  # of an `every`
    who: str
    about: tuple[str, ...]
    channels: frozenset[Channel]
    language: str
    texts: tuple[str, ...]
    along: frozenset[tuple[str, str]] = frozenset()  # (rule, step) of what was told in the same message


def what_left(stage: Stage, scene: Scene) -> list[Left]:
    """Every message of a test that left, in order of time."""
    departures = [one for carrier in stage.carriers.values() for one in carrier.departures]
    together: dict[tuple[datetime, NotificationId], list[Departure]] = defaultdict(list)
    with reading(stage.engine) as connection:
        rows, languages, members = _ledger(connection)
        numbers = _numbers(connection)
        for one in departures:
            together[one.at, rows[one.delivery_id].notification_id].append(one)
        found = []
        for (at, _), ones in together.items():
            row = rows[ones[0].delivery_id]
            about = {numbers[row.subject_kind, row.subject_id]}
            others = [member for one in ones for member in members.get(one.delivery_id, ())]
            about |= {numbers[member.subject_kind, member.subject_id] for member in others}
            found.append(
                Left(
                    at=at,
                    rule=row.rule,
                    step=row.step,
                    occurrence=row.occurrence if _counts(stage, row.rule, row.step) else None,
                    who=spoken_name(row.number, scene),
                    about=tuple(sorted(about)),
                    channels=frozenset(one.channel for one in ones),
                    language=languages[ones[0].delivery_id],
                    texts=tuple(_text(one.message) for one in ones),
                    along=frozenset((member.rule, member.step) for member in others),
                )
            )
    return sorted(found, key=lambda left: (left.at, left.rule, left.step, left.who, left.about))


def _ledger(
    connection: Connection,
) -> tuple[dict[DeliveryId, Any], dict[DeliveryId, str], Mapping[DeliveryId, list[Any]]]:
    n, d = t.notification.c, t.delivery.c
    columns = (n.rule, n.step, n.occurrence, n.subject_kind, n.subject_id, t.party.c.number)
    query = (
        select(d.id, d.notification_id, d.language, *columns)
        .join(t.notification, n.id == d.notification_id)
        .join(t.party, t.party.c.id == n.party_id)
    )
    rows = {DeliveryId(row.id): row for row in connection.execute(query)}
    members: dict[DeliveryId, list[Any]] = defaultdict(list)
    m = t.delivery_member.c
    joined = select(m.delivery_id, n.rule, n.step, n.subject_kind, n.subject_id).join(
        t.notification, n.id == m.notification_id
    )
    for row in connection.execute(joined):
        members[DeliveryId(row.delivery_id)].append(row)
    return rows, {key: row.language for key, row in rows.items()}, members


def _numbers(connection: Connection) -> dict[tuple[str, int], str]:
    return {
        (kind.value, row.id): row.number
        for kind in SubjectKind
        for row in connection.execute(select(t.SUBJECTS[kind].c.id, t.SUBJECTS[kind].c.number))
    }


def _counts(stage: Stage, rule_name: str, step_name: str) -> bool:
    """Whether the step has numbered occurrences."""
    steps = (step for rule in stage.app.rules.rules if rule.name == rule_name for step in rule.steps)
    return any(step.name == step_name and isinstance(step.send, Every) for step in steps)


def _text(message: Message) -> str:
    return f"{message.subject}\n{message.text}" if isinstance(message, EmailMessage) else message.text


def spoken_name(number: str, scene: Scene) -> str:
    """A party as the test names it: people by their names, desks as "front desk", or with several offices "… of X"."""
    if not number.startswith("desk:"):
        return number
    _, code, name = number.split(":")
    return f"{name} desk" if len(scene.given.offices) < 2 else f"{name} desk of {code}"
