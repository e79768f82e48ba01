"""Candidates over refits: whole blocks in a fold, both classes in each, and a failure is no evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pynomaly import config
from pynomaly.config import Pipeline
from pynomaly.errors import ConfigError, DetectorError
from pynomaly.judging.comparison.choice import choose_candidate
from pynomaly.judging.comparison.compare import VerdictOutcome
from pynomaly.judging.comparison.evidence import Evidence
from pynomaly.judging.comparison.resampled_tests import corrected_t_test
from pynomaly.steps.training import cross_validation
from pynomaly.steps.training.compare_models import choose_winner
from pynomaly.steps.training.fit_candidates import fit_candidate
from pynomaly.steps.training.prepare import prepare_reference
from pynomaly.steps.training.register import register_training
from tests.steps.conftest import MOMENT, plan

Make = Callable[..., Pipeline]


@pytest.mark.slow
def test_refits_are_tested_against_the_baseline(pipeline: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = []

    def here(detector, rows, seconds):  # type: ignore[no-untyped-def]
        fits.append((detector.name, len(rows)))
        if detector.name == "pca":
            raise DetectorError("pca does not fit")
        return detector.fit(rows)

    monkeypatch.setattr(cross_validation, "fit_within", here)
    settings = pipeline(
        training={"candidates": ["hbos", "gmm", "pca"]}, comparison={"folds": 3, "repeats": 2}
    )
    prepared = prepare_reference(settings, plan(settings).window, MOMENT, settings.training.candidates)
    fitted = [fit_candidate(settings, prepared, candidate, label) for label, candidate in prepared.labelled()]
    results = cross_validation.cross_validate(settings, prepared.load_rows(), fitted, "hbos")
    assert results is not None
    assert set(results) == {"gmm"}
    assert results["gmm"].folds == 6
    assert results["gmm"].share == 0.5
    assert results["gmm"].difference > 0.1  # these anomalies are in the dependency of two columns
    assert fits.count(("pca", fits[0][1])) == 1
    assert {rows < prepared.fit_rows + prepared.judged_rows for _, rows in fits} == {True}
    choice = choose_winner(settings, prepared, fitted)
    assert set(choice.folds) == {"gmm"}
    register_training(settings, prepared, fitted, choice)
    kept = {file.name for file in (prepared.path / "records").iterdir()}
    assert {"comparison.png", "critical_difference.png", "ranks.json", "choice.json"} <= kept


def test_without_folds_nothing_is_refitted(pipeline: Make) -> None:
    settings = pipeline()
    prepared = prepare_reference(settings, plan(settings).window, MOMENT, settings.training.candidates)
    assert cross_validation.cross_validate(settings, prepared.load_rows(), [], "hbos") is None


def test_one_fold_is_none(pipeline: Make) -> None:
    with pytest.raises(ConfigError, match=r"comparison.folds must be 0, or 2 and more"):
        pipeline(comparison={"folds": 1})


def test_a_gain_that_refits_do_not_bear_out_is_no_gain() -> None:
    rng = np.random.default_rng(1)
    truth = np.repeat([1, 0], [100, 900])
    scores = {"old": truth + rng.normal(size=1000), "new": 3 * truth + rng.normal(size=1000)}
    settings = config.Comparison(resamples=300)
    agreed = corrected_t_test([0.2, 0.21, 0.19, 0.22, 0.18], 0.25)
    for folds, winner in (
        (None, "new"),
        ({"new": agreed}, "new"),
        ({"new": corrected_t_test([0.4, -0.3, 0.3, -0.2, 0.1], 0.25)}, "old"),
        ({"new": replace(agreed, difference=-0.2)}, "old"),
        ({}, "old"),
    ):
        choice = choose_candidate(Evidence(truth), scores, settings, baseline="old", folds=folds)
        assert choice.winner == winner, folds
        if winner == "new" and folds:
            assert choice.reasons[-1].startswith("refits agree")
        if winner == "old":
            assert choice.verdicts[0].outcome is VerdictOutcome.NON_INFERIOR
            assert "superior on the judged rows, but it" in choice.verdicts[0].reasons[1]
