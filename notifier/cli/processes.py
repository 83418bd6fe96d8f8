"""`worker`, `scheduler` and `web`: the processes at scale, and the scheduler alone as the small installation."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, datetime

import click

from notifier.app import App
from notifier.cli.options import Session, on_option, pass_session
from notifier.errors import ConfigError
from notifier.run import offer_due
from notifier.scheduler import Scheduler
from notifier.web.app import Needs, create_app, serve
from notifier.web.optout import load_words
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
@click.option("--threads", type=click.IntRange(1, 64), default=THREADS, show_default=True, help="Batches at a time.")
@on_option
@pass_session
def worker(session: Session, queues: tuple[str, ...], threads: int, on: date | datetime | None) -> None:
    """Send what the scheduler offers over Redis, until SIGTERM; the batch in hand is finished first."""
    session.show_log()
    redis_url = session.settings.redis_url
    if redis_url is None:
        raise ConfigError("a worker needs NOTIFIER_REDIS_URL; without Redis, `notifier scheduler` sends by itself")
    with delivering(session.app(on)) as deliver:
        run_worker(Queue(redis_broker(redis_url), deliver), queues=queues or QUEUES, threads=threads)


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
            "relay": lambda now: offer_due(app, queue.offer, now=now),
            "receipts": lambda now: app.adopt_orphans(),
            "batches": lambda now: app.close_empty_batches(),
            "months": lambda now: app.prepare_months(),
        }
        ticking = Scheduler(parts, clock=app.clock, every=app.settings.sending.tick)
        if once:
            went_well = ticking.tick()
            queue.join()
            if not went_well:
                raise click.exceptions.Exit(1)
            return
        stop = stack.enter_context(until_stopped())
        ticking.run(stop)


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
    serve(create_app(needs), host=host, port=port)
