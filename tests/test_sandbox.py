"""The sandbox: what lands in the folder, what the page shows, and what the special addresses meet with."""

import asyncio
import base64
import email
import email.policy
import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from notifier.channels.sandbox import SandboxCarrier
from notifier.clock import StandingClock
from notifier.model import (
    Accepted,
    Action,
    Attachment,
    Channel,
    DeliveryState,
    Message,
    Outcome,
    Reason,
    Receipt,
    Rejected,
)
from notifier.testing import a_whatsapp_message, an_email_message, an_sms_message

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


def a_carrier(folder: Path, channel: Channel = Channel.SMS) -> SandboxCarrier:
    return SandboxCarrier(channel, folder, StandingClock(NOW), zone="Asia/Jakarta")


def sent(carrier: SandboxCarrier, *messages: Message, close: bool = True) -> list[Outcome]:
    async def run() -> list[Outcome]:
        outcomes = [await carrier.send(message, callback_url=None) for message in messages]
        if close:
            await carrier.close()
        return outcomes

    return asyncio.run(run())


def on_page(folder: Path) -> Any:
    page = (folder / "inbox.html").read_text(encoding="utf-8")
    start = page.index('id="data">') + len('id="data">')
    return json.loads(page[start : page.index("</script>", start)])


def bodies(data: Any) -> list[Any]:
    packs = [json.loads(gzip.decompress(base64.b64decode(pack))) for pack in data["packs"]]
    return [packs[each["pack"]][each["place"]] for each in data["messages"] if "pack" in each]


def test_each_channel_leaves_its_file(tmp_path: Path) -> None:
    attachment = Attachment("jadwal.ics", "text/calendar", b"BEGIN:VCALENDAR")
    sent(a_carrier(tmp_path), an_sms_message(delivery_id=1))
    sent(a_carrier(tmp_path, Channel.WHATSAPP), a_whatsapp_message(delivery_id=2))
    sent(a_carrier(tmp_path, Channel.EMAIL), an_email_message(delivery_id=3, attachments=(attachment,)))
    assert an_sms_message().text in (tmp_path / "sms/delivery-1.txt").read_text(encoding="utf-8")
    assert a_whatsapp_message().text in (tmp_path / "whatsapp/delivery-2.txt").read_text(encoding="utf-8")
    content = (tmp_path / "email/delivery-3.eml").read_bytes()
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert mail["Subject"] == an_email_message().subject
    assert [part.get_filename() for part in mail.iter_attachments()] == ["jadwal.ics"]


def test_the_page_shows_all_channels_in_the_offices_zone(tmp_path: Path) -> None:
    attachment = Attachment("jadwal.ics", "text/calendar; charset=utf-8", b"12345")
    message = an_email_message(delivery_id=3, to="Maria <maria@example.com>", attachments=(attachment,))
    sent(a_carrier(tmp_path), an_sms_message(delivery_id=1))
    sent(a_carrier(tmp_path, Channel.WHATSAPP), a_whatsapp_message(delivery_id=2))
    sent(a_carrier(tmp_path, Channel.EMAIL), message)
    data = on_page(tmp_path)
    sms, whatsapp, mail = data["messages"]
    assert (sms["text"], sms["segments"], sms["zone"]) == (an_sms_message().text, 1, "Asia/Jakarta")
    assert (whatsapp["text"], whatsapp["state"]) == (a_whatsapp_message().text, "read")
    assert (mail["to"], mail["name"], mail["language"]) == ("maria@example.com", "Maria", "en")
    assert mail["attachments"] == [{"name": "jadwal.ics", "type": "text/calendar", "size": 5}]
    assert bodies(data) == [{"html": message.html, "text": message.text}]


