"""Messages know how grave they are, when they are due and which alert they are about; alerts are followed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

MOMENT = sa.String(27)


def upgrade() -> None:
    """Add the columns, with the values of a message from before, and create the table."""
    for column in (
        sa.Column("severity", sa.String(16), nullable=False, server_default="low"),
        sa.Column("entity", sa.Text, nullable=False, server_default=""),
        sa.Column("alert", sa.String(16), nullable=False, server_default=""),
        sa.Column("action", sa.String(16), nullable=False, server_default="notice"),
        sa.Column("link", sa.Text, nullable=False, server_default=""),
        sa.Column("files", sa.JSON, nullable=False, server_default="[]"),
        sa.Column("due", MOMENT),
        sa.Column("collected", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("ended", sa.Text, nullable=False, server_default=""),
    ):
        op.add_column("messages", column)
    op.create_index("ix_messages_alert", "messages", ["alert"])
    op.create_table(
        "followed_alerts",
        sa.Column("pipeline", sa.String(64), primary_key=True),
        sa.Column("alert", sa.String(16), primary_key=True),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("begun", MOMENT),
        sa.Column("touched", MOMENT, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("changes", sa.Integer, nullable=False),
    )
