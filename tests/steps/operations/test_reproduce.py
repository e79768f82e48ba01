"""Versions fitted again from what is on record: equal, or what is another now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from pynomaly.config import Pipeline, load_pipeline
from pynomaly.errors import RecordError
from pynomaly.steps.operations.reproduce import reproduce
from tests.machines import make_machines, make_small_settings
from tests.steps.conftest import MOMENT, learn, plan, start_with_champion

Make = Callable[..., Pipeline]


def changed(settings: Pipeline, **blocks: Any) -> Pipeline:
    settings.origin.write_text(yaml.safe_dump(make_small_settings(**blocks)))
    return load_pipeline(settings.origin)


@pytest.mark.slow
def test_a_version_comes_out_again_to_the_bit(pipeline: Make) -> None:
    settings = pipeline(training={"candidates": ["iforest"], "seed": 5})
    start_with_champion(settings)
    again = reproduce(settings, 1)
    assert again.outcome == "equal", again.reasons
    assert (again.golden, again.held_out) == (0.0, 0.0)
    assert again.golden_rows == 20
    assert again.held_out_rows > 100
    assert again.alerts_then == again.alerts_now == again.alerts_both

    other = changed(settings, training={"candidates": ["knn"], "seed": 6})
    again = reproduce(other, 1)  # its own settings are on record
    assert again.outcome == "equal", again.reasons
    assert any("training" in reason and "of then were used" in reason for reason in again.reasons)


@pytest.mark.slow
def test_a_later_version_was_trained_beside_the_champion_of_its_day(pipeline: Make) -> None:
    settings = pipeline(days=40, training={"candidates": ["hbos", "iforest"]})
    start_with_champion(settings)
    later = MOMENT + timedelta(days=14)
    learn(settings, plan(settings, later, "manual"), later)
    for version in (1, 2):
        again = reproduce(settings, version)
        assert again.outcome == "equal", again.reasons


def test_rows_that_changed_or_went_are_said(pipeline: Make, tmp_path: Path) -> None:
    settings = pipeline()
    start_with_champion(settings)
    table = tmp_path / "machines.csv"
    rows = pd.read_csv(table)
    rows.loc[100, "heat"] += 1.0
    rows.to_csv(table, index=False)
    again = reproduce(settings, 1)
    assert again.outcome == "cannot"
    assert again.golden is None
    assert "its rows are others now" in again.reasons[0]
    make_machines(3, start="2027-01-05").to_csv(table, index=False)
    assert "cannot be read any more" in reproduce(settings, 1).reasons[0]


def test_settings_that_are_not_on_record_are_those_of_today(
    pipeline: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = pipeline()
    start_with_champion(settings)
    other = changed(
        settings, features={"scaling": "standard"}, training={"candidates": ["knn"], "holdout": 0.45}
    )
    monkeypatch.setattr("pynomaly.records.registry.Registry.read_run_file", lambda self, run, name: None)
    again = reproduce(other, 1)
    assert again.outcome == "differs"
    assert any("those of today were used" in reason for reason in again.reasons)
    assert any(reason.startswith("fit_rows: ") for reason in again.reasons)


def test_a_version_that_is_not_there_is_refused(pipeline: Make) -> None:
    settings = pipeline()
    start_with_champion(settings)
    with pytest.raises(RecordError, match="7"):
        reproduce(settings, 7)
