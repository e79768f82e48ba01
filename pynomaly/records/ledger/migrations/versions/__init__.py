"""One file a change of the ledger's tables, in the order of their numbers; read by Alembic.

Called by no other package. May import what `records.ledger` may import.
"""
