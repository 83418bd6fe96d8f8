"""SMS and WhatsApp over Twilio: its own client over kept connections, outcomes by codes.yaml.

Messages are sent on the event loop; the rare questions (was it taken, are we known) run in a thread.
"""

import asyncio
import importlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from notifier.channels.codes import Codes, shipped_codes
from notifier.channels.http_wire import NoAnswer, NotWritten, asked_wait
from notifier.channels.twilio_forms import (
    PROVIDER,
    STATES,
    WHATSAPP_PREFIX,
    parse_inbound,
    parse_status,
    sign,
    verify_signature,
)
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
    SmsMessage,
    Unknown,
    WhatsAppMessage,
)

#: How many of a recipient's newest messages are looked through when Twilio is asked.
_ASKED = 50
#: Twilio's clock and ours may differ; a message this much older than `since` may still be the one.
_SLACK = timedelta(minutes=1)
_SERVICE_PREFIX = "MG"
_API = "https://api.twilio.com"
#: Fields of a message as Twilio's interface names them, and as its library does.
_PYTHON_NAMES = {
    "To": "to",
    "From": "from_",
    "MessagingServiceSid": "messaging_service_sid",
    "StatusCallback": "status_callback",
    "ContentSid": "content_sid",
    "ContentVariables": "content_variables",
    "Body": "body",
}


