"""The log of events stands without a foreign key: checking it cost more than writing the row.

Every event is written in the transaction that writes or locks its notification, and only `retain` deletes either.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema forward."""
    with op.batch_alter_table("event") as table:
        table.drop_constraint("fk_event_notification_id", type_="foreignkey")
