"""Alembic's migrations, one file a revision in versions/. draas.store.sql_migrate runs them."""
