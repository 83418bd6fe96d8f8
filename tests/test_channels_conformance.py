"""One suite for all carriers: whatever a provider answers becomes the same few outcomes, and no secret gets out."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from notifier.channels.base import Carrier
from notifier.channels.email import EmailCarrier
from notifier.channels.sandbox import SandboxCarrier
from notifier.channels.twilio import TwilioCarrier
from notifier.clock import StandingClock
from notifier.model import (
    Accepted,
    Action,
    Channel,
    DeliveryId,
    Message,
    Outcome,
    Reason,
    Rejected,
    Unknown,
)
from notifier.testing import (
    MemoryCarrier,
    ScriptedSmtp,
    ScriptedTwilio,
    SmtpScript,
    TwilioAnswer,
    a_whatsapp_message,
    an_email_message,
    an_sms_message,
)
from notifier.testing.twilio import ACCOUNT_SID

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
SECRET = "a-secret-that-must-not-get-out"
TIMEOUT = 0.2

OPTED_OUT = (Reason.OPTED_OUT, Action.SUPPRESS)
BAD = (Reason.BAD_ADDRESS, Action.BAD_ADDRESS)
LATER = (Reason.TEMPORARY, Action.RETRY)
SETUP = (Reason.CONFIGURATION, Action.STOP_CHANNEL)
CONTENT = (Reason.CONTENT_REFUSED, Action.NEXT_CHANNEL)
UNKNOWN = "unknown"

#: What may happen, and what every carrier that can meet with it must say.
EXPECTED: dict[str, Any] = {
    "taken": "accepted",
    "bad address": BAD,
    "opted out": OPTED_OUT,
    "busy": LATER,
    "content refused": CONTENT,
    "wrong credentials": SETUP,
    "nobody listens": LATER,
    "lost before": LATER,
    "lost after": UNKNOWN,
    "no answer after": UNKNOWN,
}


@dataclass(frozen=True)
class Stage:
    """A carrier, and how to get a message that meets with an answer. None: this carrier cannot meet with it."""

    carrier: Carrier
    message: Message


def _message(channel: Channel, to: str) -> Message:
    if channel is Channel.EMAIL:
        return an_email_message(to=to)
    return an_sms_message(to=to) if channel is Channel.SMS else a_whatsapp_message(to=to)


def memory(channel: Channel, case: str, folder: Path, stack: ExitStack) -> Stage | None:
    carrier = MemoryCarrier(channel)
    expected = EXPECTED[case]
    address = "maria@example.com" if channel is Channel.EMAIL else "+6281200000010"
    if expected == UNKNOWN:
        carrier.answer_for(address, Unknown("told so"))
    elif expected != "accepted":
        carrier.answer_for(address, Rejected(*expected))
    return Stage(carrier, _message(channel, address))


def sandbox(channel: Channel, case: str, folder: Path, stack: ExitStack) -> Stage | None:
    endings = {"taken": "0010", "bad address": "0091", "opted out": "0095", "busy": "0093"}
    if channel is Channel.EMAIL:
        endings = {"taken": "maria@example.com"}
    if case not in endings:
        return None
    to = endings[case] if channel is Channel.EMAIL else "+628120000" + endings[case]
    return Stage(SandboxCarrier(channel, folder, StandingClock(NOW)), _message(channel, to))


def email(channel: Channel, case: str, folder: Path, stack: ExitStack) -> Stage | None:
    scripts = {
        "taken": SmtpScript(),
        "bad address": SmtpScript(rcpt="550 5.1.1 <{address}> unknown, " + SECRET),
        "busy": SmtpScript(rcpt="450 4.2.1 later"),
        "content refused": SmtpScript(end="554 5.7.1 spam"),
        "wrong credentials": SmtpScript(),
        "nobody listens": SmtpScript(),
        "lost before": SmtpScript(hangs_up_at="data"),
        "lost after": SmtpScript(hangs_up_at="end"),
        "no answer after": SmtpScript(stalls_at="end"),
    }
    if channel is not Channel.EMAIL or case not in scripts:
        return None
    users = {"office": "right" if case == "wrong credentials" else SECRET}
    server = ScriptedSmtp(scripts={"maria@example.com": scripts[case]}, users=users)
    if case == "nobody listens":
        with server:
            pass
    else:
        stack.enter_context(server)
    carrier = EmailCarrier(
        server.host,
        server.port,
        clock=StandingClock(NOW),
        security="none",
        username="office",
        password=SECRET,
        timeout=TIMEOUT if case == "no answer after" else 5,
    )
    return Stage(carrier, an_email_message())


def twilio(channel: Channel, case: str, folder: Path, stack: ExitStack) -> Stage | None:
    answers = {
        "taken": TwilioAnswer(),
        "bad address": TwilioAnswer(400, 21211, "{to} is wrong, " + SECRET),
        "opted out": TwilioAnswer(400, 21610),
        "busy": TwilioAnswer(429, 20429),
        "content refused": TwilioAnswer(400, 63013),
        "wrong credentials": TwilioAnswer(),
        "nobody listens": TwilioAnswer(),
        "lost after": TwilioAnswer(fault="drops"),
        "no answer after": TwilioAnswer(fault="hangs"),
    }
    if channel is Channel.EMAIL or case not in answers:
        return None
    token = "right" if case == "wrong credentials" else SECRET
    server = ScriptedTwilio(queue=[answers[case]], auth_token=token)
    if case == "nobody listens":
        with server:
            pass
    else:
        stack.enter_context(server)
    carrier = TwilioCarrier(
        channel,
        ACCOUNT_SID,
        SECRET,
        base_url=server.base_url,
        timeout=TIMEOUT if case == "no answer after" else 5,
    )
    return Stage(carrier, _message(channel, "+6281200000010"))


STAGES: dict[str, Callable[[Channel, str, Path, ExitStack], Stage | None]] = {
    "memory": memory,
    "sandbox": sandbox,
    "email": email,
    "twilio": twilio,
}


def _can_meet(name: str, channel: Channel, case: str, folder: Path) -> bool:
    with ExitStack() as stack:
        return STAGES[name](channel, case, folder, stack) is not None


CASES = [
    pytest.param(name, channel, case, id=f"{name}-{channel}-{case}")
    for name in STAGES
    for channel in Channel
    for case in EXPECTED
    if _can_meet(name, channel, case, Path("unused"))
]


@asynccontextmanager
async def opened(carrier: Carrier) -> AsyncIterator[Carrier]:
    await carrier.open()
    try:
        yield carrier
    finally:
        await carrier.close()


async def _send(stage: Stage) -> Outcome:
    async with opened(stage.carrier) as carrier:
        return await carrier.send(stage.message, callback_url="https://n.example/callbacks/1")


def _kind(outcome: Outcome) -> Any:
    if isinstance(outcome, Accepted):
        return "accepted"
    return UNKNOWN if isinstance(outcome, Unknown) else (outcome.reason, outcome.action)


@pytest.mark.parametrize(("name", "channel", "case"), CASES)
def test_every_carrier_says_the_same_of_the_same_answer(
    name: str, channel: Channel, case: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with ExitStack() as stack:
        stage = STAGES[name](channel, case, tmp_path, stack)
        assert stage is not None
        outcome = asyncio.run(_send(stage))
    assert _kind(outcome) == EXPECTED[case]
    for text in (repr(outcome), repr(stage.carrier), caplog.text):
        assert SECRET not in text
    told = outcome.detail if not isinstance(outcome, Accepted) else ""
    assert stage.message.to not in told + caplog.text


@pytest.mark.parametrize(("name", "channel", "case"), [each for each in CASES if each.values[2] == "taken"])
def test_every_carrier_keeps_the_promises_of_its_kind(name: str, channel: Channel, case: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        stage = STAGES[name](channel, case, tmp_path, stack)
        assert stage is not None
        carrier = stage.carrier

        async def run() -> None:
            async with opened(carrier):
                assert await carrier.check() is None
                messages = [replace(stage.message, delivery_id=DeliveryId(n)) for n in range(20)]
                outcomes = await asyncio.gather(*(carrier.send(m, callback_url=None) for m in messages))
                assert all(isinstance(outcome, Accepted) for outcome in outcomes)
                told = await carrier.ask(messages[0], since=NOW)
                assert told is None or isinstance(told, Accepted)
                carrier.receipts()
                assert carrier.receipts() == []

        asyncio.run(run())
        assert carrier.channel is channel
        assert carrier.provider in {"memory", "sandbox", "smtp", "twilio"}
        assert carrier.concurrency >= 1
        assert timedelta(0) < carrier.longest < timedelta(minutes=5)


@pytest.mark.parametrize(("name", "channel", "case"), [each for each in CASES if "no answer" in each.values[2]])
def test_no_carrier_waits_longer_than_it_says(name: str, channel: Channel, case: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        stage = STAGES[name](channel, case, tmp_path, stack)
        assert stage is not None

        async def run() -> float:
            loop = asyncio.get_running_loop()
            async with opened(stage.carrier) as carrier:
                began = loop.time()
                await carrier.send(stage.message, callback_url=None)
                return loop.time() - began

        assert asyncio.run(run()) <= stage.carrier.longest.total_seconds() + 0.3
