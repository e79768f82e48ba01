"""Who may come in: access tokens, people who are signed in, and whose hand wrote a line.

Called by `ledger`. May import what `records.ledger` may import.
"""
