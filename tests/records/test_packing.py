"""What MLflow is spared when a bundle is packed: comparing pins with the packages they were read from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pynomaly.records.registry.packing import list_requirements, pack_model

SERVING = """
import mlflow

class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return model_input

mlflow.models.set_model(Model())
"""


@pytest.mark.parametrize(
    ("requirements", "compared"), [(list_requirements(), False), ([*list_requirements(), "six==0.1"], True)]
)
def test_only_foreign_requirements_are_compared_with_what_is_installed(
    requirements: list[str], compared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.utils import environment

    comparisons: list[list[str]] = []
    monkeypatch.setattr(environment, "warn_dependency_requirement_mismatches", comparisons.append)
    bundle, serving = tmp_path / "bundle", tmp_path / "serving.py"
    bundle.mkdir()
    (bundle / "bundle.json").write_text("{}")
    serving.write_text(SERVING)
    example = pd.DataFrame({"a": [1.0, 2.0]})
    with pack_model(bundle, "0" * 64, example, serving, "m-1", "r-1", requirements) as model:
        kept = (model / "requirements.txt").read_text().split()
    assert set(list_requirements()) <= set(kept)
    assert bool(comparisons) is compared
    # What was taken away is back, for other users of MLflow in this process.
    assert environment.warn_dependency_requirement_mismatches == comparisons.append
