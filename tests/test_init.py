"""`notifier init`: an office's own folder, from a working copy and from an installed wheel."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from notifier.cli import main
from notifier.cli.folder import make_folder, settings_file, shipped
from notifier.config import Settings, list_settings

PROJECT = Path(__file__).parent.parent


def test_a_folder_gets_settings_rules_templates_and_a_database(tmp_path: Path) -> None:
    folder = tmp_path / "kanim-batam"
    answer = CliRunner().invoke(main, ["init", str(folder)])
    assert answer.exit_code == 0, answer.output
    assert (folder / "notifier.toml").is_file()
    assert list((folder / "rules").glob("*.yaml"))
    assert list((folder / "templates").iterdir())
    assert (folder / "notifier.db").is_file()


def test_what_an_office_has_changed_is_kept(tmp_path: Path) -> None:
    make_folder(tmp_path)
    (tmp_path / "notifier.toml").write_text("adult_age = 21\n")
    (tmp_path / "rules" / "passport-renewal.yaml").unlink()
    assert make_folder(tmp_path) == []
    assert (tmp_path / "notifier.toml").read_text() == "adult_age = 21\n"
    assert not (tmp_path / "rules" / "passport-renewal.yaml").exists()


def test_the_shipped_settings_file_shows_every_setting_switched_off() -> None:
    text = settings_file()
    assert all(f"# {setting.name.rpartition('.')[2]} = " in text for setting in list_settings())
    assert all(value == {} for value in tomllib.loads(text).values())


def test_every_shipped_line_is_what_holds_without_it(tmp_path: Path) -> None:
    lines = settings_file().splitlines()
    switched_on = [line.removeprefix("# ") if " = " in line and line.startswith("# ") else line for line in lines]
    empty, full = tmp_path / "empty.toml", tmp_path / "full.toml"
    empty.write_text("")
    full.write_text("\n".join(line for line in switched_on if line.startswith("[") or _is_setting(line)))
    assert Settings.load({}, full) == Settings.load({}, empty)


def _is_setting(line: str) -> bool:
    return line.partition(" = ")[0] in {setting.name.rpartition(".")[2] for setting in list_settings()}


def test_a_second_init_only_brings_the_database_up_to_date(tmp_path: Path) -> None:
    runner = CliRunner()
    runner.invoke(main, ["init", str(tmp_path)])
    answer = runner.invoke(main, ["--config", str(tmp_path / "notifier.toml"), "init", "--database"])
    assert answer.exit_code == 0
    assert "is up to date" in answer.output


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it would be published, built without any network."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("notifier", "rules", "templates"):
        shutil.copytree(PROJECT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source / name)
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(target)], cwd=source, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return next(target.glob("*.whl"))


def test_an_installed_wheel_makes_the_same_folder(wheel: Path, tmp_path: Path) -> None:
    # Given the wheel unpacked as pip would, away from the working copy
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # When its own init runs
    code = "from notifier.cli import main; import notifier, sys; print(notifier.__file__); main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, "init", "office"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    # Then it came from there, and brought the same rules and templates
    assert done.returncode == 0, done.stderr
    assert str(site) in done.stdout
    for name in ("rules", "templates"):
        assert _files(tmp_path / "office" / name) == _files(shipped(name))


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    }
