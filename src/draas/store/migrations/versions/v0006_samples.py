"""The table of what was measured of nodes and apps."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make it."""
    op.create_table(
        "samples",
        sa.Column("step_s", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", Number, primary_key=True, autoincrement=False),
        sa.Column("series", sa.String, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
