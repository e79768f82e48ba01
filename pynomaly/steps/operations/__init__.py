"""Operations: health, reconciliation, retention, metrics, backfill, and the reproduction of a version.

Called by `serving`'s exporter through `flows`, by `tasks` and by `flows`. Imports any room below it.
"""
