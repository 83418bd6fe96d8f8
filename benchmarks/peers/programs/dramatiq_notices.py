"""dramatiq as one writes it: a message for each notification. SELECT, render, a new client, UPDATE, commit."""

import logging
import os
import smtplib
import sys
import threading

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from driving import drive, setting
from notices import Finished, connect, mark_sent, prepare, read
from texts import mail, sms
from twilio.rest import Client

logging.getLogger("twilio").setLevel(logging.WARNING)  # dramatiq shows INFO, and a request is many lines of it
dramatiq.set_broker(RedisBroker(url=setting("REDIS_URL")))
local = threading.local()  # a connection to the database is kept for each thread, as a framework's pool would


def database():
    if not hasattr(local, "connection"):
        local.connection = connect()
    return local.connection


@dramatiq.actor
def deliver_mail(notice_id):
    notice = read(database(), notice_id)
    message = mail(notice)
    with smtplib.SMTP("127.0.0.1", int(setting("SMTP_PORT"))) as smtp:
        smtp.send_message(message)
    mark_sent(database(), notice_id, message["Message-ID"])


@dramatiq.actor
def deliver_sms(notice_id):
    notice = read(database(), notice_id)
    client = Client("AC" + "0" * 32, "token")
    client.api.base_url = f"http://127.0.0.1:{setting('HTTP_PORT')}"
    sent = client.messages.create(to=notice["phone"], from_="IMIGRASI", body=sms.render(notice))
    mark_sent(database(), notice_id, sent.sid)


def enqueue(count):
    actor = deliver_mail if os.environ["BENCH_CHANNEL"] == "mail" else deliver_sms
    for notice_id in range(1, count + 1):
        actor.send(notice_id)


if __name__ == "__main__":
    command = [sys.executable, "-m", "dramatiq", "dramatiq_notices", "--processes", "2", "--threads", "8"]
    drive(enqueue, Finished(), [command], prepare)
