"""What is on its way: deliveries to sinks, what people were told of alerts, and what a stream brought.

Called by `ledger` and `steps.delivery`. May import what `records.ledger` may import.
"""
