"""Reporting: what the records say, as pages, tables, messages and reasons for one row.

Called by `tasks` and `flows`. Reads records, and changes none but the outbox. Imports the rooms below it.
"""
