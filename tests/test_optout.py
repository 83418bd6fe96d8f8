"""Wishes to be left alone, by reply and by link; nobody learns from an answer who is registered."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from outbox_rows import NOW, NUMBER, a_delivery, a_notification, a_party
from sqlalchemy import Engine, select
from web_site import FORM, KEY, PUBLIC, TOKEN, Answer, Site, count, is_suppressed, running

from notifier.clock import StandingClock
from notifier.errors import ConfigError
from notifier.model import Channel, DeliveryState, PartyId
from notifier.store import tables
from notifier.store.engine import writing
from notifier.store.suppressions import suppress
from notifier.tokens import hash_address, make_token
from notifier.web.app import Needs
from notifier.web.optout import Wish, load_words


@pytest.fixture
def needs(engine: Engine) -> Needs:
    return Needs(engine, StandingClock(NOW), load_words(), KEY, TOKEN, PUBLIC)


@pytest.fixture
def site(needs: Needs) -> Iterator[Site]:
    with running(needs) as site:
        yield site


def reply(site: Site, body: str, sender: str = f"whatsapp:{NUMBER}", **fields: str) -> Answer:
    answer = site.post("/twilio/inbound", {"From": sender, "To": "whatsapp:+62", "Body": body} | fields)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/xml")
    return answer


def test_stop_and_start_by_reply(site: Site, engine: Engine) -> None:
    assert "MULAI" in reply(site, " Berhenti. ").text
    assert is_suppressed(engine)
    assert not is_suppressed(engine, Channel.SMS)
    assert "<Message>" in reply(site, "mulai").text
    assert not is_suppressed(engine)


def test_an_sms_word_concerns_sms_and_is_not_answered(site: Site, engine: Engine) -> None:
    assert "<Message>" not in reply(site, "STOP", NUMBER).text
    assert (is_suppressed(engine, Channel.SMS), is_suppressed(engine)) == (True, False)


def test_what_the_provider_recognised_counts_and_is_not_answered_again(site: Site, engine: Engine) -> None:
    assert "<Message>" not in reply(site, "hentikan semua", OptOutType="STOP").text
    assert is_suppressed(engine)
    reply(site, "halo", OptOutType="HELP")
    assert is_suppressed(engine)
    reply(site, "lagi", OptOutType="START")
    assert not is_suppressed(engine)


def test_any_other_text_changes_nothing(site: Site, engine: Engine) -> None:
    for text in ("", "Terima kasih", "jangan berhenti", "stop it please", "kapan buka?"):
        assert "<Message>" not in reply(site, text).text
    assert count(engine, "suppression") == 0


def test_yes_does_not_undo_what_an_officer_forbade(site: Site, engine: Engine) -> None:
    with writing(engine) as connection:
        suppress(connection, Channel.WHATSAPP, NUMBER, reason="asked", source="officer", now=NOW)
    reply(site, "YA")
    assert is_suppressed(engine)


def test_batal_is_asked_about_and_suppresses_nobody(site: Site, engine: Engine) -> None:
    with writing(engine) as connection:
        a_delivery(connection, state=DeliveryState.DELIVERED)
    known, again, stranger = (
        reply(site, "BATAL"),
        reply(site, "batal!"),
        reply(site, "BATAL", "whatsapp:+6280000000"),
    )
    assert known.text == again.text == stranger.text
    assert "STOP" in known.text
    assert not is_suppressed(engine)
    with writing(engine) as connection:
        item = connection.execute(select(tables.work_item)).mappings().one()
    assert (item["kind"], item["subject_kind"]) == ("unclear reply", "permit")
    assert NUMBER not in item["note"]


@pytest.mark.parametrize("text", ["ＳＴＯＰ", "stop   pesan", "“Stop”", "退订", "إيقاف", "Стоп", "UNREG!!"])
def test_words_count_in_any_script_and_dress(sqlite_engine: Engine, text: str) -> None:
    needs = Needs(sqlite_engine, StandingClock(NOW), load_words(), KEY, TOKEN, PUBLIC)
    with running(needs) as site:
        reply(site, text)
    assert is_suppressed(sqlite_engine)


def test_a_wrong_list_of_words_is_refused_with_all_its_faults(tmp_path: Path) -> None:
    file = tmp_path / "words.yaml"
    file.write_text("stop: [STOP, no]\nstart: [stop, YA]\nunclear: ['!']\nreplies: {other: x}\n")
    with pytest.raises(ConfigError) as caught:
        load_words(file)
    assert len(str(caught.value).splitlines()) == 4
    file.write_text("stop: [STOP]\n")
    with pytest.raises(ConfigError, match="write exactly the entries"):
        load_words(file)


def test_every_wish_has_words_and_an_answer() -> None:
    words = load_words()
    assert set(words.wishes.values()) == set(words.replies) == set(Wish)


def link(party: PartyId, channel: Channel = Channel.EMAIL, address: str = "a@b.example") -> str:
    return f"/u/{make_token(KEY, party, channel, hash_address(KEY, channel, address))}"


@pytest.fixture
def optout(engine: Engine) -> str:
    with writing(engine) as connection:
        return link(a_party(connection, Channel.EMAIL, "a@b.example"))


def test_opening_a_link_only_asks(site: Site, engine: Engine, optout: str) -> None:
    answer = site.ask("GET", optout)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert (answer.headers["referrer-policy"], answer.headers["cache-control"]) == ("no-referrer", "no-store")
    assert "Berhenti" in answer.text
    assert "Unsubscribe" in answer.text
    assert "a@b.example" not in answer.text
    assert site.ask("HEAD", optout).status == 200
    assert not is_suppressed(engine, Channel.EMAIL, "a@b.example")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, "List-Unsubscribe=One-Click"),
        ("multipart/form-data; boundary=B", '--B\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--B--'),
        ("", ""),
    ],
)
def test_one_post_unsubscribes_without_cookie_or_redirect(
    site: Site, engine: Engine, optout: str, kind: str, body: str
) -> None:
    for _ in range(2):  # mail programs repeat themselves
        answer = site.ask("POST", optout, body, {"Content-Type": kind})
        assert answer.status == 200
        assert not {"set-cookie", "location"} & set(answer.headers)
    assert is_suppressed(engine, Channel.EMAIL, "a@b.example")
    assert count(engine, "suppression") == 1


def test_the_link_of_an_old_message_silences_the_address_it_was_sent_to(site: Site, engine: Engine) -> None:
    with writing(engine) as connection:
        party = a_party(connection, Channel.EMAIL, "new@b.example")
        a_delivery(
            connection,
            channel=Channel.EMAIL,
            address="old@b.example",
            notification=a_notification(connection, party),
        )
    assert site.ask("POST", link(party, address="old@b.example")).status == 200
    assert is_suppressed(engine, Channel.EMAIL, "old@b.example")
    assert not is_suppressed(engine, Channel.EMAIL, "new@b.example")


def test_a_link_to_nobody_looks_the_same_as_one_that_worked(site: Site, engine: Engine, optout: str) -> None:
    known, unknown = site.ask("POST", optout), site.ask("POST", link(PartyId(999)))
    assert (known.status, known.text) == (unknown.status, unknown.text)
    assert count(engine, "suppression") == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_token_that_we_never_made_opens_nothing(site: Site, engine: Engine, method: str) -> None:
    for token in ("x", "A" * 44, "%00", "%ff%fe", make_token(b"other", PartyId(1), Channel.SMS, b"12345678")):
        assert site.ask(method, f"/u/{token}").status == 404
    assert count(engine, "suppression") == 0


def test_without_a_key_no_link_is_good(needs: Needs, optout: str) -> None:
    with running(replace(needs, signing_key=b"")) as site:
        assert site.ask("POST", optout).status == 404


def test_the_page_posts_to_itself_and_loads_nothing_from_elsewhere(site: Site, optout: str) -> None:
    text = site.ask("GET", optout).text
    assert re.search(r'<form method="post">', text)
    assert not re.search(r"https?://|src=|href=", text)
