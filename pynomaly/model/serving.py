"""The file that MLflow loads as model code ("models from code"): a bundle with ``predict``.

MLflow copies this file into the registered model and runs it at load, so no object is pickled. ``predict``
returns what :meth:`pynomaly.model.bundle.Bundle.score` returns. If ``model_config={"sha256": ...}`` is set at
logging, loading rejects any other bundle. The flows do not rely on this hash, because it is stored beside the
bundle: they take the hash from the registry and load the bundle themselves.

Together with ``records/registry`` this is the only code that imports mlflow; MLflow needs a file that sets a
model at import. If imported under its own module name, as in tests and type checks, it sets no model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from pynomaly.model.bundle import Bundle

__all__ = ["ARTIFACT", "BundleModel"]

ARTIFACT = "bundle"  # key of the bundle's folder among the artifacts of the logged model


class BundleModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow publishes no types
    """A bundle as an MLflow ``python_function`` model."""

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
        """Score each row of `model_input` by itself: the columns of :meth:`Bundle.score`.

        A model that looks back takes the rows before a row from `model_input`, too.
        """
        return self.bundle.score(self.bundle.add_past(model_input))


if __name__ != "pynomaly.model.serving":  # MLflow runs the file under another name
    mlflow.models.set_model(BundleModel())
