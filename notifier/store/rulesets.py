"""Sets of rule files and the plans that `rules diff` works out of two of them: kept, found by hash, and applied."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from notifier.errors import ConfigError
from notifier.store import tables as t
from notifier.store.outbox import insert_once

#: So many letters of a hash are asked for at least, and shown.
SHORTEST_HASH = 6
P = t.rule_plan.c
#: Rule -> office code -> ISO day -> messages.
Envelope = Mapping[str, Mapping[str, Mapping[str, int]]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change of the rules would do from `starts` to `ends` (both inclusive), as an officer looked at it.

    `old` and `new` are digests of rule sets. A day of the span that the envelope of a rule and office does not name
    expects no message. `applied_at` and `applied_by` are the last time it was put into force, and by whom.
    """

    hash: str
    old: str
    new: str
    starts: date
    ends: date
    envelope: Envelope = field(default_factory=dict, repr=False)
    summary: Mapping[str, Any] = field(default_factory=dict, repr=False)
    created_at: datetime | None = None
    applied_at: datetime | None = None
    applied_by: str | None = None

    @property
    def short(self) -> str:
        """The hash as people say it."""
        return short(self.hash)

    def expects(self, rule: str, office_code: str, day: date) -> int | None:
        """How many messages it expects of a rule at an office on a day; None when it says nothing of that day or rule.

        It says nothing of a rule whose permits or cases are often younger than the plan: nobody could foresee them.
        """
        if rule not in self.envelope or not self.starts <= day <= self.ends:
            return None
        return self.envelope[rule].get(office_code, {}).get(day.isoformat(), 0)


def short(digest: str) -> str:
    """A digest as people say it."""
    return digest[:SHORTEST_HASH]


def save_rule_set(connection: Connection, digest: str, files: Mapping[str, str], now: datetime) -> None:
    """Keep the files (name -> text) of a set; one of the same meaning that is there already stays as it is."""
    row = {"digest": digest, "files": dict(files), "created_at": now}
    connection.execute(insert_once(connection, t.rule_set).values(row))


def read_rule_set(connection: Connection, digest: str) -> Mapping[str, str] | None:
    """The files of a set, None when it was never kept."""
    files = connection.execute(select(t.rule_set.c.files).where(t.rule_set.c.digest == digest)).scalar()
    return dict(files) if files is not None else None


def save_plan(connection: Connection, plan: Plan, now: datetime) -> None:
    """Keep a plan whose new set was saved before; the same plan again changes nothing."""
    row = asdict(plan) | {"created_at": now, "applied_at": None, "applied_by": None}
    connection.execute(insert_once(connection, t.rule_plan).values(row))


def read_plan(connection: Connection, prefix: str) -> Plan:
    """The plan whose hash begins so. Raises ConfigError when there is none, or more than one, or too little is said."""
    if len(prefix) < SHORTEST_HASH:
        raise ConfigError(f"say at least {SHORTEST_HASH} letters of the plan's hash, as `notifier rules diff` shows it")
    begins = func.substr(P.hash, 1, len(prefix)) == prefix.lower()
    rows = connection.execute(select(t.rule_plan).where(begins).limit(2)).all()
    if not rows:
        raise ConfigError(f"there is no plan {prefix}; `notifier rules diff` works one out and shows its hash")
    if len(rows) > 1:
        raise ConfigError(f"more than one plan begins with {prefix}; say more of its hash")
    return _plan(rows[0])


def active_plan(connection: Connection) -> Plan | None:
    """The plan applied last: its new set is in force. None when no set was ever applied."""
    row = connection.execute(_applied_last()).first()
    return None if row is None else _plan(row)


def active_mark(connection: Connection) -> tuple[str, datetime] | None:
    """Which plan is in force, and since when: what changes when another is applied. Costs one look at an index."""
    row = connection.execute(_applied_last().with_only_columns(P.hash, P.applied_at)).first()
    return None if row is None else (row.hash, row.applied_at)


def _applied_last() -> Any:
    return select(t.rule_plan).where(P.applied_at.is_not(None)).order_by(P.applied_at.desc()).limit(1)


def mark_applied(connection: Connection, plan: Plan, *, by: str, now: datetime) -> None:
    """From now on the new set of the plan is in force."""
    connection.execute(update(t.rule_plan).where(P.hash == plan.hash).values(applied_at=now, applied_by=by))


def _plan(row: Row[Any]) -> Plan:
    return Plan(**{name: row._mapping[name] for name in Plan.__slots__})


# ------------------------------------------------------------------------------------------------- versions


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """One version of one rule: the text that decided, and since when."""

    digest: str
    rule: str
    since: datetime
    text: str = field(repr=False)


def known_versions(connection: Connection) -> set[str]:
    """The digests of all versions that ever decided."""
    return set(connection.execute(select(t.rule_version.c.digest)).scalars())


def save_versions(connection: Connection, versions: list[RuleVersion]) -> None:
    """Keep versions seen for the first time; those known stay as they are."""
    if versions:
        connection.execute(insert_once(connection, t.rule_version), [asdict(one) for one in versions])


def list_versions(connection: Connection, rule: str | None = None) -> list[RuleVersion]:
    """Every version that ever decided, of one rule or of all, the oldest first."""
    v = t.rule_version.c
    query = select(t.rule_version).order_by(v.rule, v.since, v.digest)
    if rule is not None:
        query = query.where(v.rule == rule)
    return [RuleVersion(row.digest, row.rule, row.since, row.text) for row in connection.execute(query)]
