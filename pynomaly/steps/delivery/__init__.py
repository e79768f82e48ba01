"""Hand what is written down (scores, alerts, decisions) over to the sinks of a pipeline.

Called by `operations`, `reporting`, `streaming`, `flows`, `console.live` and `tasks`. May import `notices`,
`alerting`, the modules of `steps` and the wings below `steps`.
"""
