"""Messages of one incident name it, so that the end of a silence closes what its begin opened."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column."""
    op.add_column("messages", sa.Column("incident", sa.String(300), nullable=False, server_default=""))
