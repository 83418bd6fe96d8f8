"""Faults while notifications are under way: a short play of `benchmarks.chaos`, and that the play itself can fail."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.chaos.arrived import CALLBACKS, MAIL, SMS, Arrivals, compare
from benchmarks.chaos.crew import Machine, Member
from benchmarks.chaos.faults import FAULTS, Happened
from benchmarks.chaos.play import Played, Script
from benchmarks.chaos.report import LONGEST, Line, is_well, late, lines
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
    assert told["arrived"] == told["expected"] >= 240
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


def test_each_fault_has_messages_of_its_own_and_all_together_are_told() -> None:
    script = Script(1, 3, sorted(FAULTS), 6_001)
    start, *shares = script.shares()
    order = [fault for number in (1, 2, 3) for fault, _, _ in script.round(number)]
    assert start + sum(shares) == 6_001
    assert len(shares) == len(order)
    for fault, share in zip(order, shares, strict=True):
        assert abs(share - start * FAULTS[fault].crowd) <= FAULTS[fault].crowd
    assert list(Script(1, 1, [], 100).shares()) == [100]


def test_what_is_lost_counts_for_the_fault_it_was_registered_for(tmp_path: Path) -> None:
    arrivals = write(tmp_path, (MAIL, "one@mail.example", "<1@x>"))
    mail, sms = (Happened(number, 1, begun=0.0, supplied=[permit]) for number, permit in ((9, "C1"), (11, "C2")))
    found = lines(Played([mail, sms], compare(arrivals, PLAN)), arrivals, PLAN, grace=0.0)
    assert {line.number: line.lost for line in found} == {9: 0, 11: 1}


def test_a_killed_process_that_costs_more_than_half_a_minute_fails_the_play() -> None:
    def line(number: int, goes_on: float, taken: float | None = None) -> Line:
        return Line(number, FAULTS[number].name, 1, 0, 0, 0, goes_on, goes_on, taken, taken)

    assert late([line(1, 2.0, LONGEST), line(3, 5.0), line(12, 120.0)]) == []
    assert late([line(1, 2.0, LONGEST + 1)]) == ["SIGKILL of a worker: is taken up only after 31.0 s"]
    assert late([line(8, LONGEST + 1)]) == ["PostgreSQL killed: goes on only after 31.0 s"]


def test_what_is_still_to_come_is_the_plan_less_what_arrived(tmp_path: Path) -> None:
    arrivals = write(tmp_path, (MAIL, "one@mail.example", "<1@x>"), (MAIL, "one@mail.example", "<1@x>"))
    assert arrivals.to_come(PLAN) == {MAIL: 0, SMS: 1, CALLBACKS: 2}
    record = Record(arrivals.provider)
    record.write(what="taken", to="+62812000002", sid="SM2")
    for answer in (0, 503, 204, 204):  # refused ones and a repeated one count for nothing
        record.write(what="callback", sid="SM2", to="+62812000002", status="sent", answer=answer)
    arrivals.poll()
    assert arrivals.to_come(PLAN) == {MAIL: 0, SMS: 0, CALLBACKS: 1}


def test_a_server_takes_back_what_nobody_came_for(tmp_path: Path) -> None:
    import smtplib

    with running("benchmarks.chaos.mail", tmp_path / "mail") as server:
        # Given two mails that are to be cut, and nobody who sends any
        assert server.order(0.2, cut_in_data=2) == 0
        # When a mail comes long afterwards, then it is taken
        with smtplib.SMTP(server.host, server.port) as client:
            client.sendmail("a@x.example", "one@mail.example", b"Message-ID: <1@x>\r\n\r\nText\r\n")
        assert server.tell()["cut_in_data"] == 0


def test_the_process_that_sent_a_message_is_found_by_its_port(tmp_path: Path) -> None:
    import smtplib

    code = "import smtplib, sys; c = smtplib.SMTP(sys.argv[1], int(sys.argv[2])); print('.', flush=True); input()"
    with running("benchmarks.chaos.mail", tmp_path / "mail") as server, smtplib.SMTP(server.host, server.port) as mine:
        command = [sys.executable, "-c", code, server.host, str(server.port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdin is not None
            assert other.stdout is not None
            other.stdout.readline()
            member = Member("worker 1", (), Machine("machine 1", tmp_path, {}), process=other)
            mine.sendmail("a@x.example", "one@mail.example", b"Message-ID: <1@x>\r\n\r\nText\r\n")
            arrivals = Arrivals(tmp_path / "mail", tmp_path / "none")
            arrivals.poll()
            assert mine.sock is not None
            ports = arrivals.ports_since(0.0)
            # Then what this process sent is not taken for the other's, which is connected, too
            assert ports == {mine.sock.getsockname()[1]}
            assert len(member.ports) == 1
            assert not ports & member.ports
            other.stdin.write(b"\n")
            other.stdin.flush()


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
