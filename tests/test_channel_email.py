"""E-mail against a real SMTP server on this machine: pipelining, TLS, login, kept connections, lost ones."""

import asyncio
import email
import email.policy
import ssl
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme

from notifier.channels.email import EmailCarrier
from notifier.channels.mime import UnsafeHeader, mailbox, to_bytes, unstructured
from notifier.channels.smtp_answers import Reply, Step, refusal
from notifier.channels.smtp_wire import quoted_dots
from notifier.clock import StandingClock
from notifier.errors import ConfigError
from notifier.model import Accepted, Action, Attachment, EmailMessage, Outcome, Reason, Rejected, Unknown
from notifier.testing import ScriptedSmtp, SmtpScript, an_email_message

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


def a_carrier(server: ScriptedSmtp, **changes: Any) -> EmailCarrier:
    settings: dict[str, Any] = {"clock": StandingClock(NOW), "security": "none", "timeout": 5.0, "connections": 2}
    return EmailCarrier(server.host, server.port, **(settings | changes))


def sent(carrier: EmailCarrier, *messages: EmailMessage) -> list[Outcome]:
    async def run() -> list[Outcome]:
        try:
            return list(await asyncio.gather(*(carrier.send(each, callback_url=None) for each in messages)))
        finally:
            await carrier.close()

    return asyncio.run(run())


def within(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@contextmanager
def certificates() -> Iterator[tuple[ssl.SSLContext, ssl.SSLContext]]:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    yield server, client


# ------------------------------------------------------------------------------------------------- the mail


def parsed(message: EmailMessage) -> Any:
    return email.message_from_bytes(to_bytes(message, date=NOW), policy=email.policy.default)


@pytest.mark.parametrize(
    "text",
    [
        "Dear Maria,\n\nplain ASCII.\n",
        "Kepada Yth. Siti — izin Anda habis.\n",
        "尊敬的女士,您的签证将于2026年12月31日到期。\n" * 20,
        "عزيزي، تنتهي صلاحية تصريحك\n",
        ".\n..\n.dot at the start\nFrom the office\n",
        "a line of " + "many words " * 200 + "\n",
        "trailing space \ttab\t\nequals = sign =_x\n",
    ],
    ids=["ascii", "indonesian", "chinese", "arabic", "dots", "long line", "spaces"],
)
def test_a_mail_reads_back_as_it_was_written(text: str) -> None:
    mail = parsed(an_email_message(text=text, html=f"<p>{text}</p>"))
    assert mail.get_content_type() == "multipart/alternative"
    plain, html = mail.iter_parts()
    assert plain.get_content().replace("\r\n", "\n") == text
    assert html.get_content().replace("\r\n", "\n") == f"<p>{text}</p>\n"
    assert [part.get_content_type() for part in (plain, html)] == ["text/plain", "text/html"]
    assert not mail.defects


def test_headers_read_back_as_they_were_given() -> None:
    subject = "Pengingat: paspor Anda — 护照 " + "sangat panjang " * 12
    mail = parsed(
        an_email_message(
            subject=subject.strip(),
            sender="Kantor Imigrasi “Bogor” <pengingat@imigrasi.example>",
            to='"Santos, Maria" <maria@example.com>',
            headers={"List-Unsubscribe": "<https://x.example/u/1>", "Auto-Submitted": "auto-generated"},
        )
    )
    assert mail["Subject"] == subject.strip()
    assert mail["From"].addresses[0].display_name == "Kantor Imigrasi “Bogor”"
    assert mail["To"].addresses[0].display_name == "Santos, Maria"
    assert mail["Message-ID"] == "<delivery-1@imigrasi.example>"
    assert mail["Date"].datetime == NOW
    assert mail["List-Unsubscribe"] == "<https://x.example/u/1>"
    assert mail["Content-Language"] == "en"
    assert mail.get_all("Auto-Submitted") == ["auto-generated"]
    assert mail.get_all("MIME-Version") == ["1.0"]


def test_attachments_travel_whole() -> None:
    calendar = Attachment("jadwal.ics", "text/calendar; method=PUBLISH; charset=utf-8", b"BEGIN:VCALENDAR\r\n")
    picture = Attachment("kode baca “x”.png", "image/png", bytes(range(256)) * 9)
    mail = parsed(an_email_message(attachments=(calendar, picture)))
    assert mail.get_content_type() == "multipart/mixed"
    body, first, second = mail.iter_parts()
    assert body.get_content_type() == "multipart/alternative"
    assert (first.get_filename(), first.get_payload(decode=True)) == (calendar.filename, calendar.content)
    assert first.get_param("method") == "PUBLISH"
    assert (second.get_filename(), second.get_payload(decode=True)) == (picture.filename, picture.content)


def test_no_line_of_a_mail_is_longer_than_the_standard_allows() -> None:
    words = "kata " * 900
    content = to_bytes(an_email_message(text=words, html=words, subject="judul " * 100), date=NOW)
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    assert b"\n" not in content.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "Hello\r\nBcc: all@example.com"},
        {"to": "maria@example.com\r\nBcc: all@example.com"},
        {"sender": "office"},
        {"headers": {"X-A": "b\nBcc: c"}},
        {"headers": {"X A": "b"}},
        {"headers": {"X-A\n": "b"}},
        {"message_id": "<a>\n"},
    ],
    ids=["subject", "to", "no address", "value", "name", "end of a name", "message id"],
)
def test_a_header_cannot_bring_others_with_it(changes: dict[str, Any]) -> None:
    message = an_email_message(**changes)
    if changes.get("sender") != "office":
        with pytest.raises(UnsafeHeader):
            to_bytes(message, date=NOW)
    with ScriptedSmtp() as server:
        (outcome,) = sent(a_carrier(server), message)
        assert isinstance(outcome, Rejected)
        assert outcome.reason is Reason.TEMPLATE_FAULT
        assert server.mails == []