def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    sent(a_carrier(tmp_path), an_sms_message())
    page = (tmp_path / "inbox.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert "@@" not in page
    for loading in ("<link", " src=", "@import", "url(", "fetch(", "import("):
        assert loading not in page


def test_a_message_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><!-- @@STYLE@@ \u2028"
    sent(a_carrier(tmp_path), an_sms_message(text=evil))
    sent(a_carrier(tmp_path, Channel.EMAIL), an_email_message(delivery_id=2, subject=evil[:-2], html=evil))
    page = (tmp_path / "inbox.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert page.count("</script>") == 2
    data = on_page(tmp_path)
    assert data["messages"][0]["text"] == evil
    assert bodies(data)[0]["html"] == evil


def test_a_later_run_adds_to_the_same_inbox(tmp_path: Path) -> None:
    sent(a_carrier(tmp_path), an_sms_message(delivery_id=1))
    first = (tmp_path / "inbox.jsonl").read_bytes()
    sent(a_carrier(tmp_path), an_sms_message(delivery_id=2))
    assert (tmp_path / "inbox.jsonl").read_bytes().startswith(first)
    assert [each["id"] for each in on_page(tmp_path)["messages"]] == [1, 2]


def test_the_page_is_written_once_and_not_again_without_news(tmp_path: Path) -> None:
    carrier = a_carrier(tmp_path)
    sent(carrier, *(an_sms_message(delivery_id=n) for n in range(5)), close=False)
    assert not carrier.page.exists()
    written = carrier.flush().stat()
    assert carrier.flush().stat().st_mtime_ns == written.st_mtime_ns
    assert a_carrier(tmp_path, Channel.EMAIL).flush().stat().st_ino == written.st_ino
    asyncio.run(carrier.close())


def test_an_empty_inbox_has_a_page_too(tmp_path: Path) -> None:
    a_carrier(tmp_path / "new").flush()
    assert on_page(tmp_path / "new") == {"messages": [], "packs": []}


def test_a_line_cut_short_by_a_crash_costs_one_message(tmp_path: Path) -> None:
    sent(a_carrier(tmp_path), an_sms_message(delivery_id=1))
    with (tmp_path / "inbox.jsonl").open("ab") as lines:
        lines.write(b'{"id": 2, "chan\n')
    sent(a_carrier(tmp_path), an_sms_message(delivery_id=3))
    assert [each["id"] for each in on_page(tmp_path)["messages"]] == [1, 3]


def test_many_alike_mails_take_little_room_on_the_page(tmp_path: Path) -> None:
    html = "<p>" + "kata demi kata yang sama dalam setiap surat. " * 80 + "%d</p>"
    mails = [an_email_message(delivery_id=n, to=f"p{n}@example.com", html=html % n) for n in range(300)]
    sent(a_carrier(tmp_path, Channel.EMAIL), *mails)
    data = on_page(tmp_path)
    assert [body["html"] for body in bodies(data)] == [mail.html for mail in mails]
    assert (tmp_path / "inbox.html").stat().st_size < (tmp_path / "inbox.jsonl").stat().st_size / 4


# ---------------------------------------------------------------------------------- rehearsals by address


def rehearsed(folder: Path, channel: Channel, to: str) -> tuple[Outcome, list[Receipt]]:
    made = {Channel.SMS: an_sms_message, Channel.WHATSAPP: a_whatsapp_message, Channel.EMAIL: an_email_message}
    carrier = a_carrier(folder, channel)
    (outcome,) = sent(carrier, made[channel](to=to))
    return outcome, carrier.receipts()


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.WHATSAPP])
@pytest.mark.parametrize(
    ("ending", "code", "reason", "action"),
    [
        ("0091", "21614", Reason.BAD_ADDRESS, Action.BAD_ADDRESS),
        ("0095", "21610", Reason.OPTED_OUT, Action.SUPPRESS),
    ],
)
def test_some_numbers_are_refused_and_the_page_says_so(
    channel: Channel, ending: str, code: str, reason: Reason, action: Action, tmp_path: Path
) -> None:
    outcome, receipts = rehearsed(tmp_path, channel, "+628120000" + ending)
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.reason, outcome.action, receipts) == (code, reason, action, [])
    (shown,) = on_page(tmp_path)["messages"]
    assert (shown["state"], shown["code"]) == ("refused", code)
    assert not list(tmp_path.glob("*/delivery-1.txt"))


