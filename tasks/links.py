"""Addresses of MLflow's pages, for links in Prefect's artifacts."""

from __future__ import annotations

import os

from pynomaly.config import Pipeline
from pynomaly.records.registry import Registry

__all__ = ["DEFAULT_MLFLOW_PAGES", "build_run_url"]

# Where `pynomaly up` serves MLflow by default; PYNOMALY_MLFLOW_PAGES names another address.
DEFAULT_MLFLOW_PAGES = "http://127.0.0.1:5000"


def build_run_url(pipeline: Pipeline, run_id: str, artifact: str = "") -> str:
    """Returns the URL of a run's page in MLflow, or of one of its artifacts."""
    base = os.environ.get("PYNOMALY_MLFLOW_PAGES", DEFAULT_MLFLOW_PAGES)
    page = Registry.open_for(pipeline).ui_link(run_id, base)
    return f"{page}/artifacts/{artifact}" if artifact else page
