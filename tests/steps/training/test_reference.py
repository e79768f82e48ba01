"""A training on a sample: what it sampled is on record, and rates are those of the whole stream."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from sqlalchemy import create_engine

from pynomaly.config import Candidate, Pipeline, load_pipeline, parse_pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.data.window import Window
from pynomaly.model.bundle import Bundle
from pynomaly.model.sketch.sketch import Sketch
from pynomaly.records.ledger import Ledger
from pynomaly.steps.training.fit_candidates import fit_candidate
from pynomaly.steps.training.prepare import PreparedReference, prepare_reference
from pynomaly.steps.training.reference import read_reference
from tests.machines import make_machines, make_small_settings
from tests.steps.conftest import MOMENT, plan, start_with_champion

ROWS = 14 * 96


QUERY = 'select * from machines where "time" >= :start and "time" < :end'
SOURCES = {
    "parquet": {"source": "parquet", "path": "machines.parquet"},
    "csv": {"source": "csv", "path": "machines.csv"},
    "sql": {"source": "sql", "path": None, "connection": "MACHINES_DB", "query": QUERY},
}


@pytest.fixture(params=SOURCES)
def kind(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The machines as text or in a database, too."""
    frame, address = make_machines(28), f"sqlite:///{tmp_path / 'machines.db'}"
    if request.param == "csv":
        frame.to_csv(tmp_path / "machines.csv", index=False)
    if request.param == "sql":
        monkeypatch.setenv("MACHINES_DB", address)
        engine = create_engine(address)
        frame.assign(time=[moment.isoformat() for moment in frame["time"]]).to_sql(
            "machines", engine, index=False
        )
        engine.dispose()
    return str(request.param)


def settings_for(folder: Path, kind: str = "parquet", **training: Any) -> Pipeline:
    """Two weeks of machines; as Parquet in row groups that are no days."""
    make_machines(28).to_parquet(folder / "machines.parquet", index=False, row_group_size=333)
    blocks: dict[str, Any] = {
        "data": SOURCES[kind],
        "training": training,
        "runner": {"batch_rows": 1000},
        "alerts": {"policy": "budget", "per_day": 2},
    }
    file = folder / "machines.yaml"
    file.write_text(yaml.safe_dump(make_small_settings(**blocks)))
    return load_pipeline(file)


def prepared_with(settings: Pipeline) -> PreparedReference:
    planned = plan(settings)
    return prepare_reference(settings, planned.window, MOMENT, planned.candidates, planned.asked)


@pytest.mark.slow
@pytest.mark.parametrize("sampling", ["reservoir", "time"])
def test_what_was_sampled_is_kept_with_the_training(tmp_path: Path, sampling: str, kind: str) -> None:
    settings = settings_for(tmp_path, kind, read_rows=1000, sampling=sampling)
    prepared = prepared_with(settings)
    assert (prepared.seen_rows, prepared.rows) == (ROWS, pytest.approx(1000, abs=64))
    assert prepared.row_weight == pytest.approx(ROWS / prepared.rows)
    assert f"of {ROWS} rows" in prepared.sampled
    assert f"training.sampling: {sampling}" in prepared.sampled
    kept = json.loads((prepared.path / "sample.json").read_text())
    assert (kept["seen"], kept["kept"], kept["said"]) == (ROWS, prepared.rows, prepared.sampled)
    whole = Sketch.from_dict(kept["whole"])
    assert whole.rows == ROWS
    everything = pd.read_parquet(tmp_path / "machines.parquet").head(ROWS)
    assert whole.numeric["heat"].mean == pytest.approx(everything["heat"].mean())
    assert 0 < max(kept["differs"].values()) < kept["chance"]


def test_the_same_rows_are_drawn_again_and_fewer_rows_are_all_read(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, read_rows=1000)
    first, again = (prepared_with(settings) for _ in range(2))
    assert first == again
    window = plan(settings).window
    batches = settings.model_copy(update={"runner": settings.runner.model_copy(update={"batch_rows": 2000})})
    one, other = (read_reference(item, window, MOMENT).frame for item in (settings, batches))
    pd.testing.assert_frame_equal(one, other)
    larger = settings_for(tmp_path, read_rows=ROWS)
    whole = prepared_with(larger)
    assert (whole.rows, whole.seen_rows, whole.row_weight, whole.sampled) == (ROWS, ROWS, 1.0, "")
    assert not (whole.path / "sample.json").exists()


