"""One file a change of the ledger's tables, in the order of their numbers; read by Alembic."""
