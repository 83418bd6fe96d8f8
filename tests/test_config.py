"""Settings: the file, the variables over it, and what is said when something is wrong."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from notifier.config import Secret, Settings, find_file, list_settings
from notifier.errors import ConfigError
from notifier.model import Channel

WriteFile = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    """Write a settings file into an office's own folder."""

    def write(text: str) -> Path:
        file = tmp_path / "office" / "notifier.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return write


def test_nothing_said_means_sqlite_and_a_sandbox_in_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.load({}, None)
    assert settings.database_url == f"sqlite:///{tmp_path / 'notifier.db'}"
    assert settings.redis_url is None
    assert settings.rules == tmp_path / "rules"
    assert {settings.provider(channel) for channel in Channel} == {"sandbox"}
    assert settings.sending.lease == timedelta(seconds=15)


def test_relative_paths_of_a_file_begin_beside_the_file(write: WriteFile) -> None:
    file = write('rules = "my-rules"\ndatabase_url = "sqlite:///data/register.db"\n')
    settings = Settings.load({}, file)
    assert settings.rules == file.parent / "my-rules"
    assert settings.templates == file.parent / "templates"
    assert settings.database_url == f"sqlite:///{file.parent / 'data/register.db'}"


def test_relative_paths_of_a_variable_begin_where_the_command_runs(
    write: WriteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.load({"NOTIFIER_RULES": "elsewhere"}, write(""))
    assert settings.rules == tmp_path / "elsewhere"


def test_a_variable_stands_over_the_file(write: WriteFile) -> None:
    file = write('[smtp]\nhost = "mail.example"\nport = 25\n[sending]\nretries = ["1 minute"]\n')
    settings = Settings.load({"NOTIFIER_SMTP_PORT": "2525", "NOTIFIER_SENDING_RETRIES": "5 seconds, 1 hour"}, file)
    assert (settings.smtp.host, settings.smtp.port) == ("mail.example", 2525)
    assert settings.sending.retries == (timedelta(seconds=5), timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('databse_url = "sqlite:///x.db"', "there is no setting databse_url; did you mean database_url?"),
        ('[smtp]\nhots = "x"', "there is no setting smtp.hots; did you mean smtp.host?"),
        ("[smtp]\nport = 70000", "smtp.port must be between 1 and 65535"),
        ("[smtp]\nport = true", "smtp.port must be a whole number"),
        ('[smtp]\nsecurity = "ssl"', "smtp.security must be one of tls, starttls, none"),
        ('[sending]\nlease = "10"', "sending.lease must be a length of time"),
        ("[sending]\nretries = 3", "sending.retries must be a list"),
        ('zone = "Asia/Batavia"', "zone must be the name of a time zone"),
        ('database_url = "mysql://x"', "database_url must begin with sqlite:/// or postgresql://"),
        ('public_url = "imigrasi"', "public_url must be a web address"),
        ('smtp = "mail"', "smtp: must be a table, written [smtp]"),
        ("rules = ", "cannot be read as TOML"),
        ("rules = 3", "rules must be a text in quotes"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(write: WriteFile, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.load({}, write(text))
    assert expected in str(caught.value)
    assert "notifier.toml" in str(caught.value) or "[smtp]" in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("NOTIFIER_SMTP_PORT", "many", "NOTIFIER_SMTP_PORT must be a whole number"),
        ("NOTIFIER_DATABSE_URL", "x", "no setting NOTIFIER_DATABSE_URL; did you mean NOTIFIER_DATABASE_URL?"),
        ("NOTIFIER_SENDING_TICK", "0 seconds", "NOTIFIER_SENDING_TICK must be longer than nothing"),
    ],
)
def test_what_is_wrong_in_a_variable_is_named(variable: str, value: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=r".") as caught:
        Settings.load({variable: value, "PATH": "/bin"}, None)
    assert expected in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_variable_that_resembles_no_other_is_given_no_remedy() -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.load({"NOTIFIER_FOO": "x"}, None)
    assert str(caught.value) == "there is no setting NOTIFIER_FOO"


def test_a_secret_is_never_printed() -> None:
    settings = Settings.load(
        {
            "NOTIFIER_SMTP_PASSWORD": "hunter2",
            "NOTIFIER_TWILIO_AUTH_TOKEN": "hunter2",
            "NOTIFIER_SIGNING_KEY": "hunter2",
            "NOTIFIER_REDIS_URL": "redis://:hunter2@redis/0",
        },
        None,
    )
    assert "hunter2" not in repr(settings)
    assert f"{settings.smtp.password} {settings.smtp.password!r}".count("********") == 2
    assert settings.smtp.password.reveal() == "hunter2"
    assert not Secret("")


def test_the_file_is_the_one_told_then_the_variable_then_the_one_here(tmp_path: Path) -> None:
    told, named, here = (tmp_path / name for name in ("told.toml", "named.toml", "notifier.toml"))
    for file in (told, named, here):
        file.write_text("")
    environ = {"NOTIFIER_CONFIG": str(named)}
    assert find_file(environ, told, tmp_path) == told
    assert find_file(environ, None, tmp_path) == named
    assert find_file({}, None, tmp_path) == here
    here.unlink()
    assert find_file({}, None, tmp_path) is None


def test_a_settings_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="NOTIFIER_CONFIG: there is no settings file"):
        find_file({"NOTIFIER_CONFIG": str(tmp_path / "gone.toml")}, None, tmp_path)


def test_every_setting_has_its_own_variable_and_a_sentence() -> None:
    settings = list(list_settings())
    assert len({setting.variable for setting in settings}) == len(settings)
    assert all(setting.about for setting in settings)
    assert {"database_url", "redis_url", "rules", "templates", "smtp.host"} <= {s.name for s in settings}


def test_the_url_of_the_central_database_may_stay_out_of_the_file(write: WriteFile) -> None:
    settings = Settings.load({"NOTIFIER_SYNC_URL": "postgresql://x"}, write('[sync]\nvanished = "keep"\n'))
    assert settings.sync == {"vanished": "keep", "url": "postgresql://x"}
