"""Callbacks: kept as they came and answered, then made receipts, many at once.

What a provider posts is safe when its raw form is committed; working out whose it is and what follows costs several
times as much, and nobody waits for that at the other end of a line.
"""

import logging
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from notifier.channels.twilio_forms import parse_status
from notifier.errors import StoreError
from notifier.model import DeliveryId, Receipt
from notifier.receipts import Settle, record_batch
from notifier.store import callbacks as store
from notifier.store.callbacks import Group, Raw
from notifier.store.engine import writing
from notifier.store.settle import settle_late

log = logging.getLogger(__name__)

#: So many groups become receipts in one transaction.
GROUPS = 32


def read_form(text: str) -> dict[str, str]:
    """The fields of a posted form, blank ones too, for they are signed; of a repeated one the last."""
    fields: dict[str, str] = {}
    for pair in text.split("&"):
        if "%" in pair or "+" in pair:
            name, _, value = pair.replace("+", " ").partition("=")
            fields[unquote(name)] = unquote(value)
        elif pair:
            name, _, value = pair.partition("=")
            fields[name] = value
    return fields


def apply(engine: Engine, *, settle: Settle = settle_late, most: int = GROUPS) -> int:
    """Make receipts of the oldest groups, in one transaction; answers of how many callbacks, 0 when none is left.

    Several may do it at once, each with groups of its own. A group that cannot be recorded is halved until what is bad
    stands alone; that is set aside and costs no other. Raises SQLAlchemyError and StoreError for a database that is
    away; then everything is as it was.
    """
    groups: list[Group] = []
    try:
        with writing(engine) as connection:
            groups = store.take(connection, most)
            if groups:
                _record(connection, groups, settle)
    except Exception as error:
        if not groups or _is_away(error):
            raise
        log.error("callbacks could not become receipts: %s", type(error).__name__)
        if len(groups) > 1:
            return apply(engine, settle=settle, most=1)
        with writing(engine) as connection:
            _leave_out(connection, groups[0])
    return sum(len(group.callbacks) for group in groups)


def take_up_again(engine: Engine) -> None:
    """Let what was set aside be tried once more: a newer version may know better."""
    with writing(engine) as connection:
        store.take_up_again(connection)


def apply_all(engine: Engine) -> None:
    """Make receipts of everything that waits: what a web door that died has left. Part of each tick."""
    while apply(engine):
        pass


def _record(connection: Connection, groups: Sequence[Group], settle: Settle) -> None:
    raws = [raw for group in groups for raw in group.callbacks]
    now = max(group.received_at for group in groups)
    recorded = record_batch(connection, list(_receipts(raws)), now=now, settle=settle)
    store.remove(connection, groups)
    if recorded.refused:
        store.keep(connection, [raws[place] for place in sorted(recorded.refused)], now=now, set_aside=True)


def _leave_out(connection: Connection, group: Group) -> None:
    """Let a group that cannot be recorded stand in nobody's way: its halves come after what waits already."""
    middle = len(group.callbacks) // 2
    if not middle:
        store.set_aside(connection, group)
        return
    if not store.remove(connection, [group]):  # another one was faster, and luckier
        return
    for half in (group.callbacks[:middle], group.callbacks[middle:]):
        store.keep(connection, half, now=group.received_at)


def _receipts(raws: Sequence[Raw]) -> Iterator[Receipt]:
    for delivery_id, form in raws:
        yield parse_status(read_form(form), None if delivery_id is None else DeliveryId(delivery_id))


def _is_away(error: Exception) -> bool:
    """Whether it is the database's trouble and no fault of what was to be written."""
    return isinstance(error, (OperationalError, StoreError)) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )
