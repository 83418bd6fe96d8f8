"""procrastinate as one writes it: PostgreSQL is the queue, a job for each notification, smtplib for each mail."""

import smtplib
import sys

import psycopg
from driving import drive, setting
from procrastinate import App, PsycopgConnector
from texts import mail, row

app = App(connector=PsycopgConnector(conninfo=setting("DATABASE_URL")))


@app.task(name="deliver")
def deliver(notice):
    with smtplib.SMTP("127.0.0.1", int(setting("SMTP_PORT"))) as smtp:
        smtp.send_message(mail(notice))


if __name__ == "__main__":
    with psycopg.connect(setting("DATABASE_URL"), autocommit=True) as fresh:
        fresh.execute("DROP SCHEMA public CASCADE")
        fresh.execute("CREATE SCHEMA public")
    app.open()
    app.schema_manager.apply_schema()
    watching = psycopg.connect(setting("DATABASE_URL"), autocommit=True)

    def enqueue(count):
        deliver.batch_defer(*({"notice": row(place)} for place in range(count)))

    def finished(count):
        done = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
        return watching.execute(done).fetchone()[0] >= count

    command = [sys.executable, "-m", "procrastinate", "--app", "procrastinate_mail.app", "worker", "-c", "10"]
    drive(enqueue, finished, [command], lambda count: watching.execute("DELETE FROM procrastinate_jobs"))
