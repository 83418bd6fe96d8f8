"""What an officer may do to a notification by hand: cancel it, or have it sent again."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, update

from notifier.errors import NotifierError
from notifier.model import NOTIFICATION_MOVES, NotificationId, NotificationState, Reason
from notifier.store import outbox
from notifier.store.ledger import Story, find_story
from notifier.store.tables import delivery, notification


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
    d = delivery.c
    connection.execute(update(delivery).where(d.notification_id == story.line.id, d.rung >= 0).values(rung=-1 - d.rung))
    outbox.note(connection, [story.line.id], "resend", None, now=now, detail="asked by an officer")
    return None
