"""Deliveries: what of scores, alerts and decisions each sink has received."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table; its rows change as deliveries go on."""
    op.create_table(
        "deliveries",
        sa.Column("pipeline", sa.String(64), primary_key=True),
        sa.Column("sink", sa.String(64), primary_key=True),
        sa.Column("what", sa.String(16), primary_key=True),
        sa.Column("subject", sa.String(300), primary_key=True),
        sa.Column("content", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("dead", sa.Text, nullable=False),
        sa.Column("begun", sa.String(27), nullable=False),
        sa.Column("failing_since", sa.String(27)),
        sa.Column("retry_at", sa.String(27)),
        sa.Column("delivered", sa.String(27)),
    )
