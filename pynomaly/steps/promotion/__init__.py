"""Promotion: change the champion on evidence, ask a person, watch the first windows, take a change back.

Called by `scoring`, `monitoring`, `reporting`, `tasks` and `flows`. Imports `training` and `alerting`.
"""
