"""A draft for a series looks back, says why, and loads; what is given counts; without one nothing changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.intake import explain_column, write_draft
from pynomaly.config import Pipeline, load_pipeline
from pynomaly.data.intake import CANDIDATES, read_table, render_draft, try_reading
from pynomaly.data.intake.context import SERIES_CANDIDATES
from pynomaly.data.past import get_past
from pynomaly.data.sources import read_source
from tests.data.intake.context.made import autoregress, list_times, scatter, swing


def write_table(place: Path, values: np.ndarray, step: str = "10min") -> Path:
    times = list_times(len(values), step)
    pd.DataFrame({"time": times, "bar": np.round(values, 4)}).to_csv(place, index=False)
    return place


def load_draft(file: Path, folder: Path, **hints: object) -> tuple[Pipeline, str]:
    text = render_draft(try_reading(read_table(file, hints)), folder=folder)
    (folder / "p.yaml").write_text(text)
    return load_pipeline(folder / "p.yaml"), text


def test_a_draft_for_a_series_looks_back_and_says_why(tmp_path: Path) -> None:
    file = write_table(tmp_path / "pump.csv", swing(144)(np.random.default_rng(0), 1500))
    pipeline, text = load_draft(file, tmp_path)
    assert (pipeline.data.series.past, str(pipeline.data.series.step)) == (416, "0:10:00")
    assert [candidate.detector for candidate in pipeline.training.candidates] == list(SERIES_CANDIDATES)
    assert "  series:  # the past predicts 'bar' (" in text
    assert "    past: 416  # two periods of 144 rows and 128\n" in text
    assert '    step: "10m"  # 100% of the rows come after 10m\n' in text
    past = get_past(read_source(pipeline.data))
    assert past is not None
    assert past.before.max() == 416


def test_where_values_follow_the_hour_an_alert_ends_with_its_incident(tmp_path: Path) -> None:
    file = write_table(tmp_path / "pump.csv", swing(144)(np.random.default_rng(0), 3000))
    pipeline, _ = load_draft(file, tmp_path)
    assert pipeline.features.calendar
    assert pipeline.data.series.past == 416
    assert [candidate.detector for candidate in pipeline.training.candidates] == list(SERIES_CANDIDATES)
    assert pipeline.training.candidates[0].params == {"smoothing": "narrow"}


def test_a_draft_of_rows_that_stand_alone_says_why_nothing_looks_back(tmp_path: Path) -> None:
    file = write_table(tmp_path / "pump.csv", scatter(np.random.default_rng(1), 3000))
    pipeline, text = load_draft(file, tmp_path)
    assert pipeline.data.series.past == 0
    assert [candidate.detector for candidate in pipeline.training.candidates] == list(CANDIDATES)
    assert "  # series:  # no detector looks back: the past predicts 0 of 1 columns ('bar' best: " in text


def test_rows_on_a_step_below_a_second_are_taken_as_they_come(tmp_path: Path) -> None:
    values = autoregress(np.random.default_rng(2), 3000)
    pipeline, _ = load_draft(write_table(tmp_path / "pump.csv", values, "20ms"), tmp_path)
    assert [candidate.detector for candidate in pipeline.training.candidates] == list(SERIES_CANDIDATES)
    assert pipeline.data.series.step is None
    assert pipeline.data.series.past == 256
    past = get_past(read_source(pipeline.data))
    assert past is not None
    assert past.before.max() == 256


def test_a_given_past_counts(tmp_path: Path) -> None:
    file = write_table(tmp_path / "pump.csv", swing(144)(np.random.default_rng(3), 3000))
    pipeline, text = load_draft(file, tmp_path, series={"past": 50})
    assert (pipeline.data.series.past, pipeline.data.series.step) == (50, None)
    assert "series" in [candidate.detector for candidate in pipeline.training.candidates]
    assert "as asked" in text
    without, _ = load_draft(file, tmp_path, series={"past": 0})
    assert without.data.series.past == 0
    assert without.training.candidates[0].detector == "auto"


@pytest.mark.parametrize("rows", [450, 1200])
def test_a_daily_series_has_a_reference_to_train_on(rows: int, tmp_path: Path) -> None:
    file = write_table(tmp_path / "pump.csv", autoregress(np.random.default_rng(4), rows), "D")
    pipeline, _ = load_draft(file, tmp_path)
    assert pipeline.data.series.past == 256
    assert pipeline.windows.reference.days >= 300


def test_explain_says_what_the_past_of_a_column_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write_table(tmp_path / "pump.csv", swing(144)(np.random.default_rng(5), 3000))
    past = explain_column(file, "bar")["past"]
    assert past["period"] == 144
    assert past["past"] > 0.8 > 0.1 > past["chance"]
    drafted = write_draft(file)
    assert drafted["context"]["past"] == 416
    assert drafted["settings"]["data"]["series"] == {"past": 416, "step": "10m"}
    first = drafted["settings"]["training"]["candidates"][0]
    assert first == {"detector": "series", "params": {"smoothing": "narrow"}}
