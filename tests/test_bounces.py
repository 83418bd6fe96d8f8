"""Bounces as mail servers write them: the delivery is named by a signed address, or by the mail they return."""

import mailbox
from pathlib import Path

import pytest
from outbox_rows import NOW, a_delivery
from sqlalchemy import Engine, select

from notifier.channels.bounce import DELIVERY_HEADER, parse_bounce, read_fields, read_mails
from notifier.model import Action, Channel, DeliveryId, DeliveryState, Reason
from notifier.receipts import record_bounces
from notifier.store import tables
from notifier.store.engine import writing
from notifier.tokens import make_bounce_name

KEY = b"a long random text"
RETURN_PATH = f"{make_bounce_name(KEY, DeliveryId(42))}@mail.example"
MESSAGE_ID = "<n42.abc@mail.example>"

FINAL = (DeliveryState.FAILED, Reason.NOT_REACHABLE, Action.NEXT_CHANNEL)
NO_SUCH_BOX = (DeliveryState.FAILED, Reason.BAD_ADDRESS, Action.BAD_ADDRESS)
REFUSED_US = (DeliveryState.FAILED, Reason.CONFIGURATION, Action.NEXT_CHANNEL)


def a_report(
    *,
    to: str = RETURN_PATH,
    action: str = "failed",
    status: str = "5.1.1",
    diagnostic: str = "smtp; 550 5.1.1 <someone@far.example>: User unknown",
    returned: str = f"Message-ID: {MESSAGE_ID}\nSubject: private\n",
    returned_type: str = "text/rfc822-headers",
) -> bytes:
    text = f"""\
From: MAILER-DAEMON@relay.example
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain; charset=us-ascii

This is the mail system. Your message could not be delivered.

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example
Arrival-Date: Tue, 24 Nov 2026 09:00:00 +0700

Final-Recipient: rfc822; someone@far.example
Action: {action}
Status: {status}
Remote-MTA: dns; mx.far.example
Diagnostic-Code: {diagnostic}

--B
Content-Type: {returned_type}

{returned}
--B--
"""
    return text.encode()


def test_a_report_becomes_a_receipt_of_the_delivery_its_address_names() -> None:
    receipt = parse_bounce(a_report(), key=KEY)
    assert receipt is not None
    assert (receipt.provider, receipt.delivery_id, receipt.reference) == ("smtp", 42, MESSAGE_ID)
    assert (receipt.state, receipt.reason, receipt.action) == NO_SUCH_BOX
    assert receipt.code == "5.1.1"
    assert receipt.raw["Reporting-MTA"] == "dns; relay.example"


def test_the_returned_mail_and_its_recipient_are_not_kept() -> None:
    receipt = parse_bounce(a_report(diagnostic="smtp; 550 5.1.1 User unknown"), key=KEY)
    assert receipt is not None
    assert "someone" not in str(receipt.raw)
    assert "private" not in str(receipt.raw)


def test_the_relay_names_the_mail_as_it_did_when_it_took_it() -> None:
    content = a_report(to="postmaster@mail.example").replace(
        b"Reporting-MTA: dns; relay.example", b"Reporting-MTA: dns; relay.example\nX-Postfix-Queue-ID: 4XyZ1"
    )
    receipt = parse_bounce(content, key=KEY)
    assert receipt is not None
    assert (receipt.delivery_id, receipt.reference) == (None, "4XyZ1")
    assert read_fields(receipt.raw) == receipt


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_any_line_end_will_do(ending: str) -> None:
    content = a_report().replace(b"\n", ending.encode())
    receipt = parse_bounce(content, key=KEY)
    assert receipt is not None
    assert (receipt.delivery_id, receipt.state) == (42, DeliveryState.FAILED)


def test_a_forged_return_path_names_nobody() -> None:
    forged = RETURN_PATH.replace("42.", "43.", 1)
    receipt = parse_bounce(a_report(to=forged), key=KEY)
    assert receipt is not None
    assert (receipt.delivery_id, receipt.reference) == (None, MESSAGE_ID)
    assert parse_bounce(a_report(to=forged, returned="Subject: x\n"), key=KEY) is None


