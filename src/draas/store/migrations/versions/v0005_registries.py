"""The table of logins to registries."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make it."""
    op.create_table(
        "registries",
        sa.Column("project", sa.String, primary_key=True),
        sa.Column("host", sa.String, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
