"""The composition root: settings in, wired objects out. Each part is built when it is first asked for."""

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import cached_property
from itertools import chain
from pathlib import Path
from threading import Event, RLock

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import Engine

from notifier import callbacks, tokens
from notifier.batch import Limits
from notifier.calendar.data import CALENDAR_FILE, CalendarData, load_calendar
from notifier.calendar.office import OfficeCalendar, build_calendar
from notifier.channels.base import Carrier
from notifier.channels.bounce import read_fields, read_mails
from notifier.channels.email import EmailCarrier
from notifier.channels.pacing import LocalPace, Paces, SharedPace
from notifier.channels.sandbox import SandboxCarrier
from notifier.channels.twilio import TwilioCarrier
from notifier.channels.twilio_forms import parse_status
from notifier.clock import Clock, SystemClock
from notifier.config import Settings
from notifier.dispatch import Dispatcher
from notifier.errors import ConfigError, StoreError
from notifier.messages.templates import Templates
from notifier.model import Channel, DeliveryId, Office, Party
from notifier.plan import Planner
from notifier.receipts import Bounces, Reader, adopt_orphans, record_bounces
from notifier.render import Renderer, Senders
from notifier.rules.rule import RuleSet
from notifier.rulesets import InForce, load_in_force, mark_in_force
from notifier.store import migrate, partitions
from notifier.store.engine import open_engine, writing
from notifier.store.verdicts import close_empty

log = logging.getLogger(__name__)

#: A receipt whose message nobody knew for so long is not looked at again; it stays on record.
ORPHANS_LIVE = timedelta(days=3)
#: Under the public address: where a one-click opt-out is taken, and where Twilio reports what became of a message.
OPT_OUT_PATH = "u"
STATUS_PATH = "twilio/status"


