"""How a ledger written by an older Pynomaly becomes today's: one numbered Alembic file a change.

Called by ``tables.py`` when a ledger is new or older than :data:`HEAD`; one that is up to date never
imports Alembic. To change a table: change it in ``tables.py``, add ``versions/NNNN_what.py`` and raise
:data:`HEAD`. Each file names its columns itself and imports no table, so that what it did stays what it did;
a test compares what all of them build with the tables of today.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

__all__ = ["HEAD", "VERSION_TABLE", "upgrade"]

HEAD = "0003"
"""Revision of today's tables: the newest file in ``versions/``. Revisions sort as text."""

VERSION_TABLE = "ledger_version"
"""Not Alembic's own name: MLflow and Prefect may keep theirs in the same database."""


def upgrade(connection: Connection, to: str = HEAD) -> None:
    """Bring the ledger behind `connection` to revision `to`, inside the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    settings = Config(attributes={"connection": connection})
    settings.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    command.upgrade(settings, to)
