"""The file MLflow loads as the model's code ("models from code"): a bundle behind ``predict``.

MLflow copies this file into the registered model and runs it at load, so no object is pickled. It gives
what :meth:`pynomaly.model.bundle.Bundle.score` gives. ``model_config={"sha256": ...}`` at logging makes
the load refuse a bundle that is not the one logged; the flows do not rely on that, for it lies in the same
place as the bundle: they take the hash from the registry and load the bundle themselves.

Second file of the mlflow door, after ``records/registry``, because MLflow needs a file that names a model at
import. Imported by its own name, as tests and type checkers do, it sets nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from pynomaly.model.bundle import Bundle

__all__ = ["ARTIFACT", "BundleModel"]

ARTIFACT = "bundle"  # key of the bundle's folder in the artifacts of the logged model


class BundleModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow publishes no types
    """A bundle as MLflow's ``python_function``."""

    def load_context(self, context: Any) -> None:
        """Read and verify the bundle, and score its golden rows.

        Raises
        ------
        IntegrityError
            If the bundle is not the one that was logged.
        ModelError
            If this environment scores the golden rows differently.
        """
        recorded = (context.model_config or {}).get("sha256")
        self.bundle = Bundle.load(Path(context.artifacts[ARTIFACT]), recorded)
        self.bundle.verify_golden()

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Score each row of `model_input` by itself: the columns of :meth:`Bundle.score`."""
        return self.bundle.score(model_input)


if __name__ != "pynomaly.model.serving":  # MLflow runs the file under a name of its own
    mlflow.models.set_model(BundleModel())