def test_encoded_words_never_cut_a_sign_in_two() -> None:
    text = "签证" * 60
    assert all(len(line.strip()) <= 75 for line in unstructured(text).split("\r\n"))
    assert parsed(an_email_message(subject=text))["Subject"] == text
    assert mailbox("a@b.example") == "a@b.example"


def test_dots_at_line_starts_are_doubled() -> None:
    assert quoted_dots(b".a\r\n.\r\nb") == b"..a\r\n..\r\nb\r\n.\r\n"


# ------------------------------------------------------------------------------------------- the connection


def test_many_mails_share_few_connections_and_all_arrive() -> None:
    messages = [an_email_message(delivery_id=n, to=f"p{n}@example.com", text=f".{n}\n") for n in range(60)]
    with ScriptedSmtp() as server:
        outcomes = sent(a_carrier(server, connections=3), *messages)
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert server.connections == 3
        assert sorted(mail.recipients[0] for mail in server.mails) == sorted(each.to for each in messages)
        assert sorted(mail.content.split(b"\r\n\r\n")[2].split(b"\r\n")[0] for mail in server.mails) == sorted(
            f".{n}".encode() for n in range(60)
        )


@pytest.mark.parametrize("extensions", [("PIPELINING", "SIZE 100000"), ()], ids=["pipelined", "one by one"])
def test_refused_recipients_between_others_do_not_disturb_them(extensions: tuple[str, ...]) -> None:
    scripts = {
        "no@example.com": SmtpScript(rcpt="550 5.1.1 <{address}>: no such user"),
        "later@example.com": SmtpScript(rcpt="451 4.7.1 greylisted"),
        "odd@example.com": SmtpScript(rcpt="550 5.1.1 no", data="354 send it all the same"),
        "spam@example.com": SmtpScript(end="554 5.7.1 looks like spam"),
        "full@example.com": SmtpScript(data="452 4.3.1 no room"),
    }
    addresses = ["a@example.com", *scripts, "b@example.com"] * 6
    messages = [an_email_message(delivery_id=n, to=to) for n, to in enumerate(addresses)]
    with ScriptedSmtp(scripts=scripts, extensions=extensions) as server:
        outcomes = sent(a_carrier(server, connections=1), *messages)
        by_address = dict(zip(addresses, outcomes, strict=True))
        assert len(server.mails) == 12
        assert all(mail.content for mail in server.mails)
        assert server.connections == 1
    assert [getattr(outcome, "action", None) for outcome in by_address.values()] == [
        None,
        Action.BAD_ADDRESS,
        Action.RETRY,
        Action.BAD_ADDRESS,
        Action.NEXT_CHANNEL,
        Action.RETRY,
        None,
    ]


def test_a_connection_the_server_closed_while_idle_is_replaced_unseen() -> None:
    async def run(server: ScriptedSmtp) -> list[Outcome]:
        carrier = a_carrier(server, connections=1)
        first = await carrier.send(an_email_message(), callback_url=None)
        server.hang_up()
        second = await carrier.send(an_email_message(delivery_id=2), callback_url=None)
        await carrier.close()
        return [first, second]

    with ScriptedSmtp() as server:
        assert [type(outcome) for outcome in within(run(server))] == [Accepted, Accepted]
        assert (server.connections, len(server.mails)) == (2, 2)


def test_a_connection_is_renewed_after_its_share_of_mails() -> None:
    async def run(server: ScriptedSmtp) -> None:
        carrier = a_carrier(server, connections=1, max_messages=2)
        for number in range(5):
            assert isinstance(await carrier.send(an_email_message(delivery_id=number), callback_url=None), Accepted)
        await carrier.close()

    with ScriptedSmtp() as server:
        within(run(server))
        assert [mail.connection for mail in server.mails] == [1, 1, 2, 2, 3]


