"""Messages that wait for somebody, and when each kind of work last ended well."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MOMENT = sa.String(27)


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "messages",
        sa.Column("key", sa.String(300), primary_key=True),
        sa.Column("target", sa.String(64), primary_key=True),
        sa.Column("pipeline", sa.String(64), nullable=False, index=True),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("delivered", MOMENT),
    )
    op.create_table(
        "beats",
        sa.Column("pipeline", sa.String(64), primary_key=True),
        sa.Column("work", sa.String(64), primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
    )
