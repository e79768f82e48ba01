"""Scoring: which windows are due, and one partition of scores for each; a file or a large table on request.

Called by `reporting`, `tasks` and `flows`. Imports `promotion`, because a new champion's first windows are
watched.
"""
