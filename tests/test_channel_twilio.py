"""SMS and WhatsApp against a scripted Twilio on this machine, with Twilio's own client."""

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from notifier.channels.codes import load_codes, shipped_codes
from notifier.channels.http_wire import form
from notifier.channels.twilio import (
    TwilioCarrier,
    parse_inbound,
    parse_status,
    sign,
    verify_signature,
)
from notifier.errors import ConfigError
from notifier.model import (
    Accepted,
    Action,
    Channel,
    DeliveryState,
    Message,
    Outcome,
    Reason,
    Rejected,
    Unknown,
)
from notifier.testing import ScriptedTwilio, TwilioAnswer, a_whatsapp_message, an_email_message, an_sms_message
from notifier.testing.twilio import ACCOUNT_SID, AUTH_TOKEN

SINCE = datetime.now(UTC) - timedelta(minutes=5)


def a_carrier(twilio: ScriptedTwilio, channel: Channel = Channel.SMS, **changes: Any) -> TwilioCarrier:
    settings: dict[str, Any] = {"base_url": twilio.base_url, "timeout": 3.0, "concurrency": 4}
    settings |= changes
    return TwilioCarrier(channel, ACCOUNT_SID, settings.pop("auth_token", AUTH_TOKEN), **settings)


def using(carrier: TwilioCarrier, work: Callable[[TwilioCarrier], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        try:
            return await work(carrier)
        finally:
            await carrier.close()

    return asyncio.run(run())


def sent(carrier: TwilioCarrier, message: Message, callback_url: str | None = None) -> Outcome:
    outcome: Outcome = using(carrier, lambda open_one: open_one.send(message, callback_url=callback_url))
    return outcome


# ------------------------------------------------------------------------------------------------- requests


def test_a_text_message_is_sent_with_its_callback() -> None:
    with ScriptedTwilio() as twilio:
        outcome = sent(a_carrier(twilio), an_sms_message(), "https://n.example/callbacks/twilio/7")
        assert outcome == Accepted(twilio.messages[0]["sid"])
        (request,) = twilio.requests
        assert request.path == f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
        assert request.form == {
            "To": "+6281200000010",
            "From": "IMIGRASI",
            "Body": an_sms_message().text,
            "StatusCallback": "https://n.example/callbacks/twilio/7",
        }


def test_a_whatsapp_message_names_its_template_and_carries_no_body() -> None:
    message = a_whatsapp_message(variables={"1": "Siti “A”", "2": "31 Desember"})
    with ScriptedTwilio() as twilio:
        assert isinstance(sent(a_carrier(twilio, Channel.WHATSAPP), message), Accepted)
        form = dict(twilio.requests[0].form)
        assert json.loads(form.pop("ContentVariables")) == {"1": "Siti “A”", "2": "31 Desember"}
        assert form == {
            "To": "whatsapp:+6281200000010",
            "From": "whatsapp:+6281100000001",
            "ContentSid": message.content_sid,
        }


def test_a_messaging_service_is_named_as_one() -> None:
    service = "MG" + "2" * 32
    with ScriptedTwilio() as twilio:
        sent(a_carrier(twilio, sender=service), an_sms_message(sender=""))
        assert twilio.requests[0].form["MessagingServiceSid"] == service
        assert "From" not in twilio.requests[0].form


def test_without_any_sender_nothing_is_sent() -> None:
    with ScriptedTwilio() as twilio:
        outcome = sent(a_carrier(twilio), an_sms_message(sender=""))
        assert isinstance(outcome, Rejected)
        assert (outcome.action, twilio.requests) == (Action.STOP_CHANNEL, [])


def test_several_messages_are_under_way_at_once() -> None:
    arrived = threading.Barrier(4, timeout=5)

    class Waiting(ScriptedTwilio):
        def answer_to(self, form: Any) -> TwilioAnswer:
            arrived.wait()
            return super().answer_to(form)

    async def all_four(carrier: TwilioCarrier) -> list[Outcome]:
        messages = [an_sms_message(delivery_id=n) for n in range(4)]
        return list(await asyncio.gather(*(carrier.send(each, callback_url=None) for each in messages)))

    with Waiting() as twilio:
        outcomes = using(a_carrier(twilio), all_four)
        assert len({outcome.reference for outcome in outcomes}) == 4


def test_an_email_is_not_for_twilio() -> None:
    with ScriptedTwilio() as twilio, pytest.raises(TypeError):
        sent(a_carrier(twilio), an_email_message())
    with pytest.raises(ValueError, match="email"):
        TwilioCarrier(Channel.EMAIL, ACCOUNT_SID, AUTH_TOKEN)


# -------------------------------------------------------------------------------------------------- answers

REJECTIONS = [
    (TwilioAnswer(400, 21211), Reason.BAD_ADDRESS, Action.BAD_ADDRESS),
    (TwilioAnswer(400, 21610), Reason.OPTED_OUT, Action.SUPPRESS),
    (TwilioAnswer(400, 63016), Reason.TEMPLATE_FAULT, Action.NEXT_CHANNEL),
    (TwilioAnswer(429, 20429), Reason.TEMPORARY, Action.RETRY),
    (TwilioAnswer(503, 20503), Reason.TEMPORARY, Action.RETRY),
    (TwilioAnswer(401, 20003), Reason.CONFIGURATION, Action.STOP_CHANNEL),
    (TwilioAnswer(400, 21617), Reason.CONTENT_REFUSED, Action.NEXT_CHANNEL),
    (TwilioAnswer(400, 21211, problem=True), Reason.BAD_ADDRESS, Action.BAD_ADDRESS),
    (TwilioAnswer(429, text="<html>busy</html>"), Reason.TEMPORARY, Action.RETRY),
    (TwilioAnswer(403, text="<html>no</html>"), Reason.CONFIGURATION, Action.STOP_CHANNEL),
    (TwilioAnswer(400, 99999), Reason.NOT_REACHABLE, Action.NEXT_CHANNEL),
]


@pytest.mark.parametrize(("answer", "reason", "action"), REJECTIONS)
def test_a_refusal_is_judged_by_its_code(answer: TwilioAnswer, reason: Reason, action: Action) -> None:
    with ScriptedTwilio(queue=[answer]) as twilio:
        outcome = sent(a_carrier(twilio), an_sms_message())
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.action) == (reason, action)
    assert outcome.code == str(answer.code or answer.status)
    assert "+62812" not in outcome.detail


def test_retry_after_is_passed_on() -> None:
    answer = TwilioAnswer(429, 20429, headers={"Retry-After": "7"})
    with ScriptedTwilio(queue=[answer]) as twilio:
        outcome = sent(a_carrier(twilio), an_sms_message())
    assert isinstance(outcome, Rejected)
    assert outcome.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    "answer",
    [
        TwilioAnswer(500, 20500),
        TwilioAnswer(502, text="<html>Bad gateway</html>"),
        TwilioAnswer(fault="drops"),
        TwilioAnswer(fault="hangs"),
        TwilioAnswer(201, text="not json"),
        TwilioAnswer(201, text="{}"),
    ],
    ids=["20500", "502", "connection dropped", "no answer", "unreadable answer", "answer without a name"],
)
def test_when_nobody_knows_whether_it_was_taken_the_outcome_is_unknown(answer: TwilioAnswer) -> None:
    with ScriptedTwilio(queue=[answer]) as twilio:
        outcome = sent(a_carrier(twilio, timeout=0.2), an_sms_message())
        assert isinstance(outcome, Unknown)
        assert len(twilio.requests) == 1


