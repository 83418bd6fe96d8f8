"""Doctor: looks at everything the engine needs, and says of each fault how to mend it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from notifier.app import App
from notifier.errors import NotifierError
from notifier.model import Channel
from notifier.rulesets import describe
from notifier.store import migrate
from notifier.store.engine import reading
from notifier.store.subjects import read_offices
from notifier.worker import EventLoop, ping, redis_broker


class Health(StrEnum):
    """How well a part is."""

    WELL = "well"
    WARNING = "warning"  # works, but not as somebody may expect
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one part: a fact, or a fault with its remedy."""

    part: str
    health: Health
    sentence: str


def examine(app: App) -> Iterator[Finding]:
    """Every part in turn; a fault in one does not keep the others from being looked at."""
    yield _look("database", lambda: _database(app))
    yield _look("migrations", lambda: _migrations(app))
    yield _look("Redis", lambda: _redis(app))
    yield _look("rules", lambda: describe(app.settings.rules, app.in_force))
    yield from _templates(app)
    yield _look("offices", lambda: _offices(app))
    with EventLoop() as loop:
        for channel in Channel:
            yield _carrier(app, channel, loop)
    yield from _public(app)


def _look(part: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(part, Health.WELL, look())
    except NotifierError as error:
        return Finding(part, Health.FAULT, str(error))


def _database(app: App) -> str:
    with reading(app.engine):
        return app.engine.url.render_as_string(hide_password=True)


def _migrations(app: App) -> str:
    revision = migrate.current(app.engine)
    if revision == migrate.head():
        return f"at {revision}, as this program needs"
    at = f"at {revision}" if revision else "empty"
    raise NotifierError(f"the database is {at}, this program needs {migrate.head()}; run `notifier init --database`")


def _redis(app: App) -> str:
    url = app.settings.redis_url
    if url is None:
        return "not used: scheduler or `run` send in their own process"
    broker = redis_broker(url)
    try:
        ping(broker)
    finally:
        broker.client.close()
    return "answers"


def _templates(app: App) -> Iterator[Finding]:
    finding = _look("templates", lambda: _rendered(app))
    yield finding
    if finding.health is Health.WELL and app.settings.provider(Channel.WHATSAPP) == "twilio":
        unset = app.templates.placeholder_sids()
        if unset:
            sentence = f"{len(unset)} WhatsApp files still hold the content_sid they came with, such as {unset[0]}; "
            yield Finding("templates", Health.FAULT, sentence + "enter the one Twilio approved")


def _rendered(app: App) -> str:
    faults = app.templates.check()
    if faults:
        raise NotifierError(f"{len(faults)} faults, such as {faults[0]}; `notifier rules check` shows all")
    return f"{len(app.templates.names())} templates in {app.settings.templates}"


def _offices(app: App) -> str:
    with reading(app.ready_engine) as connection:
        offices = read_offices(connection)
    for office in offices.values():
        app.calendar_of(office)
    if not offices:
        raise NotifierError("the register is empty; fill it with `notifier import` or `notifier sync`")
    return f"{len(offices)} offices with their calendars"


def _carrier(app: App, channel: Channel, loop: EventLoop) -> Finding:
    provider = app.settings.provider(channel)
    try:
        carrier = app.carrier(channel)
        fault = loop.run(carrier.check())
        loop.run(carrier.close())
    except NotifierError as error:
        fault = str(error)
    if fault:
        return Finding(channel, Health.FAULT, fault)
    if provider == "sandbox":
        return Finding(channel, Health.WARNING, f"sandbox: reaches nobody, delivers into {app.settings.inbox}")
    return Finding(channel, Health.WELL, f"{provider} answers and knows us")


def _public(app: App) -> Iterator[Finding]:
    settings = app.settings
    sends = any(settings.provider(channel) != "sandbox" for channel in Channel)
    if not settings.public_url:
        health = Health.WARNING if sends else Health.WELL
        sentence = "not set: no receipts from Twilio and no opt-out links; set NOTIFIER_PUBLIC_URL"
        yield Finding("public address", health, sentence)
    elif not settings.signing_key:
        sentence = "opt-out links need a key; set NOTIFIER_SIGNING_KEY to a long random text"
        yield Finding("public address", Health.FAULT, sentence)
    else:
        yield Finding("public address", Health.WELL, settings.public_url)
