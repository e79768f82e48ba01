"""A pipeline over a small table, trained by the steps alone: no orchestrator anywhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from pynomaly.config import Pipeline, load
from pynomaly.judging.comparison import Verdict
from pynomaly.records.ledger import Decision
from pynomaly.steps.candidates import fit_candidate
from pynomaly.steps.judge import against_champion, choose_winner
from pynomaly.steps.prepare import prepare
from pynomaly.steps.promote import promote
from pynomaly.steps.register import Registered, register
from pynomaly.steps.retrain import Plan, plan_training
from tests.machines import machines, small_settings

MOMENT = datetime(2026, 1, 19, tzinfo=UTC)


@pytest.fixture
def pipeline(tmp_path: Path) -> Callable[..., Pipeline]:
    """Write the table and the settings; keyword arguments change blocks."""

    def make(days: int = 28, shift_day: int | None = None, **blocks: Any) -> Pipeline:
        machines(days, shift_day=shift_day).to_csv(tmp_path / "machines.csv", index=False)
        file = tmp_path / "machines.yaml"
        file.write_text(yaml.safe_dump(small_settings(**blocks)))
        return load(file)

    return make


def plan(settings: Pipeline, at: datetime = MOMENT, trigger: Any = "schedule", reason: str = "test") -> Plan:
    return plan_training(settings, at, trigger, reason)


def trained(settings: Pipeline, planned: Plan, at: datetime = MOMENT) -> tuple[Registered, Verdict | None]:
    """A registered version and the verdict on it; nothing is promoted."""
    prepared = prepare(settings, planned.window, at, planned.candidates, planned.asked)
    fitted = [fit_candidate(settings, prepared, candidate, label) for label, candidate in prepared.labelled()]
    choice = choose_winner(settings, prepared, fitted)
    registered = register(settings, prepared, fitted, choice)
    winner = next(item for item in fitted if item.sha256 == registered.sha256)
    return registered, against_champion(settings, prepared, winner, choice.among)


def learn(settings: Pipeline, planned: Plan, at: datetime = MOMENT) -> tuple[Registered, Decision]:
    """Everything after the decision to train, as the flow wires it."""
    registered, verdict = trained(settings, planned, at)
    return registered, promote(settings, registered, verdict, at)
