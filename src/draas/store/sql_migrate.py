"""Migrations of the database, run in one transaction by Alembic where there is something to do."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from draas.store.sql_schema import REVISION
from draas.store.store import StoreFailure

SCRIPTS = Path(__file__).parent / "migrations"


def migrate(connection: Connection) -> None:
    """Bring the database to REVISION, inside the transaction that is open. Raises StoreFailure if it is from a newer version."""
    found = revision_of(connection)
    if found != REVISION:
        _run_alembic(connection, found)


def revision_of(connection: Connection) -> str | None:
    """The revision that the database says it has; None for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return str(found) if found is not None else None


def _run_alembic(connection: Connection, found: str | None) -> None:
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
    command.upgrade(config, REVISION)
