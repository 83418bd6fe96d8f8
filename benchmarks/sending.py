"""Where the CPU of a message goes: one process sends everything due, and each stage is measured by its own clock.

    python -m benchmarks.sending --messages 10000 --title "after" --into benchmarks/results/profile-after.txt

The waits for database, mail server and provider are not in it: they are other processes' time.
"""

import argparse
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks import Bench, ours, servers
from benchmarks.register import NOON
from benchmarks.stages import Profile, profiled
from notifier.app import App
from notifier.clock import StandingClock
from notifier.config import Settings
from notifier.model import Channel
from notifier.run import send_due

#: What is sent: the channel, whether with the shipped letters or the peers' 4-kB text, and the database.
CASES = {
    "e-mail, PostgreSQL, the shipped letters": (Channel.EMAIL, False, "postgres"),
    "e-mail, PostgreSQL, the peers' 4-kB text": (Channel.EMAIL, True, "postgres"),
    "e-mail, SQLite, the peers' 4-kB text": (Channel.EMAIL, True, "sqlite"),
    "SMS, PostgreSQL": (Channel.SMS, False, "postgres"),
}


def profiles(bench: Bench, cases: Sequence[str] = tuple(CASES)) -> Iterator[tuple[str, Profile]]:
    """Each case, sent once to warm up and once more under the clocks."""
    with servers.postgres() as server:
        for name in cases:
            channel, is_short, dialect = CASES[name]
            with ExitStack() as stack:
                if dialect == "postgres":
                    url = servers.migrated(servers.database(server, "profile", fresh=True))
                else:
                    url = servers.sqlite(bench.folder / "profile.db", fresh=True)
                send = stack.enter_context(_sender(bench, url, channel, is_short))
                send()
                with profiled() as profile:
                    send()
                yield name, profile


@contextmanager
def _sender(bench: Bench, url: str, channel: Channel, is_short: bool) -> Iterator[Callable[[], None]]:
    with ExitStack() as stack:
        if channel is Channel.EMAIL:
            told = ours.by_mail(stack.enter_context(servers.smtp_sink()))
        else:
            told = ours.by_sms(stack.enter_context(servers.http_answers()))
        if is_short:
            told |= {"TEMPLATES": ours.short_texts(bench)}
        ours.prepare_outbox(bench, url, channel)
        app = App(Settings.load(ours.settings(url, bench, None, **told), None), clock=StandingClock(NOON))
        stack.callback(app.close)

        def send() -> None:
            ours.put_back(app.engine)
            send_due(app)
            ours.must_be_sent(app.engine, bench.messages)

        yield send


def main() -> None:
    """Write the tables of all cases into a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--title", default="CPU per message by stage")
    parser.add_argument("--into", type=Path, required=True)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = replace(Bench(folder=Path(folder)), messages=told.messages)
        tables = [f"{name}\n{profile.table(bench.messages)}" for name, profile in profiles(bench)]
    machine = f"{platform.machine()}, Python {platform.python_version()}, {told.messages} messages, one process"
    told.into.write_text("\n\n".join([f"{told.title}\n{machine}", *tables]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
