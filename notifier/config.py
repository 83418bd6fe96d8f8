"""The settings: `notifier.toml`, and the NOTIFIER_* variables over it. Each is named once and read once."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from notifier import casts
from notifier.casts import Secret, setting
from notifier.errors import ConfigError
from notifier.model import Channel
from notifier.sections import (
    PriceSettings,
    ProviderSettings,
    RetentionSettings,
    SendingSettings,
    SmtpSettings,
    ThroughputSettings,
    TwilioSettings,
)

__all__ = [
    "PriceSettings",
    "ProviderSettings",
    "RetentionSettings",
    "Secret",
    "SendingSettings",
    "Setting",
    "Settings",
    "SmtpSettings",
    "ThroughputSettings",
    "TwilioSettings",
    "find_file",
    "list_settings",
]

#: Begins the name of every variable we read.
PREFIX = "NOTIFIER_"
#: Where the settings file is, when it is not told with --config.
FILE_VARIABLE = "NOTIFIER_CONFIG"
FILE_NAME = "notifier.toml"
#: The office's central database, `url` of [sync]: it holds a password, so it may stay out of the file.
SYNC_VARIABLE = "NOTIFIER_SYNC_URL"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the engine can be told. Built by `Settings.load`, passed down, imported from nowhere."""

    database_url: str = setting(
        casts.database, "sqlite:///notifier.db", "sqlite:///file, or postgresql://user@host/name at scale"
    )
    redis_url: Secret | None = setting(
        casts.maybe(casts.secret), None, "redis://host:6379/0 for several workers; empty: all in one process"
    )
    rules: Path = setting(casts.path, Path("rules"), "folder of the rules")
    templates: Path = setting(casts.path, Path("templates"), "folder of the templates")
    inbox: Path = setting(casts.path, Path("inbox"), "folder where the sandbox delivers")
    log_file: Path = setting(casts.path, Path("notifier.log"), "file that keeps the details of faults")
    zone: ZoneInfo = setting(casts.zone, ZoneInfo("Asia/Jakarta"), "zone of dates on the command line")
    country: str = setting(casts.text, "ID", "country of phone numbers written without one, where an office has none")
    adult_age: int = setting(casts.whole(1, 30), 18, "age from which a holder is told in person")
    public_url: str | None = setting(
        casts.web_address, None, "how the outside world reaches `notifier web`: callbacks and opt-out links"
    )
    portal_url: str = setting(casts.text, "https://portal.imigrasi.example", "where people apply; stands in texts")
    verify_url: str = setting(
        casts.text,
        "https://imigrasi.example/cek",
        "where people check that a message is genuine; stands in texts",
    )
    signing_key: Secret = setting(casts.secret, Secret(""), "signs opt-out links; any long random text, kept secret")
    providers: ProviderSettings = field(default_factory=ProviderSettings)
    smtp: SmtpSettings = field(default_factory=SmtpSettings)
    twilio: TwilioSettings = field(default_factory=TwilioSettings)
    sending: SendingSettings = field(default_factory=SendingSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    prices: PriceSettings = field(default_factory=PriceSettings)
    throughput: ThroughputSettings = field(default_factory=ThroughputSettings)
    #: [sync] as written; `intake.sync` reads and checks it. Its url may hold a password: never printed.
    sync: Mapping[str, Any] = field(default_factory=dict, repr=False)
    folder: Path = field(default_factory=Path)  # relative paths of the file begin here

    @classmethod
    def load(cls, environ: Mapping[str, str], file: Path | None) -> "Settings":
        """Read the file (if any) and the variables over it. Raises ConfigError naming the setting."""
        folder = file.resolve().parent if file is not None else Path.cwd()
        tree = _read(file) if file is not None else {}
        _refuse_unknown_variables(environ)
        tables = {name: _table(tree, name) for name in SECTIONS}
        sync = dict(_table(tree, "sync"))
        if SYNC_VARIABLE in environ:
            sync["url"] = environ[SYNC_VARIABLE]
        values: dict[str, Any] = {}
        for name, section in SECTIONS.items():
            values[name] = section(**_values(section, f"{name}.", tables[name], environ, file, folder))
        values |= _values(cls, "", tree, environ, file, folder)
        return cls(**values, sync=sync, folder=folder)

    def provider(self, channel: Channel) -> str:
        """Who carries a channel: sandbox, smtp or twilio."""
        return {
            Channel.EMAIL: self.providers.email,
            Channel.SMS: self.providers.sms,
            Channel.WHATSAPP: self.providers.whatsapp,
        }[channel]


SECTIONS: Mapping[str, Callable[..., Any]] = {
    "providers": ProviderSettings,
    "smtp": SmtpSettings,
    "twilio": TwilioSettings,
    "sending": SendingSettings,
    "retention": RetentionSettings,
    "prices": PriceSettings,
    "throughput": ThroughputSettings,
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as the documents and the shipped settings file show it."""

    name: str
    variable: str
    default: object
    about: str


def list_settings() -> Iterator[Setting]:
    """Every setting there is, in the order of the settings file."""
    for prefix, section in (("", Settings), *((f"{name}.", section) for name, section in SECTIONS.items())):
        for declared in _declared(section):
            name = prefix + declared.name
            yield Setting(name, _variable(name), declared.default, declared.metadata["about"])


def find_file(environ: Mapping[str, str], told: Path | None, here: Path) -> Path | None:
    """The settings file: the one told, else NOTIFIER_CONFIG, else ./notifier.toml, else none."""
    named = told or (Path(environ[FILE_VARIABLE]) if environ.get(FILE_VARIABLE) else None)
    if named is not None:
        if not named.is_file():
            source = "--config" if told else FILE_VARIABLE
            raise ConfigError(f"{source}: there is no settings file at {named}; `notifier init` makes one")
        return named
    return here / FILE_NAME if (here / FILE_NAME).is_file() else None


def _read(file: Path) -> dict[str, Any]:
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{file}: cannot be read as TOML: {error}") from error
    _refuse_unknown(tree, {declared.name for declared in _declared(Settings)} | {*SECTIONS, "sync"}, "", file)
    for name, section in SECTIONS.items():
        _refuse_unknown(_table(tree, name), {declared.name for declared in _declared(section)}, f"{name}.", file)
    return tree


def _table(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = tree.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{name}: must be a table, written [{name}]")
    return table


def _declared(section: Any) -> list[Field[Any]]:
    return [declared for declared in fields(section) if "cast" in declared.metadata]


def _variable(name: str) -> str:
    return PREFIX + name.upper().replace(".", "_")


def _refuse_unknown(table: Mapping[str, Any], known: set[str], prefix: str, file: Path) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(f"{file}: there is no setting {prefix}{key}{_did_you_mean(key, known, prefix)}")


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    known = {declared.variable for declared in list_settings()} | {FILE_VARIABLE, SYNC_VARIABLE}
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in known:
            # Compared without what all of them begin with: it would make any two look alike.
            names = {name.removeprefix(PREFIX) for name in known}
            remedy = _did_you_mean(variable.removeprefix(PREFIX), names, PREFIX)
            raise ConfigError(f"there is no setting {variable}{remedy}")


def _did_you_mean(word: str, known: set[str], prefix: str = "") -> str:
    near = get_close_matches(word, sorted(known), n=1)
    return f"; did you mean {prefix}{near[0]}?" if near else ""


def _values(
    section: Any,
    prefix: str,
    table: Mapping[str, Any],
    environ: Mapping[str, str],
    file: Path | None,
    folder: Path,
) -> dict[str, Any]:
    values = {}
    for declared in _declared(section):
        name = prefix + declared.name
        variable = _variable(name)
        if variable in environ:
            source, raw, base = variable, environ[variable], Path.cwd()
        elif declared.name in table:
            source, raw, base = f"{file}: {name}", table[declared.name], folder
        else:
            source, raw, base = name, None, folder
        try:
            value = declared.default if raw is None else declared.metadata["cast"](raw)
        except ValueError as error:
            raise ConfigError(f"{source} {error}") from error
        values[declared.name] = _beside(value, base, name)
    return values


def _beside(value: object, base: Path, name: str) -> object:
    """A relative path, or the relative file of a SQLite URL, made absolute."""
    if isinstance(value, Path):
        return base / value.expanduser()
    if name == "database_url" and isinstance(value, str) and value.startswith("sqlite:///"):
        file = value.removeprefix("sqlite:///")
        return value if not file or file.startswith((":memory:", "/", "file:")) else f"sqlite:///{base / file}"
    return value
