"""A model that looks back, as a bundle: the same scores from a table, a window and a request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.data.past import drop_past, get_past
from pynomaly.data.sources import read_source
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, DataError, RequestError
from pynomaly.model.bundle import Bundle
from pynomaly.model.past_input import describe_input
from pynomaly.serving.rows import RowSchema, build_frame, parse_request
from pynomaly.steps.obstacles import describe_short_past
from tests.model.tables import pipeline as make_pipeline

START = pd.Timestamp("2026-01-05T00:00:00Z")


def write_pumps(folder: Path) -> pd.DataFrame:
    """Two pumps, a row every ten minutes for four days, with a daily cycle and a gap; returns the rows."""
    rng = np.random.default_rng(5)
    moments = pd.date_range(START, periods=4 * 144, freq="10min")
    parts = []
    for number, level in enumerate((10.0, 40.0)):
        cycle = np.sin(2 * np.pi * np.arange(len(moments)) / 144)
        flow = level + 3 * cycle + np.cumsum(rng.normal(0, 0.1, len(moments)))
        part = pd.DataFrame({"time": moments, "pump": f"p{number}", "flow": flow, "heat": flow * 2})
        part["heat"] += rng.normal(0, 0.5, len(moments))
        parts.append(part.drop(index=range(200, 200 + 3 * (number + 1))))
    frame = pd.concat(parts).sort_values(["time", "pump"], kind="stable").reset_index(drop=True)
    frame.loc[[50, 51, 300], "flow"] = np.nan
    frame.to_csv(folder / "pumps.csv", index=False)
    return frame


def make_series_pipeline(folder: Path, **series: Any) -> config.Pipeline:
    base = make_pipeline().model_dump(mode="json", exclude={"data"})
    base["data"] = {
        "source": "csv",
        "path": str(folder / "pumps.csv"),
        "time": "time",
        "id": "pump",
        "series": {"past": 60, "step": "10m", **series},
    }
    base["training"]["candidates"] = [{"detector": "series_ar"}]
    base["training"]["calibrate"] = "split"
    return config.Pipeline.model_validate(base)


@pytest.fixture(scope="module", params=["0s", "30m"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A pipeline, its fitted bundle, all rows that have a score, and their scores."""
    folder = tmp_path_factory.mktemp("pumps")
    write_pumps(folder)
    pipeline = make_series_pipeline(folder, delay=request.param)
    rows = read_source(pipeline.data)
    past = get_past(rows)
    assert past is not None
    rows = rows[past.after >= 0].reset_index(drop=True)
    contract = FrameContract.infer(rows, pipeline.data)
    cut = len(rows) // 2
    candidate = pipeline.training.candidates[0]
    bundle = Bundle.fit(rows.iloc[:cut], rows.iloc[cut:], pipeline, candidate, contract, {})
    return pipeline, bundle, rows, bundle.raw_scores(rows)


def test_any_rows_in_any_order_score_alike(model: Any) -> None:
    _, bundle, rows, scores = model
    order = np.random.default_rng(2).permutation(len(rows))[:80]
    assert bundle.raw_scores(rows.iloc[order]).tolist() == scores[order].tolist()
    assert bundle.raw_scores(rows.iloc[[77]]).tolist() == [scores[77]]


@pytest.mark.parametrize("detector", ["knn", "series_ar"])
def test_a_series_is_calibrated_on_all_of_its_time(detector: str, tmp_path: Path) -> None:
    """The last stretch alone may be a calm one: three times the alerts of the rest were false with it."""
    write_pumps(tmp_path)
    pipeline = make_series_pipeline(tmp_path)
    settings = pipeline.model_dump(mode="json")
    settings["training"] |= {"candidates": [{"detector": detector}], "calibrate": "auto"}
    pipeline = config.Pipeline.model_validate(settings)
    rows = read_source(pipeline.data)
    contract, cut = FrameContract.infer(rows, pipeline.data), len(rows) * 3 // 4
    candidate = pipeline.training.candidates[0]
    bundle = Bundle.fit(rows.iloc[:cut], rows.iloc[cut:], pipeline, candidate, contract, {})
    assert bundle.calibration.method == "cross"
    assert bundle.facts["rows"]["calibration"] == len(rows)


def test_a_window_scores_like_the_whole_table(model: Any) -> None:
    pipeline, bundle, rows, scores = model
    for first, last in ((7, 26), (30, 48)):
        start, end = ((START + pd.Timedelta(hours=hour)).to_pydatetime() for hour in (first, last))
        window = Window(start, end)
        part = read_source(pipeline.data, window)
        inside = ((rows["time"] >= window.start) & (rows["time"] < window.end)).to_numpy()
        assert bundle.raw_scores(part).tolist() == scores[inside].tolist()


def test_a_loaded_model_scores_its_golden_rows_with_their_past(model: Any, tmp_path: Path) -> None:
    _, bundle, rows, scores = model
    sha256 = bundle.save(tmp_path / "bundle")
    loaded = Bundle.load(tmp_path / "bundle", sha256)
    assert loaded.verify_golden() == 0.0
    assert loaded.raw_scores(rows).tolist() == scores.tolist()


