from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pynomaly.config import Quality, load_pipeline
from pynomaly.data import fleet
from pynomaly.data.frame import FrameContract
from pynomaly.data.intake import read_table, render_draft, try_reading
from pynomaly.data.quality import validate
from pynomaly.data.sources import read_source
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, SourceError


def draft_pipeline(file, name=None, folder=None, **hints):
    return render_draft(try_reading(read_table(file, hints)), name, folder)


def loaded(tmp_path, file, **known):
    text = draft_pipeline(file, folder=tmp_path, **known)
    (tmp_path / "p.yaml").write_text(text)
    pipeline = load_pipeline(tmp_path / "p.yaml")
    frame = read_source(pipeline.data)
    FrameContract.infer(frame, pipeline.data).conform(frame)
    return pipeline, text


@pytest.fixture
def water(tmp_path):
    """A second-by-second record with semicolons, naive times and two truths."""
    rows = 9600
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"datetime": pd.date_range("2020-02-08 13:30:47", periods=rows, freq="s")})
    frame["Flow Rate"] = rng.normal(size=rows)
    frame["Pressure: bar"] = rng.normal(size=rows)
    frame["anomaly"] = (np.arange(rows) > 8000).astype(float)
    frame["changepoint"] = (np.arange(rows) == 8000).astype(float)
    frame["site"] = "north"
    frame.to_csv(tmp_path / "Water loop.csv", sep=";", index=False)
    return tmp_path / "Water loop.csv"


def test_a_record_of_hours_gets_windows_of_minutes(tmp_path, water):
    pipeline, text = loaded(tmp_path, water)
    assert pipeline.name == "water-loop"
    data = pipeline.data
    assert (data.separator, data.time, data.timezone, data.label) == (";", "datetime", "UTC", "anomaly")
    assert (data.ignore, data.categorical) == (("changepoint",), ("site",))
    assert pipeline.windows.score == timedelta(minutes=10)
    assert pipeline.windows.monitor == timedelta(minutes=30)
    assert pipeline.windows.reference == timedelta(hours=2, minutes=40)
    assert pipeline.training.start == pd.Timestamp("2020-02-08T13:30:47Z")
    assert 'path: "Water loop.csv"' in text
    settings = [line for line in text.splitlines() if line.startswith("  ") and ":" in line]
    assert all("#" in line for line in settings if not line.rstrip().endswith(":"))


def test_a_fleet_has_entities_categories_and_days(tmp_path):
    frame = fleet.generate_fleet(Window(fleet.START, fleet.START + timedelta(days=14)))
    frame.to_csv(tmp_path / "fleet.csv", index=False)
    pipeline, _ = loaded(tmp_path, tmp_path / "fleet.csv")
    assert (pipeline.data.id, pipeline.data.categorical) == ("machine", ("product",))
    assert pipeline.windows.score == timedelta(days=1)
    assert pipeline.windows.reference == timedelta(days=14)
    frame.to_parquet(tmp_path / "fleet.parquet")
    pipeline, _ = loaded(tmp_path, tmp_path / "fleet.parquet")
    assert (pipeline.data.source, pipeline.data.id, pipeline.data.time) == ("parquet", "machine", "timestamp")


def test_a_table_without_time(tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 3)), columns=["a", "b", "c"])
    frame["Class"] = (np.arange(300) % 30 == 0).astype(int)
    frame["key"] = [f"k{row}" for row in range(300)]
    frame["none"] = np.nan
    frame.to_csv(tmp_path / "9 table.csv")
    pipeline, _ = loaded(tmp_path, tmp_path / "9 table.csv")
    assert pipeline.name == "data-9-table"
    assert (pipeline.data.time, pipeline.data.label) == (None, "Class")
    assert pipeline.data.ignore == ("Unnamed: 0", "key", "none")
    assert pipeline.retraining.min_rows == 150


def test_decimal_commas_and_a_second_time(tmp_path):
    lines = ["when;seen;v"] + [
        f"2026-01-{day:02d}T00:00:00Z;2026-02-{day:02d};{day},5" for day in range(1, 29)
    ]
    (tmp_path / "eu.csv").write_text("\n".join(lines))
    pipeline, _ = loaded(tmp_path, tmp_path / "eu.csv")
    assert (pipeline.data.decimal, pipeline.data.timezone, pipeline.data.ignore) == (",", None, ("seen",))
    assert read_source(pipeline.data)["v"].iloc[0] == 1.5


def test_what_is_said_wins_and_what_is_wrong_is_named(tmp_path, water):
    pipeline, _ = loaded(tmp_path, water, name="loop", label="changepoint")
    assert (pipeline.name, pipeline.data.label, pipeline.data.ignore) == (
        "loop",
        "changepoint",
        ("anomaly",),
    )
    for key in ("time", "label", "id"):
        with pytest.raises(ColumnError, match="did you mean 'anomaly'"):
            draft_pipeline(water, **{key: "anomalie"})
    with pytest.raises(SourceError, match="did you mean"):
        draft_pipeline(tmp_path / "Water lop.csv")
    (tmp_path / "none.csv").write_text("")
    with pytest.raises(SourceError, match="is empty"):
        draft_pipeline(tmp_path / "none.csv")


def test_what_windows_of_the_file_lack_is_allowed_for(tmp_path):
    rng = np.random.default_rng(3)
    times = pd.date_range("2026-01-05", periods=24 * 60, freq="h")
    table = pd.DataFrame({"time": times, "a": rng.normal(size=len(times)), "b": rng.normal(size=len(times))})
    table.loc[table["time"].dt.dayofweek == 5, "b"] = np.nan  # no value on Saturdays
    table.to_csv(tmp_path / "plant.csv", index=False)
    pipeline, text = loaded(tmp_path, tmp_path / "plant.csv")
    assert pipeline.quality.may_be_empty == ("b",)
    assert "without any value in windows of the file: 'b' in 8 of 60" in text
    frame = read_source(pipeline.data, Window(fleet_day(2026, 1, 10), fleet_day(2026, 1, 11)))
    contract = FrameContract.infer(read_source(pipeline.data), pipeline.data)
    assert validate(frame, contract, pipeline.quality, "score").report.outcome == "warn"
    assert validate(frame, contract, Quality(), "score").report.outcome == "block"


def fleet_day(*day):
    return datetime(*day, tzinfo=UTC)


@pytest.mark.parametrize(("days", "calendar"), [(13, False), (15, True)])
def test_the_calendar_waits_for_every_weekday_twice(tmp_path, days, calendar):
    times = pd.date_range("2026-01-05", periods=144 * days, freq="10min")
    values = np.sin(2 * np.pi * times.hour / 24) + np.random.default_rng(4).normal(0, 0.1, len(times))
    pd.DataFrame({"time": times, "load": values}).to_csv(tmp_path / "hall.csv", index=False)
    pipeline, _ = loaded(tmp_path, tmp_path / "hall.csv")
    assert pipeline.features.calendar is calendar
