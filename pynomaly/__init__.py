"""Pynomaly: the governed life cycle of anomaly detectors that have no labels.

The library is complete without an orchestrator: every step of the life cycle is a plain function
in :mod:`pynomaly.steps`, which ``tasks/`` decorates for Prefect and ``flows/`` wires together.

Packages; each imports those to its right alone::

    steps, serving -> records -> judging -> model -> detectors, data -> config -> errors

Data flows one way: frame, report, model, scores, verdict, decision, record. Scores are float64, and a
higher score means more anomalous; times are aware and in UTC; windows are half-open, ``[start, end)``.
"""

__version__ = "0.1.0"
