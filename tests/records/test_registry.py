from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pynomaly.errors import ConfigError, NoChampionError, RecordError
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.records.registry.packing import SERVING, build_signature, list_requirements, pack_model
from tests.processes import make_fork_context, make_process

SHA = "ab" * 32

STAND_IN = """
from pathlib import Path

import mlflow
import pandas as pd


class StandIn(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.factor = float((Path(context.artifacts["bundle"]) / "detector" / "factor.txt").read_text())

    def predict(self, context, model_input: pd.DataFrame, params=None) -> pd.DataFrame:
        return pd.DataFrame({"score": model_input["a"].to_numpy() * self.factor})


mlflow.models.set_model(StandIn())
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One store for the module: creating one takes seconds. Each test has a pipeline of its own."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def registry(home, monkeypatch):
    monkeypatch.chdir(home)
    return Registry.open(address(home), home)


@pytest.fixture
def client(registry):
    return registry._client


@pytest.fixture
def parts(tmp_path):
    """A bundle folder and a file of code that serves it."""
    folder = tmp_path / "a bundle"
    (folder / "detector").mkdir(parents=True)
    (folder / "bundle.json").write_text("{}")
    (folder / "detector" / "factor.txt").write_text("2")
    serving = tmp_path / "serving.py"
    serving.write_text(STAND_IN)
    return {"folder": folder, "serving": serving, "example": example()}


def example() -> pd.DataFrame:
    return pd.DataFrame({"a": [1, 2], "machine": pd.Series(["m1", None], dtype=object)})


def address(home: Path) -> str:
    return f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"


def put(registry: Registry, pipeline: str, parts: dict, key: str = "k1", **tags) -> ModelRef:
    with registry.start_parent_run(pipeline, "train") as run:
        return registry.register(
            pipeline,
            run,
            parts["folder"],
            SHA,
            example=parts["example"],
            key=key,
            tags=tags,
            serving=parts["serving"],
            pip_requirements=["pandas"],
        )


# Opening


def _race(uri: str, home: Path, number: int, results) -> None:
    try:
        opened = Registry.open(uri, home)
        with opened.start_parent_run("raced", f"r{number}") as run:
            opened.log_to_run(run, metrics={"x": 1.0})
        results.put((opened.ensure_experiment("raced"), ""))
    except Exception as error:  # whatever it is, the test must show it
        results.put(("", repr(error)))


@pytest.mark.slow
def test_six_processes_create_one_new_store_and_one_experiment(tmp_path):
    forked = make_fork_context("mlflow.tracking", __name__)
    results = forked.Queue()
    workers = [
        make_process(forked, _race, address(tmp_path), tmp_path, number, results) for number in range(6)
    ]
    for worker in workers:
        worker.start()
    answers = [results.get(timeout=240) for _ in workers]
    for worker in workers:
        worker.join()
        worker.close()
    results.close()
    results.join_thread()
    assert [error for _, error in answers if error] == []
    assert len({experiment for experiment, _ in answers}) == 1


@pytest.mark.slow
def test_a_sqlite_store_runs_in_write_ahead_mode(registry, home):
    connection = sqlite3.connect(home / "mlflow" / "mlflow.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.mark.parametrize(
    "uri", ["./mlruns", "file:///tmp/mlruns", "databricks", "sqlite://", "sqlite:///:memory:"]
)
def test_addresses_mlflow_refuses_are_refused_by_name(uri, home):
    with pytest.raises(ConfigError, match=r"records\.tracking"):
        Registry.open(uri, home)


def test_a_store_that_cannot_be_created_is_a_record_error(tmp_path):
    (tmp_path / "mlflow").write_text("a file where the folder belongs")
    with pytest.raises(RecordError, match="could not open"):
        Registry.open(address(tmp_path), tmp_path)


# Runs


def test_parent_and_child_runs_hold_what_was_logged(registry, client, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<p></p>")
    with registry.start_parent_run(
        "logged", "train", tags={"pynomaly.key": "k"}, params={"seed": 42}
    ) as parent:
        registry.log_to_run(
            parent, artifacts={"reports/drift.html": page, "all": tmp_path}, figures={"a.png": b"png"}
        )
        with registry.start_child_run(parent, "iforest") as child:
            registry.log_to_run(child, metrics={"ap": 0.5}, params={f"p{i}": i for i in range(250)})
    stored, below = client.get_run(parent), client.get_run(child)
    assert (stored.info.status, below.info.status) == ("FINISHED", "FINISHED")
    assert (stored.info.run_name, stored.data.params, stored.data.tags["pynomaly.key"]) == (
        "train",
        {"seed": "42"},
        "k",
    )
    assert below.data.tags["mlflow.parentRunId"] == parent
    assert below.data.metrics == {"ap": 0.5}
    assert len(below.data.params) == 250
    assert {item.path for item in client.list_artifacts(parent)} == {"reports", "all", "a.png"}
    assert [item.path for item in client.list_artifacts(parent, "reports")] == ["reports/drift.html"]


def test_artifacts_lie_under_home(registry, client, home):
    with registry.start_parent_run("placed", "train") as run:
        pass
    assert client.get_run(run).info.artifact_uri.startswith((home / "mlflow" / "artifacts").as_uri())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), None, np.float64("nan")])
def test_numbers_that_are_not_finite_are_tagged_not_logged(registry, client, value):
    with registry.start_parent_run("finite", "train") as run:
        registry.log_to_run(run, metrics={"good": np.float64(1), "bad": value})
    stored = client.get_run(run).data
    assert stored.metrics == {"good": 1.0}
    assert stored.tags["not_computable.bad"] == str(value)


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("no"), "FAILED"), (KeyboardInterrupt(), "KILLED"), (SystemExit(1), "KILLED")],
)
def test_a_run_always_ends(registry, client, error, status):
    with (
        pytest.raises(type(error)),
        registry.start_parent_run("ended", "train") as parent,
        registry.start_child_run(parent, "child") as child,
    ):
        raise error
    for one in (child, parent):
        stored = client.get_run(one)
        assert stored.info.status == status
        assert stored.data.tags["pynomaly.error"].startswith(type(error).__name__)


def test_a_store_that_fails_at_the_end_does_not_hide_the_error(registry, client, monkeypatch):
    from mlflow.exceptions import MlflowException

    def refuse(*arguments, **named):
        raise MlflowException("the disk is full")

    monkeypatch.setattr(client, "set_terminated", refuse)
    with pytest.raises(ZeroDivisionError) as caught, registry.start_parent_run("hidden", "train"):
        raise ZeroDivisionError
    assert "disk is full" in caught.value.__notes__[0]
    with pytest.raises(RecordError, match="disk is full"), registry.start_parent_run("hidden", "train"):
        pass


def test_long_settings_are_cut_and_missing_files_named(registry, client):
    with registry.start_parent_run("long", "train", params={"x": "y" * 9000}, tags={"t": "z" * 9000}) as run:
        pass
    with pytest.raises(RecordError, match="nothing at"):
        registry.log_to_run(run, artifacts={"a": Path("/nowhere/a")})
    stored = client.get_run(run).data
    assert len(stored.params["x"]) == len(stored.tags["t"]) == 5000


def test_a_setting_logged_twice_with_another_value_is_a_record_error(registry):
    with registry.start_parent_run("twice", "train", params={"seed": 1}) as run:
        pass
    with pytest.raises(RecordError, match="could not log"):
        registry.log_to_run(run, params={"seed": 2})


def test_runs_a_killed_process_left_open_are_closed(registry, client):
    left = client.create_run(registry.ensure_experiment("orphaned")).info.run_id
    with registry.start_parent_run("orphaned", "train") as done:
        pass
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert registry.close_orphans("orphaned", tomorrow - timedelta(days=2)) == ()
    assert registry.close_orphans("orphaned", tomorrow) == (left,)
    assert client.get_run(left).info.status == "KILLED"
    assert client.get_run(done).info.status == "FINISHED"
    with pytest.raises(RecordError, match="no offset"):
        registry.close_orphans("orphaned", datetime(2026, 1, 1))


def test_a_deleted_experiment_says_how_to_restore_it(registry, home):
    registry._client.delete_experiment(registry.ensure_experiment("deleted"))
    with pytest.raises(RecordError, match="mlflow experiments restore"):
        Registry.open(address(home), home).ensure_experiment("deleted")


def test_links_point_to_the_run(registry):
    with registry.start_parent_run("linked", "train") as run:
        pass
    experiment = registry.ensure_experiment("linked")
    assert (
        registry.ui_link(run, "http://host:5000/")
        == f"http://host:5000/#/experiments/{experiment}/runs/{run}"
    )
    assert registry.ui_link(run) == ""
    with pytest.raises(RecordError, match="could not find the run"):
        registry.ui_link("0" * 32, "http://host")


# Versions


def test_a_registered_bundle_is_fetched_and_served(registry, home, parts):
    import mlflow

    ref = put(registry, "served", parts, rung="labels")
    assert (ref.name, ref.version, ref.sha256, ref.uri) == ("served", 1, SHA, "models:/served/1")
    assert (ref.tags["rung"], str(ref)) == ("labels", "served v1")
    folder = registry.fetch_bundle(ref)
    assert (folder / "detector" / "factor.txt").read_text() == "2"
    model = mlflow.pyfunc.load_model(folder.parents[1].as_uri())
    assert model.predict(example().assign(extra=1, a=[1.0, 2.0]))["score"].tolist() == [2.0, 4.0]
    assert model.metadata.signature.inputs.input_names() == ["a", "machine"]
    with pytest.raises(mlflow.exceptions.MlflowException, match="machine"):
        model.predict(example()[["a"]])


def test_nothing_is_left_where_the_process_runs(registry, home, parts):
    put(registry, "tidy", parts)
    assert not (home / "mlflow.db").exists()
    assert not (home / "mlruns").exists()


def test_the_same_key_gives_the_same_version(registry, parts):
    first = put(registry, "keyed", parts, "k1")
    assert put(registry, "keyed", parts, "k1") == first
    second = put(registry, "keyed", parts, "k2")
    assert [ref.version for ref in registry.list_versions("keyed")] == [2, 1]
    assert registry.find_version("keyed", 2) == second
    with pytest.raises(RecordError, match="no version 7; allowed: '1', '2'"):
        registry.find_version("keyed", 7)
    with pytest.raises(RecordError, match="quote"):
        put(registry, "keyed", parts, "it's")


def test_a_registration_that_was_killed_leaves_nothing_when_it_is_run_again(
    registry, client, parts, monkeypatch
):
    def stop(*arguments, **named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(client, "create_model_version", stop)
        with pytest.raises(KeyboardInterrupt):
            put(registry, "killed", parts)
    assert registry.list_versions("killed") == ()
    assert put(registry, "killed", parts).version == 1
    assert len(client.search_logged_models([registry.ensure_experiment("killed")])) == 1


def test_a_lost_signature_stops_the_registration(registry, parts, monkeypatch):
    import mlflow

    monkeypatch.setattr(mlflow.models.Model, "load", lambda _: SimpleNamespace(signature=None))
    with pytest.raises(RecordError, match="kept the signature None"):
        put(registry, "unsigned", parts)
    assert registry.list_versions("unsigned") == ()


def test_aliases_move_and_the_first_one_is_missing(registry, parts):
    with pytest.raises(NoChampionError, match="no champion yet"):
        registry.resolve_alias("aliased")
    assert registry.list_aliases("aliased") == {}
    first, second = put(registry, "aliased", parts, "k1"), put(registry, "aliased", parts, "k2")
    with pytest.raises(NoChampionError, match="no champion yet"):
        registry.resolve_alias("aliased")
    registry.set_alias("aliased", "champion", first.version)
    registry.set_alias("aliased", "champion", second.version)
    registry.set_alias("aliased", "previous", first.version)
    assert registry.resolve_alias("aliased") == second
    assert registry.list_aliases("aliased") == {"champion": 2, "previous": 1}
    registry.drop_alias("aliased", "previous")
    registry.drop_alias("aliased", "previous")
    with pytest.raises(NoChampionError):
        registry.resolve_alias("aliased", "previous")
    with pytest.raises(RecordError, match="could not set"):
        registry.set_alias("aliased", "champion", 9)


def test_a_version_shows_its_card(registry, client, parts):
    ref = put(registry, "described", parts)
    registry.describe_version(ref, "# Card")
    assert client.get_model_version("described", "1").description == "# Card"


def test_files_that_are_gone_are_named(registry, parts):
    import shutil

    ref = put(registry, "gone", parts)
    shutil.rmtree(registry.fetch_bundle(ref))
    with pytest.raises(RecordError, match="are gone"):
        registry.fetch_bundle(ref)


def test_a_version_without_a_hash_is_not_loaded(registry):
    with pytest.raises(RecordError, match=r"pynomaly\.sha256"):
        registry.load_bundle(ModelRef("other", 1, "r", "", "models:/other/1"))


def test_models_that_lie_elsewhere_are_downloaded_once(registry, client, home, parts, monkeypatch):
    import mlflow.artifacts

    ref = put(registry, "remote", parts)
    here = registry.fetch_bundle(ref).parents[1]
    calls = []

    def download(artifact_uri, dst_path, tracking_uri):
        import shutil

        calls.append(artifact_uri)
        return shutil.copytree(here, Path(dst_path) / "model")

    monkeypatch.setattr(client, "get_model_version_download_uri", lambda *_: "s3://bucket/model")
    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", download)
    folders = {registry.fetch_bundle(ref), registry.fetch_bundle(ref)}
    assert calls == ["s3://bucket/model"]
    assert len(folders) == 1
    assert (folders.pop() / "bundle.json").is_file()


def test_signatures_take_integers_as_doubles():
    frame = pd.DataFrame(
        {
            "count": [1, 2],
            "on": [True, False],
            "kind": pd.Series(["a", None], dtype=object),
            "text": ["a", "b"],
            "at": pd.to_datetime(["2026-01-05", "2026-01-06"], utc=True),
        }
    )
    kinds = [str(column.type) for column in build_signature(frame).inputs.inputs]
    assert kinds == [
        "DataType.double",
        "DataType.boolean",
        "DataType.string",
        "DataType.string",
        "DataType.datetime",
    ]


def test_requirements_name_what_serving_needs():
    named = [item.partition("==")[0] for item in list_requirements()]
    assert {"pynomaly-mlops", "mlflow", "numpy", "pyod"} <= set(named)
    assert all("+" not in item for item in list_requirements())


def test_the_real_serving_file_packs(tmp_path, parts):
    assert SERVING.is_file()
    with pack_model(parts["folder"], SHA, example(), SERVING, "m-1", "r-1", ["pandas"]) as place:
        assert (place / "artifacts" / "bundle" / "bundle.json").is_file()
        assert not list(place.rglob("*.pkl"))


def test_a_first_run_that_died_inside_mlflows_migrations_spoils_nothing(tmp_path):
    """MLflow can neither continue nor repeat a migration that was cut off in the middle."""
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / ".mlflow.db.draft").write_bytes(b"half a database")
    registry = Registry.open(f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}", tmp_path)
    assert registry.ensure_experiment("machines")
    left = {path.name for path in (tmp_path / "mlflow").iterdir()}
    assert "mlflow.db" in left
    assert not [name for name in left if "draft" in name]