class App:
    """Everything a door needs. `close()` lets go of what was opened."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self._calendars: dict[Office, OfficeCalendar] = {}
        self._taking_up = RLock()
        self.stopping = Event()  # set once the process is to end: what was not begun is given back

    @cached_property
    def engine(self) -> Engine:
        """The database, whatever its schema; see `ready_engine`."""
        return open_engine(self.settings.database_url)

    @cached_property
    def ready_engine(self) -> Engine:
        """The database with the schema of this program. Raises StoreError with the remedy if it has another."""
        self._require_schema()
        return self.engine

    @property
    def ready_url(self) -> str:
        """The address of that database, for processes that open it themselves. Raises StoreError as `ready_engine`."""
        self._require_schema()
        return self.settings.database_url

    def _require_schema(self) -> None:
        file = self.engine.url.database if self.engine.dialect.name == "sqlite" else None
        if file and file != ":memory:" and not Path(file).exists():
            raise StoreError(
                f"there is no database at {file}; name the settings of your office with --config, make an office here "
                "with `notifier init`, or the database alone with `notifier init --database`"
            )
        if not migrate.is_current(self.engine):
            raise StoreError("the database is not up to date with this program; run `notifier init --database`")

    @cached_property
    def in_force(self) -> InForce:
        """The rules in force: of the folder, or the set applied last. Raises FaultsFound, ConfigError."""
        return load_in_force(self.engine, self.settings.rules)

    @cached_property
    def rules(self) -> RuleSet:
        """The rules of the office. Raises FaultsFound with every fault of every file, ConfigError without a folder."""
        return self.in_force.rules

    def take_up_rules(self) -> bool:
        """Let go of everything built on rules that are not in force any more; answers whether they have changed.

        A process that runs for long asks at each tick and before each batch, so that `rules apply` needs no restart.
        """
        with self._taking_up:
            if "in_force" not in self.__dict__ or mark_in_force(self.ready_engine) == self.in_force.mark:
                return False
            for part in ("in_force", "rules", "planner", "renderer", "dispatcher"):
                self.__dict__.pop(part, None)
            log.info("other rules are in force: %s", self.in_force.rules.digest[:12])
            return True

    @cached_property
    def templates(self) -> Templates:
        """The templates of the office. Raises FaultsFound."""
        folder = self.settings.templates
        if not folder.is_dir():
            raise ConfigError(
                f"there are no templates at {folder}; set NOTIFIER_TEMPLATES, or make a folder with `notifier init`"
            )
        return Templates.load(folder)

    @cached_property
    def calendar_data(self) -> CalendarData:
        """Holidays and hours that the office's own `calendar.yaml` adds to the national calendar."""
        file = self.settings.rules / CALENDAR_FILE
        return load_calendar(file if file.is_file() else None)

    def calendar_of(self, office: Office) -> OfficeCalendar:
        """The calendar of an office, built once."""
        if office not in self._calendars:
            self._calendars[office] = build_calendar(office, self.calendar_data)
        return self._calendars[office]

    @cached_property
    def planner(self) -> Planner:
        """Plans into the outbox."""
        return Planner(
            self.ready_engine,
            self.rules,
            self.calendar_of,
            adult_age=self.settings.adult_age,
            texts=self.in_force.texts,
        )

    @cached_property
    def senders(self) -> Senders:
        """Who messages come from where an office names nobody."""
        twilio = self.settings.twilio
        return Senders(
            sms=twilio.messaging_service_sid or twilio.sms_sender or "IMIGRASI",
            whatsapp=twilio.whatsapp_sender or "Imigrasi",
            email=self.settings.smtp.sender,
        )

    @cached_property
    def renderer(self) -> Renderer:
        """Makes messages from facts and templates."""
        return Renderer(
            templates=self.templates,
            rules=self.rules,
            senders=self.senders,
            portal_url=self.settings.portal_url,
            verify_url=self.settings.verify_url,
            message_id_domain=self.settings.smtp.message_id_domain,
            optout_link=self.optout_link,
        )

    def optout_link(self, party: Party, channel: Channel, address: str) -> str:
        """The one-click opt-out of this person on this channel; "" without a public address or signing key."""
        key = self.settings.signing_key.reveal().encode()
        if not self.settings.public_url or not key:
            return ""
        token = tokens.make_token(key, party.id, channel, tokens.hash_address(key, channel, address))
        return f"{self.settings.public_url}/{OPT_OUT_PATH}/{token}"

    def callback_url(self, delivery_id: DeliveryId) -> str | None:
        """Where the provider reports what became of a delivery; None without a public address."""
        public = self.settings.public_url
        return f"{public}/{STATUS_PATH}?delivery={delivery_id}" if public else None

    @cached_property
    def limits(self) -> Limits:
        """The settings of [sending] that dispatch keeps to."""
        sending = self.settings.sending
        return Limits(
            per_day=sending.per_day,
            per_week=sending.per_week,
            rung_wait=sending.rung_wait,
            presumed_delivered_after=sending.presumed_delivered_after,
            retries=sending.retries,
            lease=sending.lease,
            ask_after=sending.ask_after,
            adult_age=self.settings.adult_age,
            envelope_tolerance=sending.envelope_tolerance,
            envelope_slack=sending.envelope_slack,
        )

    @cached_property
    def dispatcher(self) -> Dispatcher:
        """Carries batches from the outbox to the providers; its carriers must be open."""
        return Dispatcher(
            self.ready_engine,
            self.rules,
            self.calendar_of,
            self.renderer,
            self.carriers,
            self.clock,
            self.limits,
            callback_url=self.callback_url,
            plan=self.in_force.plan,
            paces=self.paces,
            is_stopping=self.stopping.is_set,
        )

    @cached_property
    def paces(self) -> Paces:
        """How many messages a second each channel may send from one sender; shared by all who share Redis."""
        smtp, twilio, url = self.settings.smtp, self.settings.twilio, self.settings.redis_url
        per_second: dict[Channel, float] = {
            Channel.EMAIL: smtp.per_second,
            Channel.SMS: twilio.sms_per_second,
            Channel.WHATSAPP: twilio.whatsapp_per_second,
        }
        bounds: dict[str, float] = {
            channel: rate for channel, rate in per_second.items() if self.settings.provider(channel) != "sandbox"
        }
        if url is None or not any(bounds.values()):
            return Paces(LocalPace(), bounds)
        # While Redis is away each turn is asked once: threads that try again are missed by what writes the outcomes.
        return Paces(SharedPace(Redis.from_url(url.reveal(), retry=Retry(NoBackoff(), 1))), bounds)

    @cached_property
    def carriers(self) -> Mapping[Channel, Carrier]:
        """Who carries each channel, as [providers] says."""
        return {channel: self.carrier(channel) for channel in Channel}

    def carrier(self, channel: Channel) -> Carrier:
        """A new carrier of one channel. Raises ConfigError when its provider lacks a setting."""
        match self.settings.provider(channel):
            case "smtp":
                return self._smtp()
            case "twilio":
                return self._twilio(channel)
            case _:
                zone = self.settings.zone.key
                return SandboxCarrier(channel, self.settings.inbox, self.clock, zone=zone)

    def _smtp(self) -> Carrier:
        smtp = self.settings.smtp
        return EmailCarrier(
            smtp.host,
            smtp.port,
            clock=self.clock,
            security=smtp.security,
            username=smtp.username or None,
            password=smtp.password.reveal() or None,
            timeout=smtp.timeout.total_seconds(),
            connections=smtp.connections,
            local_hostname=smtp.local_hostname or "localhost",
            return_path=self._return_path(),
        )

    def _return_path(self) -> Callable[[DeliveryId], str] | None:
        """Where the bounce of a delivery goes: a signed name at the domain of the bounce mailbox."""
        domain = self.settings.smtp.bounce_address.rpartition("@")[2]
        key = self.settings.signing_key.reveal().encode()
        if not domain or not key:
            return None
        return lambda delivery_id: f"{tokens.make_bounce_name(key, delivery_id)}@{domain}"

    def adopt_orphans(self) -> None:
        """Take up callbacks that a web door left, then receipts that came before their reference. Part of each tick."""
        callbacks.apply_all(self.ready_engine)
        now = self.clock.now()
        readers: dict[str, Reader] = {"twilio": parse_status, "smtp": read_fields}
        with writing(self.ready_engine) as connection:
            adopt_orphans(connection, now=now, readers=readers, since=now - ORPHANS_LIVE)

    def close_empty_batches(self) -> None:
        """Take held batches off the offices' lists when nothing waits with them any more. Part of each tick."""
        with writing(self.ready_engine) as connection:
            close_empty(connection, now=self.clock.now())

    def prepare_months(self) -> None:
        """Make the next partitions of receipts and events (PostgreSQL). Part of each tick; mostly there is nothing."""
        with writing(self.ready_engine) as connection:
            partitions.prepare(connection, now=self.clock.now())

    def take_bounces(self, sources: Iterable[Path], mails: Iterable[bytes] = ()) -> Bounces:
        """Read returned mails from files, mbox files and Maildir folders. Raises ConfigError without a signing key."""
        key = self.settings.signing_key.reveal().encode()
        if not key:
            raise ConfigError("returned mails cannot be told from forged ones without NOTIFIER_SIGNING_KEY; set it")
        found = chain(mails, *(read_mails(source) for source in sources))
        with writing(self.ready_engine) as connection:
            return record_bounces(connection, found, key=key, now=self.clock.now())

    def _twilio(self, channel: Channel) -> Carrier:
        twilio = self.settings.twilio
        if not twilio.account_sid or not twilio.auth_token:
            raise ConfigError(
                "Twilio needs NOTIFIER_TWILIO_ACCOUNT_SID and NOTIFIER_TWILIO_AUTH_TOKEN, "
                f'or set [providers] {channel} = "sandbox"'
            )
        sms = twilio.messaging_service_sid or twilio.sms_sender
        sender = sms if channel is Channel.SMS else twilio.whatsapp_sender
        return TwilioCarrier(
            channel,
            twilio.account_sid,
            twilio.auth_token.reveal(),
            sender=sender or None,
            base_url=twilio.base_url,
            timeout=twilio.timeout.total_seconds(),
            concurrency=twilio.concurrency,
        )

    def close(self) -> None:
        """Let go of the database; carriers are closed by who opened them."""
        if "engine" in self.__dict__:
            self.engine.dispose()
