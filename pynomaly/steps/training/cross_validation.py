"""Cross-validate the candidates: refit each on part of the rows and test it against the baseline.

A verdict on held-out rows compares two fitted models; this test compares two configurations, and its error
includes the randomness of fitting. Called before the choice among candidates if ``comparison.folds`` is set.
Only the tests are returned; no model is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.detectors.catalogue import find_entry, make_detector_for
from pynomaly.detectors.deadline import fit_within
from pynomaly.errors import DataError, DetectorError
from pynomaly.judging.comparison.evaluation import explain_unusable_scores
from pynomaly.judging.comparison.ranking_metrics import Array
from pynomaly.judging.comparison.resampled_tests import FoldTest, corrected_t_test
from pynomaly.model.features import FeatureEncoder
from pynomaly.model.scoring import encode_rows, prepare_rows
from pynomaly.steps.training.splits import number_rows
from pynomaly.steps.training.training_rows import TrainingRows

__all__ = ["cross_validate"]


class RefittableCandidate(Protocol):
    """What a refit needs to know of a candidate; one with an `error` is not refitted."""

    @property
    def label(self) -> str:
        """Unique name among the candidates."""

    @property
    def detector(self) -> str:
        """Name of the detector."""

    @property
    def params(self) -> Mapping[str, Any]:
        """Parameters of the detector."""

    @property
    def error(self) -> str:
        """Why it could not be fitted, or ""."""


def cross_validate(
    pipeline: Pipeline,
    rows: TrainingRows,
    fitted: Sequence[RefittableCandidate],
    baseline: str,
) -> dict[str, FoldTest] | None:
    """Test each other candidate against the baseline over ``comparison.folds`` x ``repeats`` refits.

    A fold leaves out its part of the fit rows and of the judged rows, by whole blocks of dependent rows. A
    candidate is fitted on the other fit rows and the other judged rows that are not anomalies, and its metric
    is taken on the judged rows left out. With times, a fit may also use rows later than the tested ones.

    Returns
    -------
    mapping of str to FoldTest, or None
        None if ``comparison.folds`` is not set. A candidate that failed in a fold is missing; the mapping is
        empty if the baseline failed, or anomalies or fit rows lie in fewer blocks than there are folds.
    """
    settings = pipeline.comparison
    if not settings.folds:
        return None
    judged, evidence, fit_rows = rows.judged, rows.judged.evidence, rows.fit
    fit_blocks = number_rows(rows.contract, fit_rows, rows.dependence)
    if rows.dependence.is_dependent and fit_blocks.max() + 1 < settings.folds:
        return {}
    values: dict[str, list[float]] = {item.label: [] for item in fitted if not item.error}
    for repeat in range(settings.repeats):
        rng = np.random.default_rng([pipeline.training.seed, repeat])
        try:
            fold_of_row = evidence.assign_folds(settings.folds, rng)
        except DataError:
            return {}
        left_out = rng.permutation(np.arange(fit_blocks.max() + 1) % settings.folds)[fit_blocks]
        for fold in range(settings.folds):
            normal_judged = judged.frame[(fold_of_row != fold) & (evidence.truth == 0)]
            train = pd.concat([fit_rows[left_out != fold], normal_judged], ignore_index=True)
            in_fold = fold_of_row == fold
            for item in [item for item in fitted if item.label in values]:
                scores = _refit_and_score(pipeline, rows.contract, item, train, judged.frame[in_fold])
                if scores is None:
                    del values[item.label]
                    continue
                ranking = evidence.select(in_fold).rank(scores)
                values[item.label].append(ranking.value(settings.metric))
    if baseline not in values:
        return {}
    share = 1 / (settings.folds - 1)
    return {
        label: corrected_t_test(
            np.subtract(fold_values, values[baseline]).tolist(), share, settings.confidence
        )
        for label, fold_values in values.items()
        if label != baseline
    }


def _refit_and_score(
    pipeline: Pipeline,
    contract: FrameContract,
    item: RefittableCandidate,
    train: pd.DataFrame,
    test: pd.DataFrame,
) -> Array | None:
    """Returns the scores of `test` by a fresh fit on `train`; None if it fails or gives unusable scores."""
    settings, training = pipeline.features, pipeline.training
    if len(train) > training.max_rows:
        train = train.sample(training.max_rows, random_state=training.seed).sort_index()
    own = settings.entities == "own"
    train_rows, test_rows = (
        prepare_rows(frame, contract, calendar=settings.calendar, entities=own) for frame in (train, test)
    )
    features = FeatureEncoder.fit(train_rows.frame, train_rows.times, settings, train_rows.entities)
    looks_back = find_entry(item.detector).looks_back
    try:
        known, new = (encode_rows(rows, features, looks_back=looks_back) for rows in (train_rows, test_rows))
        fresh = make_detector_for(known, item.detector, training.seed, item.params)
        scores = fit_within(fresh, known, training.fit_seconds).score(new)
    except DetectorError:
        return None
    return None if explain_unusable_scores(scores) else scores
