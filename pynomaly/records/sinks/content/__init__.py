"""What is handed over: columns and their types, plain cells, CloudEvents.

Called by `sinks` and `steps.delivery`. May import what `records.sinks` may import.
"""