def test_nobody_listening_is_a_plain_retry() -> None:
    with ScriptedTwilio() as twilio:
        pass
    outcome = sent(a_carrier(twilio, timeout=1), an_sms_message())
    assert isinstance(outcome, Rejected)
    assert outcome.action is Action.RETRY


def test_nothing_of_a_message_or_a_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with ScriptedTwilio(queue=[TwilioAnswer(), TwilioAnswer(400, 21211)]) as twilio:
        for _ in range(2):
            sent(a_carrier(twilio), an_sms_message())
        using(a_carrier(twilio), lambda carrier: carrier.ask(an_sms_message(), since=SINCE))
    assert "62812" not in caplog.text
    assert AUTH_TOKEN not in caplog.text


def test_check_tells_a_wrong_token_from_a_right_one() -> None:
    with ScriptedTwilio() as twilio:
        assert using(a_carrier(twilio), lambda carrier: carrier.check()) is None
        wrong = using(a_carrier(twilio, auth_token="mistyped"), lambda carrier: carrier.check())
        assert "NOTIFIER_TWILIO_" in wrong
        assert "mistyped" not in wrong


# --------------------------------------------------------------------------------------------------- asking


def asked(carrier: TwilioCarrier, message: Message, since: datetime = SINCE) -> Outcome | None:
    outcome: Outcome | None = using(carrier, lambda open_one: open_one.ask(message, since=since))
    return outcome


