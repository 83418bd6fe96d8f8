"""Ordinary callbacks are read from the wire; what is not ordinary is answered as if nobody had looked at it before."""

import contextlib
import socket
import time
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outbox_rows import NOW
from sqlalchemy import Engine
from web_site import FORM, KEY, PUBLIC, TOKEN, Site, count, running

from notifier.callbacks import read_form
from notifier.channels.twilio_forms import sign
from notifier.clock import StandingClock
from notifier.web import wire
from notifier.web.app import Needs
from notifier.web.optout import load_words
from notifier.web.wire import LARGEST_HEAD, Post, read_post

BODY = b"MessageSid=SM1&MessageStatus=sent"


def a_post(body: bytes = BODY, first: str = "POST /twilio/status?delivery=7 HTTP/1.1", **more: str) -> bytes:
    """A callback as it is on the wire; `more` are headers, an empty one is left out."""
    headers = {"Host": "x", "Content-Type": FORM, "Content-Length": str(len(body)), "X-Twilio-Signature": "s="}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    lines = [first, *(f"{name}: {value}" for name, value in headers.items() if value)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def signed(form: dict[str, str], query: str = "", **more: str) -> bytes:
    path = f"/twilio/status{query}"
    signature = {"X_Twilio_Signature": sign(TOKEN, PUBLIC + path, form)}
    return a_post(urlencode(form).encode(), f"POST {path} HTTP/1.1", **(signature | more))


def test_an_ordinary_callback_is_understood() -> None:
    whole = a_post()
    assert read_post(whole) == Post(b"/twilio/status?delivery=7", b"s=", BODY, len(whole), False)
    assert read_post(whole + b"POST") == Post(b"/twilio/status?delivery=7", b"s=", BODY, len(whole), False)


@pytest.mark.parametrize("more", [{"first": "POST /twilio/status HTTP/1.0"}, {"Connection": "Close"}])
def test_after_a_last_callback_the_connection_ends(more: dict[str, str]) -> None:
    post = read_post(a_post(**more))
    assert isinstance(post, Post) and post.is_last


def test_as_long_as_something_is_missing_it_is_waited_for() -> None:
    whole = a_post()
    head = whole.index(BODY)
    assert [read_post(whole[:length]) for length in range(head)] == list(range(1, head + 1))
    assert {read_post(whole[:length]) for length in range(head, len(whole))} == {len(whole)}


@pytest.mark.parametrize(
    "came",
    [
        b"GET /health HTTP/1.1\r\n\r\n",
        a_post(first="POST /twilio/statuses HTTP/1.1"),
        a_post(first="POST /twilio/status/ HTTP/1.1"),
        a_post(first="POST /twilio/status HTTP/2"),
        a_post(first="POST /twilio/status  HTTP/1.1"),
        a_post(first="POST /twilio/status"),
        a_post(Content_Type="application/json"),
        a_post(Content_Type=""),
        a_post(Content_Length=""),
        a_post(Content_Length="+5"),
        a_post(Content_Length="70000"),
        a_post(Content_Length="5\r\nContent-Length: 33"),
        a_post(Content_Length="5\r\ncontent-length : 33"),
        a_post(Transfer_Encoding="chunked"),
        a_post(Expect="100-continue"),
        a_post(Upgrade="h2c"),
        a_post(Connection="upgrade"),
        a_post(Host="x\r\n folded"),
        a_post(Host="x\nTransfer-Encoding: chunked"),
        a_post(Host="x\rTransfer-Encoding: chunked"),
        a_post(Host="x\r\nno colon"),
        a_post(Host="x\r\n: no name"),
        a_post(Host="x\r\nTransfer-Encoding\v: chunked"),
        a_post(Host="x\r\nTransfer-Encoding\0: chunked"),
        a_post(Content_Length="\f33"),
        a_post(Host="x" * LARGEST_HEAD),
    ],
)
def test_what_is_not_ordinary_is_left_to_the_server(came: bytes) -> None:
    assert read_post(came) == "strange"


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), max_size=5))
def test_a_form_says_the_same_as_to_the_standard_library(pairs: list[tuple[str, str]]) -> None:
    text = urlencode(pairs, errors="replace")
    assert read_form(text) == dict(parse_qsl(text, keep_blank_values=True))


@given(st.text(alphabet="ab=&+% 4äÿ", max_size=12))
def test_a_broken_form_says_the_same_too(text: str) -> None:
    assert read_form(text) == dict(parse_qsl(text, keep_blank_values=True))


