"""The tables, in SQLAlchemy Core and portable. docs/internals/store.md says why they are so; a change is a migration."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, MetaData, String, Table

REVISION = "0006"  # the newest migration: a database that has it needs no Alembic, whose import takes half a second
Number = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER makes SQLite's rowid the key

metadata = MetaData()

# One row: `epoch` fences off earlier controllers, the others survive the deletion of what bore the number.
controller = Table(
    "controller",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Number, nullable=False),
    Column("last_event", Number, nullable=False),
    Column("last_seq", Number, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("seq", Number, primary_key=True, autoincrement=False),
    Column("id", String, nullable=False, unique=True),
    Column("project", String, nullable=False),
    Column("name", String, nullable=False),
    Column("state", String, nullable=False),
    Column("settled_at", Double),  # when it finished; null as long as it is live
    Column("body", LargeBinary, nullable=False),
    Column("kind", String, nullable=False, server_default="job"),
    Index("ix_jobs_state", "state", "seq", "project", "kind"),
    Index("ix_jobs_project", "project", "seq", "kind"),
    Index("ix_jobs_name", "name", "seq", "kind"),
    Index("ix_jobs_kind", "kind", "seq"),
    Index("ix_jobs_settled", "settled_at", "seq"),
)

job_specs = Table(
    "job_specs",
    metadata,
    Column("seq", Number, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

job_labels = Table(
    "job_labels",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, primary_key=True),
    Column("seq", Number, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# Two rows an attempt: one with the node's id, one with its name.
job_nodes = Table(
    "job_nodes",
    metadata,
    Column("node", String, primary_key=True),
    Column("seq", Number, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

nodes = Table(
    "nodes",
    metadata,
    Column("id", String, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

apps = Table(
    "apps",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("project", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# `body` holds the private key sealed (draas.lib.sealing); the key to it is a file beside the database.
certificates = Table(
    "certificates",
    metadata,
    Column("host", String, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

# As with certificates, the password in `body` is sealed.
registries = Table(
    "registries",
    metadata,
    Column("project", String, primary_key=True),
    Column("host", String, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("project", String, nullable=False),
    Column("detail", LargeBinary, nullable=False),
    Index("ix_events_project", "project", "number"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("digest", String, nullable=False),
    Column("role", String, nullable=False),
    Column("name", String, nullable=False),
    Column("project", String),
    Column("node_id", String),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
)

tokens = Table(
    "tokens",
    metadata,
    Column("digest", String, primary_key=True),
    Column("expires_at", Double, nullable=False),
)

answers = Table(
    "answers",
    metadata,
    Column("key", String, primary_key=True),
    Column("digest", String, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at", Double, nullable=False),
    Index("ix_answers_at", "at"),
)

# What was measured of nodes and apps, in the order of time in which it comes and goes: written at the end, deleted at the beginning.
samples = Table(
    "samples",
    metadata,
    Column("step_s", Integer, primary_key=True, autoincrement=False),
    Column("at", Number, primary_key=True, autoincrement=False),
    Column("series", String, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

JOB_COLUMNS = (
    jobs.c.id,
    jobs.c.project,
    jobs.c.seq,
    jobs.c.state,
    jobs.c.body,
    job_specs.c.body,
)  # stored.decode_job's
