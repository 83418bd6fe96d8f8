"""The tables of the settings file: providers, mail relay, Twilio, sending, prices. `notifier.config` reads them."""

from dataclasses import dataclass
from datetime import timedelta

from notifier import casts
from notifier.casts import Secret, setting


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """[providers]: who carries each channel. `sandbox` delivers into a local inbox and reaches nobody."""

    email: str = setting(casts.choice("sandbox", "smtp"), "sandbox", "who carries e-mail: sandbox or smtp")
    sms: str = setting(casts.choice("sandbox", "twilio"), "sandbox", "who carries SMS: sandbox or twilio")
    whatsapp: str = setting(casts.choice("sandbox", "twilio"), "sandbox", "who carries WhatsApp: sandbox or twilio")


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """[smtp]: the mail relay."""

    host: str = setting(casts.text, "localhost", "name of the mail relay")
    port: int = setting(casts.whole(1, 65535), 587, "its port: 587 for starttls, 465 for tls")
    security: str = setting(
        casts.choice("tls", "starttls", "none"),
        "starttls",
        "tls, starttls, or none (only inside one machine)",
    )
    username: str = setting(casts.text, "", "user name; empty: no login")
    password: Secret = setting(casts.secret, Secret(""), "password; better in the environment than in this file")
    sender: str = setting(
        casts.text, "Imigrasi <noreply@imigrasi.example>", "sender of offices that name none of their own"
    )
    timeout: timedelta = setting(casts.some_time, timedelta(seconds=30), "how long one answer may take")
    connections: int = setting(casts.whole(1, 100), 4, "connections kept open at the same time")
    per_second: int = setting(casts.whole(0), 0, "e-mails a second from one sender, over all workers; 0: no bound")
    message_id_domain: str = setting(casts.text, "imigrasi.example", "domain in Message-ID and bounce addresses")
    bounce_address: str = setting(
        casts.text, "", "mailbox that takes bounces, its server must take bounce+...@; empty: the sender"
    )
    local_hostname: str = setting(casts.text, "", "name we greet with; empty: the machine's own")


@dataclass(frozen=True, slots=True)
class TwilioSettings:
    """[twilio]: the SMS and WhatsApp provider."""

    account_sid: str = setting(casts.text, "", "account, begins with AC")
    auth_token: Secret = setting(casts.secret, Secret(""), "its token; better in the environment than in this file")
    base_url: str | None = setting(casts.web_address, None, "another address of the API, for tests; empty: Twilio")
    sms_sender: str = setting(casts.text, "", "sender of SMS where the office has none of its own")
    messaging_service_sid: str = setting(casts.text, "", "messaging service to send SMS with, begins with MG")
    whatsapp_sender: str = setting(casts.text, "", "WhatsApp number where the office has none of its own")
    timeout: timedelta = setting(casts.some_time, timedelta(seconds=15), "how long one answer may take")
    concurrency: int = setting(casts.whole(1, 1000), 50, "messages under way at once, per channel and process")
    sms_per_second: int = setting(casts.whole(0), 0, "SMS a second from one sender, over all workers; 0: no bound")
    whatsapp_per_second: int = setting(
        casts.whole(0), 80, "WhatsApp messages a second from one sender, over all workers; 0: no bound"
    )


@dataclass(frozen=True, slots=True)
class SendingSettings:
    """[sending]: limits that people feel, and the patience of the engine."""

    per_day: int = setting(casts.whole(1), 1, "messages one person may get on a day, over all rules and offices")
    per_week: int = setting(casts.whole(1), 3, "messages one person may get in seven days")
    rung_wait: timedelta = setting(
        casts.some_time,
        timedelta(hours=24),
        "wait for a receipt before the next channel, where a rule says nothing",
    )
    presumed_delivered_after: timedelta = setting(
        casts.some_time, timedelta(hours=24), "an e-mail that has not bounced for so long counts as delivered"
    )
    retries: tuple[timedelta, ...] = setting(
        casts.lengths,
        (timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=4)),
        "waits between the tries of one channel after temporary faults; then the next channel is taken",
    )
    lease: timedelta = setting(
        casts.some_time,
        timedelta(seconds=15),
        "a worker that died holds its batch so long; one that lives renews it",
    )
    offer_patience: timedelta = setting(
        casts.some_time,
        timedelta(seconds=15),
        "an offered row that no worker took is offered again after so long",
    )
    ask_after: timedelta = setting(
        casts.some_time,
        timedelta(seconds=70),
        "what may have been lost is sent again no earlier than this, and only after asking",
    )
    batch_size: int = setting(casts.whole(1, 5000), 250, "notifications in one batch of a worker")
    per_minute: int = setting(
        casts.whole(0),
        0,
        "ordinary notifications that the scheduler releases in a minute, nearest deadline first; 0: all; urgent ones "
        "are neither counted nor slowed",
    )
    envelope_tolerance: int = setting(
        casts.whole(0, 1000), 20, "percent by which a day may exceed what the applied plan expects, before it is held"
    )
    envelope_slack: int = setting(
        casts.whole(0), 20, "messages by which a day may exceed it besides, so that small offices are not held"
    )
    tick: timedelta = setting(casts.some_time, timedelta(seconds=30), "the scheduler plans so often")
    relay: timedelta = setting(casts.some_time, timedelta(seconds=2), "the scheduler offers what is due so often")


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """[retention]: how long what is written about people is kept; `notifier retain` removes what is older."""

    messages: timedelta = setting(
        casts.some_time, timedelta(days=90), "texts of messages are kept so long after they left"
    )
    log: timedelta = setting(
        casts.some_time,
        timedelta(days=730),
        "notifications, deliveries and receipts are kept so long after their end; then only figures without persons",
    )


@dataclass(frozen=True, slots=True)
class PriceSettings:
    """[prices]: what one message costs, for `simulate` and `rules diff`. Nobody checks them: look at your contract."""

    currency: str = setting(casts.text, "USD", "the currency of these prices")
    sms: float = setting(casts.amount, 0.4, "one part (segment) of an SMS")
    whatsapp: float = setting(casts.amount, 0.02, "one WhatsApp utility message")
    email: float = setting(casts.amount, 0.0, "one e-mail")


@dataclass(frozen=True, slots=True)
class ThroughputSettings:
    """[throughput]: how many messages a second each provider takes; `simulate` says which hour takes how long."""

    sms: int = setting(casts.whole(1), 10, "SMS a second, each part counted")
    whatsapp: int = setting(casts.whole(1), 80, "WhatsApp messages a second")
    email: int = setting(casts.whole(1), 50, "e-mails a second")