def test_a_request_scores_like_the_table(model: Any) -> None:
    pipeline, bundle, rows, scores = model
    shape = RowSchema.of(bundle, pipeline.data)
    assert shape.past
    assert shape.looks_back == 60

    def spell(part: pd.DataFrame) -> list[dict[str, Any]]:
        part = drop_past(part).assign(time=[moment.isoformat() for moment in part["time"]])
        return part.astype(object).where(part.notna(), None).to_dict("records")

    place = 700
    moment = rows["time"].iloc[place]
    history = rows[(rows["time"] < moment) & (rows["time"] > moment - pd.Timedelta(hours=13))]
    later = rows[(rows["time"] > moment) & (rows["time"] <= moment + pd.Timedelta(minutes=40))]
    body = {"rows": spell(rows.iloc[[place]]), "history": spell(history)}
    if shape.delay:
        with pytest.raises(RequestError, match="waits until"):
            build_frame(parse_request(json.dumps(body).encode(), 1000), shape, pipeline.data)
        body["later"] = spell(later)
    frame = build_frame(parse_request(json.dumps(body).encode(), 1000), shape, pipeline.data)
    assert bundle.raw_scores(frame).tolist() == [scores[place]]


def test_programs_give_the_past_as_earlier_rows_of_a_frame(model: Any) -> None:
    _, bundle, rows, scores = model
    last = (
        rows["time"].max() if not bundle.facts["series"]["delay"].startswith("30") else rows["time"].iloc[-20]
    )
    plain = drop_past(rows).sample(frac=1.0, random_state=3)
    with_past = bundle.add_past(plain)
    past = get_past(with_past)
    assert past is not None
    final = with_past[(past.after >= 0) & (with_past["time"] <= last).to_numpy()]
    assert bundle.raw_scores(final).tolist() == scores[final.index].tolist()
    example = describe_input(bundle.golden, bundle.contract)
    assert {"time", "pump", "flow", "heat"} == set(example.columns)
    with pytest.raises(ColumnError, match="pump"):
        bundle.add_past(plain.drop(columns="pump"))


def test_rows_without_a_past_are_refused_with_the_setting(model: Any) -> None:
    _, bundle, rows, _ = model
    with pytest.raises(DataError, match=r"data\.series\.past"):
        bundle.raw_scores(drop_past(rows))


def test_an_alert_names_the_column_that_carries_it(model: Any) -> None:
    _, bundle, rows, _ = model
    changed = rows.iloc[[600]].assign(heat=rows["heat"].iloc[600] + 60)
    assert bundle.raw_scores(changed)[0] > bundle.raw_scores(rows.iloc[[600]])[0]
    explanation = bundle.explain(changed)[0]
    assert explanation.reasons[0].column == "heat"
    reason = explanation.reasons[0]
    assert reason.past is not None
    assert reason.past.member.startswith("the step after")
    assert reason.past.until == changed["time"].iloc[0].isoformat()
    assert reason.usual == pytest.approx(rows["heat"].iloc[600], abs=5)
    assert reason.fall > 0.5 * explanation.score


def test_an_alert_names_the_nearest_window_of_the_reference_and_its_time(tmp_path: Path) -> None:
    frame = write_pumps(tmp_path)
    pipeline = make_series_pipeline(tmp_path)
    rows = read_source(pipeline.data)
    contract, cut = FrameContract.infer(rows, pipeline.data), len(rows) * 3 // 4
    candidate = config.Candidate(detector="series_knn")
    bundle = Bundle.fit(rows.iloc[:cut], rows.iloc[cut:], pipeline, candidate, contract, {})
    bundle.save(tmp_path / "bundle")
    bundle = Bundle.load(tmp_path / "bundle", None)
    changed = rows.iloc[[-1]].assign(flow=rows["flow"].iloc[-1] - 20)
    reason = bundle.explain(changed)[0].reasons[0]
    assert reason.column == "flow"
    assert reason.past is not None
    assert reason.past.ratio > 3
    assert reason.past.nearest is not None
    assert pd.Timestamp(reason.past.nearest) in set(frame["time"])
    assert str(reason.past).startswith(f"{reason.past.member} up to {reason.past.until[:19]}: ")
    assert reason.to_dict()["past"]["nearest"] == reason.past.nearest
    assert reason.usual == pytest.approx(rows["flow"].iloc[-1], abs=6)


def test_rows_with_a_short_past_are_counted(model: Any) -> None:
    _, bundle, rows, _ = model
    (sentence,) = describe_short_past(bundle, rows)
    assert sentence.startswith(tuple("123456789"))
    assert f"of {len(rows)} rows have fewer than {min(60, bundle.detector.history)} rows before" in sentence
    assert describe_short_past(bundle, rows.iloc[[700]]) == ()
