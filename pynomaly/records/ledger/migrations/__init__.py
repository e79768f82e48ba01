"""Migrations of the ledger's tables from older versions of Pynomaly: one numbered Alembic file per change.

Migrations run when a ledger is new or older than :data:`HEAD`; Alembic is not imported for a ledger
that is up to date. To change a table: change it in ``tables.py``, add ``versions/NNNN_what.py`` and increase
:data:`HEAD`. Each file names its columns itself and imports no table, so that its effect never changes; a
test compares the result of all of them with the tables in ``tables.py``.

Called by `ledger` and `steps.operations`. May import what `records.ledger` may import.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

__all__ = ["HEAD", "VERSION_TABLE", "upgrade_tables"]

HEAD = "0014"
"""Revision of the current tables: the newest file in ``versions/``. Revisions sort as text."""

VERSION_TABLE = "ledger_version"
"""Not Alembic's default name, because MLflow and Prefect may use that in the same database."""


def upgrade_tables(connection: Connection, to: str = HEAD) -> None:
    """Migrate the ledger of `connection` to revision `to`, inside the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    settings = Config(attributes={"connection": connection})
    settings.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    command.upgrade(settings, to)
