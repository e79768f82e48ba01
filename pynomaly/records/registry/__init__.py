"""The registry: runs, model versions and aliases in MLflow.

Only this package and :mod:`pynomaly.model.serving` use mlflow, which is imported when a registry is opened.
Each pipeline has one experiment (``pynomaly/<name>``) and one registered model (``<name>``). An alias points
to the version in production; the history of the alias is in the ledger.

Called by `flows.machine`, `flows.demo`, `flows.cli`, `console`, `tasks`, `serving` and `steps`. May import
`databases`, the modules of `records` and the wings below `records`.
"""

from pynomaly.records.registry.traces import AlertAssessment, Traces
from pynomaly.records.registry.versions import ModelRef, Registry

__all__ = ["AlertAssessment", "ModelRef", "Registry", "Traces"]
