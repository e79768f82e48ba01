"""Reads of the records for pages and API: pure of HTTP, bounded in rows.

Called by `api`, `graph` and `pages`. May import the modules of `console` and the wings below `console`.
"""
