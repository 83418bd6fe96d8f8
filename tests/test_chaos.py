"""Faults while notifications are under way: a short play of `benchmarks.chaos`, and that the play itself can fail."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.chaos.arrived import MAIL, SMS, Arrivals, compare
from benchmarks.chaos.faults import FAULTS, Happened
from benchmarks.chaos.play import Script
from benchmarks.chaos.report import is_well
from benchmarks.chaos.told import Record, running
from notifier.model import Channel

PROJECT = Path(__file__).parent.parent
PLAN = {"C1": (Channel.EMAIL, "one@mail.example"), "C2": (Channel.SMS, "+62812000002")}


def test_nothing_is_lost_and_nobody_told_twice_while_servers_and_processes_die(tmp_path: Path) -> None:
    # Given three machines with two schedulers, and a worker, Redis, PostgreSQL, the mail server and Twilio that fail
    result = tmp_path / "chaos.json"
    command = [sys.executable, "-m", "benchmarks.chaos", "--short", "--seed", "1", "--machines", "3"]
    # When a few hundred people are told
    answer = subprocess.run(
        [*command, "--json", str(result)], cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False
    )
    # Then everybody was told once, as by one machine; a mail may be repeated, but then as the same mail
    assert answer.returncode == 0, answer.stdout + answer.stderr
    told = json.loads(result.read_text())
    assert told["arrived"] == told["expected"] == 240
    assert told["unlike_one_machine"] == 0
    assert told["lost"] == told["strangers"] == told["doubled"]["sms"] == 0
    assert told["doubled"]["mail_with_another_message_id"] == 0
    assert sum(fault["times"] for fault in told["faults"]) == 5


def write(folder: Path, *arrived: tuple[str, str, str]) -> Arrivals:
    """What the two servers have written down: (part, address, key)."""
    arrivals = Arrivals(folder / "mail", folder / "sms")
    mail, sms = Record(arrivals.mail), Record(arrivals.provider)
    for part, address, key in arrived:
        if part == MAIL:
            mail.write(to=address, message_id=key)
        else:
            sms.write(what="taken", to=address, sid=key)
    arrivals.poll()
    return arrivals


def test_the_comparison_finds_what_is_lost_doubled_and_told_to_a_stranger(tmp_path: Path) -> None:
    arrivals = write(
        tmp_path,
        (MAIL, "one@mail.example", "<1@x>"),
        (MAIL, "one@mail.example", "<2@x>"),
        (MAIL, "who@mail.example", "<3@x>"),
    )
    found = compare(arrivals, PLAN)
    assert (found.lost, found.strangers) == (("+62812000002",), ("who@mail.example",))
    assert (found.copies, found.unlike) == ({MAIL: 1, SMS: 0}, 1)
    assert not is_well(found, [])


def test_a_mail_repeated_as_the_same_mail_is_counted_and_allowed_and_an_sms_is_not(tmp_path: Path) -> None:
    first = (MAIL, "one@mail.example", "<1@x>")
    arrivals = write(tmp_path, first, first, (SMS, "+62812000002", "SM1"))
    found = compare(arrivals, PLAN)
    assert found.copies == {MAIL: 1, SMS: 0}
    assert is_well(found, [])
    assert not is_well(found, [Happened(1, 1, begun=0.0, wrong=["something else"])])
    Record(arrivals.provider).write(what="taken", to="+62812000002", sid="SM2")
    arrivals.poll()
    assert not is_well(compare(arrivals, PLAN), [])


def test_the_same_seed_plays_the_same_faults_and_another_seed_others() -> None:
    def schedule(seed: int) -> list[tuple[int, float, float]]:
        script = Script(seed, 3, sorted(FAULTS), 100)
        return [(fault, pause, draw.random()) for number in (1, 2, 3) for fault, pause, draw in script.round(number)]

    assert schedule(1) == schedule(1)
    assert schedule(1) != schedule(2)
    assert sorted(fault for fault, _, _ in schedule(1)) == sorted([*FAULTS] * 3)


@pytest.mark.parametrize(("told", "is_taken"), [("cut_in_data", False), ("cut_after_dot", True)])
def test_the_mail_server_of_the_play_breaks_where_it_is_told(tmp_path: Path, told: str, is_taken: bool) -> None:
    import smtplib

    with running("benchmarks.chaos.mail", tmp_path / "mail") as server:
        server.tell(**{told: 1})
        with pytest.raises(smtplib.SMTPServerDisconnected), smtplib.SMTP(server.host, server.port) as client:
            client.sendmail("a@x.example", "one@mail.example", b"Message-ID: <1@x>\r\n\r\nText\r\n")
        arrivals = Arrivals(tmp_path / "mail", tmp_path / "none")
        arrivals.poll()
    assert (arrivals.count(MAIL) == 1) is is_taken
