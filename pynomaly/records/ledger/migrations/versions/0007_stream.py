"""The live path: how far a stream was read, the rows of windows that are still open, its dead letters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the tables; entries leave when their window closes."""
    op.create_table(
        "stream_positions",
        sa.Column("pipeline", sa.String(64), primary_key=True),
        sa.Column("part", sa.String(200), primary_key=True),
        sa.Column("offset", sa.BigInteger),
        sa.Column("newest", sa.String(27)),
        sa.Column("at", sa.String(27), nullable=False),
    )
    op.create_table(
        "stream_entries",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("pipeline", sa.String(64), nullable=False, index=True),
        sa.Column("window", sa.String(64), nullable=False, index=True),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("alerts", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "stream_letters",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("key", sa.String(300), nullable=False, unique=True),
        sa.Column("pipeline", sa.String(64), nullable=False, index=True),
        sa.Column("part", sa.String(200), nullable=False),
        sa.Column("offset", sa.BigInteger),
        sa.Column("rule", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("published", sa.String(27)),
        sqlite_autoincrement=True,
    )