def test_the_return_path_names_the_delivery() -> None:
    with ScriptedSmtp() as server:
        sent(
            a_carrier(server, return_path=lambda key: f"bounce+{key}@imigrasi.example"),
            an_email_message(delivery_id=42),
        )
        assert server.mails[0].sender == "bounce+42@imigrasi.example"


def test_the_reference_is_the_servers_own_name_for_the_mail() -> None:
    with ScriptedSmtp() as server:
        assert sent(a_carrier(server), an_email_message()) == [Accepted("000001")]


def test_an_address_beyond_ascii_needs_a_server_that_takes_it() -> None:
    message = an_email_message(to="佐藤@example.com")
    with ScriptedSmtp() as server:
        (outcome,) = sent(a_carrier(server), message)
        assert isinstance(outcome, Rejected)
        assert outcome.action is Action.NEXT_CHANNEL
    with ScriptedSmtp(extensions=("PIPELINING", "SMTPUTF8")) as server:
        assert isinstance(sent(a_carrier(server), message)[0], Accepted)
        assert server.mails[0].recipients == ("佐藤@example.com",)


def test_a_server_that_reports_failures_is_asked_to() -> None:
    with ScriptedSmtp(extensions=("DSN",)) as server:
        sent(a_carrier(server), an_email_message())
        assert any("NOTIFY=FAILURE" in command for command in server.commands)


# --------------------------------------------------------------------------------------------- encryption


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_mail_goes_encrypted_and_after_login(security: str) -> None:
    with certificates() as (for_server, for_client):
        offer = {"tls": for_server} if security == "tls" else {"starttls": for_server}
        with ScriptedSmtp(users={"office": "secret-word"}, **offer) as server:
            carrier = a_carrier(
                server, security=security, username="office", password="secret-word", tls_context=for_client
            )
            outcomes = sent(carrier, *(an_email_message(delivery_id=n) for n in range(9)))
            assert all(isinstance(outcome, Accepted) for outcome in outcomes)
            assert {(mail.encrypted, mail.username) for mail in server.mails} == {(True, "office")}


def test_a_server_without_starttls_gets_no_mail_in_clear() -> None:
    with certificates() as (_, for_client), ScriptedSmtp() as server:
        (outcome,) = sent(a_carrier(server, security="starttls", tls_context=for_client), an_email_message())
        assert isinstance(outcome, Rejected)
        assert (outcome.action, server.mails) == (Action.STOP_CHANNEL, [])
        assert not any(command.startswith("MAIL") for command in server.commands)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_that_nobody_vouches_for_stops_the_channel(security: str) -> None:
    with certificates() as (for_server, _):
        offer = {"tls": for_server} if security == "tls" else {"starttls": for_server}
        with ScriptedSmtp(**offer) as server:
            (outcome,) = sent(a_carrier(server, security=security), an_email_message())
            assert isinstance(outcome, Rejected)
            assert outcome.action is Action.STOP_CHANNEL
            assert "certificate" in outcome.detail


def test_a_wrong_password_stops_the_channel_and_is_not_repeated_in_the_text() -> None:
    with certificates() as (for_server, for_client), ScriptedSmtp(tls=for_server, users={"o": "right"}) as server:
        carrier = a_carrier(server, security="tls", username="o-name", password="wrong-word", tls_context=for_client)
        (outcome,) = sent(carrier, an_email_message())
        assert isinstance(outcome, Rejected)
        assert (outcome.reason, outcome.action) == (Reason.CONFIGURATION, Action.STOP_CHANNEL)
        assert "wrong-word" not in repr(outcome)
        assert "o-name" not in repr(outcome)


def test_a_password_is_never_set_to_travel_in_clear() -> None:
    with pytest.raises(ConfigError, match="clear"):
        EmailCarrier("mail.example.com", 25, clock=StandingClock(NOW), security="none", username="a", password="b")
    with pytest.raises(ConfigError, match="tls, starttls, none"):
        EmailCarrier("mail.example.com", 25, clock=StandingClock(NOW), security="auto")


