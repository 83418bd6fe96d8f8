"""Retain: keep what is needed for as long as it is needed, and no longer. In batches, so that nothing waits for it."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from notifier.errors import ConfigError
from notifier.rules.rule import RuleSet, Unit
from notifier.store import callbacks, partitions, retention
from notifier.store.engine import writing

#: Rows of one transaction: locks are short, and a run that is stopped has done something whole.
ROWS_AT_ONCE = 1_000
#: A month of grace beyond the longest memory of a rule.
GRACE = timedelta(days=31)
#: The longest that one of each unit can be.
LONGEST = {Unit.DAY: 1, Unit.WORKING_DAY: 4, Unit.WEEK: 7, Unit.MONTH: 31, Unit.YEAR: 366}


@dataclass(slots=True)
class Retained:
    """What a run took away."""

    texts: int = 0
    notifications: int = 0
    receipts: int = 0  # of deliveries that were never known
    partitions: int = 0

    def as_json(self) -> dict[str, int]:
        """The documented keys of `retain --format json`."""
        return asdict(self)


def retain(engine: Engine, rules: RuleSet, *, messages_for: timedelta, log_for: timedelta, now: datetime) -> Retained:
    """Remove texts older than `messages_for`, and move out notifications that were over `log_for` ago.

    Indonesia's law on personal data (UU 27/2022, articles 42-44) wants them gone when their purpose is met and names
    no number of days: both spans are settings. Raises ConfigError when a rule's `cap` looks further back.
    """
    for rule in rules.rules:
        if rule.cap is not None:
            within = rule.cap.within
            reach = timedelta(days=within.count * LONGEST.get(within.unit, 1)) + GRACE
            if reach > log_for:
                raise ConfigError(
                    f"rule {rule.name} counts what it told in its cap for longer than the log is kept; "
                    f"set [retention] log to {reach.days} days at least, or shorten the cap"
                )
    done = Retained()
    texts_before, log_before = now - messages_for, now - log_for
    after: int | None = 0
    while after is not None:
        with writing(engine) as connection:
            count, after = retention.blank_messages(connection, texts_before, after=after, most=ROWS_AT_ONCE)
        done.texts += count
    after = 0
    while after is not None:
        with writing(engine) as connection:
            count, after = retention.retire(connection, log_before, after=after, most=ROWS_AT_ONCE)
        done.notifications += count
    with writing(engine) as connection:
        retention.letters_before(connection, texts_before.date())
    with writing(engine) as connection:
        done.receipts = retention.orphans_before(connection, log_before)
        callbacks.forget_before(connection, log_before)
        # A month of grace: a story is never older than its notification, which may have been planned before.
        done.partitions = len(partitions.drop_before(connection, (log_before - GRACE).date()))
        partitions.prepare(connection, now=now)
    return done
