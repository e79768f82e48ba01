"""What answers add is measured on rows nobody labelled, and answers are drawn as they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.feedback import (
    NOTHING,
    SHARES,
    build_feedback_table,
    choose_labelled_rows,
    count_nothing,
    load_skab_split,
    measure_feedback,
)
from benchmarks.quality import TableSplit


def small() -> TableSplit:
    rng = np.random.default_rng(0)
    rows, truth = rng.normal(size=(400, 3)), np.zeros(400, dtype=np.int64)
    truth[::4] = 1
    rows[::4, 0] += 4
    return TableSplit("small", 0, rows[:300], truth[:300], rows[300:], truth[300:])


def test_alerts_are_the_highest_scores_and_random_rows_any() -> None:
    scores = np.arange(100.0)
    assert np.flatnonzero(choose_labelled_rows(small(), scores, 0.05, "alerts")).tolist() == [
        95,
        96,
        97,
        98,
        99,
    ]
    chosen = choose_labelled_rows(small(), scores, 0.05, "random")
    assert chosen.sum() == 5
    assert np.flatnonzero(chosen).tolist() != [95, 96, 97, 98, 99]


def test_every_share_is_measured_in_each_way_and_learning_needs_enough() -> None:
    runs = list(measure_feedback(small(), "hbos"))
    assert [(run["how"], run["share"]) for run in runs] == [
        ("none", 0.0),
        *(("alerts", share) for share in SHARES),
        *(("random", share) for share in SHARES),
    ]
    assert all(run["known"] >= 20 for run in runs if run["used"])
    table = build_feedback_table(runs)
    assert list(table.index) == ["small", "mean"]


def test_skab_is_split_in_time(tmp_path) -> None:
    frame = pd.DataFrame({"datetime": range(10), "Current": np.arange(10.0), "anomaly": 0, "changepoint": 0})
    frame.loc[7:, "anomaly"] = 1
    frame.to_csv(tmp_path / "0.csv", sep=";", index=False)
    split = load_skab_split(tmp_path, 0)
    assert split.fit.ravel().tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5]
    assert split.truth.tolist() == [0, 1, 1, 1]


@pytest.mark.slow
def test_known_anomalies_that_carry_nothing_are_seldom_used() -> None:
    used = count_nothing(12, seed=9)
    assert set(used) == set(NOTHING)
    # Of 36 at five in a hundred six or more come once in a hundred times; one standard error used a third.
    assert sum(used.values()) <= 5
