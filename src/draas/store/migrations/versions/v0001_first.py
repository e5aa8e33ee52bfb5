"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make them, and the one row of `controller`."""
    controller = op.create_table(
        "controller",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", Number, nullable=False),
        sa.Column("last_event", Number, nullable=False),
        sa.Column("last_seq", Number, nullable=False),
    )
    op.bulk_insert(controller, [{"id": 1, "epoch": 0, "last_event": 0, "last_seq": 0}])
    _jobs()
    op.create_table(
        "nodes",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("number", Number, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("detail", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_events_project", "events", ["project", "number"])
    _access()


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("seq", Number, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("settled_at", sa.Double),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_jobs_state", "jobs", ["state", "seq", "project"])
    op.create_index("ix_jobs_project", "jobs", ["project", "seq"])
    op.create_index("ix_jobs_name", "jobs", ["name", "seq"])
    op.create_index("ix_jobs_settled", "jobs", ["settled_at", "seq"])
    op.create_table(
        "job_specs",
        sa.Column("seq", Number, primary_key=True, autoincrement=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "job_labels",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.String, primary_key=True),
        sa.Column("seq", Number, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "job_nodes",
        sa.Column("node", sa.String, primary_key=True),
        sa.Column("seq", Number, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )


def _access() -> None:
    op.create_table(
        "keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("project", sa.String),
        sa.Column("node_id", sa.String),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
    )
    op.create_table(
        "tokens",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    op.create_table(
        "answers",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_index("ix_answers_at", "answers", ["at"])
