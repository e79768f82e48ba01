"""Alerts: scored rows become alerts once, people answer them, answers become labels.

Called by `training` (labels that answers gave), `reporting`, `operations`, `tasks` and `flows`. Imports no
other room of `steps`.
"""