class TwilioCarrier:
    """Carries SMS or WhatsApp messages, one channel each.

    `sender` (a number, a name, or a messaging service MG...) is used where a message names none. `timeout`
    (seconds) bounds connecting and each wait for an answer. `base_url` replaces Twilio's own address, for a
    proxy or a test. The token appears in no text, no representation and no log.
    """

    provider = PROVIDER

    def __init__(
        self,
        channel: Channel,
        account_sid: str,
        auth_token: str,
        *,
        sender: str | None = None,
        base_url: str | None = None,
        timeout: float = 15.0,
        concurrency: int = 16,
        codes: Codes | None = None,
    ) -> None:
        if channel not in (Channel.SMS, Channel.WHATSAPP):
            raise ValueError(f"Twilio carries no {channel}")
        self.channel: Channel = channel
        self.concurrency = concurrency
        self.longest = timedelta(seconds=2 * timeout)
        self._account_sid, self._auth_token = account_sid, auth_token
        self._sender, self._base_url, self._timeout = sender, base_url, timeout
        self._codes = codes or shipped_codes()
        self._threads: ThreadPoolExecutor | None = None
        self._free = asyncio.Semaphore(concurrency)
        self._loading = threading.Lock()
        self._http: Any = None
        self._client: Any = None
        self._pooled: Any = None
        self._sender_client: Any = None  # None behind a proxy: then threads send, too

    async def open(self) -> None:
        """Load Twilio's library, away from the event loop."""
        await asyncio.get_running_loop().run_in_executor(self._pool(), self._load)

    async def close(self) -> None:
        """Wait for the requests under way, then end the threads."""
        async with AsyncExitStack() as stack:
            for _ in range(self.concurrency):
                await stack.enter_async_context(self._free)
            if self._pooled is not None:
                await self._pooled.close()
        self._pooled = self._sender_client = None
        self._free = asyncio.Semaphore(self.concurrency)  # opened again, it may be on another event loop
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
        if self._http is not None:
            self._http.session.close()
        self._http = self._client = None

    def receipts(self) -> list[Receipt]:
        """None: Twilio posts its receipts to the status callback."""
        return []

    async def send(self, message: Message, *, callback_url: str | None) -> Outcome:
        """Ask Twilio to send one message. When the answer is lost it is `Unknown`, never repeated here."""
        fields = self._fields(message, callback_url)
        if isinstance(fields, Rejected):
            return fields
        if self._client is None:
            await self.open()
        if self._sender_client is not None:
            async with self._free:
                return await self._post(fields)

        def create() -> Outcome:
            named = {_PYTHON_NAMES[name]: value for name, value in fields.items()}
            sid = self._load().messages.create(**named).sid
            return Accepted(sid) if sid else Unknown("Twilio answered without naming the message")

        return await self._in_thread(create)

    async def ask(self, message: Message, *, since: datetime) -> Outcome | None:
        """Look for the message among the newest to its recipient. Lists lag by up to half a minute.

        A message that is not there was not taken: `Rejected` with `retry`. None when Twilio does not answer, or
        when a WhatsApp message is there that may or may not be this one.
        """
        told: list[Outcome | None] = []

        def look() -> Outcome:
            told.append(self._look_up(message, since))
            return told[0] or Unknown()

        await self._in_thread(look)
        return told[0] if told else None  # what went wrong with the question itself is no answer to it

    async def check(self) -> str | None:
        """Fetch our own account: None when Twilio knows us."""

        def fetch() -> Outcome:
            return Accepted(self._load().api.accounts(self._account_sid).fetch().sid)

        outcome = await self._in_thread(fetch)
        if isinstance(outcome, Accepted):
            return None
        return f"Twilio: {outcome.detail}. Check the NOTIFIER_TWILIO_ settings and the network."

    # ------------------------------------------------------------------------------------------- inside

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.concurrency, thread_name_prefix="twilio")
        return self._threads

    def _load(self) -> Any:
        with self._loading:
            if self._client is None:
                module = importlib.import_module("notifier.channels.twilio_client")
                self._http = module.HttpClient(
                    timeout=self._timeout, connections=self.concurrency, base_url=self._base_url
                )
                self._client = module.make_client(self._account_sid, self._auth_token, self._http)
                url = self._base_url or _API
                if not module.is_behind_proxy(url):
                    self._pooled = module.PooledClient(timeout=self._timeout, base_url=url)
                    self._sender_client = module.make_client(self._account_sid, self._auth_token, self._pooled)
            return self._client

    async def _post(self, fields: Mapping[str, str]) -> Outcome:
        path = f"{_API}/2010-04-01/Accounts/{self._account_sid}/Messages.json"
        try:
            answer = await self._sender_client.request_async("POST", path, data=fields)
        except NotWritten as error:
            return _not_reached(error)
        except NoAnswer as error:
            return Unknown(f"no readable answer from Twilio ({error})")
        try:
            told = json.loads(answer.text)
        except ValueError:
            told = None
        told = told if isinstance(told, dict) else {}
        if 200 <= answer.status_code < 300:
            sid = told.get("sid")
            return Accepted(sid) if sid else Unknown("Twilio answered without naming the message")
        code = told.get("code")
        retry_after = asked_wait((answer.headers or {}).get("retry-after"))
        named = str(code) if code and code != answer.status_code else None
        return self._codes.outcome(named, status=answer.status_code, retry_after=retry_after)

    async def _in_thread(self, work: Callable[[], Outcome]) -> Outcome:
        loop = asyncio.get_running_loop()
        async with self._free:
            running = loop.run_in_executor(self._pool(), self._judged, work)
            # requests bounds each wait, not the whole: an answer that trickles in is no answer either.
            done, _ = await asyncio.wait({running}, timeout=self.longest.total_seconds())
            return running.result() if done else Unknown("no answer in time")

    def _judged(self, work: Callable[[], Outcome]) -> Outcome:
        """Run one call; whatever goes wrong becomes an outcome whose text holds nothing of the request."""
        try:
            return work()
        except Exception as error:
            if _is_twilio(error):
                return self._refused(error)
            return _broken(error)

    def _refused(self, error: Any) -> Outcome:
        status = int(getattr(error, "status", 0) or 0)
        code = getattr(error, "code", None)
        # Without a code of Twilio's own its library repeats the HTTP status in that place.
        named = str(code) if code and code != status else None
        retry_after = self._http.retry_after if self._http is not None else None
        return self._codes.outcome(named, status=status, retry_after=retry_after)

    def _fields(self, message: Message, callback_url: str | None) -> dict[str, str] | Rejected:
        if isinstance(message, EmailMessage):
            raise TypeError("Twilio was given an e-mail")
        prefix = WHATSAPP_PREFIX if self.channel is Channel.WHATSAPP else ""
        sender = message.sender or self._sender
        if not sender:
            detail = f"no sender is set for {self.channel}; set one for the office or in the Twilio settings"
            return Rejected(Reason.CONFIGURATION, Action.STOP_CHANNEL, None, detail)
        fields = {"To": prefix + message.to.removeprefix(WHATSAPP_PREFIX)}
        if sender.startswith(_SERVICE_PREFIX) and len(sender) == 34:
            fields["MessagingServiceSid"] = sender
        else:
            fields["From"] = prefix + sender.removeprefix(WHATSAPP_PREFIX)
        if callback_url is not None:
            fields["StatusCallback"] = callback_url
        if isinstance(message, WhatsAppMessage):
            # Since April 2025 a template's text in Body is refused (63016): it is named, never written.
            fields["ContentSid"] = message.content_sid
            if message.variables:
                fields["ContentVariables"] = json.dumps(dict(message.variables), ensure_ascii=False)
        else:
            fields["Body"] = message.text
        return fields

    def _look_up(self, message: Message, since: datetime) -> Outcome | None:
        if isinstance(message, EmailMessage):
            raise TypeError("Twilio was asked about an e-mail")
        prefix = WHATSAPP_PREFIX if self.channel is Channel.WHATSAPP else ""
        after = since.astimezone(UTC) - _SLACK
        listed = self._load().messages.list(
            to=prefix + message.to.removeprefix(WHATSAPP_PREFIX), date_sent_after=after, limit=_ASKED
        )
        candidates = [each for each in listed if _may_be_ours(each, after)]
        for found in candidates:
            if _is_ours(found, message):
                return self._found(found)
        if candidates and isinstance(message, WhatsAppMessage):
            return None  # Twilio wrote the text from its own copy of the template: it may be one of these
        return Rejected(Reason.TEMPORARY, Action.RETRY, None, "Twilio has no such message")

    def _found(self, found: Any) -> Outcome:
        if STATES.get(str(found.status)) is not DeliveryState.FAILED:
            return Accepted(found.sid)
        code = str(found.error_code) if found.error_code else None
        outcome = self._codes.outcome(code, status=400)
        if isinstance(outcome, Rejected):
            return outcome
        return Rejected(Reason.NOT_REACHABLE, Action.NEXT_CHANNEL, code, "Twilio reports that it failed")


