"""Pack a bundle as an MLflow model: our own files, a file of code that loads them, no pickled object.

Called by ``versions.py`` when a bundle is registered. The signature is written out from the example's
columns, not inferred, and asserted after saving: MLflow drops one in silence when it cannot infer it.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from pynomaly.errors import RecordError
from pynomaly.records.registry.connection import told

__all__ = ["ARTIFACT", "SERVING", "packed", "requirements", "signature_of"]

ARTIFACT = "bundle"
SERVING = Path(__file__).parents[2] / "model" / "serving.py"
_OUTPUT = {
    "score": "double",
    "p_value": "double",
    "severity": "string",
    "is_anomaly": "boolean",
    "extrapolated": "boolean",
    "rarity": "string",
}
_LIBRARIES = ("mlflow", "numpy", "pandas", "scipy", "scikit-learn", "pyod", "torch", "safetensors", "pyarrow")


def requirements() -> list[str]:
    """What serving a bundle needs, with the versions it was made with; asked of no network."""
    found = []
    for name in ("pynomaly-mlops", *_LIBRARIES):
        try:
            found.append(f"{name}=={version(name).partition('+')[0]}")
        except PackageNotFoundError:
            continue
    return found


def signature_of(example: pd.DataFrame) -> Any:
    """MLflow signature: the columns of `example` in, the columns of ``Bundle.score`` out.

    Every number is a double, so an integer column may later miss values; whatever is no number, time or
    truth value is text.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = [ColSpec(_kind(example[name]), str(name)) for name in example.columns]
    return ModelSignature(Schema(inputs), Schema([ColSpec(kind, name) for name, kind in _OUTPUT.items()]))


def _kind(column: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(column):
        return "boolean"
    if pd.api.types.is_numeric_dtype(column):
        return "double"
    return "datetime" if pd.api.types.is_datetime64_any_dtype(column) else "string"


@contextmanager
def packed(
    folder: Path,
    sha256: str,
    example: pd.DataFrame,
    serving: Path,
    model_id: str,
    run_id: str,
    pip_requirements: Sequence[str],
) -> Iterator[Path]:
    """A temporary folder with the MLflow model that serves the bundle in `folder`.

    Raises
    ------
    RecordError
        If MLflow refuses, or kept no or another signature.
    """
    import mlflow

    signature = signature_of(example)
    with tempfile.TemporaryDirectory() as scratch:
        bundle, place = Path(scratch) / ARTIFACT, Path(scratch) / "model"
        with told(f"pack the bundle {folder}"), warnings.catch_warnings():
            shutil.copytree(folder, bundle)  # MLflow names the artifact after its folder
            # It warns of its own type hints when it is imported, and recommends an input example, which it
            # would run through the model; the golden rows do more.
            warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType.*")
            warnings.filterwarnings("ignore", message=".*input example was not provided.*")
            mlflow.pyfunc.save_model(
                str(place),
                python_model=str(serving),
                artifacts={ARTIFACT: str(bundle)},
                model_config={"sha256": sha256},
                signature=signature,
                pip_requirements=list(pip_requirements),
                mlflow_model=mlflow.models.Model(model_id=model_id, run_id=run_id),
            )
            kept = mlflow.models.Model.load(str(place)).signature
        if kept != signature:
            raise RecordError(
                f"MLflow kept the signature {kept} instead of {signature}; the model is not registered"
            )
        yield place