@pytest.mark.parametrize(("channel", "code"), [(Channel.WHATSAPP, "63024"), (Channel.SMS, "30003")])
def test_a_number_whose_receipt_says_failed(channel: Channel, code: str, tmp_path: Path) -> None:
    outcome, (receipt,) = rehearsed(tmp_path, channel, "+6281200000092")
    assert isinstance(outcome, Accepted)
    assert (receipt.state, receipt.code) == (DeliveryState.FAILED, code)
    assert (receipt.reason, receipt.action) == (Reason.NOT_REACHABLE, Action.NEXT_CHANNEL)
    assert (receipt.reference, receipt.delivery_id) == (outcome.reference, 1)


def test_a_number_that_is_busy_the_first_time_also_for_another_process(tmp_path: Path) -> None:
    first, _ = rehearsed(tmp_path, Channel.SMS, "+6281200000093")
    assert isinstance(first, Rejected)
    assert (first.code, first.action) == ("20429", Action.RETRY)
    second, receipts = rehearsed(tmp_path, Channel.SMS, "+6281200000093")
    assert isinstance(second, Accepted)
    assert [receipt.state for receipt in receipts] == [DeliveryState.DELIVERED]


def test_a_number_that_never_sends_a_receipt(tmp_path: Path) -> None:
    outcome, receipts = rehearsed(tmp_path, Channel.WHATSAPP, "+6281200000094")
    assert isinstance(outcome, Accepted)
    assert receipts == []


@pytest.mark.parametrize(
    ("channel", "to", "states"),
    [
        (Channel.WHATSAPP, "+6281200000010", [DeliveryState.DELIVERED, DeliveryState.READ]),
        (Channel.WHATSAPP, "+6281200000011", [DeliveryState.DELIVERED]),
        (Channel.SMS, "+6281200000010", [DeliveryState.DELIVERED]),
        (Channel.EMAIL, "maria@example.com", [DeliveryState.DELIVERED]),
        (Channel.EMAIL, "bounce@example.com", [DeliveryState.FAILED]),
        (Channel.EMAIL, "Ken <bounce+ken@example.com>", [DeliveryState.FAILED]),
        (Channel.EMAIL, "bouncer@example.com", [DeliveryState.DELIVERED]),
    ],
)
def test_receipts_follow_the_address(channel: Channel, to: str, states: list[DeliveryState], tmp_path: Path) -> None:
    outcome, receipts = rehearsed(tmp_path, channel, to)
    assert isinstance(outcome, Accepted)
    assert [receipt.state for receipt in receipts] == states
    assert all(receipt.provider == "sandbox" for receipt in receipts)


def test_receipts_are_handed_out_once(tmp_path: Path) -> None:
    carrier = a_carrier(tmp_path)
    sent(carrier, an_sms_message(delivery_id=1), an_sms_message(delivery_id=2))
    assert [receipt.delivery_id for receipt in carrier.receipts()] == [1, 2]
    assert carrier.receipts() == []


def test_the_sandbox_knows_what_it_took(tmp_path: Path) -> None:
    carrier = a_carrier(tmp_path)
    sent(carrier, an_sms_message(delivery_id=1))
    since = NOW - timedelta(minutes=5)
    assert isinstance(asyncio.run(carrier.ask(an_sms_message(delivery_id=1), since=since)), Accepted)
    other = asyncio.run(carrier.ask(an_sms_message(delivery_id=2), since=since))
    assert isinstance(other, Rejected)
    assert other.action is Action.RETRY


def test_a_folder_that_cannot_be_made_stops_the_channel_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    carrier = a_carrier(tmp_path / "file")
    (outcome,) = sent(carrier, an_sms_message(), close=False)
    assert isinstance(outcome, Rejected)
    assert outcome.action is Action.STOP_CHANNEL
    assert "NOTIFIER_INBOX" in (asyncio.run(carrier.check()) or "")