# ------------------------------------------------------------------------------------ lost and late answers


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()], ids=["pipelined", "one by one"])
@pytest.mark.parametrize("phase", ["greeting", "ehlo", "mail", "rcpt", "data"])
@pytest.mark.parametrize("fault", ["hangs_up_at", "stalls_at"])
def test_before_the_mail_is_written_a_lost_connection_is_a_plain_retry(
    phase: str, fault: str, extensions: tuple[str, ...]
) -> None:
    script = SmtpScript(**{fault: phase})
    with ScriptedSmtp(script=script, extensions=extensions) as server:
        (outcome,) = sent(a_carrier(server, timeout=0.15), an_email_message())
        assert isinstance(outcome, Rejected), outcome
        assert (outcome.reason, outcome.action) == (Reason.TEMPORARY, Action.RETRY)
        assert server.mails == []


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()], ids=["pipelined", "one by one"])
@pytest.mark.parametrize("fault", ["hangs_up_at", "stalls_at"])
def test_after_the_mail_is_written_a_lost_connection_leaves_its_fate_unknown(
    fault: str, extensions: tuple[str, ...]
) -> None:
    scripts = {"maria@example.com": SmtpScript(**{fault: "end"})}
    with ScriptedSmtp(scripts=scripts, extensions=extensions) as server:
        (outcome,) = sent(a_carrier(server, timeout=0.15), an_email_message())
        assert isinstance(outcome, Unknown)
        assert len(server.mails) == 1


def test_a_mail_behind_a_lost_one_goes_over_a_new_connection() -> None:
    scripts = {"first@example.com": SmtpScript(stalls_at="end")}
    messages = [an_email_message(delivery_id=1, to="first@example.com"), an_email_message(delivery_id=2)]
    with ScriptedSmtp(scripts=scripts) as server:
        first, second = sent(a_carrier(server, connections=1, timeout=0.15), *messages)
        assert isinstance(first, Unknown)
        assert isinstance(second, Accepted)
        assert server.connections == 2
        assert [mail.recipients[0] for mail in server.mails].count("maria@example.com") == 1


def test_a_server_that_shuts_down_is_left_and_its_mails_are_retried() -> None:
    script = SmtpScript(mail="421 4.3.2 shutting down")
    with ScriptedSmtp(script=script) as server:
        outcomes = sent(a_carrier(server), *(an_email_message(delivery_id=n) for n in range(4)))
        assert {outcome.action for outcome in outcomes if isinstance(outcome, Rejected)} == {Action.RETRY}
        assert len([outcome for outcome in outcomes if isinstance(outcome, Rejected)]) == 4


def test_nobody_listening_is_a_plain_retry() -> None:
    with ScriptedSmtp() as server:
        port = server.port
    carrier = EmailCarrier("127.0.0.1", port, clock=StandingClock(NOW), security="none", timeout=1)
    (outcome,) = sent(carrier, an_email_message())
    assert isinstance(outcome, Rejected)
    assert outcome.action is Action.RETRY
    assert "reached" in (within(carrier.check()) or "")


def test_check_is_content_with_a_server_that_answers() -> None:
    with ScriptedSmtp() as server:
        assert within(a_carrier(server).check()) is None


# ------------------------------------------------------------------------------------------- what replies mean


@pytest.mark.parametrize(
    ("step", "code", "text", "reason", "action"),
    [
        (Step.RCPT, 550, "5.1.1 no such user", Reason.BAD_ADDRESS, Action.BAD_ADDRESS),
        (Step.RCPT, 550, "user unknown", Reason.BAD_ADDRESS, Action.BAD_ADDRESS),
        (Step.RCPT, 550, "5.1.10 null MX", Reason.BAD_ADDRESS, Action.BAD_ADDRESS),
        (Step.RCPT, 550, "5.2.1 mailbox disabled", Reason.BAD_ADDRESS, Action.BAD_ADDRESS),
        (Step.RCPT, 552, "5.2.2 mailbox full", Reason.NOT_REACHABLE, Action.NEXT_CHANNEL),
        (Step.RCPT, 554, "5.7.1 relay access denied", Reason.NOT_REACHABLE, Action.NEXT_CHANNEL),
        (Step.RCPT, 450, "4.2.0 greylisted", Reason.TEMPORARY, Action.RETRY),
        (Step.MAIL, 553, "5.1.8 sender refused", Reason.CONFIGURATION, Action.STOP_CHANNEL),
        (Step.MAIL, 530, "5.7.0 log in first", Reason.CONFIGURATION, Action.STOP_CHANNEL),
        (Step.END, 550, "5.7.1 spam", Reason.CONTENT_REFUSED, Action.NEXT_CHANNEL),
        (Step.END, 550, "5.7.26 DMARC", Reason.CONFIGURATION, Action.STOP_CHANNEL),
        (Step.END, 552, "5.3.4 too big", Reason.CONTENT_REFUSED, Action.NEXT_CHANNEL),
        (Step.END, 451, "4.3.0 try again", Reason.TEMPORARY, Action.RETRY),
        (Step.CONNECT, 554, "no service for you", Reason.CONFIGURATION, Action.STOP_CHANNEL),
        (Step.CONNECT, 421, "busy", Reason.TEMPORARY, Action.RETRY),
    ],
)
def test_a_reply_means(step: Step, code: int, text: str, reason: Reason, action: Action) -> None:
    outcome = refusal(step, Reply(code, text))
    assert (outcome.reason, outcome.action) == (reason, action)
    assert text not in outcome.detail
