"""Monitoring: one verdict on each window, and a drill that tries the alarm.

Called by `operations`, `replay`, `reporting`, `flows`, `console.pages` and `tasks`. May import `notices`,
`alerting`, `training`, `promotion`, the modules of `steps` and the wings below `steps`.
"""