def test_without_a_key_only_the_returned_message_id_counts() -> None:
    receipt = parse_bounce(a_report())
    assert receipt is not None
    assert (receipt.delivery_id, receipt.reference) == (None, MESSAGE_ID)


def test_our_own_header_in_the_returned_mail_names_the_delivery() -> None:
    mail = f"{DELIVERY_HEADER}: {make_bounce_name(KEY, DeliveryId(42))}\nMessage-ID: {MESSAGE_ID}\n\nHalo\n"
    content = a_report(to="postmaster@mail.example", returned=mail, returned_type="message/rfc822")
    receipt = parse_bounce(content, key=KEY)
    assert receipt is not None
    assert (receipt.delivery_id, receipt.reference) == (42, MESSAGE_ID)


@pytest.mark.parametrize(
    ("status", "diagnostic", "expected"),
    [
        ("5.1.1", "", NO_SUCH_BOX),
        ("5.1.10", "", NO_SUCH_BOX),
        ("5.2.1", "", NO_SUCH_BOX),
        ("5.2.2", "smtp; 552 5.2.2 mailbox full", FINAL),
        ("5.0.0", "smtp; 550 5.1.1 no such user", NO_SUCH_BOX),
        ("5.0.0", "smtp; 550 Requested action not taken: mailbox unavailable", NO_SUCH_BOX),
        ("5.0.0", "smtp; 554 transaction failed", FINAL),
        ("4.4.7", "smtp; 450 4.1.1 user unknown in virtual table", FINAL),
        ("5.4.4", "", FINAL),
        ("5.1.8", "", REFUSED_US),
        ("5.7.26", "", REFUSED_US),
        ("5.7.1", "smtp; 550 5.7.1 blocked", FINAL),
        ("nonsense", "", FINAL),
    ],
)
def test_a_final_failure_says_whether_the_address_is_to_blame(status: str, diagnostic: str, expected: object) -> None:
    receipt = read_fields({"Action": "failed", "Status": status, "Diagnostic-Code": diagnostic})
    assert (receipt.state, receipt.reason, receipt.action) == expected


@pytest.mark.parametrize("action", ["delayed", "relayed", "expanded", "odd"])
def test_what_proves_nothing_moves_nothing(action: str) -> None:
    receipt = parse_bounce(a_report(action=action, status="4.0.0"), key=KEY)
    assert receipt is not None
    assert (receipt.state, receipt.reason, receipt.action) == (None, None, None)


def test_a_delivery_report_proves_the_delivery() -> None:
    receipt = parse_bounce(a_report(action="Delivered", status="2.0.0"), key=KEY)
    assert receipt is not None
    assert receipt.state is DeliveryState.DELIVERED


def test_a_complaint_asks_for_silence_and_claims_no_failure() -> None:
    content = f"""\
From: feedback@far.example
To: abuse@mail.example
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: text/plain

This is an abuse report.

--B
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Far/1.0
Version: 1

--B
Content-Type: message/rfc822

{DELIVERY_HEADER}: {make_bounce_name(KEY, DeliveryId(42))}
Message-ID: {MESSAGE_ID}
Subject: x

Halo
--B--
""".encode()
    receipt = parse_bounce(content, key=KEY)
    assert receipt is not None
    assert (receipt.delivery_id, receipt.state, receipt.action) == (42, None, Action.SUPPRESS)


def plain(body: str, *headers: str) -> bytes:
    head = [f"To: {RETURN_PATH}", "From: MAILER-DAEMON@old.example", "Subject: failure notice", *headers]
    return ("\n".join(head) + "\n\n" + body).encode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<x@far.example>:\n550 5.1.1 unknown user\nGiving up.", NO_SUCH_BOX),
        ("<x@far.example>:\nRemote host said: 550 No such user here", NO_SUCH_BOX),
        ("<x@far.example>:\nRemote host said: 554 rejected", FINAL),
        ("It was refused for now: 451 try again", (None, None, None)),
        ("Something went wrong.", (None, None, None)),
    ],
)
def test_a_bounce_without_a_report_is_read_by_the_refusal_it_quotes(body: str, expected: object) -> None:
    receipt = parse_bounce(plain(body), key=KEY)
    assert receipt is not None
    assert receipt.delivery_id == 42
    assert (receipt.state, receipt.reason, receipt.action) == expected


