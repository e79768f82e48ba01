"""Two of the last five windows and the newest; what is not computable counts as bad."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from pynomaly import config
from pynomaly.judging.drift.degradation import Observation, binomial_tail, judge_degradation, observe_window
from pynomaly.judging.drift.window_drift import ColumnDrift, DriftReport
from tests import naive

SETTINGS = config.Degradation()


def report(status: Any = "ok", score: Any = "ok") -> DriftReport:
    return DriftReport(
        status, (), ColumnDrift("score", "score", score, 0.0, 1.0, 1.0, "score: said"), 0.0, ()
    )


def observe(window: str = "w", **changes: Any) -> Observation:
    arguments: dict[str, Any] = {"rows": 1000, "drift": report(), "alerts": 10, "expected_rate": 0.01}
    arguments |= {"performance": 0.8, "baseline": 0.8, "positives": 50} | changes
    return observe_window(window, settings=SETTINGS, **arguments)


GOOD = {}
BAD = {"drift": report("drift")}


def verdict(*windows: dict[str, Any], settings: config.Degradation = SETTINGS):  # type: ignore[no-untyped-def]
    return judge_degradation([observe(f"w{i}", **changes) for i, changes in enumerate(windows)], settings)


@pytest.mark.parametrize(
    ("windows", "state", "action"),
    [
        ([GOOD], "normal", "none"),
        ([BAD], "warning", "watch"),
        ([BAD, BAD], "degraded", "retrain"),
        ([BAD, GOOD, GOOD, GOOD, BAD], "degraded", "retrain"),
        ([BAD, GOOD, GOOD, GOOD, GOOD, BAD], "warning", "watch"),
        ([BAD, BAD, GOOD], "recovering", "watch"),
        ([BAD, GOOD], "normal", "none"),
        ([BAD, BAD, GOOD, GOOD, GOOD, GOOD], "normal", "none"),
        ([{"performance": 0.75}] * 2, "warning", "alert"),
        ([{"performance": 0.71}] * 2, "degraded", "watch"),
        ([{"performance": 0.67}] * 2, "degraded", "retrain"),
        ([{"performance": 0.50}] * 2, "critical", "page"),
        ([{"performance": 0.75}, {"performance": 0.50}], "warning", "alert"),
        ([{"performance": 0.50}, {"performance": 0.75}], "warning", "alert"),
        ([BAD, {"performance": 0.50}], "degraded", "retrain"),
        ([{"alerts": 60}] * 2, "degraded", "watch"),
        ([{"drift": report(score="drift")}] * 2, "degraded", "retrain"),
        ([{"drift": report("warning", "warning")}] * 3, "normal", "none"),
    ],
)
def test_states(windows: list[dict[str, Any]], state: str, action: str) -> None:
    degradation = verdict(*windows)
    assert (degradation.state, degradation.action) == (state, action)
    assert degradation.reasons
    json.dumps(degradation.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"alerts": None},
        {"expected_rate": None},
        {"expected_rate": float("nan")},
        {"expected_rate": 0.0},
        {"drift": None},
        {"performance": None},
        {"performance": float("nan")},
        {"baseline": 0.0},
    ],
)
def test_what_is_not_computable_is_violated_and_says_so(changes: dict[str, Any]) -> None:
    observation = observe(**changes)
    assert observation.violated
    assert any("not computable, which counts as violated" in reason for reason in observation.reasons)
    assert verdict(changes, changes).state == "degraded"
    json.dumps(observation.to_dict(), allow_nan=False)


def test_no_labels_are_no_verdict_on_performance() -> None:
    observation = observe(performance=None, baseline=None, positives=0)
    assert observation.performance_status == "insufficient_data"
    assert not observation.violated


def test_too_few_rows_are_insufficient_data_and_earlier_short_windows_are_passed_over() -> None:
    short = {"rows": 99, "alerts": 50, **BAD}
    assert verdict(BAD, short).state == "insufficient_data"
    degradation = verdict(BAD, short, BAD)
    assert degradation.state == "degraded"
    assert degradation.considered == ("w0", "w2")
    assert judge_degradation([], SETTINGS).state == "insufficient_data"


@pytest.mark.parametrize(
    ("rows", "alerts", "status"),
    [
        (1000, 10, "ok"),
        (1000, 29, "ok"),  # certain (p < 1e-6), but below three times
        (1000, 30, "violated"),
        (100, 3, "ok"),  # three times, but p = 0.08
        (100, 4, "violated"),
        (99, 99, "insufficient_data"),
        (1000, 0, "ok"),
    ],
)
def test_alert_rate_needs_size_and_certainty(rows: int, alerts: int, status: str) -> None:
    observation = observe(rows=rows, alerts=alerts)
    assert observation.alert_status == status
    assert observation.alert_rate == pytest.approx(alerts / rows)
    if (rows, alerts) == (1000, 0):
        assert "silent" in observation.reasons[0]


@pytest.mark.parametrize(
    ("now", "step"),
    [(0.9, "none"), (0.77, "none"), (0.76, "minor"), (0.72, "moderate"), (0.68, "major"), (0.6, "critical")],
)
def test_the_ladder_includes_its_limits(now: float, step: str) -> None:
    assert observe(performance=now).performance_status == step


@given(st.integers(1, 60), st.floats(0.001, 0.999), st.data())
def test_binomial_tails_are_exact(rows: int, rate: float, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, rows))
    assert binomial_tail(hits, rows, rate) == pytest.approx(float(binom.sf(hits - 1, rows, rate)), abs=1e-12)
    assert binomial_tail(hits, rows, rate) == pytest.approx(naive.binomial_upper(hits, rows, rate), abs=1e-9)
    lower = binomial_tail(hits, rows, rate, upper=False)
    assert lower == pytest.approx(float(binom.cdf(hits, rows, rate)), abs=1e-12)


def test_one_violated_window_can_be_enough() -> None:
    assert verdict(BAD, settings=config.Degradation(windows=1, violated=1)).state == "degraded"


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_a_good_newest_window_never_asks_for_a_training(history: list[bool]) -> None:
    degradation = verdict(*[BAD if bad else GOOD for bad in history], GOOD)
    assert degradation.state in ("normal", "recovering")
    assert degradation.action in ("none", "watch")


def test_an_observation_survives_json() -> None:
    observation = observe(**BAD)
    content = json.loads(json.dumps(observation.to_dict())) | {"report": "file:///r.html"}
    assert Observation.from_dict(content) == observation


def test_a_drop_that_chance_explains_is_said_and_not_counted() -> None:
    measures = {"performance": 0.7, "baseline": 0.9, "positives": 25}
    certain = observe(**measures, performance_high=0.85)
    assert certain.performance_status == "major"
    likely = observe(**measures, performance_high=0.92)
    assert likely.performance_status == "none"
    assert "chance explains" in " ".join(likely.reasons)