@pytest.fixture
def site(engine: Engine) -> Iterator[Site]:
    with running(Needs(engine, StandingClock(NOW), load_words(), KEY, TOKEN, PUBLIC)) as site:
        yield site


def answers(site: Site, *pieces: bytes, count: int, rest: float = 0) -> list[bytes]:
    """Sends pieces over one connection, and reads so many answers, which have no body; then nothing more comes.

    `rest` are the seconds after each piece.
    """
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        came = b""
        for piece in pieces:
            wire.sendall(piece)
            time.sleep(rest)
        while came.count(b"\r\n\r\n") < count:
            more = wire.recv(65_536)
            assert more, came
            came += more
        wire.settimeout(0.05)
        with contextlib.suppress(TimeoutError):
            came += wire.recv(65_536)
    return came.split(b"\r\n\r\n")[:-1]


def test_callbacks_over_one_connection_are_answered_one_after_the_other(site: Site, engine: Engine) -> None:
    posts = [signed({"MessageSid": f"SM{number}", "MessageStatus": "sent"}) for number in range(5)]
    found = answers(site, b"".join(posts), count=5)
    assert [one.partition(b"\r\n")[0] for one in found] == [b"HTTP/1.1 204 No Content"] * 5
    assert all(b"\r\ndate: " in one for one in found)
    site.wait_until_applied()
    assert count(engine, "receipt") == 5


def test_a_callback_may_come_in_pieces(site: Site, engine: Engine) -> None:
    whole = signed({"MessageSid": "SM1", "MessageStatus": "sent"}, "?delivery=5")
    pieces = [whole[start : start + 40] for start in range(0, len(whole), 40)]
    assert answers(site, *pieces, count=1)[0].startswith(b"HTTP/1.1 204")
    site.wait_until_applied()
    assert count(engine, "receipt") == 1


def test_a_head_is_read_once_however_slowly_its_body_comes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    monkeypatch.setattr(wire, "read_post", lambda came: (read.append(len(came)), read_post(came))[1])
    whole = signed({"MessageSid": "SM1", "MessageStatus": "sent"})
    start = whole.index(b"\r\n\r\n") + 4
    found = answers(site, whole[:start], *(whole[at : at + 1] for at in range(start, len(whole))), count=1, rest=0.002)
    assert found[0].startswith(b"HTTP/1.1 204")
    assert len(read) <= 3


def test_more_callbacks_at_once_than_are_held_wait_outside(site: Site, engine: Engine) -> None:
    posts = [signed({"MessageSid": f"SM{number}", "Body": "x" * 8_000}) for number in range(60)]
    found = answers(site, b"".join(posts), a_post(), count=61)
    assert [one.split(b" ")[1] for one in found] == [b"204"] * 60 + [b"403"]
    site.wait_until_applied()
    assert count(engine, "receipt") == 60


def test_a_connection_may_change_to_other_requests_and_back(site: Site) -> None:
    ours, forged = signed({"MessageStatus": "sent"}), a_post()
    found = answers(site, ours, forged, signed({"MessageStatus": "read"}), count=3)
    assert [one.split(b" ")[1] for one in found] == [b"204", b"403", b"204"]


def test_a_connection_that_asks_for_its_end_gets_it(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as wire:
        wire.sendall(signed({"MessageStatus": "sent"}, Connection="close"))
        came = b"".join(iter(lambda: wire.recv(65_536), b""))
    assert came.startswith(b"HTTP/1.1 204") and b"\r\nconnection: close\r\n" in came


def test_a_provider_that_hangs_up_does_not_disturb_the_others(site: Site, engine: Engine) -> None:
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", site.port), timeout=20) as wire:
            wire.sendall(signed({"MessageStatus": "sent"}))
    assert site.post("/twilio/status", {"MessageStatus": "sent"}).status == 204
    site.wait_until_applied()
    assert count(engine, "receipt") >= 1


def test_a_silent_connection_is_closed(sqlite_engine: Engine) -> None:
    needs = Needs(sqlite_engine, StandingClock(NOW), load_words(), KEY, TOKEN, PUBLIC)
    with running(needs, silence=1) as site, socket.create_connection(("127.0.0.1", site.port), timeout=20) as wire:
        wire.sendall(a_post()[:50])
        assert wire.recv(100) == b""
