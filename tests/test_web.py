"""The web door: what Twilio and monitors get to see, and what nobody may."""

import contextlib
import http.client
import json
import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from outbox_rows import NOW, NUMBER, a_delivery, a_notification, a_party
from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError
from web_site import FORM, KEY, PUBLIC, TOKEN, Site, count, running

from notifier import callbacks
from notifier.channels.twilio_forms import sign
from notifier.clock import StandingClock
from notifier.errors import ConfigError
from notifier.model import Channel, DeliveryState, PartyId
from notifier.store import tables
from notifier.store.callbacks import keep
from notifier.store.engine import open_engine, writing
from notifier.tokens import hash_address, make_token
from notifier.web.app import Needs, serve
from notifier.web.batch import Limits
from notifier.web.optout import load_words


@pytest.fixture
def needs(engine: Engine) -> Needs:
    return Needs(engine, StandingClock(NOW), load_words(), KEY, TOKEN, PUBLIC)


@pytest.fixture
def site(needs: Needs) -> Iterator[Site]:
    with running(needs) as site:
        yield site


def states(engine: Engine) -> list[str]:
    with writing(engine) as connection:
        return list(connection.scalars(select(tables.delivery.c.state).order_by(tables.delivery.c.id)))


def test_a_status_is_stored_before_it_is_answered(site: Site, engine: Engine) -> None:
    with writing(engine) as connection:
        delivery = a_delivery(connection, state=DeliveryState.UNKNOWN)
    form = {"MessageSid": "SM1", "MessageStatus": "delivered", "ErrorCode": "", "New": "Käse & ü\0"}

    answer = site.post(f"/twilio/status?delivery={delivery}", form)

    assert (answer.status, answer.text) == (204, "")
    site.wait_until_applied()
    with writing(engine) as connection:
        row = connection.execute(select(tables.delivery)).mappings().one()
        raw = connection.scalar(select(tables.receipt.c.raw))
    assert (row["state"], row["reference"]) == ("delivered", "SM1")
    assert raw is not None
    assert (raw["ErrorCode"], raw["New"]) == ("", "Käse & ü")


def test_a_form_that_twilio_did_not_sign_changes_nothing(site: Site, engine: Engine) -> None:
    with writing(engine) as connection:
        delivery = a_delivery(connection, state=DeliveryState.ACCEPTED)
    path = f"/twilio/status?delivery={delivery}"
    form = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    elsewhere = sign(TOKEN, f"{PUBLIC}/twilio/status?delivery={delivery + 1}", form)

    for wrong in ("", "nonsense", elsewhere, sign("another", PUBLIC + path, form)):
        assert site.post(path, form, **{"X-Twilio-Signature": wrong}).status == 403
        assert site.post("/twilio/inbound", form, **{"X-Twilio-Signature": wrong}).status == 403
    unsigned = site.ask("POST", path, urlencode(form), {"Content-Type": FORM})
    assert unsigned.status == 403
    assert (states(engine), count(engine, "receipt")) == (["accepted"], 0)


def test_without_a_token_no_signature_is_good(needs: Needs, engine: Engine) -> None:
    with running(replace(needs, auth_token="")) as site:
        form = {"MessageStatus": "delivered"}
        forged = {"X-Twilio-Signature": sign("", f"{PUBLIC}/twilio/status", form)}
        assert site.post("/twilio/status", form, **forged).status == 403


@pytest.mark.parametrize("delivery", ["", "x", "-1", "0", "9" * 19, "9" * 400, "1e3", "１"])
def test_a_strange_delivery_id_is_no_reason_to_lose_a_receipt(site: Site, engine: Engine, delivery: str) -> None:
    path = f"/twilio/status?{urlencode({'delivery': delivery})}"
    assert site.post(path, {"MessageSid": "SM1", "MessageStatus": "sent"}).status == 204
    site.wait_until_applied()
    assert count(engine, "receipt") == 1


