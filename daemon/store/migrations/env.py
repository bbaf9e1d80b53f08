"""Alembic's entry: migrates over the connection that `upgrade` hands in."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
