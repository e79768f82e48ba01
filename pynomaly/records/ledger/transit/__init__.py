"""How far rows have come that pass through: what each sink has received.

Called by `ledger` and `steps.delivery`. May import what `records.ledger` may import.
"""
