"""What kind of job each is, so that jobs and builds are listed apart."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# As those of the columns that were there, with the kind in them: counting reads no row.
INDEXES = {"state": ["state", "seq", "project"], "project": ["project", "seq"], "name": ["name", "seq"]}


def upgrade() -> None:
    """Add the column: all that is there are jobs."""
    op.add_column("jobs", sa.Column("kind", sa.String, nullable=False, server_default="job"))
    for name, columns in INDEXES.items():
        op.drop_index(f"ix_jobs_{name}", "jobs")
        op.create_index(f"ix_jobs_{name}", "jobs", [*columns, "kind"])
    op.create_index("ix_jobs_kind", "jobs", ["kind", "seq"])
