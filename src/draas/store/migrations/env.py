"""Alembic's entry: runs the migrations on the connection, and in the transaction, that draas.store.sql_migrate has opened."""

from alembic import context

from draas.store.sql_schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
