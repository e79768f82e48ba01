"""Events: what automations listen to is emitted, and every kind of it is in the operators' table."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tasks
from pynomaly.config import load_pipeline
from pynomaly.data.window import Window
from pynomaly.errors import QualityError
from tasks import events
from tests.machines import make_machines

ROOT = Path(tasks.__file__).parents[1]


def announced() -> set[str]:
    """What the tasks announce, up to the part that only a run knows."""
    names = set()
    for file in (ROOT / "tasks").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "announce_event":
                name = node.args[1]
                if isinstance(name, ast.Constant):
                    names.add(str(name.value))
                elif isinstance(name, ast.JoinedStr) and isinstance(name.values[0], ast.Constant):
                    names.add(str(name.values[0].value))
    return names


def test_the_table_for_operators_names_every_event() -> None:
    text = (ROOT / "deployments" / "README.md").read_text()
    names = set()
    for cells in re.findall(r"^\| (`pynomaly[^|]+)\|", text, re.MULTILINE):
        first, *others = re.findall(r"`([^`]+)`", cells)
        family = first.rpartition(".")[0]
        names |= {name.removeprefix("pynomaly.") for name in (first, *(family + other for other in others))}
    missing = {name for name in announced() if not any(event.startswith(name) for event in names)}
    assert len(announced()) > 10
    assert not missing


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    events_emitted: list[dict[str, Any]] = []
    monkeypatch.setattr(events, "emit_event", lambda **facts: events_emitted.append(facts))
    return events_emitted


@pytest.mark.parametrize("work", ["score", "monitor", "train"])
def test_a_block_by_validation_is_an_event_and_still_an_error(
    work: str,
    emitted: list[dict[str, Any]],
    pipeline_file: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pynomaly.judging.drift.retraining import RetrainDecision
    from pynomaly.steps.training.planning import TrainingPlan
    from pynomaly.steps.training.reference import HeldReference
    from tasks import monitoring, scoring, training

    pipeline = load_pipeline(pipeline_file())
    window = Window(pd.Timestamp("2026-01-05", tz="UTC"), pd.Timestamp("2026-01-12", tz="UTC"))

    def blocked(*_: Any) -> None:
        raise QualityError("machines: the window is blocked: 3 rows")

    plan = TrainingPlan(RetrainDecision("search", ()), window, (), "", held=HeldReference())
    module, name, call = {
        "score": (scoring, "score_window_step", lambda: scoring.score_window.fn(pipeline, window)),
        "monitor": (
            monitoring,
            "monitor_window_step",
            lambda: monitoring.monitor_window.fn(pipeline, window, window.end),
        ),
        "train": (
            training,
            "prepare_step",
            lambda: training.prepare_reference.fn(pipeline, plan, window.end),
        ),
    }[work]
    monkeypatch.setattr(module, name, blocked)
    with pytest.raises(QualityError, match="3 rows"):
        call()
    assert [item["event"] for item in emitted] == ["pynomaly.quality.block"]
    assert emitted[0]["payload"] == {
        "work": work,
        "window": window.key,
        "reason": "machines: the window is blocked: 3 rows",
    }
    assert emitted[0]["resource"]["prefect.resource.id"] == f"pynomaly.pipeline.{pipeline.name}"


def test_a_scored_window_emits_no_block(
    emitted: list[dict[str, Any]], pipeline_file: Callable[..., Path]
) -> None:
    from tasks import scoring

    pipeline = load_pipeline(pipeline_file(make_machines(28)))
    window = Window(pd.Timestamp("2026-01-05", tz="UTC"), pd.Timestamp("2026-01-12", tz="UTC"))
    with pytest.raises(LookupError):  # no champion: an error, and no word about the data
        scoring.score_window.fn(pipeline, window)
    assert emitted == []