def _may_be_ours(found: Any, after: datetime) -> bool:
    created = found.date_created
    is_older = isinstance(created, datetime) and created < after
    return not is_older and not str(found.direction).startswith("inbound")


def _is_ours(found: Any, message: SmsMessage | WhatsAppMessage) -> bool:
    body = _letters(found.body or "")
    if isinstance(message, WhatsAppMessage):
        values = [_letters(value) for value in message.variables.values()]
        return body == _letters(message.text) or (bool(values) and all(value in body for value in values))
    return body == _letters(message.text)


def _letters(text: str) -> str:
    """Letters and digits only: Twilio may have folded white space and changed dashes and quotes."""
    return "".join(sign for sign in text.casefold() if sign.isalnum())


def _is_twilio(error: Exception) -> bool:
    """Of the library's own tree? Told by module, as importing its classes here would load it at once."""
    return any(kind.__module__ == "twilio.base.exceptions" for kind in type(error).__mro__)


def _broken(error: Exception) -> Outcome:
    """A fault of the network, or an unreadable answer. Only what surely never left may be repeated."""
    names = {type(each).__name__ for each in _causes(error)}
    never_left = {"NewConnectionError", "ConnectTimeout", "ConnectTimeoutError", "NameResolutionError"}
    if names & never_left or _is_distrust(error):
        return _not_reached(error)
    return Unknown(f"no readable answer from Twilio ({type(error).__name__})")


def _not_reached(error: Exception) -> Outcome:
    if _is_distrust(error):
        detail = "Twilio's certificate is not trusted on this machine"
        return Rejected(Reason.CONFIGURATION, Action.STOP_CHANNEL, None, detail)
    return Rejected(Reason.TEMPORARY, Action.RETRY, None, "Twilio cannot be reached")


def _is_distrust(error: Exception) -> bool:
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all it was made from; requests keeps the cause in the arguments, urllib3 in `reason`."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
        waiting += [cause for cause in inner if isinstance(cause, BaseException)]


__all__ = ["TwilioCarrier", "parse_inbound", "parse_status", "sign", "verify_signature"]
