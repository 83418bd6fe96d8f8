"""Callbacks as they came, a group in one row, until they have become receipts."""

import sqlalchemy as sa
from alembic import op

from notifier.store.types import Id, Instant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema forward."""
    op.create_table(
        "callback",
        sa.Column("id", Id, nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("forms", sa.Text(), nullable=False),
        sa.Column("set_aside", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callback")),
    )
    if op.get_bind().dialect.name == "postgresql":
        # A row lives for a second: packing it would cost more than the space it takes.
        op.execute("ALTER TABLE callback ALTER COLUMN forms SET STORAGE EXTERNAL")
