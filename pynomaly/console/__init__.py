"""The console: what waits for people, as pages and as an API over the same reads and actions.

Called by `flows`. May import `steps`, and the wings below it.
"""
