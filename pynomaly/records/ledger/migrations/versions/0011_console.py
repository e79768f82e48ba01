"""What the console reads and keeps: states of alerts, tokens of its clients, requests that were answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Create the tables and indexes; the states are filled from events when the ledger is opened."""
    op.create_table(
        "alert_states",
        sa.Column("pipeline", sa.String(64), primary_key=True),
        sa.Column("alert", sa.String(16), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("newest", sa.String(27), nullable=False),
        sa.Column("entity", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("quiet", sa.Integer, nullable=False),
        sa.Column("assignee", sa.String(200), nullable=False),
        sa.Column("muted_until", sa.String(27)),
        sa.Column("changed", sa.Integer, nullable=False, index=True),
        sa.Column("content", sa.JSON, nullable=False),
    )
    op.create_index(
        "ix_alert_states_inbox",
        "alert_states",
        ["state", "severity", sa.text("newest DESC"), "pipeline", "alert", "quiet", "entity", "cause"],
    )
    op.create_index("ix_decisions_kind", "decisions", ["pipeline", "kind", "seq"])
    op.create_table(
        "access_tokens",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("pipelines", sa.JSON, nullable=False),
        sa.Column("created", sa.String(27), nullable=False),
        sa.Column("expires", sa.String(27), nullable=False),
        sa.Column("revoked", sa.String(27)),
        sa.Column("used", sa.String(27)),
    )
    op.create_table(
        "answered_requests",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.String(27), nullable=False, index=True),
    )
