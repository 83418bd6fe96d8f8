"""Celery as one writes it: a task for each notification, smtplib with a connection for each mail."""

import smtplib
import sys

from celery import Celery
from driving import drive, setting
from redis import Redis
from texts import mail, row

app = Celery("celery_mail", broker=setting("REDIS_URL"))
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True


@app.task
def deliver(notice):
    with smtplib.SMTP("127.0.0.1", int(setting("SMTP_PORT"))) as smtp:
        smtp.send_message(mail(notice))


def enqueue(count):
    for place in range(count):
        deliver.delay(row(place))


if __name__ == "__main__":
    redis = Redis.from_url(setting("REDIS_URL"))
    command = [sys.executable, "-m", "celery", "-A", "celery_mail", "worker", "-P", "prefork", "-c", "2", "-l", "ERROR"]
    drive(enqueue, lambda count: not redis.llen("celery") and not redis.hlen("unacked"), [command])
