"""A refit is equal within rounding, differs by how much, or cannot be tried."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from pynomaly.judging.reproduction import TOLERANCE, Reproduction, compare_refit, report_impossible

SCORES = np.array([0.5, 3.0, 100.0, -4.0])
NONE = np.zeros(4, dtype=bool)


def test_equal_is_within_what_golden_rows_are_held_to() -> None:
    moved = SCORES + 0.5 * TOLERANCE * np.maximum(1.0, np.abs(SCORES))
    result = compare_refit(3, (SCORES, moved), (SCORES, SCORES), (NONE, NONE), ("code: 1 then, 2 now",))
    assert result.outcome == "equal"
    assert result.golden == pytest.approx(0.5 * TOLERANCE, rel=1e-3)
    assert result.reasons[-1] == "code: 1 then, 2 now"


@pytest.mark.parametrize("which", ["golden", "held_out", "alerts"])
def test_any_difference_is_one(which: str) -> None:
    moved = SCORES + np.array([0.0, 0.0, 1.0, 0.0])
    alerts = np.array([True, False, False, False])
    result = compare_refit(
        1,
        (SCORES, moved if which == "golden" else SCORES),
        (SCORES, moved if which == "held_out" else SCORES),
        (NONE, alerts if which == "alerts" else NONE),
    )
    assert result.outcome == "differs"
    assert {"golden": result.golden, "held_out": result.held_out}.get(which, 0.01) == pytest.approx(0.01)
    assert result.alerts_both == 0


def test_scores_that_cannot_be_ranked_have_no_agreement() -> None:
    same = np.ones(4)
    assert compare_refit(1, (same, same), (same, same), (NONE, NONE)).rank_agreement is None
    assert compare_refit(1, (SCORES, SCORES), (SCORES, -SCORES), (NONE, NONE)).rank_agreement == -1.0
    assert compare_refit(1, (same, same), (SCORES[:0], SCORES[:0]), (NONE[:0], NONE[:0])).held_out == 0.0


def test_what_cannot_be_tried_says_why() -> None:
    report = report_impossible(2, "gone", "changed").to_dict()
    assert (report["outcome"], report["golden"], report["reasons"]) == ("cannot", None, ["gone", "changed"])
    assert report_impossible(7) == Reproduction("cannot", 7, None, None, 0, 0, None, 0, 0, 0, ())


def test_figures_are_those_of_the_rows() -> None:
    then = np.array([True, True, False, False])
    now = np.array([True, False, True, False])
    golden, refit = SCORES[:3], SCORES[:3] + np.array([0.25, 0.0, -10.0])
    result = compare_refit(5, (golden, refit), (SCORES, SCORES * 2), (then, now), ("changed",))
    assert result == Reproduction(
        "differs",
        5,
        pytest.approx(0.25),  # of a score below 1 as it is, of a larger one relative: 10 of 100
        1.0,
        3,
        4,
        1.0,
        2,
        2,
        1,
        (
            "3 golden rows: scores differ by up to 0.25",
            "4 held-out rows: scores differ by up to 1, their order agrees to 1.0000 (Spearman)",
            "held-out alerts: 2 then, 2 now, 1 the same",
            "changed",
        ),
    )


def test_a_difference_of_the_tolerance_is_still_equal() -> None:
    zero, edge = np.zeros(1), np.array([TOLERANCE])
    none = np.zeros(1, dtype=bool)
    assert compare_refit(1, (zero, edge), (zero, edge), (none, none)).outcome == "equal"
    assert compare_refit(1, (zero, zero), (zero, 1.01 * edge), (none, none)).outcome == "differs"
    assert compare_refit(1, (zero, 1.01 * edge), (zero, zero), (none, none)).outcome == "differs"
    lines = compare_refit(1, (zero, zero), (zero, edge), (none, none)).reasons
    assert lines[1] == "1 held-out rows: scores differ by up to 1e-09"


def test_rank_agreement_is_spearmans() -> None:
    rng = np.random.default_rng(0)
    then, now = rng.integers(0, 9, 50).astype(float), rng.integers(0, 9, 50).astype(float)
    none = np.zeros(50, dtype=bool)
    agreement = compare_refit(1, (then, then), (then, now), (none, none)).rank_agreement
    assert agreement == pytest.approx(spearmanr(then, now).statistic)
    one = np.ones(1)
    assert compare_refit(1, (one, one), (one, one), (none[:1], none[:1])).rank_agreement is None
