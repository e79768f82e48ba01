"""The measurement of audits draws what it says, and its quick form holds the bounds of the page."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import audits
from pynomaly.judging.comparison.evaluation import roc_auc


@pytest.mark.parametrize("hours", [1, 6])
def test_worlds_have_the_anomalies_and_the_quality_they_are_drawn_with(hours: int) -> None:
    worlds = [audits.draw_world(np.random.default_rng([seed]), hours, audits.BETTER) for seed in range(10)]
    assert np.mean([world.truth.mean() for world in worlds]) == pytest.approx(audits.SHARE, rel=0.15)
    for side, quality in enumerate((audits.EQUAL, audits.BETTER)):
        values = [roc_auc(world.truth, world.scores[side]) for world in worlds]
        assert np.mean(values) == pytest.approx(quality, abs=0.015)
        assert worlds[0].alerts[side].mean() == pytest.approx(audits.SHARE, abs=0.001)


@pytest.mark.parametrize("how", audits.HOW)
def test_each_draw_has_the_rows_and_the_weights_of_all(how: str) -> None:
    world = audits.draw_world(np.random.default_rng(0), 6, audits.BETTER)
    draw = audits.draw_rows(world, how, 100, 0)
    rows = audits.answer_rows(world, draw, 60)
    assert (len(draw.places), int(rows.answered.sum())) == (100, 60)
    weights = rows.build_evidence().weights
    assert weights is not None
    assert weights.sum() == pytest.approx(len(world.truth))


@pytest.mark.slow
def test_the_quick_form_holds_its_bounds_and_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    assert audits.check_bounds(seed=4000, draws=9) == 0
    monkeypatch.setattr(audits, "BETTER", audits.EQUAL)
    assert audits.check_bounds(seed=4000, draws=3) == 1
