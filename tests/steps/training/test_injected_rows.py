"""Episodes are copies that look back on themselves; normal rows never look back on an anomaly."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pynomaly.config import Candidate, Pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.data.past import attach_past, get_past
from pynomaly.data.series import add_past_features
from pynomaly.judging.comparison.injected.anomalies import InjectedAnomalies
from pynomaly.judging.comparison.injected.episodes import EPISODE_KINDS
from pynomaly.judging.comparison.injected.rows import InjectedRows, inject_rows
from pynomaly.judging.comparison.injection import ANOMALY_KINDS
from pynomaly.judging.drift.label_free_checks import UnlabelledProbe
from pynomaly.model.bundle import Bundle
from pynomaly.steps.training.label_free_checks import probe_model
from pynomaly.steps.training.training_rows import JudgedRows, TrainingRows, build_judged_rows

START = pd.Timestamp("2026-01-05", tz="UTC")


def build_pipeline(**series: Any) -> Pipeline:
    return Pipeline.model_validate(
        {
            "name": "meters",
            "data": {
                "source": "parquet",
                "path": "x.parquet",
                "time": "time",
                "id": "meter",
                "series": series,
            },
            "training": {"candidates": [{"detector": "knn"}]},
        }
    )


def meters(rows: int = 1500) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    place = np.arange(rows)
    parts = [
        pd.DataFrame(
            {
                "time": START + pd.to_timedelta(place * 5, unit="min"),
                "meter": name,
                "load": np.sin(2 * np.pi * place / 40) * 5 + rng.normal(size=rows),
                "other": rng.normal(size=rows),
            }
        )
        for name in "ab"
    ]
    return pd.concat(parts, ignore_index=True).sort_values(["time", "meter"], ignore_index=True)


def inject(frame: pd.DataFrame, pipeline: Pipeline) -> tuple[InjectedRows, pd.DataFrame, FrameContract]:
    contract = FrameContract.infer(frame, pipeline.data)
    cut = round(0.7 * len(frame))
    normal = frame.iloc[cut:]
    return inject_rows(pipeline, contract, normal, frame.iloc[:cut]), normal, contract


def test_normal_rows_keep_their_cells_and_their_past() -> None:
    pipeline = build_pipeline(past=60, step="5m")
    rows, normal, contract = inject(attach_past(meters(), pipeline.data), pipeline)
    is_normal = rows.truth == 0
    kept = rows.frame[is_normal]
    features = list(contract.features)
    pd.testing.assert_frame_equal(kept[features], normal.loc[kept.index, features])
    past, before = get_past(kept), get_past(normal.loc[kept.index])
    assert past is not None and before is not None  # noqa: PT018
    np.testing.assert_array_equal(past.stretches.cells[past.places], before.stretches.cells[before.places])
    for back in (1, 20):
        np.testing.assert_array_equal(
            past.stretches.cells[past.places - back], before.stretches.cells[before.places - back]
        )


def test_rows_of_an_episode_look_back_on_it() -> None:
    pipeline = build_pipeline(past=60, step="5m")
    rows, normal, _ = inject(attach_past(meters(), pipeline.data), pipeline)
    episodes = rows.injected.episodes
    assert episodes is not None
    past = get_past(rows.frame)
    assert past is not None
    column = past.stretches.columns.index("load")
    cells = rows.frame["load"].to_numpy()
    places = np.flatnonzero(episodes >= 0)
    np.testing.assert_array_equal(past.stretches.cells[past.places[places], column], cells[places])
    original = normal.reset_index().set_index(["time", "meter"])["load"]
    checked = 0
    for number in range(episodes.max() + 1):
        own = np.flatnonzero(episodes == number)
        keys = list(zip(rows.frame["time"].iloc[own], rows.frame["meter"].iloc[own], strict=True))
        changed = cells[own] != original.loc[keys].to_numpy()
        last, first = own[-1], own[0]
        back = int((rows.frame["time"].iloc[last] - rows.frame["time"].iloc[first]) / pd.Timedelta("5min"))
        if changed[0] and 0 < back <= 60:
            assert past.stretches.cells[past.places[last] - back, column] == cells[first]
            checked += 1
    assert checked > 5


def test_features_of_the_past_follow_the_changed_cells() -> None:
    pipeline = build_pipeline(columns=["load"], rows=6, history="1d")
    plain = meters()
    frame = add_past_features(plain, "time", "meter", pipeline.data.series)
    rows, normal, _ = inject(frame, pipeline)
    episodes = rows.injected.episodes
    assert episodes is not None
    alone = (rows.truth == 1) & (episodes < 0)
    changed, before = rows.frame[alone], normal.loc[rows.frame.index[alone]]
    np.testing.assert_allclose(
        changed["load:change"] - before["load:change"], changed["load"] - before["load"], atol=1e-9
    )
    np.testing.assert_array_equal(changed["load:spread"], before["load:spread"])
    kept = rows.frame[rows.truth == 0]
    pd.testing.assert_frame_equal(kept, normal.loc[kept.index])
    stuck = rows.frame[rows.injected.kinds == "stuck"]
    assert (stuck["load:spread"] == 0).any(), "within a stuck run the spread of the rows before is 0"


def test_settings_of_the_past_change_no_anomaly() -> None:
    plain = meters()
    first, _, _ = inject(plain, build_pipeline())
    pipeline = build_pipeline(past=60, step="5m", columns=["load"], history="1d")
    frame = attach_past(add_past_features(plain, "time", "meter", pipeline.data.series), pipeline.data)
    second, _, _ = inject(frame, pipeline)
    np.testing.assert_array_equal(first.injected.kinds, second.injected.kinds)
    np.testing.assert_array_equal(first.frame["load"], second.frame["load"])
    np.testing.assert_array_equal(first.injected.weights, second.injected.weights)


def test_kinds_weights_and_units() -> None:
    pipeline = build_pipeline()
    frame = meters()
    contract = FrameContract.infer(frame, pipeline.data)
    judged = build_judged_rows(pipeline, contract, frame.iloc[2000:], frame.iloc[:2000])
    evidence = judged.evidence
    injected = evidence.injected
    assert injected is not None and injected.weights is not None  # noqa: PT018
    assert set(injected.kinds) >= {*ANOMALY_KINDS, *EPISODE_KINDS}
    assert injected.weights.sum() == pytest.approx(1.0)
    assert injected.weights[np.isin(injected.kinds, ANOMALY_KINDS)].sum() == pytest.approx(0.02)
    assert injected.prevalence == pipeline.alerts.prevalence
    assert evidence.positives >= pipeline.comparison.min_positives
    assert evidence.blocks is not None and injected.episodes is not None  # noqa: PT018
    for number in range(injected.episodes.max() + 1):
        assert np.unique(evidence.blocks[injected.episodes == number]).size == 1
    assert len(judged.drop_injected(judged.frame)) == (evidence.truth == 0).sum()


def test_rows_without_a_past_say_so_and_get_single_rows_alone() -> None:
    frame = meters()
    frame["load"] = np.random.default_rng(1).normal(size=len(frame))
    rows, normal, _ = inject(frame, build_pipeline())
    assert len(rows.frame) == len(normal)
    assert rows.injected.episodes is None
    assert set(rows.injected.kinds) == {"", *ANOMALY_KINDS}
    assert rows.injected.note == (
        "values do not depend on the hour, the entity and the rows before, "
        "so no injected anomaly asks for that"
    )


def test_a_flag_that_did_not_change_gets_other_values_and_says_so() -> None:
    frame = meters().assign(load=1.0, other=0.0)
    rows, normal, _ = inject(frame, build_pipeline())
    is_normal = rows.truth == 0
    assert 0.04 < rows.truth.mean() < 0.06
    assert (rows.frame[["load", "other"]][is_normal] == [1.0, 0.0]).all(axis=None)
    assert (rows.frame[["load", "other"]][~is_normal] != [1.0, 0.0]).all(axis=None)
    assert "constant" in rows.injected.note
    assert len(rows.frame) == len(normal)


def test_a_work_folder_restores_the_evidence(tmp_path: Any) -> None:
    pipeline = build_pipeline(past=30, step="5m")
    frame = attach_past(meters(), pipeline.data)
    contract = FrameContract.infer(frame, pipeline.data)
    judged = build_judged_rows(pipeline, contract, frame.iloc[2000:], frame.iloc[:2000])
    judged = JudgedRows(judged.frame.reset_index(drop=True), judged.evidence)
    TrainingRows(contract, frame.iloc[:900], frame.iloc[900:2000], frame.iloc[:0], judged).write(tmp_path)
    again = JudgedRows.load(tmp_path, "injected")
    scores = np.random.default_rng(0).random(len(judged.frame))
    first, second = (rows.evidence.rank(scores).value("average_precision") for rows in (judged, again))
    assert first == second
    assert again.evidence.injected is not None
    assert (
        again.evidence.injected.note
        == "values do not depend on the hour and the entity, so no injected anomaly asks for that"
    )


def test_an_anomaly_counts_once_and_an_episode_with_the_share_of_its_rows() -> None:
    kinds = np.array(["", "stuck", "stuck", "stuck", "stuck", "global", "slow drift", ""], dtype=object)
    episodes = np.array([-1, 0, 0, 0, 0, -1, 2, -1])
    injected = InjectedAnomalies(kinds, np.where(kinds == "", "", "1").astype(object), episodes)
    flags = np.array([True, True, False, False, False, True, False, True])
    assert injected.measure_found(flags) == pytest.approx(
        {"all": 1.25 / 3, "global": 1.0, "slow drift": 0.0, "stuck": 0.25}
    )
    plain = InjectedAnomalies(kinds, kinds)
    assert plain.measure_found(flags)["all"] == pytest.approx(2 / 6)


def test_a_share_and_sizes_may_be_asked_for() -> None:
    pipeline, frame = build_pipeline(), meters()
    contract = FrameContract.infer(frame, pipeline.data)
    rows = inject_rows(pipeline, contract, frame, frame, 0.2, (1.0,))
    assert set(rows.injected.sizes) == {"", "1"}
    anomalies = rows.injected.counts[rows.truth == 1].sum()
    assert anomalies == pytest.approx(0.2 * len(frame), rel=0.1)


@pytest.mark.parametrize("past", [{"past": 60, "step": "5m"}, {}])
def test_a_probe_asks_for_what_the_rows_show_to_be_possible(past: dict[str, Any]) -> None:
    pipeline = build_pipeline(**past)
    frame = attach_past(meters(), pipeline.data)
    contract = FrameContract.infer(frame, pipeline.data)
    candidate = Candidate(detector="series_ar" if past else "knn")
    bundle = Bundle.fit(frame.iloc[:1500], frame.iloc[1500:2000], pipeline, candidate, contract, {})
    probe = probe_model(pipeline, bundle, frame.iloc[2000:])
    assert set(EPISODE_KINDS) <= set(probe.kinds)
    roc_auc, precision = probe.in_context
    assert roc_auc is not None
    assert precision is not None
    assert probe.roc_auc is not None
    assert roc_auc[0] < probe.roc_auc[0], "episodes are harder than values that are far off"
    assert UnlabelledProbe.from_dict(json.loads(json.dumps(probe.to_dict()))) == probe
    shuffled = frame.iloc[2000:].assign(load=np.random.default_rng(1).normal(size=1000))
    assert not set(EPISODE_KINDS) & set(probe_model(pipeline, bundle, shuffled).kinds)
