"""From raw scores to p-values, and from p-values to alerts.

Called by `model.fitting`, `model.bundle` and `judging`. Imports nothing else of `model`.
"""
