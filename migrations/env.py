"""Alembic's environment: the connection is handed in by the run store; there is no other way in."""

from __future__ import annotations

from alembic import context

from optionwriter.adapters.store.runs.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters no column in place
)
with context.begin_transaction():
    context.run_migrations()
