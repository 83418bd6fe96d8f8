"""What the ledger says after each way a provider can fail: real SMTP and HTTP conversations on loopback."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from notifier.batch import BatchReport
from notifier.channels.email import EmailCarrier
from notifier.channels.twilio import TwilioCarrier
from notifier.model import Channel, DeliveryId, DeliveryState
from notifier.prepare import QUESTIONS
from notifier.store import deliveries as store
from notifier.store import tables as t
from notifier.store.engine import reading, writing
from notifier.testing.smtp import ScriptedSmtp, SmtpScript
from notifier.testing.twilio import ACCOUNT_SID, AUTH_TOKEN, ScriptedTwilio, TwilioAnswer
from notifier.web.optout import load_words
from tests.web_site import Needs, Site, running
from tests.world import World, wib

#: How long a provider is waited for, in seconds. Whoever answers is given the time that a busy machine may need for
#: it, also to load a library; where a test wants nobody to answer, the wait costs little.
PATIENT, IMPATIENT = 30.0, 1.0


class Wired(World):
    """A world whose messages really travel: SMTP and HTTP on loopback, callbacks into a running web door."""

    def __init__(self, engine: Engine, smtp: ScriptedSmtp, twilio: ScriptedTwilio) -> None:
        super().__init__(engine)
        self.smtp, self.twilio = smtp, twilio
        self.site: Site | None = None
        self.runner = asyncio.Runner()
        self.carriers = self._wired(PATIENT)  # type: ignore[assignment]
        self.plan()
        self.at("2026-05-26 10:00")

    def _wired(self, timeout: float) -> dict[Channel, EmailCarrier | TwilioCarrier]:
        smtp, url = self.smtp, self.twilio.base_url
        return {
            Channel.EMAIL: EmailCarrier(
                smtp.host, smtp.port, clock=self.clock, security="none", timeout=timeout, connections=2
            ),
            **{
                channel: TwilioCarrier(
                    channel, ACCOUNT_SID, AUTH_TOKEN, sender="+15005550006", base_url=url, timeout=timeout
                )
                for channel in (Channel.SMS, Channel.WHATSAPP)
            },
        }

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """Meanwhile nobody is waited for longer than a moment."""
        patient, self.carriers = self.carriers, self._wired(IMPATIENT)  # type: ignore[assignment]
        yield
        self._close_carriers()
        self.carriers = patient

    def wait_for(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def callback_url(self, delivery_id: DeliveryId) -> str | None:
        return f"http://127.0.0.1:{self.site.port}/twilio/status?delivery={delivery_id}" if self.site else None

    def close(self) -> None:
        self._close_carriers()
        self.runner.close()

    def _close_carriers(self) -> None:
        for carrier in self.carriers.values():
            self.wait_for(carrier.close())

    def reminded_by_mail(self) -> None:
        """A permit whose "two-weeks" step leaves by e-mail alone."""
        self.person("M1", "ANNA", phone=False)
        self.permit("E1", "M1", type="ITAS", issue=date(2025, 6, 9), expiry=date(2026, 6, 9))
        self.run()

    def reminded_by_telephone(self) -> None:
        """An appointment tomorrow: WhatsApp, then SMS."""
        self.person("T1", "BUDI", email=False)
        self.case("C1", "T1", service="passport", state="scheduled", appointment_at=wib("2026-05-27 09:00"))
        self.at("2026-05-26 10:00").run()

    def send(self) -> list[BatchReport]:
        if self.site is not None:
            self.site.wait_until_applied()
        return super().send()

    def outcome(self) -> tuple[str, list[tuple[str, str]]]:
        """(state of the notification, [(channel, state) of each delivery])."""
        if self.site is not None:
            self.site.wait_until_applied()
        (row,) = self.notifications()
        return row.state, [(one.channel, one.state) for one in self.deliveries()]

    def later(self, **length: float) -> None:
        self.clock.at += timedelta(**length)
        self.send()


@pytest.fixture
def smtp() -> Iterator[ScriptedSmtp]:
    with ScriptedSmtp() as server:
        yield server


@pytest.fixture
def twilio() -> Iterator[ScriptedTwilio]:
    with ScriptedTwilio() as server:
        yield server


@pytest.fixture
def wired(engine: Engine, smtp: ScriptedSmtp, twilio: ScriptedTwilio) -> Iterator[Wired]:
    world = Wired(engine, smtp, twilio)
    needs = Needs(
        engine=engine,
        clock=world.clock,
        words=load_words(),
        signing_key=b"key",
        auth_token=AUTH_TOKEN,
        public_url=None,
    )
    with running(needs) as site:
        world.site = site
        yield world
        world.close()


# ---------------------------------------------------------------------------------------------------- SMTP


def test_an_accepted_mail_without_a_bounce_is_presumed_delivered_after_a_day(wired: Wired) -> None:
    wired.reminded_by_mail()
    assert wired.outcome() == ("sent", [("email", "accepted")])

    wired.later(hours=24)

    (row,) = wired.notifications()
    assert (row.state, row.reason) == ("delivered", "presumed delivered")
    assert len(wired.smtp.mails) == 1


def test_a_refused_recipient_ends_undeliverable_and_marks_the_address(wired: Wired) -> None:
    wired.smtp.script = SmtpScript(rcpt="550 5.1.1 User unknown")
    wired.reminded_by_mail()

    assert wired.outcome() == ("undeliverable", [("email", "failed")])
    with reading(wired.engine) as connection:
        usable, reason = connection.execute(select(t.contact.c.usable, t.contact.c.reason)).one()
    assert (usable, reason) == (False, "bad address")
    assert wired.work() == ["undeliverable"]


def test_a_temporary_refusal_is_tried_again_and_arrives_once(wired: Wired) -> None:
    wired.smtp.script = SmtpScript(rcpt="451 4.7.1 Greylisted")
    wired.reminded_by_mail()
    assert wired.outcome() == ("scheduled", [("email", "failed")])

    wired.smtp.script = SmtpScript()
    wired.later(minutes=2)

    assert wired.outcome() == ("sent", [("email", "failed"), ("email", "accepted")])
    assert len(wired.smtp.mails) == 1


def test_temporary_refusals_without_end_end_in_a_work_item(wired: Wired) -> None:
    wired.smtp.script = SmtpScript(rcpt="451 4.7.1 Greylisted")
    wired.reminded_by_mail()
    for _ in range(5):
        wired.later(hours=1)

    assert wired.outcome()[0] == "undeliverable"
    assert len(wired.deliveries()) == len(wired.limits.retries) + 1
    assert wired.work() == ["undeliverable"]


def test_a_server_that_stalls_before_data_is_tried_again(wired: Wired) -> None:
    wired.smtp.script = SmtpScript(stalls_at="rcpt")
    with wired.impatient():
        wired.reminded_by_mail()
    assert wired.outcome() == ("scheduled", [("email", "failed")])

    wired.smtp.script = SmtpScript()
    wired.later(minutes=2)

    assert wired.outcome()[0] == "sent"


def test_a_connection_lost_after_data_is_unknown_and_repeated_with_the_same_message_id(wired: Wired) -> None:
    wired.smtp.script = SmtpScript(hangs_up_at="end")
    wired.reminded_by_mail()
    (row,) = wired.notifications()
    assert wired.outcome() == ("sent", [("email", "unknown")])  # told, for all we know
    assert row.told_at is not None

    wired.smtp.script = SmtpScript()
    wired.later(minutes=2)

    assert wired.outcome() == ("sent", [("email", "failed"), ("email", "accepted")])
    first, second = (one.message["message_id"] for one in wired.deliveries())
    assert first == second


def test_a_mail_server_that_never_answers_after_data_is_given_the_mail_a_few_times_and_no_more(wired: Wired) -> None:
    wired.smtp.script = SmtpScript(hangs_up_at="end")
    wired.reminded_by_mail()
    for _ in range(40):
        wired.later(minutes=2)

    assert len(wired.deliveries()) == 1 + QUESTIONS
    assert len({one.message["message_id"] for one in wired.deliveries()}) == 1


# -------------------------------------------------------------------------------------------------- Twilio


def test_201_and_a_receipt_settle_the_notification(wired: Wired) -> None:
    wired.twilio._queue.append(TwilioAnswer(then=("sent", "delivered")))
    wired.reminded_by_telephone()
    assert wired.twilio.wait_for_callbacks()[-1] in (200, 204)

    assert wired.outcome() == ("delivered", [("whatsapp", "delivered")])


def test_receipts_twice_and_out_of_order_change_nothing(wired: Wired) -> None:
    wired.reminded_by_telephone()
    sid = wired.deliveries()[0].reference
    wired.twilio.call_back(sid, "read", "delivered", "sent", "delivered", "queued", "read", "failed")

    assert wired.outcome() == ("delivered", [("whatsapp", "read")])
    with reading(wired.engine) as connection:
        applied = [bool(row.applied) for row in connection.execute(select(t.receipt).order_by(t.receipt.c.id))]
    assert len(applied) == 7
    assert sum(applied) == 1


def test_21211_marks_the_address_and_takes_the_next_channel_at_once(wired: Wired) -> None:
    wired.twilio._queue.append(TwilioAnswer(status=400, code=21211))
    wired.reminded_by_telephone()

    assert wired.outcome() == ("sent", [("whatsapp", "failed"), ("sms", "accepted")])
    with reading(wired.engine) as connection:
        usable = dict(connection.execute(select(t.contact.c.channel, t.contact.c.usable)).all())
    assert usable == {"whatsapp": False, "sms": True}


def test_21610_suppresses_the_channel_and_is_not_tried_again(wired: Wired) -> None:
    wired.twilio._queue.append(TwilioAnswer(status=400, code=21610))
    wired.reminded_by_telephone()
    wired.later(hours=30)

    assert [(one.channel, one.state) for one in wired.deliveries()] == [("whatsapp", "failed"), ("sms", "accepted")]
    with reading(wired.engine) as connection:
        channels = list(connection.execute(select(t.suppression.c.channel)).scalars())
    assert channels == ["whatsapp"]


def test_429_waits_as_long_as_the_provider_says(wired: Wired) -> None:
    wired.twilio._queue.append(TwilioAnswer(status=429, code=20429, headers={"Retry-After": "300"}))
    wired.reminded_by_telephone()
    (row,) = wired.notifications()
    assert wired.outcome() == ("scheduled", [("whatsapp", "failed")])
    assert row.next_attempt_at == wired.now + timedelta(seconds=300)

    wired.later(seconds=300)

    assert wired.outcome() == ("sent", [("whatsapp", "failed"), ("whatsapp", "accepted")])


def test_500_is_unknown_and_the_provider_is_asked_before_any_repeat(wired: Wired) -> None:
    wired.twilio._queue.append(TwilioAnswer(status=500, code=20500, keeps=True))
    wired.reminded_by_telephone()
    assert wired.outcome() == ("sent", [("whatsapp", "unknown")])

    wired.later(minutes=2)

    assert wired.outcome() == ("sent", [("whatsapp", "accepted")])
    assert [request.method for request in wired.twilio.requests] == ["POST", "GET"]
    assert len(wired.twilio.messages) == 1


def test_a_lost_message_that_the_provider_never_took_is_sent_again_once(wired: Wired) -> None:
    wired.twilio._queue.append(TwilioAnswer(status=500, code=20500, keeps=False))
    wired.reminded_by_telephone()
    for _ in range(3):
        wired.later(minutes=5)

    assert len(wired.twilio.messages) == 1
    assert wired.outcome() == ("sent", [("whatsapp", "failed"), ("whatsapp", "accepted")])


def test_a_provider_that_hangs_after_taking_it_is_not_sent_to_twice(wired: Wired) -> None:
    wired.twilio._queue.append(TwilioAnswer(fault="hangs", keeps=True))
    with wired.impatient():
        wired.reminded_by_telephone()
    assert wired.outcome() == ("sent", [("whatsapp", "unknown")])

    wired.later(minutes=2)

    assert len(wired.twilio.messages) == 1
    assert wired.outcome() == ("sent", [("whatsapp", "accepted")])


def test_a_receipt_identifies_a_message_whose_reference_was_never_learned(wired: Wired) -> None:
    wired.twilio._queue.append(TwilioAnswer(fault="drops", keeps=True, then=("delivered",)))
    wired.reminded_by_telephone()
    wired.twilio.wait_for_callbacks()

    assert wired.outcome() == ("delivered", [("whatsapp", "delivered")])
    assert wired.deliveries()[0].reference is not None


def test_an_undelivered_receipt_moves_on_to_the_next_channel(wired: Wired) -> None:
    wired.reminded_by_telephone()
    sid = wired.deliveries()[0].reference
    wired.twilio.call_back(sid, "undelivered", error_code=63024)
    wired.send()

    assert wired.outcome() == ("sent", [("whatsapp", "failed"), ("sms", "accepted")])


def test_a_wrong_token_stops_the_channel_and_calls_for_an_officer(wired: Wired) -> None:
    wired.twilio.auth_token = "another"
    wired.reminded_by_telephone()
    (row,) = wired.notifications()

    assert (row.state, row.reason) == ("scheduled", "channel stopped")
    assert wired.work() == ["channel stopped"]

    wired.twilio.auth_token = AUTH_TOKEN
    wired.later(minutes=15)

    assert wired.outcome()[0] == "sent"


# ------------------------------------------------------------------------------------------- crash, fences


def died(wired: Wired) -> list[DeliveryId]:
    """A worker claims what is due, prepares it and dies; its deliveries."""
    wired.person("T1", "BUDI", email=False)
    wired.case("C1", "T1", service="passport", state="scheduled", appointment_at=wib("2026-05-27 09:00"))
    wired.plan()
    dispatcher = wired.dispatcher
    _, sendings = dispatcher._take([row.id for row in wired.notifications()], wired.now, BatchReport())
    assert sendings is not None
    return [one.delivery_id for one in sendings]


def test_what_a_dead_worker_had_only_prepared_is_sent_at_the_end_of_its_lease_without_a_question(wired: Wired) -> None:
    prepared = died(wired)

    wired.later(minutes=9)
    assert wired.twilio.messages == []  # the lease holds

    wired.later(minutes=1)
    assert len(wired.twilio.messages) == 1
    assert [one.state for one in wired.deliveries()] == [DeliveryState.ACCEPTED]
    # And the dead one, should it only have slept, may not begin any more.
    with writing(wired.engine) as connection:
        assert store.mark_begun(connection, prepared, now=wired.now) == set()


def test_what_a_slow_worker_begins_while_its_successor_has_read_it_is_not_sent_again_without_a_question(
    wired: Wired,
) -> None:
    prepared = died(wired)
    wired.clock.at += timedelta(minutes=10)
    successor = wired.dispatcher
    bundles, sendings = successor._take([row.id for row in wired.notifications()], wired.now, BatchReport())
    assert sendings is None  # what was lost is asked about first
    with writing(wired.engine) as connection:  # not dead after all
        assert store.mark_begun(connection, prepared, now=wired.now) == set(prepared)

    assert successor._prepare(bundles, {}, wired.now, BatchReport()) == []
    assert [one.state for one in wired.deliveries()] == [DeliveryState.UNKNOWN]


def test_a_worker_that_died_inside_a_send_is_succeeded_after_its_lease_and_a_question(wired: Wired) -> None:
    """The delivery stands there as `attempting`, and has begun; the next claim asks before it sends."""
    prepared = died(wired)
    wired.clock.at += timedelta(minutes=9)
    with writing(wired.engine) as connection:
        assert store.mark_begun(connection, prepared, now=wired.now) == set(prepared)
        assert store.mark_begun(connection, prepared, now=wired.now) == set()

    wired.later(minutes=1)
    assert wired.twilio.messages == []  # Twilio does not list it; a list lags, so this is no answer yet
    assert [one.state for one in wired.deliveries()] == [DeliveryState.UNKNOWN]

    wired.later(minutes=1)
    assert len(wired.twilio.messages) == 1
    assert wired.deliveries()[-1].state == DeliveryState.ACCEPTED


def test_two_workers_with_the_same_ids_send_once(wired: Wired) -> None:
    wired.person("T1", "BUDI", email=False)
    wired.case("C1", "T1", service="passport", state="scheduled", appointment_at=wib("2026-05-27 09:00"))
    wired.plan()
    ids = [row.id for row in wired.notifications()]

    async def both() -> None:
        await asyncio.gather(wired.dispatcher.dispatch(ids), wired.dispatcher.dispatch(ids))

    wired.wait_for(both())

    assert len(wired.twilio.messages) == 1
