"""What an officer may do by hand: cancel or resend a notification, let out or refuse the messages of a day."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, Engine, update

from notifier.errors import ConfigError, NotifierError
from notifier.model import NOTIFICATION_MOVES, NotificationId, NotificationState, Office, Reason
from notifier.store import daily, outbox, verdicts
from notifier.store.daily import BatchState, DailyBatch
from notifier.store.deliveries import lock, read_deliveries, set_aside
from notifier.store.engine import reading, writing
from notifier.store.ledger import Story, find_story
from notifier.store.rulesets import active_plan
from notifier.store.tables import notification


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why it cannot be done."""

    sentence: str


def read_story(connection: Connection, key: NotificationId) -> Story:
    """The notification with that number. Raises NotifierError when there is none."""
    story = find_story(connection, key)
    if story is None:
        raise NotifierError(f"there is no notification {key}; `notifier notifications list` shows those there are")
    return story


def cancel(connection: Connection, story: Story, *, now: datetime) -> Refusal | None:
    """End what has not been told; of what was sent already, stop the ladder. None when it is done."""
    key, reason = story.line.id, Reason.CANCELLED_BY_OFFICER
    match story.line.state:
        case NotificationState.SCHEDULED:
            if outbox.end(connection, key, NotificationState.CANCELLED, reason, now=now):
                return None
            return Refusal("a worker has just taken it; look again in a minute")
        case NotificationState.SENT:
            outbox.stop_ladder(connection, key, reason, now=now, attempt=None)
            return None
        case ended:
            return Refusal(f"it is over already ({ended})")


def resend(connection: Connection, story: Story, *, now: datetime) -> Refusal | None:
    """Let it climb its ladder again from the first channel, although it was told before or its moment is over.

    That the person is no longer concerned, or wants no messages, still stops it at the guard.
    """
    n = notification.c
    state = story.line.state
    # Deliveries first, then the notification, as receipts lock them: else each waits for the other.
    lock(connection, [one.id for one in read_deliveries(connection, [story.line.id]).get(story.line.id, [])])
    if NotificationState.SCHEDULED not in NOTIFICATION_MOVES[state]:
        return Refusal(f"it is {state} and will leave by itself; nothing was changed")
    moved = connection.execute(
        update(notification)
        .where(n.id == story.line.id, n.state == state.value)
        .values(
            state=NotificationState.SCHEDULED.value,
            reason=None,
            detail=None,
            forced=True,
            next_attempt_at=now,
            offered_at=None,
            settled_at=None,
            first_sent_at=None,
            rung=0,
            tries=0,
            attempt=n.attempt + 1,
            updated_at=now,
        )
    ).rowcount
    if not moved:
        return Refusal("it has just changed; look again")
    # Earlier deliveries stay on record as rungs below zero: else a channel that failed once would be passed over.
    set_aside(connection, story.line.id)
    outbox.note(connection, [story.line.id], "resend", None, now=now, detail="asked by an officer")
    return None


# --------------------------------------------------------------------------------------- the messages of a day


def approve(engine: Engine, office: Office, rule: str, day: date, *, end: datetime, by: str, now: datetime) -> int:
    """Let out what waits of a rule and office for that day; answers how many messages. `end`: of the office's day.

    Raises ConfigError when nothing waits, or when the one who says yes is the one who applied the rules (S84).
    """
    by = _named(by)
    with reading(engine) as connection:
        plan = active_plan(connection)
    if plan is not None and plan.applied_by is not None and _named(plan.applied_by).casefold() == by.casefold():
        raise ConfigError(f"{plan.applied_by} has put these rules into force; somebody else must let the messages out")
    with writing(engine) as connection:
        batch = _find(connection, office, rule, day)
        ids = verdicts.waiting_ids(connection, batch.key, end)
        count = verdicts.count_persons(connection, ids)
        if batch.state is BatchState.HELD:
            due = batch.let_out + count
            verdicts.decide_batch(connection, batch, BatchState.APPROVED, due=due, by=by, now=now)
        elif batch.state is not BatchState.APPROVED or not ids:
            raise _settled(batch)
        verdicts.close_question(connection, batch.key, now=now)
    # In a transaction of its own: what a worker held meanwhile is there now, and finds the batch approved from here on.
    with writing(engine) as connection:
        verdicts.let_out(connection, verdicts.waiting_ids(connection, batch.key, end), by=by, now=now)
    return count


def refuse(engine: Engine, office: Office, rule: str, day: date, *, by: str, now: datetime) -> int:
    """End what waits of a rule and office for that day, for good; answers how many. Raises ConfigError."""
    by = _named(by)
    with writing(engine) as connection:
        batch = _find(connection, office, rule, day)
        if batch.state is not BatchState.HELD:
            raise _settled(batch)
        verdicts.decide_batch(connection, batch, BatchState.REFUSED, due=batch.due, by=by, now=now)
        verdicts.close_question(connection, batch.key, now=now)
    with writing(engine) as connection:
        return verdicts.refuse(connection, batch.key, by=by, now=now)


def _named(by: str) -> str:
    by = " ".join(by.split())
    if not by:
        raise ConfigError("--by: say who decides")
    return by


def _find(connection: Connection, office: Office, rule: str, day: date) -> DailyBatch:
    key = (rule, office.id, day)
    batch = daily.read_batches(connection, {key}).get(key)
    if batch is None:
        raise ConfigError(
            f"nothing of {rule} at {office.code} was counted for {day}; `notifier batches list` shows what was"
        )
    return batch


def _settled(batch: DailyBatch) -> ConfigError:
    if batch.state is BatchState.OPEN:
        return ConfigError("it does not wait for anybody; `notifier batches list --held` shows what does")
    return ConfigError(f"it is {batch.state} already, by {batch.decided_by}")
