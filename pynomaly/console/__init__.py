"""The console: what waits for people, as pages and as an API over the same reads and actions.

Called by `flows.cli`. May import `steps`, `serving` and the wings below them.
"""
