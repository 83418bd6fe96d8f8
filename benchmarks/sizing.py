"""How large a database grows: bytes of each table and its indexes for a row, measured on the real tables.

A register is filled, planned and sent, every message gets its receipt; then PostgreSQL is asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Engine, text

from benchmarks import Bench, Figure, ours, register, servers
from benchmarks.register import NOON
from notifier.model import Channel, DeliveryId, DeliveryState, Receipt
from notifier.receipts import record
from notifier.store.engine import open_engine, writing

TABLES = (
    "party", "contact", "permit", "application", "role", "seen", "stay", "notification", "delivery", "event", "receipt",
)  # fmt: skip
#: What Twilio says of a message: the fields of its status callback.
FORM = {
    "ApiVersion": "2010-04-01",
    "AccountSid": "AC" + "0" * 32,
    "From": "IMIGRASI",
    "MessageStatus": "delivered",
    "SmsStatus": "delivered",
}

#: The text of a message is kept with its delivery for 90 days (`notifier retain`), and counted by itself.
TEXT = "text of a delivery"
#: Rows that one document has in the register, and rows that it adds in a year: assumptions, to be put right for an
#: office by counting. A document is told of 1.5 times a year, over 1.2 channels each; every fourth has a case a year.
REGISTER: Mapping[str, float] = {"party": 0.9, "contact": 2.0, "permit": 1.0, "role": 0.6, "seen": 2.2}
A_YEAR: Mapping[str, float] = {
    "application": 0.25, "stay": 1.0, "seen": 1.2, "notification": 1.5, "delivery": 1.8, "event": 4.5, "receipt": 2.7,
    TEXT: 1.8 * 90 / 365,
}  # fmt: skip
GB = 1_000_000_000


def table(measured: Sequence[Figure], documents: Sequence[int]) -> str:
    """Bytes of a row and what that makes of so many documents, in Markdown."""
    sizes = {figure.name.removeprefix("size."): figure.value for figure in measured}
    heads = "".join(f" {count // 1_000_000:,} M documents |" for count in documents)
    lines = [
        f"| table | bytes of a row | of its indexes | rows of a document |{heads}",
        "|---" * (4 + len(documents)) + "|",
    ]
    for title, shares in (("the register", REGISTER), ("added in a year", A_YEAR)):
        sums = [0.0] * len(documents)
        for name, share in shares.items():
            if f"{name}.table" not in sizes:
                continue
            row, index = sizes[f"{name}.table"], sizes.get(f"{name}.indexes", 0.0)
            whole = [count * share * (row + index) / GB for count in documents]
            sums = [one + more for one, more in zip(sums, whole, strict=True)]
            cells = "".join(f" {one:,.0f} GB |" for one in whole)
            shown = name if name == TEXT else f"`{name}`"
            lines.append(f"| {shown} | {row:,.0f} | {index:,.0f} | {share:.3g} |{cells}")
        lines.append(f"| **{title}** | | | |" + "".join(f" **{one:,.0f} GB** |" for one in sums))
    return "\n".join(lines)


def figures(bench: Bench) -> list[Figure]:
    """Bytes for a row of each table, and of its indexes."""
    with servers.smtp_sink() as sink, servers.postgres() as server:
        told = ours.by_mail(sink)
        url = servers.database(server, "sizes")
        with ours.sending(bench, url, Channel.EMAIL, told, redis=None) as sample:
            sample()
        engine = open_engine(url)
        _receive(engine)
        register.analyse(engine, TABLES)
        loose = _of(engine, "notification")[0]
        _tighten(engine)
        found = [figure for name in TABLES for figure in _of(engine, name)]
        with engine.connect() as connection:
            own = "SELECT avg(pg_column_size(message)) FROM delivery"
            shared = "SELECT pg_table_size('letter')::float / count(*) FROM delivery"
            text_ = sum(float(connection.execute(text(one)).scalar() or 0) for one in (own, shared))
        engine.dispose()
    found.append(Figure("size.notification.loose", loose.value, "B", "less", loose.value, loose.value, 1))
    found.append(Figure(f"size.{TEXT}.table", text_, "B", "less", text_, text_, 1))
    return [_without_text(figure, text_) for figure in found]


def _without_text(figure: Figure, text_: float) -> Figure:
    if figure.name != "size.delivery.table":
        return figure
    return replace(figure, value=figure.value - text_, lo=figure.lo - text_, hi=figure.hi - text_)


def _tighten(engine: Engine) -> None:
    """Without the room that updates have left behind: what it comes to where vacuum keeps up."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in TABLES:
            connection.execute(text(f"VACUUM FULL {name}"))


def _receive(engine: Engine) -> None:
    """A receipt for each delivery, as Twilio's callbacks leave it."""
    with engine.connect() as connection:
        ids = list(connection.execute(text("SELECT id FROM delivery ORDER BY id")).scalars())
    for start in range(0, len(ids), 500):
        receipts = [
            Receipt(
                "twilio", DeliveryState.DELIVERED,
                FORM | {"MessageSid": f"SM{number:032x}", "SmsSid": f"SM{number:032x}", "To": f"+62812{number:08d}"},
                delivery_id=DeliveryId(number), reference=f"SM{number:032x}",
            )
            for number in ids[start : start + 500]
        ]  # fmt: skip
        with writing(engine) as connection:
            record(connection, receipts, now=NOON + timedelta(minutes=5))


def _of(engine: Engine, name: str) -> list[Figure]:
    """Its partitions count with it."""
    parts = f"SELECT relid FROM pg_partition_tree('{name}') UNION SELECT '{name}'::regclass"
    with engine.connect() as connection:
        sizes = connection.exec_driver_sql(
            f"SELECT sum(pg_table_size(relid)), sum(pg_indexes_size(relid)) FROM ({parts}) AS part"
        ).one()
        rows = int(connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar() or 0)
    if not rows:
        return []
    values = {"table": float(sizes[0]) / rows, "indexes": float(sizes[1]) / rows}
    return [Figure(f"size.{name}.{kind}", value, "B", "less", value, value, 1) for kind, value in values.items()]
