"""The table of the project one would write around dramatiq: what is to be told, and whether it was."""

import psycopg
from driving import setting
from texts import row

COLUMNS = ("name", "number", "document", "expiry", "office", "email", "phone")


def connect():
    return psycopg.connect(setting("DATABASE_URL"))


def prepare(count):
    """Empty the table and write `count` notices, with the ids 1 to `count`."""
    with connect() as connection:
        columns = ", ".join(f"{name} text NOT NULL" for name in COLUMNS)
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS notice (id bigserial PRIMARY KEY, {columns}, "
            "state text NOT NULL DEFAULT 'due', reference text, sent_at timestamptz)"
        )
        connection.execute("CREATE INDEX IF NOT EXISTS ix_notice_state ON notice (state)")
        connection.execute("TRUNCATE notice RESTART IDENTITY")
        with connection.cursor().copy(f"COPY notice ({', '.join(COLUMNS)}) FROM STDIN") as copy:
            for place in range(count):
                notice = row(place)
                copy.write_row([notice[name] for name in COLUMNS])
    with psycopg.connect(setting("DATABASE_URL"), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE notice")


def read(connection, notice_id):
    cursor = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM notice WHERE id = %s", (notice_id,))
    return dict(zip(COLUMNS, cursor.fetchone(), strict=True))


def mark_sent(connection, notice_id, reference):
    connection.execute(
        "UPDATE notice SET state = 'sent', reference = %s, sent_at = now() WHERE id = %s", (reference, notice_id)
    )
    connection.commit()


class Finished:
    """Whether all are sent; asks the database on one connection."""

    def __init__(self):
        self.connection = psycopg.connect(setting("DATABASE_URL"), autocommit=True)

    def __call__(self, count):
        return self.connection.execute("SELECT count(*) FROM notice WHERE state = 'sent'").fetchone()[0] >= count
