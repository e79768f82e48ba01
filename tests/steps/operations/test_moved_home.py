"""A pipeline whose folder was moved or copied goes on where it stopped."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from pynomaly.config import Pipeline, load_pipeline
from pynomaly.data.window import Window
from pynomaly.records.registry import Registry
from pynomaly.steps.monitoring.monitor_window import find_monitoring_window, monitor_window
from pynomaly.steps.operations.connectivity import check_records
from pynomaly.steps.operations.prune import prune
from pynomaly.steps.promotion.apply_policy import apply_policy
from pynomaly.steps.promotion.promote import rollback
from pynomaly.steps.reporting.overview import describe_status, verify_history
from pynomaly.steps.scoring.score_windows import score_window
from pynomaly.steps.training.fit_candidates import fit_candidate
from pynomaly.steps.training.prepare import prepare_reference
from tests.machines import make_machines, make_small_settings
from tests.steps.conftest import MOMENT, learn, plan

pytestmark = pytest.mark.slow

DAY = Window(MOMENT, MOMENT + timedelta(days=1))
NEXT_DAY = Window(DAY.end, DAY.end + timedelta(days=1))
JUDGED_AT = MOMENT + timedelta(days=7)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a table, its pipeline and its home: two champions, one scored and one judged window."""
    folder = tmp_path_factory.mktemp("original")
    (folder / ".pynomaly").mkdir()
    make_machines(28).to_csv(folder / "machines.csv", index=False)
    file, settings = folder / "machines.yaml", make_small_settings()
    file.write_text(yaml.safe_dump(settings))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYNOMALY_HOME", raising=False)
        pipeline = load_pipeline(file)
        learn(pipeline, plan(pipeline))
        score_window(pipeline, DAY)
        monitor_window(pipeline, find_monitoring_window(pipeline, JUDGED_AT), JUDGED_AT)
        file.write_text(yaml.safe_dump(settings | {"alerts": {"quantile": 0.2}}))
        apply_policy(load_pipeline(file), MOMENT, "more to look at")
    return folder


@pytest.fixture
def owner(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """The same in another place, where it was opened once."""
    monkeypatch.delenv("PYNOMALY_HOME")
    shutil.copytree(original, tmp_path / "first place")
    pipeline = load_pipeline(tmp_path / "first place" / "machines.yaml")
    Registry.open_for(pipeline)
    return pipeline


def go_on(pipeline: Pipeline) -> None:
    """Every kind of work that reads what an earlier one left."""
    assert not score_window(pipeline, DAY).new
    scored = score_window(pipeline, NEXT_DAY)
    assert (scored.new, scored.version) == (True, 2)
    assert Path(scored.path).is_relative_to(pipeline.home)
    judged = monitor_window(pipeline, find_monitoring_window(pipeline, JUDGED_AT), JUDGED_AT)
    assert judged.report_error == ""
    assert Path(judged.report).is_relative_to(pipeline.home)
    assert describe_status(pipeline)["champion"] == 2
    assert rollback(pipeline, MOMENT, "as before").evidence["version"] == 1
    assert verify_history(pipeline)["intact"]
    names = [
        item["name"] for item in prune(pipeline, apply=False, now=datetime(2040, 1, 1, tzinfo=UTC)).removals
    ]
    assert all(str(pipeline.home) in name for name in names if name.startswith("/"))


def test_a_moved_folder_goes_on(owner: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "first place").rename(tmp_path / "second")
    moved = load_pipeline(tmp_path / "second" / "machines.yaml")
    [finding] = [item for item in check_records(moved) if item.check == "moved home"]
    assert (finding.state, finding.fact) == ("warning", f"it was in {owner.home} before")
    go_on(moved)
    assert not (tmp_path / "first place").exists()
    assert not [item for item in check_records(moved) if item.check == "moved home"]


def test_a_copy_goes_on_and_leaves_the_original_alone(owner: Pipeline, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "first place", tmp_path / "copy")
    before = {path: path.stat().st_mtime_ns for path in sorted(owner.home.rglob("*"))}
    go_on(load_pipeline(tmp_path / "copy" / "machines.yaml"))
    assert {path: path.stat().st_mtime_ns for path in sorted(owner.home.rglob("*"))} == before


def test_an_interrupted_training_goes_on(owner: Pipeline, tmp_path: Path) -> None:
    candidate = owner.training.candidates[0]
    window = plan(owner).window

    def fit(pipeline: Pipeline) -> tuple[str, str]:
        prepared = prepare_reference(pipeline, window, MOMENT, (candidate,), "asked")
        fitted = fit_candidate(pipeline, prepared, candidate, "hbos")
        return prepared.folder, fitted.folder

    fit(owner)
    (owner.home).rename(tmp_path / "home")
    moved = owner.model_copy(update={"home": tmp_path / "home"})
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "home" / "work").rglob("*.json")}
    folder, bundle = fit(moved)
    assert Path(folder).is_relative_to(tmp_path / "home")
    assert Path(bundle) == Path(folder) / "candidates" / "hbos" / "bundle"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "home" / "work").rglob("*.json")} == files


def test_only_mlflow_records_where_the_home_is(original: Path) -> None:
    home = original / ".pynomaly"
    with closing(sqlite3.connect(home / "ledger.db")) as ledger:
        assert str(original) not in "\n".join(ledger.iterdump())
    files = [path for path in home.rglob("*") if path.is_file() and ".db" not in path.name]
    assert [path for path in files if str(original).encode() in path.read_bytes()] == []
