"""What is on its way: deliveries to sinks, and what a stream brought.

Called by `ledger` and `steps.delivery`. May import what `records.ledger` may import.
"""
