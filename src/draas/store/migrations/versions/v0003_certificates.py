"""The table of certificates."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make it."""
    op.create_table(
        "certificates",
        sa.Column("host", sa.String, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
