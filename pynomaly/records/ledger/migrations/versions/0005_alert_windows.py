"""Alerts of a span of windows are found without reading all that there ever were."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the index of the windows of alert events."""
    op.create_index("ix_alert_events_window", "alert_events", ["window"])
