"""Reporting: what the records say, as pages, tables, messages and reasons for one row.

Reads records, and changes none but the outbox.

Called by `flows.cli` and `tasks`. May import `notices`, `alerting`, `training`, `promotion`, `delivery`,
`scoring`, `monitoring`, the modules of `steps` and the wings below `steps`.
"""
