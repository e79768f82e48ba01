"""Events of alerts with their current states, labels of rows, and audits, in the ledger's database.

Called by `ledger`. May import what `records.ledger` may import.
"""
