"""`worker`, `scheduler` and `web`: the processes at scale, and the scheduler alone as the small installation."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, datetime
from threading import Thread

import click

from notifier.app import App
from notifier.cli.options import Session, on_option, pass_session
from notifier.errors import ConfigError
from notifier.processes import in_processes
from notifier.run import offer_due
from notifier.scheduler import Scheduler
from notifier.worker import (
    QUEUES,
    THREADS,
    Queue,
    delivering,
    embedded_broker,
    ping,
    redis_broker,
    run_worker,
    until_stopped,
    working,
)


@click.command("worker")
@click.option("--queue", "queues", multiple=True, type=click.Choice(QUEUES), help="Take only from this queue.")
@click.option(
    "--threads", type=click.IntRange(1, 64), default=THREADS, show_default=True, help="Batches of a queue at a time."
)
@click.option(
    "--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Workers; one for each core to use."
)
@on_option
@pass_session
def worker(session: Session, queues: tuple[str, ...], threads: int, processes: int, on: date | datetime | None) -> None:
    """Send what the scheduler offers over Redis, until SIGTERM; what is under way is finished first."""
    session.show_log()
    redis_url = session.settings.redis_url
    if redis_url is None:
        raise ConfigError("a worker needs NOTIFIER_REDIS_URL; without Redis, `notifier scheduler` sends by itself")

    def work() -> int:
        app = session.app(on)
        with delivering(app) as deliver:
            queue = Queue(redis_broker(redis_url), deliver)
            run_worker(queue, queues=queues or QUEUES, threads=threads, on_stop=app.stopping.set)
        return 0

    if processes == 1:
        work()
    elif code := in_processes(processes, work):
        raise click.exceptions.Exit(code)


@click.command("scheduler")
@click.option("--once", is_flag=True, help="One tick, then end.")
@on_option
@pass_session
def scheduler(session: Session, once: bool, on: date | datetime | None) -> None:
    """Plan and offer again and again, until SIGTERM. Without Redis it sends by itself, too."""
    session.show_log()
    app = session.app(on)
    with ExitStack() as stack:
        _ = app.planner  # built here: a wrong database or rule ends the process now, not at each tick
        queue = _queue(app, stack)
        parts: dict[str, Callable[[datetime], object]] = {
            "rules": lambda now: app.take_up_rules(),
            "plan": lambda now: app.planner.plan(now=now),
            "receipts": lambda now: app.adopt_orphans(),
            "batches": lambda now: app.close_empty_batches(),
            "months": lambda now: app.prepare_months(),
        }
        sending = app.settings.sending
        ticking = Scheduler(parts, clock=app.clock, every=sending.tick)
        # Apart from planning, which may take minutes: what is due or was given back must not wait for it.
        relaying = Scheduler(
            {"relay": lambda now: offer_due(app, queue.offer, now=now, room=queue.room, per_minute=sending.per_minute)},
            clock=app.clock,
            every=sending.relay,
        )
        if once:
            went_well = all([ticking.tick(), relaying.tick()])
            queue.join()
            if not went_well:
                raise click.exceptions.Exit(1)
            return
        stop = stack.enter_context(until_stopped(for_good=True))
        relay = Thread(target=relaying.run, args=(stop,), name="relay")
        relay.start()
        try:
            ticking.run(stop)
        finally:
            stop.set()
            app.stopping.set()
            relay.join()


def _queue(app: App, stack: ExitStack) -> Queue:
    """The queue over Redis; without Redis one in this process, with a worker of its own."""
    redis_url = app.settings.redis_url
    if redis_url is not None:
        broker = redis_broker(redis_url)
        ping(broker)
        return Queue(broker, _never)
    queue = Queue(embedded_broker(), stack.enter_context(delivering(app)))
    stack.enter_context(working(queue))
    return queue


def _never(ids: object) -> None:
    raise AssertionError("a scheduler only offers")


@click.command("web")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port to listen on.")
@pass_session
def web(session: Session, host: str, port: int) -> None:
    """Take receipts, replies and opt-outs from outside, until SIGTERM."""
    # Imported here: a worker need not carry the web server.
    from notifier.web.app import Needs, serve
    from notifier.web.optout import load_words

    session.show_log()
    app = session.app()
    needs = Needs(
        engine=app.ready_engine,
        clock=app.clock,
        words=load_words(),
        signing_key=app.settings.signing_key.reveal().encode(),
        auth_token=app.settings.twilio.auth_token.reveal(),
        public_url=app.settings.public_url,
    )
    serve(needs, host=host, port=port)