def test_an_alert_budget_counts_the_rows_of_the_stream(tmp_path: Path) -> None:
    models = {}
    for rows in (1000, ROWS):
        settings = settings_for(tmp_path, read_rows=rows)
        prepared = prepared_with(settings)
        ((label, candidate),) = prepared.labelled()
        fitted = fit_candidate(settings, prepared, candidate, label)
        models[rows] = Bundle.load(Path(fitted.folder), fitted.sha256)
    sampled, whole = models[1000].policy, models[ROWS].policy
    assert sampled.rows_per_day == pytest.approx(whole.rows_per_day, rel=0.05)
    assert sampled.threshold == pytest.approx(whole.threshold, rel=0.05)


@pytest.mark.slow
def test_ledger_and_registry_say_what_was_sampled(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, read_rows=1000)
    registered, _ = start_with_champion(settings)
    with Ledger.open(settings.ledger_url) as ledger:
        made = {item.kind: item for item in ledger.list_decisions(settings.name)}
    sampling_note = made["register"].evidence["sampled"]
    assert sampling_note.startswith("1000 of 1344 rows")
    assert any(sampling_note in reason for reason in made["retrain"].reasons)
    client = MlflowClient(settings.tracking_uri)
    run = client.get_run(registered.parent_run_id)
    assert run.data.tags["pynomaly.sampled"] == sampling_note
    assert run.data.metrics["seen_rows"] == ROWS
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"sample.json", "model_card.md"} <= files
    card = Path(client.download_artifacts(run.info.run_id, "model_card.md")).read_text()
    assert sampling_note in card


def test_windows_denser_than_the_sample_are_compared_as_such(tmp_path: Path) -> None:
    """Rows that depend on each other: a window of the stream holds more of the dependence than a sample's."""
    table = make_machines(14, seed=1)
    drift = np.repeat(np.sin(np.arange(14) * 2.3), 96) * 4  # each day sits elsewhere
    rows = table.assign(heat=table["heat"] + drift).query("anomaly == 0").reset_index(drop=True)
    settings = parse_pipeline(
        make_small_settings(windows={"monitor": "1d", "reference": "14d"}), tmp_path / "m.yaml"
    )
    contract = FrameContract.infer(rows, settings.data)
    ratios = {}
    for weight in (1.0, 3.0):
        bundle = Bundle.fit(
            rows[::2], rows[1::2], settings, Candidate(detector="hbos"), contract, {"row_weight": weight}
        )
        assert bundle.sketch.baseline is not None
        ratios[weight] = bundle.sketch.baseline.columns["heat"].noise.ratio
        renewed = bundle.recalibrate(rows, {"row_weight": weight}).sketch.baseline
        assert renewed is not None
        assert renewed.columns["heat"].noise.ratio == pytest.approx(ratios[weight])
    assert ratios[1.0] > 1.5
    assert ratios[3.0] == pytest.approx(1 + (ratios[1.0] - 1) * 3)


def test_a_sample_that_is_not_like_the_whole_is_seen(tmp_path: Path) -> None:
    """Values that follow the time, most rows in the first days: equal spans are another mix."""
    passed = np.linspace(0, 1, 6000) ** 3
    times = pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta(passed * 14 * 86400 * 0.999, unit="s")
    settings = settings_for(tmp_path, read_rows=1000)
    rows = pd.concat([make_machines(28)] * 3, ignore_index=True).head(6000)
    rows.assign(time=times, heat=passed).to_parquet(tmp_path / "machines.parquet", index=False)
    by_time = settings.model_copy(
        update={"training": settings.training.model_copy(update={"sampling": "time"})}
    )
    fair, other = (
        read_reference(item, Window(MOMENT - timedelta(days=14), MOMENT), MOMENT).sample
        for item in (settings, by_time)
    )
    assert fair is not None
    assert other is not None
    assert fair.differs["heat"] < fair.chance
    assert other.differs["heat"] > 3 * other.chance
    assert "'heat' differs most" in other.summary
