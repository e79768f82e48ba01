"""Monitoring: one verdict on each window, and a drill that tries the alarm.

Called by `operations`, `replay`, `tasks` and `flows`. Imports `promotion`, `training` and `alerting`.
"""