def test_neither_a_person_nor_an_answering_machine_is_a_bounce() -> None:
    content = plain("I am away until 5.1.2027, call 550 123", "Auto-Submitted: auto-replied")
    content = content.replace(b"MAILER-DAEMON@old.example", b"someone@far.example")
    assert parse_bounce(content, key=KEY) is None


def test_a_server_that_names_the_failed_recipient_is_believed_although_it_calls_itself_a_reply() -> None:
    content = plain(
        "No such luck [5.125.203.27]", "Auto-Submitted: auto-replied", "X-Failed-Recipients: someone@far.example"
    )
    receipt = parse_bounce(content, key=KEY)
    assert receipt is not None
    assert (receipt.state, receipt.reason, receipt.action) == FINAL
    assert receipt.code is None


def test_the_text_of_the_returned_mail_is_not_taken_for_a_refusal() -> None:
    content = f"""\
To: {RETURN_PATH}
From: MAILER-DAEMON@old.example
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="B"

--B
Content-Type: message/rfc822

Message-ID: {MESSAGE_ID}

Pay 550 in room 5.1.1
--B--
""".encode()
    receipt = parse_bounce(content, key=KEY)
    assert receipt is not None
    assert (receipt.delivery_id, receipt.state) == (42, None)


def test_a_report_without_fields_is_read_by_its_text() -> None:
    content = a_report().replace(b"Final-Recipient", b"X-Final").replace(b"Action", b"X-Action")
    content = content.replace(b"Status: 5", b"X-Status: 5").replace(b"Diagnostic-Code", b"X-Code")
    content = content.replace(b"Reporting-MTA", b"X-A").replace(b"Remote-MTA", b"X-B")
    content = content.replace(b"Arrival-Date", b"X-C").replace(b"delivered.", b"delivered: 550 5.1.1 unknown")
    receipt = parse_bounce(content, key=KEY)
    assert receipt is not None
    assert (receipt.state, receipt.reason, receipt.action) == NO_SUCH_BOX


@pytest.mark.parametrize("content", [b"", b"\0\xff", b"Content-Type: multipart/report\n\nx", b"To: a\n\nhello"])
def test_what_is_no_bounce_of_ours_is_passed_over(content: bytes) -> None:
    assert parse_bounce(content, key=KEY) is None


def test_mails_are_read_from_a_file_a_folder_an_mbox_and_a_maildir(tmp_path: Path) -> None:
    one, two = a_report(), plain("550 no")
    file = tmp_path / "one.eml"
    file.write_bytes(one)
    assert list(read_mails(file)) == [one]

    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "1.eml").write_bytes(one)
    (folder / "2.eml").write_bytes(two)
    assert list(read_mails(folder)) == [one, two]

    box = mailbox.mbox(tmp_path / "box")
    box.add(one)
    box.add(two)
    box.close()
    found = [parse_bounce(mail, key=KEY) for mail in read_mails(tmp_path / "box")]
    assert [receipt and receipt.delivery_id for receipt in found] == [42, 42]

    maildir = mailbox.Maildir(tmp_path / "maildir")
    maildir.add(one)
    assert [mail.strip() for mail in read_mails(tmp_path / "maildir")] == [one.strip()]


def test_recorded_bounces_move_their_deliveries(engine: Engine) -> None:
    with writing(engine) as connection:
        delivery = a_delivery(
            connection,
            state=DeliveryState.ACCEPTED,
            channel=Channel.EMAIL,
            provider="smtp",
            address="someone@far.example",
        )
        to = f"{make_bounce_name(KEY, delivery)}@mail.example"
        bounces = record_bounces(connection, [a_report(to=to), b"To: x\n\nhello"], key=KEY, now=NOW)
        assert (bounces.mails, bounces.recognised, bounces.moved) == (2, 1, 1)
        assert connection.scalar(select(tables.delivery.c.state)) == "failed"
        assert connection.scalar(select(tables.contact.c.usable)) is False
