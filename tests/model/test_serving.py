import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pynomaly.model
from pynomaly.model.bundle import Bundle
from tests.model.tables import fit, table

CODE = Path(pynomaly.model.__file__).with_name("serving.py")
NEW = table(40, seed=5)
PREDICT_ELSEWHERE = """
import sys
import mlflow
import pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
print(model.predict(pd.read_parquet(sys.argv[2])).to_json(orient="split", double_precision=15))
"""


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "true")
    monkeypatch.chdir(tmp_path)


def save(bundle: Bundle, place: Path) -> tuple[Path, str]:
    """Save `bundle` as MLflow does when a model is logged."""
    import mlflow
    from mlflow.models import infer_signature

    sha256 = bundle.save(place / "bundle")
    mlflow.pyfunc.save_model(
        place / "model",
        python_model=str(CODE),
        artifacts={"bundle": str(place / "bundle")},
        model_config={"sha256": sha256},
        pip_requirements=["pynomaly-mlops"],
        signature=infer_signature(bundle.golden, bundle.score(bundle.golden)),
        input_example=bundle.golden.head(3),
    )
    return place / "model", sha256


def load(folder: Path) -> Any:
    import mlflow

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the package is installed from a working tree, which MLflow remarks on
        return mlflow.pyfunc.load_model(str(folder))


@pytest.mark.slow
def test_mlflow_gives_what_the_bundle_gives(bundle: Bundle, tmp_path: Path) -> None:
    folder, _ = save(bundle, tmp_path)
    predicted = load(folder).predict(NEW)
    pd.testing.assert_frame_equal(predicted, bundle.score(NEW), check_exact=True)


@pytest.mark.slow
def test_a_fresh_process_gives_it_too(bundle: Bundle, tmp_path: Path) -> None:
    folder, _ = save(bundle, tmp_path)
    NEW.to_parquet(tmp_path / "rows.parquet")
    command = [sys.executable, "-c", PREDICT_ELSEWHERE, str(folder), str(tmp_path / "rows.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    predicted = pd.DataFrame(**json.loads(done.stdout.strip().splitlines()[-1]))
    pd.testing.assert_frame_equal(predicted, bundle.score(NEW), rtol=1e-14)


def test_nothing_in_the_logged_model_is_a_pickle(bundle: Bundle, tmp_path: Path) -> None:
    folder, _ = save(bundle, tmp_path)
    kinds = {file.suffix for file in folder.rglob("*") if file.is_file()}
    assert kinds <= {"", ".json", ".npz", ".py", ".txt", ".yaml", ".yml"}


def test_a_changed_bundle_does_not_load(bundle: Bundle, tmp_path: Path) -> None:
    folder, _ = save(bundle, tmp_path)
    file = folder / "artifacts" / "bundle" / "sketch.json"
    file.write_text(file.read_text() + " ")
    with pytest.raises(Exception, match=r"sketch\.json was changed"):
        load(folder)


def test_calendar_models_take_times(tmp_path: Path) -> None:
    bundle = fit(features={"calendar": True})
    folder, _ = save(bundle, tmp_path)
    as_text = NEW.assign(time=NEW["time"].map(lambda moment: moment.isoformat()))
    pd.testing.assert_frame_equal(load(folder).predict(as_text), bundle.score(NEW), check_exact=True)


@pytest.mark.slow
def test_importing_the_file_by_its_name_sets_no_model() -> None:
    code = "import pynomaly.model.serving, mlflow; print(mlflow.models.model.__mlflow_model__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"
