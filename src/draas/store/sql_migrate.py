"""Migrations of the database, run in one transaction by Alembic where there is something to do. A new one is made as it is to be."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from draas.store.sql_schema import REVISION, controller, metadata
from draas.store.store import StoreFailure

FIRST_COUNTS = {"id": 1, "epoch": 0, "last_event": 0, "last_seq": 0}
VERSION_TABLE = """CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)"""  # Alembic's own
SCRIPTS = Path(__file__).parent / "migrations"


def migrate(connection: Connection) -> None:
    """Bring the database to REVISION, inside the transaction that is open. Raises StoreFailure if it is from a newer version."""
    if not inspect(connection).get_table_names():
        _make(connection)
    elif (found := revision_of(connection)) != REVISION:
        run_alembic(connection, found)


def _make(connection: Connection) -> None:
    """What all migrations together make, without Alembic: its import takes half a second and 12 MB."""
    metadata.create_all(connection)
    connection.execute(controller.insert().values(FIRST_COUNTS))
    connection.execute(text(VERSION_TABLE))
    connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": REVISION})


def revision_of(connection: Connection) -> str | None:
    """The revision that the database says it has; None for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return str(found) if found is not None else None


def run_alembic(connection: Connection, found: str | None, upto: str = REVISION) -> None:
    """Run the migrations that follow revision `found`, up to `upto`.

    Raises StoreFailure where this version does not know `found`.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StoreFailure(
            f"the database has schema {found}, this version knows up to {REVISION}: a newer draas wrote it, use that version"
        )
    command.upgrade(config, upto)
