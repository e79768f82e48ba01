"""The registry: runs, model versions and aliases in MLflow.

With :mod:`pynomaly.model.serving`, the only door to mlflow, which is imported when a registry is opened.
One experiment a pipeline (``pynomaly/<name>``), one registered model a pipeline (``<name>``). What is in
production is an alias; its history is the ledger's.
"""

from pynomaly.records.registry.traces import Assessed, Traces
from pynomaly.records.registry.versions import ModelRef, Registry

__all__ = ["Assessed", "ModelRef", "Registry", "Traces"]
