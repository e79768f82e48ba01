"""``pynomaly demo``: the life cycle of pipelines on the bundled fleet, step by step, shown as it happens.

Called by `cli`. May import `machine`, `display`, the modules of `flows` and the wings below `flows`.
"""
