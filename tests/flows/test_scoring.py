"""What the flow ``score`` does with windows that are blocked or empty, without a server."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

import flows.scoring as flow
from pynomaly.errors import QualityError, WindowError


@pytest.fixture
def run_flow(monkeypatch: pytest.MonkeyPatch):
    """Return a function that runs the flow over windows that each score, are empty or are blocked."""

    def run(outcomes: dict[str, str]) -> tuple[list[str], Any]:
        raised: list[str] = []

        def score_window(pipeline: Any, window: str, run: Any) -> Any:
            if outcomes[window] == "blocked":
                raise QualityError(f"plant: window {window} is blocked: 3 rows are bad")
            if outcomes[window] == "empty":
                raise WindowError(f"no row lies in the window {window}")
            return SimpleNamespace(to_dict=lambda: {"window": window})

        def raise_alerts(pipeline: Any, run: Any) -> dict[str, int]:
            raised.append("alerts")
            return {}

        due = SimpleNamespace(windows=list(outcomes), left_out="")
        monkeypatch.setattr(
            flow,
            "load_pipeline",
            lambda config: SimpleNamespace(name="plant", data=SimpleNamespace(source="csv")),
        )
        monkeypatch.setattr(flow, "guard_run", lambda pipeline, act: nullcontext())
        monkeypatch.setattr(flow, "WindowRun", lambda pipeline: nullcontext())
        monkeypatch.setattr(flow, "resolve_run_moment", lambda pipeline, as_of: None)
        monkeypatch.setattr(flow, "get_run_logger", lambda: logging.getLogger("score"))
        monkeypatch.setattr(flow.scoring, "find_due_windows", lambda *_: due)
        monkeypatch.setattr(flow.scoring, "score_window", score_window)
        monkeypatch.setattr(flow.alerting, "raise_alerts", raise_alerts)
        try:
            return raised, flow.score.fn("plant.yaml")
        except (QualityError, WindowError) as error:
            return raised, error

    return run


def test_windows_after_a_blocked_one_are_scored_and_the_run_fails(run_flow) -> None:
    raised, error = run_flow({"1": "scored", "2": "blocked", "3": "scored", "4": "blocked"})
    assert raised == ["alerts"]
    assert isinstance(error, QualityError)
    assert str(error).startswith("plant: window 2 is blocked: 3 rows are bad; 1 more windows are blocked")
    assert "the other 2 due windows are scored" in str(error)


def test_empty_windows_fail_only_if_nothing_is_scored(run_flow) -> None:
    assert isinstance(run_flow({"1": "empty"})[1], WindowError)
    raised, result = run_flow({"1": "empty", "2": "scored"})
    assert raised == ["alerts"]
    assert [window["window"] for window in result["windows"]] == ["2"]
    assert len(result["empty"]) == 1
    assert isinstance(run_flow({"1": "empty", "2": "blocked"})[1], QualityError)
