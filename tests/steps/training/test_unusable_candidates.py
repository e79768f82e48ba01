"""A challenger that tells no rows apart ends as a refusal on record, and counts as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pynomaly.config import Candidate, Pipeline
from pynomaly.detectors import Detector
from pynomaly.errors import DetectorError
from pynomaly.records.ledger import Ledger
from pynomaly.steps.training.compare_models import refuse_unusable
from pynomaly.steps.training.fit_candidates import fit_candidate
from pynomaly.steps.training.prepare import prepare_reference
from tests.steps.conftest import MOMENT, plan, start_with_champion

Make = Callable[..., Pipeline]


def test_equal_scores_are_refused_with_the_reason_and_count_as_rejected(pipeline: Make) -> None:
    settings = pipeline()
    start_with_champion(settings)
    later = MOMENT + timedelta(days=7)
    planned = plan(settings, later, "manual")
    prepared = prepare_reference(settings, planned.window, later, planned.candidates, planned.asked)
    fitted = [fit_candidate(settings, prepared, item, label) for label, item in prepared.labelled()]
    assert refuse_unusable(settings, prepared, fitted, later) is None
    flat = fitted[0].scores().assign(score=1.5)
    flat.to_parquet(Path(fitted[0].folder).with_name("judged_scores.parquet"), index=False)
    failed = replace(fitted[0], label="other", error="did not end within 1 s")
    for _ in range(2):
        refused = refuse_unusable(settings, prepared, [fitted[0], failed], later)
    assert refused is not None
    assert (refused.kind, refused.outcome) == ("refuse", "unusable")
    assert any(reason.startswith("hbos: all ") and "1.5" in reason for reason in refused.reasons)
    assert "other: did not end within 1 s" in refused.reasons
    with Ledger.open(settings.ledger_url) as ledger:
        assert len(ledger.list_decisions("machines", "refuse")) == 1
    again = plan(settings, later + timedelta(days=2), "event", "drift").decision
    assert "rejected in a row: 1" in " ".join(again.reasons)
    assert not plan(settings, later, "manual").should_train


def test_a_score_that_is_not_finite_is_a_failure_of_the_candidate_not_of_the_run(
    pipeline: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = pipeline()
    prepared = prepare_reference(settings, plan(settings).window, MOMENT)
    as_it_was = Detector.score

    def beyond(self: Detector, X: object, **options: object) -> object:
        scores = as_it_was(self, X, **options)  # type: ignore[arg-type]
        if len(scores) == prepared.judged_rows:
            raise DetectorError("hbos gives row 0 the score inf; only finite scores are given")
        return scores

    monkeypatch.setattr(Detector, "score", beyond)
    failed = fit_candidate(settings, prepared, Candidate(detector="hbos"), "hbos")
    assert "only finite" in failed.error
    refused = refuse_unusable(settings, prepared, [failed], MOMENT)
    assert refused is not None
    assert "hbos: hbos gives row 0 the score inf" in refused.reasons[1]
