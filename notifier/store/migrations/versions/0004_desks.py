"""The desks of the offices are found without looking at every party."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema forward."""
    is_desk = sa.text("kind = 'desk'")
    op.create_index("ix_party_desk", "party", ["number"], postgresql_where=is_desk, sqlite_where=is_desk)
