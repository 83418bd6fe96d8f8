"""A carrier that delivers into a folder, so that everything can be rehearsed without a provider.

Each message becomes a file (`.txt`, `.eml`) and a line of `inbox.jsonl`; `inbox.html` shows them all, like
the phones and mail programs of the people they are for. Some addresses meet with what real ones meet with:
see the constants below.
"""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from notifier.channels.base import TellsTime
from notifier.channels.codes import shipped_codes
from notifier.channels.inbox import Inbox
from notifier.channels.mime import UnsafeHeader, bare_address, to_bytes
from notifier.model import (
    Accepted,
    Action,
    Channel,
    DeliveryState,
    EmailMessage,
    Message,
    Outcome,
    Reason,
    Receipt,
    Rejected,
)

#: A phone number with this ending is refused: 21614, not a mobile number.
BAD_NUMBER: Final = "0091"
#: Taken, and a receipt says later that it failed: 63024, no WhatsApp; for SMS 30003, the phone is off.
FAILS_LATER: Final = "0092"
#: Refused the first time (20429, too many requests), taken the second time.
BUSY_ONCE: Final = "0093"
#: Taken, and no receipt ever comes.
NO_RECEIPT: Final = "0094"
#: Refused: 21610, the person answered STOP.
OPTED_OUT: Final = "0095"
#: An e-mail address with this local part (or `bounce+...`) is taken, and bounces.
BOUNCES: Final = "bounce"

_EVEN = frozenset("02468")


class SandboxCarrier:
    """Delivers one channel into `folder`. Numbers that end in an even digit read their WhatsApp messages.

    `zone` (such as Asia/Jakarta) is the zone of the times on the page; without it the reader's own is used.
    Carriers of all channels, of several processes and of later runs may share a folder: it is only added to.
    """

    provider = "sandbox"

    def __init__(self, channel: Channel, folder: Path, clock: TellsTime, *, zone: str | None = None) -> None:
        self.channel = channel
        self.concurrency = 32
        self.longest = timedelta(seconds=5)
        self._clock = clock
        self._zone = zone
        self._inbox = Inbox(folder)
        self._busy = folder / "busy"
        self._receipts: list[Receipt] = []

    @property
    def page(self) -> Path:
        """The page that shows the inbox; written by `flush` and `close`."""
        return self._inbox.page

    async def open(self) -> None:
        """Nothing to do: the folder is made by the first message."""

    async def close(self) -> None:
        """Write the page."""
        self._inbox.close()
        await asyncio.to_thread(self.flush)

    def flush(self) -> Path:
        """Write `inbox.html` from all messages of the folder, if any came since it was last written."""
        return self._inbox.write_page()

    async def check(self) -> str | None:
        """None when the folder can be written to."""
        try:
            self._inbox.make_folder()
        except OSError:
            return "Sandbox: the inbox folder cannot be written to; set NOTIFIER_INBOX to one that can."
        return None

    def receipts(self) -> list[Receipt]:
        """What came back since the last call: `delivered`, `read` or `failed`, by the address."""
        made, self._receipts = self._receipts, []
        return made

    async def send(self, message: Message, *, callback_url: str | None) -> Outcome:
        """Deliver one message into the folder, or refuse it as its address asks."""
        try:
            refused = self._refusal(message)
            if refused is None:
                self._deliver(message)
                return Accepted(self._reference(message))
            if refused.action is not Action.RETRY:
                self._add(message, self._clock.now(), "refused", refused.code)
            return refused
        except UnsafeHeader as error:
            return Rejected(Reason.TEMPLATE_FAULT, Action.NEXT_CHANNEL, None, f"the mail was not sent: {error}")
        except OSError as error:
            detail = f"the inbox folder cannot be written to ({type(error).__name__})"
            return Rejected(Reason.CONFIGURATION, Action.STOP_CHANNEL, None, detail)

    async def ask(self, message: Message, *, since: datetime) -> Outcome | None:
        """Look for the message's file in the folder."""
        if self._inbox.file_of(message).exists():
            return Accepted(self._reference(message))
        return Rejected(Reason.TEMPORARY, Action.RETRY, None, "the inbox has no such message")

    # ------------------------------------------------------------------------------------------- inside

    def _reference(self, message: Message) -> str:
        return f"sandbox-{self.channel}-{message.delivery_id}"

    def _refusal(self, message: Message) -> Rejected | None:
        if isinstance(message, EmailMessage):
            bare_address(message.to)
            return None
        if message.to.endswith(BAD_NUMBER):
            return self._refused("21614")
        if message.to.endswith(OPTED_OUT):
            return self._refused("21610")
        if message.to.endswith(BUSY_ONCE) and self._is_first_time(message):
            return self._refused("20429")
        return None

    def _refused(self, code: str) -> Rejected:
        outcome = shipped_codes().outcome(code, status=400)
        assert isinstance(outcome, Rejected)
        return outcome

    def _is_first_time(self, message: Message) -> bool:
        # On disk, as the second try may well be another process's.
        self._busy.mkdir(parents=True, exist_ok=True)
        try:
            (self._busy / f"{self.channel}-{message.delivery_id}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def _deliver(self, message: Message) -> None:
        state, code = self._fate(message)
        now = self._clock.now()
        content = to_bytes(message, date=now) if isinstance(message, EmailMessage) else None
        self._add(message, now, state, code, content)
        if state == "accepted":
            return
        if state == "read":
            self._receipts.append(self._receipt(message, DeliveryState.DELIVERED, None))
        self._receipts.append(self._receipt(message, DeliveryState(state), code))

    def _add(self, message: Message, at: datetime, state: str, code: str | None, content: bytes | None = None) -> None:
        meaning = shipped_codes().meaning(code)
        why = meaning.text if meaning else "the mailbox does not exist"
        self._inbox.add(message, at=at, zone=self._zone, state=state, code=code, why=why, content=content)

    def _fate(self, message: Message) -> tuple[str, str | None]:
        """What becomes of a message that is taken: a word of DeliveryState, and an error code if it fails."""
        if isinstance(message, EmailMessage):
            local = bare_address(message.to).partition("@")[0].lower()
            return ("failed", "550 5.1.1") if local.split("+")[0] == BOUNCES else ("delivered", None)
        if message.to.endswith(FAILS_LATER):
            return "failed", "63024" if self.channel is Channel.WHATSAPP else "30003"
        if message.to.endswith(NO_RECEIPT):
            return "accepted", None
        if self.channel is Channel.WHATSAPP and message.to[-1:] in _EVEN:
            return "read", None
        return "delivered", None

    def _receipt(self, message: Message, state: DeliveryState, code: str | None) -> Receipt:
        raw = {"status": str(state), "to": message.to} | ({"code": code} if code else {})
        reason: Reason | None = None
        action: Action | None = None
        if state is DeliveryState.FAILED:
            meaning = shipped_codes().meaning(code)
            reason = meaning.reason if meaning else Reason.BAD_ADDRESS
            action = meaning.action if meaning else Action.BAD_ADDRESS
        reference = self._reference(message)
        return Receipt(self.provider, state, raw, reference, message.delivery_id, code, reason, action)
