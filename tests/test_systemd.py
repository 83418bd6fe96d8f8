"""The units in docs/systemd: systemd itself finds no fault in them, and a stop of the group drains as they say."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from notifier.cli import main

UNITS = Path(__file__).parent.parent / "docs" / "systemd"
PROGRAM = "/srv/notifier/.venv/bin/notifier"
SERVICES = sorted(UNITS.glob("*.service"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    # Given the units with a program that is there, as it would be on the machine they are for
    for file in UNITS.iterdir():
        text = file.read_text(encoding="utf-8").replace(PROGRAM, shutil.which("true") or "/bin/true")
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    # When systemd reads them, with nothing else in sight
    names = [str(file) for file in sorted(tmp_path.iterdir())]
    answer = subprocess.run(["systemd-analyze", "verify", *names], capture_output=True, text=True, check=False)
    # Then it has nothing to say of ours
    ours = [line for line in answer.stderr.splitlines() if "notifier" in line]
    assert ours == []
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("file", SERVICES, ids=lambda file: file.name)
def test_every_unit_starts_a_command_that_exists(file: Path) -> None:
    (command,) = re.findall(rf"^ExecStart={re.escape(PROGRAM)} (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    answer = CliRunner().invoke(main, [command.split()[0], "--help"])
    assert answer.exit_code == 0, answer.output
    for option in re.findall(r"--[a-z-]+", command):
        assert option in answer.output


@pytest.mark.parametrize("file", [one for one in SERVICES if "retain" not in one.name], ids=lambda file: file.name)
def test_every_process_is_stopped_gently_and_started_again(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    assert "KillMode=mixed" in lines
    assert "Restart=always" in lines
    assert "StartLimitIntervalSec=0" in lines
    assert "PartOf=notifier.target" in lines


def test_the_target_wants_every_unit() -> None:
    target = (UNITS / "notifier.target").read_text(encoding="utf-8")
    wanted = set(re.findall(r"notifier-[a-z]+(?:@\d+)?\.(?:service|timer)", target))
    expected = {
        file.name for file in UNITS.iterdir() if file.name not in ("notifier.target", "notifier-retain.service")
    }
    assert {re.sub(r"@\d+", "@", name) for name in wanted} == expected
