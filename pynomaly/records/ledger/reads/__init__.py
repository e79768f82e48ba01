"""Reads over many rows of a ledger: all pipelines at once, and the rows that retention removes.

Called by `ledger`. May import what `records.ledger` may import.
"""