@pytest.mark.parametrize("path", ["/twilio/status", "/twilio/inbound"])
def test_what_is_no_form_is_refused(site: Site, path: str) -> None:
    assert site.ask("POST", path, "{}", {"Content-Type": "application/json"}).status == 415
    assert site.ask("POST", path, "a=b").status == 415
    assert site.ask("POST", path, "a=" + "b" * 70_000, {"Content-Type": FORM}).status == 413
    assert site.ask("POST", path, "a=1&" * 600, {"Content-Type": FORM}).status == 400
    assert site.ask("GET", path).status == 405
    assert site.ask("GET", "/elsewhere").status == 404


def test_a_body_that_hides_its_length_is_cut_off_too(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    with contextlib.closing(connection):
        pieces = (b"a" * 10_000 for _ in range(10))
        connection.request("POST", "/twilio/status", pieces, {"Content-Type": FORM}, encode_chunked=True)
        assert connection.getresponse().status == 413


def test_receipts_that_come_together_are_applied_together(needs: Needs, engine: Engine) -> None:
    with writing(engine) as connection:
        deliveries = [a_delivery(connection, state=DeliveryState.ACCEPTED) for _ in range(30)]
    settled: list[int] = []

    def settle(_connection: object, ids: Sequence[int], /, *, now: object) -> None:
        settled.append(len(ids))

    slow = replace(needs, settle=settle, limits=Limits(quiet=2.0, patience=5.0))
    with running(slow) as site, ThreadPoolExecutor(30) as people:
        form = {"MessageStatus": "read"}
        paths = [f"/twilio/status?delivery={delivery}" for delivery in deliveries]
        answers = list(people.map(lambda path: site.post(path, form), paths))
        site.wait_until_applied()

    assert {answer.status for answer in answers} == {204}
    assert settled == [30]
    assert set(states(engine)) == {"read"}


def test_what_cannot_be_applied_is_kept_and_disturbs_nobody(needs: Needs, caplog: pytest.LogCaptureFixture) -> None:
    with writing(needs.engine) as connection:
        bad, good = (a_delivery(connection, state=DeliveryState.ACCEPTED) for _ in range(2))
        of_bad = connection.scalar(select(tables.delivery.c.notification_id).where(tables.delivery.c.id == bad))

    def settle(_connection: object, ids: Sequence[int], /, *, now: object) -> None:
        if of_bad in ids:
            raise RuntimeError(f"the row of {NUMBER}")

    with running(replace(needs, settle=settle)) as site, caplog.at_level(logging.DEBUG):
        for delivery in (bad, good):
            assert site.post(f"/twilio/status?delivery={delivery}", {"MessageStatus": "read"}).status == 204
    assert states(needs.engine) == ["accepted", "read"]
    assert (count(needs.engine, "receipt"), count(needs.engine, "callback")) == (1, 1)
    assert "RuntimeError" in caplog.text
    assert NUMBER not in caplog.text

    with running(needs) as site:  # a version that can
        site.wait_until_applied()
    assert states(needs.engine) == ["read", "read"]


def test_what_a_door_that_died_has_left_is_applied_at_the_next_start(needs: Needs) -> None:
    with writing(needs.engine) as connection:
        delivery = a_delivery(connection, state=DeliveryState.ACCEPTED)
        keep(connection, [(delivery, "MessageStatus=delivered"), (None, "MessageSid=SM7")], now=NOW)
    with running(needs) as site:
        site.wait_until_applied()
    assert (states(needs.engine), count(needs.engine, "receipt")) == (["delivered"], 2)


def test_while_the_database_is_away_a_provider_is_asked_to_try_again(
    needs: Needs, caplog: pytest.LogCaptureFixture
) -> None:
    gone = open_engine("postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")
    with running(replace(needs, engine=gone)) as site:
        answers = [site.post("/twilio/status", {"MessageStatus": "read", "To": NUMBER}) for _ in range(2)]
    gone.dispose()
    assert [(one.status, one.headers["retry-after"]) for one in answers] == [(503, "5")] * 2
    assert NUMBER not in caplog.text


def test_while_too_many_are_not_applied_no_more_are_answered(needs: Needs, engine: Engine) -> None:
    goes_on, settled = threading.Event(), threading.Event()

    def settle(_connection: object, _ids: object, /, *, now: object) -> None:
        settled.set()
        goes_on.wait(20)

    with writing(engine) as connection:
        delivery = a_delivery(connection, state=DeliveryState.ACCEPTED)
    door = replace(needs, settle=settle, limits=Limits(backlog=1))
    with running(door) as site, ThreadPoolExecutor(1) as people:
        path = f"/twilio/status?delivery={delivery}"
        assert site.post(path, {"MessageStatus": "delivered"}).status == 204
        assert settled.wait(20)
        second = people.submit(site.post, path, {"MessageStatus": "read"})
        with pytest.raises(TimeoutError):
            second.result(0.3)
        goes_on.set()
        assert second.result(20).status == 204
    assert states(engine) == ["read"]


def test_a_door_that_makes_no_receipts_closes_and_keeps_what_came(
    sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr(callbacks, "record_batch", fails)
    limits = Limits(backlog=1, longest=0.5)
    door = Needs(sqlite_engine, StandingClock(NOW), load_words(), KEY, TOKEN, PUBLIC, limits=limits)
    with ThreadPoolExecutor(1) as people:
        with running(door) as site:
            assert site.post("/twilio/status", {"MessageStatus": "sent"}).status == 204
            second = people.submit(site.post, "/twilio/status", {"MessageStatus": "read"})
            with pytest.raises(TimeoutError):
                second.result(0.2)
        assert second.result(0).status == 204  # the door waited for it
    assert count(sqlite_engine, "callback") == 2


def test_health_says_how_late_the_outbox_is(site: Site, engine: Engine) -> None:
    answer = site.ask("GET", "/health")
    assert (answer.status, json.loads(answer.text)) == (
        200,
        {
            "status": "ok",
            "database": "reachable",
            "migrations": "current",
            "oldest_due_seconds": 0,
            "oldest_callback_seconds": 0,
        },
    )
    with writing(engine) as connection:
        late, early = NOW - timedelta(seconds=90), NOW + timedelta(days=1)
        a_notification(connection, a_party(connection), state="scheduled", next_attempt_at=late)
        a_notification(connection, a_party(connection), state="scheduled", next_attempt_at=early)
        keep(connection, [(1, "x")], now=NOW - timedelta(seconds=70), set_aside=True)
    found = json.loads(site.ask("GET", "/health").text)
    assert (found["oldest_due_seconds"], found["oldest_callback_seconds"]) == (90, 70)


def test_a_database_of_an_older_version_is_unwell(needs: Needs) -> None:
    with running(replace(needs, is_current=lambda _: False)) as site:
        answer = site.ask("GET", "/health")
    assert (answer.status, json.loads(answer.text)["migrations"]) == (503, "behind")


def test_a_database_that_is_gone_is_unwell_and_a_wish_is_to_be_repeated(needs: Needs) -> None:
    token = make_token(KEY, PartyId(1), Channel.SMS, hash_address(KEY, Channel.SMS, NUMBER))
    link = f"/u/{token}"
    gone = open_engine("postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")
    with running(replace(needs, engine=gone)) as site:
        health = site.ask("GET", "/health")
        wish = site.ask("POST", link)
        answer = site.post("/twilio/inbound", {"From": f"whatsapp:{NUMBER}", "Body": "STOP"})
    gone.dispose()
    assert (health.status, json.loads(health.text)["database"]) == (503, "unreachable")
    assert (wish.status, answer.status) == (503, 503)
    assert "Coba lagi" in wish.text


@pytest.mark.parametrize("host", ["no such host", "192.0.2.1"])
def test_an_address_that_cannot_be_listened_on_is_a_sentence(needs: Needs, host: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on .*choose another --host or --port"):
        serve(needs, host=host, port=0)


def test_a_port_that_is_taken_is_a_sentence(needs: Needs) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match="choose another"):
        serve(needs, host="127.0.0.1", port=taken.getsockname()[1])
