"""Alembic runs this file for every upgrade, on the caller's connection and the ledger's version table."""

from __future__ import annotations

from alembic import context

from pynomaly.records.ledger.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], target_metadata=None, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
