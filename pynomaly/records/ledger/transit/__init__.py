"""What is on its way: deliveries to sinks, and what a stream brought.

Called by `ledger`. May import what `records.ledger` may import.
"""