def test_a_message_whose_answer_was_lost_is_found_again() -> None:
    with ScriptedTwilio(queue=[TwilioAnswer(fault="drops", keeps=True)]) as twilio:
        assert isinstance(sent(a_carrier(twilio), an_sms_message()), Unknown)
        assert asked(a_carrier(twilio), an_sms_message()) == Accepted(twilio.messages[0]["sid"])
        query = twilio.requests[-1].form
        assert query["To"] == "+6281200000010"
        assert "DateSent>" in query


def test_a_message_that_never_arrived_may_be_sent_again() -> None:
    with ScriptedTwilio(queue=[TwilioAnswer(fault="drops")]) as twilio:
        sent(a_carrier(twilio), an_sms_message())
        outcome = asked(a_carrier(twilio), an_sms_message())
        assert isinstance(outcome, Rejected)
        assert outcome.action is Action.RETRY


def test_another_text_or_an_older_message_is_not_taken_for_ours() -> None:
    with ScriptedTwilio() as twilio:
        sent(a_carrier(twilio), an_sms_message(text="something else"))
        assert isinstance(asked(a_carrier(twilio), an_sms_message()), Rejected)
        later = datetime.now(UTC) + timedelta(minutes=10)
        assert isinstance(asked(a_carrier(twilio), an_sms_message(text="something else"), later), Rejected)


def test_a_whatsapp_message_is_known_by_its_variables_and_else_it_cannot_be_told() -> None:
    other = a_whatsapp_message(variables={"1": "Budi", "2": "1 May 2027"}, text="something else")
    with ScriptedTwilio() as twilio:
        carrier = a_carrier(twilio, Channel.WHATSAPP)
        assert isinstance(asked(carrier, other), Rejected)
        sent(carrier, a_whatsapp_message())
        twilio.messages[0]["body"] = "Dear Maria: the permit ends on 31 December 2026."
        assert isinstance(asked(carrier, a_whatsapp_message()), Accepted)
        assert asked(carrier, other) is None


def test_a_message_that_was_taken_and_failed_is_reported_as_failed() -> None:
    with ScriptedTwilio() as twilio:
        sent(a_carrier(twilio), an_sms_message())
        twilio.messages[0] |= {"status": "undelivered", "error_code": "30005"}
        outcome = asked(a_carrier(twilio), an_sms_message())
        assert isinstance(outcome, Rejected)
        assert (outcome.reason, outcome.code) == (Reason.BAD_ADDRESS, "30005")


def test_without_an_answer_it_cannot_be_told() -> None:
    with ScriptedTwilio() as twilio:
        pass
    assert asked(a_carrier(twilio, timeout=1), an_sms_message()) is None


# ------------------------------------------------------------------------------------------------- callbacks


