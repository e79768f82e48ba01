from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pynomaly import config
from pynomaly.config import parse_pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.errors import RecordError
from pynomaly.judging.comparison.choice import CandidateChoice
from pynomaly.judging.comparison.rank_tests import friedman_test
from pynomaly.records import figures
from pynomaly.records.evidently_report import MAX_DRIFT_PAGE_BYTES, render_drift_page
from pynomaly.records.palette import SERIES
from pynomaly.records.report import render_model_card

SETTINGS = config.Drift(report_rows=200)


# Evidently's page


def contract(numeric: tuple[str, ...], categorical: tuple[str, ...] = ()) -> FrameContract:
    return FrameContract(numeric=numeric, categorical=categorical, time="time", id=None, label=None)


def rows(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "time": pd.date_range("2026-01-05", periods=n, freq="h", tz="UTC"),
            "<load>": rng.normal(seed, 1, n),
            "silent": np.nan,
            "constant": 1.0,
            "odd": np.where(np.arange(n) % 50 == 0, np.inf, rng.normal(size=n)),
            "machine": pd.Series(rng.choice([f"m{i}" for i in range(60)], n), dtype=object),
        }
    )


def test_the_drift_page_says_what_it_rests_on():
    known = contract(("<load>", "silent", "constant", "odd"), ("machine",))
    current = rows(300, 1)
    before = current.copy()
    page = render_drift_page(
        rows(500, 0), current, known, SETTINGS, seed=3, verdict="status: drift & <more>"
    )[0]
    pd.testing.assert_frame_equal(current, before)
    text = page.decode()
    assert "a sample of 200 of 500 reference rows and 200 of 300 current rows (seed 3)" in text
    assert "no values: silent." in text
    assert "status: drift &amp; &lt;more&gt;" in text
    assert "(other)" in text
    assert len(page) < MAX_DRIFT_PAGE_BYTES


@pytest.mark.slow
def test_a_wide_table_shows_what_differs_most_and_stays_small():
    names = tuple(f"x{i:02d}" for i in range(40))
    rng = np.random.default_rng(0)
    then = pd.DataFrame(rng.normal(size=(60, 40)), columns=list(names))
    page = render_drift_page(then, then.assign(x39=then["x39"] + 9), contract(names), SETTINGS, seed=1)[0]
    assert len(page) < MAX_DRIFT_PAGE_BYTES
    assert b"Only the 24 columns that differ most are shown, of 40." in page
    assert b"x39" in page


@pytest.mark.parametrize("n", [1, 2])
def test_a_row_or_two_are_enough_to_draw(n):
    frame = pd.DataFrame({"a": [1.0] * n})
    assert b"a sample of" in render_drift_page(frame, frame + 1, contract(("a",)), SETTINGS, seed=1)[0]


def test_a_page_of_nothing_is_refused():
    empty = pd.DataFrame({"a": [np.nan]})
    with pytest.raises(RecordError, match="holds values on both sides"):
        render_drift_page(empty, empty, contract(("a",)), SETTINGS, seed=1)[0]
    with pytest.raises(RecordError, match="0 reference"):
        render_drift_page(empty[:0], empty, contract(("a",)), SETTINGS, seed=1)[0]


# Pictures


def png(content: bytes) -> bool:
    return content.startswith(b"\x89PNG") and len(content) > 2000


def test_curves_of_many_candidates_differ_and_the_winner_has_the_first_color() -> None:
    names = [f"candidate {at}" for at in range(20)]
    looks = figures._assign_colors(names, "candidate 7")
    assert len(set(looks.values())) == len(names)
    assert looks["candidate 7"] == (SERIES[0], "-")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("truth", "scores"),
    [
        ([0, 1, 0, 1], {"a": [0.0, 1.0, 0.5, 2.0], "b": [1.0, 1.0, 0.0, 0.0]}),
        ([0, 0, 0], {"a": [0.0, 1.0, 2.0]}),
        ([0, 1], {"a": [np.nan, 1.0], "b": [np.inf, 1.0]}),
        ([0, 1], {"a": [1.0, 1.0]}),
        ([], {}),
    ],
)
def test_every_comparison_has_a_picture(truth, scores):
    first = figures.draw_comparison(truth, scores, "a")
    assert png(first)
    assert figures.draw_comparison(truth, scores, "a") == first
    row = {"candidate": "a", "value": 0.5, "fit_seconds": 1.0, "megabytes": 2.0, "front": True}
    priced = figures.draw_comparison(truth, scores, "a", [row | {"score_seconds": 0.0}])
    assert png(priced)
    assert priced != first
    unmeasured = [row | {"score_seconds": float("nan")}, row | {"value": float("nan")}]
    assert figures.draw_comparison(truth, scores, "a", unmeasured) == first


