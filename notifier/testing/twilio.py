"""Twilio on this machine: an HTTP server that answers as told and posts signed status callbacks."""

import base64
import hmac
import json
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from notifier.clock import SystemClock

ACCOUNT_SID = "AC" + "1" * 32
AUTH_TOKEN = "scripted-token"
#: How long a callback may take to be answered, in seconds: long, because a test machine may be busy.
CALLBACK_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class TwilioAnswer:
    """What happens to one POST.

    With `code` the answer is an error of that number and HTTP `status`. `text` takes the place of the whole JSON
    body. "hangs" never answers, "drops" closes the connection after the request was read; with `keeps` the
    message is there all the same, as when only the answer was lost. `then` are statuses posted to its callback.
    """

    status: int = 201
    code: int | None = None
    message: str = "an error that quotes {to}"
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    fault: str | None = None  # "hangs" | "drops"
    keeps: bool = False
    then: tuple[str, ...] = ()
    problem: bool = False  # answer in the newer form of RFC 9457


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it came; `form` is the body or, for GET, the query."""

    method: str
    path: str
    form: Mapping[str, str]
    username: str
    password: str


class ScriptedTwilio:
    """A server in threads of its own, from `with ScriptedTwilio() as twilio` until its end.

    Answers are found by the ending of the number (`answers`), else taken in turn from `queue`, else the message is
    taken. Requests with another account or token than `account_sid` and `auth_token` get 401/20003.
    """

    def __init__(
        self,
        *,
        answers: Mapping[str, TwilioAnswer | Iterable[TwilioAnswer]] | None = None,
        queue: Iterable[TwilioAnswer] = (),
        account_sid: str = ACCOUNT_SID,
        auth_token: str = AUTH_TOKEN,
    ) -> None:
        self.account_sid, self.auth_token = account_sid, auth_token
        self.requests: list[ReceivedRequest] = []
        self.messages: list[dict[str, str | None]] = []
        self.callback_answers: list[int] = []
        self._answers = {ending: _in_turn(answer) for ending, answer in (answers or {}).items()}
        self._queue = deque(queue)
        self._callback_urls: dict[str, str] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._posting: list[threading.Thread] = []
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def base_url(self) -> str:
        """What to give a carrier as its `base_url`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "ScriptedTwilio":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def call_back(self, sid: str, *statuses: str, error_code: int | None = None) -> list[int]:
        """Post these statuses of a message to its callback URL, signed, in this order; answers' HTTP statuses."""
        return [self._post(sid, status, error_code) for status in statuses]

    def wait_for_callbacks(self) -> list[int]:
        """Wait until all callbacks of `then` have been posted; their HTTP statuses so far."""
        for posting in list(self._posting):
            posting.join(CALLBACK_TIMEOUT)
        return list(self.callback_answers)

    # ------------------------------------------------------------------------------------------- inside

    def answer_to(self, form: Mapping[str, str]) -> TwilioAnswer:
        """The answer that is due to this POST; used by the server's threads."""
        with self._lock:
            for ending, answers in self._answers.items():
                if form.get("To", "").endswith(ending):
                    return answers.popleft() if len(answers) > 1 else answers[0]
            return self._queue.popleft() if self._queue else TwilioAnswer()

    def take(self, form: Mapping[str, str], answer: TwilioAnswer) -> dict[str, str | None]:
        """Keep the message, and post its callbacks from another thread as Twilio would."""
        with self._lock:
            sid = f"SM{len(self.messages) + 1:032x}"
            # Twilio keeps a template's rendered text; without the template this is the nearest to it.
            message = {
                "sid": sid,
                "account_sid": self.account_sid,
                "to": form.get("To"),
                "from": form.get("From"),
                "messaging_service_sid": form.get("MessagingServiceSid"),
                "body": form.get("Body") or form.get("ContentVariables"),
                "status": "queued",
                "direction": "outbound-api",
                "error_code": None,
                "date_created": format_datetime(SystemClock().now()),
            }
            self.messages.append(message)
            if "StatusCallback" in form:
                self._callback_urls[sid] = form["StatusCallback"]
        if answer.then:
            posting = threading.Thread(target=self.call_back, args=(sid, *answer.then), daemon=True)
            self._posting.append(posting)
            posting.start()
        return message

    def wait_to_stop(self) -> None:
        """Block until the server ends: how a hanging answer hangs."""
        self._stopping.wait(30)

    def _post(self, sid: str, status: str, error_code: int | None) -> int:
        message = next(each for each in self.messages if each["sid"] == sid)
        form = {
            "AccountSid": self.account_sid,
            "ApiVersion": "2010-04-01",
            "From": message["from"] or "",
            "MessageSid": sid,
            "MessageStatus": status,
            "SmsSid": sid,
            "SmsStatus": status,
            "To": message["to"] or "",
        }
        if error_code is not None:
            form["ErrorCode"] = str(error_code)
        url = self._callback_urls[sid]
        answered = _post_form(url, form, self.sign(url, form))
        self.callback_answers.append(answered)
        return answered

    def sign(self, url: str, form: Mapping[str, str]) -> str:
        """The signature Twilio would put into X-Twilio-Signature."""
        text = url + "".join(name + form[name] for name in sorted(form))
        return base64.b64encode(hmac.digest(self.auth_token.encode(), text.encode(), "sha1")).decode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # with the usual 5 a burst of connections waits a second for its repeat

    def __init__(self, twilio: ScriptedTwilio) -> None:
        self.twilio = twilio
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that give up are part of the play."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        form = dict(parse_qsl(body, keep_blank_values=True))
        if not self._is_known(form):
            return
        answer = self.server.twilio.answer_to(form)
        takes = answer.keeps or (answer.status == 201 and answer.fault is None)
        kept = self.server.twilio.take(form, answer) if takes else None
        if answer.fault == "hangs":
            self.server.twilio.wait_to_stop()
            self.close_connection = True
        elif answer.fault == "drops":
            self.close_connection = True
        elif answer.text is not None:
            self._answer(answer.status, answer.text, answer.headers)
        elif answer.code is not None:
            self._answer(answer.status, json.dumps(_error(answer, form)), answer.headers)
        else:
            self._answer(answer.status, json.dumps(kept or {}), answer.headers)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if not self._is_known(query):
            return
        twilio = self.server.twilio
        if not parts.path.endswith("/Messages.json"):
            self._answer(200, json.dumps({"sid": twilio.account_sid, "status": "active"}), {})
            return
        found = [each for each in reversed(twilio.messages) if query.get("To") in (None, each["to"])]
        self._answer(200, json.dumps({"messages": found, "next_page_uri": None}), {})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: requests hold numbers."""

    def _is_known(self, form: Mapping[str, str]) -> bool:
        twilio = self.server.twilio
        given = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        username, _, password = given.partition(":")
        request = ReceivedRequest(self.command, urlsplit(self.path).path, form, username, password)
        twilio.requests.append(request)
        if (username, password) == (twilio.account_sid, twilio.auth_token):
            return True
        self._answer(401, json.dumps({"code": 20003, "message": "Authenticate", "status": 401}), {})
        return False

    def _answer(self, status: int, body: str, headers: Mapping[str, str]) -> None:
        content = body.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _error(answer: TwilioAnswer, form: Mapping[str, str]) -> dict[str, object]:
    text = answer.message.format(to=form.get("To", ""))
    if answer.problem:
        return {"type": "about:blank", "title": text, "status": answer.status, "code": answer.code}
    return {"code": answer.code, "message": text, "status": answer.status, "more_info": ""}


def _in_turn(answer: TwilioAnswer | Iterable[TwilioAnswer]) -> deque[TwilioAnswer]:
    return deque([answer] if isinstance(answer, TwilioAnswer) else answer)


def _post_form(url: str, form: Mapping[str, str], signature: str) -> int:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=CALLBACK_TIMEOUT)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(
            "POST",
            target,
            urlencode(form),
            {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature},
        )
        return connection.getresponse().status
    finally:
        connection.close()
