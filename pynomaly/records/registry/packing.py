"""Pack a bundle as an MLflow model: the bundle's files and a code file that loads them, no pickled object.

Called by ``versions.py`` when a bundle is registered. The signature is built from the example's columns, not
inferred, and checked after saving: MLflow silently drops a signature that it cannot infer.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from pynomaly.errors import RecordError
from pynomaly.records.registry.connection import translate_errors

__all__ = ["ARTIFACT", "SERVING", "build_signature", "list_requirements", "pack_model"]

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
_CHECK = "warn_dependency_requirement_mismatches"
_CHECK_LOCK = threading.Lock()
_LIBRARIES = ("mlflow", "numpy", "pandas", "scipy", "scikit-learn", "pyod", "torch", "safetensors", "pyarrow")


def list_requirements() -> list[str]:
    """Return the packages that serve a bundle, pinned to the installed versions; uses no network."""
    pins = []
    for name in ("pynomaly-mlops", *_LIBRARIES):
        try:
            pins.append(f"{name}=={version(name).partition('+')[0]}")
        except PackageNotFoundError:
            continue
    return pins


def build_signature(example: pd.DataFrame) -> Any:
    """Return an MLflow signature: the columns of `example` in, the columns of ``Bundle.score`` out.

    Every number is a double, so that an integer column may have missing values later; a column that is not
    numeric, boolean or a time is text.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = [ColSpec(_get_column_type(example[name]), str(name)) for name in example.columns]
    return ModelSignature(Schema(inputs), Schema([ColSpec(kind, name) for name, kind in _OUTPUT.items()]))


def _get_column_type(column: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(column):
        return "boolean"
    if pd.api.types.is_numeric_dtype(column):
        return "double"
    return "datetime" if pd.api.types.is_datetime64_any_dtype(column) else "string"


@contextmanager
def pack_model(
    folder: Path,
    sha256: str,
    example: pd.DataFrame,
    serving: Path,
    model_id: str,
    run_id: str,
    pip_requirements: Sequence[str],
) -> Iterator[Path]:
    """Yield a temporary folder with the MLflow model that serves the bundle in `folder`.

    Raises
    ------
    RecordError
        If MLflow refuses, or stored no signature or another one.
    """
    import mlflow

    check = _skip_requirement_check() if set(pip_requirements) <= set(list_requirements()) else nullcontext()
    signature = build_signature(example)
    with tempfile.TemporaryDirectory() as scratch:
        bundle, model_folder = Path(scratch) / ARTIFACT, Path(scratch) / "model"
        with translate_errors(f"pack the bundle {folder}"), warnings.catch_warnings(), check:
            shutil.copytree(folder, bundle)  # MLflow names the artifact after its folder
            # MLflow warns of its own type hints at import, and recommends an input example, which it would
            # run through the model; the golden rows check more.
            warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType.*")
            warnings.filterwarnings("ignore", message=".*input example was not provided.*")
            mlflow.pyfunc.save_model(
                str(model_folder),
                python_model=str(serving),
                artifacts={ARTIFACT: str(bundle)},
                model_config={"sha256": sha256},
                signature=signature,
                pip_requirements=list(pip_requirements),
                mlflow_model=mlflow.models.Model(model_id=model_id, run_id=run_id),
            )
            loaded = mlflow.models.Model.load(str(model_folder)).signature
        if loaded != signature:
            raise RecordError(
                f"MLflow kept the signature {loaded} instead of {signature}; the model is not registered"
            )
        yield model_folder


@contextmanager
def _skip_requirement_check() -> Iterator[None]:
    """Let MLflow pin requirements in the body without comparing them with what is installed.

    The comparison lists the files of every installed package, which takes a second; requirements that were
    read from the installed packages cannot differ from them.
    """
    from mlflow.utils import environment

    with _CHECK_LOCK:
        check = getattr(environment, _CHECK, None)
        if check is None:  # another version of MLflow, which may check elsewhere
            yield
            return
        setattr(environment, _CHECK, lambda requirements: None)
        try:
            yield
        finally:
            setattr(environment, _CHECK, check)
