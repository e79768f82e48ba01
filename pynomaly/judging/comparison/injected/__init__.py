"""Anomalies that only their context gives away: the hour, the entity or the rows before.

Drawn beside the kinds of :mod:`~pynomaly.judging.comparison.injection` where the data show that the context
counts; rows that do not depend on it never get them.

Called by `comparison`, `steps.training` and `steps.monitoring`. May import what `judging.comparison` may
import.
"""
