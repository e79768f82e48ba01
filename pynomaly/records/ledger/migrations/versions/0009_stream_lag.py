"""A part of a stream knows how many messages wait in it, and when that was asked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the columns; nothing is known of them yet."""
    op.add_column("stream_positions", sa.Column("lag", sa.BigInteger))
    op.add_column("stream_positions", sa.Column("measured", sa.String(27)))
