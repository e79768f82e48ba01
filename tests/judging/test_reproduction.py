"""A refit is equal within rounding, differs by how much, or cannot be tried."""

from __future__ import annotations

import numpy as np
import pytest

from pynomaly.judging.reproduction import TOLERANCE, compare_refit, report_impossible

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
