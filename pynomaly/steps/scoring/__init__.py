"""Scoring: which windows are due, and one partition of scores for each; a file or a large table on request.

A new champion's first windows are watched while they are scored.

Called by `reporting`, `streaming`, `flows` and `tasks`. May import `notices`, `alerting`, `training`,
`promotion`, the modules of `steps` and the wings below `steps`.
"""
