"""Global importance at training and weighed drift at monitoring, in MLflow; reasons in a scored file."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError
from pynomaly.records.registry import Registry
from pynomaly.steps.monitoring.monitor_window import monitor_window
from pynomaly.steps.scoring.score_file import score_file
from tests.machines import make_machines
from tests.steps.conftest import MOMENT, start_with_champion

Make = Callable[..., Pipeline]


@pytest.mark.slow
def test_a_training_and_a_window_keep_what_the_model_rests_on(pipeline: Make) -> None:
    settings = pipeline(shift_day=14, training={"candidates": ["iforest"]})
    registered, _ = start_with_champion(settings)
    registry = Registry.open_for(settings)
    kept = registry.read_run_file(registered.run_id, "explanation/importance.json")
    assert kept is not None
    trained = json.loads(kept)
    assert trained["rows_explained"] == 50
    assert {one["column"] for one in trained["columns"]} == {"heat", "power", "noise"}
    for share in ("ranking", "carries"):
        assert sum(one[share] for one in trained["columns"]) == pytest.approx(1.0)
    week = Window(MOMENT, MOMENT + timedelta(days=7))
    judged = monitor_window(settings, week, week.end)
    kept = registry.read_run_file(judged.run_id, "explanation/drift.json")
    assert kept is not None
    columns = json.loads(kept)["columns"]
    assert sum(one["weight"] for one in columns) == pytest.approx(1.0)
    assert columns == sorted(columns, key=lambda one: -one["weight"])
    assert all(one["drifted"] for one in columns if one["column"] == "power")


@pytest.mark.slow
def test_a_scored_file_says_what_carries_its_alerts(
    pipeline: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = pipeline(training={"candidates": ["knn"]})
    start_with_champion(settings)
    fresh = make_machines(3, start="2026-03-02", seed=7)
    fresh.loc[[5, 9], "noise"] = [60.0, 70.0]
    fresh.to_csv(tmp_path / "fresh.csv", index=False)
    score_file(settings, tmp_path / "fresh.csv", tmp_path / "plain.csv")
    done = score_file(settings, tmp_path / "fresh.csv", tmp_path / "told.csv", reasons=2)
    plain, explained = (pd.read_csv(tmp_path / name) for name in ("plain.csv", "told.csv"))
    pd.testing.assert_frame_equal(explained.drop(columns="reasons"), plain)
    assert (explained["reasons"].notna() == explained["is_anomaly"]).all()
    first = json.loads(explained["reasons"].iloc[9])
    assert (first[0]["column"], first[0]["value"]) == ("noise", 70.0)
    assert 1 <= len(first) <= 2
    assert not any("reasons of the" in line for line in done.warnings)

    monkeypatch.setattr("pynomaly.steps.scoring.score_file.MAX_EXPLAINED_ALERTS", 1)
    done = score_file(settings, tmp_path / "fresh.csv", tmp_path / "one.parquet", reasons=1)
    assert pd.read_parquet(tmp_path / "one.parquet")["reasons"].notna().sum() == 1
    assert any(f"{done.alerts - 1} more alerts have none" in line for line in done.warnings)


@pytest.mark.slow
def test_a_table_in_parts_names_no_reasons_and_says_so(pipeline: Make, tmp_path: Path) -> None:
    settings = pipeline(runner={"batch_rows": 1000})
    start_with_champion(settings)
    make_machines(28, start="2026-03-02").to_parquet(tmp_path / "large.parquet", index=False)
    with pytest.raises(ConfigError, match="scored in parts"):
        score_file(settings, tmp_path / "large.parquet", tmp_path / "out.parquet", reasons=1)
    assert not (tmp_path / "out.parquet").exists()
