"""Merged messages, daily batches, rule sets and plans."""

import sqlalchemy as sa
from alembic import op

from notifier.store.types import Id, Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema forward."""
    op.create_table(
        "rule_set",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_rule_set")),
    )
    op.create_table(
        "rule_version",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("rule", sa.String(length=128), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_rule_version")),
    )
    op.create_table(
        "daily_batch",
        sa.Column("id", Id, nullable=False),
        sa.Column("rule", sa.String(length=128), nullable=False),
        sa.Column("office_id", Id, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("due", sa.Integer(), nullable=False),
        sa.Column("let_out", sa.Integer(), nullable=False),
        sa.Column("allowed", sa.Integer(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_daily_batch_office_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_daily_batch")),
        sa.UniqueConstraint("rule", "office_id", "day", name=op.f("uq_daily_batch_rule_office_id_day")),
    )
    op.create_table(
        "rule_plan",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("old", sa.String(length=64), nullable=False),
        sa.Column("new", sa.String(length=64), nullable=False),
        sa.Column("starts", sa.Date(), nullable=False),
        sa.Column("ends", sa.Date(), nullable=False),
        sa.Column("envelope", sa.JSON(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("applied_at", Instant(), nullable=True),
        sa.Column("applied_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["new"], ["rule_set.digest"], name=op.f("fk_rule_plan_new")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_rule_plan")),
    )
    with op.batch_alter_table("rule_plan", schema=None) as batch_op:
        batch_op.create_index("ix_rule_plan_applied_at", ["applied_at"], unique=False)

    op.create_table(
        "delivery_member",
        sa.Column("delivery_id", Id, nullable=False),
        sa.Column("notification_id", Id, nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_delivery_member_delivery_id")),
        sa.ForeignKeyConstraint(
            ["notification_id"], ["notification.id"], name=op.f("fk_delivery_member_notification_id")
        ),
        sa.PrimaryKeyConstraint("delivery_id", "notification_id", name=op.f("pk_delivery_member")),
    )
    with op.batch_alter_table("delivery_member", schema=None) as batch_op:
        batch_op.create_index("ix_delivery_member_notification_id", ["notification_id"], unique=False)

    with op.batch_alter_table("party", schema=None) as batch_op:
        batch_op.add_column(sa.Column("household", sa.String(length=128), nullable=True))
        batch_op.create_index("ix_party_household", ["household"], unique=False)
