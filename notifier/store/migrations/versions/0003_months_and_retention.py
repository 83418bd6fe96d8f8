"""Receipts and events by month on PostgreSQL; what remains of notifications whose time is over."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from notifier.store.types import Id, Instant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

#: Table -> the instant it is divided by, and its indexes.
DIVIDED = {
    "event": ("at", {"ix_event_notification_id": "notification_id"}),
    "receipt": ("received_at", {"ix_receipt_delivery_id": "delivery_id", "ix_receipt_reference": "reference"}),
}
#: An empty database: its first partition by month may be any.
NOTHING_YET = datetime(2000, 1, 1, tzinfo=UTC)


def upgrade() -> None:
    """Bring the schema forward."""
    op.create_table(
        "past_notification",
        sa.Column("id", Id, nullable=False),
        sa.Column("rule", sa.String(length=128), nullable=False),
        sa.Column("step", sa.String(length=128), nullable=False),
        sa.Column("rule_digest", sa.String(length=64), nullable=False),
        sa.Column("subject_kind", sa.String(length=8), nullable=False),
        sa.Column("office_id", Id, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("moment", Instant(), nullable=False),
        sa.Column("told_at", Instant(), nullable=True),
        sa.Column("settled_at", Instant(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_past_notification_office_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_past_notification")),
    )
    if op.get_bind().dialect.name == "postgresql":
        for table, (column, indexes) in DIVIDED.items():
            _divide(table, column, indexes)


def _divide(table: str, column: str, indexes: dict[str, str]) -> None:
    """The table as it is becomes the partition of everything up to the end of its newest month; nothing is copied."""
    before = f"{table}_before"
    op.execute(f"ALTER TABLE {table} RENAME TO {before}")
    op.execute(f"ALTER TABLE {before} DROP CONSTRAINT pk_{table}")
    op.execute(f"ALTER TABLE {before} ADD CONSTRAINT {before}_pkey PRIMARY KEY (id, {column})")
    for name in indexes:
        op.execute(f"ALTER INDEX {name} RENAME TO {before}_{name.removeprefix(f'ix_{table}_')}_idx")
    op.execute(f"CREATE TABLE {table} (LIKE {before} INCLUDING DEFAULTS) PARTITION BY RANGE ({column})")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY (id, {column})")
    op.execute(f"ALTER SEQUENCE {table}_id_seq OWNED BY {table}.id")
    for name, indexed in indexes.items():
        op.execute(f"CREATE INDEX {name} ON {table} ({indexed})")
    if table == "event":
        op.execute(
            "ALTER TABLE event ADD CONSTRAINT fk_event_notification_id "
            "FOREIGN KEY (notification_id) REFERENCES notification (id)"
        )
    rows = sa.table(before, sa.column(column, Instant()))
    newest = op.get_bind().execute(sa.select(sa.func.max(rows.c[column]))).scalar() or NOTHING_YET
    year, month = newest.year + newest.month // 12, newest.month % 12 + 1
    op.execute(
        f"ALTER TABLE {table} ATTACH PARTITION {before} FOR VALUES FROM (MINVALUE) TO ('{year}-{month:02}-01 00:00+00')"
    )
    op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
