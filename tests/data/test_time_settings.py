"""Windows, spans, samples and parts of tables whose time is joined, formatted or a number."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from pydantic import ValidationError

from pynomaly.config import Data, Limits
from pynomaly.data.sources import read_source, read_span
from pynomaly.data.sources.parquet import count_rows
from pynomaly.data.sources.parts import list_row_groups, read_batches
from pynomaly.data.sources.sample import SamplingPass
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError

START = datetime(2026, 1, 28, tzinfo=UTC)
MOMENTS = pd.date_range(START, periods=240, freq="h")
WINDOW = Window(START + timedelta(days=3), START + timedelta(days=5))

FORMS = {
    "joined": ({"time": ["d", "h"]}, lambda at: {"d": at.strftime("%Y-%m-%d"), "h": at.strftime("%H:%M")}),
    "day first": ({"time_format": "%d.%m.%Y %H:%M"}, lambda at: {"t": at.strftime("%d.%m.%Y %H:%M")}),
    "joined and formatted": (
        {"time": ["d", "h"], "time_format": "%d/%m/%y %H"},
        lambda at: {"d": at.strftime("%d/%m/%y"), "h": at.hour},
    ),
    "epoch": ({"epoch": "s", "timezone": None}, lambda at: {"t": at.astype("datetime64[s]").astype("int64")}),
    "number by a format": (
        {"time_format": "%Y%m%d%H"},
        lambda at: {"t": at.strftime("%Y%m%d%H").astype("int64")},
    ),
    "zone behind": ({"timezone": None}, lambda at: {"t": at.strftime("%Y-%m-%d %H:%M UTC")}),
}


def write_table(tmp_path, form: str, kind: str) -> Data:
    options, spell = FORMS[form]
    at = MOMENTS.tz_localize(None).as_unit("us")
    frame = pd.DataFrame({"v": range(len(at)), **spell(at.to_numpy() if form == "epoch" else at)})
    path = str(tmp_path / f"rows.{kind}")
    if kind == "parquet":
        frame.to_parquet(path, index=False, row_group_size=50)
    else:
        frame.to_csv(path, index=False)
    return Data(**{"source": kind, "path": path, "time": "t", "timezone": "UTC", **options})


@pytest.fixture(params=["csv", "parquet"])
def kind(request) -> str:
    return request.param


@pytest.mark.parametrize("form", FORMS)
def test_rows_windows_and_spans(tmp_path, kind, form):
    data = write_table(tmp_path, form, kind)
    whole = read_source(data)
    assert whole[data.time].tolist() == list(MOMENTS)
    assert whole["v"].tolist() == list(range(240))
    assert set(whole) == {data.time, "v"}
    assert read_source(data, WINDOW)["v"].tolist() == list(range(72, 120))
    assert read_span(data) == Window(START, MOMENTS[-1].to_pydatetime() + timedelta(microseconds=1))
    if kind == "parquet":
        assert count_rows(data, WINDOW) == 240  # an upper bound: nothing can be left out before it is read


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", ["reservoir", "time"])
def test_a_sample_has_the_rows_of_the_window(tmp_path, kind, form, how):
    data = write_table(tmp_path, form, kind)
    expected = read_source(data, WINDOW)
    everything = SamplingPass(data, WINDOW, size=1000, seed=1, how=how, batch_rows=7)
    batches = pd.concat(list(everything.read_batches()), ignore_index=True)
    pd.testing.assert_frame_equal(batches[list(expected)], expected, check_dtype=False)
    if how == "reservoir":
        pd.testing.assert_frame_equal(everything.frame()[list(expected)], expected, check_dtype=False)
    some = SamplingPass(data, WINDOW, size=10, seed=1, how=how, batch_rows=7)
    assert sum(len(batch) for batch in some.read_batches()) == 48
    sample = some.frame()
    assert len(sample) <= 10
    assert expected.merge(sample, on=[data.time, "v"]).shape[0] == len(sample)


@pytest.mark.parametrize("form", FORMS)
def test_parts_hold_the_same_rows(tmp_path, form):
    data = write_table(tmp_path, form, "parquet")
    parts = list_row_groups(str(data.path), Limits())
    batches = [frame for part in parts for frame in (batch.frame for batch in read_batches(data, part, 20))]
    pd.testing.assert_frame_equal(
        pd.concat(batches, ignore_index=True)[["v", data.time]], read_source(data)[["v", data.time]]
    )


def test_a_sample_keeps_the_passes_of_a_repeated_hour(tmp_path):
    at = pd.date_range("2026-10-24T22:00Z", periods=24, freq="15min")
    frame = pd.DataFrame({"t": at.tz_convert("Europe/Berlin").strftime("%Y-%m-%d %H:%M"), "v": range(24)})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    data = Data(source="csv", path=str(tmp_path / "rows.csv"), time="t", timezone="Europe/Berlin")
    window = Window(datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC))
    for seed in range(5):
        sampling = SamplingPass(data, window, size=9, seed=seed, how="reservoir", batch_rows=5)
        list(sampling.read_batches())
        sample = sampling.frame()
        assert sample["t"].tolist() == [at[place] for place in sample["v"]]


def test_a_missing_time_column_is_named(tmp_path, kind):
    data = write_table(tmp_path, "joined", kind)
    with pytest.raises(ColumnError, match="'z'"):
        read_source(data.model_copy(update={"time_columns": ("d", "z"), "time": "d z"}))


@pytest.mark.parametrize(("unit", "size"), [("s", 1), ("ms", 1000), ("ns", 10**9), ("s", 1.0)])
def test_a_query_takes_its_window_as_epoch_numbers(tmp_path, monkeypatch, unit, size):
    database = tmp_path / "plant.db"
    with sqlite3.connect(database) as connection:
        connection.execute("create table readings (at numeric, v real)")
        seconds = [int(moment.timestamp()) * size for moment in MOMENTS]
        connection.executemany(
            "insert into readings values (?, ?)", list(zip(seconds, range(240), strict=True))
        )
    connection.close()
    monkeypatch.setenv("PLANT_DB", f"sqlite:///{database}")
    query = "select * from readings where at >= :start and at < :end"
    data = Data(source="sql", connection="PLANT_DB", query=query, time="at", epoch=unit)
    assert read_source(data)["at"].tolist() == list(MOMENTS)
    assert read_source(data, WINDOW)["v"].tolist() == list(range(72, 120))
    assert read_span(data).start == START
    sampling = SamplingPass(data, WINDOW, size=1000, seed=1, how="reservoir", batch_rows=7)
    assert sum(len(batch) for batch in sampling.read_batches()) == 48


@pytest.mark.parametrize("options", [{"epoch": "excel"}, {"time_format": "%d.%m.%Y"}, {"time": ["d", "h"]}])
def test_a_query_converts_other_times_itself(options):
    query = "select * from readings where at >= :start and at < :end"
    with pytest.raises(ValidationError, match=r"convert or join others in data\.query"):
        Data(**{"source": "sql", "connection": "PLANT_DB", "query": query, "time": "at", **options})
