"""Operations: health, reconciliation, retention, metrics, backfill, and the reproduction of a version.

Called by `flows`, `console.queries` and `tasks`. May import `notices`, `alerting`, `training`, `promotion`,
`delivery`, `scoring`, `monitoring`, the modules of `steps` and the wings below `steps`.
"""
