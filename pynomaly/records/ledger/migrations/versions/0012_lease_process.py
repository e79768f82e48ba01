"""A lease names the process that holds it, so that others can know that it has ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the column; of leases that are held now, nothing is known."""
    op.add_column("leases", sa.Column("process", sa.String(100), nullable=False, server_default=""))
