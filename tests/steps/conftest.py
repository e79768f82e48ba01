"""A pipeline over a small table, trained by the steps alone: no orchestrator anywhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from pynomaly.config import Pipeline, load_pipeline
from pynomaly.detectors import Detector
from pynomaly.judging.comparison.compare import Verdict
from pynomaly.records.ledger import Decision, RegistrationResult
from pynomaly.steps.promotion.promote import promote
from pynomaly.steps.training.compare_models import choose_winner, compare_with_champion
from pynomaly.steps.training.fit_candidates import fit_candidate
from pynomaly.steps.training.planning import TrainingPlan, plan_training
from pynomaly.steps.training.prepare import prepare_reference
from pynomaly.steps.training.register import register_training
from tests.homes import start_from
from tests.machines import make_machines, make_small_settings

MOMENT = datetime(2026, 1, 19, tzinfo=UTC)


@pytest.fixture
def pipeline(tmp_path: Path) -> Callable[..., Pipeline]:
    """Write the table and the settings; keyword arguments change blocks."""

    def make(
        days: int = 28, shift_day: int | None = None, table: pd.DataFrame | None = None, **blocks: Any
    ) -> Pipeline:
        rows = make_machines(days, shift_day=shift_day) if table is None else table
        rows.to_csv(tmp_path / "machines.csv", index=False)
        file = tmp_path / "machines.yaml"
        file.write_text(yaml.safe_dump(make_small_settings(**blocks)))
        return load_pipeline(file)

    return make


@pytest.fixture(autouse=True)
def fit_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit in this process: the limit of a child has tests of its own, and each child costs two seconds."""

    def fit_at_once(detector: Detector, rows: Any, seconds: float | None) -> Detector:
        assert seconds is None or seconds > 0
        return detector.fit(rows)

    monkeypatch.setattr("pynomaly.model.fitting.fitting.fit_within", fit_at_once)


def plan(
    settings: Pipeline, at: datetime = MOMENT, trigger: Any = "schedule", reason: str = "test"
) -> TrainingPlan:
    return plan_training(settings, at, trigger, reason)


def trained(
    settings: Pipeline, planned: TrainingPlan, at: datetime = MOMENT
) -> tuple[RegistrationResult, Verdict | None]:
    """A registered version and the verdict on it; nothing is promoted."""
    prepared = prepare_reference(settings, planned.window, at, planned.candidates, planned.asked)
    fitted = [fit_candidate(settings, prepared, candidate, label) for label, candidate in prepared.labelled()]
    choice = choose_winner(settings, prepared, fitted)
    registered = register_training(settings, prepared, fitted, choice)
    winner = next(item for item in fitted if item.sha256 == registered.sha256)
    return registered, compare_with_champion(settings, prepared, winner, choice.among)


def learn(
    settings: Pipeline, planned: TrainingPlan, at: datetime = MOMENT
) -> tuple[RegistrationResult, Decision]:
    """Everything after the decision to train, as the flow wires it."""
    registered, verdict = trained(settings, planned, at)
    return registered, promote(settings, registered, verdict, at)


def start_with_champion(settings: Pipeline) -> tuple[RegistrationResult, Decision]:
    """What `learn` leaves in an empty home and returns, from a copy where a test of this run did the same."""
    return start_from(settings, learn_first)


def learn_first(settings: Pipeline) -> tuple[RegistrationResult, Decision]:
    return learn(settings, plan(settings))


def start_with_challenger(settings: Pipeline, at: datetime) -> tuple[RegistrationResult, Verdict | None]:
    """Leave v1 as champion and v2, trained at `at`, registered and judged; return what `trained` does of v2.

    For tests whose gate measures no clean process: their homes are kept apart from those of other tests.
    """
    return start_from(settings, partial(train_challenger, at=at))


def train_challenger(settings: Pipeline, at: datetime) -> tuple[RegistrationResult, Verdict | None]:
    learn_first(settings)
    return trained(settings, plan(settings, at, "manual"), at)