@contextmanager
def a_listener(port_taken: list[int], got: list[tuple[str, dict[str, str], str]]) -> Iterator[str]:
    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = dict(parse_qsl(body, keep_blank_values=True))
            got.append((self.path, form, self.headers["X-Twilio-Signature"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_scripted_callbacks_are_signed_as_twilio_signs_them() -> None:
    got: list[tuple[str, dict[str, str], str]] = []
    answer = TwilioAnswer(then=("delivered", "sent", "delivered"))
    with a_listener([], got) as here, ScriptedTwilio(answers={"0010": answer}) as twilio:
        url = f"{here}/callbacks/twilio/7?v=1"
        sent(a_carrier(twilio), an_sms_message(), url)
        assert twilio.wait_for_callbacks() == [204, 204, 204]
        assert [form["MessageStatus"] for _, form, _ in got] == ["delivered", "sent", "delivered"]
        for path, form, signature in got:
            assert path == "/callbacks/twilio/7?v=1"
            assert RequestValidator(AUTH_TOKEN).validate(url, form, signature)
            assert verify_signature(AUTH_TOKEN, url, form, signature)
            assert not verify_signature(AUTH_TOKEN, url, form | {"MessageStatus": "failed"}, signature)


@pytest.mark.parametrize(
    "url", ["https://n.example/cb/1", "https://n.example:443/cb/1", "http://n.example:8080/cb?a=b", "http://n.example/"]
)
def test_signatures_agree_with_twilios_own_validator(url: str) -> None:
    form = {"MessageSid": "SM1", "MessageStatus": "sent", "ErrorMessage": "", "Body": "日本"}
    validator = RequestValidator("token")
    for spelled in (url, url.replace(":443", ""), url.replace(".example/", ".example:443/")):
        signature = validator.compute_signature(spelled, form)
        assert verify_signature("token", url, form, signature) == validator.validate(url, form, signature)
    assert verify_signature("token", url, form, sign("token", url, form))


@pytest.mark.parametrize("signature", [None, "", "abc", "ü"])
def test_a_callback_without_a_right_signature_is_not_believed(signature: str | None) -> None:
    assert not verify_signature("token", "https://n.example/", {"A": "b"}, signature)
    assert not verify_signature("", "https://n.example/", {}, sign("", "https://n.example/", {}))


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("queued", DeliveryState.ACCEPTED),
        ("sent", DeliveryState.ACCEPTED),
        ("delivered", DeliveryState.DELIVERED),
        ("read", DeliveryState.READ),
        ("undelivered", DeliveryState.FAILED),
        ("failed", DeliveryState.FAILED),
        ("canceled", DeliveryState.FAILED),
        ("partially_delivered", None),
        ("a new word", None),
    ],
)
def test_a_status_is_read_into_our_words(status: str, state: DeliveryState | None) -> None:
    receipt = parse_status({"MessageSid": "SM1", "MessageStatus": status, "RawDlrDoneDate": "2611240900"})
    assert (receipt.state, receipt.reference, receipt.provider) == (state, "SM1", "twilio")
    assert receipt.raw["RawDlrDoneDate"] == "2611240900"


def test_a_failed_receipt_knows_why_and_what_next() -> None:
    receipt = parse_status({"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "63024"})
    assert (receipt.code, receipt.reason, receipt.action) == ("63024", Reason.NOT_REACHABLE, Action.NEXT_CHANNEL)
    unlisted = parse_status({"MessageSid": "SM1", "MessageStatus": "failed"})
    assert (unlisted.code, unlisted.action) == (None, Action.NEXT_CHANNEL)


def test_no_zero_byte_comes_in_with_a_receipt() -> None:
    receipt = parse_status({"MessageSid": "SM\0001", "MessageStatus": "sent", "ErrorMessage": "a\0b"})
    assert "\0" not in repr(receipt.raw) + str(receipt.reference)


def test_what_a_person_wrote_is_read() -> None:
    told = parse_inbound({"From": "whatsapp:+6281200000010", "Body": " BERHENTI ", "MessageSid": "SM9"})
    assert (told.channel, told.address, told.text) == (Channel.WHATSAPP, "+6281200000010", "BERHENTI")
    pressed = parse_inbound({"From": "+6281200000010", "ButtonText": "Stop", "OptOutType": "stop"})
    assert (pressed.channel, pressed.text, pressed.opt_out) == (Channel.SMS, "Stop", "STOP")


# ----------------------------------------------------------------------------------------------------- codes


def test_every_shipped_code_has_a_reason_an_action_and_words() -> None:
    codes = dict(shipped_codes())
    assert len(codes) >= 66
    assert all(meaning.text for meaning in codes.values())
    assert {meaning.action for meaning in codes.values()} == set(Action)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1", "list of entries"),
        ("- {reason: bad address, action: retry}", "exactly reason, action and codes"),
        ("- {reason: bad luck, action: retry, codes: {1: x}}", "no reason"),
        ("- {reason: bad address, action: pray, codes: {1: x}}", "no action"),
        ("- {reason: bad address, action: retry, codes: {x: y}}", "a number"),
        ("- {reason: bad address, action: retry, codes: {}}", "codes is a mapping"),
        (
            "- {reason: bad address, action: retry, codes: {1: x}}\n- {reason: no answer, action: ask, codes: {1: y}}",
            "twice",
        ),
    ],
)
def test_a_broken_table_of_codes_is_refused(text: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "codes.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=fault):
        load_codes(path)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))))
def test_a_form_is_written_as_the_standard_library_writes_it(fields: dict[str, str]) -> None:
    assert form(fields) == urlencode(fields).encode("ascii")
