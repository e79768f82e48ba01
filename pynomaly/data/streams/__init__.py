"""Messages become rows: decoded by the column contract, kept by window, with the past of each entity.

Called by `steps.scoring` and `steps.streaming`. May import `places`, `shape`, `relations`, `sources`,
`brokers`, the modules of `data` and the wings below `data`.
"""
