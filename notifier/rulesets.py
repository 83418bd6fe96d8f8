"""Which rules are in force: those of the folder, until a set is applied; then the set that was applied last."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from notifier.errors import ConfigError, NotifierError
from notifier.rules.load import load_rules, load_rules_from_texts, rule_files
from notifier.rules.rule import RuleSet
from notifier.store import migrate, verdicts
from notifier.store.engine import reading, writing
from notifier.store.rulesets import Plan, active_mark, active_plan, mark_applied, read_plan, read_rule_set, short

#: Which plan was applied last, and when; None: the folder counts.
Mark = tuple[str, datetime] | None


@dataclass(frozen=True, slots=True)
class InForce:
    """The rules in force, the texts they were read from (by `Rule.file`), and the plan that put them into force."""

    rules: RuleSet
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    plan: Plan | None = None

    @property
    def mark(self) -> Mark:
        """Changes when another set is applied."""
        return None if self.plan is None or self.plan.applied_at is None else (self.plan.hash, self.plan.applied_at)


def load_in_force(engine: Engine, folder: Path) -> InForce:
    """The rules in force. Raises FaultsFound, and ConfigError when there is no folder and nothing was applied."""
    plan = _active(engine)
    if plan is not None:
        files = _files(engine, plan.new)
        place = f"rule set {short(plan.new)}"
        texts = {f"{place}/{name}": text for name, text in files.items()}
        return InForce(load_rules_from_texts(files, place=place), texts, plan)
    rules = load_rules(folder)
    return InForce(rules, {str(folder / name): text for name, text in rule_files(folder).items()})


def mark_in_force(engine: Engine) -> Mark:
    """What to compare with `InForce.mark`; one small question to the database."""
    with reading(engine) as connection:
        return active_mark(connection)


def _active(engine: Engine) -> Plan | None:
    if not migrate.is_current(engine):  # nothing was ever applied to it
        return None
    with reading(engine) as connection:
        return active_plan(connection)


def _files(engine: Engine, digest: str) -> Mapping[str, str]:
    with reading(engine) as connection:
        files = read_rule_set(connection, digest)
    if files is None:
        raise NotifierError(
            f"the rule set {short(digest)} is not kept in this database; run `notifier rules diff` again"
        )
    return files


@dataclass(frozen=True, slots=True)
class Applied:
    """What `rules apply` did: `is_new` is False when the plan was in force already."""

    plan: Plan
    is_new: bool


def apply(engine: Engine, folder: Path, prefix: str, *, by: str, now: datetime) -> Applied:
    """Put the new set of a plan into force. Raises ConfigError with the remedy when it must not be.

    Only what `rules diff` worked out from the rules in force is taken: nobody applies what nobody has looked at.
    Batches that wait for an officer are counted again under the new rules.
    """
    by = " ".join(by.split())
    if not by:
        raise ConfigError("--by: say who puts the rules into force")
    with reading(engine) as connection:
        plan, active = read_plan(connection, prefix), active_plan(connection)
    if active is not None and active.hash == plan.hash:
        return Applied(active, is_new=False)
    load_rules_from_texts(_files(engine, plan.new), place=f"rule set {short(plan.new)}")
    from_folder = "" if active is not None else load_rules(folder).digest
    with writing(engine) as connection:
        active = active_plan(connection)  # again: somebody may have applied another one meanwhile
        old = active.new if active is not None else from_folder
        if plan.old != old:
            raise ConfigError(
                f"the plan {plan.short} starts from the rules {short(plan.old)}, but {short(old)} are in force: they "
                "have changed since; run `notifier rules diff` again and look at what it says"
            )
        mark_applied(connection, plan, by=by, now=now)
        verdicts.count_again(connection, now=now)
        applied = read_plan(connection, plan.hash)
    return Applied(applied, is_new=True)


def describe(folder: Path, found: InForce) -> str:
    """Which rules are in force, in a sentence; says so when the folder holds others."""
    count = f"{len(found.rules.rules)} rules"
    plan = found.plan
    if plan is None or plan.applied_at is None:
        return f"{count} in {folder} (set {short(found.rules.digest)})"
    since = plan.applied_at.isoformat(timespec="minutes")
    text = f"{count}, set {short(plan.new)}, applied {since} by {plan.applied_by} (plan {plan.short})"
    try:
        digest = load_rules(folder).digest
    except NotifierError:
        return f"{text}; the folder {folder} cannot be read as rules"
    if digest == plan.new:
        return f"{text}; the folder holds the same"
    return f"{text}; the folder holds others ({short(digest)}), `notifier rules diff active {folder}` compares"