def test_the_critical_difference_is_drawn_for_equals_and_for_many() -> None:
    for count in (3, 12):
        names = [f"candidate {at}" for at in range(count)]
        apart = friedman_test({name: [float(at)] * 6 for at, name in enumerate(names)})
        same = friedman_test({name: [0.5] * 6 for name in names})
        assert png(figures.draw_critical_difference(apart))
        assert figures.draw_critical_difference(same) == figures.draw_critical_difference(same)


@pytest.mark.parametrize("scores", [[0.0, 1.0, 2.0], [1.0, 1.0, 1.0], [np.nan, 1.0, np.inf], [np.nan] * 3])
def test_every_set_of_scores_has_a_histogram(scores):
    assert png(figures.draw_score_histogram([0, 1, 0], scores, threshold=0.5))


# Text


PREPARED = {
    "key": "k1",
    "window": "all",
    "as_of": "2026-03-02T00:00:00+00:00",
    "data_hash": "ab" * 32,
    "rows": 21504,
    "fit_rows": 10000,
    "calibration_rows": 4000,
    "judged_rows": 6000,
    "quarantined": 12,
    "known_anomalies": 600,
    "incident_rows": 24,
    "labelled_rows": 580,
    "alerted_rows": 9,
    "rung": "injected",
    "quality": "warn",
}
FITTED = [
    {
        "label": "iforest",
        "detector": "iforest",
        "params": {"n": 5},
        "sha256": "cd" * 32,
        "fit_seconds": 1.5,
        "error": "",
    },
    {
        "label": "knn",
        "detector": "knn",
        "params": {},
        "sha256": "",
        "fit_seconds": 0.1,
        "error": "refused | rows",
    },
]


@pytest.fixture
def card():
    pipeline = parse_pipeline(
        {
            "name": "quickstart",
            "description": "Sixteen machines.",
            "data": {"source": "bundled", "dataset": "fleet"},
            "training": {"candidates": ["iforest", "knn"]},
        },
        origin=Path("/tmp/quickstart.yaml"),
    )
    return {
        "pipeline": pipeline,
        "prepared": PREPARED,
        "choice": CandidateChoice(winner="iforest", verdicts=(), table=(), reasons=("It is the baseline.",)),
        "metrics": {
            "iforest": {
                "average_precision": {"value": 0.61234, "low": 0.5, "high": 0.7, "level": 0.95},
                "roc_auc": None,
            }
        },
        "fitted": FITTED,
        "winner": FITTED[0] | {"version": 3},
        "git_commit": "none",
    }


def test_the_model_card_states_the_facts(card):
    text = render_model_card(**card)
    assert text.startswith("# quickstart v3\n\nSixteen machines.\n")
    for fact in (
        "| rows read | 21,504 |",
        "| iforest **(chosen)** | 0.612 (0.5 to 0.7) |" + 3 * " not computable |" + " 1.5 |  |",
        "| knn |" + 4 * " not computable |" + " 0.1 | refused \\| rows |",
        "- It is the baseline.",
        "not real ones",
        "`n=5`",
        "Policy `quantile`: a share of 0.01",
    ):
        assert fact in text


def test_a_card_that_lacks_a_fact_is_not_written(card):
    lacking = {name: value for name, value in PREPARED.items() if name != "rows"}
    with pytest.raises(RecordError, match=r"model_card\.md cannot be written"):
        render_model_card(**card | {"prepared": lacking})


def test_a_card_without_a_winner_chooses_nobody(card):
    text = render_model_card(**card | {"choice": replace(card["choice"], winner=None)})
    assert "(chosen)" not in text
