"""Drafts: what is to leave is rendered, and written into the ledger as deliveries. Sends nothing."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from notifier.batch import BatchReport, Bundle, Sending
from notifier.calendar.office import OfficeCalendar
from notifier.channels.base import Carrier
from notifier.errors import TemplateError
from notifier.merge import Parcel
from notifier.model import (
    Action,
    Channel,
    DeliveryId,
    EmailMessage,
    Form,
    Message,
    NotificationId,
    Office,
    Outcome,
    Reason,
    Rejected,
    SmsMessage,
)
from notifier.render import Renderer
from notifier.rules.decision import Decision
from notifier.store import deliveries as store
from notifier.store import tables as t
from notifier.store.deliveries import Delivery
from notifier.store.many import update_each
from notifier.store.packing import keep_letters, pack, unpack

log = logging.getLogger(__name__)

#: What a notification keeps of the rung that is sent.
RUNG_COLUMNS = ("rung", "rungs", "moment", "useful_until", "urgent")


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to be: its rung, channel and address; `repeats` is the lost delivery whose bytes it sends again."""

    parcel: Parcel
    rung: int
    channel: Channel
    address: str
    repeats: Delivery | None = None

    @property
    def bundle(self) -> Bundle:
        return self.parcel.leader.bundle

    @property
    def decision(self) -> Decision:
        return self.parcel.leader.decision


class Writer:
    """Renders the messages of drafts and writes their deliveries."""

    def __init__(
        self,
        calendar_of: Callable[[Office], OfficeCalendar],
        renderer: Renderer,
        carriers: Mapping[Channel, Carrier],
    ) -> None:
        self.calendar_of = calendar_of
        self.renderer = renderer
        self.carriers = carriers

    def write(
        self, connection: Connection, drafts: Sequence[Draft], now: datetime, report: BatchReport
    ) -> tuple[list[Sending], list[Parcel]]:
        """Render each message, write its delivery; answers the messages, and those whose text could not be made."""
        if not drafts:
            return [], []
        self._note_rungs(connection, drafts)
        ids = store.draw_ids(connection, len(drafts))
        sendings: list[Sending] = []
        failed: list[Parcel] = []
        rows: list[dict[str, Any]] = []
        forms: dict[str, Form] = {}
        outcomes: dict[DeliveryId, Outcome] = {}
        for key, draft in zip(ids, drafts, strict=True):
            row = self._delivery_row(draft, key, now)
            rows.append(row)
            try:
                message, language = self._render(draft, key, now)
            except TemplateError as error:
                log.error("a text could not be made: %s", error, extra={"notification": draft.bundle.claimed.id})
                outcomes[key] = Rejected(Reason.TEMPLATE_FAULT, Action.NEXT_CHANNEL, None, str(error))
                failed.append(draft.parcel)
                report.failed += 1
                continue
            row["message"], row["language"] = pack(message), language
            if isinstance(message, EmailMessage) and message.filled is not None:
                form = message.filled.form
                forms[form.key], row["letter"] = form, form.key
            row["segments"] = message.segments if isinstance(message, SmsMessage) else None
            leader, *others = draft.parcel.bundles
            sendings.append(Sending(leader, key, draft.channel, message, tuple(others)))
            if draft.repeats is not None:  # the first try is not lost any more: the repeat stands for it
                outcomes[draft.repeats.id] = Rejected(Reason.TEMPORARY, Action.RETRY, None, "repeated")
        keep_letters(connection, forms.values(), on=now.date())
        store.write(connection, rows)
        shared = {key: draft.parcel.others for key, draft in zip(ids, drafts, strict=True) if draft.parcel.others}
        store.join(connection, {key: [one.bundle.claimed.id for one in others] for key, others in shared.items()})
        if outcomes:
            store.record(connection, outcomes, now=now)
        return sendings, failed

    def _note_rungs(self, connection: Connection, drafts: Sequence[Draft]) -> None:
        """Keep the rung that is sent now, and what the law says today of moment, end and urgency, where it differs."""
        rows: dict[NotificationId, dict[str, Any]] = {}
        for draft in drafts:
            rungs = len(draft.decision.step.via)
            for one in draft.parcel.members:
                claimed, decision = one.bundle.claimed, one.decision
                moment, urgent = decision.moment or claimed.moment, decision.step.urgent
                told = (draft.rung, rungs, moment, decision.useful_until, urgent)
                known = (claimed.rung, claimed.rungs, claimed.moment, claimed.useful_until, claimed.urgent)
                if told != known:
                    rows[claimed.id] = {"id": claimed.id, **dict(zip(RUNG_COLUMNS, told, strict=True))}
        update_each(connection, t.notification, list(rows.values()))

    def _delivery_row(self, draft: Draft, key: DeliveryId, now: datetime) -> dict[str, Any]:
        return {
            "id": key,
            "notification_id": draft.bundle.claimed.id,
            "attempt": draft.bundle.claimed.attempt,
            "rung": draft.rung,
            "channel": draft.channel.value,
            "provider": self.carriers[draft.channel].provider,
            "address": draft.address,
            "language": "",
            "template": draft.decision.step.template,
            "message": None,
            "letter": None,
            "segments": None,
            # Of a mail the lease decides: it may be repeated, as the very same mail.
            "detail": None if draft.channel is Channel.EMAIL else store.NOT_BEGUN,
            "attempted_at": now,
            "updated_at": now,
        }

    def _render(self, draft: Draft, key: DeliveryId, now: datetime) -> tuple[Message, str]:
        rule, subject = draft.bundle.rule, draft.bundle.subject
        if draft.repeats is not None:
            return unpack(draft.repeats.message or {}, key), draft.repeats.language
        if rule is None or subject is None:
            raise TemplateError("the rule or its subject is gone")
        return self.renderer.render(
            rule,
            draft.decision,
            subject,
            draft.channel,
            draft.address,
            others=[one.bundle.subject for one in draft.parcel.others if one.bundle.subject is not None],
            calendar=self.calendar_of(subject.office),
            now=now,
            delivery_id=key,
            stable_key=f"{draft.bundle.claimed.id}.{draft.channel}",
        )
