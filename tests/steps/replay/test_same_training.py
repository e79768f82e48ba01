"""A replayed training and a training of production on the same rows come to the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from pynomaly.config import Pipeline
from pynomaly.judging.comparison.choice import CandidateChoice
from pynomaly.judging.comparison.compare import Verdict
from pynomaly.steps.replay import replay_training
from pynomaly.steps.replay.history import ReplayHistory, TrainedModel
from pynomaly.steps.replay.replay import replay
from pynomaly.steps.replay.replay_training import train_on_reference
from pynomaly.steps.training.compare_models import choose_winner, compare_with_champion
from pynomaly.steps.training.fit_candidates import FittedCandidate, fit_candidate
from pynomaly.steps.training.prepare import PreparedReference, prepare_reference
from pynomaly.steps.training.train_candidates import CandidateTraining, compare_with
from tests.steps.conftest import MOMENT, learn, plan

pytestmark = pytest.mark.slow

LATER = MOMENT + timedelta(days=7)
Make = Callable[..., Pipeline]


def train_in_production(
    settings: Pipeline,
) -> tuple[PreparedReference, list[FittedCandidate], CandidateChoice, Verdict]:
    """The training at LATER, against the champion of MOMENT, whose alerts stay out."""
    learn(settings, plan(settings))
    planned = plan(settings, LATER, "manual")
    candidates = settings.training.candidates
    prepared = prepare_reference(settings, planned.window, LATER, candidates, planned.asked)
    fitted = [fit_candidate(settings, prepared, item, label) for label, item in prepared.labelled()]
    choice = choose_winner(settings, prepared, fitted)
    winner = next(item for item in fitted if item.label == choice.winner)
    verdict = compare_with_champion(settings, prepared, winner, choice.among)
    assert verdict is not None
    return prepared, fitted, choice, verdict


def train_in_replay(settings: Pipeline) -> tuple[TrainedModel, TrainedModel, ReplayHistory]:
    past = ReplayHistory.read(settings, MOMENT, LATER, every=True)
    first = train_on_reference(past, MOMENT)
    return first, train_on_reference(past, LATER, first), past


@pytest.mark.parametrize("labelled", [True, False])
def test_winner_scores_and_verdict_are_the_same(pipeline: Make, labelled: bool) -> None:
    blocks = {} if labelled else {"data": {"label": None, "ignore": ["anomaly"]}}
    settings = pipeline(
        training={"candidates": ["hbos", "gmm"]},
        comparison={"folds": 2, "repeats": 1, "resamples": 200},
        **blocks,
    )
    prepared, fitted, choice, verdict = train_in_production(settings)
    first, replayed, past = train_in_replay(settings)
    assert replayed.candidate.label == choice.winner
    assert replayed.judged.evidence.rung == prepared.rung
    produced = next(item for item in fitted if item.label == choice.winner).scores()
    for column in ("score", "p_value", "is_anomaly"):
        np.testing.assert_array_equal(replayed.candidate.scores()[column].to_numpy(), produced[column])
    assert replayed.baseline.value == choice.measured[choice.winner].values()["average_precision"]
    again = compare_with(
        settings, replayed.judged, first.bundle, replayed.candidate, name=verdict.champion,
        among=replayed.among,
    )  # fmt: skip
    assert again.to_dict() == verdict.to_dict()
    assert not any("comparison.folds" in note for note in past.notes())


def test_a_training_that_nothing_can_be_compared_after_is_refused_not_a_crash(
    pipeline: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = replay_training.train_candidates
    taken: list[str] = []

    def fail_after_the_first(*arguments: Any) -> CandidateTraining:
        taken.append("training")
        if len(taken) == 1:
            return real(*arguments)
        return CandidateTraining((), ("hbos: all 300 scores are 1",), None)

    monkeypatch.setattr(replay_training, "train_candidates", fail_after_the_first)
    settings = pipeline(days=42, shift_day=21)
    policies = replay(settings, MOMENT, MOMENT + timedelta(days=28), ("ours",))["policies"]
    decisions = policies["ours"]["decisions"]
    assert policies["ours"]["promotions"] == 1
    assert "refuse" in {item["decision"] for item in decisions}
    assert any("all 300 scores are 1" in reason for item in decisions for reason in item["reasons"])
